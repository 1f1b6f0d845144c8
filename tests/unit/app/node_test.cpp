#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <thread>

#include "app/command_line.hpp"
#include "app/leave_at_sigterm.hpp"
#include "app/node.hpp"
#include "app/node_environment.hpp"
#include "app/node_look.hpp"
#include "app/node_setup.hpp"
#include "core/descriptor.hpp"
#include "core/error.hpp"
#include "process/child.hpp"
#include "support/sentence_of.hpp"
#include "unit/topology/probe/sys_tree.hpp"

namespace fabricheck::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;

NodeOptions parse(std::vector<std::string> words) {
  words.insert(words.begin(), "node");
  return std::get<NodeOptions>(parse_command_line(words, {}));
}

std::string problem(const std::vector<std::string>& words) {
  return test::sentence_of([&] { parse(words); });
}

TEST(NodeOptions, AreThePrologByDefault) {
  const NodeOptions options = parse({});
  EXPECT_EQ(options.profile, node::Profile::prolog);
  EXPECT_FALSE(options.budget);
  EXPECT_FALSE(options.slurm);
  const NodeOptions all = parse({"--profile", "health", "--budget", "2s", "--config", "c", "--expect", "e",
                                 "--json", "-", "--storage-path", "/s", "--slurm"});
  EXPECT_EQ(all.profile, node::Profile::health);
  EXPECT_EQ(all.budget, std::chrono::seconds(2));
  EXPECT_EQ(all.json_file, "-");
  EXPECT_TRUE(all.slurm);
}

TEST(NodeOptions, ATypoIsASentence) {
  EXPECT_THAT(problem({"--profile", "prolg"}), HasSubstr("did you mean 'prolog'?"));
  EXPECT_THAT(problem({"--budget", "0"}), HasSubstr("--budget"));
  EXPECT_THAT(problem({"--budget", "0s"}), HasSubstr("--budget"));
  EXPECT_THAT(problem({"--budget", "2h"}), HasSubstr("is not between"));
  EXPECT_THAT(problem({"--buget", "2s"}), HasSubstr("did you mean '--budget'?"));
}

std::map<std::string, std::string> variables;
const char* lookup(const char* name) {
  const auto found = variables.find(name);
  return found == variables.end() ? nullptr : found->second.c_str();
}

TEST(SlurmWords, AreTakenAsSlurmWritesThem) {
  variables = {{"SLURMD_NODENAME", "node3"},
               {"SLURM_JOB_ID", "17"},
               {"SLURM_JOB_PARTITION", "h100"},
               {"SLURM_CONF", "/etc/slurm/slurm.conf"},
               {"SLURM_JOB_GPUS", "0,2-3"}};
  const SlurmWords words = slurm_words(lookup);
  EXPECT_EQ(words.node, "node3");
  EXPECT_EQ(words.job, "17");
  EXPECT_EQ(words.partition, "h100");
  EXPECT_EQ(words.conf, "/etc/slurm/slurm.conf");
  EXPECT_THAT(words.gpus, Optional(ElementsAre(0, 2, 3)));
}

TEST(SlurmWords, AnythingElseIsNotTaken) {
  for (const char* const evil : {"$(touch x)", "a b", "-x", "a\nb", "a;b", "node[1-4]", ""}) {
    variables = {{"SLURMD_NODENAME", evil},
                 {"SLURM_JOB_ID", evil},
                 {"SLURM_JOB_PARTITION", evil},
                 {"SLURM_CONF", "relative"},
                 {"SLURM_JOB_GPUS", evil}};
    const SlurmWords words = slurm_words(lookup);
    EXPECT_EQ(words.node + words.job + words.partition + words.conf, "") << evil;
    EXPECT_EQ(words.gpus.has_value(), *evil == '\0') << evil;
  }
  variables.clear();
  EXPECT_EQ(slurm_words(lookup).node, "");
  EXPECT_THAT(slurm_words(lookup).gpus, Optional(IsEmpty()));  // Slurm tells of those that the job has
}

class StateAfter : public ::testing::Test {
 protected:
  StateAfter() {
    end_.last.kernel_log = LogPosition{"/dev/kmsg", 10};
    end_.last.counters = {{"a x", {1, 100}}};
    end_.now = end_.last;
    end_.boot = "b";
    end_.unix_s = 200;
    facts_.kernel_log.position = LogPosition{"/dev/kmsg", 20};
    facts_.counters = {{"a x", "x", 5, {}}, {"b x", "x", 7, {}}};
  }
  NodeState after() const { return state_after(facts_, end_, isolation_); }
  std::uint64_t position() const { return after().kernel_log.value_or(LogPosition{}).next; }
  node::NodeFacts facts_;
  VisitEnd end_;
  node::Isolation isolation_{{}, 200, Deadline(std::chrono::seconds(1))};
};

