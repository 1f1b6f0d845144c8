#include "topology/judge/device_faults.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "topology/judge/device_fault_kinds.hpp"
#include "topology/judge/gpu_presence.hpp"
#include "topology/judge/virtual_machine.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::topology {
namespace {

std::string gpu_name(const Gpu& gpu) { return fmt::format("GPU{}", gpu.index); }

bool is_active(const NvLink& link) { return link.active.value_or(false); }

bool any_active(const Gpu& gpu) { return std::any_of(gpu.nvlinks.begin(), gpu.nvlinks.end(), is_active); }

std::string located(const std::string& address, const std::string& rest) {
  if (address.empty()) return printable(rest);
  return fmt::format("PCI {}{}{}", printable(address), rest.empty() ? "" : ", ", printable(rest));
}

void judge_presence(const Host& host, DeviceFaults& result) {
  // The GPU at which NVML stopped is at fault; those behind it only where it cannot be told which one that
  // is.
  for (const Gpu& gpu : host.gpus) {
    if (answers(gpu)) {
      ++result.judged;
    } else if (gpu.status == "hidden") {
      result.gaps.push_back({gpu_name(gpu), "hidden from this process", false});
    } else if (is_behind_another(host, gpu)) {
      result.gaps.push_back({gpu_name(gpu), "NVML did not get as far", true});
    } else if (gpu.status == "not asked") {
      result.gaps.push_back({gpu_name(gpu), "NVML was not asked", true});
    } else if (is_not_known(gpu)) {
      result.gaps.push_back(
          {gpu_name(gpu), gpu.problem.empty() ? "its state is not known" : printable(gpu.problem), true});
    } else {
      ++result.judged;
      result.faults.push_back(
          {&fault::gpu_not_answering, gpu_name(gpu), "", located(gpu.pci_address, gpu.problem)});
    }
  }
  for (const RdmaDevice& nic : host.rdma_devices) {
    ++result.judged;
    if (nic.status != "answers")
      result.faults.push_back({&fault::nic_not_answering, nic.name, "", located(nic.pci_address, nic.ids)});
  }
}

std::ptrdiff_t active_links(const Gpu& gpu) {
  return std::count_if(gpu.nvlinks.begin(), gpu.nvlinks.end(), is_active);
}

bool has_switch_link(const Gpu& gpu) {
  return std::any_of(gpu.nvlinks.begin(), gpu.nvlinks.end(),
                     [](const NvLink& link) { return link.remote == "switch"; });
}

/// Whether bridges join cards in pairs: the active links of each GPU lead to one other.
bool in_pairs(const Host& host) {
  return std::all_of(host.gpus.begin(), host.gpus.end(), [](const Gpu& gpu) {
    std::string peer;
    return std::all_of(gpu.nvlinks.begin(), gpu.nvlinks.end(), [&](const NvLink& link) {
      if (!is_active(link)) return true;
      if (link.remote != "gpu" || link.remote_pci_address.empty()) return false;
      if (peer.empty()) peer = link.remote_pci_address;
      return peer == link.remote_pci_address;
    });
  });
}

/// Where links may be inactive with nothing broken: a bridge is not fitted everywhere and does not use all
/// links of a card, and those of a virtual machine may lead to GPUs that another one has.
bool may_be_unused(const Host& host) {
  if (sees_nvswitches(host) || std::any_of(host.gpus.begin(), host.gpus.end(), has_switch_link)) return false;
  return is_virtual_machine(host) || in_pairs(host);
}

/// GPUs that are joined to nothing have links that are all inactive: that is a fault only where others of the
/// host have active ones, or where there are NVSwitches to be joined to.
void judge_nvlinks(const Host& host, DeviceFaults& result) {
  const bool joined = std::any_of(host.gpus.begin(), host.gpus.end(), any_active) || sees_nvswitches(host);
  const bool unused = may_be_unused(host);
  std::ptrdiff_t most = 0;
  for (const Gpu& gpu : host.gpus) most = std::max(most, active_links(gpu));
  for (const Gpu& gpu : host.gpus) {
    if (!answers(gpu) || gpu.nvlinks.empty()) continue;
    const std::ptrdiff_t active = active_links(gpu);
    const auto links = static_cast<std::ptrdiff_t>(gpu.nvlinks.size());
    if (gpu.mig_enabled.value_or(false) && active < links) {
      result.gaps.push_back({gpu_name(gpu), "its NVLinks, which MIG does not use", false});
      continue;
    }
    const auto known = std::count_if(gpu.nvlinks.begin(), gpu.nvlinks.end(),
                                     [](const NvLink& link) { return link.active.has_value(); });
    if (known < static_cast<std::ptrdiff_t>(gpu.nvlinks.size()))
      result.gaps.push_back({gpu_name(gpu), "state of its NVLinks not known", true});
    if (known == 0 || !joined) continue;
    if (unused && known == links && active < links && (active == 0 || active == most)) {
      result.gaps.push_back({gpu_name(gpu),
                             fmt::format("{} of {} NVLinks are active, and whether more should be is for "
                                         "--expect to say",
                                         active, links),
                             true});
      continue;
    }
    if (!any_active(gpu)) {
      result.faults.push_back(
          {&fault::nvlink_inactive, gpu_name(gpu), fmt::format("all {}", gpu.nvlinks.size()), {}});
      continue;
    }
    for (const NvLink& link : gpu.nvlinks) {
      if (link.active.value_or(true)) continue;
      const std::string remote = link.remote.empty()
                                     ? std::string{}
                                     : fmt::format("to {}", located(link.remote_pci_address, link.remote));
      result.faults.push_back(
          {&fault::nvlink_inactive, fmt::format("GPU{} NVLink {}", gpu.index, link.index), "", remote});
    }
  }
}

/// NVML's health mask has two bits for each question, 1 meaning yes.
bool mask_says(const GpuFabric& fabric, unsigned shift) {
  return fabric.health_mask && ((*fabric.health_mask >> shift) & 3U) == 1U;
}

/// 0 and 1: not told, and nothing is wrong; what the others mean is the fabric manager's to say.
bool is_misconfigured(const GpuFabric& fabric) {
  constexpr unsigned kIncorrectConfiguration = 8;
  return fabric.health_mask && ((*fabric.health_mask >> kIncorrectConfiguration) & 15U) > 1U;
}

/// A link that never came up does not tell what is at its other end: then the GPU's own word that it waits
/// for a fabric counts, but not where it is alone, as in a virtual machine of one GPU, for there it has no
/// use for one.
bool waits_for_fabric(const Gpu& gpu, std::size_t gpus_with_nvlinks) {
  return gpus_with_nvlinks > 1 && !gpu.nvlinks.empty() && gpu.fabric &&
         (gpu.fabric->state == "not-started" || gpu.fabric->state == "in-progress");
}

void judge_fabric(const Host& host, DeviceFaults& result) {
  constexpr unsigned kDegradedBandwidth = 0;
  constexpr unsigned kRouteUnhealthy = 4;
  const auto gpus_with_nvlinks =
      static_cast<std::size_t>(std::count_if(host.gpus.begin(), host.gpus.end(), [](const Gpu& gpu) {
        return answers(gpu) && !gpu.nvlinks.empty();
      }));
  for (const Gpu& gpu : host.gpus) {
    if (!answers(gpu) || !(has_switch_link(gpu) || waits_for_fabric(gpu, gpus_with_nvlinks))) continue;
    if (!gpu.fabric || gpu.fabric->state.empty()) {
      result.gaps.push_back({gpu_name(gpu), "fabric state not known", false});
      continue;
    }
    const GpuFabric& fabric = *gpu.fabric;
    if (fabric.state == "not-supported") continue;
    if (fabric.state != "completed") {
      result.faults.push_back({&fault::fabric_manager_down, gpu_name(gpu), printable(fabric.state), {}});
    } else if (!fabric.status.empty() && fabric.status != "Success") {
      result.faults.push_back(
          {&fault::fabric_registration_failed, gpu_name(gpu), printable(fabric.status), {}});
    }
    if (mask_says(fabric, kDegradedBandwidth))
      result.faults.push_back({&fault::fabric_unhealthy, gpu_name(gpu), "degraded bandwidth", {}});
    if (mask_says(fabric, kRouteUnhealthy))
      result.faults.push_back({&fault::fabric_unhealthy, gpu_name(gpu), "a route is not healthy", {}});
    if (is_misconfigured(fabric))
      result.faults.push_back(
          {&fault::fabric_unhealthy, gpu_name(gpu), "its configuration is incorrect", {}});
  }
}

/// Judges what PCIe links are trained at. A link has two ends with a node each: it is told by its lower end,
/// and by the port above only where the lower end tells nothing.
class PcieJudge {
 public:
  PcieJudge(const Host& host, DeviceFaults& result)
      : host_(host), result_(result), virtual_machine_(is_virtual_machine(host)) {
    for (const PciNode& node : host.pci) nodes_.emplace(node.address, &node);
    for (const PciNode& node : host.pci) children_.emplace(node.parent, &node);
  }

