// Launches that cannot mean what they say: pure.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace fabricheck::app {

using EnvironmentLookup = std::function<std::optional<std::string>(const std::string&)>;

/// What the launcher's variables tell of this process.
struct LauncherFacts {
  std::string name;               ///< "mpirun", "srun", "MPI launcher", or "" when started by hand
  std::optional<int> world_size;  ///< as the launcher means it
  std::optional<int> rank;
  std::optional<int> local_rank;
  std::optional<int> allocated_nodes;  ///< Slurm's SLURM_JOB_NUM_NODES
};
LauncherFacts launcher_facts(const EnvironmentLookup& environment);

/// What Slurm gave on each node, in the words of its GRES ("gpu:8"); empty when it says nothing that holds
/// for all nodes.
std::string slurm_gres(const EnvironmentLookup& environment);

struct WorldFacts {
  int size{};
  int nodes{};
  std::vector<std::string> rank_hosts;
  std::vector<std::string> rank_builds;
  std::vector<std::string> rank_commands;
  std::map<std::string, int> gpus_on_host;  ///< only hosts with GPUs
};

/// A sentence with the command that would be right, or nullopt for a launch that can mean what it says.
/// `without_pmi` is known before MPI starts, which would end the process by itself, with 1. An Open MPI that
/// has Slurm's first PMI built in needs no variable: who names it (OMPI_MCA_pmix) is not refused.
std::optional<std::string> without_pmi(const LauncherFacts& launcher, const EnvironmentLookup& environment);
std::optional<std::string> singletons(const LauncherFacts& launcher, int world_size);
std::optional<std::string> wrong_world(const LauncherFacts& launcher, const WorldFacts& world,
                                       bool allow_subset);

}  // namespace fabricheck::app
