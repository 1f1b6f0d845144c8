// NCCL_TOPO_DUMP_FILE and the hand-written files that clouds ship in its form.
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
#include "topology/readers/readers.hpp"
#include "topology/readers/refuse.hpp"
#include "topology/readers/xml.hpp"

namespace fabricheck::topology {
namespace {

constexpr long kMostNvLinks = 64;             // of one GPU; NVLink 5 has 18
constexpr double kLargestRate_Gbps = 10'000;  // above it a file tells nonsense

struct PciElement {
  std::string pci_class;  // six digits, "" where the file tells none
  bool has_pci{};         // other functions are below it
  bool has_gpu{};
  bool has_nic{};
  std::size_t node{};  // into Host::pci
};

class NcclReader {
 public:
  NcclReader(std::string_view text, const std::string& file)
      : document_(parse_xml(text, file, {"gpu", "net", "pci"})) {}

  Host read() {
    check_root();
    host_.source = "NCCL XML";
    choose_host();
    for (std::size_t i = 1; i < document_.elements.size(); ++i)
      if (is_kept(i)) read_element(i);
    finish_pci();
    number_gpus();
    finish_nvlinks();
    finish_nics();
    finish_cpus();
    say_unknown();
    return std::move(host_);
  }

 private:
  [[noreturn]] void refuse_at(const XmlElement& element, const std::string& sentence) const {
    refuse(document_.file, element.line, sentence);
  }

  void say(std::string sentence) {
    constexpr std::size_t kMost = 64;
    if (host_.unknown.size() < kMost &&
        std::find(host_.unknown.begin(), host_.unknown.end(), sentence) == host_.unknown.end())
      host_.unknown.push_back(std::move(sentence));
  }

  void check_root() const {
    const XmlElement& root = document_.root();
    if (root.name == "graphs")
      refuse_at(root,
                "is a graph file of NCCL (NCCL_GRAPH_DUMP_FILE), which tells no topology; give the one that "
                "NCCL_TOPO_DUMP_FILE writes");
    if (root.name != "system")
      refuse_at(root, fmt::format("the root element is <{}>; NCCL's topology files have <system>",
                                  printable(root.name)));
  }

  /// NCCL writes all hosts of an NVLink domain into one file; its CPUs tell them apart.
  void choose_host() {
    std::set<std::string> hashes;
    for (const auto& element : document_.elements)
      if (element.name == "cpu" && element.has("host_hash")) {
        if (hashes.empty()) host_hash_ = element.get("host_hash");
        hashes.insert(element.get("host_hash"));
      }
    if (hashes.size() > 1)
      say(fmt::format("the file holds {} hosts of one NVLink domain; only the first was read",
                      hashes.size()));
    kept_.assign(document_.elements.size(), true);
  }

  /// Elements of other hosts and what is below them are left out.
  bool is_kept(std::size_t index) {
    const XmlElement& element = document_.elements[index];
    const bool foreign = element.name == "cpu" && host_hash_ && element.has("host_hash") &&
                         element.get("host_hash") != *host_hash_;
    kept_[index] = kept_[element.parent] && !foreign;
    return kept_[index];
  }

  void read_element(std::size_t index) {
    const XmlElement& element = document_.elements[index];
    if (element.name == "cpu") return read_cpu(element);
    if (element.name == "pci") return read_pci(index);
    if (element.name == "gpu") return read_gpu(index);
    if (element.name == "nvlink" || element.name == "xgmi") return read_nvlink(element);
    if (element.name == "net") return read_net(element);
    if (element.name == "nic") {
      if (const auto pci = pci_.find(element.parent); pci != pci_.end()) pci->second.has_nic = true;
      return;
    }
    if (element.name == "c2c")
      return say(
          "the link between GPU and CPU (NVLink-C2C) of the file is left out: the model has no place for it");
    if (element.name != "pcilink" && element.name != "nvlinks")
      say(fmt::format("<{}> of line {} is not known and was left out", printable(element.name),
                      element.line));
  }

  long number(const XmlElement& element, std::string_view attribute, long lowest, long highest) const {
    const std::string& text = element.get(attribute);
    const auto value = parse_number(text);
    if (!value || *value < lowest || *value > highest)
      refuse_at(element, fmt::format("{} of <{}> is {}; it must be a number from {} to {}", attribute,
                                     printable(element.name), in_quotes(text), lowest, highest));
    return *value;
  }

