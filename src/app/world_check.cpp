#include "app/world_check.hpp"

#include <charconv>

#include <fmt/format.h>

namespace fabricheck::app {
namespace {

std::optional<int> number(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  int value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return value;
}

std::string right_srun(int tasks) {
  return fmt::format(
      "start it with `srun --mpi=pmix -n {} fabricheck run`, or `fabricheck launch -- run` inside the "
      "allocation",
      tasks);
}

}  // namespace

std::string slurm_gres(const EnvironmentLookup& environment) {
  if (const auto per_node = environment("SLURM_GPUS_PER_NODE")) return "gpu:" + *per_node;
  // Of the first node only, and nodes may differ.
  if (environment("SLURM_JOB_NUM_NODES").value_or("") != "1") return "";
  const auto here = environment("SLURM_GPUS_ON_NODE");
  return here ? "gpu:" + *here : "";
}

LauncherFacts launcher_facts(const EnvironmentLookup& environment) {
  LauncherFacts facts;
  const auto first = [&](std::initializer_list<const char*> names) -> std::optional<int> {
    for (const char* name : names)
      if (const auto value = number(environment(name))) return value;
    return std::nullopt;
  };
  // Slurm sets these for every task of a step; in the shell of salloc or the batch script there is no step.
  const bool step = environment("SLURM_STEP_ID") && environment("SLURM_STEP_NUM_TASKS");
  if (environment("OMPI_COMM_WORLD_RANK")) {
    facts.name = "mpirun";
    facts.rank = first({"OMPI_COMM_WORLD_RANK"});
    facts.world_size = first({"OMPI_COMM_WORLD_SIZE"});
    facts.local_rank = first({"OMPI_COMM_WORLD_LOCAL_RANK"});
  } else if (step) {
    facts.name = "srun";
    facts.rank = first({"SLURM_PROCID"});
    facts.world_size = first({"SLURM_STEP_NUM_TASKS"});
    facts.local_rank = first({"SLURM_LOCALID"});
  } else if (environment("PMI_RANK") || environment("PMIX_RANK") || environment("OMPI_COMM_WORLD_SIZE")) {
    facts.name = "MPI launcher";
    facts.rank = first({"PMI_RANK", "PMIX_RANK"});
    facts.world_size = first({"PMI_SIZE", "OMPI_COMM_WORLD_SIZE"});
    facts.local_rank = first({"MPI_LOCALRANKID", "PMI_LOCAL_RANK"});
  }
  facts.allocated_nodes = first({"SLURM_JOB_NUM_NODES", "SLURM_NNODES"});
  return facts;
}

std::optional<std::string> without_pmi(const LauncherFacts& launcher, const EnvironmentLookup& environment) {
  const int n = launcher.world_size.value_or(1);
  if (launcher.name != "srun" || n <= 1) return std::nullopt;
  for (const char* name : {"PMIX_RANK", "PMIX_NAMESPACE", "PMI_RANK", "PMI_FD", "OMPI_MCA_pmix"})
    if (environment(name)) return std::nullopt;
  return fmt::format("srun started {} tasks without a PMI that MPI can start by; {}", n, right_srun(n));
}

std::optional<std::string> singletons(const LauncherFacts& launcher, int world_size) {
  if (world_size != 1 || launcher.world_size.value_or(1) <= 1) return std::nullopt;
  const int n = *launcher.world_size;
  if (launcher.name == "srun")
    return fmt::format(
        "srun started {} tasks, but each of them sees a world of its own, because srun and this MPI share no "
        "PMI; {}",
        n, right_srun(n));
  return fmt::format(
      "the launcher started {} processes, but each of them sees a world of its own, because it belongs to "
      "another MPI than "
      "fabricheck was built with; start it with that MPI's own `mpirun -n {} fabricheck run`",
      n, n);
}

std::optional<std::string> wrong_world(const LauncherFacts& launcher, const WorldFacts& world,
                                       bool allow_subset) {
  for (std::size_t rank = 1; rank < world.rank_builds.size(); ++rank)
    if (world.rank_builds[rank] != world.rank_builds[0])
      return fmt::format(
          "rank 0 on {} runs fabricheck {} and rank {} on {} runs {}: install the same build on both, or "
          "start it from a "
          "folder that both share",
          world.rank_hosts[0], world.rank_builds[0], rank, world.rank_hosts[rank], world.rank_builds[rank]);
  for (std::size_t rank = 1; rank < world.rank_commands.size(); ++rank)
    if (world.rank_commands[rank] != world.rank_commands[0])
      return fmt::format(
          "rank 0 was started with `{}` and rank {} on {} with `{}`: give all ranks the same options",
          world.rank_commands[0], rank, world.rank_hosts[rank], world.rank_commands[rank]);
  std::map<std::string, int> ranks_on_host;
  for (const std::string& host : world.rank_hosts) ++ranks_on_host[host];
  for (const auto& [host, gpus] : world.gpus_on_host) {
    const int ranks = ranks_on_host[host];
    if (ranks > gpus)
      return fmt::format(
          "{} ranks were started on {}, which has {} GPU{}: two ranks on one GPU measure each other; start "
          "one rank per GPU "
          "with `mpirun --map-by ppr:{}:node fabricheck run`",
          ranks, host, gpus, gpus == 1 ? "" : "s", gpus);
  }
  if (!allow_subset && launcher.allocated_nodes && *launcher.allocated_nodes > world.nodes)
    return fmt::format(
        "the allocation has {} nodes and this world covers {}: start one on every node with `srun --mpi=pmix "
        "-N {} "
        "--ntasks-per-node={} fabricheck run`, or say --allow-subset",
        *launcher.allocated_nodes, world.nodes, *launcher.allocated_nodes,
        (world.size + world.nodes - 1) / world.nodes);
  return std::nullopt;
}

}  // namespace fabricheck::app
