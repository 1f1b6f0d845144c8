// `lstopo --of xml`, hwloc 1.x to 3.x.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "topology/model/cpu_list.hpp"
#include "topology/model/text.hpp"
#include "topology/readers/fields.hpp"
#include "topology/readers/hwloc_nvlinks.hpp"
#include "topology/readers/readers.hpp"
#include "topology/readers/refuse.hpp"
#include "topology/readers/xml.hpp"

namespace fabricheck::topology {
namespace {

/// What an OS device can be. hwloc 3 writes a mask, older versions a number.
enum class OsDevice { other, gpu, network, rdma };

struct PciObject {
  std::size_t node{};           // into Host::pci before it is thinned out
  std::string pci_class;        // four digits
  std::vector<std::size_t> os;  // elements of the OS devices below
};

class HwlocReader {
 public:
  HwlocReader(std::string_view text, const std::string& file)
      : document_(parse_xml(text, file, {"object"})) {}

  Host read() {
    const XmlElement& root = document_.root();
    if (root.name != "topology")
      refuse_at(root,
                fmt::format("the root element is <{}>; hwloc's files have <topology>", printable(root.name)));
    host_.source = "hwloc XML";
    const std::string& version = root.get("version");
    is_mask_ = !version.empty() && version[0] >= '3' && version[0] <= '9';
    for (std::size_t i = 1; i < document_.elements.size(); ++i) read_element(i);
    if (objects_ == 0) refuse_at(root, "holds no <object>");
    finish_devices();
    number_gpus();
    read_nvlinks();
    thin_out();
    say_unknown();
    return std::move(host_);
  }

 private:
  [[noreturn]] void refuse_at(const XmlElement& element, const std::string& sentence) const {
    refuse(document_.file, element.line, sentence);
  }

  void say(std::string sentence) {
    constexpr std::size_t kMost = 64;
    if (host_.unknown.size() < kMost) host_.unknown.push_back(std::move(sentence));
  }

  void read_element(std::size_t index) {
    const XmlElement& element = document_.elements[index];
    if (element.name == "info") return read_info(element);
    if (element.name != "object") return;
    ++objects_;
    const std::string& parent = document_.parent_name(element);
    if (parent != "object" && parent != "topology")
      refuse_at(element, "<object> belongs into <topology> or <object>");
    const std::string& type = element.get("type");
    if (type == "PU") ++host_.hardware_threads;
    if (type == "Core") ++host_.cores;
    if (type == "NUMANode") read_numa(element);
    if (type == "Bridge" && !starts_with(element.get("bridge_type"), "0-")) read_pci(index);
    if (type == "PCIDev") read_pci(index);
    if (type == "OSDev")
      if (const auto pci = pci_above(index)) {
        constexpr std::size_t kMostOsDevices = 64;
        if (pci_.at(*pci).os.size() >= kMostOsDevices)
          refuse_at(element,
                    fmt::format("a PCI function has more than {} OS devices; none has", kMostOsDevices));
        pci_.at(*pci).os.push_back(index);
      }
  }

  void read_info(const XmlElement& element) {
    const XmlElement& above = document_.elements[element.parent];
    const std::string& name = element.get("name");
    const std::string value = printable(element.get("value"));
    if (name == "CPUModel" && host_.cpu_model.empty()) host_.cpu_model = value;
    if (above.name != "topology" && above.get("type") != "Machine") return;
    if (name == "HostName") host_.name = value;
    if (name == "OSRelease") host_.kernel = value;
    if (name == "DMIProductName") host_.environment.product = value;
    if (name == "DMIBIOSVersion") host_.environment.bios = value;
  }

  void read_numa(const XmlElement& element) {
    const auto index = parse_number(element.get("os_index"));
    if (!index || *index < 0 || *index > kLargestCpu)
      refuse_at(element,
                fmt::format("os_index {} of a NUMANode is no number", in_quotes(element.get("os_index"))));
    NumaNode node;
    node.index = static_cast<int>(*index);
    if (!element.get("cpuset").empty()) {
      const auto cpus = parse_mask(element.get("cpuset"));
      if (!cpus)
        refuse_at(element, fmt::format("cpuset {} is no mask of CPUs", in_quotes(element.get("cpuset"))));
      node.cpus = format_cpu_list(*cpus);
    }
    if (const auto memory = parse_number(element.get("local_memory")); memory && *memory > 0)
      node.memory_bytes = static_cast<std::uint64_t>(*memory);
    if (host_.numa_nodes.size() >= kMostDevices)
      refuse_at(element, fmt::format("the file has more than {} NUMA nodes; no host has", kMostDevices));
    const bool known = std::any_of(host_.numa_nodes.begin(), host_.numa_nodes.end(),
                                   [&](const NumaNode& other) { return other.index == node.index; });
    if (known) refuse_at(element, fmt::format("NUMANode {} is there twice", node.index));
    host_.numa_nodes.push_back(std::move(node));
  }

