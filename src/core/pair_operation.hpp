// One measured operation between two ranks that times itself: the initiator's own clock, iteration after
// iteration without a common start, as perftest does.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "core/clock.hpp"
#include "core/communicator.hpp"
#include "core/operation.hpp"
#include "core/run_record.hpp"

namespace fabricheck {

struct Verified {
  std::uint64_t messages{};  ///< compared since the last call
  std::optional<Mismatch> mismatch;
};

/// Both ranks make the same calls: prepare, run, verify, batch after batch. Each may throw, for none of them
/// waits without a deadline; the ranks meet again at the vote that closes the batch.
class PairOperation {
 public:
  virtual ~PairOperation() = default;
  /// The fewest iterations that one run() can time well; a batch is a multiple of it.
  virtual std::size_t least_batch() const { return 1; }
  /// Local. Makes what iterations first … first + count - 1 need; both ranks have done so before either runs.
  virtual void prepare(std::uint64_t first, std::size_t count) {
    (void)first;
    (void)count;
  }
  /// times_us.size() iterations from `first` on. Writes how long each took on this rank's clock,
  /// microseconds; a rank that only answers leaves the zeros.
  virtual void run(std::uint64_t first, std::span<double> times_us) = 0;
  /// Local, after both have run.
  virtual Verified verify(std::uint64_t first, std::size_t count) = 0;
  /// What it ran on: devices, addresses, sizes of queues.
  virtual std::map<std::string, Parameter> path() const { return {}; }
};

/// What a catalogue row needs to make its operation for one pair.
struct PairRequest {
  Communicator* pair{};  ///< rank 0 is the initiator
  const Clock* clock{};
  std::uint64_t bytes{};
  std::uint64_t memory_limit_bytes{};  ///< this rank's share of what its host has left; 0: not known
  int world_rank{};
  std::string host;
  bool yield{};  ///< more ranks than cores: give the core away while waiting
};

/// Collective over the pair: what one of the two cannot do, neither does.
using PairOperationFactory = std::function<std::unique_ptr<PairOperation>(const PairRequest&)>;

}  // namespace fabricheck