  void read_cpu(const XmlElement& element) {
    if (document_.parent_name(element) != "system")
      refuse_at(element, "<cpu> belongs directly into <system>");
    std::optional<int> numa;
    if (element.has("numaid")) {
      const long id = number(element, "numaid", -1, kLargestCpu);
      if (id >= 0) numa = static_cast<int>(id);
    }
    if (!numa) say("a <cpu> has no NUMA node (numaid -1): the NUMA node of what is below it is not known");
    std::vector<int> cpus;
    if (!element.get("affinity").empty()) {
      const auto mask = parse_mask(element.get("affinity"));
      if (!mask)
        refuse_at(element, fmt::format("affinity {} is no mask of CPUs", in_quotes(element.get("affinity"))));
      cpus = *mask;
    }
    if (numa) {
      auto& known = cpus_[*numa];
      known.insert(known.end(), cpus.begin(), cpus.end());
    }
    if (starts_with(element.get("arch"), "ppc")) is_power_ = true;
    if (!element.get("vendor").empty() && host_.cpu_model.empty())
      host_.cpu_model = fmt::format("{} family {} model {}", printable(element.get("vendor")),
                                    printable(element.get("familyid")), printable(element.get("modelid")));
  }

  /// The <cpu> above an element, as NUMA node and as what stands for the host bridge.
  std::optional<int> numa_of(const XmlElement& element) const {
    for (std::size_t at = element.parent; at != kNoParent; at = document_.elements[at].parent)
      if (document_.elements[at].name == "cpu") {
        const auto id = parse_number(document_.elements[at].get("numaid"));
        return id && *id >= 0 ? std::optional<int>(static_cast<int>(*id)) : std::nullopt;
      }
    return std::nullopt;
  }

  /// An earlier element beside this one that says the same of a bridge: files edited by hand have such.
  std::optional<PciElement> same_bridge(std::size_t index, const std::string& address) const {
    const XmlElement& element = document_.elements[index];
    if (!starts_with(class_of(element.get("class")), "0604")) return std::nullopt;
    for (const auto& [other, entry] : pci_) {
      const XmlElement& one = document_.elements[other];
      if (one.parent == element.parent && host_.pci[entry.node].address == address &&
          one.attributes == element.attributes)
        return entry;
    }
    return std::nullopt;
  }

  void read_pci(std::size_t index) {
    const XmlElement& element = document_.elements[index];
    const auto parent = pci_.find(element.parent);
    if (document_.parent_name(element) != "cpu" && parent == pci_.end())
      refuse_at(element, "<pci> belongs into <cpu> or another <pci>");
    if (host_.pci.size() >= kMostDevices)
      refuse_at(element, fmt::format("the file has more than {} PCI functions; no host has", kMostDevices));
    const auto address = parse_pci_address(element.get("busid"));
    if (!address)
      refuse_at(element, fmt::format("busid {} is no PCI address", in_quotes(element.get("busid"))));
    const auto [first, is_new] = lines_.emplace(*address, element.line);
    if (!is_new) {
      if (const auto twin = same_bridge(index, *address)) {
        pci_.emplace(index, *twin);
        return say(
            fmt::format("line {}: the bridge at {} is there twice, first in line {}; what is below is "
                        "taken to be below one",
                        element.line, *address, first->second));
      }
      refuse_at(element, fmt::format("busid {} is there twice, first in line {}", *address, first->second));
    }

    PciNode node;
    node.address = *address;
    node.numa_node = numa_of(element);
    node.root = node.numa_node ? fmt::format("cpu{}", *node.numa_node) : "cpu";
    if (parent != pci_.end()) {
      parent->second.has_pci = true;
      node.parent = host_.pci[parent->second.node].address;
    }
    const auto vendor = parse_number(element.get("vendor"), 16);
    const auto device = parse_number(element.get("device"), 16);
    if (vendor && device && *vendor > 0 && *vendor < 0xffff && *device >= 0 && *device <= 0xffff)
      node.ids = fmt::format("{:04x}:{:04x}", *vendor, *device);
    node.virtual_function = is_virtual_function(node.ids);
    node.link.speed_GTps = parse_positive(element.get("link_speed"));
    if (const auto width = parse_number(element.get("link_width")); width && *width > 0 && *width <= 32)
      node.link.width = static_cast<int>(*width);

    PciElement entry;
    entry.pci_class = class_of(element.get("class"));
    entry.node = host_.pci.size();
    pci_.emplace(index, std::move(entry));
    host_.pci.push_back(std::move(node));
  }