  void judge() {
    for (const Gpu& gpu : host_.gpus)
      if (answers(gpu)) judge_device(gpu_name(gpu), gpu.pci_address, gpu.pcie, false);
    for (const RdmaDevice& nic : host_.rdma_devices)
      if (!nic.virtual_function.value_or(false)) judge_device(nic.name, nic.pci_address, {}, true);
    if (virtual_machine_) return;
    for (const PciNode& node : host_.pci)
      if (is_port(node) || node.kind == "switch-upstream") judge_bridge(node);
  }

 private:
  static bool is_port(const PciNode& node) {
    return node.kind == "root-port" || node.kind == "switch-downstream" || node.kind == "bridge";
  }

  template <class T>
  static void take_least(std::optional<T>& least, const std::optional<T>& other) {
    if (other && *other > T{} && (!least || *other < *least)) least = other;
  }

  const PciNode* find(const std::string& address) const {
    const auto at = nodes_.find(address);
    return at == nodes_.end() ? nullptr : at->second;
  }

  /// `own` is what the device's driver says, which goes before what PCI says.
  void judge_device(const std::string& name, const std::string& address, PcieLink own, bool speed_counts) {
    const PciNode* const node = find(address);
    if (node != nullptr) {
      if (!own.width) own.width = node->link.width;
      if (!own.speed_GTps) own.speed_GTps = node->link.speed_GTps;
      if (!own.max_width) own.max_width = node->link.max_width;
      if (!own.max_speed_GTps) own.max_speed_GTps = node->link.max_speed_GTps;
      if (!virtual_machine_) limit_by_port_above(*node, own);
    }
    if (virtual_machine_) leave_to_slot(name, own, speed_counts);
    judge_link(name, address, own, speed_counts);
  }

