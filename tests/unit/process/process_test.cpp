#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "core/descriptor.hpp"
#include "process/child.hpp"
#include "process/command.hpp"

namespace fabricheck::process {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::chrono::milliseconds kLong{20'000};

TEST(Command, GivesOutputErrorsAndStatusApart) {
  const CommandEnd end = run_command({"/bin/sh", "-c", "echo out; echo err >&2; exit 3"}, {}, kLong);
  EXPECT_EQ(end.exit_status, 3);
  EXPECT_EQ(end.output, "out\n");
  EXPECT_EQ(end.errors, "err\n");
  EXPECT_THAT(end.failure, IsEmpty());
}

TEST(Command, ArgumentsAreNoShellsWords) {
  const CommandEnd end = run_command({"/bin/echo", "$(id) `id`; id", "a\nb"}, {}, kLong);
  EXPECT_EQ(end.output, "$(id) `id`; id a\nb\n");
}

TEST(Command, HasTheGivenEnvironmentAlone) {
  ::setenv("LEAKED", "yes", 1);
  const CommandEnd end = run_command({"/usr/bin/env"}, {"ONLY=this"}, kLong);
  ::unsetenv("LEAKED");
  EXPECT_EQ(end.output, "ONLY=this\n");
}

TEST(Command, WhatIsMissingIsASentence) {
  const CommandEnd end = run_command({"/nonexistent/scontrol"}, {}, kLong);
  EXPECT_FALSE(end.exit_status);
  EXPECT_THAT(end.failure, HasSubstr("/nonexistent/scontrol cannot be started: No such file"));
  EXPECT_THAT(run_command({"scontrol"}, {}, kLong).failure, HasSubstr("absolute path"));
}

TEST(Command, IsKilledAtItsDeadlineWithItsChildren) {
  const auto start = std::chrono::steady_clock::now();
  const CommandEnd end = run_command({"/bin/sh", "-c", "sleep 60 & sleep 60"}, {}, 200ms);
  EXPECT_LT(std::chrono::steady_clock::now() - start, 15s);
  EXPECT_FALSE(end.exit_status);
  EXPECT_THAT(end.failure, HasSubstr("did not end within 200 ms"));
}

TEST(Command, ASignalIsSaid) {
  EXPECT_THAT(run_command({"/bin/sh", "-c", "kill -SEGV $$"}, {}, kLong).failure, HasSubstr("signal 11"));
}

TEST(Child, OneThatIsKilledIsNotLeftBehind) {
  const ChildEnd end = run_in_child([](int) { ::pause(); }, 100ms, [](std::string_view) { return true; });
  EXPECT_FALSE(end.in_time);
  EXPECT_FALSE(end.left_behind);
}

TEST(Child, OneThatKeepsTalkingIsWaitedForAndASilentOneIsNot) {
  int heard = 0;
  const auto listen = [&](std::string_view bytes) {
    heard += static_cast<int>(bytes.size());
    return true;
  };
  const ChildEnd slow = run_in_child(
      [](int descriptor) {
        for (int i = 0; i < 50; ++i) {
          ::usleep(100'000);
          write_all(descriptor, "x");
        }
      },
      kLong, listen, {}, [] { return 4s; });
  EXPECT_TRUE(slow.in_time) << "five seconds in all, a tenth at a time";
  EXPECT_EQ(heard, 50);
  const ChildEnd silent =
      run_in_child([](int) { ::usleep(20'000'000); }, kLong, listen, {}, [] { return 200ms; });
  EXPECT_FALSE(silent.in_time);
  EXPECT_EQ(silent.silence, 200ms);
  EXPECT_FALSE(run_in_child([](int) { ::usleep(20'000'000); }, 200ms, listen).silence);
}

TEST(Child, TheLimitOfSilenceMayChangeWithWhatItSaid) {
  int heard = 0;
  const auto listen = [&](std::string_view bytes) {
    heard += static_cast<int>(bytes.size());
    return true;
  };
  const ChildEnd end = run_in_child(
      [](int descriptor) {
        ::usleep(600'000);
        write_all(descriptor, "x");
        ::usleep(20'000'000);
      },
      kLong, listen, {}, [&] { return heard == 0 ? std::chrono::milliseconds(kLong) : 200ms; });
  EXPECT_EQ(heard, 1) << "the first limit is the longer one";
  EXPECT_FALSE(end.in_time);
  EXPECT_EQ(end.silence, 200ms);
}

TEST(Child, AProcessIsToldFromALaterOneOfItsNumber) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  ProcessId found{child, 0};
  // Its start is somewhere in the uptime of the machine: any other is not it.
  EXPECT_FALSE(is_running(found));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(is_running(found));
}

}  // namespace
}  // namespace fabricheck::process
