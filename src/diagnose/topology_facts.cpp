// What a topology tells of faults, as events.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "diagnose/diagnose.hpp"
#include "diagnose/log_reader.hpp"
#include "topology/model/merge.hpp"
#include "topology/model/odd_ones.hpp"
#include "topology/model/paths.hpp"

namespace fabricheck::diagnose {
namespace {

class HostFacts {
 public:
  HostFacts(Observations& into, EventBook& events, int file, const Host& host)
      : into_(into), events_(events), file_(file), host_(host), name_(into.names.id(host.name)) {}

  /// A file that tells no states shows it by what the peers have.
  void observe_odd_ones() {
    for (const topology::OddOne& odd : topology::odd_ones(host_, topology::paths_of(host_))) {
      const std::string text = odd.part + ": " + odd.what;
      using Kind = topology::OddOne::Kind;
      const bool is_speed = odd.what.find("GT/s") != std::string::npos;
      const Event link = is_speed ? Event::pcie_slow : Event::pcie_narrow;
      switch (odd.kind) {
        case Kind::nvlink_none:
          if (!is_known_alone(odd.part)) add(Event::nvlink_missing, kAlone, odd.part, text);
          break;
        case Kind::nvlink_fewer:
          add(Event::nvlink_missing, kFewer, odd.part, text);
          break;
        case Kind::nvlink_pair:
          add(Event::nvlink_missing, kPair, odd.part, text);
          break;
        case Kind::gpu_link:
          add(link, kGpu + kUnlikePeers, odd.part, text);
          break;
        case Kind::nic_link:
          add(link, kNic + kUnlikePeers, odd.part, text);
          break;
      }
    }
  }

  void observe() {
    observe_odd_ones();
    for (const Gpu& gpu : host_.gpus) {
      ++into_.gpu_names[gpu.name];
      observe(gpu);
    }
    const auto paths = topology::paths_of(host_);
    for (const topology::Rail& rail : topology::rails_of(host_, paths)) observe(host_.rdma_devices[rail.nic]);
    for (const PciNode& node : host_.pci)
      if (node.acs.value_or(false))
        add(Event::acs_redirect, 1, "", "PCIe bridge " + node.address + ": ACS redirects");
    if (host_.environment.flat_pci_tree.value_or(false)) {
      add(Event::pci_link_unreadable, 0, "",
          "the PCI tree is flat: GPUs and NICs without the switches that join them");
      add(Event::pci_link_unreadable, 2, "", "hypervisor: " + host_.environment.hypervisor);
    }
  }

 private:
  /// The lines of the same matrix said so, by their number.
  bool is_known_alone(const std::string& gpu) const {
    const auto groups = into_.of(Event::nvlink_missing);
    return std::any_of(groups.begin(), groups.end(), [&](const EventGroup* group) {
      return group->code == kAlone && group->detail == gpu && group->last_file == file_;
    });
  }

  void add(Event kind, int code, std::string_view detail, const std::string& text) {
    const std::string full = host_.name + ": " + text;
    events_.add(kind, code, detail, name_, true, Line{file_, 0, full});
  }

  void observe(const Gpu& gpu) {
    const std::string name = "GPU" + std::to_string(gpu.index);
    if (gpu.fabric && (gpu.fabric->state == "not-started" || gpu.fabric->state == "in-progress"))
      add(Event::fabric_not_ready, 0, "", name + ": the state of the NVLink fabric is " + gpu.fabric->state);
    const auto inactive = std::count_if(gpu.nvlinks.begin(), gpu.nvlinks.end(),
                                        [](const NvLink& link) { return link.active && !*link.active; });
    const bool any_active = static_cast<std::size_t>(inactive) < gpu.nvlinks.size();
    if (inactive > 0 && any_active)
      add(Event::nvlink_inactive, 0, name,
          fmt::format("{}: {} of {} NVLinks are not active", name, inactive, gpu.nvlinks.size()));
  }

  void observe(const RdmaDevice& nic) {
    for (const RdmaPort& port : nic.ports) {
      const std::string name = fmt::format("{} port {}", nic.name, port.number);
      if (port.state == "ACTIVE") {
        add(Event::port_active, 0, nic.name, name + ": ACTIVE");
        constexpr int small = 1024;
        if (port.active_mtu_bytes.value_or(4096) <= small && port.max_mtu_bytes.value_or(small) > small)
          add(Event::mtu_small, *port.active_mtu_bytes, nic.name,
              fmt::format("{}: MTU {}", name, *port.active_mtu_bytes));
      } else if (!port.state.empty()) {
        add(Event::port_down, 0, nic.name, name + ": " + port.state);
      }
    }
  }

  Observations& into_;
  EventBook& events_;
  int file_;
  const Host& host_;
  int name_;
};

int index_of(Observations& into, const std::string& file) {
  if (into.files.empty() || into.files.back().name != file) into.files.push_back({file, 0, 0, {}, ""});
  into.files.back().kinds.emplace_back("topology");
  return static_cast<int>(into.files.size()) - 1;
}

}  // namespace

void observe_odd_ones(Observations& into, const ClusterTopology& topology, const std::string& file) {
  const int index = index_of(into, file);
  EventBook events(into);
  for (std::size_t i = 0; i < topology.hosts.size(); ++i) {
    const Host host = topology::whole_host(topology, i);
    HostFacts(into, events, index, host).observe_odd_ones();
  }
}

void observe_topology(Observations& into, const ClusterTopology& topology, const std::string& file) {
  const int index = index_of(into, file);
  EventBook events(into);
  for (std::size_t i = 0; i < topology.hosts.size(); ++i) {
    const Host host = topology::whole_host(topology, i);
    HostFacts(into, events, index, host).observe();
  }
  into.topology = topology;
  into.topology_file = file;
}

}  // namespace fabricheck::diagnose