  /// A virtual machine does not see what its devices are plugged into, so that one end of their links is not
  /// known: only a GPU that has fewer lanes than another of its model is at fault.
  void leave_to_slot(const std::string& name, PcieLink& link, bool speed_counts) {
    const auto open = [&](const std::string& what) {
      result_.gaps.push_back({name, "PCIe " + what + ", and a virtual machine does not show its slot", true});
    };
    if (link.width && link.max_width && *link.width > 0 && *link.width < *link.max_width &&
        !a_sibling_has_more(name, *link.width)) {
      open(fmt::format("x{} of x{}", *link.width, *link.max_width));
      link.max_width.reset();
    }
    if (speed_counts && is_slow(link)) {
      open(fmt::format("{:g} of {:g} GT/s", *link.speed_GTps, *link.max_speed_GTps));
      link.max_speed_GTps.reset();
    }
  }

  bool a_sibling_has_more(const std::string& name, int width) const {
    const auto self = std::find_if(host_.gpus.begin(), host_.gpus.end(),
                                   [&](const Gpu& gpu) { return gpu_name(gpu) == name; });
    return self != host_.gpus.end() && std::any_of(host_.gpus.begin(), host_.gpus.end(), [&](const Gpu& gpu) {
             return gpu.name == self->name && gpu.pcie.width.value_or(0) > width;
           });
  }

  static bool is_slow(const PcieLink& link) {
    constexpr double kSame = 0.99;
    return link.speed_GTps && link.max_speed_GTps && *link.speed_GTps > 0 &&
           *link.speed_GTps < *link.max_speed_GTps * kSame;
  }

  void limit_by_port_above(const PciNode& node, PcieLink& link) const {
    const PciNode* const above = find(node.parent);
    if (above == nullptr || !is_port(*above)) return;
    if (link.max_width) take_least(link.max_width, above->link.max_width);
    if (link.max_speed_GTps) take_least(link.max_speed_GTps, above->link.max_speed_GTps);
  }

