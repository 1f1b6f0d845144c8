#include "plan/wishes.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/glob.hpp"
#include "core/units.hpp"
#include "core/variant.hpp"

namespace fabricheck::plan {
namespace {

bool uses(const PlannedCheck& check, const Target& target) {
  const auto is_it = [&](const std::optional<Target>& one) { return one && one->origin == target.origin; };
  return is_it(check.target) ||
         std::any_of(check.derived_targets.begin(), check.derived_targets.end(), is_it) ||
         std::any_of(check.group_targets.begin(), check.group_targets.end(), is_it);
}

std::string why_unused(const Target& target, const Request& request, std::span<const CheckRow> catalogue) {
  const auto row = std::find_if(catalogue.begin(), catalogue.end(),
                                [&](const CheckRow& one) { return one.id == target.check; });
  if (row == catalogue.end()) return "this way to run does not measure it";
  if (!row->unavailable_reason.empty()) return row->unavailable_reason;
  if (row->needs_gpu && !request.no_gpu.empty()) return request.no_gpu;
  if (const std::string need = need_of(row->id, request); !need.empty()) return "it is measured with " + need;
  if (request.few_sizes && !row->in_quick) return "suite quick leaves it out; take --suite acceptance";
  if (row->sizes.empty() && target.bytes.value_or(0) > 0) return "it has no size: leave bytes out";
  return "no check of this size over so many ranks of a node is planned for these ranks and --sizes";
}

template <class T>
bool lacks(const std::vector<T>& has, const T& named) {
  return std::find(has.begin(), has.end(), named) == has.end();
}

}  // namespace

std::string need_of(const std::string& id, const Request& request) {
  for (const auto& [glob, need] : request.unasked)
    if (is_selected(id, {glob}, {})) return need;
  return "";
}

std::string unknown_wish(const TestPlan& plan, const Request& request) {
  if (plan.checks.empty()) return "";
  const auto is_planned = [&](const auto& matches) {
    return std::any_of(plan.checks.begin(), plan.checks.end(), matches);
  };
  for (const DataType type : request.types)
    if (!is_planned([&](const PlannedCheck& one) { return one.row->typed && one.variant.type == type; }))
      return fmt::format("--types {}: no check that is selected and can run here has it", type_name(type));
  for (const Reduction reduction : request.reductions)
    if (!is_planned(
            [&](const PlannedCheck& one) { return one.row->reduces && one.variant.reduction == reduction; }))
      return fmt::format("--reductions {}: no check that is selected and can run here has it",
                         reduction_name(reduction));
  return "";
}

std::vector<NotTested> replaced_wishes(const TestPlan& plan, const Request& request) {
  std::map<std::string, std::set<std::string>> lacking;  // back end -> names
  for (const PlannedCheck& check : plan.checks) {
    const CheckRow& row = *check.row;
    if (row.typed)
      for (const DataType type : request.types)
        if (lacks(row.types, type)) lacking[row.backend].emplace(type_name(type));
    if (row.reduces)
      for (const Reduction reduction : request.reductions)
        if (lacks(row.reductions, reduction)) lacking[row.backend].emplace(reduction_name(reduction));
  }
  std::vector<NotTested> all;
  all.reserve(lacking.size());
  for (const auto& [backend, names] : lacking)
    all.push_back({"types and reductions",
                   fmt::format("{} has no {} in some of its checks: these take what they have of what was "
                               "named, or float32 and sum",
                               backend, fmt::join(names, ", "))});
  return all;
}

std::vector<NotTested> too_small_wishes(const Request& request, std::span<const CheckRow> catalogue) {
  std::vector<NotTested> all;
  if (request.sizes.empty() || request.only.empty()) return all;
  const std::uint64_t largest = *std::max_element(request.sizes.begin(), request.sizes.end());
  for (const CheckRow& row : catalogue)
    if (row.min_bytes > largest && row.unavailable_reason.empty() &&
        is_selected(row.id, request.only, request.skip))
      all.push_back({row.id, fmt::format("it is shown from {} on, and --sizes ends with {}",
                                         format_bytes(row.min_bytes), format_bytes(largest))});
  return all;
}

std::vector<std::uint64_t> with_target_sizes(std::vector<std::uint64_t> sizes, const CheckRow& row,
                                             const std::vector<const CheckRow*>& derived,
                                             const Request& request) {
  if (row.sizes.empty() || row.sizes_are_fixed || !request.sizes.empty()) return sizes;
  for (const Target& target : request.targets) {
    const bool is_of_row =
        target.check == row.id || std::any_of(derived.begin(), derived.end(),
                                              [&](const CheckRow* one) { return one->id == target.check; });
    if (!is_of_row || !target.bytes || target.origin == "built in") continue;
    if (std::find(sizes.begin(), sizes.end(), *target.bytes) == sizes.end()) sizes.push_back(*target.bytes);
  }
  return sizes;
}

std::vector<UnusedTarget> unused_targets(const TestPlan& plan, const Request& request,
                                         std::span<const CheckRow> catalogue) {
  std::vector<UnusedTarget> unused;
  for (const Target& target : request.targets) {
    if (target.origin == "built in" || !is_selected(target.check, request.only, request.skip)) continue;
    const bool is_used = std::any_of(plan.checks.begin(), plan.checks.end(),
                                     [&](const PlannedCheck& check) { return uses(check, target); });
    if (!is_used) unused.push_back({target, why_unused(target, request, catalogue)});
  }
  return unused;
}

}  // namespace fabricheck::plan
