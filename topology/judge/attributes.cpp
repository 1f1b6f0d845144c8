#include "topology/judge/attributes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "core/units.hpp"
#include "topology/judge/attribute_table.hpp"
#include "topology/judge/virtual_machine.hpp"
#include "topology/model/paths.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::topology {
namespace {

std::string on_off(const std::optional<bool>& value) {
  if (!value) return {};
  return *value ? "on" : "off";
}

std::string lanes(const std::optional<int>& width) {
  return width && *width > 0 ? fmt::format("x{}", *width) : std::string{};
}

std::string number(const std::optional<double>& value, const char* unit) {
  return value && *value > 0 ? fmt::format("{:g} {}", *value, unit) : std::string{};
}

template <class T>
std::string count_of(const std::optional<T>& value) {
  return value ? std::to_string(*value) : std::string{};
}

/// Collects the observations of one host.
class Observer {
 public:
  Observer(const Host& host, std::size_t kind, const Union& all) : host_(host), kind_(kind), all_(all) {
    for (const PciNode& node : host.pci) nodes_.emplace(node.address, &node);
  }

  std::vector<Observation> all() {
    observe_counts();
    observe_software();
    observe_environment();
    for (std::size_t i = 0; i < host_.gpus.size(); ++i) observe_gpu(host_.gpus[i], all_.gpus.slot[kind_][i]);
    for (std::size_t i = 0; i < host_.rdma_devices.size(); ++i)
      observe_nic(host_.rdma_devices[i], all_.nics.slot[kind_][i]);
    if (all_.gpus.usual[kind_] && all_.nics.usual[kind_]) observe_bridges();
    return std::move(result_);
  }

 private:
  void see(const Attribute& attribute, const std::string& part, std::string value) {
    result_.push_back({&attribute, part, std::move(value)});
  }

  const PciNode* find(const std::string& address) const {
    const auto at = nodes_.find(address);
    return at == nodes_.end() ? nullptr : at->second;
  }

  void observe_counts() {
    const auto gpus = std::count_if(host_.gpus.begin(), host_.gpus.end(),
                                    [](const Gpu& gpu) { return gpu.status != "not answering"; });
    see(attribute::gpus, "", std::to_string(gpus));
    const bool virtual_only =
        std::all_of(host_.rdma_devices.begin(), host_.rdma_devices.end(),
                    [](const RdmaDevice& nic) { return nic.virtual_function.value_or(false); });
    const auto nics =
        std::count_if(host_.rdma_devices.begin(), host_.rdma_devices.end(), [&](const RdmaDevice& nic) {
          return nic.status == "answers" && (virtual_only || !nic.virtual_function.value_or(false)) &&
                 !comes_and_goes(host_, nic);
        });
    see(attribute::nics, "", std::to_string(nics));
    const auto beside = std::count_if(host_.rdma_devices.begin(), host_.rdma_devices.end(),
                                      [&](const RdmaDevice& nic) { return comes_and_goes(host_, nic); });
    see(attribute::nics_beside, "", std::to_string(beside));
    const auto switches = std::count_if(host_.pci.begin(), host_.pci.end(),
                                        [](const PciNode& node) { return node.kind == "nvswitch"; });
    see(attribute::nvswitches, "", host_.pci.empty() ? std::string{} : std::to_string(switches));
  }

  void observe_software() {
    see(attribute::driver, "", host_.gpu_driver);
    see(attribute::cuda, "", host_.cuda_version);
    see(attribute::kernel, "", host_.kernel);
    for (const std::string& name : all_.software) {
      const auto at = host_.environment.software.find(name);
      const std::string version = at == host_.environment.software.end() ? std::string{} : at->second;
      if (name == "nccl") {
        see(attribute::nccl, "", version);
      } else {
        see(attribute::software, name, version);
      }
    }
    observe_modules();
  }

  void observe_modules() {
    const auto& modules = host_.environment.modules;
    const bool peermem = modules.count("nvidia_peermem") + modules.count("nv_peer_mem") > 0;
    if (!host_.gpus.empty() && !host_.rdma_devices.empty()) {
      std::string way;
      if (peermem) {
        way = attribute::kByPeermem;
      } else if (!modules.empty() && host_.environment.dmabuf) {
        way = *host_.environment.dmabuf ? attribute::kByDmabuf : "neither nvidia_peermem nor dmabuf";
      }
      see(attribute::gpudirect, "", way);
    }
    for (const std::string& name : all_.modules) {
      if (name == "nvidia_peermem" || name == "nv_peer_mem") continue;
      const auto at = modules.find(name);
      std::string value = modules.empty() ? "" : "not loaded";
      // The driver's own modules have its version, which is compared as such.
      if (at != modules.end())
        value = at->second.empty() || name.rfind("nvidia", 0) == 0 ? "loaded" : at->second;
      see(attribute::module, name, value);
    }
  }