TEST_F(StateAfter, TheNextVisitGoesOnWhereThisOneEnded) {
  EXPECT_EQ(position(), 20);
  EXPECT_EQ(after().counters.at("b x"), (CounterBase{7, 200}));
  EXPECT_EQ(after().counters.at("a x"), (CounterBase{1, 100}));
  EXPECT_EQ(after().visited_unix_s, 200);
}

TEST_F(StateAfter, AVisitByHandTakesNothingFromThoseAroundJobs) {
  end_.is_by_hand = true;
  isolation_.add_stuck("nvml", {1, 2});
  EXPECT_EQ(position(), 10);
  EXPECT_EQ(after().counters, end_.last.counters);
  EXPECT_EQ(after().visited_unix_s, 0);
  EXPECT_EQ(after().stuck.size(), 1U);
}

TEST_F(StateAfter, AnXidOfWhichNothingCameIsSeenAgain) {
  end_.keeps_events = true;
  EXPECT_EQ(position(), 10);
}

TEST_F(StateAfter, WhatAnotherVisitLeftInBetweenIsNotLost) {
  end_.now.kernel_log->next = 30;
  end_.now.counters["c x"] = {3, 150};
  EXPECT_EQ(position(), 30);
  EXPECT_EQ(after().counters.count("c x"), 1U);
  // This process stands for a child of the other visit that cannot be killed.
  std::ifstream stat("/proc/self/stat");
  std::string text;
  std::getline(stat, text);
  std::istringstream rest(text.substr(text.rfind(')') + 2));
  std::string field;
  for (int i = 3; i <= 22; ++i) rest >> field;
  end_.now.stuck = {{"nvml", ::getpid(), std::stoull(field), 150}, {"gone", ::getpid(), 1, 150}};
  ASSERT_EQ(after().stuck.size(), 1U);
  EXPECT_EQ(after().stuck[0].probe, "nvml");
}

TEST(SecondLook, WaitsForAResetWhereTheBudgetLeavesTheTime) {
  using std::chrono::milliseconds;
  EXPECT_EQ(pause_between_looks(milliseconds(4800), milliseconds(2000)), milliseconds(1500));
  EXPECT_EQ(pause_between_looks(milliseconds(3000), milliseconds(2000)), milliseconds(800));
  EXPECT_EQ(pause_between_looks(milliseconds(1000), milliseconds(2000)), milliseconds(100));
  EXPECT_EQ(pause_between_looks(milliseconds(40), milliseconds(2000)), milliseconds(40));
  EXPECT_EQ(pause_between_looks(milliseconds(0), milliseconds(2000)), milliseconds(0));
}

TEST(DefaultBudget, IsOneForAllThatSlurmStarts) {
  for (const auto profile : {node::Profile::prolog, node::Profile::epilog, node::Profile::health})
    EXPECT_EQ(default_budget(profile), std::chrono::seconds(5));
}

/// What a child made of it, and the status it ended with.
struct Ended {
  int status{};
  std::string output;
};
Ended in_child(const std::function<int()>& work, int signal = 0) {
  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe(ends.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[0]);
    const int status = work();
    std::fflush(nullptr);
    ::_exit(status);
  }
  ::close(ends[1]);
  Ended ended;
  std::array<char, 4096> buffer{};
  for (ssize_t got = 0; (got = ::read(ends[0], buffer.data(), buffer.size())) > 0;) {
    ended.output.append(buffer.data(), static_cast<std::size_t>(got));
    if (signal != 0) ::kill(child, signal);
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  ended.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return ended;
}

TEST(LeaveAtSigterm, LeavesWordAtSigterm) {
  const Ended ended = in_child(
      [] {
        std::string seen = "nothing";
        LeaveAtSigterm end([&] {
          write_all(STDOUT_FILENO, seen);
          return 7;
        });
        {
          const auto held = end.hold();
          seen = "GPU3";
        }
        write_all(STDOUT_FILENO, "ready ");
        std::this_thread::sleep_for(std::chrono::seconds(30));
        return 1;
      },
      SIGTERM);
  EXPECT_EQ(ended.status, 7);
  EXPECT_EQ(ended.output, "ready GPU3");
}