  std::optional<std::size_t> pci_above(std::size_t index) const {
    for (std::size_t at = document_.elements[index].parent; at != kNoParent;
         at = document_.elements[at].parent)
      if (pci_.count(at) != 0) return at;
    return std::nullopt;
  }

  /// The one NUMA node that the nearest object above with a nodeset names.
  std::optional<int> numa_of(std::size_t index) const {
    for (std::size_t at = index; at != kNoParent; at = document_.elements[at].parent)
      if (document_.elements[at].has("nodeset")) {
        const auto nodes = parse_mask(document_.elements[at].get("nodeset"));
        return nodes && nodes->size() == 1 ? std::optional<int>(nodes->front()) : std::nullopt;
      }
    return std::nullopt;
  }

  /// "0000:17" of the host bridge's bridge_pci "0000:[17-2a]".
  std::string root_of(std::size_t index) const {
    for (std::size_t at = document_.elements[index].parent; at != kNoParent;
         at = document_.elements[at].parent) {
      const XmlElement& element = document_.elements[at];
      if (element.get("type") != "Bridge" || !starts_with(element.get("bridge_type"), "0-")) continue;
      const std::string& buses = element.get("bridge_pci");
      const std::size_t open = buses.find(":[");
      const std::size_t dash = buses.find('-');
      if (open == std::string::npos || dash == std::string::npos || dash < open) return "";
      const auto first = parse_pci_address(
          fmt::format("{}:{}:00.0", buses.substr(0, open), buses.substr(open + 2, dash - open - 2)));
      return first ? first->substr(0, first->size() - 5) : "";
    }
    return "";
  }

  void read_pci(std::size_t index) {
    const XmlElement& element = document_.elements[index];
    const auto address = parse_pci_address(element.get("pci_busid"));
    if (!address)
      refuse_at(element, fmt::format("pci_busid {} is no PCI address", in_quotes(element.get("pci_busid"))));
    const bool is_bridge = element.get("type") == "Bridge";
    const auto [first, is_new] = lines_.emplace(*address, element.line);
    // What is below a bridge is found by its address, so that must be one.
    if (!is_new && (is_bridge || bridges_.count(*address) != 0))
      refuse_at(element,
                fmt::format("pci_busid {} is there twice, first in line {}", *address, first->second));
    if (is_bridge) bridges_.insert(*address);
    if (host_.pci.size() >= kMostDevices)
      refuse_at(element, fmt::format("the file has more than {} PCI functions; no host has", kMostDevices));
    PciObject object;
    object.node = host_.pci.size();
    PciNode node;
    node.address = *address;
    node.root = root_of(index);
    node.numa_node = numa_of(index);
    const auto above = pci_above(index);
    if (above) node.parent = host_.pci[pci_.at(*above).node].address;
    // "0302 [10de:1db8] [10de:131d] a1 00"
    const std::string& type = element.get("pci_type");
    object.pci_class = lower_case(std::string_view(type).substr(0, 4));
    const std::size_t open = type.find('[');
    if (open != std::string::npos && type.size() >= open + 11 && type[open + 10] == ']' &&
        type[open + 5] == ':')
      node.ids = lower_case(printable(std::string_view(type).substr(open + 1, 9)));
    if (node.ids == "0000:0000") node.ids.clear();
    node.virtual_function = is_virtual_function(node.ids);
    if (is_bridge) node.kind = bridge_kind(above);
    if (element.get("subtype") == "NVSwitch" ||
        (object.pci_class == "0680" && starts_with(node.ids, "10de:")))
      node.kind = "nvswitch";
    if (object.pci_class == "0108") node.kind = "nvme";
    has_link_speed_ = has_link_speed_ || parse_positive(element.get("pci_link_speed")).has_value();
    pci_.emplace(index, std::move(object));
    host_.pci.push_back(std::move(node));
  }