  void observe_environment() {
    const HostEnvironment& environment = host_.environment;
    see(attribute::hypervisor, "", environment.hypervisor == "none" ? "bare metal" : environment.hypervisor);
    see(attribute::container, "", environment.container);
    see(attribute::product, "", environment.product);
    see(attribute::bios, "", environment.bios);
    if (!host_.cpu_model.empty() || host_.cores > 0)
      see(attribute::cpu, "",
          fmt::format("{}, {} cores, {} threads", host_.cpu_model, host_.cores, host_.hardware_threads));
    if (!host_.numa_nodes.empty()) see(attribute::numa, "", std::to_string(host_.numa_nodes.size()));
    see(attribute::iommu, "", environment.iommu);
    see(attribute::governor, "", environment.cpu_governor);
    see(attribute::hugepages, "", environment.transparent_hugepages);
    if (environment.memlock_bytes) see(attribute::memlock, "", memlock(*environment.memlock_bytes));
    see(attribute::numa_balancing, "", on_off(environment.numa_balancing));
    const auto redirects = [](const PciNode& node) { return node.acs.value_or(false); };
    const bool acs_known = std::any_of(host_.pci.begin(), host_.pci.end(),
                                       [](const PciNode& node) { return node.acs.has_value(); });
    if (acs_known)
      see(attribute::acs, "", std::any_of(host_.pci.begin(), host_.pci.end(), redirects) ? "on" : "off");
  }

  static std::string memlock(std::uint64_t bytes) {
    return bytes == ~std::uint64_t{0} ? "without limit" : format_bytes(bytes);
  }

  void observe_gpu(const Gpu& gpu, int slot) {
    if (slot < 0 || gpu.status != "answers") return;
    const std::string& part = all_.gpus.labels[static_cast<std::size_t>(slot)];
    const PciNode* const node = find(gpu.pci_address);
    see(attribute::gpu_model, part, gpu.name);
    see(attribute::vbios, part, gpu.vbios);
    see(attribute::pcie_width, part, lanes(gpu.pcie.width || !node ? gpu.pcie.width : node->link.width));
    // What it can do: an idle GPU lowers the speed that it has.
    see(attribute::pcie_speed, part,
        number(gpu.pcie.max_speed_GTps || !node ? gpu.pcie.max_speed_GTps : node->link.max_speed_GTps,
               "GT/s"));
    see(attribute::nvlinks, part, active_nvlinks(gpu));
    see(attribute::nvlink_speed, part, nvlink_speed(gpu));
    see(attribute::mig, part, on_off(gpu.mig_enabled));
    see(attribute::ecc, part, on_off(gpu.ecc_enabled));
    see(attribute::persistence, part, on_off(gpu.persistence_mode));
    see(attribute::power_limit, part, number(gpu.power_limit_W, "W"));
    see(attribute::gpu_clock, part, gpu.max_sm_clock_MHz ? fmt::format("{} MHz", *gpu.max_sm_clock_MHz) : "");
    see(attribute::bar1, part, gpu.bar1_bytes ? format_bytes(*gpu.bar1_bytes) : "");
    see(attribute::device_numa, part, count_of(gpu.numa_node));
  }

  std::string active_nvlinks(const Gpu& gpu) const {
    const auto names_nvlink = [](const std::string& sentence) {
      return sentence.find("NVLink") != std::string::npos;
    };
    if (gpu.nvlinks.empty() && std::any_of(host_.unknown.begin(), host_.unknown.end(), names_nvlink))
      return {};
    int active = 0;
    for (const NvLink& link : gpu.nvlinks) {
      if (!link.active) return {};
      active += *link.active ? 1 : 0;
    }
    return std::to_string(active);
  }

  /// The slowest active link's.
  static std::string nvlink_speed(const Gpu& gpu) {
    std::optional<double> speed;
    for (const NvLink& link : gpu.nvlinks)
      if (link.active.value_or(false) && link.speed_GBps && (!speed || *link.speed_GBps < *speed))
        speed = link.speed_GBps;
    return number(speed, "GB/s");
  }

  void observe_nic(const RdmaDevice& nic, int slot) {
    if (slot < 0 || nic.status != "answers") return;
    const std::string& part = all_.nics.labels[static_cast<std::size_t>(slot)];
    see(attribute::nic_model, part, nic.ids);
    see(attribute::board, part, nic.board);
    see(attribute::firmware, part, nic.firmware);
    see(attribute::device_numa, part, count_of(nic.numa_node));
    if (nic.virtual_function)
      see(attribute::virtual_function, part,
          *nic.virtual_function ? "a virtual function" : "a physical device");
    if (const PciNode* const node = find(nic.pci_address); node != nullptr) {
      see(attribute::pcie_width, part, lanes(node->link.width));
      see(attribute::pcie_speed, part, number(node->link.speed_GTps, "GT/s"));
      if (node->max_payload_bytes && node->max_read_request_bytes)
        see(attribute::pcie_settings, part,
            fmt::format("MaxPayload {}, MaxReadReq {}, relaxed ordering {}", *node->max_payload_bytes,
                        *node->max_read_request_bytes,
                        node->relaxed_ordering ? on_off(node->relaxed_ordering) : "not known"));
    }
    for (const RdmaPort& port : nic.ports)
      observe_port(port, slot, nic.ports.size() > 1 ? fmt::format("{} port {}", part, port.number) : part);
  }