  static std::string class_of(const std::string& text) {
    const auto value = parse_number(text, 16);
    return value && *value > 0 && *value <= 0xffffff ? fmt::format("{:06x}", *value) : "";
  }

  /// RCCL wrote HIP's old architecture numbers, in which gfx90a is 910, before it wrote names.
  static std::string gfx_name(const std::string& gcn) {
    if (starts_with(gcn, "gfx")) return gcn;
    return gcn == "910" ? "gfx90a" : "gfx" + gcn;
  }

  void read_gpu(std::size_t index) {
    const XmlElement& element = document_.elements[index];
    const auto pci = pci_.find(element.parent);
    if (pci == pci_.end()) refuse_at(element, "<gpu> belongs into <pci>");
    if (pci->second.has_gpu) refuse_at(element, "a second <gpu> in one <pci>");
    pci->second.has_gpu = true;
    const PciNode& node = host_.pci[pci->second.node];
    Gpu gpu;
    gpu.pci_address = node.address;
    gpu.index = element.has("dev") ? static_cast<int>(number(element, "dev", 0, 4095)) : -1;
    const std::string& gcn = element.get("gcn");
    has_xgmi_ = has_xgmi_ || !gcn.empty();
    if (!gcn.empty())
      gpu.name = "AMD " + printable(gfx_name(gcn));
    else if (const auto sm = parse_number(element.get("sm")); sm && *sm > 0 && *sm < 1000)
      gpu.compute_capability = fmt::format("{}.{}", *sm / 10, *sm % 10);
    gpu_of_element_.emplace(index, host_.gpus.size());
    host_.gpus.push_back(std::move(gpu));
  }

  void read_nvlink(const XmlElement& element) {
    std::size_t above = element.parent;
    if (document_.elements[above].name == "nvlinks") above = document_.elements[above].parent;
    const auto found = gpu_of_element_.find(above);
    if (found == gpu_of_element_.end())
      refuse_at(element, fmt::format("<{}> belongs into <gpu>", printable(element.name)));
    Gpu& gpu = host_.gpus[found->second];
    const long count = element.has("count") ? number(element, "count", 0, kMostNvLinks) : 1;
    if (static_cast<long>(gpu.nvlinks.size()) + count > kMostNvLinks)
      refuse_at(element, fmt::format("the GPU at {} has more than {} NVLinks; none does", gpu.pci_address,
                                     kMostNvLinks));
    NvLink link;
    link.active = true;  // NCCL writes the links that are up
    const std::string target_class = class_of(element.get("tclass"));
    if (starts_with(target_class, "0680"))
      link.remote = is_power_ ? "cpu" : "switch";  // POWER's NVLink ports are bridges, too
    else if (starts_with(target_class, "03") || starts_with(target_class, "12"))
      link.remote = "gpu";
    else if (!target_class.empty())
      link.remote = "cpu";
    link.remote_pci_address = parse_pci_address(element.get("target")).value_or("");
    if (link.remote_pci_address == gpu.pci_address) {
      link.remote_pci_address.clear();
      say(fmt::format("line {}: the NVLinks of the GPU at {} lead to itself, so where they lead is not known",
                      element.line, gpu.pci_address));
    }
    if (link.remote == "switch" && !link.remote_pci_address.empty())
      switches_.insert(link.remote_pci_address);
    has_xgmi_ = has_xgmi_ || element.name == "xgmi";
    for (long i = 0; i < count; ++i) {
      link.index = static_cast<int>(gpu.nvlinks.size());
      gpu.nvlinks.push_back(link);
    }
  }

