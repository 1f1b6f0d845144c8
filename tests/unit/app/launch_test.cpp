#include "app/launch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "core/error.hpp"
#include "support/own_folder.hpp"
#include "support/sentence_of.hpp"

namespace fabricheck::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::HasSubstr;

/// launch() with a shell script in the place of mpirun.
class Launch : public testing::Test {
 public:
  Launch() {
    options_.run.out_directory = folder_ + "/out";
    std::filesystem::create_directory(options_.run.out_directory);
    context_.environment = {{"PATH", folder_ + ":/usr/bin:/bin"}, {"OUT", options_.run.out_directory}};
    context_.facts.host_name = "here";
    context_.facts.program = "/opt/fabricheck";
    context_.out = &out_;
    context_.err = &err_;
    context_.grace = milliseconds(300);
  }

 protected:
  void mpirun_is(const std::string& script, const std::string& first_line = "#!/bin/sh\n") {
    std::ofstream(folder_ + "/mpirun") << first_line << script << "\n";
    ASSERT_EQ(::chmod((folder_ + "/mpirun").c_str(), 0755), 0);
  }
  int launch_it() { return launch(options_, context_); }
  std::string text_of(const std::string& file) {
    std::ifstream stream(folder_ + "/" + file);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  const test::OwnFolder own_;
  const std::string folder_ = own_.path();
  LaunchOptions options_;
  LaunchContext context_;
  std::ostringstream out_;
  std::ostringstream err_;
};

const char* const writes_result = "echo '{}' > $OUT/result.json; ";

TEST_F(Launch, PassesTheProgramsStatusThrough) {
  for (const int code : {0, 1, 2, 3, 4}) {
    mpirun_is(writes_result + std::string("exit ") + std::to_string(code));
    EXPECT_EQ(launch_it(), code);
    // Written twice within one tick of the file system's clock, the same file would look untouched.
    std::filesystem::remove(options_.run.out_directory + "/result.json");
  }
}

TEST_F(Launch, AJournalIsASignOfLifeToo) {
  mpirun_is("echo x > $OUT/journal.jsonl; exit 1");
  EXPECT_EQ(launch_it(), 1);
}

TEST_F(Launch, TheJournalIsNamedWhereItIsAllThatIsLeft) {
  mpirun_is("echo x > $OUT/journal.jsonl; exit 137");
  EXPECT_EQ(launch_it(), 4);
  EXPECT_THAT(err_.str(), HasSubstr("fabricheck report " + options_.run.out_directory + "/journal.jsonl"));
}

TEST_F(Launch, AHuntForCorruptionHasNoEnd) {
  options_.run.verify_repeat = 1000;
  mpirun_is("printf '%s\\n' \"$@\" > $OUT/../words; " + std::string(writes_result));
  EXPECT_EQ(launch_it(), 0);
  EXPECT_THAT(text_of("words"), testing::Not(HasSubstr("--timeout")));
}

TEST_F(Launch, AnOldResultIsNone) {
  std::ofstream(options_.run.out_directory + "/result.json") << "{}";
  mpirun_is("exit 1");
  EXPECT_EQ(launch_it(), 3);
  EXPECT_THAT(err_.str(), HasSubstr("mpirun itself failed"));
}

TEST_F(Launch, LostRank) {
  mpirun_is(writes_result + std::string("exit 137"));
  EXPECT_EQ(launch_it(), 4);
  EXPECT_THAT(err_.str(), HasSubstr("a rank was lost: mpirun ended with 137"));
}

TEST_F(Launch, HandsOverWordsEnvironmentAndNoInput) {
  mpirun_is("printf '%s\\n' \"$@\" > $OUT/../words; env > $OUT/../env; cat > $OUT/../input; " +
            std::string(writes_result));
  options_.run_arguments = {"run", "--only", "a b;*"};
  EXPECT_EQ(launch_it(), 0);
  EXPECT_THAT(text_of("words"), HasSubstr("/opt/fabricheck\nrun\n--only\na b;*\n--bind-numa\n"));
  EXPECT_THAT(text_of("env"), HasSubstr("FABRICHECK_LAUNCHED=1\n"));
  EXPECT_THAT(text_of("env"), HasSubstr("PATH=" + folder_));
  EXPECT_EQ(text_of("input"), "");
  EXPECT_THAT(err_.str(), HasSubstr("this machine alone"));
}

TEST_F(Launch, DryRunStartsNothing) {
  mpirun_is("touch $OUT/../started");
  options_.dry_run = true;
  options_.run_arguments = {"run", "--out", "a b"};
  EXPECT_EQ(launch_it(), 0);
  EXPECT_THAT(out_.str(), testing::StartsWith("mpirun -np 2 "));
  EXPECT_THAT(out_.str(), testing::EndsWith("/opt/fabricheck run --out 'a b' --bind-numa\n"));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/started"));
}

TEST_F(Launch, ADryRunThatCannotBeShownIsNoSuccess) {
  options_.dry_run = true;
  std::ofstream full("/dev/full");
  context_.out = &full;
  EXPECT_EQ(launch_it(), 3);
  EXPECT_THAT(err_.str(), HasSubstr("standard output cannot be written"));
}

TEST_F(Launch, NoMpirun) {
  context_.environment["PATH"] = folder_ + "::/nonexistent";
  EXPECT_EQ(launch_it(), 3);
  EXPECT_THAT(err_.str(), HasSubstr("mpirun is not installed; apt-get install openmpi-bin"));
}

TEST_F(Launch, MpirunThatCannotBeExecuted) {
  mpirun_is("exit 0", "#!/nonexistent/interpreter\n");
  EXPECT_EQ(launch_it(), 3);
  EXPECT_THAT(err_.str(), HasSubstr("cannot start " + folder_ + "/mpirun: No such file or directory"));
}

TEST_F(Launch, SignalsArePassedOnOnce) {
  mpirun_is("trap 'echo INT >> $OUT/../caught' INT; trap 'echo TERM >> $OUT/../caught; " +
            std::string(writes_result) + "exit 1' TERM\ntouch $OUT/../ready; while :; do sleep 0.05; done");
  context_.grace = milliseconds(120'000);
  context_.recorded_exit_status = [](const std::string&) { return 3; };
  // Blocked here first, so that the thread below inherits that and launch() gets the signal.
  sigset_t set;
  sigset_t before;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, &before);
  std::thread sender([&] {
    while (!std::filesystem::exists(folder_ + "/ready")) std::this_thread::sleep_for(milliseconds(10));
    ::kill(::getpid(), SIGTERM);
  });
  const auto start = steady_clock::now();
  EXPECT_EQ(launch_it(), 3);
  sender.join();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  EXPECT_EQ(text_of("caught"), "TERM\n");
  EXPECT_THAT(err_.str(), HasSubstr("interrupted"));
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(60)) << "before the grace ended";
}

