#include "app/job_network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "core/error.hpp"
#include "topology/model/rank_nics.hpp"
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

/// A host of this kind, to name.
std::string example_of(const ClusterTopology& cluster, std::size_t kind) {
  const auto host = std::find_if(cluster.hosts.begin(), cluster.hosts.end(),
                                 [&](const HostEntry& one) { return one.kind == static_cast<int>(kind); });
  return host == cluster.hosts.end() ? std::string("a host") : topology::printable(host->name);
}

/// Whether the ranks that use devices in turn use this one.
bool is_used(const std::vector<topology::NicWish>& wishes, const std::string& device) {
  return wishes.empty() || std::any_of(wishes.begin(), wishes.end(),
                                       [&](const topology::NicWish& wish) { return wish.device == device; });
}

void require_gid_index(const Host& kind, const std::string& host, const LinkOptions& links,
                       const std::vector<topology::NicWish>& wishes) {
  std::set<int> there;
  bool any_port = false;
  for (const RdmaDevice& device : kind.rdma_devices) {
    if (device.status != "answers" || !is_used(wishes, device.name)) continue;
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
  const auto wishes = topology::parse_nic_wishes(links.device);
  for (std::size_t kind = 0; kind < cluster.kinds.size(); ++kind) {
    Host host = cluster.kinds[kind];
    host.name = example_of(cluster, kind);
    if (!wishes.empty()) topology::rank_nics(host, 1, {}, wishes);
    if (links.gid_index) require_gid_index(host, host.name, links, wishes);
  }
}

}  // namespace fabricheck::app