  void read_net(const XmlElement& element) {
    if (document_.parent_name(element) != "nic") refuse_at(element, "<net> belongs into <nic>");
    if (host_.rdma_devices.size() >= kMostDevices)
      refuse_at(element, fmt::format("the file has more than {} NICs; no host has", kMostDevices));
    const XmlElement& nic = document_.elements[element.parent];
    const auto pci = pci_.find(nic.parent);
    RdmaDevice device;
    std::string pci_class;
    if (pci != pci_.end()) {
      const PciNode& node = host_.pci[pci->second.node];
      device.pci_address = node.address;
      device.ids = node.ids;
      device.virtual_function = node.virtual_function;
      pci_class = pci->second.pci_class;
    }
    device.numa_node = numa_of(element);
    device.name = printable(element.get("name"));
    if (device.name.empty()) device.name = device.pci_address;
    if (device.name.empty()) refuse_at(element, "<net> has neither a name nor a PCI address");
    RdmaPort port;
    const long told = element.has("port") ? number(element, "port", 0, 255) : 1;
    port.number = static_cast<int>(std::max(told, 1L));
    if (starts_with(pci_class, "0207")) port.link_layer = "InfiniBand";
    if (starts_with(pci_class, "0200")) port.link_layer = "Ethernet";
    if (const auto speed_Mbps = parse_positive(element.get("speed"))) {
      if (*speed_Mbps / 1000 <= kLargestRate_Gbps)
        port.rate_Gbps = *speed_Mbps / 1000;
      else
        say(fmt::format("line {}: the speed of {}, {} Mb/s, is beyond any NIC and was left out", element.line,
                        device.name, printable(element.get("speed"))));
    }
    if (told == 0 && pci == pci_.end())
      say(fmt::format("{} is a network interface that NCCL uses by sockets; RDMA over it is not known",
                      device.name));
    for (auto& known : host_.rdma_devices)
      if (known.name == device.name && known.pci_address == device.pci_address) {
        if (std::none_of(known.ports.begin(), known.ports.end(),
                         [&](const RdmaPort& other) { return other.number == port.number; }))
          known.ports.push_back(std::move(port));
        return;
      }
    device.ports.push_back(std::move(port));
    host_.rdma_devices.push_back(std::move(device));
  }

  static bool is_gpu_class(const std::string& pci_class, const std::string& ids) {
    const bool nvidia_or_untold = ids.empty() || starts_with(ids, "10de:") || starts_with(ids, "1002:");
    if (starts_with(pci_class, "0302") || starts_with(pci_class, "0300")) return nvidia_or_untold;
    return (starts_with(pci_class, "0380") || starts_with(pci_class, "1200")) && starts_with(ids, "1002:");
  }

  static bool is_nic_class(const std::string& pci_class) {
    return starts_with(pci_class, "0200") || starts_with(pci_class, "0207") ||
           starts_with(pci_class, "0280") || starts_with(pci_class, "0c06");
  }

  void finish_pci() {
    for (auto& entry : pci_) {
      const PciElement& element = entry.second;
      PciNode& node = host_.pci[element.node];
      if (element.has_gpu || is_gpu_class(element.pci_class, node.ids)) {
        node.kind = "gpu";
        if (!element.has_gpu) add_gpu_of_pci(node);
      } else if (element.has_nic || is_nic_class(element.pci_class)) {
        node.kind = "nic";
        if (!element.has_nic) add_nic_of_pci(node, element.pci_class);
      } else if (starts_with(element.pci_class, "0604")) {
        node.kind = "switch-upstream";
      } else if (starts_with(element.pci_class, "0680")) {
        node.kind = "nvswitch";
      } else if (element.has_pci) {
        node.kind = "bridge";
      } else {
        node.kind = "other";
        if (element.pci_class.empty()) ++untold_;
      }
    }
  }

  void add_gpu_of_pci(const PciNode& node) {
    Gpu gpu;
    gpu.index = -1;
    gpu.pci_address = node.address;
    gpu.status = "not asked";
    host_.gpus.push_back(std::move(gpu));
  }

  void add_nic_of_pci(const PciNode& node, const std::string& pci_class) {
    RdmaDevice device;
    device.name = node.address;
    device.pci_address = node.address;
    device.numa_node = node.numa_node;
    device.ids = node.ids;
    device.virtual_function = node.virtual_function;
    if (starts_with(pci_class, "0207")) {
      RdmaPort port;
      port.number = 1;
      port.link_layer = "InfiniBand";
      device.ports.push_back(std::move(port));
    }
    host_.rdma_devices.push_back(std::move(device));
  }

