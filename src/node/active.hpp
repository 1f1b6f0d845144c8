// Checks that use a node: only for those who have it to themselves.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "node/catalog.hpp"
#include "node/isolation.hpp"

namespace fabricheck::node {

/// A process that has a device open.
struct DeviceUser {
  std::int64_t pid{};
  std::string command;  ///< its name, printable
  std::string device;   ///< "/dev/nvidia3", "/dev/infiniband/uverbs0"
  bool operator==(const DeviceUser&) const = default;
};

/// Who has a GPU or an RDMA device open, once per device. Left out are daemons that always have, and who only
/// looks at a GPU without CUDA. Needs root to see all.
std::vector<DeviceUser> device_users(const std::string& sysroot);

/// Of each GPU that somebody has open, by its PCI address as the driver writes it ("0000:5d:00.0"), one of
/// them. Not those with the process numbers `own`: UCX opens every GPU when MPI starts.
std::map<std::string, DeviceUser> gpu_users(const std::string& sysroot,
                                            const std::set<std::int64_t>& own = {});

/// Writes a pattern to memory and reads it back, in a child.
Outcome check_host_memory(Isolation& isolation, std::chrono::milliseconds budget);

/// Checks of devices that other rooms know how to make.
struct DeviceChecks {
  /// Uses the RDMA ports of the node; empty: `no_verbs` says why there is none.
  std::function<Outcome(Isolation&, std::chrono::milliseconds budget)> verbs_loopback;
  std::string no_verbs;
};

/// Judges the active rows of the plan; those that cannot be done here are not tested, with the reason.
Judgement run_active(const std::vector<PlannedRow>& plan, const std::string& sysroot,
                     const std::optional<Host>& host, const DeviceChecks& checks, Isolation& isolation,
                     const std::string& host_name);

/// The record of a row's outcome.
CheckRecord record_of(const NodeRow& row, const Outcome& outcome, const std::string& host);

}  // namespace fabricheck::node
