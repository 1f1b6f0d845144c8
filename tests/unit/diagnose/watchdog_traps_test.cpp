// What looks like a rank's fault to who only compares numbers, and is none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "watchdog_logs.hpp"

namespace fabricheck::diagnose {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

/// Its first line may be lost: what rank 0 called is not known then.
TEST(WatchdogTraps, ARankThatTellsNoOperationIsNotCompared) {
  std::string log = timed_out(0);
  log.erase(0, log.find('\n') + 1);
  const Finding found = first_of(log + timed_out(1) + timed_out(2) + timed_out(3, {.elements = 4095}));
  EXPECT_EQ(found.slug, "collective-mismatch");
  EXPECT_THAT(found.meaning, HasSubstr("where ranks 1 and 2 called"));
  for (const Evidence& one : found.evidence) EXPECT_THAT(one.text, HasSubstr("OpType="));
}

TEST(WatchdogTraps, SizesThatMayDifferAreNoMismatch) {
  const Finding found = first_of(timed_out(0, {.operation = "ALLGATHER"}) +
                                 timed_out(1, {.operation = "ALLGATHER", .elements = 4095}));
  EXPECT_EQ(found.slug, "collective-timeout");
}

TEST(WatchdogTraps, ARootThatIsDoneAccusesNobody) {
  const Said broadcast{.operation = "BROADCAST"};
  const Finding found =
      first_of(asked_to_dump(0, 1240, 1234) + timed_out(1, broadcast) + timed_out(2, broadcast));
  EXPECT_EQ(found.component.name, "");
  EXPECT_THAT(found.meaning, HasSubstr("all 3 ranks that tell how far they were had called it"));
}

/// "PG 1" is the second group of its rank, whichever that is.
TEST(WatchdogTraps, GroupsThatOnlyShareALocalNameAreNotCompared) {
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

TEST(WatchdogTraps, WhatCannotBeComparedAccusesNobody) {
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
TEST(WatchdogTraps, WhoIsHeldUpInAnotherGroupIsNotAccused) {
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

TEST(WatchdogTraps, AJobThatWentOnAfterItIsNotAccused) {
  EXPECT_THAT(slugs(of_all(8, 5, asked_to_dump(5)) + "training finished after 9 epochs\n"),
              Not(Contains("collective-not-called")));
}

/// A receiver of a broadcast is behind its root, and rightly so.
TEST(WatchdogTraps, WhoIsBehindInACollectiveThatARootMayLeaveIsNotAccused) {
  const Said later{.number = 5730, .operation = "BROADCAST", .enqueued = 6464, .completed = 5729};
  const Said behind{.number = 5729, .operation = "BROADCAST", .enqueued = 6464, .completed = 5728};
  for (const std::string& log :
       {timed_out(0, later) + timed_out(1, later) + timed_out(2, later) + timed_out(3, behind),
        timed_out(0, {.operation = "REDUCE"}) + asked_to_dump(1, 1234, 1234) + asked_to_dump(2, 1234, 1234)})
    EXPECT_EQ(first_of(log).component.name, "") << log;
}

TEST(WatchdogTraps, RanksOfTwoJobsAreNotMixed) {
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
TEST(WatchdogTraps, TheSameLineInTwoFilesIsOne) {
  const Observations files = of_files({timed_out(0) + timed_out(1) + asked_to_dump(2), asked_to_dump(2)});
  ASSERT_EQ(where_ranks_stood(files).size(), 1U);
  EXPECT_EQ(where_ranks_stood(files).front().stand, Stand::not_called);
}

TEST(WatchdogTraps, AnAttemptThatWasGivenUpIsForgotten) {
  const std::string again = "worker group: 1/3 attempts left; will restart worker group\n";
  const auto found = slugs(timed_out(0) + timed_out(1) + timed_out(2) + again + asked_to_dump(3) +
                           timed_out(1, {.time = "10:01:00"}) + timed_out(2, {.time = "10:01:00"}));
  EXPECT_THAT(found, Contains("collective-not-called"));
  const Finding first = first_of(timed_out(0) + asked_to_dump(3) + again +
                                 timed_out(1, {.time = "10:12:00"}) + timed_out(2, {.time = "10:12:00"}));
  EXPECT_EQ(first.slug, "collective-timeout");
  const Finding second = first_of(timed_out(0, {.number = 5, .enqueued = 5, .completed = 4}) + again +
                                  "[rank2]: ValueError: of the second\n" +
                                  timed_out(0, {.number = 5, .elements = 9, .enqueued = 5, .completed = 4}) +
                                  timed_out(1, {.number = 5, .elements = 9, .enqueued = 5, .completed = 4}));
  EXPECT_EQ(second.component.name, "rank 2");
  const Finding without = first_of(timed_out(0, {.number = 5, .enqueued = 5, .completed = 4}) + again +
                                   timed_out(0, {.number = 5, .elements = 9, .enqueued = 5, .completed = 4}) +
                                   timed_out(1, {.number = 5, .elements = 9, .enqueued = 5, .completed = 4}));
  EXPECT_THAT(without.meaning, HasSubstr("ALLREDUCE of 9 elements"));
}

/// Two groups that wait in a collective of one number: which call is whose is not told.
TEST(WatchdogTraps, AnOperationThatMayBeOfAnotherGroupIsNotTaken) {
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

TEST(WatchdogTraps, AnExceptionThatFollowsFromTheOthersIsNotTheCause) {
  for (const char* thrown :
       {"torch.distributed.DistBackendError: NCCL communicator was aborted",
        "RuntimeError: [/pytorch/third_party/gloo/gloo/transport/tcp/unbound_buffer.cc:78] Timed out waiting "
        "1800000ms",
        "RuntimeError: [Rank 5]: Ranks 3 failed to pass monitoredBarrier in 1800000 ms",
        "RuntimeError: DataLoader worker (pid 1) is killed by signal: Terminated.",
        "torch.distributed.elastic.multiprocessing.api.SignalException: Process 4711 got signal: 15",
        "ray.exceptions.ActorDiedError: The actor died", "TimeoutError: RPC call to execute_model timed out.",
        "KeyboardInterrupt", "UserWarning: lr_scheduler.step() before optimizer.step()"})
    EXPECT_NE(first_of(fmt::format("[rank5]: {}\n", thrown) + of_all(8, 5, "")).slug, "collective-not-called")
        << thrown;
}

/// The last one of a chain is that which ended the rank.
TEST(WatchdogTraps, AnExceptionThatAnotherOneFollowedIsNotTheCause) {
  const std::string chain =
      "[rank5]: KeyError: 'cache'\n[rank5]: During handling of the above exception, another exception "
      "occurred:\n"
      "[rank5]: torch.distributed.DistBackendError: NCCL communicator was aborted\n";
  EXPECT_EQ(first_of(chain + of_all(8, 5, "")).slug, "collective-timeout");
}

TEST(WatchdogTraps, ExceptionsOfAnEarlierAttemptAccuseNobody) {
  std::string log;
  for (int rank = 0; rank < 8; ++rank) log += fmt::format("[rank{}]: FileNotFoundError: data\n", rank);
  for (const int rank : {0, 1, 4, 5, 6, 7}) log += timed_out(rank);
  EXPECT_EQ(first_of(log).slug, "collective-timeout");
  EXPECT_EQ(first_of(of_all(8, 5, "") + "[rank5]: OSError: too late to be the cause\n").slug,
            "collective-timeout");
  const std::string engine = "(Engine pid=900) [rank5]: ValueError: of another job\n";
  EXPECT_EQ(first_of(engine + of_all(8, 5, "")).slug, "collective-timeout");
}

TEST(WatchdogTraps, WhoTimedOutInAnotherGroupWaitsThere) {
  std::string here = asked_to_dump(5, 6, 6);
  here.replace(here.find("from  rank 0"), 12, "from this local rank");
  std::string log = started(8);
  for (int rank = 0; rank < 8; ++rank)
    log += rank == 5
               ? here
               : timed_out(rank, {.group = rank % 2 == 0 ? "ID 3 PG GUID 20(dp)" : "ID 3 PG GUID 21(dp)",
                                  .group_rank = rank / 2});
  EXPECT_EQ(first_of(log).slug, "collective-timeout");
}

TEST(WatchdogTraps, ARootThatIsDoneAndWhoHasWorkUnderWayIsNotIdle) {
  for (const std::string& done : {asked_to_dump(0, 1234, 1234), asked_to_dump(0, 1240, 1234)}) {
    std::string log = done;
    for (int rank = 1; rank < 4; ++rank) log += timed_out(rank, {.operation = "BROADCAST"});
    EXPECT_EQ(first_of(log).slug, "collective-timeout") << log;
    EXPECT_THAT(first_of(log).meaning, Not(HasSubstr("none is behind"))) << log;
  }
}

TEST(WatchdogTraps, WhatRayLeftOutIsNotUnheard) {
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

TEST(WatchdogTraps, LinesThatRanIntoEachOtherAreNotTaken) {
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
TEST(WatchdogTraps, RanksThatCannotBeOfOneGroupAreNotCompared) {
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

TEST(WatchdogTraps, WhatIsToldAllTheTimeIsNotOfTheEnd) {
  const std::string periodic =
      "[rank3]:[I1128 09:59:30.4 ProcessGroupNCCL.cpp:2268] [PG ID 0 PG GUID 0(default_pg) Rank 3] NCCL Work "
      "update "
      "periodically: last enqueued NCCL work: 1233, last completed NCCL work: 1233.\n";
  std::string log = periodic;
  for (int rank = 0; rank < 3; ++rank) log += timed_out(rank);
  EXPECT_EQ(first_of(log).slug, "collective-timeout");
}

/// PyTorch counts sends and receives apart, and tells of whichever was last.
TEST(WatchdogTraps, NumbersOfSendsAmongThemAreNotCompared) {
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

TEST(WatchdogTraps, OneOfTwoIsNotNamedForEitherMayBeAtFault) {
  const Finding found = first_of(timed_out(0) + asked_to_dump(1));
  EXPECT_EQ(found.slug, "collective-not-called");
  EXPECT_EQ(found.component.name, "");
}

TEST(WatchdogTraps, ATagBeforeTheLineIsNotTheRank) {
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
