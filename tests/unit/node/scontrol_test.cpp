// scontrol as a child: a script in its place acts as it does.
#include "node/slurm.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

#include "support/own_folder.hpp"

namespace fabricheck::node {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::chrono::seconds kGenerous{60};

class ScontrolTest : public ::testing::Test {
 protected:
  /// `script` is what scontrol does.
  Scontrol acting(const std::string& script, const std::string& slurm_conf = "",
                  std::chrono::milliseconds within = kGenerous) {
    const std::string path = folder_ / "scontrol";
    std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return {path, slurm_conf, Deadline(within)};
  }

  const test::OwnFolder folder_;
};

TEST_F(ScontrolTest, NodesAreReadFromWhatItPrints) {
  Scontrol slurm = acting("echo \"NodeName=$4 State=IDLE\"");
  const SlurmControl::Nodes answer = slurm.node("node3");
  EXPECT_THAT(answer.problem, IsEmpty());
  ASSERT_THAT(answer.nodes, SizeIs(1));
  EXPECT_EQ(answer.nodes[0].name, "node3");
}

TEST_F(ScontrolTest, WhatItRefusesIsAProblemInItsWords) {
  Scontrol slurm = acting("echo 'slurm_load_node error: Unable to contact slurm controller' >&2\nexit 1");
  EXPECT_THAT(slurm.nodes().problem, AllOf(HasSubstr("show nodes: "), EndsWith("slurm controller")));
  EXPECT_THAT(slurm.drain("node3", "x"), AllOf(HasSubstr("update: "), EndsWith("slurm controller")));
  EXPECT_THAT(slurm.resume("node3"), HasSubstr("update: "));
}

TEST_F(ScontrolTest, WhatIsDoneIsNoProblem) {
  Scontrol slurm = acting("exit 0");
  EXPECT_THAT(slurm.drain("node3", "x"), IsEmpty());
  EXPECT_THAT(slurm.resume("node3"), IsEmpty());
  EXPECT_THAT(slurm.take_back("node3"), IsEmpty());
}

TEST_F(ScontrolTest, WhatDoesNotAnswerInTimeIsAProblem) {
  Scontrol slurm = acting("exec sleep 600", "", std::chrono::milliseconds(200));
  EXPECT_FALSE(slurm.nodes().problem.empty());
  EXPECT_FALSE(slurm.drain("node3", "x").empty());
}

TEST_F(ScontrolTest, OneThatIsNotThereIsAProblem) {
  Scontrol slurm(folder_ / "nowhere", "", Deadline(kGenerous));
  EXPECT_FALSE(slurm.nodes().problem.empty());
  EXPECT_FALSE(slurm.take_back("node3").empty());
}

TEST_F(ScontrolTest, TheReasonIsOneArgumentAndTheClusterTheAskedOne) {
  Scontrol slurm = acting("echo \"$SLURM_CONF|$1|$2|$3|$4|$#\" >&2; exit 1", "/etc/other/slurm.conf");
  EXPECT_THAT(slurm.drain("node3", "a 'b' $(c)"),
              EndsWith("/etc/other/slurm.conf|update|NodeName=node3|State=DRAIN|Reason=a 'b' $(c)|4"));
  EXPECT_THAT(slurm.resume("node3"), HasSubstr("|State=UNDRAIN|"));
  EXPECT_THAT(slurm.take_back("node3"), HasSubstr("|State=RESUME|"));
}

TEST_F(ScontrolTest, ARangeOfNodesIsNeverAskedFor) {
  Scontrol slurm = acting("echo asked >&2; exit 1");
  for (const char* const name : {"node[1-20]", "", "-a", "node1,node2"}) {
    EXPECT_THAT(slurm.node(name).problem, HasSubstr("is no name of a node")) << name;
    EXPECT_THAT(slurm.drain(name, "x"), HasSubstr("is no name of a node")) << name;
  }
}

}  // namespace
}  // namespace fabricheck::node
