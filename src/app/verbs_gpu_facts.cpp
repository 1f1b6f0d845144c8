#include "app/verbs_gpu_facts.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "topology/model/merge.hpp"
#include "topology/model/paths.hpp"

namespace fabricheck::app {
namespace {

constexpr std::string_view prefix = "verbs.gpu_";

/// "0000:5d:00.0" of "GPU 3 (0000:5d:00.0)".
std::string address_in(const std::string& words) {
  const std::size_t open = words.find('('), close = words.find(')');
  if (open == std::string::npos || close == std::string::npos || close < open) return "";
  return words.substr(open + 1, close - open - 1);
}

/// "PIX"; empty where either is not in the host's topology.
std::string distance(const Host& host, const std::string& gpu_address, const std::string& port) {
  const std::string nic_name = port.substr(0, port.find(' '));
  const auto gpu = std::find_if(host.gpus.begin(), host.gpus.end(),
                                [&](const Gpu& one) { return one.pci_address == gpu_address; });
  const auto nic = std::find_if(host.rdma_devices.begin(), host.rdma_devices.end(),
                                [&](const RdmaDevice& one) { return one.name == nic_name; });
  if (gpu == host.gpus.end() || nic == host.rdma_devices.end()) return "";
  const auto row = static_cast<std::size_t>(gpu - host.gpus.begin());
  const auto column = host.gpus.size() + static_cast<std::size_t>(nic - host.rdma_devices.begin());
  return topology::path_name(topology::paths_of(host).at(row, column));
}

std::optional<Host> host_named(const ClusterTopology& topology, const std::string& name) {
  for (std::size_t i = 0; i < topology.hosts.size(); ++i)
    if (topology.hosts[i].name == name) return topology::whole_host(topology, i);
  return std::nullopt;
}

void add_distance(CheckRecord& check, const ClusterTopology& topology, std::size_t end, const char* memory,
                  const char* port, const char* fact) {
  if (check.participants.empty()) return;
  const auto host = host_named(topology, check.participants[std::min(end, check.participants.size() - 1)]);
  if (!host) return;
  const std::string words = distance(*host, address_in(path_text(check, memory)), path_text(check, port));
  if (!words.empty()) (*check.path)[fact] = words;
}

/// "verbs.read.latency" of "verbs.gpu_read.latency"; empty where host memory has none of the same.
std::string in_host_memory(const std::string& id) {
  if (id != "verbs.gpu_send.latency" && id != "verbs.gpu_read.latency") return "";
  return "verbs." + id.substr(prefix.size());
}

bool same_way(const CheckRecord& a, const CheckRecord& b) {
  return a.scope == b.scope && a.parameters == b.parameters && a.participants == b.participants && b.path &&
         path_text(a, "from_port") == path_text(b, "from_port") &&
         path_text(a, "to_port") == path_text(b, "to_port");
}

void add_difference(CheckRecord& check, std::span<const CheckRecord> checks) {
  const std::string id = in_host_memory(check.id);
  if (id.empty() || !check.value) return;
  const auto host = std::find_if(checks.begin(), checks.end(), [&](const CheckRecord& other) {
    return other.id == id && other.value && same_way(check, other);
  });
  if (host == checks.end() || !check.ci95 || !host->ci95) return;
  (*check.path)["over_host_memory_us"] = *check.value - *host->value;
  (*check.path)["host_memory_inline"] = path_text(*host, "inline");
  (*check.path)["over_host_memory_from_us"] = check.ci95->lo - host->ci95->hi;
  (*check.path)["over_host_memory_to_us"] = check.ci95->hi - host->ci95->lo;
}

}  // namespace

std::vector<CheckRecord> with_gpu_facts(std::span<const CheckRecord> checks,
                                        const ClusterTopology& topology) {
  std::vector<CheckRecord> noted;
  for (const CheckRecord& check : checks) {
    if (!check.id.starts_with(prefix) || !check.path) continue;
    CheckRecord more = check;
    add_distance(more, topology, 0, "memory", "from_port", "gpu_to_nic");
    add_distance(more, topology, 1, "peer_memory", "to_port", "peer_gpu_to_nic");
    add_difference(more, checks);
    if (more != check) noted.push_back(std::move(more));
  }
  return noted;
}

}  // namespace fabricheck::app
