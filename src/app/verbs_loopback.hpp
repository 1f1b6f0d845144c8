// RDMA writes from ports of this host to themselves, without MPI: what a node's own check does.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/topology_record.hpp"
#include "fabric/verbs/measure/endpoint.hpp"
#include "node/catalog.hpp"
#include "node/isolation.hpp"

namespace fabricheck::app {

/// What a port gave.
struct LoopbackEnd {
  std::string port;     ///< "mlx5_0 port 1"
  double GBps{};        ///< one way, the median window
  std::string wrong;    ///< a sentence where data came back differently
  std::string trouble;  ///< a sentence where it could not be measured
};

using OpenDevice = std::function<std::shared_ptr<verbs::Device>(const std::string&)>;

/// RC writes of 64 KiB from each active port to itself, one after the other, verified, the budget shared.
/// Stays inside the NIC: it tells nothing of cables. Waits at most a second for a completion.
std::vector<LoopbackEnd> loop_ports(const Host& host, const OpenDevice& open, const Clock& clock,
                                    std::chrono::nanoseconds budget);

/// One line for each, and back. Throws Error for what is none.
std::string loopback_to_text(const std::vector<LoopbackEnd>& ends);
std::vector<LoopbackEnd> loopback_from_text(const std::string& text);

/// loop_ports() over libibverbs in a child, judged.
node::Outcome check_loopback(const Host& host, node::Isolation& isolation, std::chrono::milliseconds budget);

/// FAIL where data was wrong, INCONCLUSIVE where a port could not be measured, else UNCHECKED with the
/// slowest.
node::Outcome judge_loopback(const std::vector<LoopbackEnd>& ends);

}  // namespace fabricheck::app
