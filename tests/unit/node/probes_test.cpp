#include "node/probes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

#include "core/error.hpp"
#include "node/active.hpp"
#include "node/isolation.hpp"
#include "node/state_file.hpp"
#include "report/node_state.hpp"
#include "unit/topology/probe/sys_tree.hpp"

namespace fabricheck::node {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;
using topology::SysTree;

Isolation fresh() { return {{}, 1000, Deadline(20s)}; }

TEST(Isolation, GivesWhatTheWorkWrote) {
  Isolation isolation = fresh();
  const auto answer = isolation.run("probe", 10s, [](int pipe) { EXPECT_EQ(::write(pipe, "hello", 5), 5); });
  EXPECT_EQ(answer.text, "hello");
  EXPECT_FALSE(answer.hung);
}

TEST(Isolation, AHangIsKilledAndSaid) {
  Isolation isolation = fresh();
  const auto start = std::chrono::steady_clock::now();
  const auto answer = isolation.run("probe", 200ms, [](int pipe) {
    EXPECT_EQ(::write(pipe, "at mlx5_3\n", 10), 10);
    ::pause();
  });
  EXPECT_LT(std::chrono::steady_clock::now() - start, 10s);
  EXPECT_TRUE(answer.hung);
  EXPECT_FALSE(answer.text);
  EXPECT_EQ(answer.so_far, "at mlx5_3\n");
  EXPECT_THAT(answer.problem, HasSubstr("did not answer within 200 ms"));
  EXPECT_THAT(isolation.stuck(), IsEmpty());
}

TEST(Isolation, WhatTheBudgetCutShortIsNoHang) {
  Isolation isolation({}, 1000, Deadline(200ms));
  const auto answer = isolation.run("probe", 60s, [](int) { ::pause(); });
  EXPECT_FALSE(answer.hung);
  EXPECT_FALSE(answer.text);
  EXPECT_THAT(answer.problem, HasSubstr("all that the budget left"));
}

TEST(Isolation, ACrashIsSaid) {
  Isolation isolation = fresh();
  EXPECT_THAT(isolation.run("probe", 10s, [](int) { ::abort(); }).problem, HasSubstr("signal 6"));
}

TEST(Isolation, WhatIsStuckIsNotRunAgainUntilItIsGone) {
  // This process stands for a child that could not be killed.
  std::ifstream stat("/proc/self/stat");
  std::string text;
  std::getline(stat, text);
  std::istringstream rest(text.substr(text.rfind(')') + 2));
  std::string field;
  for (int i = 3; i <= 22; ++i) rest >> field;
  const StuckProbe mine{"nvml", ::getpid(), std::stoull(field), 900};
  bool ran = false;
  Isolation isolation({mine}, 1000, Deadline(20s));
  const auto answer = isolation.run("nvml", 10s, [&](int) { ran = true; });
  EXPECT_FALSE(ran);
  EXPECT_TRUE(answer.stuck);
  EXPECT_THAT(answer.problem, HasSubstr("since 100 s"));
  EXPECT_EQ(isolation.stuck_since("nvml"), 900);
  // Of another start it is another process: the one that was stuck is gone.
  StuckProbe gone = mine;
  gone.start_ticks += 1;
  EXPECT_THAT(Isolation({gone}, 1000, Deadline(20s)).stuck(), IsEmpty());
}

TEST(Isolation, TheBudgetEndsEverything) {
  Isolation isolation({}, 1000, Deadline(0s));
  EXPECT_THAT(isolation.run("probe", 10s, [](int) {}).problem, HasSubstr("budget"));
}

TEST(KernelEvent, OnlyTheDriversOwnPartIsRead) {
  const auto event = parse_kernel_event(
      "[  5.1] NVRM: Xid (PCI:0000:18:00): 79, pid=1234, name=Xid (PCI:x): 31, GPU has fallen off");
  ASSERT_TRUE(event);
  EXPECT_EQ(event->kind, "Xid");
  EXPECT_EQ(event->code, 79);
  EXPECT_EQ(event->pci_address, "0000:18:00");
  const auto sxid =
      parse_kernel_event("nvidia-nvswitch0: SXid (PCI:0000:07:00.0): 12028, Non-fatal, Link 32");
  ASSERT_TRUE(sxid);
  EXPECT_EQ(sxid->kind, "SXid");
  EXPECT_EQ(sxid->code, 12028);
  for (const char* const line :
       {"", "NVRM: Xid", "NVRM: Xid (PCI:", "NVRM: Xid (PCI:0): 79", "NVRM: Xid (PCI:): 79",
        "NVRM: Xid (PCI:0000:18:00) 79", "NVRM: Xid (PCI:0000:18:0x): 79", "NVRM: Xid (PCI:0000:18:00): x",
        "nvidia-nvswitch: SXid (PCI:0000:07:00.0): 1", "nvidia-nvswitch0: Xid (PCI:0000:07:00.0): 1"})
    EXPECT_FALSE(parse_kernel_event(line)) << line;
}

TEST(KernelEvent, TheNameOfAProcessIsNone) {
  for (const char* const line :
       {"Xid (PCI:0000:18:00): 79[123]: segfault at 0 ip 0 sp 0 error 4",
        "oom-kill: task=NVRM: Xid (PCI:0000:18:00): 79,pid=7", "[  5.1] x: NVRM: Xid (PCI:0000:18:00): 79",
        "[x] NVRM: Xid (PCI:0000:18:00): 79", "x kernel: NVRM: Xid (PCI:0000:18:00): 79"})
    EXPECT_FALSE(parse_kernel_event(line)) << line;
}

TEST(KernelLog, InAFileOnlyTheFirstWordsOfTheKernelCount) {
  const SysTree tree;
  tree.file("var/log/kern.log", "");
  const auto first = read_kernel_log(tree.root(), std::nullopt);
  tree.file("var/log/kern.log",
            "Nov 27 00:40:00 node7 kernel: [ 5.1] NVRM: Xid (PCI:0000:18:00): 48, pid=1\n"
            "Nov 27 00:40:00 node7 kernel: [ 5.2] a kernel: NVRM: Xid (PCI:0000:28:00): 79[9]: segfault\n");
  const auto second = read_kernel_log(tree.root(), first.position);
  ASSERT_THAT(*second.events, SizeIs(1));
  EXPECT_EQ(second.events->front().code, 48);
}

TEST(KernelLog, IsReadFromWhereTheLastVisitEnded) {
  const SysTree tree;
  const std::string line = "Nov 27 node7 kernel: NVRM: Xid (PCI:0000:18:00): 79, pid=1\n";
  tree.file("var/log/kern.log", line);
  const auto first = read_kernel_log(tree.root(), std::nullopt);
  EXPECT_TRUE(first.first_visit);
  EXPECT_THAT(*first.events, IsEmpty());
  EXPECT_THAT(*read_kernel_log(tree.root(), first.position).events, IsEmpty());
  tree.file("var/log/kern.log", line + line + "half a line: Xid (PCI:0000:18:00): 48");
  const auto second = read_kernel_log(tree.root(), first.position);
  EXPECT_THAT(*second.events, SizeIs(1));
  tree.file("var/log/kern.log", line);  // rotated
  EXPECT_THAT(*read_kernel_log(tree.root(), LogPosition{first.position->file, 100'000}).events, SizeIs(1));
  tree.remove("var/log/kern.log");
  EXPECT_FALSE(read_kernel_log(tree.root(), first.position).events);
}

TEST(KernelLog, WhatStandsInPlaceOfTheKernelsDeviceTellsNothing) {
  const SysTree tree;
  tree.link("dev/kmsg", "/dev/null");
  for (const auto& position :
       {std::optional<LogPosition>{}, std::optional(LogPosition{tree.root() + "/dev/kmsg", 7})}) {
    const auto log = read_kernel_log(tree.root(), position);
    EXPECT_FALSE(log.events);
    EXPECT_FALSE(log.position);
    EXPECT_THAT(log.unknown,
                AllOf(HasSubstr("dev/kmsg: it holds no record"), HasSubstr("kern.log: No such file")));
  }
  tree.remove("dev/kmsg");
  tree.link("dev/kmsg", "/dev/zero");
  EXPECT_THAT(read_kernel_log(tree.root(), std::nullopt).unknown,
              HasSubstr("dev/kmsg: what it holds is no record"));
  tree.remove("dev/kmsg");
  tree.folder("dev/kmsg");
  EXPECT_THAT(read_kernel_log(tree.root(), std::nullopt).unknown,
              HasSubstr("dev/kmsg: it is neither a file"));
  tree.file("var/log/kern.log", "");
  EXPECT_TRUE(read_kernel_log(tree.root(), std::nullopt).events);
}

TEST(Counters, RatesNeedAnEarlierVisitAndAHourIsTheShortest) {
  std::vector<CounterFact> counters{{"a x", "x", 150, {}}, {"b x", "x", 10, {}}, {"c x", "x", 5, {}}};
  NodeState last;
  last.counters = {{"a x", {100, 1000}}, {"b x", {50, 1000}}};
  add_rates(counters, last, 1060);
  EXPECT_EQ(counters[0].per_hour, 50);
  EXPECT_FALSE(counters[1].per_hour);  // reset
  EXPECT_FALSE(counters[2].per_hour);  // new
  add_rates(counters, last, 1000 + 2 * 3600);
  EXPECT_EQ(counters[0].per_hour, 25);
  add_rates(counters, {}, 5000);
  EXPECT_FALSE(counters[1].per_hour);
}

TEST(Counters, ManyVisitsInAnHourSeeTheWholeHour) {
  NodeState state;
  std::vector<CounterFact> counters{{"a x", "x", 0, {}}};
  for (int minute = 0; minute <= 60; ++minute) {
    counters[0].value = 10.0 * minute;
    counters[0].per_hour.reset();
    add_rates(counters, state, 1000 + 60.0 * minute);
    move_bases(state.counters, counters, 1000 + 60.0 * minute);
  }
  EXPECT_EQ(counters[0].per_hour, 600);
  EXPECT_EQ(state.counters["a x"], (CounterBase{600, 4600}));
  counters[0].value = 5;  // fell
  move_bases(state.counters, counters, 4700);
  EXPECT_EQ(state.counters["a x"], (CounterBase{5, 4700}));
}

TEST(Counters, ASumWithALinkThatIsNotKnownIsNone) {
  Host host;
  Gpu& gpu = host.gpus.emplace_back();
  gpu.health.emplace();
  gpu.nvlinks = {{0, true, 4, 26.5, "", ""}, {1, true, 4, 26.5, "", ""}, {2, false, 4, 26.5, "", ""}};
  gpu.health->nvlink_errors = {{0, 5, 1, {}, {}}, {1, 7, std::nullopt, {}, {}}};
  const auto counters = read_counters("/nonexistent", host);
  ASSERT_THAT(counters, SizeIs(1));
  EXPECT_EQ(counters[0].name, "GPU0 nvlink_replays");
  EXPECT_EQ(counters[0].value, 12);
}

TEST(Mounts, PathsWithBlanksAndReadOnly) {
  const auto mounts =
      parse_mounts("srv:/x /my\\040disk nfs ro,vers=4 0 0\ntmpfs /dev/shm tmpfs rw 0 0\nbroken\n");
  ASSERT_THAT(mounts, SizeIs(2));
  EXPECT_EQ(mounts[0].path, "/my disk");
  EXPECT_TRUE(mounts[0].read_only);
  EXPECT_FALSE(mounts[1].read_only);
}

TEST(FileSystems, LooksWithoutLeavingAnything) {
  Isolation isolation = fresh();
  const auto facts = look_at_file_systems("/", {{"/proc", false, {}}, {"/not/mounted", true, {}}}, isolation);
  ASSERT_THAT(facts, SizeIs(2));
  EXPECT_EQ(facts[0].mounted, true);
  EXPECT_TRUE(facts[0].free_bytes);
  EXPECT_EQ(facts[1].mounted, false);
}

TEST(FileSystems, OnlyWhatIsBrokenForEverybodyIsAProblemOfWriting) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may mount";
  const SysTree tree;
  tree.folder("full");
  const std::string full = tree.at("full").string();
  if (::mount("none", full.c_str(), "tmpfs", 0, "size=4k,nr_inodes=1") != 0) GTEST_SKIP() << "no tmpfs here";
  Isolation isolation = fresh();
  // Nobody, not even root, may make a file in a folder of /proc.
  const auto facts = look_at_file_systems("/", {{full, true, {}}, {"/proc", true, {}}}, isolation);
  ::umount(full.c_str());
  ASSERT_THAT(facts, SizeIs(2));
  EXPECT_EQ(facts[0].write_problem, "No space left on device");
  EXPECT_THAT(facts[0].write_unknown, IsEmpty());
  EXPECT_THAT(facts[1].write_problem, IsEmpty());
  EXPECT_THAT(facts[1].write_unknown, Not(IsEmpty()));
}

TEST(FileSystems, ALinkIntoAFileSystemAndSlashesAtTheEndAreNoFault) {
  const SysTree tree;
  tree.link("scratch", "/proc/self");
  tree.folder("plain");
  tree.link("to_plain", "plain");
  Isolation isolation = fresh();
  const auto facts = look_at_file_systems("/",
                                          {{"/proc///", false, {}},
                                           {tree.at("scratch").string() + "/", false, {}},
                                           {tree.at("plain").string(), false, {}},
                                           {tree.at("to_plain").string(), false, {}},
                                           {tree.at("plain/gone").string(), false, {}}},
                                          isolation);
  ASSERT_THAT(facts, SizeIs(5));
  EXPECT_EQ(facts[0].path, "/proc");
  EXPECT_EQ(facts[0].mounted, true);
  EXPECT_EQ(facts[1].mounted, true);
  EXPECT_TRUE(facts[1].free_bytes);
  for (std::size_t i = 2; i < facts.size(); ++i) EXPECT_EQ(facts[i].mounted, false) << facts[i].path;
}

TEST(FileSystems, WhatALongTableMayHaveHiddenIsNotSaidToBeAbsent) {
  const SysTree tree;
  std::string table(std::size_t{100} << 10U, 'x');
  tree.file("proc/self/mounts", table + "\nsrv:/s /scratch nfs rw 0 0\n");
  Isolation isolation = fresh();
  EXPECT_EQ(look_at_file_systems(tree.root(), {{"/scratch", false, {}}}, isolation)[0].mounted, true);
  table.resize(std::size_t{5} << 20U, 'x');
  tree.file("proc/self/mounts", table + "\nsrv:/s /scratch nfs rw 0 0\n");
  const auto facts = look_at_file_systems(tree.root(), {{"/scratch", false, {}}}, isolation);
  EXPECT_FALSE(facts[0].mounted);
  EXPECT_THAT(facts[0].unknown, HasSubstr("4 MiB"));
}

TEST(DeviceUsers, TellsWhoHasAGpuOpenAndLeavesDaemonsOut) {
  const SysTree tree;
  tree.file("proc/12/comm", "python3\n");
  tree.link("proc/12/fd/5", "/dev/nvidia3");
  tree.link("proc/12/fd/4", "/dev/nvidia-uvm");
  tree.file("proc/13/comm", "nvidia-persistenced\n");
  tree.link("proc/13/fd/5", "/dev/nvidia0");
  tree.link("proc/13/fd/4", "/dev/nvidia-uvm");
  tree.file("proc/14/comm", "ib_write_bw\n");
  tree.link("proc/14/fd/0", "/dev/infiniband/uverbs1");
  tree.file("proc/16/comm", "nvidia-cuda-mps-server\n");
  tree.link("proc/16/fd/9", "/dev/nvidia1");
  tree.link("proc/16/fd/8", "/dev/nvidia-uvm");
  tree.file("proc/17/comm", "monitor\n");
  tree.link("proc/17/fd/3", "/dev/nvidia2");
  tree.link("proc/17/fd/4", "/dev/infiniband/uverbs0");
  tree.file("proc/15/comm", "sh\n");
  tree.link("proc/15/fd/0", "/dev/nvidiactl");
  auto users = device_users(tree.root());
  std::sort(users.begin(), users.end(), [](const auto& a, const auto& b) { return a.pid < b.pid; });
  EXPECT_THAT(users, ElementsAre(DeviceUser{12, "python3", "/dev/nvidia3"},
                                 DeviceUser{14, "ib_write_bw", "/dev/infiniband/uverbs1"},
                                 DeviceUser{16, "nvidia-cuda-mps-server", "/dev/nvidia1"},
                                 DeviceUser{17, "monitor", "/dev/infiniband/uverbs0"}))
      << "by NVML alone nobody uses a GPU";
}

TEST(DeviceUsers, TellsOfAGpuByItsPciAddress) {
  const SysTree tree;
  tree.file("proc/12/comm", "python3\n");
  tree.link("proc/12/fd/5", "/dev/nvidia3");
  tree.link("proc/12/fd/6", "/dev/nvidia1");
  tree.link("proc/12/fd/7", "/dev/nvidia-uvm");
  const auto gpu = [&](const char* address, int minor) {
    tree.file(std::string("proc/driver/nvidia/gpus/") + address + "/information",
              "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 18\nDevice Minor: \t " + std::to_string(minor) +
                  "\nGPU Excluded:\t No\n");
  };
  gpu("0000:18:00.0", 0);
  gpu("0000:2a:00.0", 1);
  gpu("0000:5d:00.0", 3);
  gpu("0000:9a:00.0", 13);
  tree.file("proc/driver/nvidia/gpus/0000:ab:00.0/information", "Model: broken\n");
  const auto users = gpu_users(tree.root());
  EXPECT_THAT(users, ElementsAre(Pair("0000:2a:00.0", DeviceUser{12, "python3", "/dev/nvidia1"}),
                                 Pair("0000:5d:00.0", DeviceUser{12, "python3", "/dev/nvidia3"})));
  EXPECT_THAT(gpu_users(tree.root(), {11, 12}), IsEmpty()) << "a rank of this run";
}

TEST(HostMemory, ReadsBackWhatWasWritten) {
  Isolation isolation = fresh();
  const Outcome outcome = check_host_memory(isolation, 50ms);
  EXPECT_EQ(outcome.verdict, Verdict::pass) << outcome.reason;
  EXPECT_GE(outcome.value.value_or(0), 64 << 20);
}

class StateFile : public ::testing::Test {
 protected:
  std::string folder() const { return tree_.at("state").string(); }
  SysTree tree_;
};

TEST_F(StateFile, ComesBackAsItWasAndIsRootsOwn) {
  EXPECT_FALSE(read_state(folder()).text);
  EXPECT_THAT(read_state(folder()).problem, IsEmpty());
  EXPECT_EQ(write_state(folder(), "one"), "");
  EXPECT_EQ(write_state(folder(), "two"), "");
  EXPECT_EQ(read_state(folder()).text, "two");
  struct stat facts {};
  ASSERT_EQ(::stat(folder().c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777U, 0700U);
  ASSERT_EQ(::stat((folder() + "/node.json").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777U, 0600U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder()), {}), 1);
}

TEST_F(StateFile, IsOneVisitsAtATime) {
  const auto first = std::make_unique<StateLock>(folder());
  EXPECT_TRUE(first->is_held());
  EXPECT_FALSE(StateLock(folder()).is_held());  // and does not wait for ever
  std::thread other([&] { EXPECT_TRUE(StateLock(tree_.at("another").string()).is_held()); });
  other.join();
  auto released = std::make_unique<StateLock>(tree_.at("another").string());
  EXPECT_TRUE(released->is_held());
}

TEST_F(StateFile, WhatAKilledVisitLeftIsTakenAwayAndNothingElse) {
  ASSERT_EQ(write_state(folder(), "one"), "");
  const pid_t gone = ::fork();
  if (gone == 0) ::_exit(0);
  ::waitpid(gone, nullptr, 0);
  tree_.file("state/node.json." + std::to_string(gone), "half");
  tree_.file("state/node.json.1", "of one that runs");
  tree_.file("state/node.json.old", "of an administrator");
  EXPECT_EQ(write_state(folder(), "two"), "");
  EXPECT_FALSE(std::filesystem::exists(tree_.at("state/node.json." + std::to_string(gone))));
  EXPECT_TRUE(std::filesystem::exists(tree_.at("state/node.json.1")));
  EXPECT_TRUE(std::filesystem::exists(tree_.at("state/node.json.old")));
}

TEST_F(StateFile, FollowsNoLink) {
  tree_.file("victim", "precious");
  ASSERT_EQ(write_state(folder(), "one"), "");
  tree_.remove("state/node.json");
  tree_.link("state/node.json", "../victim");
  EXPECT_FALSE(read_state(folder()).text);
  EXPECT_THAT(read_state(folder()).problem, HasSubstr("symbolic link"));
  EXPECT_EQ(write_state(folder(), "new"), "");
  std::ifstream victim(tree_.at("victim"));
  std::string text;
  victim >> text;
  EXPECT_EQ(text, "precious");
  tree_.folder("elsewhere");
  tree_.link("linked", "elsewhere");
  EXPECT_THAT(write_state(tree_.at("linked").string(), "x"), HasSubstr("is a symbolic link"));
  EXPECT_EQ(read_state(tree_.at("linked").string()).problem, write_state(tree_.at("linked").string(), "x"));
  EXPECT_TRUE(std::filesystem::is_empty(tree_.at("elsewhere")));
}

TEST_F(StateFile, WhatOthersMayWriteIsNotUsed) {
  ASSERT_EQ(write_state(folder(), "one"), "");
  ::chmod((folder() + "/node.json").c_str(), 0666);
  EXPECT_FALSE(read_state(folder()).text);
  EXPECT_THAT(read_state(folder()).problem, HasSubstr("may be written by others"));
  ::chmod((folder() + "/node.json").c_str(), 0600);
  ::chmod(folder().c_str(), 0777);
  EXPECT_THAT(read_state(folder()).problem, HasSubstr("may be written by others"));
  EXPECT_THAT(write_state(folder(), "x"), HasSubstr("may be written by others"));
}

TEST_F(StateFile, NoFolderAndNoFileAreSentences) {
  EXPECT_THAT(write_state("/proc/fabricheck", "x"), HasSubstr("/proc/fabricheck cannot be made"));
  EXPECT_THAT(write_state("/dev/null", "x"), HasSubstr("Not a directory"));
  tree_.folder("state/node.json");
  ::chmod(folder().c_str(), 0700);
  ::chmod((folder() + "/node.json").c_str(), 0700);
  EXPECT_THAT(read_state(folder()).problem, HasSubstr("is no file"));
}

TEST(NodeState, ThroughJson) {
  NodeState state;
  state.boot_id = "boot \"1\"\xff";
  state.visited_unix_s = 1.5e9;
  state.kernel_log = LogPosition{"/dev/kmsg", 12345};
  state.counters = {{"mlx5_0/1 symbol_error", {7, 1.25e9}}};
  state.stuck = {{"nvml", 12, 99, 5}};
  NodeState same = report::node_state_from_json(report::node_state_to_json(state), "f");
  same.boot_id = state.boot_id;  // what is no UTF-8 is replaced
  EXPECT_EQ(same, state);
}

TEST(NodeState, WhatIsBrokenOrFromTheFutureIsRefusedInASentence) {
  const auto problem = [](const std::string& text) -> std::string {
    try {
      report::node_state_from_json(text, "node.json");
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_THAT(problem(""), HasSubstr("node.json: is no state of a node"));
  EXPECT_THAT(problem("{\"fabricheck_node_state\": 2}"), HasSubstr("is no state of a node"));
  EXPECT_THAT(problem("{\"fabricheck_node_state\": 99}"),
              HasSubstr("is of version 99, and this fabricheck knows 2"));
  EXPECT_THAT(problem("{\"fabricheck_node_state\": 1}"), HasSubstr("is of version 1, and this"));
  EXPECT_THAT(problem("[[[["), HasSubstr("begun anew"));
  EXPECT_THAT(
      problem(
          R"({"fabricheck_node_state":2,"boot_id":"","visited_unix_s":1,"kernel_log":null,"counters":{"a":"b"},
                          "stuck":[]})"),
      HasSubstr("is no state"));
}

}  // namespace
}  // namespace fabricheck::node
