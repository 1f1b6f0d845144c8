// Logs in NCCL's formats, made up: one for each finding, and for each family of versions that says it
// otherwise.
#pragma once

#include <span>

namespace fabricheck::diagnose {

struct SyntheticLog {
  const char* slug;      ///< what has to be found
  const char* versions;  ///< which NCCL, or which tool, says it like this
  const char* log;
  bool is_first{true};  ///< whether it has to be the first finding
};

std::span<const SyntheticLog> network_logs();
std::span<const SyntheticLog> node_logs();

}  // namespace fabricheck::diagnose
