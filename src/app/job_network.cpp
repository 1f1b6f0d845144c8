#include "app/job_network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "core/error.hpp"
#include "core/suggest.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::app {
namespace {

/// NCCL takes -1 for "not set".
std::optional<int> index_of(const char* variable, const verbs::EnvironmentLookup& environment) {
  const auto text = environment(variable);
  if (!text || text->empty() || *text == "-1") return std::nullopt;
  constexpr long largest = 65535;
  const auto value = topology::parse_number(*text);
  if (!value || *value < 0 || *value > largest)
    throw UsageError(fmt::format("{} is {}, which is no index from 0 to {}", variable,
                                 topology::in_quotes(*text), largest));
  return static_cast<int>(*value);
}

std::vector<std::string> device_names(const Host& kind) {
  std::vector<std::string> names;
  for (const RdmaDevice& device : kind.rdma_devices)
    if (device.status == "answers") names.push_back(device.name);
  return names;
}

/// A host of this kind, to name.
std::string example_of(const ClusterTopology& cluster, std::size_t kind) {
  const auto host = std::find_if(cluster.hosts.begin(), cluster.hosts.end(),
                                 [&](const HostEntry& one) { return one.kind == static_cast<int>(kind); });
  return host == cluster.hosts.end() ? std::string("a host") : topology::printable(host->name);
}

void require_device(const Host& kind, const std::string& host, const std::string& device) {
  const std::vector<std::string> names = device_names(kind);
  if (std::find(names.begin(), names.end(), device) != names.end()) return;
  throw UsageError(fmt::format("--device {}: {} has no such RDMA device{}", device, host,
                               names.empty() ? ", and no other" : suggestion(device, names)));
}

void require_gid_index(const Host& kind, const std::string& host, const LinkOptions& links) {
  std::set<int> there;
  bool any_port = false;
  for (const RdmaDevice& device : kind.rdma_devices) {
    if (device.status != "answers" || (!links.device.empty() && device.name != links.device)) continue;
    for (const RdmaPort& port : device.ports) {
      any_port = any_port || port.state == "ACTIVE";
      if (port.state == "ACTIVE")
        for (const Gid& gid : port.gids) there.insert(gid.index);
    }
  }
  if (!any_port || there.count(*links.gid_index) > 0) return;
  throw UsageError(fmt::format("--gid-index {}: no active port{} of {} has a GID at this index; {}",
                               *links.gid_index, links.device.empty() ? "" : " of " + links.device, host,
                               there.empty() ? std::string("they have none at all")
                                             : fmt::format("there are {}", fmt::join(there, ", "))));
}

}  // namespace

topology::JobNetwork job_network(const LinkOptions& links, const verbs::EnvironmentLookup& environment) {
  topology::JobNetwork job;
  job.traffic_class =
      verbs::choose_traffic_class(links.traffic_class, links.service_level, environment).traffic_class;
  job.gid_index = index_of("NCCL_IB_GID_INDEX", environment);
  job.pkey_index = index_of("NCCL_IB_PKEY", environment);
  return job;
}

void hand_on_traffic_class(const LinkOptions& links) {
  const auto chosen =
      verbs::choose_traffic_class(links.traffic_class, links.service_level, verbs::environment_value);
  for (const auto& [variable, value] :
       verbs::to_hand_on(chosen, links.traffic_class, links.service_level, verbs::environment_value))
    ::setenv(variable.c_str(), value.c_str(), 1);  // NOLINT(concurrency-mt-unsafe): no thread has started yet
}

void require_links(const ClusterTopology& cluster, const LinkOptions& links) {
  for (std::size_t kind = 0; kind < cluster.kinds.size(); ++kind) {
    const std::string host = example_of(cluster, kind);
    if (!links.device.empty()) require_device(cluster.kinds[kind], host, links.device);
    if (links.gid_index) require_gid_index(cluster.kinds[kind], host, links);
  }
}

}  // namespace fabricheck::app
