#include "topology/draw/groups.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>
#include <unordered_map>

#include "topology/draw/words.hpp"
#include "topology/model/host_names.hpp"
#include "topology/model/merge.hpp"

namespace fabricheck::topology {
namespace {

constexpr std::size_t kLongestSentence = 400;

/// Length of the UTF-8 sequence at the front of `text` when it is a sound one of a character that only
/// prints: no control, no line end, nothing that turns the direction of writing. Else 0.
std::size_t sound_sequence(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first >= 0x20 && first < 0x7f) return 1;
  const std::size_t length = first >= 0xc2 && first < 0xe0   ? 2
                             : first >= 0xe0 && first < 0xf0 ? 3
                             : first >= 0xf0 && first < 0xf5 ? 4
                                                             : 0;
  if (length == 0 || text.size() < length) return 0;
  std::uint32_t character = first & (0xffU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80U) return 0;
    character = (character << 6U) | (byte(i) & 0x3fU);
  }
  constexpr std::uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (character < kSmallest[length] || character > 0x10ffff) return 0;
  if (character < 0xa0 || (character >= 0xd800 && character < 0xe000)) return 0;
  if ((character >= 0x200b && character < 0x2010) || (character >= 0x2028 && character < 0x202f)) return 0;
  if ((character >= 0x2060 && character < 0x2070) || character == 0xfeff) return 0;
  return (character & 0xfffeU) == 0xfffeU ? 0 : length;
}

void make_printable(Host& host) {
  const auto clean = [](auto&... fields) { ((fields = one_line(fields)), ...); };
  HostEnvironment& environment = host.environment;
  clean(host.name, host.kernel, host.cpu_model, host.gpu_driver, host.cuda_version, environment.product,
        environment.bios, environment.hypervisor, environment.container, environment.iommu);
  for (NumaNode& node : host.numa_nodes) clean(node.cpus);
  for (Gpu& gpu : host.gpus) {
    clean(gpu.name, gpu.pci_address, gpu.status, gpu.problem);
    if (gpu.fabric) clean(gpu.fabric->state, gpu.fabric->status);
    if (gpu.health && gpu.health->throttle_reasons)
      for (std::string& reason : *gpu.health->throttle_reasons) clean(reason);
  }
  for (RdmaDevice& nic : host.rdma_devices) {
    clean(nic.name, nic.board, nic.firmware, nic.pci_address, nic.status);
    for (RdmaPort& port : nic.ports) {
      clean(port.link_layer, port.state, port.physical_state, port.net_device);
      if (port.neighbour) clean(port.neighbour->switch_name, port.neighbour->switch_port);
    }
  }
  for (PciNode& node : host.pci) clean(node.address, node.parent, node.root, node.kind, node.ids);
  for (std::string& sentence : host.unknown) sentence = one_line(sentence, kLongestSentence);
}

/// What a host's drawing shows of what is its own.
std::string own_look(const Host& host) {
  std::string look;
  for (const Gpu& gpu : host.gpus) {
    if (gpu.health) look += join(health_words(*gpu.health), ",");
    const auto joined = std::find_if(host.gpus.begin(), host.gpus.end(), [&](const Gpu& other) {
      return other.fabric && gpu.fabric && other.fabric->cluster_uuid == gpu.fabric->cluster_uuid &&
             other.fabric->clique_id == gpu.fabric->clique_id;
    });
    look += fmt::format("|{}|", joined - host.gpus.begin());
  }
  for (const RdmaDevice& nic : host.rdma_devices)
    for (const RdmaPort& port : nic.ports) look += roce_words(port) + '|';
  return look;
}

/// Equal machines differ by some MiB that their firmware keeps: less than this is no difference.
constexpr double kMemoryTolerance = 0.01;

bool about_equal(const std::vector<std::uint64_t>& a, const std::vector<std::uint64_t>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](std::uint64_t x, std::uint64_t y) {
    const auto one = static_cast<double>(x);
    const auto other = static_cast<double>(y);
    return std::abs(one - other) <= kMemoryTolerance * std::max(one, other);
  });
}

