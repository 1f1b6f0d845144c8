#include "app/world_check.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fabricheck::app {
namespace {

using ::testing::HasSubstr;
using Variables = std::map<std::string, std::string>;

LauncherFacts facts_of(const Variables& variables) {
  return launcher_facts([&](const std::string& name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional<std::string>(found->second);
  });
}

TEST(LauncherFacts, AShellIsNoLauncher) {
  EXPECT_EQ(facts_of({}).name, "");
  EXPECT_EQ(facts_of({{"SLURM_JOB_ID", "7"}, {"SLURM_JOB_NUM_NODES", "4"}, {"SLURM_PROCID", "0"}}).name, "")
      << "the shell of salloc, or a batch script";
}

TEST(LauncherFacts, KnowsMpirunAndSrun) {
  const auto mpirun = facts_of({{"OMPI_COMM_WORLD_RANK", "3"}, {"OMPI_COMM_WORLD_SIZE", "8"}});
  EXPECT_EQ(mpirun.name, "mpirun");
  EXPECT_EQ(mpirun.rank, 3);
  EXPECT_EQ(mpirun.world_size, 8);
  const auto srun = facts_of({{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_PROCID", "1"}});
  EXPECT_EQ(srun.name, "srun");
  EXPECT_EQ(srun.world_size, 4);
}

TEST(LauncherFacts, GarbageIsNotANumber) {
  EXPECT_FALSE(facts_of({{"OMPI_COMM_WORLD_RANK", "0"}, {"OMPI_COMM_WORLD_SIZE", "eight"}}).world_size);
}

TEST(Singletons, ManyProcessesInWorldsOfTheirOwnAreRefusedWithTheRightCommand) {
  const auto srun = facts_of({{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "4"}});
  ASSERT_TRUE(singletons(srun, 1));
  EXPECT_THAT(*singletons(srun, 1), HasSubstr("srun --mpi=pmix -n 4"));
  EXPECT_FALSE(singletons(srun, 4));
  EXPECT_THAT(*singletons(facts_of({{"OMPI_COMM_WORLD_SIZE", "4"}}), 1), HasSubstr("mpirun -n 4"));
  EXPECT_FALSE(singletons(facts_of({}), 1)) << "one rank alone is what was asked for";
}

TEST(WithoutPmi, SrunThatOffersNoneIsToldBeforeMpiFails) {
  const auto told = [](Variables variables) {
    variables.insert({{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "4"}});
    return without_pmi(facts_of(variables), [&](const std::string& name) {
      const auto found = variables.find(name);
      return found == variables.end() ? std::nullopt : std::optional<std::string>(found->second);
    });
  };
  EXPECT_THAT(told({}).value_or(""), HasSubstr("srun --mpi=pmix -n 4"));
  EXPECT_FALSE(told({{"PMIX_RANK", "0"}}));
  EXPECT_FALSE(told({{"PMI_FD", "3"}}));
  EXPECT_FALSE(told({{"OMPI_MCA_pmix", "s1"}})) << "which needs no variable";
  EXPECT_FALSE(told({{"OMPI_COMM_WORLD_RANK", "0"}})) << "mpirun's own daemons are a step, too";
}

WorldFacts world_of(std::vector<std::string> hosts) {
  WorldFacts world;
  world.size = static_cast<int>(hosts.size());
  world.rank_builds.assign(hosts.size(), "1.0 abc");
  world.rank_commands.assign(hosts.size(), "fabricheck run");
  world.rank_hosts = std::move(hosts);
  world.nodes = 2;
  return world;
}

TEST(WrongWorld, AGoodOneIsAccepted) { EXPECT_FALSE(wrong_world({}, world_of({"a", "a", "b", "b"}), false)); }

TEST(WrongWorld, TwoRanksOnOneGpu) {
  WorldFacts world = world_of({"a", "a", "b"});
  world.gpus_on_host = {{"a", 1}};
  ASSERT_TRUE(wrong_world({}, world, false));
  EXPECT_THAT(*wrong_world({}, world, false), HasSubstr("ppr:1:node"));
  world.gpus_on_host = {{"a", 2}, {"b", 8}};
  EXPECT_FALSE(wrong_world({}, world, false)) << "fewer ranks than GPUs is a smaller test, not a wrong one";
}

TEST(WrongWorld, DifferentBuildsAndDifferentOptions) {
  WorldFacts world = world_of({"a", "b"});
  world.rank_builds[1] = "1.0 def";
  EXPECT_THAT(wrong_world({}, world, true).value_or(""), HasSubstr("rank 1 on b"));
  world = world_of({"a", "b"});
  world.rank_commands[1] = "fabricheck run --suite full";
  EXPECT_THAT(wrong_world({}, world, true).value_or(""), HasSubstr("--suite full"));
}

TEST(WrongWorld, SmallerThanTheAllocationNeedsAWord) {
  const auto slurm = facts_of({{"SLURM_JOB_NUM_NODES", "4"}});
  EXPECT_THAT(wrong_world(slurm, world_of({"a", "b"}), false).value_or(""), HasSubstr("--allow-subset"));
  EXPECT_FALSE(wrong_world(slurm, world_of({"a", "b"}), true));
}

}  // namespace
}  // namespace fabricheck::app
