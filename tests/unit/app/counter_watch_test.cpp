#include "app/counter_watch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/thread_communicator.hpp"
#include "unit/topology/probe/sys_tree.hpp"

namespace fabricheck::app {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

CheckRecord record(Verdict verdict, std::vector<std::string> participants) {
  CheckRecord record;
  record.id = "mpi.allreduce.latency";
  record.verdict = verdict;
  record.participants = std::move(participants);
  return record;
}

/// Each rank is a host with one port, whose counter each test moves.
class Watch : public testing::Test {
 protected:
  void count(int rank, const std::string& name, int value) const {
    trees_[static_cast<std::size_t>(rank)].file("sys/class/infiniband/rxe0/ports/1/hw_counters/" + name,
                                                std::to_string(value) + "\n");
  }
  std::unique_ptr<counters::Reader> reader(int rank) const {
    counters::ReaderOptions options;
    options.sysroot = trees_[static_cast<std::size_t>(rank)].root();
    options.ports = {{"rxe0", 1, "eth0", std::nullopt, std::nullopt}};
    options.deadline = std::chrono::seconds(20);
    return std::make_unique<counters::Reader>(std::move(options));
  }
  topology::SysTree trees_[2];
  SteadyClock clock_;
};

TEST_F(Watch, ACheckThatPassedWhileLosingPacketsSaysSo) {
  for (int rank : {0, 1}) count(rank, "rcvd_seq_err", 5);
  std::vector<CheckRecord> records{record(Verdict::pass, {"h0", "h1"}), record(Verdict::pass, {"h0"}),
                                   record(Verdict::fail, {"h1"})};
  std::vector<Finding> findings;
  run_ranks(2, [&](Communicator& world) {
    CounterWatch watch(world, "h" + std::to_string(world.rank()), clock_, reader(world.rank()), false);
    for (int repeat = 1; repeat <= 2; ++repeat) {
      watch.begin();
      if (world.rank() == 1) count(1, "rcvd_seq_err", 5 + 7 * repeat);
      watch.end(4);
    }
    std::vector<CheckRecord> mine = world.rank() == 0 ? records : std::vector<CheckRecord>{};
    watch.tell(4, mine);
    watch.tell(4, mine);  // a later look at the same check takes the place of the earlier one
    if (world.rank() != 0) return;
    records = mine;
    findings = watch.findings();
  });
  EXPECT_THAT(records[0].counters, ElementsAre(Pair("retransmissions", 14)));
  EXPECT_EQ(records[0].verdict, Verdict::pass);
  EXPECT_THAT(records[0].reason,
              HasSubstr("it passed while packets were lost or sent again: 14 rcvd_seq_err at rxe0 of h1"));
  EXPECT_THAT(records[1].counters, IsEmpty());
  EXPECT_EQ(records[1].reason, "");
  EXPECT_THAT(records[2].reason, HasSubstr("meanwhile"));
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].slug, "packets-retransmitted");
  EXPECT_EQ(findings[0].component, (Component{"nic", "rxe0", "h1"}));
  EXPECT_THAT(findings[0].explains, ElementsAre("mpi.allreduce.latency"));
}

