// Rules about PCIe links of GPUs and RDMA NICs that do less than these can.
#include <algorithm>
#include <string>
#include <vector>

#include "diagnose/rules.hpp"

namespace fabricheck::diagnose::rules {
namespace {

/// A slot that is made for less is every one's of its kind; a lane that is lost is one's.
bool is_by_design(const Context& context, const EventGroup& group) {
  const auto is_like = [&](const EventGroup* other) {
    return (other->code & ~kFarBelow) == (group.code & ~kFarBelow);
  };
  const auto narrow = context.seen().of(group.kind), full = context.seen().of(Event::pcie_full);
  return std::count_if(narrow.begin(), narrow.end(), is_like) > 1 &&
         (group.kind != Event::pcie_narrow || std::none_of(full.begin(), full.end(), is_like));
}

Found& add_link(const Context& context, const CatalogRow& row, const EventGroup& group, Findings& found) {
  Found& finding = add(found, row, "likely");
  cite(context, finding, group);
  finding.component.name = group.detail;
  return finding;
}

void make_remark(Found& finding, const char* words) {
  finding.severity = Severity::info;
  finding.confidence = "possible";
  finding.meaning += words;
}

}  // namespace

void pcie_width(const Context& context, const CatalogRow& row, Findings& found) {
  constexpr std::size_t most = 16;
  std::size_t count = 0;
  for (const EventGroup* group : context.seen().of(row.event)) {
    if (++count > most) return;
    Found& finding = add_link(context, row, *group, found);
    finding.meaning =
        "the link has fewer lanes than the device can use: copies and GPUDirect over it are slower";
    if ((group->code & kUnlikePeers) != 0) {
      finding.meaning = "the link has fewer lanes than those of its kind in this host";
      make_remark(finding, "; that is by design where the slot is made for less");
    } else if (is_by_design(context, *group)) {
      make_remark(finding, "; so has every one of its kind here, as where the slots have no more");
    }
  }
}

void pcie_speed(const Context& context, const CatalogRow& row, Findings& found) {
  constexpr std::size_t most = 16;
  std::size_t count = 0;
  for (const EventGroup* group : context.seen().of(row.event)) {
    if (++count > most) return;
    Found& finding = add_link(context, row, *group, found);
    finding.meaning = "the link is slower than the device can be";
    if ((group->code & kUnlikePeers) != 0) {
      finding.meaning = "the link is slower than those of its kind in this host";
      make_remark(finding, "; that is by design where the slot is of an older generation");
    } else if ((group->code & kGpu) != 0) {
      make_remark(finding, "; a GPU does so while it is idle");
    } else if ((group->code & kFarBelow) == 0 || is_by_design(context, *group)) {
      make_remark(finding, "; that is by design where the slot is of an older generation");
    }
  }
}

}  // namespace fabricheck::diagnose::rules
