// The tree people read.
#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "topology/draw/arrange.hpp"
#include "topology/draw/draw.hpp"
#include "topology/draw/groups.hpp"
#include "topology/draw/words.hpp"

namespace fabricheck::topology {
namespace {

std::string or_unknown(const std::string& text, std::string_view what) {
  return text.empty() ? fmt::format("{} not known", what) : text;
}

std::string number_or_unknown(int number, std::string_view what) {
  return number > 0 ? plural(static_cast<std::size_t>(number), what) : fmt::format("{}s not known", what);
}

/// One group of hosts, line by line.
class Body {
 public:
  Body(const ClusterTopology& cluster, const Group& group)
      : cluster_(cluster), group_(group), host_(group.example) {}

  std::string text() {
    heading();
    for (const NumaBox& box : arrange(host_)) numa_node(box);
    for (const std::string& words : missing_words(host_)) line(1, words);
    summary();
    return text_;
  }

 private:
  void line(int depth, std::string_view words) { text_ += fmt::format("{:{}}{}\n", "", 2 * depth, words); }

  void line_if(int depth, std::string_view label, const std::string& words) {
    if (!words.empty()) line(depth, fmt::format("{}{}", label, words));
  }

  void heading() {
    line_if(1, "", machine_words(host_));
    line(1, fmt::format("{}, {}, {}", or_unknown(host_.cpu_model, "CPU model"),
                        number_or_unknown(host_.cores, "core"),
                        number_or_unknown(host_.hardware_threads, "hardware thread")));
    line(1, software_words(host_));
    line_if(1, "", flat_words(host_));
    line_if(1, "GPUDirect: ", gpudirect_words(host_));
    const bool stateless = std::any_of(host_.gpus.begin(), host_.gpus.end(),
                                       [](const Gpu& gpu) { return gpu.status == "not asked"; });
    if (from_file(host_))
      line(1, fmt::format("read from {}{}", host_.source, stateless ? ", which tells no state of GPUs" : ""));
  }

  void numa_node(const NumaBox& box) {
    if (box.node) {
      line(1,
           fmt::format("NUMA node {}  {}  {}", box.node->index,
                       box.node->cpus.empty() ? (from_file(host_) ? "CPUs not told" : "no CPUs")
                                              : "CPUs " + box.node->cpus,
                       box.node->memory_bytes > 0 ? gibibytes(box.node->memory_bytes) : "memory not known"));
    } else if (box.index) {
      line(1, fmt::format("NUMA node {}", *box.index));
    } else {
      line(1, "NUMA node not known");
    }
    devices(box.top, 2);
  }

  void devices(const SwitchBox& box, int depth) {
    for (const std::size_t gpu : box.gpus) draw_gpu(host_.gpus[gpu], depth);
    for (const std::size_t nic : box.nics) draw_nic(nic, depth);
    for (const SwitchBox& inside : box.inside) {
      const PcieLink& link = inside.node->link;
      const bool marked = narrow(link) || slow(link);
      const std::string below =
          inside.below_devices && !marked ? "(!) below the devices under it" : std::string();
      line(depth, join({fmt::format("PCI switch {}", inside.node->address),
                        join({link_words(link, false), below}, " ")},
                       "  "));
      devices(inside, depth + 1);
    }
  }

  void draw_gpu(const Gpu& gpu, int depth) {
    const std::string pcie = link_words(link_of(host_, gpu.pci_address, gpu.pcie), true);
    line(depth, join({fmt::format("GPU {}", gpu.index), status_words(host_, gpu),
                      or_unknown(gpu.name, "name"), or_unknown(gpu.pci_address, "PCI address"),
                      gpu.memory_bytes ? gibibytes(*gpu.memory_bytes) : "",
                      pcie.empty() ? "" : "PCIe " + pcie, gpu.mig_enabled.value_or(false) ? "MIG" : ""},
                     "  "));
    line_if(
        depth + 1, "",
        join({join({nvlink_words(gpu), nvlinks_missing(host_, gpu) ? "(!)" : ""}, " "), fabric_words(gpu)},
             ", "));
    if (gpu.health)
      for (const std::string& problem : health_words(*gpu.health)) line(depth + 1, problem + " (!)");
  }

