// What `fabricheck node` takes of its environment, which a job may have had a hand in: a few words, checked.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace fabricheck::app {

struct SlurmWords {
  std::string node;       ///< SLURMD_NODENAME; empty: not told
  std::string job;        ///< SLURM_JOB_ID; empty: not around a job
  std::string partition;  ///< SLURM_JOB_PARTITION
  std::string conf;       ///< SLURM_CONF, an absolute path
  /// SLURM_JOB_GPUS, indices on this node; empty: the job has none; nothing: what is there is no such list.
  std::optional<std::vector<int>> gpus{std::in_place};
};

/// Pure, but for looking variables up. What does not look as Slurm writes it is not taken.
SlurmWords slurm_words(const char* (*variable)(const char* name));

/// "0,2-3" -> {0, 2, 3}; nothing for anything else.
std::optional<std::vector<int>> parse_gpu_list(const std::string& text);

/// Starts this program again without the variables by which the dynamic linker loads other code, where root
/// has such; then empties the environment, so that nothing in it chooses libraries, files or devices.
void leave_environment(char** argv);

}  // namespace fabricheck::app
