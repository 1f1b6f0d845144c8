#include "fabric/verbs/measure/operations.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "fabric/verbs/measure/failures.hpp"
#include "pairs_over_stub.hpp"

namespace fabricheck::verbs {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

MakePair latency(Transport transport, Opcode opcode) {
  return [=](const Setup& setup, const TimedRequest& request) {
    return make_latency(setup, request, transport, opcode);
  };
}
MakePair stream(Opcode opcode, Direction direction) {
  return [=](const Setup& setup, const TimedRequest& request) {
    return make_stream(setup, request, Transport::rc, opcode, direction);
  };
}

void expect_sound(const PairRun& run, std::uint64_t wanted) {
  for (std::size_t rank = 0; rank < 2; ++rank) {
    EXPECT_EQ(run.thrown[rank], "");
    EXPECT_EQ(run.results[rank].error.value_or(""), "");
    EXPECT_EQ(run.results[rank].mismatch.value_or(""), "");
  }
  const SampleSet& samples = run.results[0].samples;
  EXPECT_GE(samples.values_us.size(), wanted);
  for (const double us : samples.values_us)
    EXPECT_GT(us, 0.0) << "every iteration is a sample, and took time";
}

struct Kind {
  const char* name;
  Transport transport;
  Opcode opcode;
};
constexpr Kind kinds[] = {
    {"RC write", Transport::rc, Opcode::write}, {"RC send", Transport::rc, Opcode::send},
    {"RC read", Transport::rc, Opcode::read},   {"UC write", Transport::uc, Opcode::write},
    {"UC send", Transport::uc, Opcode::send},   {"UD send", Transport::ud, Opcode::send},
    {"add", Transport::rc, Opcode::fetch_add},  {"swap", Transport::rc, Opcode::compare_swap},
};

TEST(Latency, EveryOperationIsMeasuredAndEveryMessageCompared) {
  for (const Kind& kind : kinds) {
    SCOPED_TRACE(kind.name);
    const PairRun run = measure_pair(latency(kind.transport, kind.opcode), 8);
    expect_sound(run, 200);
    const bool answers = kind.opcode == Opcode::send || kind.opcode == Opcode::write;
    const std::uint64_t samples = run.results[0].samples.values_us.size();
    EXPECT_GE(run.results[0].samples.verified, answers ? 2 * samples : samples)
        << "both directions where there are two";
  }
}

TEST(Latency, SizesFromTwoBytesOn) {
  for (const std::uint64_t bytes : {2, 7, 220, 221, 4096, 1 << 20}) {
    SCOPED_TRACE(bytes);
    expect_sound(measure_pair(latency(Transport::rc, Opcode::write), bytes, 20), 20);
    expect_sound(measure_pair(latency(Transport::rc, Opcode::send), bytes, 20), 20);
    expect_sound(measure_pair(latency(Transport::rc, Opcode::read), bytes, 20), 20);
  }
}

TEST(Latency, AFlippedBitIsFoundInEitherDirection) {
  for (const Kind& kind : kinds) {
    if (kind.opcode == Opcode::fetch_add || kind.opcode == Opcode::compare_swap ||
        kind.opcode == Opcode::read)
      continue;
    for (const std::size_t side : {0, 1}) {
      SCOPED_TRACE(std::string(kind.name) + " of rank " + std::to_string(side));
      test::StubFaults faults;
      faults.flip_at = 57;
      std::array<test::StubFaults*, 2> both{};
      both[side] = &faults;
      const PairRun run = measure_pair(latency(kind.transport, kind.opcode), 64, 200, both);
      ASSERT_TRUE(run.results[0].mismatch) << run.results[0].error.value_or("");
      EXPECT_EQ(run.results[0].mismatch, run.results[1].mismatch) << "both ranks hear the same";
      EXPECT_THAT(*run.results[0].mismatch,
                  AllOf(HasSubstr("rank " + std::to_string(1 - side)), HasSubstr("element 0")));
    }
  }
}

TEST(Latency, ACompletionErrorNamesStatusPeerAndCause) {
  test::StubFaults faults;
  faults.fail_at = 100;
  for (const Kind& kind : kinds) {
    SCOPED_TRACE(kind.name);
    const PairRun run = measure_pair(latency(kind.transport, kind.opcode), 8, 100'000, {&faults, nullptr},
                                     std::chrono::seconds(2));
    ASSERT_TRUE(run.results[1].error);
    EXPECT_EQ(run.results[0].error, run.results[1].error);
    EXPECT_THAT(*run.results[0].error, AllOf(HasSubstr("rank 0 on h0"), HasSubstr("IBV_WC_RETRY_EXC_ERR"),
                                             HasSubstr("vendor error 0x81"), HasSubstr("stub0 port 1 on h1"),
                                             HasSubstr("queue pair"), HasSubstr("GID")));
  }
}

TEST(Latency, ALostMessageEndsAtTheDeadlineAndSaysThatUnreliableTransportsLose) {
  test::StubFaults faults;
  faults.lose_at = 40;
  const PairRun run = measure_pair(latency(Transport::uc, Opcode::send), 8, 100'000, {&faults, nullptr},
                                   std::chrono::milliseconds(200));
  ASSERT_TRUE(run.results[0].error);
  EXPECT_THAT(*run.results[0].error,
              AllOf(HasSubstr("waited"), HasSubstr("does not send a lost message again")));
}

AsyncEvent port_error(int port) {
  return describe_event("stub0", "port error", true, AsyncEvent::About::port, port);
}

TEST(Latency, AnEventOfAnotherPortIsNotOurs) {
  test::StubFaults faults;
  faults.event_at = 40;
  faults.event = port_error(2);
  expect_sound(measure_pair(latency(Transport::rc, Opcode::send), 8, 200, {nullptr, &faults}), 200);
}

TEST(Latency, WhatHappenedBeforeIsForgotten) {
  test::StubFaults faults;
  faults.old_events = {port_error(1),
                       describe_event("stub0", "port active", false, AsyncEvent::About::port, 1),
                       describe_event("stub0", "local QP access error", true, AsyncEvent::About::queue, 0)};
  expect_sound(measure_pair(latency(Transport::rc, Opcode::send), 8, 200, {nullptr, &faults}), 200);
}

TEST(Latency, ADeviceThatFailedBeforeStaysFailed) {
  test::StubFaults faults;
  faults.old_events = {describe_event("stub0", "fatal error", true, AsyncEvent::About::device, 0)};
  const PairRun run = measure_pair(latency(Transport::rc, Opcode::send), 8, 200, {nullptr, &faults});
  EXPECT_THAT(run.thrown[1], AllOf(HasSubstr("on h1"), HasSubstr("stub0 reported \"fatal error\"")));
}

TEST(Latency, AnEventOfThePortEndsTheWait) {
  test::StubFaults faults;
  faults.lose_at = 40;
  faults.event_at = 40;
  faults.event = port_error(1);
  const PairRun run = measure_pair(latency(Transport::rc, Opcode::send), 8, 100'000, {nullptr, &faults},
                                   std::chrono::seconds(5));
  ASSERT_TRUE(run.results[0].error);
  EXPECT_THAT(*run.results[0].error, AllOf(HasSubstr("rank 1 on h1"), HasSubstr("port error")));
}

TEST(Stream, EveryWayAndManyQueuePairs) {
  for (const Opcode opcode : {Opcode::write, Opcode::send, Opcode::read})
    for (const Direction direction : {Direction::one_way, Direction::both})
      for (const int queue_pairs : {1, 3}) {
        SCOPED_TRACE(operation_words(Transport::rc, opcode, 4096) +
                     (direction == Direction::both ? " both, " : ", ") + std::to_string(queue_pairs));
        const PairRun run = measure_pair(stream(opcode, direction), 4096, 40, {}, std::chrono::seconds(20),
                                         [&](PairSetup& setup, int) { setup.queue_pairs = queue_pairs; });
        expect_sound(run, 40);
        EXPECT_GT(run.results[0].samples.verified, 0U);
        EXPECT_EQ(run.path.at("queue_pairs"), Parameter(std::int64_t{queue_pairs}));
      }
}

TEST(Stream, MessagesLargerThanTheRegionAndSmallOnes) {
  for (const std::uint64_t bytes : {2, 8, 65536, 8 << 20})
    expect_sound(measure_pair(stream(Opcode::write, Direction::one_way), bytes, 8), 8);
}

TEST(Stream, AFlippedBitIsFound) {
  for (const Opcode opcode : {Opcode::write, Opcode::send, Opcode::read}) {
    SCOPED_TRACE(operation_words(Transport::rc, opcode, 65536));
    test::StubFaults faults;
    // Of the messages that a batch puts into the same place the last is compared: four windows of 16 are the
    // first batch.
    faults.flip_at = 4 * 16 - 3;
    const PairRun run = measure_pair(stream(opcode, Direction::one_way), 65536, 40, {&faults, nullptr});
    if (opcode == Opcode::read) continue;  // the stand-in flips before a read fetches
    ASSERT_TRUE(run.results[0].mismatch || run.results[0].error) << "nothing was noticed";
    EXPECT_TRUE(run.results[0].mismatch) << *run.results[0].error;
  }
}

TEST(Stream, AWriteThatIsLateInMemoryIsNotCalledWrong) {
  test::StubFaults faults;
  faults.late_writes = 4 * 16;  // the first batch: four windows of 16
  expect_sound(measure_pair(stream(Opcode::write, Direction::one_way), 65536, 40, {&faults, nullptr}), 40);
}

TEST(Stream, RelaxedOrderingIsAskedForAndWhatWasGivenIsTold) {
  const auto ordering = [](const MakePair& make, bool taken) {
    const PairRun run =
        measure_pair(make, 4096, 16, {}, std::chrono::seconds(20), [&](PairSetup& setup, int) {
          test::StubDevice device;
          device.relaxed_ordering = taken;
          setup.port.device = test::make_stub_device(device);
        });
    return std::get<std::string>(run.path.at("relaxed_ordering"));
  };
  const MakePair sweep = [](const PairSetup& setup, const TimedRequest& request) {
    return make_flow_sweep(setup, request, 4);
  };
  EXPECT_EQ(ordering(stream(Opcode::write, Direction::one_way), true), "yes");
  EXPECT_EQ(ordering(sweep, true), "yes");
  EXPECT_EQ(ordering(stream(Opcode::write, Direction::one_way), false), "no") << "the device refused it";
  EXPECT_EQ(ordering(latency(Transport::rc, Opcode::write), true), "no") << "it watches the last byte";
}

TEST(Stream, AnErrorIsTheSenders) {
  test::StubFaults faults;
  faults.fail_at = 300;
  const PairRun run = measure_pair(stream(Opcode::send, Direction::one_way), 4096, 1000, {&faults, nullptr},
                                   std::chrono::seconds(5));
  ASSERT_TRUE(run.results[0].error);
  EXPECT_THAT(*run.results[0].error, HasSubstr("IBV_WC_RETRY_EXC_ERR"));
}

MakePair credited(Transport transport) {
  return [=](const Setup& setup, const TimedRequest& request) {
    return make_credited_stream(setup, request, transport);
  };
}

TEST(CreditedStream, EverySizeAndDepthIsMeasuredAndCompared) {
  for (const Transport transport : {Transport::uc, Transport::ud})
    for (const std::uint64_t bytes : {8, 1024, 4096})
      for (const int depth : {1, 8, 128}) {
        SCOPED_TRACE(std::to_string(bytes) + " B, depth " + std::to_string(depth));
        const PairRun run = measure_pair(credited(transport), bytes, 40, {}, std::chrono::seconds(20),
                                         [&](PairSetup& setup, int) { setup.depth = depth; });
        expect_sound(run, 40);
        EXPECT_GT(run.results[0].samples.verified, 0U);
      }
}

TEST(CreditedStream, ALostMessageIsAnErrorAndNoFigure) {
  test::StubFaults faults;
  faults.lose_at = 100;
  const PairRun run = measure_pair(credited(Transport::ud), 1024, 100'000, {&faults, nullptr},
                                   std::chrono::milliseconds(200));
  ASSERT_TRUE(run.results[0].error);
  EXPECT_THAT(*run.results[0].error,
              AllOf(HasSubstr("waited"), HasSubstr("does not send a lost message again")));
}

TEST(CreditedStream, AFlippedBitIsFound) {
  test::StubFaults faults;
  faults.flip_at = 14;  // the last but one of the first batch: four windows of four
  const PairRun run = measure_pair(credited(Transport::uc), 65536, 40, {&faults, nullptr});
  ASSERT_TRUE(run.results[0].mismatch || run.results[0].error) << "nothing was noticed";
  EXPECT_TRUE(run.results[0].mismatch) << *run.results[0].error;
}

TEST(FlowSweep, SamplesAreOfFlowsInTurn) {
  const PairRun run = measure_pair(
      [](const PairSetup& setup, const TimedRequest& request) { return make_flow_sweep(setup, request, 4); },
      4096, 40);
  expect_sound(run, 40);
  EXPECT_EQ(run.results[0].samples.values_us.size() % 4, 0U);
}

TEST(Endpoint, WhatOneCannotNeitherDoes) {
  const PairRun run = measure_pair(latency(Transport::rc, Opcode::write), 8, 10, {}, std::chrono::seconds(20),
                                   [](PairSetup& setup, int rank) {
                                     if (rank == 1) setup.port.place.port.gids.clear();
                                   });
  EXPECT_THAT(run.thrown[0], Not(HasSubstr("waited")));
  EXPECT_NE(run.thrown[0], "");
  EXPECT_NE(run.thrown[1], "");
}

TEST(Endpoint, ATransportThatOneEndCannotDoIsSkippedByBoth) {
  const PairRun run = measure_pair(latency(Transport::uc, Opcode::write), 8, 10, {}, std::chrono::seconds(20),
                                   [](PairSetup& setup, int rank) {
                                     test::StubDevice device;
                                     if (rank == 1) device.without = Transport::uc;
                                     setup.port.device = test::make_stub_device(device);
                                   });
  EXPECT_TRUE(run.unavailable[1]);
  EXPECT_EQ(run.thrown[1], "stub0 cannot do UC: as the driver answers");
  EXPECT_THAT(run.thrown[0], AllOf(HasSubstr("the peer h1"), HasSubstr("stub0 cannot do UC")));
}

TEST(Endpoint, AtomicsThatOneEndCannotDoAreSkippedByBothAndNotAskedFor) {
  std::array<std::vector<QueuePairRequest>, 2> asked;
  const auto with = [&](PairSetup& setup, int rank) {
    test::StubDevice device;
    device.limits.atomics = rank == 0;
    device.queue_requests = &asked.at(static_cast<std::size_t>(rank));
    setup.port.device = test::make_stub_device(device);
  };
  const PairRun atomic =
      measure_pair(latency(Transport::rc, Opcode::fetch_add), 8, 10, {}, std::chrono::seconds(20), with);
  EXPECT_TRUE(atomic.unavailable[1]);
  EXPECT_EQ(atomic.thrown[1], "stub0 cannot do atomic operations");
  EXPECT_THAT(atomic.thrown[0], AllOf(HasSubstr("the peer could not go on"), HasSubstr("cannot do atomic")));
  expect_sound(measure_pair(latency(Transport::rc, Opcode::write), 8, 10, {}, std::chrono::seconds(20), with),
               10);
  EXPECT_TRUE(asked[0].back().atomics);
  EXPECT_FALSE(asked[1].back().atomics);
}

TEST(Endpoint, AReceiveThatIsRefusedIsHeardOfByThePeer) {
  test::StubFaults faults;
  faults.refuses_receives = true;
  const PairRun run = measure_pair(latency(Transport::rc, Opcode::send), 8, 10, {nullptr, &faults});
  EXPECT_EQ(run.thrown[1], "stub0: ibv_post_recv: as told");
  EXPECT_THAT(run.thrown[0], AllOf(HasSubstr("the peer h1"), HasSubstr("ibv_post_recv")));
}

TEST(Endpoint, NoMoreReadsAreOutstandingThanBothEndsTake) {
  for (const int few : {0, 1}) {
    std::array<std::vector<PathRequest>, 2> paths;
    const PairRun run = measure_pair(latency(Transport::rc, Opcode::read), 8, 10, {},
                                     std::chrono::seconds(20), [&](PairSetup& setup, int rank) {
                                       test::StubDevice device;
                                       device.limits.max_outstanding_reads = rank == few ? 4 : 128;
                                       device.paths = &paths.at(static_cast<std::size_t>(rank));
                                       setup.port.device = test::make_stub_device(device);
                                     });
    for (const auto& path : paths) EXPECT_EQ(path.at(0).outstanding_reads, 4);
    EXPECT_EQ(run.path.at("outstanding_reads"), Parameter(std::int64_t{4}));
  }
}

/// What both ends connected with and asked for, on InfiniBand; `change` is made to each end.
struct OnInfiniband {
  std::array<std::vector<PathRequest>, 2> paths;
  std::array<std::vector<QueuePairRequest>, 2> asked;
  PairRun run;
  explicit OnInfiniband(const std::function<void(test::StubDevice&, PairSetup&, int)>& change = {}) {
    run = measure_pair(
        latency(Transport::rc, Opcode::write), 8, 10, {}, std::chrono::seconds(20),
        [&](PairSetup& setup, int rank) {
          test::StubDevice device;
          device.port.ethernet = false;
          device.port.lid = 7;
          RawGid gid{0xfe, 0x80};
          gid.back() = static_cast<std::uint8_t>(rank + 1);
          device.gid = gid;
          device.paths = &paths.at(static_cast<std::size_t>(rank));
          device.queue_requests = &asked.at(static_cast<std::size_t>(rank));
          setup.port.place.port.link_layer = "InfiniBand";
          setup.port.place.port.gids = {{0, "fe80:0000:0000:0000:0000:0000:0000:0001", "IB/RoCE v1", ""}};
          if (change) change(device, setup, rank);
          setup.port.device = test::make_stub_device(device);
        });
  }
  bool global(std::size_t rank) const { return paths.at(rank).at(0).global; }
};

TEST(Infiniband, TheJobsPartitionIsUsedAndTold) {
  const OnInfiniband plain;
  EXPECT_EQ(plain.run.thrown[0], "");
  EXPECT_EQ(plain.asked[0].at(0).pkey_index, 0);
  const OnInfiniband job([](test::StubDevice&, PairSetup& setup, int) { setup.pkey_index = 3; });
  for (const auto& one : job.asked) EXPECT_EQ(one.at(0).pkey_index, 3);
  EXPECT_EQ(job.run.path.at("pkey_index"), Parameter(std::int64_t{3}));
  const OnInfiniband ethernet([](test::StubDevice& device, PairSetup& setup, int rank) {
    setup.pkey_index = 3;
    device.port.ethernet = true;
    setup.port.place.port = test::stub_port(rank + 1);
  });
  EXPECT_EQ(ethernet.asked[0].at(0).pkey_index, 0) << "RoCE has the default one only";
}

TEST(Infiniband, TheGlobalHeaderIsSentWhereEitherEndOrTheWayNeedsIt) {
  const OnInfiniband plain;
  EXPECT_FALSE(plain.global(0) || plain.global(1));
  EXPECT_EQ(plain.run.path.at("global_route_header"), Parameter(std::string("no")));
  for (const int needy : {0, 1}) {
    const OnInfiniband one(
        [&](test::StubDevice& device, PairSetup&, int rank) { device.port.global_required = rank == needy; });
    EXPECT_TRUE(one.global(0) && one.global(1)) << needy;
    EXPECT_EQ(one.run.path.at("global_route_header"), Parameter(std::string("yes")));
  }
  const OnInfiniband routed([](test::StubDevice& device, PairSetup&, int rank) {
    RawGid gid{0xfe, 0x80};
    gid[7] = static_cast<std::uint8_t>(rank);
    device.gid = gid;
  });
  EXPECT_TRUE(routed.global(0) && routed.global(1)) << "two subnets";
}

TEST(Endpoint, RegistrationThatFailsIsToldByTheRankThatFailed) {
  test::StubFaults faults;
  faults.registration_error = "stub0: no more memory may be locked";
  const PairRun run = measure_pair(latency(Transport::rc, Opcode::write), 8, 10, {nullptr, &faults});
  EXPECT_EQ(run.thrown[1], "stub0: no more memory may be locked");
  EXPECT_THAT(run.thrown[0], AllOf(HasSubstr("the peer h1"), HasSubstr("no more memory may be locked")));
}

TEST(Endpoint, SizesBeyondTheDeviceAreRefusedByName) {
  const PairRun large = measure_pair(latency(Transport::rc, Opcode::write), (std::uint64_t{1} << 30) + 1, 10);
  EXPECT_THAT(large.thrown[0], AllOf(HasSubstr("stub0 port 1"), HasSubstr("1 GiB")));
  const PairRun datagram = measure_pair(latency(Transport::ud, Opcode::send), 8192, 10);
  EXPECT_THAT(datagram.thrown[0], HasSubstr("do not fit into one datagram of 4 KiB"));
}

TEST(Endpoint, TheRecordSaysWhatItRanOn) {
  const PairRun run = measure_pair(latency(Transport::rc, Opcode::write), 8, 10);
  EXPECT_EQ(run.path.at("from_port"), Parameter(std::string("stub0 port 1")));
  EXPECT_EQ(run.path.at("from_gid_index"), Parameter(std::int64_t{1}));
  EXPECT_EQ(run.path.at("inline"), Parameter(std::string("yes")));
  EXPECT_EQ(run.path.at("mtu_bytes"), Parameter(std::int64_t{4096}));
  EXPECT_NE(run.path.at("gid_reason"), Parameter(std::string()));
}

}  // namespace
}  // namespace fabricheck::verbs
