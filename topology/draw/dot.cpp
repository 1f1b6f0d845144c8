// Graphviz.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "topology/draw/arrange.hpp"
#include "topology/draw/draw.hpp"
#include "topology/draw/groups.hpp"
#include "topology/draw/words.hpp"

namespace fabricheck::topology {
namespace {

/// In quotes; what is a command to graphviz becomes text, but for the "\n" that this program puts between
/// lines.
std::string quoted(const std::vector<std::string>& lines) {
  std::string result = "\"";
  bool first = true;
  for (const std::string& line : lines) {
    if (line.empty()) continue;
    if (!first) result += "\\n";
    first = false;
    for (const char c : line) {
      if (c == '"' || c == '\\') result += '\\';
      result += c;
    }
  }
  return result + '"';
}

constexpr std::string_view kGpuColours = "fillcolor=\"#d9f0e8\", color=\"#00795a\"";
constexpr std::string_view kNicColours = "fillcolor=\"#d9ecf8\", color=\"#0072b2\"";
constexpr std::string_view kNvlinkColours = "fillcolor=\"#f4e4ee\", color=\"#a8508a\"";
constexpr std::string_view kSwitchColours = "fillcolor=\"#ececec\", color=\"#7a7a7a\"";
constexpr std::string_view kWarningColours = "fillcolor=\"#fde3d1\", color=\"#c64f00\", penwidth=2.5";

class Graph {
 public:
  Graph(const ClusterTopology& cluster, const std::vector<Group>& groups)
      : cluster_(cluster), groups_(groups) {}

  std::string draw() {
    text_ =
        "graph fabricheck {\n"
        "  graph [rankdir=TB, fontname=\"Helvetica\", nodesep=0.15, splines=polyline, bgcolor=white];\n"
        "  node [shape=box, style=\"filled,rounded\", fontname=\"Helvetica\", fontsize=10];\n"
        "  edge [fontname=\"Helvetica\", fontsize=9];\n";
    for (std::size_t i = 0; i < groups_.size(); ++i) group(i);
    return text_ + "}\n";
  }

 private:
  template <class... Values>
  void line(fmt::format_string<Values...> words, Values&&... values) {
    text_ += "  " + fmt::format(words, std::forward<Values>(values)...) + '\n';
  }

  void group(std::size_t index) {
    group_ = &groups_[index];
    host_ = &group_->example;
    id_ = fmt::format("k{}", index);
    line("subgraph cluster_{} {{", id_);
    line("label={}; fontsize=14;", quoted({group_title(*group_), machine_words(*host_)}));
    std::size_t number = 0;
    for (const NumaBox& box : arrange(*host_)) numa(box, number++);
    nvlink();
    line("}}");
    leaves();
  }

  void numa(const NumaBox& box, std::size_t number) {
    const std::string id = fmt::format("{}_n{}", id_, number);
    line("subgraph cluster_{} {{", id);
    line("label={}; color=\"#9a9a9a\";",
         quoted({box.index ? fmt::format("NUMA node {}", *box.index) : std::string("NUMA node not known")}));
    line("{} [label={}, fillcolor=\"#ffffff\"];", id,
         quoted({"host bridges", box.node && !box.node->cpus.empty() ? "CPUs " + box.node->cpus : ""}));
    below(box.top, id);
    line("}}");
  }

  void below(const SwitchBox& box, const std::string& id) {
    for (const std::size_t i : box.gpus) gpu(i, id);
    for (const std::size_t i : box.nics) nic(i, id);
    for (const SwitchBox& inside : box.inside) {
      const std::string own = fmt::format("{}_s{}", id_, switches_++);
      const bool reduced = narrow(inside.node->link) || slow(inside.node->link) || inside.below_devices;
      line("{} [label={}, {}];", own, quoted({"PCI switch", inside.node->address}),
           reduced ? kWarningColours : kSwitchColours);
      edge(id, own, inside.node->link, false);
      below(inside, own);
    }
  }

  void edge(const std::string& from, const std::string& to, const PcieLink& link, bool is_gpu) {
    const bool reduced = narrow(link) || (slow(link) && !is_gpu);
    line("{} -- {} [label={}{}];", from, to, quoted({link_words(link, is_gpu)}),
         reduced ? ", color=\"#c64f00\", fontcolor=\"#b23f00\", penwidth=2.5" : "");
  }

  void gpu(std::size_t index, const std::string& above) {
    const Gpu& gpu = host_->gpus[index];
    const auto problems = gpu_problems(*host_, gpu);
    std::vector<std::string> lines{fmt::format("GPU {}", gpu.index), gpu.name, gpu.pci_address};
    lines.insert(lines.end(), problems.begin(), problems.end());
    line("{}_gpu{} [label={}, {}];", id_, index, quoted(lines),
         problems.empty() ? kGpuColours : kWarningColours);
    edge(above, fmt::format("{}_gpu{}", id_, index), link_of(*host_, gpu.pci_address, gpu.pcie), true);
  }