TEST_F(Watch, APairIsToldOfItsOwnPortsAlone) {
  for (int rank : {0, 1}) count(rank, "rcvd_seq_err", 5);
  CheckRecord other_rail = record(Verdict::pass, {"h0", "h1"});
  other_rail.id = "verbs.write.latency";
  other_rail.path = {{"from_port", std::string("rxe1 port 1")}, {"to_port", std::string("rxe1 port 1")}};
  CheckRecord this_rail = other_rail;
  this_rail.verdict = Verdict::error;
  this_rail.path = {{"from_port", std::string("rxe0 port 1")}, {"to_port", std::string("rxe0 port 1")}};
  std::vector<CheckRecord> records{other_rail, this_rail};
  std::vector<Finding> findings;
  run_ranks(2, [&](Communicator& world) {
    CounterWatch watch(world, "h" + std::to_string(world.rank()), clock_, reader(world.rank()), false);
    watch.begin();
    if (world.rank() == 1) count(1, "rcvd_seq_err", 500);
    watch.end(4);
    std::vector<CheckRecord> mine = world.rank() == 0 ? records : std::vector<CheckRecord>{};
    watch.tell(4, mine);
    if (world.rank() != 0) return;
    records = mine;
    findings = watch.findings();
  });
  EXPECT_THAT(records[0].counters, IsEmpty());
  EXPECT_EQ(records[0].reason, "");
  EXPECT_THAT(records[1].counters, ElementsAre(Pair("retransmissions", 495)));
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].severity, Severity::info)
      << "its check was cut short, and no other pair is accused for it";
}

TEST_F(Watch, ACounterThatSticksIsNotKnown) {
  trees_[0].file("sys/class/infiniband/rxe0/ports/1/counters/link_downed", "255\n");
  std::vector<Finding> findings;
  run_ranks(1, [&](Communicator& world) {
    CounterWatch watch(world, "h0", clock_, reader(0), false);
    watch.begin();
    watch.end(0);
    std::vector<CheckRecord> records{record(Verdict::pass, {"h0"})};
    watch.tell(0, records);
    findings = watch.findings();
  });
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].slug, "counters-not-known");
  EXPECT_THAT(findings[0].evidence.at(0).text, HasSubstr("link_downed sticks at 255"));
}

TEST_F(Watch, WhatCannotBeReadIsAFindingOfItsOwn) {
  std::vector<Finding> findings;
  run_ranks(2, [&](Communicator& world) {
    CounterWatch watch(world, "h" + std::to_string(world.rank()), clock_,
                       world.rank() == 1 ? reader(1) : nullptr, false);
    watch.begin();
    watch.end(0);
    std::vector<CheckRecord> records;
    watch.tell(0, records);
    if (world.rank() == 0) findings = watch.findings();
  });
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].slug, "counters-not-known");
  EXPECT_THAT(findings[0].evidence.at(0).text, HasSubstr("h1: counters: rxe0 port 1 has none"));
}

TEST_F(Watch, WithoutPortsNothingIsSaid) {
  run_ranks(2, [&](Communicator& world) {
    CounterWatch watch(world, "h", clock_, nullptr, true);
    watch.begin();
    watch.end(0);
    std::vector<CheckRecord> records{record(Verdict::pass, {"h"})};
    watch.tell(0, records);
    EXPECT_EQ(records[0], record(Verdict::pass, {"h"}));
    EXPECT_THAT(watch.findings(), IsEmpty());
  });
}

TEST(WatchedPorts, AreTheActiveOnesWithTheirClasses) {
  Host host;
  RdmaDevice nic;
  nic.name = "mlx5_0";
  nic.pci_address = "0000:18:00.0";
  RdmaPort up, down;
  up.number = 1;
  up.state = "ACTIVE";
  up.net_device = "eth0";
  up.classes = PortClasses{};
  up.classes->pfc = std::vector<int>{3};
  up.classes->trust = "dscp";
  up.classes->dscp_priority = std::vector<int>(64, 3);
  down.number = 2;
  down.state = "DOWN";
  nic.ports = {up, down};
  host.rdma_devices = {nic};
  EXPECT_THAT(watched_ports(host, {}),
              ElementsAre(counters::PortIdentity{"mlx5_0", 1, "eth0", std::vector<int>{3}, 3}));
  host.rdma_devices[0].pci_address.clear();
  EXPECT_TRUE(watched_ports(host, {}).at(0).in_software) << "a device of no bus";
  host.rdma_devices[0].status = "not answering";
  EXPECT_THAT(watched_ports(host, {}), IsEmpty());
}

}  // namespace
}  // namespace fabricheck::app
