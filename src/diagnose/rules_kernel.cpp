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
constexpr const char* both_ends =
    "Reset the GPUs and NVSwitches or reboot the node; where it comes again, look at both ends of the link "
    "(nvidia-smi nvlink -e): the fault may be at the other one; reseat the board.";
constexpr const char* watch_link =
    "Nothing at once: see whether the errors of this link grow (nvidia-smi nvlink -e).";
constexpr const char* replace = "Drain the node and have the GPU, its riser or its board replaced.";

// NVIDIA, XID Errors (GPU deployment and management documentation), as far as training clusters meet them.
constexpr std::array<XidText, 27> xids{{
    {13, Severity::info, "an exception of the graphics engine, most often the program's own",
     look_at_program},
    {31, Severity::info, "a page fault on the GPU, most often the program's own", look_at_program},
    {43, Severity::info, "a program's work was stopped after its own fault", look_at_program},
    {45, Severity::info, "work was removed after another error or when a program was killed",
     "Look for the XID before it."},
    {46, Severity::bad, "the GPU stopped processing", reset},
    {48, Severity::bad, "an ECC error that could not be corrected", reset},
    {54, Severity::bad, "the GPU board's auxiliary power is not connected",
     "Drain the node, connect the power cable of this GPU's board and look at the power supply."},
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
    {110, Severity::bad, "a security fault of the GPU", reset},
    {119, Severity::bad, "the GPU's system processor (GSP) did not answer",
     "Power the node off and on; update the driver where it comes again."},
    {120, Severity::bad, "the GPU's system processor (GSP) failed",
     "Power the node off and on; update the driver where it comes again."},
    {121, Severity::info, "an error of the link between GPU and CPU (C2C) that was corrected",
     "Nothing to do."},
    {140, Severity::bad, "an ECC error that could not be corrected", reset},
    {143, Severity::bad, "the GPU did not start", reset},
    {145, Severity::bad, "an NVLink error", both_ends},
    {149, Severity::bad, "an NVLink error", both_ends},
    {158, Severity::bad, "a fatal timeout of the GPU", reset},
}};

/// NVIDIA's XID catalogue: numbers whose immediate action is to ignore them, or to start the program again.
/// XID 137 and those of the second row are not in the table above.
constexpr std::array<int, 14> ignored{37, 38, 44, 66, 67, 93, 106, 107, 137, 141, 152, 153, 157, 160};
constexpr std::array<int, 40> programs{8,   11,  25,  32,  39,  40,  41,  60,  68,  70,  71,  72, 75, 76,
                                       77,  80,  82,  83,  84,  85,  86,  88,  89,  96,  97,  98, 99, 100,
                                       101, 102, 103, 104, 105, 126, 127, 128, 129, 130, 135, 139};

template <std::size_t size>
bool is_one_of(const std::array<int, size>& numbers, int number) {
  return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
}

const XidText* xid_text(int number) {
  const auto* known =
      std::find_if(xids.begin(), xids.end(), [&](const XidText& one) { return one.number == number; });
  return known == xids.end() ? nullptr : known;
}

constexpr int recovery_action = 154;

Severity xid_severity(const EventGroup& group) {
  // "GPU recovery action changed from 0x1 (GPU Reset Required) to 0x0 (None)".
  if (group.code == recovery_action)
    return says(group, "(None)") && says(group, "to 0x0") ? Severity::info : Severity::bad;
  if (says(group, "Nonfatal") || is_one_of(ignored, group.code) || is_one_of(programs, group.code))
    return Severity::info;
  const XidText* text = xid_text(group.code);
  return text == nullptr ? Severity::bad : text->severity;
}

/// "Node Reboot Required" of "… changed from 0x0 (None) to 0x2 (Node Reboot Required)".
std::string recovery_words(const EventGroup& group) {
  const auto change = group.quotes.empty() ? std::nullopt : after(group.quotes.back().text, " to 0x");
  const auto action = change ? after(*change, "(") : std::nullopt;
  if (!action || !contains(*action, ")")) return "the driver says what brings the GPU back";
  return "the driver says what brings the GPU back: " + std::string(until(*action, ")"));
}

