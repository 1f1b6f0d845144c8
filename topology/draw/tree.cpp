// The tree people read.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>

#include "topology/model/cpu_list.hpp"
#include "topology/model/host_names.hpp"
#include "topology/probe/probe.hpp"

namespace fabricheck::topology {
namespace {

std::string plural(std::size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string gibibytes(std::uint64_t bytes) {
  const double value = static_cast<double>(bytes) / (1024.0 * 1024.0 * 1024.0);
  return value < 100 ? fmt::format("{:.1f} GiB", value) : fmt::format("{:.0f} GiB", value);
}

std::string or_unknown(const std::string& text, std::string_view what) {
  return text.empty() ? fmt::format("{} not known", what) : text;
}

/// Usable between hosts as NCCL sees it: RoCE v2 and an address that is configured, not link-local.
std::string roce_gids(const RdmaPort& port) {
  std::vector<int> usable;
  int link_local = 0;
  for (const Gid& gid : port.gids) {
    if (gid.type != "RoCE v2") continue;
    if (gid.address.substr(0, 4) == "fe80") {
      ++link_local;
    } else {
      usable.push_back(gid.index);
    }
  }
  if (usable.empty()) {
    return link_local == 0 ? "no usable RoCE v2 GID"
                           : fmt::format("no usable RoCE v2 GID ({} link-local only)", link_local);
  }
  return fmt::format("{} usable RoCE v2 GID{} (index {})", usable.size(), usable.size() == 1 ? "" : "s",
                     format_cpu_list(usable));
}

std::string draw_gpu(const Gpu& gpu) {
  return fmt::format("GPU {}  {}  {}{}\n", gpu.index, or_unknown(gpu.name, "name"),
                     or_unknown(gpu.pci_address, "PCI address"),
                     gpu.memory_bytes ? "  " + gibibytes(*gpu.memory_bytes) : "");
}

std::string draw_nic(const RdmaDevice& device, std::string_view indent) {
  std::string text = fmt::format("NIC {}", device.name);
  if (!device.pci_address.empty()) text += "  " + device.pci_address;
  if (!device.board.empty()) text += "  board " + device.board;
  if (!device.firmware.empty()) text += "  firmware " + device.firmware;
  text += device.ports.empty() ? "  no port\n" : "\n";
  for (const RdmaPort& port : device.ports) {
    text += fmt::format("{}  port {}  {}  {}  {}", indent, port.number, port.link_layer, port.state,
                        port.rate_Gbps ? fmt::format("{:g} Gb/s", *port.rate_Gbps) : "rate not known");
    if (port.link_layer == "Ethernet") text += "  " + roce_gids(port);
    text += '\n';
  }
  return text;
}

/// GPUs and NICs that `belongs` takes.
template <class Predicate>
std::string draw_devices(const Host& host, std::string_view indent, Predicate belongs) {
  std::string text;
  for (const Gpu& gpu : host.gpus) {
    if (belongs(gpu.numa_node)) text += std::string(indent) + draw_gpu(gpu);
  }
  for (const RdmaDevice& device : host.rdma_devices) {
    if (belongs(device.numa_node)) text += std::string(indent) + draw_nic(device, indent);
  }
  return text;
}

/// Everything about a host but its name: hosts with equal bodies are drawn once.
std::string draw_body(const Host& host) {
  std::string text = fmt::format(
      "  {}, {}, {}\n", or_unknown(host.cpu_model, "CPU model"),
      host.cores > 0 ? plural(static_cast<std::size_t>(host.cores), "core") : std::string("cores not known"),
      host.hardware_threads > 0 ? plural(static_cast<std::size_t>(host.hardware_threads), "hardware thread")
                                : std::string("hardware threads not known"));
  text += fmt::format("  Linux {}", or_unknown(host.kernel, "release"));
  if (!host.gpu_driver.empty()) text += fmt::format(", NVIDIA driver {}", host.gpu_driver);
  text += '\n';
  std::set<int> nodes;
  for (const NumaNode& node : host.numa_nodes) {
    nodes.insert(node.index);
    text += fmt::format("  NUMA node {}  {}  {}\n", node.index,
                        node.cpus.empty() ? "no CPUs" : "CPUs " + node.cpus,
                        node.memory_bytes > 0 ? gibibytes(node.memory_bytes) : "memory not known");
    text += draw_devices(host, "    ",
                         [&](const std::optional<int>& at) { return at == std::optional<int>(node.index); });
  }
  const std::string elsewhere =
      draw_devices(host, "    ", [&](const std::optional<int>& at) { return !at || nodes.count(*at) == 0; });
  if (!elsewhere.empty()) text += "  NUMA node not known\n" + elsewhere;
  if (host.gpus.empty()) text += "  no GPU\n";
  if (host.rdma_devices.empty()) text += "  no RDMA NIC\n";
  if (!host.unknown.empty()) {
    text += "  could not be found out:\n";
    for (const auto& sentence : host.unknown) text += fmt::format("    - {}\n", sentence);
  }
  return text;
}

/// Equal machines differ by some MiB that their firmware keeps: less than this is no difference.
constexpr double kMemoryTolerance = 0.01;

bool about_equal(std::uint64_t a, std::uint64_t b) {
  const auto x = static_cast<double>(a);
  const auto y = static_cast<double>(b);
  return std::abs(x - y) <= kMemoryTolerance * std::max(x, y);
}

/// `host` with the memory sizes of `pattern` where they are about equal.
Host with_memory_of(const Host& pattern, Host host) {
  for (std::size_t i = 0; i < std::min(host.numa_nodes.size(), pattern.numa_nodes.size()); ++i) {
    auto& bytes = host.numa_nodes[i].memory_bytes;
    if (about_equal(bytes, pattern.numa_nodes[i].memory_bytes)) bytes = pattern.numa_nodes[i].memory_bytes;
  }
  return host;
}

struct Group {
  const Host* first;
  std::string body;
  std::size_t ranks;  ///< on each host
  std::vector<std::string> names;
};

}  // namespace

std::string draw_tree(const ClusterTopology& topology) {
  std::vector<std::size_t> ranks_on(topology.hosts.size(), 0);
  for (const RankPlace& place : topology.ranks) {
    if (place.host >= 0 && static_cast<std::size_t>(place.host) < ranks_on.size()) {
      ++ranks_on[static_cast<std::size_t>(place.host)];
    }
  }
  std::vector<Group> groups;
  for (std::size_t i = 0; i < topology.hosts.size(); ++i) {
    const Host& host = topology.hosts[i];
    const auto group = std::find_if(groups.begin(), groups.end(), [&](const Group& candidate) {
      return candidate.ranks == ranks_on[i] &&
             draw_body(with_memory_of(*candidate.first, host)) == candidate.body;
    });
    if (group == groups.end()) {
      groups.push_back({&host, draw_body(host), ranks_on[i], {host.name}});
    } else {
      group->names.push_back(host.name);
    }
  }
  std::string text = plural(topology.hosts.size(), "host");
  if (!topology.ranks.empty()) text += ", " + plural(topology.ranks.size(), "rank");
  text += '\n';
  for (const Group& group : groups) {
    text += '\n' + fold_names(group.names);
    if (group.names.size() > 1) text += fmt::format("  ({} equal hosts)", group.names.size());
    if (!topology.ranks.empty()) {
      text += fmt::format("  {}{}", plural(group.ranks, "rank"), group.names.size() > 1 ? " on each" : "");
    }
    text += '\n' + group.body;
  }
  return text;
}

}  // namespace fabricheck::topology
