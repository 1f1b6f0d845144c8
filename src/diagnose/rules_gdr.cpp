// Rules about GPUDirect RDMA, and what is said where nothing is wrong.
#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/fault_texts.hpp"
#include "diagnose/rules.hpp"
#include "diagnose/text_line.hpp"

namespace fabricheck::diagnose::rules {

void gdr_disabled(const Context& context, const CatalogRow& row, Findings& found) {
  std::set<std::string> enabled;
  for (const EventGroup* group : context.seen().of(Event::gdr_hca_enabled)) enabled.insert(group->detail);
  Found* finding = nullptr;
  std::string names;
  for (const EventGroup* group : context.seen().of(Event::gdr_hca_disabled)) {
    if (enabled.count(group->detail) != 0) continue;  // by DMA-BUF, or on another node
    if (finding == nullptr) finding = &add(found, row);
    cite(context, *finding, *group);
    names += (names.empty() ? "" : ", ") + group->detail;
  }
  if (finding == nullptr) return;
  finding->component.name = names.substr(0, 120);
  // A GPU that shares its memory with the CPU has nothing to gain.
  if (context.gpu_name_has({"GB10"}) || context.is_surely_one_node()) finding->severity = Severity::info;
}

void gdr_distance(const Context& context, const CatalogRow& row, Findings& found) {
  // Far pairs are refused on every machine; it counts where no pair is near enough.
  if (context.seen().has(Event::gdr_distance_enabled) || context.paths().gdr() > 0) return;
  const auto far = context.seen().of(Event::gdr_distance_disabled);
  if (far.empty()) return;
  Found& finding = add(found, row);
  for (const EventGroup* group : far) cite(context, finding, *group);
  finding.component.name.clear();
}

namespace {

/// Hosts that never receive by GPUDirect RDMA while others do.
void gdr_missing_on_hosts(const Context& context, const CatalogRow& row, Findings& found) {
  std::vector<std::string> without;
  std::string evidence;
  for (const auto& [host, receives] : context.receives()) {
    if (receives.gdr == 0) without.push_back(host);
    if (evidence.size() < 400)
      evidence += fmt::format("{}{}: {} of {} channels", evidence.empty() ? "" : ", ", host, receives.gdr,
                              receives.all);
  }
  if (without.empty() || without.size() == context.receives().size()) return;
  Found& finding = add(found, row, "certain");
  finding.severity = Severity::bad;
  finding.component.host = without.front();
  if (without.size() > 1) finding.component.host += fmt::format(" and {} more", without.size() - 1);
  finding.meaning = fmt::format(
      "{} of {} hosts receive{} without GPUDirect RDMA while the others receive with it, and "
      "all wait for the slower ones",
      without.size(), context.receives().size(), without.size() == 1 ? "s" : "");
  finding.evidence.push_back({"", 0, "received by GPUDirect RDMA: " + evidence});
  cite(context, finding, context.quote("receive without GDR"));
  finding.component.name.clear();
}

}  // namespace

void gdr_not_used(const Context& context, const CatalogRow& row, Findings& found) {
  // Google's networks put data into GPU memory by themselves.
  for (const std::string& network : context.networks())
    if (contains(network, "TCPX") || contains(network, "FasTrak")) return;
  const PathSums& paths = context.paths();
  // Up to Volta GPUs only receive by GPUDirect RDMA, so senders count only where no receiver is seen.
  const bool receivers = paths.rdma_receive > 0;
  if (paths.gdr_receive > 0) {
    gdr_missing_on_hosts(context, row, found);
    return;
  }
  if (receivers ? paths.gdr_receive > 0 : paths.rdma_send == 0 || paths.gdr_send > 0) return;
  Found& finding = add(found, row, receivers ? "certain" : "likely");
  cite(context, finding, context.quote(receivers ? "receive without GDR" : "send without GDR"));
  for (const EventGroup* group : context.seen().of(Event::gdr_hca_enabled)) {
    cite(context, finding, *group);
    finding.meaning += ", although the HCA could";
    break;
  }
  finding.component.name.clear();
}

namespace {

/// Nothing was found, or only that a node which needs no network has none.
bool is_well(const Context& context, const Findings& found) {
  if (context.has_open_end()) return false;
  return std::all_of(found.begin(), found.end(), [&](const Finding& finding) {
    const bool is_about_network =
        finding.slug == fault::socket_fallback.slug || finding.slug == fault::no_libibverbs.slug;
    return is_about_network && finding.severity == Severity::info && context.is_surely_one_node() &&
           context.paths().p2p > 0;
  });
}

/// A log of rank 0 alone says nothing of the others.
void tell_who_was_heard(const Context& context, Found& finding) {
  const int heard = context.heard_ranks(), ranks = context.ranks();
  if (heard <= 0 || heard >= ranks) return;
  finding.meaning +=
      fmt::format("; only {} of the job's {} ranks {} heard", heard, ranks, heard == 1 ? "is" : "are");
  if (context.nodes() > context.heard_nodes())
    finding.meaning += fmt::format(", on {} of its {} nodes", context.heard_nodes(), context.nodes());
}

/// Network chosen, and GPUDirect RDMA on channels between nodes.
bool saw_network(const Context& context) { return context.uses_rdma(); }

void cite_facts(const Context& context, Found& finding) {
  for (const char* fact : {"version", "network", "hcas", "channel GDR", "channel P2P", "dma-buf", "complete"})
    cite(context, finding, context.quote(fact));
  for (const EventGroup* group : context.seen().of(Event::ofi_provider)) cite(context, finding, *group);
}

/// Enough was seen to say that both networks, between nodes and inside them, are used as they should be.
bool saw_all(const Context& context) {
  const PathSums& paths = context.paths();
  const bool inside = paths.p2p > 0 || context.is_one_rank_per_node();
  if (context.span() == Span::one_node) return inside && context.complete();
  const bool chosen = context.has_hcas() || context.quote("network") != nullptr;
  return context.span() == Span::several_nodes && chosen && paths.gdr() > 0 && inside;
}

bool saw_some(const Context& context) {
  return saw_network(context) || context.paths().rdma() > 0 || context.paths().p2p > 0 || context.complete();
}

}  // namespace

void healthy(const Context& context, const CatalogRow& row, Findings& found) {
  if (!is_well(context, found) || !saw_all(context)) return;
  Found& finding = add(found, row, "likely");
  cite_facts(context, finding);
  tell_who_was_heard(context, finding);
}

void healthy_init(const Context& context, const CatalogRow& row, Findings& found) {
  if (!is_well(context, found) || !saw_some(context)) return;
  Found& finding = add(found, row, "likely");
  cite_facts(context, finding);
  tell_who_was_heard(context, finding);
}

}  // namespace fabricheck::diagnose::rules
