// How the training job uses the network, as options and its environment say: what is measured is what it
// gets.
#pragma once

#include "app/options.hpp"
#include "core/topology_record.hpp"
#include "fabric/verbs/traffic_class.hpp"
#include "topology/judge/judge.hpp"

namespace fabricheck::app {

/// Traffic class, NCCL_IB_GID_INDEX and NCCL_IB_PKEY. Throws UsageError naming the option or the variable
/// whose value is none.
topology::JobNetwork job_network(const LinkOptions& links, const verbs::EnvironmentLookup& environment);

/// Sets the variables that make NCCL and UCX send in the class of `links`, before MPI starts. Throws
/// UsageError.
void hand_on_traffic_class(const LinkOptions& links);

/// Throws UsageError, naming what there is, where --device names no device of a host, or --gid-index no entry
/// of the ports that would be used.
void require_links(const ClusterTopology& cluster, const LinkOptions& links);

}  // namespace fabricheck::app