  void nic(std::size_t index, const std::string& above) {
    const RdmaDevice& nic = host_->rdma_devices[index];
    const auto problems = nic_problems(*host_, nic);
    const auto rail = rail_number(group_->rails, index);
    std::vector<std::string> lines{nic.name, nic.pci_address == nic.name ? "" : nic.pci_address,
                                   rail ? fmt::format("rail {}", *rail) : ""};
    for (const RdmaPort& port : nic.ports)
      lines.push_back(
          join({port.rate_Gbps ? fmt::format("{:g} Gb/s", *port.rate_Gbps) : "", port.link_layer}, " "));
    lines.insert(lines.end(), problems.begin(), problems.end());
    line("{}_nic{} [label={}, {}];", id_, index, quoted(lines),
         problems.empty() ? kNicColours : kWarningColours);
    edge(above, fmt::format("{}_nic{}", id_, index), link_of(*host_, nic.pci_address), false);
  }

  void nvlink() {
    const std::string islands = island_words(*host_, group_->paths);
    if (nvlinks_are_direct(*host_, group_->paths)) {
      pairs();
    } else if (!islands.empty()) {
      fabric(islands);
    }
  }

  /// One node for what switches join.
  void fabric(const std::string& islands) {
    line("{}_nvlink [label={}, shape=ellipse, {}];", id_, quoted({"NVLink", nvswitch_words(*host_), islands}),
         kNvlinkColours);
    for (std::size_t i = 0; i < host_->gpus.size(); ++i) {
      const Gpu& gpu = host_->gpus[i];
      const std::string count = gpu.nvlinks.empty()
                                    ? std::string()
                                    : fmt::format("{} of {}", active_nvlinks(gpu), gpu.nvlinks.size());
      if (!joined(i)) continue;
      line("{0}_gpu{1} -- {0}_nvlink [label=\"{2}\", color=\"{3}\", penwidth=2];", id_, i, count,
           nvlinks_missing(*host_, gpu) ? "#c64f00" : "#a8508a");
    }
  }

  bool joined(std::size_t gpu) const {
    for (std::size_t other = 0; other < host_->gpus.size(); ++other)
      if (group_->paths.at(gpu, other).type == PathType::nvlink) return true;
    return false;
  }

  /// A small node below each pair: graphviz fails on labelled edges between nodes of one height.
  void pairs() {
    for (std::size_t a = 0; a < host_->gpus.size(); ++a) {
      for (std::size_t b = a + 1; b < host_->gpus.size(); ++b) {
        const Path path = group_->paths.at(a, b);
        if (path.type != PathType::nvlink) continue;
        line("{}_nv{}_{} [label=\"{}\", shape=ellipse, margin=\"0.02\", {}];", id_, a, b, path_name(path),
             kNvlinkColours);
        line("{{{0}_gpu{1} {0}_gpu{2}}} -- {0}_nv{1}_{2} [color=\"#a8508a\", penwidth={3}];", id_, a, b,
             1 + std::min(path.nvlinks, 4));
      }
    }
  }

  /// Where the cables of the group's hosts end.
  void leaves() {
    std::size_t row = 0;
    for (std::size_t nic = 0; nic < host_->rdma_devices.size(); ++nic) {
      std::map<std::string, std::size_t> hosts;
      for (std::size_t port = 0; port < host_->rdma_devices[nic].ports.size(); ++port, ++row) {
        for (const std::size_t host : group_->hosts) {
          const auto& ports = cluster_.hosts[host].own.ports;
          if (row < ports.size() && ports[row].neighbour && !ports[row].neighbour->switch_name.empty())
            ++hosts[one_line(ports[row].neighbour->switch_name)];
        }
      }
      for (const auto& [leaf, count] : hosts) {
        const auto known = leaf_ids_.emplace(leaf, leaf_ids_.size());
        if (known.second)
          line("leaf{} [label={}, shape=hexagon, {}];", known.first->second, quoted({leaf}), kSwitchColours);
        line("{}_nic{} -- leaf{} [label=\"{}\", color=\"#0072b2\"];", id_, nic, known.first->second,
             group_->hosts.size() > 1 ? plural(count, "host") : "");
      }
    }
  }

  const ClusterTopology& cluster_;
  const std::vector<Group>& groups_;
  const Group* group_{};
  const Host* host_{};
  std::string id_;
  std::size_t switches_{};
  std::map<std::string, std::size_t> leaf_ids_;
  std::string text_;
};

}  // namespace

std::string draw_dot(const ClusterTopology& cluster) {
  return Graph(cluster, groups_of(cluster, GroupBy::look)).draw();
}

}  // namespace fabricheck::topology
