#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "node/catalog.hpp"
#include "node/device_rows.hpp"
#include "support/node_replay.hpp"
#include "topology/judge/device_fault_kinds.hpp"

namespace fabricheck::node {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

Host h100() {
  Host host;
  host.name = "node7";
  host.environment.hypervisor = "none";
  host.environment.memlock_bytes = 8U << 20U;
  host.gpu_driver = "550.90.07";
  for (int i = 0; i < 8; ++i) {
    Gpu gpu;
    gpu.index = i;
    gpu.name = "NVIDIA H100 80GB HBM3";
    gpu.pci_address = fmt::format("0000:{}8:00.0", i + 1);
    gpu.pcie = {32.0, 16, 32.0, 16};
    gpu.health.emplace();
    gpu.health->throttle_reasons.emplace();
    gpu.fabric = GpuFabric{"completed", "Success", "", std::nullopt, std::nullopt};
    for (int link = 0; link < 18; ++link) gpu.nvlinks.push_back({link, true, 4, 26.5, "switch", ""});
    host.gpus.push_back(std::move(gpu));
  }
  return host;
}

Judgement judged(const NodeFacts& facts, const NodeConfig& config = {}, Profile profile = Profile::prolog) {
  return judge(plan(profile, std::chrono::seconds(5), {}), facts, config, "node7");
}

const CheckRecord& check(const Judgement& judgement, const std::string& id) {
  static const CheckRecord none;
  const auto found = std::find_if(judgement.checks.begin(), judgement.checks.end(),
                                  [&](const CheckRecord& one) { return one.id == id; });
  EXPECT_NE(found, judgement.checks.end()) << id;
  return found == judgement.checks.end() ? none : *found;
}

Verdict verdict(const NodeFacts& facts, const std::string& id, const NodeConfig& config = {}) {
  return check(judged(facts, config), id).verdict;
}

TEST(NodeCatalog, EveryDeviceFaultHasItsRow) {
  namespace fault = topology::fault;
  std::vector<std::string> all;
  for (const topology::FaultKind* kind :
       {&fault::gpu_not_answering, &fault::nic_not_answering, &fault::nvlink_inactive,
        &fault::fabric_manager_down, &fault::fabric_registration_failed, &fault::fabric_unhealthy,
        &fault::pcie_width, &fault::pcie_speed, &fault::ecc_uncorrected, &fault::remap_failed,
        &fault::remap_pending, &fault::page_retirement_pending, &fault::hardware_throttle,
        &fault::port_not_active})
    all.emplace_back(kind->slug);
  const auto slugs = device_slugs();
  EXPECT_EQ(std::set<std::string>(slugs.begin(), slugs.end()), std::set<std::string>(all.begin(), all.end()));
}

TEST(NodeCatalog, IdsAndRanksAreEachOnce) {
  std::set<std::string> ids;
  std::set<int> ranks;
  for (const NodeRow& row : catalog()) {
    EXPECT_TRUE(ids.insert(row.id).second) << row.id;
    EXPECT_TRUE(ranks.insert(row.rank).second) << row.id;
    EXPECT_EQ(row.active, row.judge == nullptr) << row.id;
  }
}

TEST(NodePlan, PrologAndHealthTouchNothing) {
  for (const Profile profile : {Profile::prolog, Profile::health})
    for (const PlannedRow& planned : plan(profile, std::chrono::hours(1), {}))
      EXPECT_FALSE(planned.row->active);
  EXPECT_LT(plan(Profile::health, std::chrono::seconds(5), {}).size(),
            plan(Profile::prolog, std::chrono::seconds(5), {}).size());
}

TEST(NodePlan, TakesTheMostTellingFirstAndSaysWhatItLeftOut) {
  const auto short_plan = plan(Profile::acceptance, std::chrono::milliseconds(2200), {"node.clock"});
  const auto left_out = [&](const std::string& id) {
    for (const PlannedRow& planned : short_plan)
      if (planned.row->id == id) return planned.left_out;
    return std::string("not planned");
  };
  EXPECT_THAT(left_out("node.verbs_loopback"), IsEmpty());
  EXPECT_THAT(left_out("node.host_memory"), HasSubstr("takes about 300 ms and 100 ms"));
  EXPECT_THAT(left_out("node.clock"), HasSubstr("configuration"));
  for (const PlannedRow& planned : plan(Profile::epilog, std::chrono::seconds(5), {}))
    EXPECT_THAT(planned.left_out, IsEmpty()) << planned.row->id << ": the default budget is for all";
}

TEST(NodeJudge, AGoodNodePasses) {
  const Judgement judgement = judged(facts_of(h100()));
  EXPECT_THAT(judgement.faults, IsEmpty());
  EXPECT_THAT(judgement.unclear, IsEmpty());
  for (const char* const id : {"node.gpus", "node.driver", "node.nvlink", "node.fabric_manager",
                               "node.gpu_memory", "node.throttle", "node.pcie", "node.kernel_log"})
    EXPECT_EQ(check(judgement, id).verdict, Verdict::pass) << id;
}

TEST(NodeJudge, LinksThatAreDownAreCounted) {
  Host host = h100();
  host.gpus[3].nvlinks[4].active = false;
  const Judgement judgement = judged(facts_of(host));
  ASSERT_THAT(judgement.faults, SizeIs(1));
  EXPECT_EQ(judgement.faults[0].text, "GPU3 17 of 18 links up");
  EXPECT_EQ(judgement.faults[0].topic, "nvlink");
  EXPECT_TRUE(judgement.faults[0].deterministic);
  EXPECT_EQ(check(judgement, "node.nvlink").verdict, Verdict::fail);
}

TEST(NodeJudge, WhatIsNotKnownIsNoPass) {
  Host host = h100();
  host.gpus[2].nvlinks[0].active.reset();
  host.gpus[4].health.reset();
  host.gpus[5].fabric->state.clear();
  const Judgement judgement = judged(facts_of(host));
  for (const char* const id : {"node.nvlink", "node.gpu_memory", "node.throttle", "node.fabric_manager"})
    EXPECT_EQ(check(judgement, id).verdict, Verdict::inconclusive) << id;
  EXPECT_THAT(judgement.faults, IsEmpty());
}

TEST(NodeJudge, AGpuThatDoesNotAnswerIsEvidenceAndASlowDriverIsNot) {
  Host host = h100();
  host.gpus[1].status = "not answering";
  host.gpus[1].problem = "GPU is lost (15)";
  EXPECT_EQ(verdict(facts_of(host), "node.gpus"), Verdict::fail);
  for (Gpu& gpu : host.gpus) {
    gpu.status = "not answering";
    gpu.problem = "not reached: NVML did not return within 1.25 s (nvmlInit_v2)";
  }
  NodeFacts facts = facts_of(host);
  EXPECT_EQ(verdict(facts, "node.gpus"), Verdict::inconclusive);
  facts.nvml_deadline_s = 25;
  EXPECT_EQ(verdict(facts, "node.gpus"), Verdict::fail);
}

TEST(NodeJudge, AGpuThatIsSlowToStartIsNoEvidence) {
  Host host = h100();
  for (std::size_t i = 2; i < host.gpus.size(); ++i) {
    host.gpus[i].status = "not answering";
    host.gpus[i].problem = i == 2 ? "NVML did not return within 1.25 s (nvmlDeviceGetHandleByIndex_v2)"
                                  : "not reached: NVML did not return within 1.25 s "
                                    "(nvmlDeviceGetHandleByIndex_v2 for GPU 2)";
  }
  NodeFacts facts = facts_of(host);
  const CheckRecord slow = check(judged(facts), "node.gpus");
  EXPECT_EQ(slow.verdict, Verdict::inconclusive);
  EXPECT_THAT(slow.reason, HasSubstr("start nvidia-persistenced"));
  facts.nvml_deadline_s = 25;
  EXPECT_EQ(verdict(facts, "node.gpus"), Verdict::fail);
  // An answer is an answer, however soon it comes.
  host.gpus[2].problem = "nvmlDeviceGetHandleByIndex_v2: GPU is lost (15)";
  EXPECT_EQ(verdict(facts_of(host), "node.gpus"), Verdict::fail);
}

TEST(NodeJudge, WhatNvmlDoesNotTellIsNeitherWellNorBroken) {
  Host host = h100();
  host.gpus[3].status = "state not known";
  host.gpus[3].problem = "nvmlDeviceGetHandleByIndex_v2: Insufficient Memory (20)";
  const Judgement one = judged(facts_of(host));
  EXPECT_THAT(one.faults, IsEmpty());
  EXPECT_EQ(check(one, "node.gpus").verdict, Verdict::inconclusive);
  EXPECT_EQ(check(one, "node.gpus").reason, "GPU3: nvmlDeviceGetHandleByIndex_v2: Insufficient Memory (20)");
  for (const char* const id : {"node.gpu_memory", "node.throttle", "node.nvlink", "node.fabric_manager"})
    EXPECT_EQ(check(one, id).verdict, Verdict::inconclusive) << id;

  host.gpus[5].status = "not answering";
  host.gpus[5].problem = "nvmlDeviceGetHandleByIndex_v2: GPU is lost (15)";
  const Judgement both = judged(facts_of(host));
  ASSERT_THAT(both.faults, SizeIs(1));
  EXPECT_EQ(both.faults[0].part, "GPU5");
  EXPECT_THAT(check(both, "node.gpus").reason, HasSubstr("not judged: GPU3: nvmlDevice"));

  host = h100();
  host.gpu_driver.clear();
  for (Gpu& gpu : host.gpus) {
    Gpu bare;
    bare.index = gpu.index;
    bare.pci_address = gpu.pci_address;
    bare.status = "state not known";
    bare.problem = "x.so is not on this host";
    gpu = bare;
  }
  NodeFacts facts = facts_of(host);
  Expectation expected;
  expected.gpus = 8;
  const topology::Judged held = topology::judge_expectation(topology::merge_hosts({host}), expected);
  facts.topology_checks.push_back(held.check);
  for (const Finding& finding : held.findings) facts.topology_findings.push_back(finding);
  const Judgement none = judged(facts);
  EXPECT_THAT(none.faults, IsEmpty());
  EXPECT_EQ(check(none, "node.gpus").reason, "GPU[0-7]: x.so is not on this host");
  EXPECT_EQ(check(none, "topology.expectation").verdict, Verdict::inconclusive);
}

TEST(NodeJudge, WhatIsExpectedOfGpusThatAreSlowToStartIsNoEvidence) {
  Host host = h100();
  for (Gpu& gpu : host.gpus) {
    gpu.status = "not answering";
    gpu.problem = "not reached: NVML did not return within 1.25 s (nvmlInit_v2)";
  }
  NodeFacts facts = facts_of(host);
  Expectation expected;
  expected.gpus = 8;
  ClusterTopology cluster = topology::merge_hosts({host});
  topology::Judged judged_topology = topology::judge_expectation(cluster, expected);
  facts.topology_checks.push_back(judged_topology.check);
  for (const Finding& finding : judged_topology.findings) facts.topology_findings.push_back(finding);
  ASSERT_EQ(judged_topology.check.verdict, Verdict::fail);
  EXPECT_EQ(verdict(facts, "topology.expectation"), Verdict::inconclusive);
  for (const Fault& fault : judged(facts).faults) EXPECT_FALSE(fault.deterministic) << fault.text;
  facts.nvml_deadline_s = 25;
  EXPECT_EQ(verdict(facts, "topology.expectation"), Verdict::fail);
}

TEST(NodePart, NamesOfGpusAreSplit) {
  EXPECT_THAT(gpus_of("GPU3"), ElementsAre(3));
  EXPECT_THAT(gpus_of("GPU[1,4-6]"), ElementsAre(1, 4, 5, 6));
  EXPECT_THAT(gpus_of("GPU3, GPU5"), ElementsAre(3, 5));
  for (const char* const other : {"", "GPU", "GPU[1", "GPU[]", "mlx5_0", "GPU3, mlx5_0", "GPU3x", "GPU-1"})
    EXPECT_THAT(gpus_of(other), IsEmpty()) << other;
}

TEST(NodeJudge, NvmlThatCannotBeAskedAgainIsEvidence) {
  Host host = h100();
  for (Gpu& gpu : host.gpus) gpu.status = "not asked";
  NodeFacts facts = facts_of(host);
  facts.nvml_stuck = "a process that asked NVML cannot be killed";
  EXPECT_EQ(verdict(facts, "node.gpus"), Verdict::inconclusive);  // a driver that is slow to start, yet
  facts.is_nvml_surely_stuck = true;
  facts.nvml_stuck_part = "GPU3";
  EXPECT_EQ(verdict(facts, "node.gpus"), Verdict::fail);
  // Part and kind are those of the look that saw it hang.
  Host seen = h100();
  seen.gpus[3].status = "not answering";
  seen.gpus[3].problem = "NVML did not return within 1.25 s (nvmlDeviceGetTotalEccErrors)";
  EXPECT_THAT(seen_twice(judged(facts_of(seen)).faults, judged(facts).faults), SizeIs(1));
}

TEST(NodeJudge, ThrottlingAndTheSpeedOfAGpuAtRestDoNotDrain) {
  Host host = h100();
  host.gpus[0].health->throttle_reasons = {"hw-thermal-slowdown"};
  host.gpus[0].pcie.speed_GTps = 2.5;
  const Judgement judgement = judged(facts_of(host));
  EXPECT_EQ(check(judgement, "node.throttle").verdict, Verdict::inconclusive);
  EXPECT_NE(check(judgement, "node.pcie").verdict, Verdict::fail);
  for (const Fault& fault : judgement.faults) EXPECT_FALSE(fault.deterministic) << fault.text;
}

TEST(NodeJudge, OfAJobWithoutGpusNoGpuIsAsked) {
  Host host = h100();
  for (Gpu& gpu : host.gpus) gpu.status = "not asked";
  NodeFacts facts = facts_of(host);
  facts.gpus_skipped = true;
  const Judgement judgement = judged(facts);
  EXPECT_THAT(judgement.unclear, IsEmpty());
  EXPECT_THAT(judgement.not_tested, Contains(Field(&NotTested::reason, "the job has no GPUs")));
}

TEST(NodeJudge, GpusThatThisProcessMayNotSeeAreSkippedAndNotSilent) {
  Host host = h100();
  for (Gpu& gpu : host.gpus) gpu.status = "hidden";
  host.gpus[3].status = "not asked";
  const Judgement judgement = judged(facts_of(host));
  EXPECT_THAT(judgement.faults, IsEmpty());
  for (const char* const id : {"node.gpus", "node.gpu_memory"})
    EXPECT_THAT(
        judgement.not_tested,
        Contains(AllOf(Field(&NotTested::id, id),
                       Field(&NotTested::reason, HasSubstr("the GPUs are hidden from this process")))));
}

TEST(NodeJudge, ADeviceAtWhichTheProbeHungIsNamed) {
  NodeFacts facts;
  facts.host_unknown = "did not answer within 2000 ms";
  facts.hung_device = "mlx5_3";
  EXPECT_EQ(verdict(facts, "node.nics"), Verdict::inconclusive);  // it may be those before it that took long
  facts.is_surely_hung = true;
  facts.kernel_log.events.emplace();
  const Judgement judgement = judged(facts);
  ASSERT_THAT(judgement.faults, SizeIs(1));
  EXPECT_EQ(judgement.faults[0].part, "mlx5_3");
  EXPECT_EQ(check(judgement, "node.gpus").verdict, Verdict::inconclusive);
}

TEST(NodeJudge, ASilentNicIsEvidenceOnlyWhereOthersSpeak) {
  Host host = h100();
  RdmaDevice silent;
  silent.name = silent.pci_address = "0000:19:00.0";
  silent.status = "not answering";
  host.rdma_devices = {silent};
  EXPECT_EQ(verdict(facts_of(host), "node.nics"), Verdict::inconclusive);
  RdmaDevice other;
  other.name = "mlx5_0";
  other.ports.emplace_back().state = "ACTIVE";
  host.rdma_devices.push_back(other);
  EXPECT_EQ(verdict(facts_of(host), "node.nics"), Verdict::fail);
  // A port that is down may have no cable: it is named, and no PASS.
  host.rdma_devices = {other};
  EXPECT_EQ(verdict(facts_of(host), "node.nics"), Verdict::pass);
  host.rdma_devices[0].ports[0].state = "DOWN";
  const CheckRecord down = check(judged(facts_of(host)), "node.nics");
  EXPECT_EQ(down.verdict, Verdict::unchecked);
  EXPECT_THAT(down.reason, HasSubstr("mlx5_0 port"));
}

TEST(NodeJudge, OnlyXidsOfTheHardwareSinceTheLastVisitDrain) {
  NodeFacts facts = facts_of(h100());
  facts.kernel_log.events = {
      {"Xid", 31, "0000:18:00", ""}, {"Xid", 43, "0000:28:00", ""}, {"SXid", 79, "0000:07:00", ""}};
  EXPECT_EQ(verdict(facts, "node.kernel_log"), Verdict::pass);
  EXPECT_THAT(check(judged(facts), "node.kernel_log").reason,
              HasSubstr("Xid 31 of GPU0, Xid 43 of GPU1, SXid 79 of 0000:07:00"));
  facts.kernel_log.events->push_back({"Xid", 79, "0000:48:00", ""});
  const Judgement judgement = judged(facts);
  ASSERT_THAT(judgement.faults, SizeIs(1));
  EXPECT_EQ(judgement.faults[0].text, "GPU3 Xid 79 since the last visit");
  facts.kernel_log.events = {{"Xid", 79, "0000:f8:00", ""}, {"Xid", 79, "0000:4", ""}};
  EXPECT_EQ(verdict(facts, "node.kernel_log"), Verdict::inconclusive);  // no GPU of this node
  facts.kernel_log.first_visit = true;
  EXPECT_EQ(verdict(facts, "node.kernel_log"), Verdict::unchecked);
  facts.kernel_log.events.reset();
  EXPECT_EQ(verdict(facts, "node.kernel_log"), Verdict::inconclusive);
}

TEST(NodeJudge, CountersAreJudgedOnlyWhereTheSiteSetsALimit) {
  NodeFacts facts = facts_of(h100());
  facts.counters = {{"mlx5_0/1 local_ack_timeout_err", "local_ack_timeout_err", 9e6, 9e6},
                    {"mlx5_0/1 symbol_error", "symbol_error", 500, 500}};
  EXPECT_EQ(verdict(facts, "node.counters"), Verdict::unchecked);
  NodeConfig config;
  config.counters_per_hour_max["symbol_error"] = 1000;
  EXPECT_EQ(verdict(facts, "node.counters", config), Verdict::pass);
  config.counters_per_hour_max["symbol_error"] = 100;
  EXPECT_EQ(verdict(facts, "node.counters", config), Verdict::fail);
}

TEST(NodeJudge, CountersOfAFirstVisitAreNoPassHoweverLimited) {
  NodeFacts facts = facts_of(h100());
  facts.counters = {{"mlx5_0/1 symbol_error", "symbol_error", 500, {}}};
  NodeConfig config;
  config.counters_per_hour_max["symbol_error"] = 1000;
  EXPECT_EQ(verdict(facts, "node.counters", config), Verdict::unchecked);
}

TEST(NodeJudge, FileSystems) {
  NodeFacts facts = facts_of(h100());
  NodeConfig config;
  config.file_systems = {{"/scratch", true, std::uint64_t{1} << 30U}};
  const auto with = [&](FileSystemFact fact) {
    fact.path = "/scratch";
    facts.file_systems = {fact};
    return verdict(facts, "node.file_systems", config);
  };
  FileSystemFact good;
  good.mounted = true;
  good.read_only = false;
  good.free_bytes = std::uint64_t{2} << 30U;
  EXPECT_EQ(with(good), Verdict::pass);
  FileSystemFact fact = good;
  fact.mounted = false;
  EXPECT_EQ(with(fact), Verdict::fail);
  fact = good;
  fact.read_only = true;
  EXPECT_EQ(with(fact), Verdict::fail);
  fact = good;
  fact.write_problem = "No space left on device";
  EXPECT_EQ(with(fact), Verdict::fail);
  fact = good;
  fact.write_unknown = "Permission denied (as root it cannot be judged: root may be squashed)";
  EXPECT_EQ(with(fact), Verdict::inconclusive);
  EXPECT_THAT(check(judged(facts, config), "node.file_systems").reason, HasSubstr("root may be squashed"));
  fact.free_bytes = 5;
  EXPECT_EQ(with(fact), Verdict::fail);
  fact = good;
  fact.free_bytes = 5;
  EXPECT_EQ(with(fact), Verdict::fail);
  fact = good;
  fact.stuck = true;
  EXPECT_EQ(with(fact), Verdict::fail);
  fact = good;
  fact.unknown = "did not answer within 1000 ms";  // a server under load does not, either
  EXPECT_EQ(with(fact), Verdict::inconclusive);
  fact = good;
  fact.free_bytes.reset();
  EXPECT_EQ(with(fact), Verdict::inconclusive);
  fact = good;
  fact.unknown = "Permission denied";
  EXPECT_EQ(with(fact), Verdict::inconclusive);
}

TEST(NodeJudge, WithoutATargetItIsRecordedOnly) {
  NodeFacts facts = facts_of(h100());
  facts.clock = {false, 16.0, ""};
  facts.shared_memory.bytes = 64U << 20U;
  EXPECT_EQ(verdict(facts, "node.clock"), Verdict::unchecked);
  EXPECT_EQ(verdict(facts, "node.shm"), Verdict::unchecked);
  EXPECT_EQ(verdict(facts, "node.memlock"), Verdict::unchecked);
  NodeConfig config;
  config.clock_synchronised = true;
  config.shm_bytes_min = 1U << 30U;
  config.memlock_bytes_min = 1U << 30U;
  EXPECT_EQ(verdict(facts, "node.clock", config), Verdict::fail);
  EXPECT_EQ(verdict(facts, "node.shm", config), Verdict::fail);
  EXPECT_EQ(verdict(facts, "node.memlock", config), Verdict::fail);
}

TEST(NodeReplay, NoGoodMachineIsDrainedAndABadOneIs) {
  const NodeConfig config = replay_config();
  const auto planned = plan(Profile::prolog, std::chrono::seconds(5), {});
  Noise noise(7);
  Host bad = h100();
  bad.gpus[3].nvlinks[4].active = false;
  int drained = 0;
  for (int i = 0; i < 300; ++i) {
    EXPECT_NE(replay(h100(), config, planned, noise).action, DrainAction::drain);
    if (replay(bad, config, planned, noise).action == DrainAction::drain) ++drained;
  }
  EXPECT_GT(drained, 150);
}

}  // namespace
}  // namespace fabricheck::node