std::string xid_words(const EventGroup& group) {
  if (group.code == recovery_action) return recovery_words(group);
  if (const XidText* text = xid_text(group.code)) return text->meaning;
  if (is_one_of(ignored, group.code)) return "nothing that calls for a mend";
  if (is_one_of(programs, group.code)) return "an error that ended a program, most often the program's own";
  constexpr int first_of_nvlink = 144, last_of_nvlink = 150;
  return group.code >= first_of_nvlink && group.code <= last_of_nvlink ? "an NVLink error"
                                                                       : "an error of a GPU";
}

std::string xid_advice(const EventGroup& group, const std::string& otherwise) {
  if (says(group, "Nonfatal")) return watch_link;
  if (group.code == recovery_action) return "Do what stands in that line.";
  if (const XidText* text = xid_text(group.code)) return text->advice;
  if (is_one_of(ignored, group.code)) return "Nothing to do.";
  return is_one_of(programs, group.code) ? look_at_program : otherwise;
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

/// Of the same device in the same file.
const EventGroup* partner_of(const EventGroup& group, const std::vector<const EventGroup*>& others) {
  const auto one = std::find_if(others.begin(), others.end(), [&](const EventGroup* other) {
    return other->detail == group.detail && other->code == group.code;
  });
  return one == others.end() ? nullptr : *one;
}

/// Whether most GPUs have one number of active links, and some have fewer.
bool differ_from_most(const std::vector<const EventGroup*>& active, std::size_t gpus) {
  std::uint64_t most = 0;
  for (const EventGroup* group : active) most = std::max(most, group->count);
  const auto with_most = static_cast<std::size_t>(std::count_if(
      active.begin(), active.end(), [&](const EventGroup* group) { return group->count == most; }));
  return with_most < gpus && 2 * with_most > gpus;
}

/// Of the same host, by its short or its long name; a dmesg without one may be of any.
bool may_be_one_host(const Context& context, const EventGroup& one, const EventGroup& other) {
  const std::string mine = context.hosts_of(one), theirs = context.hosts_of(other);
  return mine.empty() || theirs.empty() || until(mine, ".") == until(theirs, ".");
}

/// What the driver said of one GPU.
struct XidDevice {
  std::vector<const EventGroup*> groups;
  const EventGroup* worst{};
  Severity severity{Severity::info};
  bool is_by_program{};  ///< a program's fault came first, and a context that did not stop after it

  void find_worst() {
    worst = groups.front();
    for (const EventGroup* group : groups)
      if (xid_severity(*group) > xid_severity(*worst)) worst = group;
    severity = xid_severity(*worst);
    is_by_program =
        worst->code == context_switch && std::any_of(groups.begin(), groups.end(), [&](auto* one) {
          return (one->code == graphics_exception || one->code == page_fault) && !is_after(*one, *worst);
        });
    if (is_by_program) severity = Severity::info;
  }

  static constexpr int context_switch = 109, graphics_exception = 13, page_fault = 31;
};

Found& add_xids(const Context& context, const CatalogRow& row, const XidDevice& device, Findings& found) {
  constexpr int first_of_nvlink = 144, last_of_nvlink = 150;
  const EventGroup& worst = *device.worst;
  const bool is_of_link = worst.code >= first_of_nvlink && worst.code <= last_of_nvlink;
  // A link has two ends.
  Found& finding = add(found, row, is_of_link ? "likely" : "certain");
  finding.severity = device.severity;
  finding.component.name = worst.detail;
  finding.meaning = fmt::format("XID {}: {}", worst.code, xid_words(worst));
  finding.advice = xid_advice(worst, finding.advice);
  if (device.is_by_program) {
    finding.meaning += ", after a fault of the program on this GPU";
    finding.advice = look_at_program;
  }
  cite(context, finding, worst);
  std::set<int> others;
  for (const EventGroup* group : device.groups) {
    if (group != &worst) cite(context, finding, *group);
    if (group->code != worst.code) others.insert(group->code);
  }
  if (!others.empty()) finding.meaning += fmt::format("; also XID {}", fmt::join(others, ", "));
  return finding;
}

std::vector<XidDevice> xid_devices(const Context& context) {
  std::vector<XidDevice> devices;
  for (const EventGroup* group : context.seen().of(Event::xid)) {
    auto device = std::find_if(devices.begin(), devices.end(), [&](const XidDevice& one) {
      return one.groups.front()->detail == group->detail &&
             may_be_one_host(context, *one.groups.front(), *group);
    });
    if (device == devices.end()) device = devices.insert(devices.end(), XidDevice{});
    device->groups.push_back(group);
  }
  for (XidDevice& device : devices) device.find_worst();
  return devices;
}

}  // namespace

