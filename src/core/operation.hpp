// One measured operation: what is timed, and the local work around it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/variant.hpp"

namespace fabricheck {

/// A wrong element in a result.
struct Mismatch {
  int rank{};  ///< rank in the world
  std::string host;
  std::uint64_t iteration{};
  std::uint64_t index{};
  double expected{};
  double got{};
};

/// "rank 2 on h7: iteration 50, element 3: expected 1, got 2".
std::string mismatch_words(const Mismatch& wrong);

/// Every participating rank makes the same execute() calls. prepare() and verify() are local: when one
/// throws, the Sampler keeps calling execute() to the end of the batch so that no other rank waits for ever,
/// and then votes.
class Operation {
 public:
  virtual ~Operation() = default;
  /// Fills the inputs of `iteration`; inputs change with the iteration. Outside the timed region.
  virtual void prepare(std::uint64_t iteration) { (void)iteration; }
  /// The timed part.
  virtual void execute(std::uint64_t iteration) = 0;
  /// Compares every element of the result of the last prepared iteration. Outside the timed region.
  virtual std::optional<Mismatch> verify(std::uint64_t iteration) {
    (void)iteration;
    return std::nullopt;
  }
  /// Whether verify() compares anything (a barrier carries no data).
  virtual bool verifies() const { return false; }
  /// The bytes that verify() looks at: where a test plants a flipped bit. Empty where nothing is verified.
  virtual std::span<std::byte> result() { return {}; }
};

/// What a catalogue row needs to make its operation for one group of ranks.
struct OperationRequest {
  std::vector<int> world_ranks;  ///< the group, in order; the same list on each of its ranks
  std::uint64_t bytes{};         ///< 0 for an operation without payload
  Variant variant;
  double compute_us{};                 ///< of an operation that computes meanwhile: how long
  std::uint64_t memory_limit_bytes{};  ///< this rank's share of what its host has left; 0: not known
  int world_rank{};
  std::string host;
};

using OperationFactory = std::function<std::unique_ptr<Operation>(const OperationRequest&)>;

}  // namespace fabricheck