TEST_F(Launch, AnOldResultBesideANewJournalIsNotRead) {
  std::ofstream(options_.run.out_directory + "/result.json") << "{}";
  bool was_read = false;
  context_.recorded_exit_status = [&](const std::string&) {
    was_read = true;
    return 1;
  };
  mpirun_is("echo x > $OUT/journal.jsonl; exit 1");
  EXPECT_EQ(launch_it(), 1);
  EXPECT_FALSE(was_read);
  mpirun_is(writes_result + std::string("exit 1"));
  EXPECT_EQ(launch_it(), 1);
  EXPECT_TRUE(was_read);
}

TEST_F(Launch, WhoIgnoresTheSignalIsKilledWithItsGroup) {
  mpirun_is(
      "trap '' TERM INT; (trap '' TERM; echo $$ > $OUT/../said; mv $OUT/../said $OUT/../ready; sleep 60) & "
      "wait; sleep 60");
  sigset_t set;
  sigset_t before;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, &before);
  std::thread sender([&] {
    while (!std::filesystem::exists(folder_ + "/ready")) std::this_thread::sleep_for(milliseconds(10));
    ::kill(::getpid(), SIGINT);
  });
  const auto start = steady_clock::now();
  EXPECT_EQ(launch_it(), 3);
  sender.join();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(30));
  const pid_t group = std::stoi(text_of("ready"));
  // The kernel takes a moment to end the group's other processes.
  for (int i = 0; i < 3000 && ::kill(-group, 0) == 0; ++i) std::this_thread::sleep_for(milliseconds(10));
  EXPECT_NE(::kill(-group, 0), 0) << "nothing of the group is left";
}

TEST_F(Launch, Hostfiles) {
  options_.dry_run = true;
  const auto error = [&](const std::string& file) {
    options_.hostfile = file;
    return test::sentence_of([&] { launch_it(); });
  };
  std::ofstream(folder_ + "/good") << "a slots=1\nb slots=1\n";
  EXPECT_EQ(error(folder_ + "/good"), "no error");
  EXPECT_THAT(out_.str(), HasSubstr("--host a:1,b:1 "));
  EXPECT_THAT(error(folder_ + "/none"), HasSubstr("cannot read the hostfile"));
  EXPECT_THAT(error(folder_), HasSubstr("it is a folder"));
  std::ofstream(folder_ + "/empty") << "";
  EXPECT_THAT(error(folder_ + "/empty"), HasSubstr("names no host"));
  std::ofstream(folder_ + "/huge") << std::string((1 << 20) + 1, '#');
  EXPECT_THAT(error(folder_ + "/huge"), HasSubstr("over 1 MiB"));
}

TEST(LocalFacts, KnowsThisMachine) {
  const LaunchFacts facts = local_facts(3);
  EXPECT_EQ(facts.gpus, 3);
  EXPECT_GE(facts.cpus, 1);
  EXPECT_FALSE(facts.host_name.empty());
  EXPECT_THAT(facts.addresses, testing::Contains("127.0.0.1"));
  EXPECT_TRUE(std::filesystem::exists(facts.program));
  EXPECT_EQ(facts.is_root, ::geteuid() == 0);
}

TEST(CurrentEnvironment, HoldsWhatIsSet) {
  ASSERT_EQ(::setenv("FABRICHECK_TEST_VARIABLE", "a=b", 1), 0);
  EXPECT_EQ(current_environment().at("FABRICHECK_TEST_VARIABLE"), "a=b");
  ::unsetenv("FABRICHECK_TEST_VARIABLE");
}

}  // namespace
}  // namespace fabricheck::app