  /// The driver numbers GPUs in order of PCI address, so that is the order where the file tells none.
  void number_gpus() {
    std::set<int> numbers;
    bool complete = true;
    for (const auto& gpu : host_.gpus)
      complete = numbers.insert(gpu.index).second && gpu.index >= 0 && complete;
    const auto earlier = [&](const Gpu& a, const Gpu& b) {
      return complete ? a.index < b.index : a.pci_address < b.pci_address;
    };
    std::sort(host_.gpus.begin(), host_.gpus.end(), earlier);
    if (!complete && !host_.gpus.empty()) {
      for (std::size_t i = 0; i < host_.gpus.size(); ++i) host_.gpus[i].index = static_cast<int>(i);
      say("the file does not number all GPUs (dev); they are numbered in order of PCI address, as the driver "
          "does");
    }
    for (auto& gpu : host_.gpus) {
      const auto node = std::find_if(host_.pci.begin(), host_.pci.end(),
                                     [&](const PciNode& other) { return other.address == gpu.pci_address; });
      gpu.numa_node = node->numa_node;
      gpu.pcie = node->link;
    }
  }

  void finish_nvlinks() {
    for (const auto& address : switches_) {
      if (lines_.count(address) != 0) continue;
      PciNode node;
      node.address = address;
      node.kind = "nvswitch";
      host_.pci.push_back(std::move(node));
    }
    std::sort(host_.pci.begin(), host_.pci.end(),
              [](const PciNode& a, const PciNode& b) { return a.address < b.address; });
  }

  void finish_nics() {
    std::stable_sort(host_.rdma_devices.begin(), host_.rdma_devices.end(),
                     [](const RdmaDevice& a, const RdmaDevice& b) {
                       const bool by_address = a.name == a.pci_address && b.name == b.pci_address;
                       return by_address ? a.name < b.name : natural_less(a.name, b.name);
                     });
    for (auto& device : host_.rdma_devices)
      std::sort(device.ports.begin(), device.ports.end(),
                [](const RdmaPort& a, const RdmaPort& b) { return a.number < b.number; });
  }

  void finish_cpus() {
    std::set<int> all;
    bool shared = false;
    for (const auto& [numa, cpus] : cpus_) {
      NumaNode node;
      node.index = numa;
      node.cpus = format_cpu_list(cpus);
      for (const int cpu : parse_cpu_list(node.cpus)) shared = !all.insert(cpu).second || shared;
      host_.numa_nodes.push_back(std::move(node));
    }
    host_.hardware_threads = static_cast<int>(all.size());
    if (shared) say("the file gives one CPU to several NUMA nodes: which node it is of is not known");
  }

  void say_unknown() {
    if (untold_ > 0)
      say(fmt::format(
          "the file tells {} PCI function{} without a class, so which of them are GPUs and which are NICs is "
          "not told",
          untold_, untold_ == 1 ? "" : "s"));
    if (host_.gpus.empty()) say("the file shows no GPU; which GPUs the host has is not known");
    if (host_.rdma_devices.empty()) say("the file shows no NIC; which NICs the host has is not known");
    const bool no_links =
        std::all_of(host_.gpus.begin(), host_.gpus.end(), [](const Gpu& gpu) { return gpu.nvlinks.empty(); });
    if (no_links && !host_.gpus.empty())
      say("the file tells no links between GPUs; NCCL may find some when it runs");
    if (has_xgmi_ && !no_links)
      say("the links between GPUs are XGMI (AMD's Infinity Fabric), not NVLink: where NVLinks are counted, "
          "these are meant");
    say("NCCL's files do not tell host bridges: two devices below one CPU are taken to share one, so PHB may "
        "be NODE");
    say("NCCL's files do not tell names, UUIDs, health or driver of GPUs, and not state, firmware or GIDs of "
        "NICs");
  }

  XmlDocument document_;
  Host host_;
  std::optional<std::string> host_hash_;
  std::vector<bool> kept_;
  std::map<std::size_t, PciElement> pci_;  // by element
  std::map<std::string, int> lines_;       // of PCI addresses
  std::map<std::size_t, std::size_t> gpu_of_element_;
  std::map<int, std::vector<int>> cpus_;  // by NUMA node
  std::set<std::string> switches_;
  std::size_t untold_{};
  bool has_xgmi_{};
  bool is_power_{};
};

}  // namespace

Host read_nccl_xml(std::string_view text, const std::string& file) { return NcclReader(text, file).read(); }

}  // namespace fabricheck::topology
