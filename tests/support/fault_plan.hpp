// A fault to plant, as the labs write it: "throw rank=2 check=mpi.allreduce.latency iteration=50
// where=prepare", or "flip rank=1 check=mpi.allgather.latency iteration=7 byte=13 bit=0": that bit of the
// result, between the call and its verification.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/operation.hpp"

namespace fabricheck::test {

struct FaultPlan {
  enum class Kind { none, throwing, stopping, wrong_element, flipped_bit };
  Kind kind{Kind::none};
  int rank{};
  std::string check;
  std::uint64_t iteration{};
  std::string where{"prepare"};  ///< prepare, execute or verify
  std::uint64_t byte{};          ///< of Operation::result()
  unsigned bit{};                ///< 0..7
};

/// Throws std::invalid_argument for words that it does not know: a fault that is not planted would make a lab
/// pass.
FaultPlan parse_fault(const std::string& text);

/// `inner`, with the fault on the rank and check that the plan names.
std::unique_ptr<Operation> with_fault(std::unique_ptr<Operation> inner, const FaultPlan& plan,
                                      const std::string& check_id, int world_rank);

}  // namespace fabricheck::test
