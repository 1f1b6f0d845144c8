// What finished checks of NCCL say together. Pure.
#pragma once

#include <span>
#include <vector>

#include "core/finding.hpp"
#include "core/platform.hpp"
#include "core/run_record.hpp"

namespace fabricheck::app {

/// "nccl-ranks-differ": the ranks of a group ran by NCCLs of different versions, over different networks, or
/// some without GPUDirect RDMA. One finding for each set of hosts that are not as the majority, and one that
/// accuses none where there is no majority. "nccl-hung": checks that ended at their deadline, of each rank
/// that one of them accuses.
std::vector<Finding> nccl_findings(std::span<const CheckRecord> checks);

/// FAILs of collectives that are faster by NVLS on GPUs of this platform and ran without it, as their path
/// tells: with a reason that says so.
std::vector<CheckRecord> failed_without_nvls(std::span<const CheckRecord> checks, const Platform& platform);

}  // namespace fabricheck::app
