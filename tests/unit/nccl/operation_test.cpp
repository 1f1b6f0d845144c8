#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "collectives/bandwidth.hpp"
#include "core/statistics.hpp"
#include "ranks.hpp"

// The dynamic linker, which is not instrumented, gives back what a thread that has ended and is detached had.
extern "C" const char* __tsan_default_suppressions() {
  return "race:_dl_deallocate_tls\n";
}  // NOLINT: its name

namespace fabricheck::collectives::nccl {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

const SteadyClock steady;

class Nccl : public ::testing::Test {
 protected:
  void TearDown() override {
    release_communicators(steady, 1'000'000'000);
    // What was left behind comes back by itself here.
    for (int i = 0; i < 600 && is_call_under_way(); ++i) steady.sleep_ns(50'000'000);
    EXPECT_FALSE(is_call_under_way());
  }
};

void expect_sound(const Outcome& outcome, std::uint64_t wanted) {
  for (std::size_t rank = 0; rank < outcome.results.size(); ++rank) {
    EXPECT_EQ(outcome.thrown[rank], "");
    EXPECT_EQ(outcome.results[rank].error.value_or(""), "");
    EXPECT_EQ(outcome.results[rank].mismatch.value_or(""), "");
  }
  EXPECT_GE(outcome.results[0].samples.values_us.size(), wanted);
  EXPECT_GT(outcome.results[0].samples.verified, 0u);
}

constexpr std::int64_t hurried_ns = 2'000'000'000;

/// Three ranks that wait for two seconds only.
Wish hurried() {
  Wish wish;
  wish.ranks = 3;
  wish.deadline_ns = hurried_ns;
  return wish;
}

TEST_F(Nccl, EveryCollectiveGivesRightResultsOnEveryNumberOfRanks) {
  for (const CheckRow& row : catalog()) {
    if (!row.derived_from.empty()) continue;
    for (const int ranks : {1, 2, 3, 4, 5}) {
      SCOPED_TRACE(row.id + " on " + std::to_string(ranks));
      Wish wish;
      wish.id = row.id;
      wish.ranks = ranks;
      wish.bytes = 24'000;
      wish.wanted = 4;
      const Outcome outcome = measure(wish);
      expect_sound(outcome, 4);
      EXPECT_EQ(wish.account->allocated_bytes, 0u);
      EXPECT_EQ(wish.account->pinned_bytes, 0u);
      EXPECT_EQ(wish.account->streams + wish.account->events, 0);
    }
  }
}

TEST_F(Nccl, UnequalSharesAreRightInAnySizeEmptyOnesIncluded) {
  for (const int ranks : {1, 2, 3, 5, 7})
    for (const int elements : {ranks, ranks + 1, 2 * ranks + 3, 1001}) {
      SCOPED_TRACE(std::to_string(elements) + " elements on " + std::to_string(ranks));
      Wish wish;
      wish.id = "nccl.alltoallv.latency";
      wish.ranks = ranks;
      wish.bytes = static_cast<std::uint64_t>(elements) * sizeof(float);
      wish.wanted = 4;
      expect_sound(measure(wish), 4);
    }
}

TEST_F(Nccl, EveryTypeReductionAndPlacementIsExact) {
  const CheckRow row = row_of("nccl.allreduce.latency", nullptr);
  for (const DataType type : row.types)
    for (const Reduction reduction : row.reductions)
      for (const bool in_place : {false, true}) {
        SCOPED_TRACE(std::string(type_name(type)) + " " + std::string(reduction_name(reduction)));
        Wish wish;
        wish.ranks = 4;
        wish.variant = {type, reduction, in_place};
        wish.wanted = 4;
        expect_sound(measure(wish), 4);
      }
}

TEST_F(Nccl, InPlaceWorksWhereItIsOffered) {
  for (const CheckRow& row : catalog()) {
    if (!row.can_be_in_place) continue;
    SCOPED_TRACE(row.id);
    Wish wish;
    wish.id = row.id;
    wish.ranks = 3;
    wish.bytes = 12'000;
    wish.variant.in_place = true;
    wish.wanted = 4;
    expect_sound(measure(wish), 4);
  }
}

TEST_F(Nccl, WhatIsNotExactIsUnavailableOnAllRanks) {
  Wish wish;
  wish.ranks = 3;
  wish.variant.reduction = Reduction::avg;
  const Outcome outcome = measure(wish);
  for (std::size_t rank = 0; rank < 3; ++rank) {
    EXPECT_THAT(outcome.thrown[rank], HasSubstr("avg"));
    EXPECT_TRUE(outcome.unavailable[rank]);
  }
}

TEST_F(Nccl, BusbwIsWhatTheModelGives) {
  const Faults model("latency_us=10,busbw=400");
  Wish wish;
  wish.ranks = 4;
  wish.bytes = std::uint64_t{8} << 20;
  wish.wanted = 6;
  const Outcome outcome = measure(wish);
  expect_sound(outcome, 6);
  const double us = *describe(outcome.results[0].samples.values_us).median;
  const double expected_us = 10.0 + static_cast<double>(wish.bytes) * allreduce_bus_factor(4) / 400e3;
  EXPECT_NEAR(us, expected_us, 0.05 * expected_us);
}

TEST_F(Nccl, TheSlowestRankIsTheSampleAndNobodyIsCalledLast) {
  const Faults slow("rank=2,slow=3,latency_us=10,busbw=400");
  Wish wish;
  wish.ranks = 4;
  wish.wanted = 10;
  const Outcome outcome = measure(wish);
  expect_sound(outcome, 10);
  EXPECT_GT(*describe(outcome.results[0].samples.values_us).median, 25.0);
  // Without a common start the longest time is of the rank that began first, not of the one that was late.
  EXPECT_TRUE(outcome.results[0].samples.last_count.empty());
}

TEST_F(Nccl, Fp8NeedsAnNcclAndAGpuThatHaveIt) {
  const Faults old("version=22104");
  Wish wish;
  const std::string file = STANDIN_NCCL;
  wish.library = file.substr(0, file.rfind('/')) + "/././" + file.substr(file.rfind('/') + 1);
  wish.variant.type = DataType::float8e4m3;
  const Outcome outcome = measure(wish);
  EXPECT_THAT(outcome.thrown[0], HasSubstr("NCCL 2.21.4 has no float8e4m3"));
  EXPECT_TRUE(outcome.unavailable[0]);
}

TEST_F(Nccl, AFlippedBitIsFoundAndNamed) {
  const Faults flip("rank=1,flip_at=1");
  Wish wish;
  wish.ranks = 3;
  wish.variant.in_place = true;  // there the first iteration is compared
  const Outcome outcome = measure(wish);
  ASSERT_TRUE(outcome.results[0].mismatch);
  EXPECT_THAT(*outcome.results[0].mismatch,
              AllOf(HasSubstr("rank 1 on n1"), HasSubstr("expected"), HasSubstr("element")));
}

TEST_F(Nccl, AHangEndsAtTheDeadlineAndTheNextCheckGoesOn) {
  Wish wish = hurried();
  const auto begun = std::chrono::steady_clock::now();
  {
    const Faults hang("rank=1,hang_at=3");
    const Outcome outcome = measure(wish);
    ASSERT_TRUE(outcome.results[0].error);
    EXPECT_THAT(*outcome.results[0].error,
                AllOf(HasSubstr("allreduce did not end within 2.0 s"), HasSubstr("NCCL was aborted"),
                      HasSubstr("GPU"), HasSubstr("0000:5d:00.0"), HasSubstr("iteration")));
    for (const SamplingResult& result : outcome.results) EXPECT_EQ(result.error, outcome.results[0].error);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(60));
  wish.deadline_ns = 10'000'000'000;
  expect_sound(measure(wish), wish.wanted);
}

TEST_F(Nccl, AFirstCallThatDoesNotComeBackIsLeftBehindAndTheNextCheckGoesOn) {
  Wish wish = hurried();
  {
    const Faults hang("rank=1,connect_hang,timeout_s=6");
    const Outcome outcome = measure(wish);
    ASSERT_TRUE(outcome.results[0].error);
    EXPECT_THAT(*outcome.results[0].error,
                AnyOf(HasSubstr("ncclAllReduce was not done in time and was left behind"),
                      HasSubstr("did not end within 2.0 s; NCCL was aborted")));
    EXPECT_TRUE(is_call_under_way()) << "an abort would free what the call still uses";
  }
  EXPECT_GT(wish.account->allocated_bytes, 0U) << "what the call may still write to is not given back";
  wish.deadline_ns = 10'000'000'000;
  expect_sound(measure(wish), wish.wanted);
}

TEST_F(Nccl, AnErrorThatComesByItselfIsToldInNcclsWords) {
  Wish wish;
  wish.ranks = 2;
  {
    const Faults remote("rank=0,async_error=2");
    wish.deadline_ns = hurried_ns;
    const Outcome outcome = measure(wish);
    ASSERT_TRUE(outcome.results[0].error);
    EXPECT_THAT(*outcome.results[0].error,
                AnyOf(HasSubstr("remote process exited"), HasSubstr("did not end within")));
  }
  wish.deadline_ns = 20'000'000'000;
  expect_sound(measure(wish), wish.wanted);
}

TEST_F(Nccl, ACommunicatorThatCannotBeMadeStopsAllRanks) {
  Wish wish = hurried();
  {
    const Faults hang("rank=1,init_hang,timeout_s=6");
    const Outcome outcome = measure(wish);
    EXPECT_TRUE(is_call_under_way()) << "what does not come back is left behind";
    for (const std::string& words : outcome.thrown)
      EXPECT_THAT(words, AnyOf(HasSubstr("made no communicator of 3 ranks"), HasSubstr("could not go on")));
    EXPECT_THAT(outcome.thrown[1], HasSubstr("was not done in time"));
  }
  wish.deadline_ns = 10'000'000'000;
  expect_sound(measure(wish), wish.wanted);
}

TEST_F(Nccl, AfterTwoFailuresACommunicatorIsNotTriedAgain) {
  Wish wish = hurried();
  {
    const Faults error("rank=2,init_error,timeout_s=2");
    for (int check = 0; check < 2; ++check) {
      const Outcome outcome = measure(wish);
      EXPECT_THAT(outcome.thrown[2], HasSubstr("ncclCommInitRankConfig failed"));
      for (const std::string& words : outcome.thrown) EXPECT_THAT(words, Not(HasSubstr("not tried again")));
    }
  }
  // It would succeed now, if it were tried.
  for (int check = 0; check < 2; ++check) {
    const Outcome outcome = measure(wish);
    for (const std::string& words : outcome.thrown)
      EXPECT_THAT(words, AllOf(HasSubstr("not tried again"), HasSubstr("2 checks tried"),
                               HasSubstr("NCCL made no communicator of 3 ranks")));
    EXPECT_THAT(outcome.thrown[2], HasSubstr("ncclCommInitRankConfig failed"));
    EXPECT_EQ(outcome.echo, (std::vector<bool>{true, true, false}))
        << "the cause is still told from the others";
  }
  // Others are another group.
  wish.deadline_ns = 10'000'000'000;
  expect_sound(measure(wish, 100), wish.wanted);
}

TEST_F(Nccl, OnlyFailuresToMakeACommunicatorCountAndOneThatIsMadeForgivesThem) {
  Wish wish;
  wish.ranks = 2;
  const auto fails_to_make = [&] {
    const Faults error("rank=1,init_error,timeout_s=2");
    wish.deadline_ns = hurried_ns;
    EXPECT_THAT(measure(wish).thrown[1], HasSubstr("ncclCommInitRankConfig failed"));
  };
  const auto breaks = [&] {
    const Faults remote("rank=0,async_error=2,timeout_s=1");
    const Outcome outcome = measure(wish);
    EXPECT_EQ(outcome.thrown[0], "");
    EXPECT_TRUE(outcome.results[0].error);
  };
  fails_to_make();
  for (int check = 0; check < 3; ++check) breaks();
  fails_to_make();
  wish.deadline_ns = 10'000'000'000;
  expect_sound(measure(wish), wish.wanted);
}

TEST_F(Nccl, TooLittleMemoryMakesTheSizeSmallerOnAllRanks) {
  Wish wish;
  wish.ranks = 2;
  wish.bytes = std::uint64_t{8} << 20;
  wish.gpu_memory_bytes = std::uint64_t{10} << 20;
  wish.wanted = 4;
  const Outcome outcome = measure(wish);
  expect_sound(outcome, 4);
  EXPECT_EQ(outcome.path.at("bytes_used"), Parameter(std::int64_t{4} << 20));
  EXPECT_THAT(std::get<std::string>(outcome.path.at("made_smaller")), HasSubstr("cudaMalloc"));
}

TEST_F(Nccl, AGraphAndRegisteredBuffersAreToldAndRight) {
  Wish wish;
  wish.ranks = 2;
  wish.cuda_graph = wish.register_buffers = true;
  const Outcome outcome = measure(wish);
  expect_sound(outcome, wish.wanted);
  EXPECT_EQ(outcome.path.at("cuda_graph"), Parameter(std::string("yes")));
  EXPECT_EQ(outcome.path.at("registered"), Parameter(std::string("yes")));
  EXPECT_EQ(wish.account->graphs, 0);
  EXPECT_THAT(std::get<std::string>(outcome.path.at("nccl_library")), HasSubstr("standin"));
}

TEST_F(Nccl, EachCommunicatorIsToldByWhatItRan) {
  const CapturedLog log;
  Wish wish;
  wish.log_file = log.file();
  wish.wanted = 4;
  const auto text = [](const Outcome& outcome, const char* name) {
    const auto found = outcome.path.find(name);
    return found == outcome.path.end() ? std::string("unknown") : std::get<std::string>(found->second);
  };
  Outcome outcome;
  {
    const Faults between_nodes("network=IB");
    outcome = measure(wish);
  }
  EXPECT_EQ(text(outcome, "nccl_transports"), "NET/IB, NVLS, P2P/CUMEM");
  EXPECT_EQ(outcome.path.at("nccl_channels"), Parameter(std::int64_t{24}));
  EXPECT_EQ(text(outcome, "nccl_gdr"), "yes");
  EXPECT_EQ(text(outcome, "nccl_algorithms"), "RING");
  // Made later, in the same process and the same file.
  wish.id = "nccl.alltoall.latency";
  outcome = measure(wish, 100);
  EXPECT_EQ(text(outcome, "nccl_transports"), "NVLS, P2P/CUMEM");
  EXPECT_EQ(text(outcome, "nccl_gdr"), "unknown");
  EXPECT_EQ(text(outcome, "nccl_algorithms"), "unknown") << "the all-reduce had one";
  EXPECT_EQ(outcome.path.at("nccl_channels"), Parameter(std::int64_t{32})) << "sends have others";
  // The first is kept, and with it what is known of it.
  outcome = measure(wish);
  EXPECT_EQ(text(outcome, "nccl_transports"), "NET/IB, NVLS, P2P/CUMEM");
  EXPECT_EQ(text(outcome, "nccl_algorithms"), "unknown");
}

TEST_F(Nccl, HowItChoseIsToldOfTheFirstCallAndOfNoTimedOne) {
  const CapturedLog log;
  ::setenv("NCCL_DEBUG_SUBSYS", "INIT,NET,GRAPH", 1);
  Wish wish;
  wish.log_file = log.file();
  wish.wanted = 200;
  const Outcome outcome = measure(wish);
  expect_sound(outcome, wish.wanted);
  EXPECT_EQ(outcome.path.at("nccl_algorithms"), Parameter(std::string("RING")));
  EXPECT_EQ(outcome.path.at("nccl_protocols"), Parameter(std::string("SIMPLE")));
  EXPECT_STREQ(std::getenv("NCCL_DEBUG_SUBSYS"), "INIT,NET,GRAPH");
  const test::OwnFolder kept;
  EXPECT_EQ(put_log_away(log.file(), kept.path()), true);
  EXPECT_EQ(put_log_away(log.file(), kept.path()), std::nullopt) << "there is none any more";
  std::ifstream whole(kept.path() + "/nccl.log");
  const std::string text(std::istreambuf_iterator<char>(whole), {});
  std::size_t told = 0;
  for (std::size_t at = text.find("-> Algo"); at != std::string::npos; at = text.find("-> Algo", at + 1))
    ++told;
  EXPECT_EQ(told, 1u) << "of the first rank's first call";
  EXPECT_THAT(text, HasSubstr("NCCL version 2.28.3")) << "the log is whole";
}

TEST_F(Nccl, ALogThatCannotBeKeptIsSaidToBeMissing) {
  const CapturedLog log;
  Wish wish;
  wish.log_file = log.file();
  measure(wish);
  EXPECT_EQ(put_log_away(log.file(), "/nonexistent"), false);
}

TEST_F(Nccl, RanksOfTwoVersionsAreRefusedAtOnceAndNamed) {
  Wish wish;
  wish.ranks = 3;
  const std::string file = STANDIN_NCCL;
  const std::size_t slash = file.rfind('/');
  // Another spelling of the same file is opened anew, and asked again.
  wish.last_ranks_library = file.substr(0, slash) + "/./././" + file.substr(slash + 1);
  expect_sound(measure(wish), wish.wanted);
  {
    const Faults old("version=22104");
    wish.last_ranks_library.insert(slash, "/.");
    const Outcome outcome = measure(wish, 100);
    for (const std::string& thrown : outcome.thrown)
      EXPECT_THAT(thrown, AllOf(HasSubstr("NCCL differs between ranks"), HasSubstr("2.21.4 (rank 102 on n1)"),
                                HasSubstr("2.28.3 (rank 100 on n1 and 1 more)")));
  }
  wish.last_ranks_library.clear();
  EXPECT_FALSE(measure(wish, 200).path.contains("nccl_differs"));
}

TEST_F(Nccl, TheHostsTimeForALaunchIsToldAndWhetherTheGpuWaitedForIt) {
  const Outcome outcome = measure(Wish{});
  expect_sound(outcome, Wish{}.wanted);
  EXPECT_GT(std::get<double>(outcome.path.at("launch_us")), 0.0);
  // The stand-in's streams do their work in the call.
  EXPECT_EQ(outcome.path.at("gpu_waited_for_launches_percent"), Parameter(100.0));
}

TEST_F(Nccl, RegistrationThatIsRefusedIsSaid) {
  const Faults refuse("no_register");
  Wish wish;
  wish.register_buffers = true;
  const Outcome outcome = measure(wish, 100);
  expect_sound(outcome, wish.wanted);
  EXPECT_THAT(std::get<std::string>(outcome.path.at("registered")), HasSubstr("no: "));
}

TEST_F(Nccl, RegistrationThatGivesNothingIsNotRegistered) {
  const Faults nothing("null_handle");
  Wish wish;
  wish.register_buffers = true;
  const Outcome outcome = measure(wish, 100);
  expect_sound(outcome, wish.wanted);
  EXPECT_THAT(std::get<std::string>(outcome.path.at("registered")), HasSubstr("NCCL_LOCAL_REGISTER=0"));
}

TEST_F(Nccl, WhereItsLogCannotBeItIsSaidAndNothingIsSet) {
  const LogCapture none = capture_log("/nowhere", "n1", false);
  EXPECT_EQ(none.file, "");
  EXPECT_THAT(none.why_not, AllOf(HasSubstr("/nowhere"), HasSubstr("TMPDIR")));
  EXPECT_EQ(std::getenv("NCCL_DEBUG_FILE"), nullptr);
}

TEST_F(Nccl, ALibraryThatIsNoneOrTooOldIsRefused) {
  Wish wish;
  wish.library = "/nowhere/libnccl.so.2";
  EXPECT_THAT(measure(wish).thrown[0], AllOf(HasSubstr("--nccl"), HasSubstr("/nowhere/libnccl.so.2")));
  wish.library = STANDIN_NCCL_OLD;
  EXPECT_THAT(measure(wish).thrown[0], HasSubstr("it is no NCCL of 2.18 or later"));
  const Faults old("version=21703");
  // Another spelling of the same file is opened anew, and asked again.
  const std::string folder = std::string(STANDIN_NCCL).substr(0, std::string(STANDIN_NCCL).rfind('/'));
  wish.library = folder + "/./" + std::string(STANDIN_NCCL).substr(folder.size() + 1);
  EXPECT_THAT(measure(wish).thrown[0], AllOf(HasSubstr("2.17.3"), HasSubstr("2.18 or later is needed")));
}

TEST_F(Nccl, RowsHaveTheNamesOfThePlatformsFigures) {
  std::vector<std::string> ids;
  for (const CheckRow& row : catalog()) {
    EXPECT_TRUE(row.needs_gpu) << row.id;
    EXPECT_FALSE(row.description.empty()) << row.id;
    ids.push_back(row.id);
  }
  for (const char* id : {"nccl.allreduce.busbw", "nccl.allgather.busbw", "nccl.reducescatter.busbw",
                         "nccl.alltoall.busbw", "nccl.sendrecv.busbw", "nccl.allreduce.latency"})
    EXPECT_THAT(ids, ::testing::Contains(id));
}

}  // namespace
}  // namespace fabricheck::collectives::nccl
