#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <thread>

#include "core/error.hpp"
#include "topology/model/cpu_list.hpp"
#include "topology/probe/probe.hpp"

namespace fabricheck::topology {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(CpuList, Parses) {
  EXPECT_THAT(parse_cpu_list("0-3,8"), ElementsAre(0, 1, 2, 3, 8));
  EXPECT_THAT(parse_cpu_list("8,0-2,1-3"), ElementsAre(0, 1, 2, 3, 8));
  EXPECT_THAT(parse_cpu_list("7"), ElementsAre(7));
  EXPECT_THAT(parse_cpu_list("5-5"), ElementsAre(5));
  EXPECT_THAT(parse_cpu_list("65535"), ElementsAre(65535));
  EXPECT_THAT(parse_cpu_list(""), IsEmpty());
}

TEST(CpuList, RefusesAnythingElse) {
  for (const char* const bad : {",",
                                "0,",
                                ",0",
                                "0,,1",
                                "-",
                                "-1",
                                "1-",
                                "0--1",
                                "0--0",
                                "-0",
                                "3-1",
                                "a",
                                "0-3:1/2",
                                " 0",
                                "0 ",
                                "0\n",
                                "0x1",
                                "+1",
                                "1.5",
                                "65536",
                                "0-4000000000",
                                "99999999999999999999"}) {
    EXPECT_THROW(parse_cpu_list(bad), Error) << bad;
  }
  try {
    parse_cpu_list("0-3:1/2");
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("'0-3:1/2'"));
  }
}

TEST(CpuList, Formats) {
  EXPECT_EQ(format_cpu_list({0, 1, 2, 3, 8}), "0-3,8");
  EXPECT_EQ(format_cpu_list({8, 3, 1, 3}), "1,3,8");
  EXPECT_EQ(format_cpu_list({}), "");
  for (const char* const list : {"0-15,32-47", "1,3,5", "0-1", "7"}) {
    EXPECT_EQ(format_cpu_list(parse_cpu_list(list)), list);
  }
}

class Affinity : public ::testing::Test {
 protected:
  void TearDown() override { bind_to_cpus(before_); }
  const std::string before_ = allowed_cpus();
};

TEST_F(Affinity, IsTheKernelsAnswer) {
  cpu_set_t set;
  ASSERT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
  EXPECT_EQ(parse_cpu_list(before_).size(), static_cast<std::size_t>(CPU_COUNT(&set)));
}

TEST_F(Affinity, BindsEveryThread) {
  const auto cpus = parse_cpu_list(before_);
  if (cpus.size() < 2) GTEST_SKIP() << "one CPU only";
  std::atomic<int> phase{0};
  std::string seen;
  std::thread other([&] {
    phase = 1;
    while (phase != 2) std::this_thread::yield();
    seen = allowed_cpus();
  });
  while (phase != 1) std::this_thread::yield();
  const std::string one = std::to_string(cpus.back());
  bind_to_cpus(one);
  phase = 2;
  other.join();
  EXPECT_EQ(allowed_cpus(), one);
  EXPECT_EQ(seen, one);
}

TEST_F(Affinity, SaysWhatTheKernelRefuses) {
  EXPECT_THROW(bind_to_cpus(""), Error);
  EXPECT_THROW(bind_to_cpus("one"), Error);
  try {
    bind_to_cpus("60000");
    FAIL() << "no machine has CPU 60000";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("refuses CPUs 60000"));
    EXPECT_THAT(error.what(), HasSubstr("allowed are " + before_));
  }
  EXPECT_EQ(allowed_cpus(), before_);
}

}  // namespace
}  // namespace fabricheck::topology