  /// Ports of switches follow each other as upstream, downstream, upstream …
  std::string bridge_kind(std::optional<std::size_t> above) const {
    if (!above) return "root-port";
    const std::string& kind = host_.pci[pci_.at(*above).node].kind;
    return kind == "switch-upstream" ? "switch-downstream" : "switch-upstream";
  }

  OsDevice os_device(const XmlElement& element) const {
    constexpr int kGpu = 1 << 2;
    constexpr int kCoprocessor = 1 << 3;
    constexpr int kNetwork = 1 << 4;
    constexpr int kOpenFabrics = 1 << 5;
    const std::string& name = element.get("name");
    const bool gpu_name = starts_with(name, "nvml") || starts_with(name, "cuda") ||
                          starts_with(name, "opencl") || starts_with(name, "rsmi");
    if (gpu_name) return OsDevice::gpu;
    const auto type = parse_number(element.get("osdev_type"));
    if (!type) return OsDevice::other;
    bool network = *type == 2;
    bool rdma = *type == 3;
    if (is_mask_) {
      if ((*type & (kGpu | kCoprocessor)) != 0)
        return OsDevice::other;  // "card0": a display, not what NVML knows
      network = (*type & kNetwork) != 0;
      rdma = (*type & kOpenFabrics) != 0;
    }
    // hwloc 2.0 calls some RDMA devices plain network devices.
    constexpr std::array kRdma{"mlx",   "mthca", "qib",   "hfi1_", "bnxt_re", "irdma",
                               "i40iw", "efa_",  "rdmap", "rocep", "ibp"};
    const bool rdma_name =
        std::any_of(kRdma.begin(), kRdma.end(), [&](const char* front) { return starts_with(name, front); });
    if (rdma || (network && rdma_name && info(element, "Address").empty())) return OsDevice::rdma;
    return network ? OsDevice::network : OsDevice::other;
  }

  /// The value of an <info> directly in the element.
  const std::string& info(const XmlElement& element, std::string_view name) const {
    static const std::string none;
    const auto index = static_cast<std::size_t>(&element - document_.elements.data());
    for (std::size_t i = index + 1; i < document_.elements.size(); ++i) {
      const XmlElement& child = document_.elements[i];
      if (child.parent == kNoParent || child.parent < index) break;
      if (child.parent == index && child.name == "info" && child.get("name") == name)
        return child.get("value");
    }
    return none;
  }

  void finish_devices() {
    constexpr std::array kNics{"0200", "0207", "0280", "0c06"};
    for (const auto& [element, object] : pci_) {
      PciNode& node = host_.pci[object.node];
      bool has_gpu = false;
      bool has_rdma = false;
      bool has_network = false;
      for (const std::size_t os : object.os) {
        const OsDevice kind = os_device(document_.elements[os]);
        has_gpu = has_gpu || kind == OsDevice::gpu;
        has_network = has_network || kind == OsDevice::network;
        if (kind != OsDevice::rdma) continue;
        has_rdma = true;
        add_nic(document_.elements[os], object, node);
      }
      const bool display = object.pci_class == "0302" || object.pci_class == "0300";
      const bool nic_class = std::find(kNics.begin(), kNics.end(), object.pci_class) != kNics.end();
      if (has_gpu || (display && starts_with(node.ids, "10de:"))) {
        node.kind = "gpu";
        add_gpu(object, node);
      } else if (has_rdma || has_network || nic_class) {
        node.kind = "nic";
        if (!has_rdma && (object.pci_class == "0207" || starts_with(node.ids, "15b3:"))) {
          RdmaDevice device = nic_at(node);
          device.name = node.address;
          host_.rdma_devices.push_back(std::move(device));
          say(fmt::format("the file shows no RDMA device for the NIC at {}", node.address));
        }
      }
    }
    std::stable_sort(host_.rdma_devices.begin(), host_.rdma_devices.end(),
                     [](const RdmaDevice& a, const RdmaDevice& b) { return natural_less(a.name, b.name); });
    std::sort(host_.numa_nodes.begin(), host_.numa_nodes.end(),
              [](const NumaNode& a, const NumaNode& b) { return a.index < b.index; });
  }

  static RdmaDevice nic_at(const PciNode& node) {
    RdmaDevice device;
    device.pci_address = node.address;
    device.numa_node = node.numa_node;
    device.ids = node.ids;
    device.virtual_function = node.virtual_function;
    return device;
  }

