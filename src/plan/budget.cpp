#include "plan/budget.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <string>
#include <tuple>

#include "core/gate.hpp"

namespace fabricheck::plan {
namespace {

constexpr double gate_weight = 4.0;
constexpr std::int64_t max_gate_ns = 10'000'000'000;
constexpr std::int64_t max_other_ns = 3'000'000'000;
/// A repeat shorter than this measures its own beginning.
constexpr std::int64_t min_repeat_ns = 8'000'000;
constexpr double variant_weight = 0.25;

}  // namespace

std::vector<std::size_t> kinds_of(const TestPlan& plan) {
  using Key = std::tuple<std::string, std::uint64_t, int, bool, bool, bool>;
  std::map<Key, std::size_t> known;
  std::vector<std::size_t> kinds;
  for (const PlannedCheck& check : plan.checks) {
    const Key key{check.row->backend,
                  check.bytes,
                  check.repeats,
                  is_judged(check),
                  check.row->own_time_ns > 0,
                  !check.row->computes_for.empty()};
    kinds.push_back(known.emplace(key, known.size()).first->second);
  }
  return kinds;
}

bool is_rail_alone(const PlannedCheck& check) { return check.scope == Scope::rail && check.mode == "apart"; }

void share_budget(TestPlan& plan, const Request& request) {
  const auto weight = [](const PlannedCheck& check) {
    if (check.sweep) return variant_weight;
    return !is_judged(check) || check.mode == "apart" ? 1.0 : gate_weight;
  };
  double sum = 0.0;
  for (const PlannedCheck& check : plan.checks)
    if (check.row->own_time_ns == 0) sum += weight(check);
  for (PlannedCheck& check : plan.checks) {
    if (check.row->own_time_ns > 0) {
      check.budget_ns = check.row->own_time_ns;
      check.wanted_samples = std::numeric_limits<std::uint64_t>::max() / 2;
      continue;
    }
    const auto share =
        static_cast<std::int64_t>(static_cast<double>(request.budget_ns) * weight(check) / sum);
    check.budget_ns = std::min(share, is_judged(check) ? max_gate_ns : max_other_ns);
    if (check.sweep) continue;
    check.all_repeats = !is_judged(check) || !request.few_sizes;
    check.repeats =
        is_judged(check) || (!request.few_sizes && !is_rail_alone(check)) ? max_repeats : min_repeats;
    // Many pairs in few repeats tell more of a network than few pairs in many.
    const std::size_t rounds =
        check.scope == Scope::gpu_pair ? request.gpu_pairs.size() : request.pairs.size();
    if (!check.pairs.empty() && rounds > 2) check.repeats = min_repeats;
    while (check.repeats > min_repeats && check.budget_ns < check.repeats * min_repeat_ns) check.repeats /= 2;
  }
}

}  // namespace fabricheck::plan
