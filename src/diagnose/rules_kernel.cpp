// Rules about what the kernel, lspci and nvidia-smi say of devices.
#include <algorithm>
#include <array>
#include <set>
#include <string>

#include <fmt/format.h>

#include "core/fault_texts.hpp"
#include "diagnose/rules.hpp"
#include "diagnose/text_line.hpp"

namespace fabricheck::diagnose::rules {
namespace {

struct XidText {
  int number;
  Severity severity;
  const char* meaning;
  const char* advice;
};

constexpr const char* look_at_program =
    "Look at the program first (compute-sanitizer); it is the GPU where another program gets it on the same "
    "GPU.";
constexpr const char* reset =
    "Drain the node and reset the GPU (nvidia-smi -r) or reboot; send it in where it comes again.";
constexpr const char* replace = "Drain the node and have the GPU, its riser or its board replaced.";

// NVIDIA, XID Errors (GPU deployment and management documentation), as far as training clusters meet them.
constexpr std::array<XidText, 24> xids{{
    {13, Severity::info, "an exception of the graphics engine, most often the program's own",
     look_at_program},
    {31, Severity::info, "a page fault on the GPU, most often the program's own", look_at_program},
    {43, Severity::info, "a program's work was stopped after its own fault", look_at_program},
    {45, Severity::info, "work was removed after another error or when a program was killed",
     "Look for the XID before it."},
    {48, Severity::bad, "an ECC error that could not be corrected", reset},
    {61, Severity::bad, "the GPU's microcontroller halted", reset},
    {62, Severity::bad, "the GPU's microcontroller halted", reset},
    {63, Severity::info, "a memory row or page is marked to be replaced by a spare one",
     "Reset the GPU when the node is free, so that the spare row is used."},
    {64, Severity::bad, "a memory row or page could not be marked to be replaced", replace},
    {69, Severity::info, "an exception of the graphics engine, most often the program's own",
     look_at_program},
    {74, Severity::bad, "an NVLink error",
     "Look at nvidia-smi nvlink -e; reset the GPUs, reseat the board or bridge."},
    {79, Severity::fatal, "the GPU fell off the PCIe bus",
     "Power the node off and on; reseat or replace the GPU, its riser and power where it comes again."},
    {92, Severity::info, "many ECC errors that were corrected",
     "Watch it; reset the GPU when the node is free."},
    {94, Severity::bad, "an ECC error that could not be corrected was kept to one program",
     "That program's results are lost; reset the GPU when the node is free."},
    {95, Severity::bad, "an ECC error that could not be corrected reached more than one program", reset},
    {109, Severity::bad, "a context switch timed out", reset},
    {119, Severity::bad, "the GPU's system processor (GSP) did not answer",
     "Power the node off and on; update the driver where it comes again."},
    {120, Severity::bad, "the GPU's system processor (GSP) failed",
     "Power the node off and on; update the driver where it comes again."},
    {121, Severity::bad, "an error of the link between GPU and CPU (C2C)", reset},
    {140, Severity::bad, "an ECC error that could not be corrected", reset},
    {143, Severity::bad, "the GPU did not start", reset},
    {145, Severity::bad, "an NVLink error",
     "Reset the GPUs and NVSwitches or reboot the node; reseat the board."},
    {149, Severity::bad, "an NVLink error",
     "Reset the GPUs and NVSwitches or reboot the node; reseat the board."},
    {154, Severity::bad, "the driver says what brings the GPU back", "Do what stands in that line."},
}};

const XidText* xid_text(int number) {
  const auto* known =
      std::find_if(xids.begin(), xids.end(), [&](const XidText& one) { return one.number == number; });
  return known == xids.end() ? nullptr : known;
}

Severity xid_severity(const EventGroup& group) {
  const XidText* text = xid_text(group.code);
  return text == nullptr ? Severity::bad : text->severity;
}

/// "1c:00.0" of GPUs and NICs that other lines name. A GPU's card may have a USB controller, too.
std::set<std::string> known_devices(const Context& context) {
  std::set<std::string> known;
  const auto add = [&](std::string_view address) {
    if (std::count(address.begin(), address.end(), ':') == 2) address.remove_prefix(address.find(':') + 1);
    known.insert(std::string(address) + (address.find('.') == std::string_view::npos ? ".0" : ""));
  };
  for (const Event kind :
       {Event::xid, Event::nic_fatal, Event::link_down, Event::link_up, Event::module_event})
    for (const EventGroup* group : context.seen().of(kind)) add(group->detail);
  for (const RankFacts& rank : context.seen().ranks)
    for (const CommFacts& comm : rank.comms)
      if (comm.bus_id != 0)
        known.insert(fmt::format("{:02x}:{:02x}.{}", comm.bus_id >> 12U & 0xffU, comm.bus_id >> 4U & 0xffU,
                                 comm.bus_id & 0xfU));
  for (const EventGroup* group : context.seen().of(Event::pci_end))
    known.insert(fmt::format("{:02x}:00.0", group->code));
  return known;
}

bool is_after(const EventGroup& one, const EventGroup& other) {
  return std::pair(one.last_file, one.last_line) > std::pair(other.last_file, other.last_line);
}

const EventGroup* of_device(const std::vector<const EventGroup*>& groups, const std::string& device) {
  const auto one = std::find_if(groups.begin(), groups.end(),
                                [&](const EventGroup* group) { return group->detail == device; });
  return one == groups.end() ? nullptr : *one;
}

}  // namespace

void gpu_xid(const Context& context, const CatalogRow& row, Findings& found) {
  auto groups = context.seen().of(Event::xid);
  if (groups.empty()) return;
  std::stable_sort(groups.begin(), groups.end(), [](const EventGroup* a, const EventGroup* b) {
    return xid_severity(*a) > xid_severity(*b);
  });
  const EventGroup& worst = *groups.front();
  Finding& finding = add(found, row);
  finding.severity = xid_severity(worst);
  finding.component.name = worst.detail;
  if (const XidText* text = xid_text(worst.code)) {
    finding.meaning = fmt::format("XID {}: {}", worst.code, text->meaning);
    finding.advice = text->advice;
  } else {
    finding.meaning = fmt::format("XID {}: an error of a GPU", worst.code);
  }
  std::set<int> others;
  for (const EventGroup* group : groups) {
    cite(context, finding, *group);
    if (group->code != worst.code) others.insert(group->code);
  }
  if (!others.empty()) finding.meaning += fmt::format("; also XID {}", fmt::join(others, ", "));
}

void nvswitch_sxid(const Context& context, const CatalogRow& row, Findings& found) {
  const auto minor = context.seen().of(Event::sxid_minor);
  const auto is_minor = [&](const EventGroup* group) {
    return std::any_of(minor.begin(), minor.end(), [&](const EventGroup* one) {
      return one->code == group->code && one->detail == group->detail;
    });
  };
  Finding* finding = nullptr;
  for (const EventGroup* group : context.seen().of(Event::sxid)) {
    if (is_minor(group)) continue;
    if (finding == nullptr) finding = &add(found, row);
    cite(context, *finding, *group);
    if (finding->component.name.empty()) finding->component.name = group->detail;
  }
  if (finding != nullptr || minor.empty()) return;
  finding = &add(found, row);
  finding->severity = Severity::info;
  finding->meaning = "an NVSwitch reported something that its driver calls non-fatal (SXid)";
  for (const EventGroup* group : minor) cite(context, *finding, *group);
}

void link_flap(const Context& context, const CatalogRow& row, Findings& found) {
  if (find(found, fault::ib_port_error) != nullptr) return;
  constexpr std::uint64_t most_in_health = 3;  // cables are moved and switches restart; our own choice
  const auto ups = context.seen().of(Event::link_up);
  for (const EventGroup* down : context.seen().of(Event::link_down)) {
    const EventGroup* up = of_device(ups, down->detail);
    const bool is_back = up != nullptr && is_after(*up, *down);
    Finding& finding = add(found, row, is_back || up != nullptr ? "certain" : "possible");
    finding.component.name = down->detail;
    if (is_back && down->count <= most_in_health) finding.severity = Severity::info;
    if (is_back)
      finding.meaning = fmt::format("the NIC's link was lost {} time{} and came back", down->count,
                                    down->count == 1 ? "" : "s");
    else if (up != nullptr)
      finding.meaning = "the NIC's link was lost and did not come back";
    else
      finding.severity = Severity::info;
    cite(context, finding, *down);
    if (up != nullptr) cite(context, finding, *up);
  }
}

void iommu_fault(const Context& context, const CatalogRow& row, Findings& found) {
  const std::set<std::string> known = known_devices(context);
  for (const EventGroup* group : context.seen().of(Event::iommu_fault)) {
    const bool is_known = known.count(group->detail) > 0;
    Finding& finding = add(found, row, is_known ? "certain" : "possible");
    finding.component.name = group->detail;
    cite(context, finding, *group);
    if (is_known) continue;
    finding.severity = Severity::info;
    finding.meaning += "; whether it is a GPU or a NIC of the fabric does not stand here";
  }
}

void pcie_acs(const Context& context, const CatalogRow& row, Findings& found) {
  const auto ends = context.seen().of(Event::pci_end);
  const auto is_above_one = [&](const std::string& behind) {
    std::string_view buses = behind;
    const int first = take_number<int>(buses).value_or(0);
    const int last = number_after<int>(buses, " ").value_or(0);
    return std::any_of(ends.begin(), ends.end(),
                       [&](const EventGroup* end) { return end->code >= first && end->code <= last; });
  };
  const auto groups = context.seen().of(Event::acs_redirect);
  Finding* finding = nullptr;
  for (const EventGroup* group : groups) {
    // Where the lines do not say what is behind the bridge, somebody chose them.
    if (!group->detail.empty() && !is_above_one(group->detail)) continue;
    if (finding == nullptr) finding = &add(found, row, group->detail.empty() ? "likely" : "certain");
    cite(context, *finding, *group);
  }
  if (finding != nullptr || groups.empty() || !ends.empty()) return;
  finding = &add(found, row, "possible");
  finding->severity = Severity::info;
  finding->meaning = "ACS redirects on a PCIe bridge; no GPU or RDMA NIC behind it stands here";
  for (const EventGroup* group : groups) cite(context, *finding, *group);
}

void nvlink_down(const Context& context, const CatalogRow& row, Findings& found) {
  const auto active = context.seen().of(Event::nvlink_active);
  // Of a board with NVSwitches, or with bridges soldered in; a PCIe card may have none plugged on.
  const bool has_links_by_itself =
      context.gpu_name_has({"SXM", "HBM3", "B200", "B300", "GB200", "GB300", "HGX", "DGX"}) &&
      !context.gpu_name_has({"NVL", "PCIe"});
  const auto inactive = context.seen().of(Event::nvlink_inactive);
  if (inactive.empty()) return;
  const bool is_fault = !active.empty() || has_links_by_itself;
  Finding& finding = add(found, row, is_fault ? "certain" : "possible");
  if (!is_fault) {
    finding.severity = Severity::info;
    finding.meaning = "no NVLink of these GPUs is active, as of cards without a bridge";
    finding.advice =
        "Where a bridge or NVSwitches should join them: look at Fabric Manager; reseat the bridge.";
  }
  std::string names;
  for (const EventGroup* group : inactive) {
    cite(context, finding, *group);
    constexpr std::size_t longest = 100;
    if (!group->detail.empty() && names.size() < longest)
      names += (names.empty() ? "" : ", ") + group->detail;
  }
  finding.component.name = names;
}

}  // namespace fabricheck::diagnose::rules