  void add_nic(const XmlElement& element, const PciObject& object, const PciNode& node) {
    constexpr int kMostPorts = 8;
    constexpr int kMostGids = 16;
    RdmaDevice device = nic_at(node);
    device.name = printable(element.get("name"));
    device.node_guid = printable(info(element, "NodeGUID"));
    for (int number = 1; number <= kMostPorts; ++number) {
      const std::string front = fmt::format("Port{}", number);
      const std::string& state = info(element, front + "State");
      const auto lid = parse_number(info(element, front + "LID"), 16);
      if (state.empty() && !lid) continue;
      RdmaPort port;
      port.number = number;
      port.state = port_state(state);
      if (lid && *lid > 0 && *lid <= 0xffff) port.lid = static_cast<int>(*lid);
      for (int gid = 0; gid < kMostGids; ++gid) {
        const std::string& address = info(element, fmt::format("{}GID{}", front, gid));
        if (!address.empty() && address.find_first_not_of("0:") != std::string::npos)
          port.gids.push_back({gid, printable(address), "", ""});
      }
      join_net_device(port, object);
      if (port.lid) port.link_layer = "InfiniBand";
      device.ports.push_back(std::move(port));
    }
    host_.rdma_devices.push_back(std::move(device));
  }

  static std::string port_state(const std::string& number) {
    constexpr std::array kStates{"DOWN", "INIT", "ARMED", "ACTIVE", "ACTIVE_DEFER"};
    const auto state = parse_number(number);
    return state && *state >= 1 && *state <= 5 ? kStates.at(static_cast<std::size_t>(*state - 1)) : "";
  }

  /// The network device of the same PCI function that names the port, or the only one.
  void join_net_device(RdmaPort& port, const PciObject& object) const {
    const XmlElement* only = nullptr;
    int nets = 0;
    for (const std::size_t os : object.os) {
      const XmlElement& element = document_.elements[os];
      if (os_device(element) != OsDevice::network) continue;
      ++nets;
      only = &element;
      if (parse_number(info(element, "Port")) == port.number) {
        nets = 1;
        break;
      }
    }
    if (nets != 1) return;
    port.net_device = printable(only->get("name"));
    constexpr std::size_t kInfiniBandAddress = 59;  // 20 bytes
    constexpr std::size_t kEthernetAddress = 17;
    const std::size_t length = info(*only, "Address").size();
    if (length == kInfiniBandAddress) port.link_layer = "InfiniBand";
    if (length == kEthernetAddress) port.link_layer = "Ethernet";
  }

  void add_gpu(const PciObject& object, const PciNode& node) {
    Gpu gpu;
    gpu.index = -1;
    gpu.pci_address = node.address;
    gpu.numa_node = node.numa_node;
    gpu.status = "not asked";
    for (const std::size_t os : object.os) {
      const XmlElement& element = document_.elements[os];
      if (os_device(element) != OsDevice::gpu) continue;
      gpu.status = "answers";
      const std::string& name = element.get("name");
      if (starts_with(name, "nvml"))
        if (const auto index = parse_number(std::string_view(name).substr(4));
            index && *index >= 0 && *index < 4096)
          gpu.index = static_cast<int>(*index);
      if (!info(element, "GPUModel").empty()) gpu.name = printable(info(element, "GPUModel"));
      if (!info(element, "NVIDIAUUID").empty()) gpu.uuid = printable(info(element, "NVIDIAUUID"));
      std::string_view memory = info(element, "CUDAGlobalMemorySize");
      if (memory.size() > 3 && memory.substr(memory.size() - 3) == "KiB") memory.remove_suffix(3);
      if (const auto kib = parse_number(memory); kib && *kib > 0 && *kib < (1L << 40))
        gpu.memory_bytes = static_cast<std::uint64_t>(*kib) << 10;
    }
    host_.gpus.push_back(std::move(gpu));
  }

  void number_gpus() {
    std::set<int> numbers;
    bool complete = true;
    for (const auto& gpu : host_.gpus)
      complete = numbers.insert(gpu.index).second && gpu.index >= 0 && complete;
    std::sort(host_.gpus.begin(), host_.gpus.end(), [&](const Gpu& a, const Gpu& b) {
      return complete ? a.index < b.index : a.pci_address < b.pci_address;
    });
    if (complete) return;
    for (std::size_t i = 0; i < host_.gpus.size(); ++i) host_.gpus[i].index = static_cast<int>(i);
    say("the file does not number all GPUs (nvml); they are numbered in order of PCI address, as the driver "
        "does");
  }

