// One measured operation that times itself, iteration after iteration without a common start: between two
// ranks by the initiator's own clock, as perftest does, and on GPUs by their events, as nccl-tests does.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/communicator.hpp"
#include "core/operation.hpp"
#include "core/run_record.hpp"
#include "core/variant.hpp"

namespace fabricheck {

struct Verified {
  std::uint64_t messages{};  ///< compared since the last call
  std::optional<Mismatch> mismatch;
};

/// All its ranks make the same calls: prepare, run, verify, batch after batch. Each may throw, for none of
/// them waits without a deadline; the ranks meet again at the vote that closes the batch.
class TimedOperation {
 public:
  virtual ~TimedOperation() = default;
  /// The fewest iterations that one run() can time well; a batch is a multiple of it.
  virtual std::size_t least_batch() const { return 1; }
  /// Local. Makes what iterations first … first + count - 1 need; all ranks have done so before any runs.
  virtual void prepare(std::uint64_t first, std::size_t count) {
    (void)first;
    (void)count;
  }
  /// times_us.size() iterations from `first` on. Writes how long each took on this rank's clock,
  /// microseconds; a rank that only answers leaves the zeros.
  virtual void run(std::uint64_t first, std::span<double> times_us) = 0;
  /// Local, after all have run.
  virtual Verified verify(std::uint64_t first, std::size_t count) = 0;
  /// Of the last run(), how many microseconds went into comparing: not measuring, though it was on the way.
  virtual double comparing_us() const { return 0.0; }
  /// Collective, once, after the first batch that ended well on all ranks, and not timed: what they have to
  /// tell each other of how they run.
  virtual void compare_ranks() {}
  /// Whether verify() compares every iteration of a batch; else at least one of each batch.
  virtual bool verifies_each() const { return true; }
  /// Whether every rank times its own end, so that who was last means something.
  virtual bool every_rank_times() const { return false; }
  /// What it ran on: devices, addresses, sizes of queues, what a library says it did. Asked after run(), too.
  virtual std::map<std::string, Parameter> path() const { return {}; }
};

/// What a catalogue row needs to make its operation for one group.
struct TimedRequest {
  Communicator* group{};         ///< of a pair rank 0 is the initiator
  std::vector<int> world_ranks;  ///< the group, in its order
  const Clock* clock{};
  std::uint64_t bytes{};
  Variant variant;
  std::uint64_t memory_limit_bytes{};  ///< this rank's share of what its host has left; 0: not known
  int world_rank{};
  std::string host;
  bool yield{};  ///< more ranks than cores: give the core away while waiting
};

/// Collective over the group: what one of its ranks cannot do, none does.
using TimedOperationFactory = std::function<std::unique_ptr<TimedOperation>(const TimedRequest&)>;

}  // namespace fabricheck
