// Ranks that began NCCL's start: which of them ended it, and which of the job's are heard at all.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "logs.hpp"

namespace fabricheck::diagnose {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string line(int rank, int comm, const char* what, int pid_of_attempt = 0) {
  return fmt::format(
      "node{0}:{1}:9 [{2}] NCCL INFO ncclCommInitRank comm 0x{3}{4} rank {5} nranks 4 cudaDev {2} nvmlDev "
      "{2} "
      "busId 1b000 commId 0x{3} - Init {6}\n",
      1 + rank / 2, 1000 * (1 + rank / 2) + rank % 2 + pid_of_attempt, rank % 2, comm, rank, rank, what);
}

std::string start(int comm, std::initializer_list<int> complete, int pid_of_attempt = 0) {
  std::string log;
  for (int rank = 0; rank < 4; ++rank) log += line(rank, comm, "START", pid_of_attempt);
  for (const int rank : complete) log += line(rank, comm, "COMPLETE", pid_of_attempt);
  return log;
}

std::string paths(int ranks) {
  std::string log;
  for (int rank = 0; rank < ranks; ++rank)
    log += fmt::format(
        "node{0}:{1}:9 [{2}] NCCL INFO NET/IB : Using [0]mlx5_0:1/IB [RO]; OOB eth0:10.0.0.{0}<0>\n"
        "node{0}:{1}:9 [{2}] NCCL INFO comm 0x77{3} rank {3} nRanks 4 nNodes 2 localRanks 2 localRank {2} "
        "MNNVL "
        "0\n"
        "node{0}:{1}:9 [{2}] NCCL INFO Channel 00/0 : {3}[{2}] -> 0[0] [send] via NET/IB/0/GDRDMA\n"
        "node{0}:{1}:9 [{2}] NCCL INFO Channel 01/0 : {3}[{2}] -> 1[1] via P2P/CUMEM\n",
        1 + rank / 2, 1000 * (1 + rank / 2) + rank % 2, rank % 2, rank);
  return log;
}

TEST(Starts, ThatARankDidNotEndAreNamedAndNotHealthy) {
  const Diagnosis found = diagnosed(paths(4) + start(77, {0, 1, 2}));
  EXPECT_FALSE(found.is_conclusive);
  EXPECT_FALSE(found.has_fault);
  ASSERT_NE(finding(found, "start-not-completed"), nullptr) << testing::PrintToString(slugs(found));
  EXPECT_THAT(finding(found, "start-not-completed")->meaning, HasSubstr("rank 3 (node2:2001)"));
  EXPECT_THAT(finding(found, "start-not-completed")->evidence.front().text, HasSubstr("rank 3 nranks 4"));
  EXPECT_EQ(finding(found, "healthy"), nullptr);
}

TEST(Starts, OfALaterCommunicatorCountToo) {
  const Diagnosis found = diagnosed(paths(4) + start(77, {0, 1, 2, 3}) + start(88, {0, 1, 2}));
  EXPECT_FALSE(found.is_conclusive);
  ASSERT_NE(finding(found, "start-not-completed"), nullptr);
  EXPECT_THAT(finding(found, "start-not-completed")->evidence.front().text, HasSubstr("commId 0x88"));
}

TEST(Starts, ThatAllRanksEndedAreHealthy) {
  EXPECT_EQ(first(paths(4) + start(77, {0, 1, 2, 3}) + start(88, {0, 1, 2, 3})), "healthy");
}

TEST(Starts, ThatWereBegunAnewOrGoneOnFromAreNotOpen) {
  EXPECT_EQ(first(paths(4) + start(76, {0, 1, 2}) + start(77, {0, 1, 2, 3}, 500)), "healthy")
      << "an earlier attempt, of other processes";
  EXPECT_EQ(first(paths(4) + start(76, {0, 1, 2}) + start(77, {0, 1, 2, 3})), "healthy")
      << "a process that hung began nothing more: the line was lost";
}

TEST(Starts, OfManyCommunicatorsKeepTheOneThatIsOpen) {
  std::string log = paths(4) + start(10, {0, 1, 2});
  for (int comm = 11; comm < 30; ++comm)
    for (const int rank : {0, 1, 2}) log += line(rank, comm, "START") + line(rank, comm, "COMPLETE");
  EXPECT_NE(finding(diagnosed(log), "start-not-completed"), nullptr);
}

TEST(Starts, OfFewerRanksThanTheJobHasAreSaidSo) {
  const auto healthy = [](const std::string& log) {
    const Diagnosis found = diagnosed(log);
    const Finding* one = finding(found, "healthy");
    return one == nullptr ? testing::PrintToString(slugs(found)) : one->meaning;
  };
  std::string three = paths(3), one_node = paths(2), all = paths(4);
  for (int rank = 0; rank < 4; ++rank) {
    if (rank < 3) three += line(rank, 77, "COMPLETE");
    if (rank < 2) one_node += line(rank, 77, "COMPLETE");
    all += line(rank, 77, "COMPLETE");
  }
  EXPECT_THAT(healthy(three), HasSubstr("only 3 of the job's 4 ranks are heard"));
  EXPECT_THAT(healthy(one_node), HasSubstr("only 2 of the job's 4 ranks are heard, on 1 of its 2 nodes"));
  EXPECT_THAT(healthy(paths(1) + line(0, 77, "COMPLETE")), HasSubstr("only 1 of the job's 4 ranks is heard"));
  EXPECT_THAT(healthy(all), Not(HasSubstr("heard")));
}

}  // namespace
}  // namespace fabricheck::diagnose
