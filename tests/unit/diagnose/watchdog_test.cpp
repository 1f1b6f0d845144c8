#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "diagnose/collective_waits.hpp"
#include "logs.hpp"

namespace fabricheck::diagnose {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kDefault = "ID 0 PG GUID 0(default_pg)";

struct Said {
  std::int64_t number{1234};
  const char* operation{"ALLREDUCE"};
  std::int64_t elements{4096};
  std::int64_t enqueued{1234};
  std::int64_t completed{1233};
  const char* group{kDefault};
  int group_rank{-1};  ///< that of the job where it is not given
  const char* time{"10:00:00"};
};

/// The words of PyTorch 2.5 and later.
std::string timed_out(int rank, const Said& said = {}) {
  const int within = said.group_rank < 0 ? rank : said.group_rank;
  const std::string front = fmt::format("[rank{}]:[E1128 {}.408271257 ProcessGroupNCCL.cpp", rank, said.time);
  return fmt::format(
      "{}:632] [Rank {}] Watchdog caught collective operation timeout: WorkNCCL(SeqNum={}, OpType={}, "
      "NumelIn={}, "
      "NumelOut={}, Timeout(ms)=600000) ran for 600012 milliseconds before timing out.\n"
      "{}:2268] [PG {} Rank {}]  failure detected by watchdog at work sequence id: {} PG status: last "
      "enqueued "
      "work: {}, last completed work: {}\n",
      front, within, said.number, said.operation, said.elements, said.elements, front, said.group, within,
      said.number, said.enqueued, said.completed);
}

std::string asked_to_dump(int rank, std::int64_t enqueued = 1233, std::int64_t completed = 1233) {
  return fmt::format(
      "[rank{}]:[E1128 10:00:01.1 ProcessGroupNCCL.cpp:1685] [PG {} Rank {}] Received a dump signal due to a "
      "collective timeout from  rank 0 and we will try our best to dump the debug info. Last enqueued NCCL "
      "work: "
      "{}, last completed NCCL work: {}.This is most likely caused by incorrect usages of collectives\n",
      rank, kDefault, rank, enqueued, completed);
}

/// So that ranks have hosts and it is known how many there are.
std::string started(int ranks) {
  std::string log;
  for (int rank = 0; rank < ranks; ++rank)
    log += fmt::format(
        "node{}:9{}:95 [{}] NCCL INFO comm 0x5 rank {} nranks {} cudaDev {} nvmlDev {} busId 1000 commId "
        "0xabc - "
        "Init COMPLETE\n",
        rank / 4, rank, rank % 4, rank, ranks, rank % 4, rank % 4);
  return log;
}

std::string of_all(int ranks, int odd, const std::string& odd_log) {
  std::string log = started(ranks);
  for (int rank = 0; rank < ranks; ++rank) log += rank == odd ? odd_log : timed_out(rank);
  return log;
}

Observations of_files(const std::vector<std::string>& logs) {
  Observations seen;
  LogReader reader(seen);
  for (const std::string& log : logs) {
    seen.files.push_back({"test.log", 0, 0, {}, ""});
    reader.begin_file(static_cast<int>(seen.files.size()) - 1);
    std::istringstream lines(log);
    std::string line;
    for (std::uint64_t number = 1; std::getline(lines, line); ++number) reader.read(line, number);
  }
  return seen;
}

Finding first_of(const std::string& log) {
  const Diagnosis diagnosis = diagnosed(log);
  return diagnosis.findings.empty() ? Finding{} : diagnosis.findings.front();
}

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
  EXPECT_THAT(found.meaning, HasSubstr("which the other 7 that are heard had not called"));
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

/// Its first line may be lost: what rank 0 called is not known then.
TEST(Watchdog, ARankThatTellsNoOperationIsNotCompared) {
  std::string log = timed_out(0);
  log.erase(0, log.find('\n') + 1);
  const Finding found = first_of(log + timed_out(1) + timed_out(2) + timed_out(3, {.elements = 4095}));
  EXPECT_EQ(found.slug, "collective-mismatch");
  EXPECT_THAT(found.meaning, HasSubstr("where ranks 1 and 2 called"));
  for (const Evidence& one : found.evidence) EXPECT_THAT(one.text, HasSubstr("OpType="));
}

TEST(Watchdog, WhereNoCallIsTheRarerOneNoneIsTheOddOne) {
  const Finding found = first_of(timed_out(0) + timed_out(1, {.elements = 4095}));
  EXPECT_EQ(found.slug, "collective-mismatch");
  EXPECT_EQ(found.component.name, "ranks 0 and 1");
}

TEST(Watchdog, SizesThatMayDifferAreNoMismatch) {
  const Finding found = first_of(timed_out(0, {.operation = "ALLGATHER"}) +
                                 timed_out(1, {.operation = "ALLGATHER", .elements = 4095}));
  EXPECT_EQ(found.slug, "collective-timeout");
}

TEST(Watchdog, WhenAllCalledItNobodyIsAccused) {
  const Finding found = first_of(of_all(8, 5, timed_out(5, {.enqueued = 1236})));
  EXPECT_EQ(found.slug, "collective-timeout");
  EXPECT_EQ(found.component.name, "");
  EXPECT_THAT(found.meaning, HasSubstr("all 8 ranks that are heard had called it: none is behind"));
}

TEST(Watchdog, ARankThatIsNotHeardIsSaidToBe) {
  const Finding found = first_of(of_all(8, 5, ""));
  EXPECT_THAT(found.meaning,
              HasSubstr("all 7 ranks that are heard had called it; of rank 5 no line is here"));
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

TEST(Watchdog, ARootThatIsDoneAccusesNobody) {
  const Said broadcast{.operation = "BROADCAST"};
  const Finding found =
      first_of(asked_to_dump(0, 1240, 1234) + timed_out(1, broadcast) + timed_out(2, broadcast));
  EXPECT_EQ(found.component.name, "");
  EXPECT_THAT(found.meaning, HasSubstr("all 3 ranks that are heard had called it"));
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

/// "PG 1" is the second group of its rank, whichever that is.
TEST(Watchdog, GroupsThatOnlyShareALocalNameAreNotCompared) {
  EXPECT_TRUE(
      where_ranks_stood(observed(timed_out(0, {.group = "1"}) +
                                 timed_out(2, {.number = 77, .enqueued = 77, .group = "1", .group_rank = 0})))
          .empty());
  EXPECT_TRUE(where_ranks_stood(
                  observed(timed_out(0, {.group = "1"}) + timed_out(3, {.group = "1", .group_rank = 1})))
                  .empty());
  EXPECT_EQ(where_ranks_stood(observed(timed_out(0, {.group = "1"}) + timed_out(1, {.group = "1"}))).size(),
            1U);
}

TEST(Watchdog, WhatCannotBeComparedAccusesNobody) {
  const std::string apart =
      timed_out(0) + timed_out(1, {.number = 1233, .enqueued = 1233, .completed = 1232, .time = "14:00:00"});
  const std::string own_numbers =
      timed_out(0, {.operation = "SEND"}) +
      timed_out(1, {.number = 1233, .operation = "RECV", .enqueued = 1233, .completed = 1232});
  const std::string far_behind = timed_out(0) + asked_to_dump(1, 700, 700);
  for (const std::string& log : {apart, own_numbers, far_behind}) {
    const Diagnosis diagnosis = diagnosed(log);
    ASSERT_THAT(slugs(diagnosis), ElementsAre("collective-timeout")) << log;
    EXPECT_EQ(diagnosis.findings.front().component.name, "") << log;
  }
}

/// Rank 1 did not call what rank 0 waits in: it waits in another group itself.
TEST(Watchdog, WhoIsHeldUpInAnotherGroupIsNotAccused) {
  const Said other{.number = 50,
                   .operation = "_ALLGATHER_BASE",
                   .enqueued = 50,
                   .completed = 49,
                   .group = "ID 2 PG GUID 5(tp)",
                   .group_rank = 0};
  Said second = other;
  second.group_rank = 1;
  const auto stands = where_ranks_stood(
      observed(timed_out(0) + asked_to_dump(1) + timed_out(1, other) + timed_out(2) + timed_out(2, second)));
  ASSERT_EQ(stands.size(), 1U);
  EXPECT_EQ(stands.front().group, "5(tp)");
  EXPECT_EQ(stands.front().stand, Stand::all_called);
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

TEST(Watchdog, AJobThatWentOnAfterItIsNotAccused) {
  EXPECT_THAT(slugs(of_all(8, 5, asked_to_dump(5)) + "training finished after 9 epochs\n"),
              Not(Contains("collective-not-called")));
}

/// A receiver of a broadcast is behind its root, and rightly so.
TEST(Watchdog, WhoIsBehindInACollectiveThatARootMayLeaveIsNotAccused) {
  const Said later{.number = 5730, .operation = "BROADCAST", .enqueued = 6464, .completed = 5729};
  const Said behind{.number = 5729, .operation = "BROADCAST", .enqueued = 6464, .completed = 5728};
  for (const std::string& log :
       {timed_out(0, later) + timed_out(1, later) + timed_out(2, later) + timed_out(3, behind),
        timed_out(0, {.operation = "REDUCE"}) + asked_to_dump(1, 1234, 1234) + asked_to_dump(2, 1234, 1234)})
    EXPECT_EQ(first_of(log).component.name, "") << log;
}

TEST(Watchdog, RanksOfTwoJobsAreNotMixed) {
  const auto tagged = [](int pid, std::string lines) {
    for (std::size_t at = 0; at < lines.size(); at = lines.find('\n', at) + 1)
      lines.insert(at, fmt::format("(RayWorker pid={}) ", pid));
    return lines;
  };
  std::string log = tagged(200, timed_out(0)) + tagged(201, timed_out(1));
  for (int rank = 0; rank < 4; ++rank) log += tagged(100 + rank, asked_to_dump(rank));
  EXPECT_THAT(slugs(log), ElementsAre("collective-timeout"));
  const Observations files =
      of_files({timed_out(0) + timed_out(1) + timed_out(2),
                asked_to_dump(0) + asked_to_dump(1) + asked_to_dump(2) + asked_to_dump(3)});
  EXPECT_TRUE(where_ranks_stood(files).empty());
}

/// A launcher may write what its ranks say into a file of each and into one of all.
TEST(Watchdog, TheSameLineInTwoFilesIsOne) {
  const Observations files = of_files({timed_out(0) + timed_out(1) + asked_to_dump(2), asked_to_dump(2)});
  ASSERT_EQ(where_ranks_stood(files).size(), 1U);
  EXPECT_EQ(where_ranks_stood(files).front().stand, Stand::not_called);
}

TEST(Watchdog, AnAttemptThatWasGivenUpIsForgotten) {
  const std::string again = "worker group: 1/3 attempts left; will restart worker group\n";
  const auto found = slugs(timed_out(0) + timed_out(1) + timed_out(2) + again + asked_to_dump(3) +
                           timed_out(1, {.time = "10:01:00"}) + timed_out(2, {.time = "10:01:00"}));
  EXPECT_THAT(found, Contains("collective-not-called"));
  const Finding first = first_of(timed_out(0) + asked_to_dump(3) + again +
                                 timed_out(1, {.time = "10:12:00"}) + timed_out(2, {.time = "10:12:00"}));
  EXPECT_EQ(first.slug, "collective-timeout");
}

/// Two groups that wait in a collective of one number: which call is whose is not told.
TEST(Watchdog, AnOperationThatMayBeOfAnotherGroupIsNotTaken) {
  const Said tp{.number = 5, .elements = 100, .enqueued = 5, .completed = 4, .group = "ID 1 PG GUID 5(tp)"};
  const Said dp{.number = 5,
                .operation = "_ALLGATHER_BASE",
                .elements = 7,
                .enqueued = 5,
                .completed = 4,
                .group = "ID 2 PG GUID 9(dp)"};
  const auto line = [](const std::string& text, int number) {
    const std::size_t middle = text.find('\n') + 1;
    return number == 0 ? text.substr(0, middle) : text.substr(middle);
  };
  const std::string both = line(timed_out(0, tp), 0) + line(timed_out(0, dp), 0) + line(timed_out(0, tp), 1) +
                           line(timed_out(0, dp), 1);
  std::string others;
  for (int rank = 1; rank < 3; ++rank) others += timed_out(rank, tp);
  EXPECT_THAT(slugs(both + others), ElementsAre("collective-timeout"));
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
  const Finding found = first_of(of_all(8, 5, thrown));
  EXPECT_EQ(found.slug, "collective-not-called");
  EXPECT_EQ(found.component.name, "rank 5");
  EXPECT_THAT(found.meaning, HasSubstr("rank 5 (node1) ended with ValueError, and 7 ranks waited"));
  ASSERT_FALSE(found.evidence.empty());
  EXPECT_THAT(found.evidence.front().text, HasSubstr("bad batch"));
}

TEST(Watchdog, AnExceptionThatFollowsFromTheOthersIsNotTheCause) {
  const std::string thrown = "[rank5]: torch.distributed.DistBackendError: NCCL communicator was aborted\n";
  EXPECT_EQ(first_of(of_all(8, 5, thrown)).component.name, "");
}

TEST(Watchdog, TheOnlyRankThatWaitedInNoGroupIsWhatTheOthersWaitFor) {
  std::string log;
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
  EXPECT_EQ(found.confidence, "likely");
  EXPECT_THAT(found.meaning, HasSubstr("7 ranks waited in collectives, and rank 5 in none"));
}

TEST(Watchdog, ARootThatIsDoneAndWhoHasWorkUnderWayIsNotIdle) {
  for (const std::string& done : {asked_to_dump(0, 1234, 1234), asked_to_dump(0, 1240, 1234)}) {
    std::string log = done;
    for (int rank = 1; rank < 4; ++rank) log += timed_out(rank, {.operation = "BROADCAST"});
    EXPECT_EQ(first_of(log).slug, "collective-timeout") << log;
    EXPECT_THAT(first_of(log).meaning, Not(HasSubstr("none is behind"))) << log;
  }
}

TEST(Watchdog, WhatRayLeftOutIsNotUnheard) {
  std::string log;
  for (const int rank : {0, 1, 7}) {
    std::string lines = timed_out(rank);
    lines.insert(lines.find('\n'), " [repeated 6x across cluster] (Ray deduplicates logs by default)");
    log += lines;
  }
  const Finding found = first_of(log);
  EXPECT_THAT(found.meaning, Not(HasSubstr("no line is here")));
  EXPECT_THAT(found.advice, HasSubstr("RAY_DEDUP_LOGS=0"));
}

TEST(Watchdog, LinesThatRanIntoEachOtherAreNotTaken) {
  std::string log;
  for (int rank = 0; rank < 4; ++rank) log += timed_out(rank);
  log +=
      "[rank5]:[E1128 10:00:00.4 ProcessGroupNCCL.cpp:632] [Rank 5] Watchdog [rank4]:[E1128 10:00:00.4 "
      "ProcessGroupNCCL.cpp:2268] [PG ID 0 PG GUID 0(default_pg) Rank 3]  failure detected by watchdog at "
      "work "
      "sequence id: 1234 PG status: last enqueued work: 1233, last completed work: 1233\n";
  EXPECT_EQ(first_of(log).slug, "collective-timeout");
}

/// Some versions give the groups of a mesh one name.
TEST(Watchdog, RanksThatCannotBeOfOneGroupAreNotCompared) {
  const auto said = [](int rank, int within, const char* operation) {
    return timed_out(rank, {.number = 7,
                            .operation = operation,
                            .enqueued = 7,
                            .completed = 6,
                            .group = "ID 1 PG GUID 1(mesh_tp)",
                            .group_rank = within});
  };
  EXPECT_TRUE(where_ranks_stood(observed(said(0, 0, "ALLREDUCE") + said(5, 1, "_ALLGATHER_BASE"))).empty());
  EXPECT_TRUE(where_ranks_stood(
                  observed(said(0, 0, "ALLREDUCE") + said(1, 1, "ALLREDUCE") + said(6, 2, "_ALLGATHER_BASE")))
                  .empty());
  EXPECT_FALSE(where_ranks_stood(observed(said(0, 0, "ALLREDUCE") + said(2, 1, "ALLREDUCE") +
                                          said(4, 2, "_ALLGATHER_BASE")))
                   .empty());
}

TEST(Watchdog, WhatIsToldAllTheTimeIsNotOfTheEnd) {
  const std::string periodic =
      "[rank3]:[I1128 09:59:30.4 ProcessGroupNCCL.cpp:2268] [PG ID 0 PG GUID 0(default_pg) Rank 3] NCCL Work "
      "update "
      "periodically: last enqueued NCCL work: 1233, last completed NCCL work: 1233.\n";
  std::string log = periodic;
  for (int rank = 0; rank < 3; ++rank) log += timed_out(rank);
  EXPECT_EQ(first_of(log).slug, "collective-timeout");
}

TEST(Watchdog, ARankThatCalledNothingYetIsNamed) {
  const Said first{.number = 1, .enqueued = 1, .completed = -1};
  const Finding found =
      first_of(timed_out(0, first) + timed_out(1, first) + asked_to_dump(2, -1, -1) + timed_out(3, first));
  EXPECT_EQ(found.slug, "collective-not-called");
  EXPECT_EQ(found.component.name, "rank 2");
}

/// PyTorch counts sends and receives apart, and tells of whichever was last.
TEST(Watchdog, NumbersOfSendsAmongThemAreNotCompared) {
  const Said said{.number = 12, .enqueued = 12, .completed = 11};
  EXPECT_EQ(first_of(timed_out(0, said) + timed_out(1, said) + asked_to_dump(2, 5000, 5000) +
                     asked_to_dump(3, 11, 5000))
                .slug,
            "collective-timeout");
  const auto pipeline = [](int rank, int within, std::int64_t number) {
    return timed_out(rank, {.number = number,
                            .enqueued = number,
                            .completed = number - 1,
                            .group = "ID 4 PG GUID 90(PIPELINE_MODEL_PARALLEL_GROUP)",
                            .group_rank = within});
  };
  EXPECT_TRUE(
      where_ranks_stood(observed(pipeline(2, 0, 77) + pipeline(10, 1, 76) + pipeline(18, 2, 77))).empty());
}

TEST(Watchdog, OneOfTwoIsNotNamedForEitherMayBeAtFault) {
  const Finding found = first_of(timed_out(0) + asked_to_dump(1));
  EXPECT_EQ(found.slug, "collective-not-called");
  EXPECT_EQ(found.component.name, "");
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

TEST(Watchdog, ATagBeforeTheLineIsNotTheRank) {
  std::string tagged;
  for (int rank = 0; rank < 3; ++rank) {
    std::string one = rank != 1 ? timed_out(rank) : asked_to_dump(1);
    for (std::size_t at = 0; at < one.size(); at = one.find('\n', at) + 1) one.insert(at, "[rank7]: ");
    tagged += one;
  }
  EXPECT_EQ(first_of(tagged).component.name, "rank 1");
}

}  // namespace
}  // namespace fabricheck::diagnose
