#include "app/launch_plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "support/sentence_of.hpp"

namespace fabricheck::app {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using Words = std::vector<std::string>;

LaunchFacts facts_of_login_node() {
  LaunchFacts facts;
  facts.cpus = 64;
  facts.host_name = "login1.cluster";
  facts.program = "/opt/fabricheck";
  return facts;
}

LaunchFacts facts_of_gpu_node() {
  LaunchFacts facts = facts_of_login_node();
  facts.gpus = 8;
  facts.host_name = "node1";
  return facts;
}

LaunchOptions options_for(const Words& hosts = {}) {
  LaunchOptions options;
  options.hosts = hosts;
  options.run_arguments = {"run", "--out", "my results"};
  options.run.budget = std::chrono::seconds(8);
  options.run.silence = std::chrono::seconds(5);
  return options;
}

std::string command(const LaunchPlan& plan) { return shell_command(plan.argv); }

std::string plan_error(const LaunchOptions& options, const Environment& environment = {},
                       const LaunchFacts& facts = facts_of_login_node()) {
  return test::sentence_of([&] { plan_launch(options, environment, facts); });
}
std::string host_error(const std::string& host) { return plan_error(options_for({host})); }
std::string hostfile_error(const std::string& text) {
  return test::sentence_of([&] { parse_hostfile(text, "hosts.txt"); });
}

const Environment allocation{{"SLURM_JOB_NODELIST", "node[1-2]"}, {"SLURM_JOB_NUM_NODES", "2"}};

TEST(LaunchPlan, ThisMachineAlone) {
  const LaunchPlan plan = plan_launch(options_for(), {}, facts_of_login_node());
  EXPECT_EQ(command(plan),
            "mpirun -np 2 --bind-to none --oversubscribe --mca mpi_yield_when_idle 0 --mca "
            "oob_tcp_keepalive_time 2 "
            "--mca oob_tcp_keepalive_intvl 2 --mca oob_tcp_keepalive_probes 4 --timeout 324 /opt/fabricheck "
            "run --out "
            "'my results' --bind-numa");
  EXPECT_THAT(plan.argv, Not(Contains("--host"))) << "ssh is not needed for this machine";
  EXPECT_THAT(plan.hosts, ElementsAre(LaunchHost{"login1.cluster", 2}));
  EXPECT_TRUE(plan.first_host_is_here);
  EXPECT_THAT(plan.explanation,
              Contains(HasSubstr("2 ranks in host memory: there is no GPU on this machine")));
  EXPECT_THAT(plan.environment, Contains(std::make_pair("FABRICHECK_LAUNCHED", "1")));
  EXPECT_THAT(plan.environment, Contains(std::make_pair("FABRICHECK_TERMINAL", "0")));
}

TEST(LaunchPlan, OneRankPerGpuHere) {
  const LaunchPlan plan = plan_launch(options_for(), {}, facts_of_gpu_node());
  EXPECT_THAT(command(plan), StartsWith("mpirun -np 8 "));
  EXPECT_THAT(plan.explanation, Contains(HasSubstr("8 ranks: one per GPU of this machine")));
  EXPECT_THAT(plan.explanation, Not(Contains(HasSubstr("assumed"))));
}

TEST(LaunchPlan, OneRankPerGpuThatIsShown) {
  const auto ranks = [](const std::string& shown) {
    const LaunchPlan plan =
        plan_launch(options_for(), {{"CUDA_VISIBLE_DEVICES", shown}}, facts_of_gpu_node());
    return plan.hosts.at(0).ranks;
  };
  EXPECT_EQ(ranks("0,1"), 2);
  EXPECT_EQ(ranks("GPU-5a2b, 3"), 2);
  EXPECT_EQ(ranks("GPU-5a2b,MIG-77"), 2);
  EXPECT_EQ(ranks("4,9,5"), 1) << "there is no GPU 9, which hides what follows";
  EXPECT_EQ(ranks("0,1,2,3,4,5,6,7,0"), 8);
  for (const char* none : {"", "-1", "NoDevFiles"}) EXPECT_EQ(ranks(none), 2) << "in host memory: " << none;
  EXPECT_THAT(plan_launch(options_for(), {{"CUDA_VISIBLE_DEVICES", "2"}}, facts_of_gpu_node()).explanation,
              Contains(HasSubstr("1 rank: one per GPU that CUDA_VISIBLE_DEVICES leaves")));
}

TEST(LaunchPlan, GivenHosts) {
  const LaunchPlan plan = plan_launch(options_for({"node1", "node2"}), {}, facts_of_gpu_node());
  EXPECT_THAT(command(plan),
              StartsWith("mpirun --host node1:8,node2:8 --map-by ppr:8:node --bind-to none --mca oob"));
  EXPECT_THAT(plan.argv, Not(Contains("--oversubscribe"))) << "the slots are exactly the ranks";
  EXPECT_THAT(plan.explanation, Contains(HasSubstr("the other hosts are assumed to have as many")));
  EXPECT_TRUE(plan.first_host_is_here);
}

TEST(LaunchPlan, RankZeroElsewhere) {
  const LaunchPlan plan = plan_launch(options_for({"node1", "node2"}), {}, facts_of_login_node());
  EXPECT_FALSE(plan.first_host_is_here);
  EXPECT_THAT(plan.explanation, Contains(HasSubstr("rank 0 runs on node1: results are written there")));
  EXPECT_THAT(plan.explanation, Contains(HasSubstr("where the others have some, give --ranks-per-node")));
  EXPECT_TRUE(plan_launch(options_for({"login1"}), {}, facts_of_login_node()).first_host_is_here);
  EXPECT_TRUE(plan_launch(options_for({"localhost"}), {}, facts_of_login_node()).first_host_is_here);
}

TEST(LaunchPlan, RankZeroIsOnThisMachineWhereverTheListHasIt) {
  LaunchFacts facts = facts_of_gpu_node();
  facts.addresses = {"127.0.0.1", "10.0.0.7"};
  const LaunchPlan plan = plan_launch(options_for({"node3", "node2", "node1:4"}), {}, facts);
  EXPECT_THAT(plan.hosts,
              ElementsAre(LaunchHost{"node1", 4}, LaunchHost{"node3", 8}, LaunchHost{"node2", 8}));
  EXPECT_TRUE(plan.first_host_is_here);
  EXPECT_THAT(plan.explanation, Not(Contains(HasSubstr("rank 0"))));
  EXPECT_EQ(plan_launch(options_for({"node2", "10.0.0.7"}), {}, facts).hosts.front().name, "10.0.0.7");
  EXPECT_TRUE(plan_launch(options_for(), {{"SLURM_JOB_NODELIST", "node[0-1]"}}, facts).first_host_is_here);
}

TEST(LaunchPlan, MpirunNoticesADeadLinkAfterTheWatchdog) {
  LaunchOptions options = options_for({"node1", "node2"});
  options.run.silence = std::chrono::milliseconds(20'500);
  EXPECT_THAT(command(plan_launch(options, {}, facts_of_login_node())),
              HasSubstr("--mca oob_tcp_keepalive_intvl 6 --mca oob_tcp_keepalive_probes 4 "));
}

TEST(LaunchPlan, RankCountsInTheirOrder) {
  LaunchOptions options = options_for({"node1:2", "node2:2"});
  options.ranks_per_node = 4;
  const Environment slurm{{"SLURM_JOB_NODELIST", "node[1-2]"}, {"SLURM_GPUS_ON_NODE", "6"}};
  const auto ranks = [](const LaunchPlan& plan) { return plan.hosts.front().ranks; };
  EXPECT_EQ(ranks(plan_launch(options, slurm, facts_of_gpu_node())), 2) << "host:N first";
  options.hosts = {"node1", "node2"};
  EXPECT_EQ(ranks(plan_launch(options, slurm, facts_of_gpu_node())), 4) << "then --ranks-per-node";
  options.ranks_per_node.reset();
  EXPECT_EQ(ranks(plan_launch(options, slurm, facts_of_gpu_node())), 6) << "then Slurm's GPUs";
  EXPECT_EQ(ranks(plan_launch(options, {{"SLURM_GPUS_ON_NODE", "6"}}, facts_of_gpu_node())), 8)
      << "which mean nothing outside of an allocation";
  EXPECT_EQ(ranks(plan_launch(options, {}, facts_of_gpu_node())), 8) << "then the GPUs here";
  EXPECT_EQ(ranks(plan_launch(options, {}, facts_of_login_node())), 2) << "else two";
}

TEST(LaunchPlan, UnequalHosts) {
  const LaunchPlan plan = plan_launch(options_for({"a:2", "b:4", "c"}), {}, facts_of_gpu_node());
  EXPECT_THAT(command(plan), StartsWith("mpirun --host a:2,b:4,c:8 -np 14 --map-by slot --bind-to none"));
  EXPECT_THAT(plan.explanation, Contains(HasSubstr("different numbers of ranks")));
  EXPECT_THAT(plan_error(options_for({"node1:2", "node2:4"}), allocation), HasSubstr("same number of ranks"));
}

TEST(LaunchPlan, MoreRanksThanCpus) {
  LaunchFacts facts = facts_of_login_node();
  facts.cpus = 1;
  const LaunchPlan plan = plan_launch(options_for(), {}, facts);
  EXPECT_THAT(command(plan), HasSubstr("--oversubscribe --mca mpi_yield_when_idle 1"));
  EXPECT_THAT(plan.explanation, Contains(HasSubstr("2 ranks share 1 CPU: ")));
  EXPECT_THAT(command(plan_launch(options_for({"localhost"}), {}, facts)),
              HasSubstr("--mca mpi_yield_when_idle 1"));
}

TEST(LaunchPlan, TheCpusOfThisMachineTellNothingOfOthers) {
  LaunchFacts facts = facts_of_gpu_node();
  facts.cpus = 2;
  for (const Words& hosts : {Words{"node1", "node2"}, Words{"node2"}}) {
    const LaunchPlan plan = plan_launch(options_for(hosts), {}, facts);
    EXPECT_THAT(plan.explanation, Not(Contains(HasSubstr("CPU"))));
    EXPECT_THAT(plan.argv, Not(Contains("mpi_yield_when_idle")));
  }
  EXPECT_THAT(command(plan_launch(options_for(), allocation, facts)),
              HasSubstr("--mca mpi_yield_when_idle 0"));
}

TEST(LaunchPlan, AYieldSetByTheUserIsKept) {
  const LaunchPlan plan =
      plan_launch(options_for(), {{"OMPI_MCA_mpi_yield_when_idle", "1"}}, facts_of_login_node());
  EXPECT_THAT(plan.argv, Not(Contains("mpi_yield_when_idle")));
}

TEST(LaunchPlan, RootAndTerminal) {
  LaunchFacts facts = facts_of_login_node();
  facts.is_root = true;
  facts.stdout_is_terminal = true;
  const LaunchPlan plan = plan_launch(options_for(), {}, facts);
  EXPECT_THAT(plan.argv, Contains("--allow-run-as-root"));
  EXPECT_EQ(plan.environment.at("FABRICHECK_TERMINAL"), "1");
  EXPECT_THAT(plan_launch(options_for(), {}, facts_of_login_node()).argv,
              Not(Contains("--allow-run-as-root")));
}

TEST(LaunchPlan, TimeoutFromOptionOrBudget) {
  LaunchOptions options = options_for();
  options.run.budget = std::chrono::milliseconds(100);
  EXPECT_EQ(plan_launch(options, {}, facts_of_login_node()).timeout, std::chrono::seconds(301))
      << "rounded up";
  options.timeout = std::chrono::milliseconds(1500);
  const LaunchPlan plan = plan_launch(options, {}, facts_of_login_node());
  EXPECT_EQ(plan.timeout, std::chrono::seconds(2));
  EXPECT_THAT(command(plan), HasSubstr("--timeout 2 "));
}

TEST(LaunchPlan, WhatTakesLongerThanTheBudgetIsNotCutShort) {
  LaunchOptions options = options_for();
  options.run.gpu.burn = std::chrono::hours(10);
  EXPECT_EQ(plan_launch(options, {}, facts_of_login_node()).timeout, std::chrono::seconds(36'324));
  options.run.verify_repeat = 1'000'000'000;
  const LaunchPlan hunt = plan_launch(options, {}, facts_of_login_node());
  EXPECT_FALSE(hunt.timeout);
  EXPECT_THAT(hunt.argv, Not(Contains("--timeout")));
  options.timeout = std::chrono::hours(1);
  EXPECT_THAT(command(plan_launch(options, {}, facts_of_login_node())), HasSubstr("--timeout 3600 "));
}

TEST(LaunchPlan, OneRankIsOne) {
  LaunchOptions options = options_for({"a", "b"});
  options.ranks_per_node = 1;
  EXPECT_THAT(plan_launch(options, {}, facts_of_login_node()).explanation,
              Contains("1 rank on each host: --ranks-per-node"));
  options.hosts.clear();
  EXPECT_THAT(plan_launch(options, {}, facts_of_login_node()).explanation,
              Contains("1 rank: --ranks-per-node"));
}

TEST(LaunchPlan, BindNumaIsNotGivenTwice) {
  LaunchOptions options = options_for();
  options.run_arguments = {"run", "--bind-numa"};
  options.run.bind_numa = true;
  const LaunchPlan plan = plan_launch(options, {}, facts_of_login_node());
  EXPECT_EQ(std::count(plan.argv.begin(), plan.argv.end(), "--bind-numa"), 1);
}

TEST(LaunchPlan, SlurmAllocation) {
  const LaunchPlan plan = plan_launch(options_for(), allocation, facts_of_gpu_node());
  EXPECT_THAT(command(plan), StartsWith("mpirun --map-by ppr:8:node --bind-to none --oversubscribe "
                                        "--mca mpi_yield_when_idle 0 "))
      << "mpirun knows the hosts from Slurm, whose slots are tasks";
  EXPECT_THAT(plan.hosts, ElementsAre(LaunchHost{"node1", 8}, LaunchHost{"node2", 8}));
  EXPECT_THAT(plan.explanation, Contains(HasSubstr("the 2 hosts of the Slurm allocation (node1, node2)")));
}

TEST(LaunchPlan, PartOfASlurmAllocation) {
  const LaunchPlan plan = plan_launch(options_for({"node2.cluster"}), allocation, facts_of_gpu_node());
  EXPECT_THAT(command(plan), StartsWith("mpirun --host node2.cluster:8 "));
  EXPECT_EQ(plan_error(options_for({"node3"}), allocation),
            "the host 'node3' is not in the Slurm allocation (node1, node2)");
  EXPECT_THAT(plan_error(options_for({"localhost"}), allocation), HasSubstr("not in the Slurm allocation"));
  EXPECT_EQ(plan_error(options_for({"localhost"}), allocation, facts_of_gpu_node()), "no error");
}

TEST(LaunchPlan, BrokenSlurmVariables) {
  EXPECT_THAT(plan_error(options_for(), {{"SLURM_JOB_NODELIST", "node[1-"}}),
              StartsWith("SLURM_JOB_NODELIST: the node list"));
  EXPECT_THAT(plan_error(options_for(), {{"SLURM_JOB_NODELIST", "node[1-2]"}, {"SLURM_JOB_NUM_NODES", "3"}}),
              HasSubstr("names 2 hosts, but SLURM_JOB_NUM_NODES is '3'"));
  EXPECT_THAT(plan_error(options_for(), {{"SLURM_JOB_NODELIST", "a"}, {"SLURM_GPUS_ON_NODE", "many"}}),
              HasSubstr("SLURM_GPUS_ON_NODE is 'many'"));
}

TEST(LaunchPlan, RefusesToLaunchFromInsideAJob) {
  EXPECT_THAT(plan_error(options_for(), {{"OMPI_COMM_WORLD_SIZE", "4"}}),
              HasSubstr("itself started by mpirun with 4 ranks"));
  EXPECT_THAT(plan_error(options_for(), {{"FABRICHECK_LAUNCHED", "1"}}),
              HasSubstr("not as a rank of its job"));
}

TEST(LaunchPlan, HostNames) {
  EXPECT_EQ(host_error("node-1.a_b.c"), "no error");
  EXPECT_EQ(host_error("10.77.0.1"), "no error");
  EXPECT_EQ(host_error(""), "--hosts: the host name '' is empty");
  EXPECT_EQ(host_error(":4"), "--hosts: the host name '' is empty");
  EXPECT_EQ(host_error("-oProxyCommand=x"), "--hosts: the host name '-oProxyCommand=x' begins with a dash");
  for (const std::string bad :
       {"a b", "a;b", "$(x)", "a`b`", "a|b", "a&b", "a/b", "a\nb", "a'b", "a*", "a\\b", "user@a", "é"}) {
    EXPECT_THAT(host_error(bad), HasSubstr("holds a character other than")) << bad;
  }
  EXPECT_THAT(host_error("[fe80::1]:4"), HasSubstr("IPv6"));
  for (const char* range : {"node[1-4]", "node[1", "n[1-2]x[3-4]:8"})
    EXPECT_THAT(host_error(range), AllOf(HasSubstr("node1,node2,..."), HasSubstr("--hostfile"))) << range;
  EXPECT_EQ(host_error(std::string(253, 'a')), "no error");
  EXPECT_THAT(host_error(std::string(254, 'a')), HasSubstr("longer than 253 characters"));
  EXPECT_THAT(host_error("a:0"), HasSubstr("the rank count of host 'a' is '0'"));
  EXPECT_THAT(host_error("a:x"), HasSubstr("is 'x'"));
  EXPECT_THAT(host_error("a:"), HasSubstr("is ''"));
  EXPECT_THAT(host_error("a:1025"), HasSubstr("from 1 to 1024"));
  EXPECT_THAT(plan_error(options_for({"a", "b", "A"})), HasSubstr("--hosts: the host 'A' is named twice"));
  LaunchOptions both = options_for({"a"});
  both.hostfile = "f";
  EXPECT_EQ(plan_error(both), "--hosts and --hostfile are both given; give one of them");
}

TEST(LaunchPlan, ListThatNoCommandHolds) {
  Words hosts;
  for (int i = 0; i < 1000; ++i) hosts.push_back(std::string(200, 'a') + std::to_string(i));
  EXPECT_THAT(plan_error(options_for(hosts)), HasSubstr("longer than one command can hold"));
}

TEST(Hostfile, Forms) {
  const auto hosts =
      parse_hostfile("# ours\nnode1 slots=4\r\n\n  node2:8   # good\nnode3\n\tnode4\tslots=2", "h");
  EXPECT_THAT(hosts, ElementsAre(LaunchHost{"node1", 4}, LaunchHost{"node2", 8}, LaunchHost{"node3", 0},
                                 LaunchHost{"node4", 2}));
}

TEST(Hostfile, IsUsed) {
  LaunchOptions options = options_for();
  options.hostfile = "hosts.txt";
  LaunchFacts facts = facts_of_gpu_node();
  facts.hostfile_text = "node1 slots=2\nnode2 slots=2\n";
  EXPECT_THAT(command(plan_launch(options, {}, facts)),
              StartsWith("mpirun --host node1:2,node2:2 --map-by ppr:2:node"));
}

TEST(Hostfile, ErrorsCarryTheLine) {
  EXPECT_EQ(hostfile_error(""), "the hostfile 'hosts.txt' names no host");
  EXPECT_EQ(hostfile_error("# nobody\n \n"), "the hostfile 'hosts.txt' names no host");
  EXPECT_EQ(hostfile_error("a\n\n-b\n"), "hosts.txt:3: the host name '-b' begins with a dash");
  EXPECT_THAT(hostfile_error("a\nb\na slots=2\n"), StartsWith("hosts.txt:3: the host 'a' is named twice"));
  EXPECT_THAT(hostfile_error("a slots=0\n"), StartsWith("hosts.txt:1: slots is '0'"));
  EXPECT_THAT(hostfile_error("a slots=\n"), StartsWith("hosts.txt:1: slots is ''"));
  EXPECT_THAT(hostfile_error("a slots=-4\n"), HasSubstr("slots is '-4'"));
  EXPECT_THAT(hostfile_error("a slots = 4\n"), HasSubstr("'slots' is not understood"));
  EXPECT_THAT(hostfile_error("a max_slots=4\n"), HasSubstr("'max_slots=4' is not understood"));
  EXPECT_THAT(hostfile_error("a:2 slots=4\n"), HasSubstr("has two rank counts"));
  EXPECT_THAT(hostfile_error(std::string("a\0b\n", 4)), HasSubstr("'a\\x00b' holds a character"));
}

TEST(NodeList, Forms) {
  EXPECT_THAT(expand_node_list("node1"), ElementsAre("node1"));
  EXPECT_THAT(expand_node_list("node[1-3,7],login1"),
              ElementsAre("node1", "node2", "node3", "node7", "login1"));
  EXPECT_THAT(expand_node_list("n[08-11]"), ElementsAre("n08", "n09", "n10", "n11"));
  EXPECT_THAT(expand_node_list("r[1-2]n[01-02]-ib"),
              ElementsAre("r1n01-ib", "r1n02-ib", "r2n01-ib", "r2n02-ib"));
  EXPECT_THAT(expand_node_list("a,b"), ElementsAre("a", "b"));
  EXPECT_EQ(expand_node_list("n[0001-1024]").size(), 1024U);
}

TEST(NodeList, Malformed) {
  const auto error = [](const std::string& list) {
    return test::sentence_of([&] { expand_node_list(list); });
  };
  EXPECT_THAT(error("n[1-3"), HasSubstr("lacks a ']'"));
  EXPECT_THAT(error("n[]"), HasSubstr("'' where a number belongs"));
  EXPECT_THAT(error("n[1,]"), HasSubstr("'' where a number belongs"));
  EXPECT_THAT(error("n[a-b]"), HasSubstr("'a' where a number belongs"));
  EXPECT_THAT(error("n[3-1]"), HasSubstr("impossible range '3-1'"));
  EXPECT_THAT(error("n[1-999999999]"), HasSubstr("impossible range"));
  EXPECT_THAT(error("n[1-99999999999999999999999]"), HasSubstr("where a number belongs"));
  EXPECT_THAT(error("n[" + std::string(100'000, '0') + "1-2]"), HasSubstr("where a number belongs"));
  EXPECT_THAT(error("n[1-60000]x[1-60000]"), HasSubstr("too long"));
  EXPECT_THAT(error("a,,b"), HasSubstr("is empty"));
  EXPECT_THAT(error("a]"), HasSubstr("holds a character"));
  EXPECT_THAT(error("n[1,1]"), HasSubstr("named twice"));
}

TEST(ShellCommand, Quotes) {
  EXPECT_EQ(shell_command({"mpirun", "--host", "a:2,b:2", "ppr:2:node", "x=1"}),
            "mpirun --host a:2,b:2 ppr:2:node x=1");
  EXPECT_EQ(shell_command({"a b", "", "it's", "$HOME", "mpi.*", "a\nb"}),
            "'a b' '' 'it'\\''s' '$HOME' 'mpi.*' 'a\nb'");
}

JobEnding ended(int code, bool wrote) {
  JobEnding ending;
  ending.code = code;
  ending.wrote_result = wrote;
  return ending;
}

TEST(JobOutcomeOf, TheProgramsOwnStatusPassesThrough) {
  for (int code = 0; code <= 4; ++code) {
    EXPECT_EQ(job_outcome(ended(code, true)).exit_status, code);
    EXPECT_EQ(job_outcome(ended(code, true)).sentence, "");
  }
  EXPECT_EQ(job_outcome(ended(2, false)).exit_status, 2) << "a wrong option leaves no result";
  EXPECT_EQ(job_outcome(ended(4, false)).exit_status, 4);
}

TEST(JobOutcomeOf, MpirunsOwnFailureIsNoMissedTarget) {
  EXPECT_EQ(job_outcome(ended(1, false)).exit_status, 3);
  EXPECT_THAT(job_outcome(ended(1, false)).sentence, HasSubstr("mpirun itself failed"));
  EXPECT_EQ(job_outcome(ended(0, false)).exit_status, 3) << "nothing judged is no success";
  EXPECT_EQ(job_outcome(ended(255, false)).exit_status, 3) << "a host that cannot be reached";
  EXPECT_EQ(job_outcome(ended(132, false)).exit_status, 3) << "a program that cannot be executed";
}

TEST(JobOutcomeOf, MpirunsOwnFailureAfterTheResultIsNoMissedTarget) {
  JobEnding ending = ended(1, true);
  ending.recorded = 1;
  EXPECT_EQ(job_outcome(ending).exit_status, 1);
  EXPECT_EQ(job_outcome(ending).sentence, "");
  ending.recorded = 3;
  EXPECT_EQ(job_outcome(ending).exit_status, 3);
  ending.recorded = 0;
  EXPECT_EQ(job_outcome(ending).exit_status, 3) << "success has to be mpirun's word, too";
  EXPECT_THAT(job_outcome(ending).sentence, HasSubstr("after the result was written"));
}

TEST(JobOutcomeOf, AResultElsewhereCannotBeMissed) {
  for (const int code : {0, 1}) {
    JobEnding ending = ended(code, false);
    ending.result_is_here = false;
    EXPECT_EQ(job_outcome(ending).exit_status, code);
  }
}

TEST(JobOutcomeOf, LostRanks) {
  for (const int code : {137, 205, 213, 255, 5, 134})
    EXPECT_EQ(job_outcome(ended(code, true)).exit_status, 4) << code;
  for (const int code : {137, 139, 205, 213, 110})
    EXPECT_EQ(job_outcome(ended(code, false)).exit_status, 4) << code;
  EXPECT_THAT(job_outcome(ended(205, true)).sentence, HasSubstr("205, for it has lost a host"));
  EXPECT_THAT(job_outcome(ended(137, true)).sentence, testing::EndsWith("137"));
  JobEnding killed = ended(0, true);
  killed.killed = true;
  EXPECT_EQ(job_outcome(killed).exit_status, 4);
  killed.wrote_result = false;
  EXPECT_EQ(job_outcome(killed).exit_status, 3);
  JobEnding late = ended(0, true);
  late.timed_out = true;
  EXPECT_EQ(job_outcome(late).exit_status, 4);
}

TEST(JobOutcomeOf, Interrupted) {
  JobEnding ending = ended(1, true);
  ending.interrupted = true;
  EXPECT_EQ(job_outcome(ending).exit_status, 3) << "mpirun's 1 after a signal is no missed target";
  ending.recorded = 1;
  EXPECT_EQ(job_outcome(ending).exit_status, 1) << "but the result's is";
  ending.recorded = 0;
  EXPECT_EQ(job_outcome(ending).exit_status, 3) << "success needs both";
  ending.code = 0;
  EXPECT_EQ(job_outcome(ending).exit_status, 0);
  EXPECT_THAT(job_outcome(ending).sentence, HasSubstr("interrupted"));
}

TEST(JobOutcomeOf, InterruptedBeforeThereWasAResultKeepsNothing) {
  JobEnding ending = ended(1, false);
  ending.interrupted = true;
  EXPECT_THAT(job_outcome(ending).sentence, HasSubstr("before anything was measured"));
  ending.result_is_here = false;
  EXPECT_THAT(job_outcome(ending).sentence, HasSubstr("is kept"))
      << "where rank 0 ran, for all that is known";
}

}  // namespace
}  // namespace fabricheck::app
