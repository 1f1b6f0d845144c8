// Two GPUs of one node, both open in rank 0's process.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "core/timed_operation.hpp"
#include "device/cuda/setup.hpp"

namespace fabricheck::nvlink {

/// Rank 0's own GPU and the other rank's.
class Pair {
 public:
  /// Collective over request.group. What one of the ranks cannot do, none does: the one that cannot throws
  /// Unavailable or Error, the other an Echo.
  Pair(const std::shared_ptr<const cuda::Setup>& setup, const TimedRequest& request, bool must_reach);

  /// Whether this rank does the work.
  bool works() const { return works_; }
  cuda::Device& own() const { return *setup_->device; }
  cuda::Device& other() const { return *other_.device; }
  /// Like the rank's own, of the other GPU.
  const cuda::Setup& own_setup() const { return *setup_; }
  const cuda::Setup& other_setup() const { return other_; }
  /// False: copies go through the host.
  bool reaches() const { return reaches_; }
  /// "gpu_from", "gpu_to": PCI addresses; "gpu_name", "access".
  std::map<std::string, Parameter> path() const;

 private:
  void open(const std::string& address);

  std::shared_ptr<const cuda::Setup> setup_;
  bool works_{};
  cuda::Setup other_;
  bool reaches_{};
  std::string from_, to_, name_;
};

}  // namespace fabricheck::nvlink
