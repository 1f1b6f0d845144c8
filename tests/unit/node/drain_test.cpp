#include "node/drain.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <ctime>
#include <functional>
#include <set>

#include "node/slurm.hpp"

namespace fabricheck::node {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

Fault nvlink(const std::string& part = "GPU3") {
  return {"node.nvlink", "nvlink", part, part + " 17 of 18 links up", "nvlink-inactive", true};
}

constexpr double kNow = 1'795'000'000;

SlurmNode node(const std::string& name, const std::string& state = "IDLE", const std::string& reason = "") {
  return {name, state, reason, reason.empty() ? std::nullopt : std::optional(kNow - 60), {"main"}};
}

class Drain : public ::testing::Test {
 protected:
  Drain() {
    config_.mode = DrainMode::drain;
    question_.node = "node3";
    question_.partition = "main";
    question_.faults = {nvlink()};
    question_.now_unix_s = kNow;
    for (int i = 1; i <= 20; ++i) question_.nodes.push_back(node("node" + std::to_string(i)));
  }
  void drained_by_us(int count, double seconds_ago = 60) {
    for (int i = 0; i < count; ++i) {
      SlurmNode& one = question_.nodes.at(static_cast<std::size_t>(10 + i));
      one = node(one.name, "IDLE+DRAIN", "fabricheck: gpu: GPU0 does not answer");
      one.reason_unix_s = kNow - seconds_ago;
    }
  }
  NodeConfig config_;
  DrainQuestion question_;
};

TEST_F(Drain, WordForWord) {
  const Decision decision = decide(question_, config_);
  EXPECT_EQ(decision.action, DrainAction::drain);
  EXPECT_EQ(decision.reason, "fabricheck: nvlink: GPU3 17 of 18 links up");
  EXPECT_TRUE(decision.refuses_job);
  EXPECT_TRUE(decision.is_loud);
}

TEST_F(Drain, ObserveIsTheDefaultAndOnlySaysIt) {
  EXPECT_EQ(NodeConfig{}.mode, DrainMode::observe);
  config_.mode = DrainMode::observe;
  const Decision decision = decide(question_, config_);
  EXPECT_EQ(decision.action, DrainAction::observe);
  EXPECT_FALSE(decision.refuses_job);
  EXPECT_THAT(decision.log, HasSubstr("would drain node3: fabricheck: nvlink: GPU3 17 of 18 links up"));
}

TEST_F(Drain, NothingWrongDoesNothing) {
  question_.faults.clear();
  EXPECT_EQ(decide(question_, config_).action, DrainAction::nothing);
  EXPECT_FALSE(decide(question_, config_).refuses_job);
}

TEST_F(Drain, WhatIsNotJudgedIsLoggedAndDrainsOnlyWhereTheSiteSaysSo) {
  question_.faults.clear();
  question_.unclear = "node.gpus: NVML is odd";
  EXPECT_EQ(decide(question_, config_).action, DrainAction::nothing);
  EXPECT_THAT(decide(question_, config_).log, HasSubstr("NVML is odd"));
  config_.on_error = OnError::drain;
  EXPECT_EQ(decide(question_, config_).reason, "fabricheck: not judged: node.gpus: NVML is odd");
  EXPECT_EQ(decide(question_, config_).action, DrainAction::drain);
}

TEST_F(Drain, CircuitBreakerByPercentOfThePartition) {
  config_.max_drain_per_hour = 1000;
  drained_by_us(1);  // 10 % of 20 nodes are 2
  EXPECT_EQ(decide(question_, config_).action, DrainAction::drain);
  drained_by_us(2);
  const Decision decision = decide(question_, config_);
  EXPECT_EQ(decision.action, DrainAction::held_back);
  EXPECT_THAT(decision.log,
              AllOf(HasSubstr("CIRCUIT BREAKER"), HasSubstr("2 of 20 nodes of partition main")));
  EXPECT_FALSE(decision.refuses_job);
  EXPECT_TRUE(decision.is_loud);
}

TEST_F(Drain, CircuitBreakerPerHour) {
  config_.max_drain_percent = 100;
  config_.max_drain_per_hour = 2;
  drained_by_us(2);
  EXPECT_EQ(decide(question_, config_).action, DrainAction::held_back);
  drained_by_us(2, 3700);
  EXPECT_EQ(decide(question_, config_).action, DrainAction::drain);
  config_.max_drain_per_hour = 0;
  EXPECT_EQ(decide(question_, config_).action, DrainAction::held_back);
}

TEST_F(Drain, OneNodeIsAlwaysAllowedButForZeroPercent) {
  question_.nodes.resize(4);
  EXPECT_EQ(decide(question_, config_).action, DrainAction::drain);
  question_.nodes[0] = node("node1", "IDLE+DRAIN", "fabricheck: nvlink: GPU3 17 of 18 links up");
  EXPECT_EQ(decide(question_, config_).action, DrainAction::held_back) << "and not two";
  question_.nodes[0] = node("node1");
  config_.max_drain_percent = 0;
  EXPECT_EQ(decide(question_, config_).action, DrainAction::held_back);
}

TEST_F(Drain, NodesDrainedByOthersDoNotCount) {
  for (int i = 10; i < 15; ++i)
    question_.nodes.at(static_cast<std::size_t>(i)) = node("n", "DOWN+DRAIN", "fabric is being changed");
  EXPECT_EQ(decide(question_, config_).action, DrainAction::drain);
}

/// Of many that drain themselves at once in any order, those that stay are never too many.
TEST_F(Drain, AtTheSameMomentNeverTooManyStay) {
  config_.max_drain_per_hour = 1000;
  question_.nodes.clear();
  for (int i = 0; i < 20; ++i) question_.nodes.push_back(node("node" + std::to_string(i)));
  // All have asked before any was drained; then each is drained, and looks again after the next `gap` were.
  for (std::size_t gap = 0; gap < 6; ++gap) {
    auto nodes = question_.nodes;
    std::size_t drained = 0;
    std::size_t looked = 0;
    const auto look = [&] {
      DrainQuestion mine = question_;
      mine.nodes = nodes;
      mine.node = nodes[looked].name;
      if (is_over_limit(mine, config_)) nodes[looked] = node(nodes[looked].name);
      ++looked;
    };
    while (looked < 6) {
      if (drained < 6) {
        nodes[drained] = node(nodes[drained].name, "IDLE+DRAIN", "fabricheck: x");
        ++drained;
      }
      if (drained - looked > gap || drained == 6) look();
    }
    const auto left =
        std::count_if(nodes.begin(), nodes.end(), [](const SlurmNode& one) { return one.is_out(); });
    EXPECT_LE(left, 2) << gap;
  }
}

TEST_F(Drain, AnothersDrainIsLeftAlone) {
  question_.nodes.at(2) = node("node3", "IDLE+DRAIN", "fans are being changed by Ada");
  const Decision decision = decide(question_, config_);
  EXPECT_EQ(decision.action, DrainAction::left_alone);
  EXPECT_TRUE(decision.refuses_job);
  question_.nodes.at(2) = node("node3", "MIXED+DRAIN", "fabricheck: gpu: GPU1 does not answer");
  EXPECT_EQ(decide(question_, config_).action, DrainAction::already);
}

TEST_F(Drain, OnlyOurOwnDrainIsTakenBackAndOnlyWhereTheSiteWantsIt) {
  question_.faults.clear();
  question_.may_resume = true;
  question_.passed_topics = {"gpu"};
  question_.nodes.at(2) = node("node3", "IDLE+DRAIN", "fabricheck: gpu: GPU1 does not answer");
  EXPECT_EQ(decide(question_, config_).action, DrainAction::resume);
  question_.nodes.at(2) = node("node3", "IDLE+DRAIN", "not fabricheck: mine");
  EXPECT_EQ(decide(question_, config_).action, DrainAction::nothing);
  question_.nodes.at(2) = node("node3", "IDLE", "fabricheck: old");
  EXPECT_EQ(decide(question_, config_).action, DrainAction::nothing);
  question_.nodes.at(2) = node("node3", "IDLE+DRAIN", "fabricheck: gpu: GPU1 does not answer");
  question_.may_resume = false;
  EXPECT_EQ(decide(question_, config_).action, DrainAction::nothing);
}

TEST_F(Drain, OnlyWhatThisVisitSawWellIsTakenBack) {
  question_.faults.clear();
  question_.may_resume = true;
  question_.passed_topics = {"gpu", "xid", "filesystem"};
  const auto action = [&](const std::string& state, const std::string& reason) {
    question_.nodes.at(2) = node("node3", state, reason);
    return decide(question_, config_).action;
  };
  EXPECT_EQ(action("IDLE+DRAIN", "fabricheck: filesystem: /scratch is full"), DrainAction::resume);
  for (const char* const reason :
       {"fabricheck: nvlink: GPU3 17 of 18 links up", "fabricheck: xid: GPU3 Xid 79 since the last visit",
        "fabricheck: acceptance: nvlink-inactive", "fabricheck: not judged: node.gpus: NVML is odd",
        "fabricheck: gpu"})
    EXPECT_EQ(action("IDLE+DRAIN", reason),
              std::string(reason) == "fabricheck: gpu" ? DrainAction::resume : DrainAction::nothing)
        << reason;
  for (const char* const state : {"DOWN+DRAIN", "DOWN*+DRAIN", "FAIL+DRAIN", "FAILING+DRAIN", "DOWN"})
    EXPECT_EQ(action(state, "fabricheck: gpu: GPU1 does not answer"), DrainAction::nothing) << state;
}

TEST_F(Drain, ANodeInNoneOfThePartitionsIsLeftAsItIs) {
  config_.partitions = {"h100"};
  const Decision decision = decide(question_, config_);
  EXPECT_EQ(decision.action, DrainAction::nothing);
  EXPECT_FALSE(decision.refuses_job);
  EXPECT_THAT(decision.log, HasSubstr("none of the configured `partitions`"));
  question_.faults.clear();
  question_.may_resume = true;
  question_.passed_topics = {"gpu"};
  question_.nodes.at(2) = node("node3", "IDLE+DRAIN", "fabricheck: gpu: GPU1 does not answer");
  EXPECT_EQ(decide(question_, config_).action, DrainAction::nothing);
  config_.partitions = {"h100", "main"};
  EXPECT_EQ(decide(question_, config_).action, DrainAction::resume);
}

TEST_F(Drain, WhereSlurmDoesNotAnswerTheJobRuns) {
  question_.nodes.clear();
  question_.slurm_problem = "/usr/bin/scontrol cannot be started: No such file or directory";
  Decision decision = decide(question_, config_);
  EXPECT_EQ(decision.action, DrainAction::unknown);
  EXPECT_FALSE(decision.refuses_job);
  EXPECT_THAT(decision.log, HasSubstr("NOT draining node3: /usr/bin/scontrol cannot be started"));
  question_.slurm_problem.clear();
  decision = decide(question_, config_);
  EXPECT_THAT(decision.log, HasSubstr("Slurm knows no such node"));
}

TEST_F(Drain, AFaultOfAGpuThatTheJobWasNotGivenLetsItRun) {
  question_.job_gpus = std::vector<int>{0, 1};
  Decision decision = decide(question_, config_);
  EXPECT_EQ(decision.action, DrainAction::drain);
  EXPECT_FALSE(decision.refuses_job);
  question_.job_gpus = std::vector<int>{3};
  EXPECT_TRUE(decide(question_, config_).refuses_job);
  question_.job_gpus = std::vector<int>{0};
  question_.faults.push_back(
      {"node.nics", "nic", "mlx5_2", "mlx5_2 does not answer", "nic-not-answering", true});
  EXPECT_TRUE(decide(question_, config_).refuses_job);
}

TEST_F(Drain, PartsThatAreFoldedAreSplitAndWhatHangsTheDriverConcernsAll) {
  const auto refuses = [&](const Fault& fault, std::optional<std::vector<int>> gpus) {
    question_.faults = {fault};
    question_.job_gpus = std::move(gpus);
    return decide(question_, config_).refuses_job;
  };
  EXPECT_TRUE(refuses(nvlink("GPU[1,3-5]"), std::vector<int>{4}));
  EXPECT_FALSE(refuses(nvlink("GPU[1,3-5]"), std::vector<int>{0, 2}));
  EXPECT_TRUE(refuses(nvlink("GPU[1,3-5]"), std::nullopt));
  const Fault silent{"node.gpus", "gpu", "GPU3", "GPU3 does not answer", "gpu-not-answering", true};
  EXPECT_TRUE(refuses(silent, std::vector<int>{0}));
  const Fault xid{"node.kernel_log", "xid", "0000:48:00", "0000:48:00 Xid 79", "xid-79", true};
  EXPECT_FALSE(refuses(xid, std::vector<int>{}));
  EXPECT_TRUE(refuses(xid, std::vector<int>{0}));
}

/// A Slurm of one list of nodes.
class FakeSlurm final : public SlurmControl {
 public:
  Nodes nodes() override { return listing_problem.empty() ? Nodes{all, ""} : Nodes{{}, listing_problem}; }
  Nodes node(const std::string& name) override {
    if (!node_problem.empty()) return {{}, node_problem};
    for (const SlurmNode& one : all)
      if (one.name == name) return {{one}, ""};
    return {};
  }
  std::string drain(const std::string& name, const std::string& reason) override {
    if (!drain_problem.empty()) return drain_problem;
    for (SlurmNode& one : all)
      if (one.name == name) one = {name, "IDLE+DRAIN", reason, kNow, one.partitions};
    if (after_drain) after_drain(*this);
    return "";
  }
  std::string take_back(const std::string& name) override { return resume(name); }
  std::string resume(const std::string& name) override {
    resumed.push_back(name);
    return "";
  }
  std::vector<SlurmNode> all;
  std::string listing_problem;
  std::string node_problem;
  std::string drain_problem;
  std::function<void(FakeSlurm&)> after_drain;
  std::vector<std::string> resumed;
};

class CarryOut : public Drain {
 protected:
  CarryOut() { slurm_.all = question_.nodes; }
  Decision end() { return carry_out(slurm_, question_, decide(question_, config_), config_); }
  FakeSlurm slurm_;
};

TEST_F(CarryOut, ADrainWithinTheLimitStays) {
  const Decision decision = end();
  EXPECT_EQ(decision.action, DrainAction::drain);
  EXPECT_TRUE(decision.refuses_job);
  EXPECT_THAT(slurm_.resumed, IsEmpty());
}

TEST_F(CarryOut, WhereItCannotBeDrainedTheJobRunsAndTheLogSaysWhy) {
  slurm_.drain_problem = "scontrol update: Access/permission denied";
  const Decision decision = end();
  EXPECT_EQ(decision.action, DrainAction::unknown);
  EXPECT_FALSE(decision.refuses_job);
  EXPECT_THAT(decision.log, HasSubstr("COULD NOT do it (scontrol update: Access/permission denied)"));
}

TEST_F(CarryOut, WhereTheOthersCannotBeCountedItIsTakenBack) {
  slurm_.listing_problem = "scontrol did not end within 700 ms";
  const Decision decision = end();
  EXPECT_THAT(slurm_.resumed, ElementsAre("node3"));
  EXPECT_EQ(decision.action, DrainAction::held_back);
  EXPECT_FALSE(decision.refuses_job);
  EXPECT_THAT(decision.log, HasSubstr("cannot be told (scontrol did not end within 700 ms)"));
}

TEST_F(CarryOut, WhereNothingCanBeAskedItStaysAndIsSaid) {
  slurm_.listing_problem = "scontrol show nodes: no answer";
  slurm_.node_problem = "scontrol show node: no answer";
  const Decision decision = end();
  EXPECT_THAT(slurm_.resumed, IsEmpty());
  EXPECT_THAT(decision.log, HasSubstr("taking it back failed: scontrol show node: no answer"));
  EXPECT_TRUE(decision.is_loud);
}

TEST_F(CarryOut, AReasonThatSomebodyWroteInBetweenIsNotTakenBack) {
  slurm_.after_drain = [](FakeSlurm& slurm) {
    slurm.all.at(2).reason = "Ada is at it";
    for (std::size_t i = 10; i < 15; ++i)
      slurm.all.at(i) = node(slurm.all.at(i).name, "IDLE+DRAIN", "fabricheck: gpu: GPU0 does not answer");
  };
  const Decision decision = end();
  EXPECT_THAT(slurm_.resumed, IsEmpty());
  EXPECT_THAT(decision.log, HasSubstr("no longer fabricheck's"));
  slurm_.listing_problem = "no answer";
  question_.nodes.at(2).reason.clear();
  end();
  EXPECT_THAT(slurm_.resumed, IsEmpty());
}

TEST_F(Drain, NeighboursTakeTurns) {
  std::set<std::chrono::milliseconds> turns;
  for (std::size_t i = 0; i < 4; ++i) {
    question_.node = question_.nodes.at(i).name;
    turns.insert(turn_of(question_));
  }
  EXPECT_EQ(turns.size(), 4U);
  EXPECT_LT(*turns.rbegin(), std::chrono::seconds(1));
}

TEST(DrainReason, IsOneSafeLineOfAtMost128Characters) {
  const std::string evil = "a\"b'c`d$e\\f\ng\x1bh;i|j&k=l[m]" + std::string(300, 'x');
  const std::string reason = drain_reason("nvlink", evil);
  EXPECT_LE(reason.size(), 128U);
  EXPECT_TRUE(is_own_reason(reason));
  for (const char c : reason) {
    EXPECT_TRUE(c >= ' ' && c <= '~');
    EXPECT_EQ(std::string_view("\"'`$\\|&=[]{}<>!*?#~").find(c), std::string_view::npos) << c;
  }
  EXPECT_EQ(drain_reason("gpu", "GPU[3,5] do not answer"), "fabricheck: gpu: GPU(3,5) do not answer");
  const std::string path = "/mnt/" + std::string(120, 'p') + "/scratch";
  const std::string long_path = drain_reason("filesystem", path + " is mounted read-only (+1 more)");
  EXPECT_EQ(long_path.size(), 128U);
  EXPECT_THAT(long_path, ::testing::StartsWith("fabricheck: filesystem: /mnt/ppp"));
  EXPECT_THAT(long_path, ::testing::EndsWith("ppp/scratch is mounted read-only (+1 more)"));
  EXPECT_EQ(drain_reason("x", "/a /b " + std::string(300, 'y')).size(), 128U);
  EXPECT_TRUE(is_own_reason("fabricheck: x [root@2026-11-27T00:40:00]"));
  EXPECT_FALSE(is_own_reason("fabricheck was here"));
  EXPECT_FALSE(is_own_reason(""));
}

TEST(SeenTwice, WhatOneLookSawAloneIsNoEvidence) {
  Fault unsure = nvlink("GPU5");
  unsure.deterministic = false;
  EXPECT_THAT(seen_twice({nvlink("GPU3"), unsure}, {nvlink("GPU4"), unsure}), IsEmpty());
  Fault now = nvlink("GPU3");
  now.text = "GPU3 16 of 18 links up";
  EXPECT_THAT(seen_twice({nvlink("GPU3")}, {now, nvlink("GPU4")}), ElementsAre(now));
}

TEST(ParseNodes, AsScontrolPrintsThem) {
  const auto nodes = parse_nodes(
      "NodeName=node1 Arch=x86_64 CoresPerSocket=1 OS=Linux 6.1 #1 SMP State=IDLE ThreadsPerCore=1 "
      "Partitions=main,all BootTime=x Comment=hello\n"
      "NodeName=node2 State=MIXED+DRAIN* Partitions=main ExtSensorsJoules=n/s "
      "Reason=fabricheck: nvlink: GPU3 17 of 18 links up [root@2026-11-27T00:40:00]\n"
      "NodeName=node3 State=DOWN Reason=Not responding [slurm@2026-11-27T00:40:00] "
      "Comment=Reason=fabricheck: x\n"
      "no node\n\n");
  ASSERT_THAT(nodes, SizeIs(3));
  EXPECT_THAT(nodes[0].partitions, ElementsAre("main", "all"));
  EXPECT_FALSE(nodes[0].is_out());
  EXPECT_TRUE(nodes[1].is_out());
  EXPECT_EQ(nodes[1].reason, "fabricheck: nvlink: GPU3 17 of 18 links up");
  EXPECT_TRUE(nodes[1].reason_unix_s);
  EXPECT_TRUE(nodes[2].is_out());
  EXPECT_EQ(nodes[2].reason, "Not responding");
}

TEST(SlurmNode, IsOutByWordsAndNotByPartsOfWords) {
  const auto is_out = [](const char* state) { return SlurmNode{"n", state, "", {}, {}}.is_out(); };
  for (const char* const state :
       {"IDLE+DRAIN", "MIXED*+DRAIN", "DOWN*", "DRAINED", "ALLOCATED+DRAIN~", "FAIL"})
    EXPECT_TRUE(is_out(state)) << state;
  for (const char* const state : {"IDLE", "IDLE+POWERED_DOWN", "MIXED+POWERING_DOWN", "IDLE+CLOUD", ""})
    EXPECT_FALSE(is_out(state)) << state;
}

TEST(ParseNodes, SinceWhenIsLocalTime) {
  const auto since = [](const std::string& mark) {
    return parse_nodes("NodeName=a State=DOWN Reason=x [root@" + mark + "]\n").at(0).reason_unix_s;
  };
  const auto when = since("2026-11-27T00:40:09");
  ASSERT_TRUE(when);
  const auto seconds = static_cast<std::time_t>(*when);
  std::tm parts{};
  ASSERT_NE(::localtime_r(&seconds, &parts), nullptr);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  EXPECT_STREQ(text.data(), "2026-11-27T00:40:09");
  for (const char* const cut :
       {"", "2026", "2026-11-27", "2026-11-27T00:40:0", "2026-11-27T00:40:xx", "Unknown"})
    EXPECT_FALSE(since(cut)) << cut;
}

TEST(ParseNodes, AnythingWillDo) {
  EXPECT_THAT(parse_nodes(""), IsEmpty());
  EXPECT_THAT(parse_nodes("NodeName="), SizeIs(1));
  EXPECT_THAT(parse_nodes("NodeName=a State= Reason= [x@y"), SizeIs(1));
  EXPECT_THAT(parse_nodes(std::string("NodeName=a Reason=x [@]\0\xff", 26)), SizeIs(1));
}

TEST(NodeName, ARangeIsNone) {
  EXPECT_TRUE(is_node_name("gpu-7.rack_3"));
  for (const char* const name : {"", "-x", "node[1-4]", "a,b", "a b", "ALL=1", "$(x)", "a\nb"})
    EXPECT_FALSE(is_node_name(name)) << name;
}

}  // namespace
}  // namespace fabricheck::node
