// A fault to plant, as the labs write it: "throw rank=2 check=mpi.allreduce.latency iteration=50
// where=prepare".
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/operation.hpp"

namespace fabricheck::test {

struct FaultPlan {
  enum class Kind { none, throwing, stopping, wrong_element };
  Kind kind{Kind::none};
  int rank{};
  std::string check;
  std::uint64_t iteration{};
  std::string where{"prepare"};  ///< prepare, execute or verify
};

/// Throws std::invalid_argument for words that it does not know: a fault that is not planted would make a lab
/// pass.
FaultPlan parse_fault(const std::string& text);

/// `inner`, with the fault on the rank and check that the plan names.
std::unique_ptr<Operation> with_fault(std::unique_ptr<Operation> inner, const FaultPlan& plan,
                                      const std::string& check_id, int world_rank);

}  // namespace fabricheck::test