TEST(LeaveAtSigterm, IsNotInTheWayOfWhatIsThrough) {
  const Ended ended = in_child([] {
    {
      LeaveAtSigterm end([] { return 7; });
      end.disarm();
      ::raise(SIGTERM);
    }
    return 5;
  });
  EXPECT_EQ(ended.status, 5);
  EXPECT_EQ(in_child([] {
              {
                LeaveAtSigterm end([] { return 7; });
              }
              ::raise(SIGTERM);  // ends it as it ends anybody
              return 5;
            }).status,
            128 + SIGTERM);
}

/// A recorded machine whose scratch is not there.
class NodeVisit : public ::testing::Test {
 protected:
  NodeVisit() {
    tree_.file("proc/self/mounts", "tmpfs / tmpfs rw 0 0\n");
    tree_.file("var/log/kern.log", "");
    tree_.file("etc/f.toml", "state_folder = \"" + tree_.at("state").string() +
                                 "\"\n[[file_system]]\npath = \"/scratch\"\n");
  }
  Ended visit(std::vector<std::string> words) {
    words.insert(words.end(), {"--sysroot", tree_.root(), "--config", tree_.at("etc/f.toml").string()});
    return in_child([&] {
      std::array<char*, 1> argv{nullptr};
      try {
        return check_node(parse(words), argv.data());
      } catch (const UsageError& error) {
        std::puts(error.what());
        return 2;
      }
    });
  }
  topology::SysTree tree_;
};

TEST_F(NodeVisit, TheVerdictStandsWhereTheResultCannotBeWritten) {
  for (const std::string file : {"/nonexistent/x.json", "/dev/full"}) {
    const Ended ended = visit({"--json", file, "--budget", "600ms"});
    EXPECT_EQ(ended.status, 1) << ended.output;
    EXPECT_THAT(ended.output, HasSubstr("/scratch is not mounted"));
    EXPECT_THAT(ended.output, HasSubstr(file));
    EXPECT_EQ(visit({"--json", file, "--slurm", "--budget", "600ms"}).status,
              0);  // in mode observe the job runs
  }
  tree_.file("proc/self/mounts", "tmpfs /scratch tmpfs rw 0 0\n");
  EXPECT_EQ(visit({}).status, 0);
  EXPECT_EQ(visit({"--json", "/dev/full"}).status, 3) << "what was asked for was not done";
}

TEST_F(NodeVisit, AConfigurationThatAnybodyMayWriteIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root would start what it names";
  ASSERT_EQ(::chmod(tree_.at("etc/f.toml").c_str(), 0666), 0);
  const Ended ended = visit({"--slurm"});
  EXPECT_EQ(ended.status, 2);
  EXPECT_THAT(ended.output, HasSubstr("chmod o-w"));
}

TEST(DeviceAnswer, TellsWhereItHangsAndSinceWhen) {
  const DeviceAnswer hung = device_answer("asking 12 99\nat 500 mlx5_0\nat 700 mlx5_1\n");
  EXPECT_EQ(hung.at, "mlx5_1");
  EXPECT_EQ(hung.at_since_ns, 700);
  EXPECT_EQ(hung.asking, (process::ProcessId{12, 99}));
  EXPECT_FALSE(hung.left);
  const DeviceAnswer done =
      device_answer("asking 12 99\nleft 12 99\nat 7 mlx5_0\nat 9 \ncounter 3.5 mlx5_0/1 symbol_error\n{}");
  EXPECT_EQ(done.at, "");
  EXPECT_EQ(done.left, (process::ProcessId{12, 99}));
  ASSERT_EQ(done.counters.size(), 1U);
  EXPECT_EQ(done.counters[0].name, "mlx5_0/1 symbol_error");
  EXPECT_EQ(done.counters[0].kind, "symbol_error");
  EXPECT_EQ(done.counters[0].value, 3.5);
  EXPECT_EQ(done.json, "{}");
  for (const char* const odd : {"", "at", "at \n", "left\n", "left x y\n", "counter\n", "counter x\n", "x"})
    EXPECT_EQ(device_answer(odd).json, "") << odd;
}

TEST(SlurmWords, ListsOfGpus) {
  EXPECT_THAT(parse_gpu_list("5"), Optional(ElementsAre(5)));
  for (const char* const wrong : {",", "1,", "3-1", "1-", "-1", "0-99999999", "x", "1 2"})
    EXPECT_FALSE(parse_gpu_list(wrong)) << wrong;
}

}  // namespace
}  // namespace fabricheck::app