std::vector<std::size_t> ranks_on_hosts(const ClusterTopology& cluster) {
  std::vector<std::size_t> ranks(cluster.hosts.size(), 0);
  for (const RankPlace& place : cluster.ranks)
    if (place.host >= 0 && static_cast<std::size_t>(place.host) < ranks.size())
      ++ranks[static_cast<std::size_t>(place.host)];
  return ranks;
}

/// What most of the devices have, in words: "8 x NVIDIA H100".
template <class Devices, class Word>
std::string counted_words(const Devices& devices, Word word) {
  std::map<std::string, std::size_t> counts;
  for (const auto& device : devices) ++counts[word(device)];
  std::vector<std::string> parts;
  for (const auto& [text, count] : counts)
    if (!text.empty()) parts.push_back(fmt::format("{} x {}", count, text));
  return parts.empty() ? std::string("none known") : join(parts, ", ");
}

/// Ports at the same place in both hosts that are not alike, NICs with the same folded.
std::vector<std::string> port_differences(const Host& usual, const Host& other) {
  std::vector<std::pair<std::string, std::string>> nics;
  for (std::size_t i = 0; i < std::min(usual.rdma_devices.size(), other.rdma_devices.size()); ++i) {
    const RdmaDevice& should = usual.rdma_devices[i];
    const RdmaDevice& has = other.rdma_devices[i];
    std::vector<std::string> words;
    for (std::size_t p = 0; p < std::min(should.ports.size(), has.ports.size()); ++p) {
      const RdmaPort& one = should.ports[p];
      const RdmaPort& two = has.ports[p];
      if (one.rate_Gbps && two.rate_Gbps && *one.rate_Gbps != *two.rate_Gbps)
        words.push_back(fmt::format("{:g} instead of {:g} Gb/s", *two.rate_Gbps, *one.rate_Gbps));
      if (one.net_mtu_bytes && two.net_mtu_bytes && *one.net_mtu_bytes != *two.net_mtu_bytes)
        words.push_back(fmt::format("MTU {} instead of {}", *two.net_mtu_bytes, *one.net_mtu_bytes));
      if (one.link_layer != two.link_layer && !one.link_layer.empty() && !two.link_layer.empty())
        words.push_back(fmt::format("{} instead of {}", two.link_layer, one.link_layer));
      if (roce_words(one) != roce_words(two) && two.link_layer == "Ethernet")
        words.push_back(roce_words(two));
    }
    nics.emplace_back(has.name, join(words, ", "));
  }
  return folded(nics);
}

}  // namespace

std::string one_line(const std::string& text, std::size_t most) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    if (result.size() >= most) return result + "…";
    const std::size_t length = sound_sequence(std::string_view(text).substr(at));
    if (length == 0) {
      result += '?';
      ++at;
    } else {
      result += text.substr(at, length);
      at += length;
    }
  }
  return result;
}

std::vector<Group> groups_of(const ClusterTopology& cluster, GroupBy by) {
  const auto ranks = ranks_on_hosts(cluster);
  std::vector<Group> groups;
  std::unordered_map<std::string, std::vector<std::size_t>> alike;  // look -> groups of different memory
  for (std::size_t i = 0; i < cluster.hosts.size(); ++i) {
    const HostEntry& entry = cluster.hosts[i];
    Host host = whole_host(cluster, i);
    const std::size_t on_each = by == GroupBy::look_and_ranks ? ranks[i] : 0;
    auto& candidates = alike[fmt::format("{} {} {}", entry.kind, on_each, own_look(host))];
    const auto group = std::find_if(candidates.begin(), candidates.end(), [&](std::size_t candidate) {
      return about_equal(cluster.hosts[groups[candidate].hosts.front()].own.numa_memory_bytes,
                         entry.own.numa_memory_bytes);
    });
    if (group != candidates.end()) {
      groups[*group].hosts.push_back(i);
      continue;
    }
    candidates.push_back(groups.size());
    Group fresh;
    fresh.example = std::move(host);
    fresh.hosts = {i};
    fresh.ranks = ranks[i];
    groups.push_back(std::move(fresh));
  }
  for (Group& group : groups) {
    make_printable(group.example);
    std::vector<std::string> names;
    for (const std::size_t host : group.hosts) names.push_back(name_of(cluster.hosts[host]));
    group.names = fold_names(std::move(names));
    group.paths = paths_of(group.example);
    group.rails = rails_of(group.example, group.paths);
  }
  std::stable_sort(groups.begin(), groups.end(),
                   [](const Group& a, const Group& b) { return a.hosts.size() > b.hosts.size(); });
  return groups;
}