  void observe_port(const RdmaPort& port, int slot, const std::string& part) {
    see(attribute::link_layer, part, port.link_layer);
    see(attribute::port_state, part, port.state == "unknown" ? std::string{} : port.state);
    // A port that is down tells rates, sizes and addresses that mean nothing.
    if (port.state != "ACTIVE") return;
    see(attribute::rate, part, number(port.rate_Gbps, "Gb/s"));
    see(port.link_layer == "InfiniBand" ? attribute::ipoib_mtu : attribute::net_mtu, part,
        count_of(port.net_mtu_bytes));
    see(attribute::active_mtu, part, count_of(port.active_mtu_bytes));
    if (port.gids.empty()) return;
    const auto indices = all_.gid_indices.find({slot, port.number});
    if (indices == all_.gid_indices.end()) return;
    for (const int index : indices->second) {
      const auto gid = std::find_if(port.gids.begin(), port.gids.end(),
                                    [&](const Gid& one) { return one.index == index; });
      std::string type = gid == port.gids.end() ? attribute::kNoGid : gid->type;
      if (type == "unknown") type.clear();
      see(attribute::gid, fmt::format("{} GID {}", part, index), type);
    }
  }

  /// Where GPUs and NICs have the same addresses, bridges of one address are the same bridge.
  void observe_bridges() {
    if (is_virtual_machine(host_)) return;
    for (const PciNode& node : host_.pci) {
      if (node.kind == "gpu" || node.kind == "nic" || node.kind == "nvme" || node.kind == "other") continue;
      see(attribute::pcie_width,
          fmt::format("{} {}", node.kind == "nvswitch" ? "NVSwitch" : "PCI bridge", node.address),
          lanes(node.link.width));
    }
  }

  const Host& host_;
  std::size_t kind_;
  const Union& all_;
  std::unordered_map<std::string, const PciNode*> nodes_;
  std::vector<Observation> result_;
};

/// NICs for storage and for the GPUs are often of one model, and differ in board or rate.
std::string likeness(const RdmaDevice& nic) {
  std::string text = nic.ids + ' ' + nic.board;
  for (const RdmaPort& port : nic.ports)
    text += ' ' + port.link_layer + ' ' + port.state + ' ' + number(port.rate_Gbps, "Gb/s");
  return text;
}

const std::string& address_or(const std::string& address, const std::string& name) {
  return address.empty() ? name : address;
}

}  // namespace

Union union_of(const std::vector<Host>& kinds, const std::vector<std::size_t>& weights) {
  std::vector<std::vector<Placed>> gpus(kinds.size());
  std::vector<std::vector<Placed>> nics(kinds.size());
  Union all;
  for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
    for (const Gpu& gpu : kinds[kind].gpus) {
      const std::string label = fmt::format("GPU{}", gpu.index);
      gpus[kind].push_back({address_or(gpu.pci_address, label), label, gpu.name});
    }
    for (const RdmaDevice& nic : kinds[kind].rdma_devices)
      nics[kind].push_back({address_or(nic.pci_address, nic.name), nic.name, likeness(nic)});
    for (const auto& [name, version] : kinds[kind].environment.modules) all.modules.insert(name);
    for (const auto& [name, version] : kinds[kind].environment.software) all.software.insert(name);
  }
  all.gpus = lay_side_by_side(gpus, weights);
  all.nics = lay_side_by_side(nics, weights);
  for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
    for (std::size_t i = 0; i < kinds[kind].rdma_devices.size(); ++i)
      for (const RdmaPort& port : kinds[kind].rdma_devices[i].ports)
        for (const Gid& gid : port.gids)
          all.gid_indices[{all.nics.slot[kind][i], port.number}].insert(gid.index);
  }
  return all;
}

std::vector<Observation> observations(const Host& host, std::size_t kind, const Union& all) {
  return Observer(host, kind, all).all();
}

Observation gpu_nic_order(const Host& host) {
  const auto nearest = nearest_nics(host, paths_of(host));
  std::string order;
  for (std::size_t gpu = 0; gpu < nearest.size(); ++gpu) {
    if (!nearest[gpu]) continue;
    order += fmt::format("{}GPU{} {}", order.empty() ? "" : ", ", host.gpus[gpu].index,
                         host.rdma_devices[*nearest[gpu]].name);
  }
  return {&attribute::gpu_nic_order, "", order};
}

}  // namespace fabricheck::topology
