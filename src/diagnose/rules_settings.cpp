// Rules about versions and variables.
#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "core/fault_texts.hpp"
#include "core/suggest.hpp"
#include "diagnose/rules.hpp"
#include "diagnose/text_line.hpp"
#include "diagnose/variables.hpp"

namespace fabricheck::diagnose::rules {
namespace {

/// The first use of a variable whose value passes; null where there is none.
template <typename Passes>
const VariableUse* use_of(const Context& context, std::string_view name, const Passes& passes) {
  const auto found = context.seen().variables.find(std::string(name));
  if (found == context.seen().variables.end()) return nullptr;
  for (const VariableUse& use : found->second)
    if (passes(use.value)) return &use;
  return nullptr;
}

bool is_on(const std::string& value) { return value == "1" || value == "true" || value == "TRUE"; }
bool is_zero(const std::string& value) { return value == "0"; }
bool is_local(const std::string& value) { return value == "LOC" || value == "0"; }

void add_use(const Context& context, const CatalogRow& row, Findings& found, const std::string& name,
             const VariableUse* use) {
  if (use == nullptr) return;
  const bool is_first = find(found, *row.text) == nullptr;
  Found& finding = is_first ? add(found, row) : found.back();
  finding.component.name += (finding.component.name.empty() ? "" : ", ") + name + "=" + use->value;
  cite(context, finding, &use->quote);
}

struct Difference {
  std::string name;
  std::set<std::string> values;
  std::vector<std::string> places;
};

/// Variables that ranks of one communicator show with different values.
std::vector<Difference> differences(const Context& context) {
  const Names& names = context.seen().names;
  std::map<std::uint64_t, std::map<int, std::map<int, const RankFacts*>>> values;
  for (const RankFacts& rank : context.seen().ranks) {
    std::set<std::uint64_t> comms;
    for (const CommFacts& comm : rank.comms)
      if (comm.comm_id != 0) comms.insert(comm.comm_id);
    for (const std::uint64_t comm : comms)
      for (const auto& [name, value] : rank.environment) values[comm][name].emplace(value, &rank);
  }
  std::vector<Difference> found;
  for (const auto& [comm, by_name] : values)
    for (const auto& [name, by_value] : by_name) {
      const std::string& text = names.text(name);
      const bool known =
          std::any_of(found.begin(), found.end(), [&](const auto& one) { return one.name == text; });
      if (by_value.size() < 2 || known || !must_be_equal(text)) continue;
      Difference difference{text, {}, {}};
      for (const auto& [value, rank] : by_value) {
        difference.values.insert(names.text(value));
        difference.places.push_back(names.text(rank->host) + ":" + std::to_string(rank->pid) + ": " + text +
                                    "=" + names.text(value));
      }
      found.push_back(std::move(difference));
    }
  return found;
}

}  // namespace

void version_mismatch(const Context& context, const CatalogRow& row, Findings& found) {
  for (const EventGroup* group : context.seen().of(Event::version_mismatch)) {
    Found* finding = found.empty() || found.back().slug != row.text->slug ? &add(found, row) : &found.back();
    cite(context, *finding, *group);
    if (!group->detail.empty()) finding->component.name = group->detail;
  }
  if (find(found, *row.text) != nullptr) return;
  std::map<std::uint64_t, std::set<std::string>> versions;
  for (const RankFacts& rank : context.seen().ranks)
    for (const CommFacts& comm : rank.comms)
      if (comm.comm_id != 0 && rank.version != 0)
        versions[comm.comm_id].insert(context.seen().names.text(rank.version));
  for (const auto& [comm, known] : versions) {
    if (known.size() < 2) continue;
    Found& finding = add(found, row);
    for (const std::string& version : known) finding.evidence.push_back({"", 0, "NCCL version " + version});
    return;
  }
}

void p2p_by_env(const Context& context, const CatalogRow& row, Findings& found) {
  add_use(context, row, found, "NCCL_P2P_DISABLE", use_of(context, "NCCL_P2P_DISABLE", is_on));
  add_use(context, row, found, "NCCL_P2P_LEVEL", use_of(context, "NCCL_P2P_LEVEL", is_local));
  const bool geforce = context.gpu_name_has({"GeForce", "TITAN"});
  if (geforce && find(found, *row.text) != nullptr) found.back().severity = Severity::info;
}

void ib_by_env(const Context& context, const CatalogRow& row, Findings& found) {
  const auto is_socket = [](const std::string& value) { return value == "Socket" || value == "socket"; };
  add_use(context, row, found, "NCCL_IB_DISABLE", use_of(context, "NCCL_IB_DISABLE", is_on));
  add_use(context, row, found, "NCCL_NET", use_of(context, "NCCL_NET", is_socket));
  // With a plugin's network the built-in one may well be off; on one node it does not matter.
  const bool other_network = context.uses_rdma();
  if (find(found, *row.text) == nullptr) return;
  if (other_network) {
    found.pop_back();
  } else if (context.span() == Span::one_node) {
    found.back().severity = Severity::info;
  }
}

void gdr_by_env(const Context& context, const CatalogRow& row, Findings& found) {
  add_use(context, row, found, "NCCL_NET_GDR_LEVEL", use_of(context, "NCCL_NET_GDR_LEVEL", is_local));
  add_use(context, row, found, "NCCL_IB_GDR_LEVEL", use_of(context, "NCCL_IB_GDR_LEVEL", is_local));
  add_use(context, row, found, "NCCL_IB_CUDA_SUPPORT", use_of(context, "NCCL_IB_CUDA_SUPPORT", is_zero));
}

void env_mismatch(const Context& context, const CatalogRow& row, Findings& found) {
  for (const Difference& difference : differences(context)) {
    const bool is_first = find(found, *row.text) == nullptr;
    Found& finding = is_first ? add(found, row, "likely") : found.back();
    finding.component.name += (is_first ? "" : ", ") + difference.name;
    for (const std::string& place : difference.places)
      if (finding.evidence.size() < 6) finding.evidence.push_back({"", 0, place});
  }
}

void env_unknown(const Context& context, const CatalogRow& row, Findings& found) {
  const auto known = known_variables();
  for (const auto& [name, uses] : context.seen().variables) {
    if (std::find(known.begin(), known.end(), name) != known.end() || is_of_others(name)) continue;
    // What NCCL says that it took is known to it, whatever this table says.
    const auto by_command =
        std::find_if(uses.begin(), uses.end(), [](const VariableUse& use) { return use.by_command; });
    if (by_command == uses.end() || uses.size() > 1) continue;
    const std::string nearest = nearest_word(name, known);
    if (nearest.empty() || found.size() > 128) continue;
    Found& finding = add(found, row, "likely");
    finding.component.name = name;
    finding.advice = "did you mean " + nearest + "?";
    cite(context, finding, &by_command->quote);
  }
}

void env_deprecated(const Context& context, const CatalogRow& row, Findings& found) {
  for (const auto& [name, uses] : context.seen().variables) {
    const char* replacement = replacement_of(name);
    if (replacement == nullptr || uses.empty()) continue;
    Found& finding = add(found, row);
    finding.component.name = name;
    finding.advice = std::string("set ") + replacement + " instead";
    cite(context, finding, &uses.front().quote);
  }
}

void env_harmful(const Context& context, const CatalogRow& row, Findings& found) {
  for (const auto& [name, uses] : context.seen().variables)
    for (const VariableUse& use : uses) {
      const char* harm = harm_of(name, use.value);
      if (harm == nullptr) continue;
      Found& finding = add(found, row);
      finding.component.name = name + "=" + use.value;
      finding.meaning = std::string("with this setting ") + harm;
      finding.advice = "unset " + name;
      cite(context, finding, &use.quote);
      break;
    }
}

}  // namespace fabricheck::diagnose::rules
