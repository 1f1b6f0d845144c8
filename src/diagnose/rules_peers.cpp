// Rules about GPUs of a node that may not access each other over PCIe.
#include <array>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "core/fault_texts.hpp"
#include "diagnose/rules.hpp"

namespace fabricheck::diagnose::rules {
namespace {

std::string_view words_of_refusal(std::string_view code) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 6> words{
      {{"CNS", "the chipset does not support it"},
       {"GNS", "these GPUs do not support it"},
       {"TNS", "the way they are joined does not support it"},
       {"NS", "it is not supported"},
       {"DR", "it is disabled in the driver's settings"},
       {"U", "the reason is not known"}}};
  for (const auto& [known, text] : words)
    if (known == code) return text;
  return {};
}

/// What nvidia-smi topo -p2p says of them.
void tell_of_matrix(const Context& context, const EventGroup& group, Found& finding) {
  cite(context, finding, group);
  finding.meaning = fmt::format("nvidia-smi lets {} access each other directly ({}: {})",
                                group.code == kAllPeers ? "no two GPUs" : "not all pairs of GPUs",
                                group.detail, words_of_refusal(group.detail));
  finding.component.name.clear();
}

}  // namespace

void p2p_disabled(const Context& context, const CatalogRow& row, Findings& found) {
  const bool is_row_of_gpus = row.text == &fault::p2p_not_supported;
  const auto told = context.seen().of(Event::p2p_disabled_pcie);
  if (!told.empty() && context.gpu_name_has({"GeForce", "TITAN"}) == is_row_of_gpus)
    cite(context, add(found, row), *told.front());
  if (!told.empty()) return;
  for (const EventGroup* group : context.seen().of(Event::peers_refused))
    if ((group->detail == "GNS") == is_row_of_gpus) tell_of_matrix(context, *group, add(found, row));
  if (is_row_of_gpus) return;
  for (const EventGroup* group : context.seen().of(Event::peer_left_out)) {
    Found& finding = add(found, row, "likely");
    cite(context, finding, *group);
    finding.meaning = group->detail +
                      " may access none of the other GPUs of its host, which may access each other: it is of "
                      "another model, or it or its way to them is at fault";
  }
}

}  // namespace fabricheck::diagnose::rules