void gpu_xid(const Context& context, const CatalogRow& row, Findings& found) {
  std::vector<XidDevice> devices = xid_devices(context);
  std::stable_sort(devices.begin(), devices.end(),
                   [](const XidDevice& a, const XidDevice& b) { return a.severity > b.severity; });
  // Each GPU that something is to be done about, and one remark about all others.
  constexpr std::size_t most_named = 32;
  std::vector<const EventGroup*> remarks;
  std::size_t named = 0;
  for (const XidDevice& device : devices) {
    if (device.severity == Severity::info)
      remarks.insert(remarks.end(), device.groups.begin(), device.groups.end());
    else if (++named <= most_named)
      add_xids(context, row, device, found);
  }
  if (named > most_named)
    found.back().meaning += fmt::format("; so have {} GPUs more, see the log", named - most_named);
  if (remarks.empty() || named > 0) return;
  XidDevice rest{remarks};
  rest.find_worst();
  const bool is_one = std::all_of(devices.begin(), devices.end(),
                                  [&](const XidDevice& one) { return one.groups == devices.front().groups; });
  Found& finding = add_xids(context, row, rest, found);
  if (!is_one) finding.component.name = fmt::format("{} and {} more", rest.worst->detail, devices.size() - 1);
}

void nvswitch_sxid(const Context& context, const CatalogRow& row, Findings& found) {
  const auto minor = context.seen().of(Event::sxid_minor);
  const auto is_minor = [&](const EventGroup* group) {
    return std::any_of(minor.begin(), minor.end(), [&](const EventGroup* one) {
      return one->code == group->code && one->detail == group->detail;
    });
  };
  Found* finding = nullptr;
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
  constexpr std::uint64_t most_in_health = 9;  // settings, cables and switches change; our own choice
  const auto ups = context.seen().of(Event::link_up), ends = context.seen().of(Event::shut_down);
  for (const EventGroup* down : context.seen().of(Event::link_down)) {
    const EventGroup* up = partner_of(*down, ups);
    const bool is_back = up != nullptr && is_after(*up, *down);
    Found& finding = add(found, row, is_back || up != nullptr ? "certain" : "possible");
    finding.component.name = down->detail;
    const bool at_shutdown = std::any_of(ends.begin(), ends.end(), [&](const EventGroup* end) {
      return end->last_file == down->last_file && end->last_line < down->last_line;
    });
    if ((is_back && down->count <= most_in_health) || at_shutdown) finding.severity = Severity::info;
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
    const bool is_known = group->code == 1 || known.count(group->detail) > 0;
    Found& finding = add(found, row, is_known ? "certain" : "possible");
    finding.component.name = group->detail;
    cite(context, finding, *group);
    if (is_known) continue;
    finding.severity = Severity::info;
    finding.meaning += "; whether it is a GPU or a NIC of the fabric does not stand here";
  }
}