std::string name_of(const HostEntry& host) {
  return host.name.empty() ? std::string("(host without a name)") : one_line(host.name);
}

std::string group_title(const Group& group) {
  return group.hosts.size() == 1 ? group.names
                                 : fmt::format("{}  ({} equal hosts)", group.names, group.hosts.size());
}

std::string leaves_of(const ClusterTopology& cluster, const Group& group, std::size_t nic, std::size_t port) {
  std::size_t row = port;
  for (std::size_t i = 0; i < nic; ++i) row += group.example.rdma_devices[i].ports.size();
  std::set<std::string> leaves;
  for (const std::size_t host : group.hosts) {
    const auto& ports = cluster.hosts[host].own.ports;
    if (row < ports.size() && ports[row].neighbour && !ports[row].neighbour->switch_name.empty())
      leaves.insert(one_line(ports[row].neighbour->switch_name));
  }
  return fold_names({leaves.begin(), leaves.end()});
}

std::vector<std::string> differences(const Host& usual, const Host& other) {
  std::vector<std::string> parts;
  const auto count = [&](std::size_t has, std::size_t should, std::string_view what) {
    if (has != should) parts.push_back(fmt::format("{} instead of {}", plural(has, what), should));
  };
  const auto text = [&](const std::string& has, const std::string& should, std::string_view what) {
    if (has != should && !has.empty() && !should.empty())
      parts.push_back(fmt::format("{} {} instead of {}", what, has, should));
  };
  count(other.gpus.size(), usual.gpus.size(), "GPU");
  count(other.rdma_devices.size(), usual.rdma_devices.size(), "NIC");
  const auto usual_problems = host_problems(usual);
  for (const std::string& problem : host_problems(other))
    if (std::find(usual_problems.begin(), usual_problems.end(), problem) == usual_problems.end())
      parts.push_back(problem);
  const auto gpu_name = [](const Gpu& gpu) { return gpu.name; };
  if (other.gpus.size() == usual.gpus.size())
    text(counted_words(other.gpus, gpu_name), counted_words(usual.gpus, gpu_name), "GPUs:");
  if (other.rdma_devices.size() == usual.rdma_devices.size()) {
    for (const std::string& sentence : port_differences(usual, other)) parts.push_back(sentence);
    const auto firmware = [](const RdmaDevice& nic) { return nic.firmware; };
    text(counted_words(other.rdma_devices, firmware), counted_words(usual.rdma_devices, firmware),
         "NIC firmware:");
  }
  text(other.gpu_driver, usual.gpu_driver, "driver");
  text(other.kernel, usual.kernel, "kernel");
  text(other.environment.product, usual.environment.product, "product");
  text(other.environment.hypervisor, usual.environment.hypervisor, "hypervisor");
  text(other.cpu_model, usual.cpu_model, "CPU");
  for (std::size_t i = 0; i < std::min(other.numa_nodes.size(), usual.numa_nodes.size()); ++i)
    if (!about_equal({other.numa_nodes[i].memory_bytes}, {usual.numa_nodes[i].memory_bytes}))
      parts.push_back(fmt::format("{} of memory on NUMA node {} instead of {}",
                                  gibibytes(other.numa_nodes[i].memory_bytes), other.numa_nodes[i].index,
                                  gibibytes(usual.numa_nodes[i].memory_bytes)));
  return parts;
}

}  // namespace fabricheck::topology