  static std::string fabric_words(const Gpu& gpu) {
    if (!gpu.fabric || gpu.fabric->state.empty() || gpu.fabric->state == "not-supported") return {};
    const GpuFabric& fabric = *gpu.fabric;
    std::string text = "fabric " + fabric_state_words(fabric);
    if (!fabric.status.empty() && fabric.status != "Success") text += ": " + fabric.status;
    if (fabric.state != "completed" || (!fabric.status.empty() && fabric.status != "Success")) text += " (!)";
    return text;
  }

  void draw_nic(std::size_t index, int depth) {
    const RdmaDevice& nic = host_.rdma_devices[index];
    const std::string pcie = link_words(link_of(host_, nic.pci_address), false);
    const auto rail = rail_number(group_.rails, index);
    line(depth,
         join({"NIC " + nic.name, status_words(nic), nic.pci_address == nic.name ? "" : nic.pci_address,
               nic.board.empty() ? "" : "board " + nic.board,
               nic.firmware.empty() ? "" : "firmware " + nic.firmware, pcie.empty() ? "" : "PCIe " + pcie,
               nic.virtual_function.value_or(false) ? "virtual function" : "",
               rail ? fmt::format("rail {} for {}", *rail,
                                  rail_gpu_words(host_, group_.paths, group_.rails[*rail]))
                    : "",
               nic.ports.empty() && !from_file(host_) ? "no port" : ""},
              "  "));
    for (std::size_t i = 0; i < nic.ports.size(); ++i) draw_port(index, i, depth + 1);
  }

  void draw_port(std::size_t nic, std::size_t index, int depth) {
    const RdmaPort& port = host_.rdma_devices[nic].ports[index];
    const bool up = port.state == "ACTIVE" || port.state.empty();
    std::string mtu = port.net_mtu_bytes ? fmt::format("MTU {}", *port.net_mtu_bytes) : "";
    if (port.active_mtu_bytes)
      mtu += fmt::format("{}RDMA MTU {}", mtu.empty() ? "" : ", ", *port.active_mtu_bytes);
    const std::string leaf = leaves_of(cluster_, group_, nic, index);
    line(depth, join({fmt::format("port {}", port.number), port.link_layer,
                      port.state + (up || port.physical_state.empty() ? "" : ", " + port.physical_state),
                      port.rate_Gbps ? fmt::format("{:g} Gb/s", *port.rate_Gbps) : "rate not known",
                      port.net_device, mtu, port.link_layer == "Ethernet" ? roce_words(port) : "",
                      leaf.empty() ? "" : "cabled to " + leaf},
                     "  "));
  }

  void summary() {
    const std::string islands = island_words(host_, group_.paths);
    line_if(1, "NVLink joins ", islands);
    const bool links = std::any_of(host_.gpus.begin(), host_.gpus.end(),
                                   [](const Gpu& gpu) { return active_nvlinks(gpu) > 0; });
    if (islands.empty() && links) line_if(1, "NVLink: ", no_island_words(host_, group_.paths));
    line_if(1, "", nvswitch_words(host_));
    if (!group_.rails.empty()) line_if(1, "no rail: ", railless_words(host_, group_.paths, group_.rails));
    const auto odd = odd_words(host_, group_.paths);
    if (!odd.empty()) line(1, "unlike the rest of this host:");
    for (const std::string& sentence : odd) line(2, sentence + " (!)");
    if (host_.unknown.empty()) return;
    line(1, "could not be found out:");
    for (const std::string& sentence : host_.unknown) line(2, "- " + sentence);
  }

  const ClusterTopology& cluster_;
  const Group& group_;
  const Host& host_;
  std::string text_;
};

}  // namespace

std::string draw_tree(const ClusterTopology& cluster) {
  const auto groups = groups_of(cluster, GroupBy::look_and_ranks);
  std::string text = plural(cluster.hosts.size(), "host");
  if (!cluster.ranks.empty()) text += ", " + plural(cluster.ranks.size(), "rank");
  if (groups.size() > 1) text += fmt::format(", {} different kinds", groups.size());
  text += '\n';
  for (const Group& group : groups) {
    text += '\n' + group_title(group);
    if (!cluster.ranks.empty()) {
      text += fmt::format("  {}{}", plural(group.ranks, "rank"), group.hosts.size() > 1 ? " on each" : "");
    }
    text += '\n';
    if (&group != &groups.front()) {
      const auto parts = differences(groups.front().example, group.example);
      if (!parts.empty()) text += fmt::format("  differs from the largest kind: {}\n", join(parts, "; "));
    }
    text += Body(cluster, group).text();
  }
  return text;
}

}  // namespace fabricheck::topology