/// A disk that was pulled or a dock that went says the same: only of GPUs and NICs does it stop a job for
/// sure.
void pcie_fatal(const Context& context, const CatalogRow& row, Findings& found) {
  const std::set<std::string> known = known_devices(context);
  const auto groups = context.seen().of(Event::pcie_fatal);
  std::set<std::string> named;
  for (const EventGroup* group : groups) {
    const std::string short_address =
        group->detail.substr(std::min(group->detail.find(':') + 1, group->detail.size()));
    if (group->code == 1 || known.count(short_address) != 0) named.insert(group->detail);
  }
  if (groups.empty()) return;
  Found& finding = add(found, row, named.empty() ? "possible" : "certain");
  if (named.empty()) {
    finding.severity = Severity::info;
    finding.meaning += "; what kind of device it is, is not told here";
  }
  for (const bool is_named : {true, false})
    for (const EventGroup* group : groups)
      if ((named.count(group->detail) != 0) == is_named) cite(context, finding, *group);
  if (named.size() > 1)
    finding.component.name = fmt::format("{} and {} more", *named.begin(), named.size() - 1);
}

void pcie_acs(const Context& context, const CatalogRow& row, Findings& found) {
  const auto ends = context.seen().of(Event::pci_end);
  const auto is_above_several = [&](const std::string& behind) {
    std::string_view buses = behind;
    const int first = take_number<int>(buses).value_or(0);
    const int last = number_after<int>(buses, " ").value_or(0);
    // A bridge above one device alone has nobody to send its traffic around.
    return std::count_if(ends.begin(), ends.end(),
                         [&](const EventGroup* end) { return end->code >= first && end->code <= last; }) > 1;
  };
  const auto groups = context.seen().of(Event::acs_redirect);
  Found* finding = nullptr;
  for (const EventGroup* group : groups) {
    // Where the lines do not say what is behind the bridge, somebody chose them.
    if (!group->detail.empty() && !is_above_several(group->detail)) continue;
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
  for (const EventGroup* group : context.seen().of(Event::nvlink_missing)) {
    Found& finding = add(found, row, "likely");
    cite(context, finding, *group);
    finding.meaning = group->code == kFewer
                          ? "this GPU has fewer NVLinks to the others than these have: some are not active"
                      : group->code == kPair
                          ? "these two GPUs reach each other over fewer NVLinks than the others do, or over "
                            "PCIe"
                          : "NVLink joins all GPUs of this host but one: its links are not active";
    if (group->code != kAlone) finding.component.name = group->detail;
  }
  const auto inactive = context.seen().of(Event::nvlink_inactive),
             active = context.seen().of(Event::nvlink_active);
  if (inactive.empty()) return;
  std::set<std::string> gpus;
  for (const auto& groups : {inactive, active})
    for (const EventGroup* group : groups) gpus.insert(group->detail);
  // All links of such boards are wired. PCIe cards have as many as their bridge joins, a GH200 none by
  // itself, and a GPU alone, as in a virtual machine or divided by MIG, may have none.
  const bool is_wired =
      context.gpu_name_has({"A100-SXM", "A800-SXM", "HBM3", "B200", "B300", "H200", "H20", "H800"}) &&
      !context.gpu_name_has({"NVL", "PCIe", "GH200", "GH100"});
  const bool is_alone = gpus.size() < 2 && active.empty() && (gpus.empty() || *gpus.begin() == "GPU0");
  const bool is_fault =
      (is_wired && !is_alone) || (context.gpu_name_has({"SXM"}) && differ_from_most(active, gpus.size()));
  Found& finding = add(found, row, is_fault ? "certain" : "possible");
  if (!is_fault) {
    finding.severity = Severity::info;
    finding.meaning =
        "NVLinks are not active; of these GPUs that may be by design (no bridge, one that joins some of "
        "the links, MIG)";
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

void remap_pending(const Context& context, const CatalogRow& row, Findings& found) {
  on_event(context, row, found);
  // NVIDIA's memory error management: programs go on meanwhile.
  for (Found& finding : found)
    if (finding.slug == row.text->slug) finding.severity = Severity::info;
}

}  // namespace fabricheck::diagnose::rules

namespace fabricheck::diagnose {

bool has_gpu_fault(const Context& context) {
  const auto devices = rules::xid_devices(context);
  return std::any_of(devices.begin(), devices.end(), [&](const rules::XidDevice& device) {
    return device.severity != Severity::info && !context.is_elsewhere(*device.worst);
  });
}

}  // namespace fabricheck::diagnose