  void judge_bridge(const PciNode& node) {
    PcieLink link = node.link;
    bool speed_counts = true;
    if (node.kind == "switch-upstream") {
      limit_by_port_above(node, link);
    } else {
      const auto [first, last] = children_.equal_range(node.address);
      for (auto child = first; child != last; ++child) {
        const PciNode& below = *child->second;
        if (below.link.width && below.link.max_width) link.width.reset();
        if (below.link.speed_GTps && below.link.max_speed_GTps) speed_counts = false;
        if (below.kind == "gpu") speed_counts = false;
        if (link.max_width) take_least(link.max_width, below.link.max_width);
        if (link.max_speed_GTps) take_least(link.max_speed_GTps, below.link.max_speed_GTps);
      }
    }
    judge_link("PCI bridge " + node.address, node.address, link, speed_counts);
  }

  void judge_link(const std::string& name, const std::string& address, const PcieLink& link,
                  bool speed_counts) {
    if (link.width && link.max_width && *link.width > 0 && *link.width < *link.max_width)
      result_.faults.push_back({&fault::pcie_width, name,
                                fmt::format("x{} of x{}", *link.width, *link.max_width),
                                located(address, "")});
    if (!speed_counts || !is_slow(link)) return;
    const std::string what = fmt::format("{:g} of {:g} GT/s", *link.speed_GTps, *link.max_speed_GTps);
    result_.faults.push_back({&fault::pcie_speed, name, what, located(address, "")});
  }

  const Host& host_;
  DeviceFaults& result_;
  bool virtual_machine_;
  std::unordered_map<std::string, const PciNode*> nodes_;
  std::unordered_multimap<std::string, const PciNode*> children_;
};

void judge_ports(const Host& host, DeviceFaults& result) {
  for (const RdmaDevice& nic : host.rdma_devices) {
    if (nic.status != "answers") continue;
    for (const RdmaPort& port : nic.ports) {
      const std::string name =
          nic.ports.size() > 1 ? fmt::format("{} port {}", nic.name, port.number) : nic.name;
      if (port.state.empty() || port.state == "unknown") {
        result.gaps.push_back({name, "state of its port not known", true});
      } else if (port.state != "ACTIVE") {
        result.faults.push_back({&fault::port_not_active, name, printable(port.state),
                                 port.physical_state.empty() ? "" : printable(port.physical_state)});
      }
    }
  }
}

void judge_throttling(const std::string& gpu, const std::vector<std::string>& reasons, DeviceFaults& result) {
  for (const std::string& reason : reasons)
    if (reason.rfind("hw-", 0) == 0)
      result.faults.push_back({&fault::hardware_throttle, gpu, printable(reason), {}});
}

}  // namespace

DeviceFaults device_faults(const Host& kind) {
  DeviceFaults result;
  judge_presence(kind, result);
  judge_nvlinks(kind, result);
  judge_fabric(kind, result);
  PcieJudge(kind, result).judge();
  judge_ports(kind, result);
  return result;
}

DeviceFaults health_faults(const Host& kind, const std::vector<GpuParticulars>& own) {
  DeviceFaults result;
  for (std::size_t i = 0; i < kind.gpus.size(); ++i) {
    if (!answers(kind.gpus[i])) continue;
    const std::string name = gpu_name(kind.gpus[i]);
    if (i >= own.size() || !own[i].health) {
      result.gaps.push_back({name, "health not known", true});
      continue;
    }
    const GpuHealth& health = *own[i].health;
    const auto add = [&](bool is_so, const FaultKind& fault_kind, const std::string& detail) {
      if (is_so) result.faults.push_back({&fault_kind, name, "", detail});
    };
    const std::uint64_t errors = health.ecc_uncorrected.value_or(0);
    add(errors > 0, fault::ecc_uncorrected, fmt::format("{} since the driver was loaded", errors));
    add(health.remap_failed.value_or(false), fault::remap_failed, "");
    add(health.remap_pending.value_or(false), fault::remap_pending, "");
    add(health.page_retirement_pending.value_or(false), fault::page_retirement_pending, "");
    if (health.throttle_reasons) judge_throttling(name, *health.throttle_reasons, result);
  }
  return result;
}

}  // namespace fabricheck::topology
