#include "fabric/counters/reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <future>

#include "unit/topology/probe/sys_tree.hpp"

namespace fabricheck::counters {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Key;
using testing::Pair;
using testing::UnorderedElementsAre;

using Place = std::pair<Source, std::string>;

class FakeStatistics final : public NicStatistics {
 public:
  std::optional<std::vector<std::string>> names(const std::string&, std::string& why) override {
    if (refuses) {
      why = "Operation not supported";
      return std::nullopt;
    }
    return std::vector<std::string>{"rx_packets", "rx_prio3_discards", "tx_prio3_bytes"};
  }
  std::optional<std::vector<std::uint64_t>> values(const std::string&, std::size_t, std::string&) override {
    ++asked;
    return std::vector<std::uint64_t>{1, 2, 3};
  }
  bool refuses{};
  int asked{};
};

class HangingStatistics final : public NicStatistics {
 public:
  explicit HangingStatistics(std::shared_future<void> until) : until_(std::move(until)) {}
  std::optional<std::vector<std::string>> names(const std::string&, std::string&) override {
    until_.wait();
    return std::nullopt;
  }
  std::optional<std::vector<std::uint64_t>> values(const std::string&, std::size_t, std::string&) override {
    return std::nullopt;
  }

 private:
  std::shared_future<void> until_;
};

class CounterReader : public testing::Test {
 protected:
  void counter(const std::string& folder, const std::string& name, const std::string& text) const {
    tree_.file("sys/class/infiniband/mlx5_0/ports/1/" + folder + "/" + name, text);
  }
  Reader reader(std::shared_ptr<NicStatistics> statistics = nullptr) const {
    ReaderOptions options;
    options.sysroot = tree_.root();
    options.ports = {{"mlx5_0", 1, "eth0", std::nullopt, std::nullopt}};
    options.statistics = std::move(statistics);
    options.deadline = std::chrono::seconds(20);
    return Reader(std::move(options));
  }
  topology::SysTree tree_;
};

TEST_F(CounterReader, ReadsWhatTheTableKnows) {
  counter("counters", "port_xmit_data", "1000\n");
  counter("hw_counters", "out_of_sequence", "7\n");
  counter("hw_counters", "lifespan", "10\n");
  Reader reader = this->reader(std::make_shared<FakeStatistics>());
  const auto readings = reader.read();
  ASSERT_TRUE(readings);
  EXPECT_THAT(readings->at(0).values,
              UnorderedElementsAre(Pair(Place{Source::counters, "port_xmit_data"}, 1000),
                                   Pair(Place{Source::hw_counters, "out_of_sequence"}, 7),
                                   Pair(Place{Source::ethtool, "rx_prio3_discards"}, 2),
                                   Pair(Place{Source::ethtool, "tx_prio3_bytes"}, 3)));
  EXPECT_THAT(reader.take_unknown(), IsEmpty());
}

TEST_F(CounterReader, SoftRoceHasNamesOfItsOwnAndNoCountersFolder) {
  counter("hw_counters", "sent_pkts", "5\n");
  counter("hw_counters", "rcvd_seq_err", "1\n");
  Reader reader = this->reader();
  EXPECT_THAT(reader.read()->at(0).values, AllOf(Contains(Key(Place{Source::hw_counters, "sent_pkts"})),
                                                 Contains(Key(Place{Source::hw_counters, "rcvd_seq_err"}))));
}

TEST_F(CounterReader, WhatCannotBeReadIsNotKnownAndSaidOnce) {
  counter("hw_counters", "out_of_sequence", "7\n");
  counter("hw_counters", "packet_seq_err", "N/A\n");
  auto statistics = std::make_shared<FakeStatistics>();
  statistics->refuses = true;
  Reader reader = this->reader(statistics);
  for (int time = 0; time < 2; ++time)
    EXPECT_THAT(reader.read()->at(0).values,
                ElementsAre(Pair(Place{Source::hw_counters, "out_of_sequence"}, 7)));
  EXPECT_THAT(reader.take_unknown(),
              UnorderedElementsAre(AllOf(HasSubstr("packet_seq_err"), HasSubstr("'N/A")),
                                   AllOf(HasSubstr("eth0"), HasSubstr("Operation not supported"))));
  EXPECT_THAT(reader.take_unknown(), IsEmpty());
}

TEST_F(CounterReader, APortWithoutCountersIsSaid) {
  Reader reader = this->reader();
  EXPECT_THAT(reader.read()->at(0).values, IsEmpty());
  EXPECT_THAT(reader.take_unknown(), ElementsAre(HasSubstr("what it loses is not seen")));
}

TEST_F(CounterReader, ADriverThatHangsIsGivenUp) {
  std::promise<void> release;
  ReaderOptions options;
  options.sysroot = tree_.root();
  options.ports = {{"mlx5_0", 1, "eth0", std::nullopt, std::nullopt}};
  options.statistics = std::make_shared<HangingStatistics>(release.get_future().share());
  options.deadline = std::chrono::milliseconds(20);
  Reader reader(std::move(options));
  EXPECT_FALSE(reader.read());
  EXPECT_FALSE(reader.read());  // and not asked again
  EXPECT_THAT(reader.take_unknown(), Contains(HasSubstr("more than 20 ms")));
  release.set_value();
}

TEST(NicStatisticsNames, AreOf32BytesEach) {
  std::string bytes(64, '\0');
  bytes.replace(0, 10, "rx_packets");
  bytes.replace(32, 32, "a_name_that_fills_all_of_its_32_");
  bytes += "cut";
  EXPECT_THAT(statistics_names(bytes), ElementsAre("rx_packets", "a_name_that_fills_all_of_its_32_"));
}

TEST(LiveNicStatistics, ADeviceThatIsNotThereIsAReason) {
  std::string why;
  EXPECT_FALSE(live_nic_statistics()->names("no-such-device0", why));
  EXPECT_NE(why, "");
  EXPECT_FALSE(live_nic_statistics()->names("a-name-longer-than-any-net-device", why));
}

}  // namespace
}  // namespace fabricheck::counters
