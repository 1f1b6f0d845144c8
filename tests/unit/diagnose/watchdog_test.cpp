#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "watchdog_logs.hpp"

namespace fabricheck::diagnose {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(Watchdog, TheRankThatDidNotCallIsNamedWithItsHost) {
  const Finding found = first_of(of_all(8, 5, asked_to_dump(5)));
  EXPECT_EQ(found.slug, "collective-not-called");
  EXPECT_EQ(found.component.name, "rank 5");
  EXPECT_EQ(found.component.host, "node1");
  EXPECT_THAT(found.meaning, HasSubstr("7 ranks waited in collective 1234 of process group 0(default_pg) "
                                       "(ALLREDUCE of 4096 elements), which rank 5 (node1) had not called"));
  ASSERT_FALSE(found.evidence.empty());
  EXPECT_THAT(found.evidence.front().text, HasSubstr("[rank5]"));
}

TEST(Watchdog, TheTimeoutFollowsFromIt) {
  const Diagnosis diagnosis = diagnosed(of_all(8, 5, asked_to_dump(5)));
  const Finding* timeout = finding(diagnosis, "collective-timeout");
  ASSERT_NE(timeout, nullptr);
  EXPECT_EQ(timeout->caused_by, "collective-not-called");
}

TEST(Watchdog, ARankThatAloneCalledIsTheOddOne) {
  std::string log = started(8) + timed_out(2);
  for (int rank = 0; rank < 8; ++rank)
    if (rank != 2) log += asked_to_dump(rank);
  const Finding found = first_of(log);
  EXPECT_EQ(found.slug, "collective-not-called");
  EXPECT_EQ(found.component.name, "rank 2");
  EXPECT_THAT(found.meaning, HasSubstr("which the other 7 that tell how far they were had not called"));
}

TEST(Watchdog, AnotherOperationOrSizeIsAMismatch) {
  const Finding operation = first_of(of_all(8, 5, timed_out(5, {.operation = "_ALLGATHER_BASE"})));
  EXPECT_EQ(operation.slug, "collective-mismatch");
  EXPECT_EQ(operation.component.name, "rank 5");
  EXPECT_THAT(operation.meaning,
              HasSubstr("rank 5 (node1) called _ALLGATHER_BASE of 4096 elements where 7 ranks "
                        "called ALLREDUCE"));
  const Finding size = first_of(of_all(8, 5, timed_out(5, {.elements = 4095})));
  EXPECT_EQ(size.slug, "collective-mismatch");
  EXPECT_THAT(size.meaning, HasSubstr("4095"));
}

TEST(Watchdog, WhereNoCallIsTheRarerOneNoneIsTheOddOne) {
  const Finding found = first_of(timed_out(0) + timed_out(1, {.elements = 4095}));
  EXPECT_EQ(found.slug, "collective-mismatch");
  EXPECT_EQ(found.component.name, "ranks 0 and 1");
}

TEST(Watchdog, WhereNoGroupIsToldItIsToldWhoWaitedWhere) {
  std::string log;
  for (const int rank : {64, 65, 66, 3})
    log += fmt::format(
        "[E ProcessGroupNCCL.cpp:481] [Rank {}] Watchdog caught collective operation timeout: "
        "WorkNCCL(SeqNum={}, OpType=_REDUCE_SCATTER_BASE, NumelIn=8, NumelOut=1, Timeout(ms)=1800000) ran "
        "for "
        "1800441 milliseconds before timing out.\n",
        rank, rank == 3 ? 12 : 1559);
  const Diagnosis diagnosis = diagnosed(log);
  EXPECT_THAT(slugs(log), testing::ElementsAre("collective-timeout"));
  EXPECT_THAT(diagnosis.seen,
              testing::Contains(HasSubstr("_REDUCE_SCATTER_BASE number 1559: ranks 64, 65 and 66")));
  EXPECT_THAT(diagnosis.seen, testing::Contains(HasSubstr("_REDUCE_SCATTER_BASE number 12: rank 3 ")));
}

TEST(Watchdog, WhenAllCalledItNobodyIsAccused) {
  const Finding found = first_of(of_all(8, 5, timed_out(5, {.enqueued = 1236})));
  EXPECT_EQ(found.slug, "collective-timeout");
  EXPECT_EQ(found.component.name, "");
  EXPECT_THAT(found.meaning,
              HasSubstr("all 8 ranks that tell how far they were had called it: none is behind"));
}

TEST(Watchdog, ARankThatIsNotHeardIsSaidToBe) {
  const Finding found = first_of(of_all(8, 5, ""));
  EXPECT_THAT(found.meaning,
              HasSubstr("all 7 ranks that tell how far they were had called it; of rank 5 no line is here"));
  EXPECT_THAT(found.meaning, Not(HasSubstr("none is behind")));
}

TEST(Watchdog, TheLastRanksMayBeUnheard) {
  const Finding found = first_of(started(8) + timed_out(0) + timed_out(1));
  EXPECT_THAT(found.meaning, HasSubstr("of these none is behind, so what stopped is a path between them, a "
                                       "GPU, work before it on a GPU's stream, or a rank that is not heard"));
}

TEST(Watchdog, ARankWhoseGpuIsBehindIsLikelyTheCause) {
  const Finding before = first_of(of_all(8, 5, timed_out(5, {.number = 1233, .completed = 1232})));
  EXPECT_EQ(before.slug, "collective-timeout");
  EXPECT_EQ(before.confidence, "likely");
  EXPECT_EQ(before.component.name, "rank 5");
  EXPECT_THAT(before.meaning,
              HasSubstr("rank 5 (node1) waited in collective 1233 of process group "
                        "0(default_pg) (ALLREDUCE of 4096 elements), which 7 ranks had finished"));
}

TEST(Watchdog, AGroupThatNeverEndedACollectiveIsToldSo) {
  const Said first{.number = 1, .enqueued = 547, .completed = -1};
  EXPECT_THAT(first_of(started(2) + timed_out(0, first) + timed_out(1, first)).meaning,
              HasSubstr("the group's first"));
}

TEST(Watchdog, OneRankAloneTellsNothingOfTheOthers) {
  const Finding found = first_of(started(8) + timed_out(3));
  EXPECT_EQ(found.slug, "collective-timeout");
  EXPECT_THAT(found.advice, HasSubstr("give the logs of all ranks together"));
}

TEST(Watchdog, TheWordsOfEarlierVersionsAreRead) {
  const auto said = [](int rank, const char* group, const char* words) {
    return fmt::format(
        "[rank{0}]:[E321 02:07:08.4 ProcessGroupNCCL.cpp:607] [Rank {0}] Watchdog caught collective "
        "operation "
        "timeout: WorkNCCL(SeqNum=1580, OpType=ALLREDUCE, NumelIn=4, NumelOut=4, Timeout(ms)=600000) ran for "
        "1 "
        "milliseconds before timing out.\n"
        "[rank{0}]:[E321 02:07:08.4 ProcessGroupNCCL.cpp:1664] [PG {1} Rank {0}] {2} 1580, last enqueued "
        "NCCL work: "
        "1582, last completed NCCL work: 1579.\n",
        rank, group, words);
  };
  for (const char* group : {"1", "0 (default_pg)", "ID 0 PG GUID 0(default_pg)"})
    for (const char* words :
         {"Exception (either an error or timeout) detected by watchdog at work:", "Timeout at NCCL work:"}) {
      const Observations seen = observed(said(0, group, words) + said(1, group, words));
      const auto stands = where_ranks_stood(seen);
      ASSERT_EQ(stands.size(), 1U) << group << words;
      EXPECT_EQ(stands.front().stand, Stand::all_called);
      EXPECT_EQ(stands.front().number, 1580);
      EXPECT_EQ(operation_words(*stands.front().waiting.front()), "ALLREDUCE of 4 elements");
    }
}

TEST(Watchdog, TheFirstDifferenceIsTheMismatch) {
  std::string log;
  for (int rank = 0; rank < 6; ++rank)
    log += timed_out(
        rank,
        {.number = 1, .operation = "BROADCAST", .elements = 1000 + rank, .enqueued = 1, .completed = -1});
  for (int rank = 6; rank < 8; ++rank) log += timed_out(rank, {.number = 2, .enqueued = 2, .completed = 1});
  const Finding found = first_of(log);
  EXPECT_EQ(found.slug, "collective-mismatch");
  EXPECT_THAT(found.meaning, HasSubstr("as collective 1 of"));
}

TEST(Watchdog, ARankThatAnExceptionEndedIsTheCause) {
  const std::string thrown =
      "[rank5]: Traceback (most recent call last):\n[rank5]:   File \"train.py\", line 7, in <module>\n"
      "[rank5]: ValueError: bad batch\n";
  const Finding found = first_of(thrown + of_all(8, 5, ""));
  EXPECT_EQ(found.slug, "collective-not-called");
  EXPECT_EQ(found.confidence, "likely");
  EXPECT_EQ(found.component.name, "rank 5");
  EXPECT_THAT(found.meaning, HasSubstr("rank 5 (node1) ended with ValueError, and 7 ranks waited"));
  ASSERT_FALSE(found.evidence.empty());
  EXPECT_THAT(found.evidence.front().text, HasSubstr("bad batch"));
}

TEST(Watchdog, TheOnlyRankThatToldOfNoWaitIsToBeLookedAt) {
  std::string log = started(8);
  for (int rank = 0; rank < 8; ++rank) {
    log += asked_to_dump(rank, 6, 6);
    const Said dp{.number = 77,
                  .operation = "_REDUCE_SCATTER_BASE",
                  .enqueued = 77,
                  .completed = 76,
                  .group = rank % 2 == 0 ? "ID 3 PG GUID 20(dp)" : "ID 3 PG GUID 21(dp)",
                  .group_rank = rank / 2};
    const Said tp{
        .number = 901, .enqueued = 901, .completed = 900, .group = "ID 2 PG GUID 37(tp)", .group_rank = 0};
    if (rank != 5) log += timed_out(rank, rank == 4 ? tp : dp);
  }
  const Finding found = first_of(log);
  EXPECT_EQ(found.slug, "collective-not-called");
  EXPECT_EQ(found.component.name, "rank 5");
  EXPECT_EQ(found.confidence, "possible");
  EXPECT_THAT(found.meaning,
              HasSubstr("7 ranks waited in collectives, and rank 5 (node1) alone told of none"));
}

TEST(Watchdog, WhereEachRankWasIsToldInAnyCase) {
  const Diagnosis diagnosis =
      diagnosed(timed_out(0) + timed_out(2) + timed_out(1, {.number = 1266, .enqueued = 1266}) +
                asked_to_dump(3, 1230, 1229));
  EXPECT_THAT(slugs(diagnosis), ElementsAre("collective-timeout"));
  EXPECT_THAT(
      diagnosis.seen,
      Contains(
          "process group 0(default_pg): rank 3 had called 1230 and finished 1229; ranks 0 and 2 waited in "
          "1234 (ALLREDUCE of 4096 elements); rank 1 waited in 1266 (ALLREDUCE of 4096 elements)"));
}

TEST(Watchdog, ARankThatCalledNothingYetIsNamed) {
  const Said first{.number = 1, .enqueued = 1, .completed = -1};
  const Finding found =
      first_of(timed_out(0, first) + timed_out(1, first) + asked_to_dump(2, -1, -1) + timed_out(3, first));
  EXPECT_EQ(found.slug, "collective-not-called");
  EXPECT_EQ(found.component.name, "rank 2");
}

/// It tells group and operation at once, and is there where other lines are cut off.
TEST(Watchdog, TheEndOfTheThreadTellsGroupAndOperation) {
  const auto ended = [](int rank) {
    return fmt::format(
        "[rank{0}]:[E1128 10:01:00.4 ProcessGroupNCCL.cpp:1834] [PG ID 0 PG GUID 0(default_pg) Rank {0}] "
        "Process group "
        "watchdog thread terminated with exception: [Rank {0}] Watchdog caught collective operation timeout: "
        "WorkNCCL(SeqNum=1234, OpType=ALLREDUCE, NumelIn=8, NumelOut=8, Timeout(ms)=600000) ran for 600012 "
        "milliseconds before timing out.\n",
        rank);
  };
  const Finding found = first_of(ended(0) + ended(1) + asked_to_dump(2));
  EXPECT_EQ(found.slug, "collective-not-called");
  EXPECT_EQ(found.component.name, "rank 2");
  EXPECT_THAT(found.meaning, HasSubstr("ALLREDUCE of 8 elements"));
}

TEST(Watchdog, ARankThatSaidOtherThingsIsPointedAt) {
  const Finding found = first_of(of_all(8, 5, "[rank5]: KeyboardInterrupt\n"));
  EXPECT_EQ(found.slug, "collective-timeout");
  EXPECT_THAT(found.meaning, HasSubstr("rank 5 (node1) said nothing of it: look there first"));
  EXPECT_THAT(found.meaning, Not(HasSubstr("none is behind")));
}

TEST(Watchdog, ABareNameIsAnExceptionToo) {
  EXPECT_EQ(first_of("[rank5]: AssertionError\n" + of_all(8, 5, "")).component.name, "rank 5");
}

TEST(Watchdog, ExceptionsOfTwoNamesAreNotCalledByOne) {
  EXPECT_THAT(first_of("[rank2]: ValueError: a\n[rank5]: KeyError: b\n" + timed_out(0) + timed_out(1) +
                       timed_out(3) + timed_out(4))
                  .meaning,
              HasSubstr("ranks 2 and 5 ended with exceptions, and 4 ranks waited"));
}

/// torchrun --tee writes the rank on the node before what the rank writes itself.
TEST(Watchdog, TheLastOfSeveralTagsIsTheRanksOwn) {
  EXPECT_EQ(first_of("[rank1]:[rank5]: ValueError: bad\n" + of_all(8, 5, "")).component.name, "rank 5");
}

}  // namespace
}  // namespace fabricheck::diagnose