  void read_nvlinks() {
    std::map<std::string, NvLinkEnd> ends;
    for (std::size_t i = 1; i < document_.elements.size(); ++i) {
      const XmlElement& element = document_.elements[i];
      if (element.name != "object" || element.get("gp_index").empty()) continue;
      NvLinkEnd end;
      const std::string& type = element.get("type");
      const auto pci = pci_.count(i) != 0 ? std::optional<std::size_t>(i)
                       : type == "OSDev"  ? pci_above(i)
                                          : std::nullopt;
      if (pci) {
        const PciNode& node = host_.pci[pci_.at(*pci).node];
        end.pci_address = node.address;
        end.kind = node.kind == "nvswitch" ? "switch" : node.kind == "gpu" ? "gpu" : "";
      } else if (type == "Package") {
        end.kind = "cpu";
      }
      ends.emplace(type + ":" + element.get("gp_index"), std::move(end));
    }
    for (std::size_t i = 1; i < document_.elements.size(); ++i) {
      const XmlElement& element = document_.elements[i];
      if (element.get("name") != "NVLinkBandwidth" || !starts_with(element.name, "distances2")) continue;
      for (auto& sentence : add_nvlinks(host_.gpus, bandwidth_matrix(document_, i), ends))
        say(std::move(sentence));
      has_nvlinks_ = true;
    }
  }

  /// Keeps what the model is about: GPUs, NICs, NVSwitches, NVMe and the bridges above them.
  void thin_out() {
    std::map<std::string, std::string> parents;
    for (const auto& node : host_.pci) parents.emplace(node.address, node.parent);
    std::set<std::string> wanted;  // bridges
    const auto is_bridge = [&](const PciNode& node) { return bridges_.count(node.address) != 0; };
    for (const auto& node : host_.pci) {
      if (node.kind.empty() || is_bridge(node)) continue;
      for (std::string at = node.parent; !at.empty() && wanted.insert(at).second; at = parents[at]) {
      }
    }
    const auto unwanted = [&](const PciNode& node) {
      return node.kind.empty() || (is_bridge(node) && wanted.count(node.address) == 0);
    };
    host_.pci.erase(std::remove_if(host_.pci.begin(), host_.pci.end(), unwanted), host_.pci.end());
    std::stable_sort(host_.pci.begin(), host_.pci.end(),
                     [](const PciNode& a, const PciNode& b) { return a.address < b.address; });
    const auto same = [](const PciNode& a, const PciNode& b) { return a.address == b.address; };
    for (auto twice = std::adjacent_find(host_.pci.begin(), host_.pci.end(), same); twice != host_.pci.end();
         twice = std::adjacent_find(host_.pci.begin(), host_.pci.end(), same)) {
      say(fmt::format("two devices have the PCI address {}; the place of the second was left out",
                      twice->address));
      host_.pci.erase(twice + 1);
    }
  }

  void say_unknown() {
    if (pci_.empty()) {
      say("the file has no PCI devices (lstopo leaves them out without --whole-io or in a container): which "
          "GPUs and "
          "NICs the host has is not known");
      return;
    }
    if (host_.gpus.empty()) say("the file shows no GPU; which GPUs the host has is not known");
    if (host_.rdma_devices.empty()) say("the file shows no RDMA device; which the host has is not known");
    if (has_link_speed_)
      say("hwloc tells the bandwidth of PCIe links only as one figure: speed and width apart are not known");
    if (!has_nvlinks_ && !host_.gpus.empty()) say("the file tells no NVLinks");
    say("hwloc does not tell driver or health of GPUs, and not rate or firmware of NICs");
  }

  XmlDocument document_;
  Host host_;
  bool is_mask_{};
  std::size_t objects_{};
  std::map<std::size_t, PciObject> pci_;  // by element
  std::map<std::string, int> lines_;      // of PCI addresses
  std::set<std::string> bridges_;
  bool has_link_speed_{};
  bool has_nvlinks_{};
};

}  // namespace

Host read_hwloc_xml(std::string_view text, const std::string& file) { return HwlocReader(text, file).read(); }

}  // namespace fabricheck::topology
