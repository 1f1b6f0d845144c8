// Whether the environment lets NCCL use NVLS, the sums in the NVLink switches. Pure.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace fabricheck::collectives::nccl {

using Environment = std::function<std::optional<std::string>(const std::string&)>;

/// For all-reduces inside a node, by NCCL_NVLS_ENABLE, NCCL_ALGO and NCCL_PROTO as NCCL reads them (param.cc,
/// and parseList() in graph/tuning.cc of 2.18 to 2.30). NCCL_CUMEM_ENABLE has no part in it: ncclNvlsInit()
/// does not ask for it.
bool may_use_nvls(const Environment& environment);

}  // namespace fabricheck::collectives::nccl
