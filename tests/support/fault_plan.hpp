// A fault to plant, as the labs write it: "throw rank=2 check=mpi.allreduce.latency iteration=50
// where=prepare", or "flip rank=1 check=mpi.allgather.latency iteration=7 byte=13 bit=0": that bit of the
// result, between the call and its verification. "late" is of what times itself.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/operation.hpp"
#include "core/timed_operation.hpp"

namespace fabricheck::test {

struct FaultPlan {
  enum class Kind { none, throwing, stopping, wrong_element, flipped_bit, late };
  Kind kind{Kind::none};
  int rank{};
  std::string check;
  std::uint64_t iteration{};
  std::string where{"prepare"};  ///< prepare, execute or verify
  std::uint64_t byte{};          ///< of Operation::result()
  unsigned bit{};                ///< 0..7
  int seconds{};                 ///< of what is late
};

/// Throws std::invalid_argument for words that it does not know: a fault that is not planted would make a lab
/// pass.
FaultPlan parse_fault(const std::string& text);

/// `inner`, with the fault on the rank and check that the plan names.
std::unique_ptr<Operation> with_fault(std::unique_ptr<Operation> inner, const FaultPlan& plan,
                                      const std::string& check_id, int world_rank);

/// The same of what times itself: throws or stops in prepare or run (where=execute), or begins a run so many
/// seconds late: "late rank=1 check=nccl.allreduce.latency seconds=8".
std::unique_ptr<TimedOperation> with_fault(std::unique_ptr<TimedOperation> inner, const FaultPlan& plan,
                                           const std::string& check_id, int world_rank);

}  // namespace fabricheck::test
