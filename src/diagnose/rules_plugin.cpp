// Rules about NCCL's network plugins, that for libfabric above all.
#include <algorithm>
#include <string>

#include "diagnose/rules.hpp"
#include "diagnose/text_line.hpp"

namespace fabricheck::diagnose::rules {

void net_plugin(const Context& context, const CatalogRow& row, Findings& found) {
  Found* finding = nullptr;
  for (const Event kind : {Event::network_not_found, Event::net_init_failed})
    for (const EventGroup* group : context.seen().of(kind)) {
      if (!group->as_warning) continue;
      if (finding == nullptr) finding = &add(found, row);
      cite(context, *finding, *group);
    }
}

void ofi_call_failed(const Context& context, const CatalogRow& row, Findings& found) {
  const bool is_said = std::any_of(
      found.begin(), found.end(), [](const Finding& finding) { return finding.severity == Severity::fatal; });
  if (is_said || context.seen().has(Event::ofi_no_provider)) return;
  const auto is_its = [](const std::string& network) {
    return contains(network, "Libfabric") || contains(network, "OFI") || contains(network, "AWS");
  };
  const auto& networks = context.networks();
  const bool is_passed_over = !networks.empty() && std::none_of(networks.begin(), networks.end(), is_its);
  const bool are_sockets = networks.size() == 1 && networks.count("Socket") != 0;
  if (is_passed_over && !are_sockets) return;
  const auto groups = context.seen().of(Event::ofi_error);
  if (groups.empty()) return;
  Found& finding = add(found, row);
  for (const EventGroup* group : groups) cite(context, finding, *group);
  // The plugin warns of what it goes on from, too.
  const bool is_used = !networks.empty() && !is_passed_over && !are_sockets;
  if (is_used && context.joined_nodes()) {
    const bool failed = has_failed(context);
    finding.confidence = failed ? "likely" : "possible";
    if (!failed) {
      finding.severity = Severity::info;
      finding.meaning = "NCCL's plugin for libfabric warned of something, and the job started over it";
    }
  }
  // NCCL went on with TCP.
  if (are_sockets) finding.severity = context.span() == Span::one_node ? Severity::info : Severity::bad;
}

void ofi_missing(const Context& context, const CatalogRow& row, Findings& found) {
  on_event(context, row, found);
  const auto& networks = context.networks();
  const bool another_is_used = !networks.empty() && networks.count("Socket") == 0;
  for (Found& finding : found)
    if ((another_is_used || context.span() == Span::one_node) && finding.slug == row.text->slug)
      finding.severity = Severity::info;
}

void ofi_tcp(const Context& context, const CatalogRow& row, Findings& found) {
  for (const EventGroup* group : context.seen().of(Event::ofi_provider)) {
    const std::string_view provider = until(group->detail, ";,");
    const bool sockets = starts_with(provider, "tcp") || provider == "sockets" ||
                         starts_with(provider, "udp") || starts_with(provider, "net");
    if (!sockets) continue;
    cite(context, add(found, row), *group);
    return;
  }
}

}  // namespace fabricheck::diagnose::rules
