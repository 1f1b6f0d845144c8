// A call of NCCL's that may wait for other ranks, made in a thread of its own. Private to this folder.
#pragma once

#include <nccl.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "core/clock.hpp"
#include "device/cuda/setup.hpp"

namespace fabricheck::collectives::nccl {

class WatchedCall {
 public:
  /// Begins the work on the rank's GPU, which NCCL wants to be the thread's own. It must hold whatever it
  /// uses: it may go on after everybody has stopped waiting.
  static std::shared_ptr<WatchedCall> begin(std::shared_ptr<const cuda::Setup> gpu,
                                            std::function<ncclResult_t()> work);

  /// What it gave; nothing: it was not back by `until_ns`, and is left behind. NCCL's waits spin, so that its
  /// thread then runs only on cores that nobody wants.
  std::optional<ncclResult_t> await(const Clock& clock, std::int64_t until_ns);

  /// Has `then` done in its thread when it comes back; false: it has come back, and nothing is done.
  bool afterwards(std::function<void()> then);

  /// How many have not come back, or are in what comes afterwards.
  static int under_way();

 private:
  bool is_done();

  std::mutex mutex_;
  bool done_{};
  ncclResult_t result_{ncclInternalError};
  std::function<void()> then_;
  std::atomic<int> thread_{0};
};

}  // namespace fabricheck::collectives::nccl
