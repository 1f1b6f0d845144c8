#include "fabric/counters/judgement.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "core/error.hpp"

namespace fabricheck::counters {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

constexpr Source port = Source::counters, hw = Source::hw_counters, eth = Source::ethtool;

PortReading reading(std::map<Key, std::uint64_t> values) {
  return {{"mlx5_0", 1, "eth0", std::vector<int>{3}, 3}, std::move(values)};
}

/// What moved on mlx5_0 of h7 in 10 s.
PortChanges moved(std::vector<Change> changes) {
  return {"h7", {"mlx5_0", 1, "eth0", std::vector<int>{3}, 3}, 10.0, std::move(changes), {}};
}

CounterVerdict judge_one(std::vector<Change> changes, bool cut_short = false) {
  return judge({moved(std::move(changes))}, {"verbs.write.bandwidth", cut_short});
}

TEST(CounterTable, NamesAreOfOneRowEachAndKindsAreAllThere) {
  std::set<std::pair<Source, std::string>> names;
  for (const CounterRow& row : counter_rows()) {
    EXPECT_TRUE(names.insert({row.source, row.name}).second) << row.name;
    const KindRow& kind = kind_row(row.kind);
    EXPECT_EQ(kind.kind, row.kind);
    EXPECT_EQ(kind.measured == Measured::never, std::string(kind.slug).empty()) << row.name;
    if (kind.measured != Measured::never) {
      EXPECT_FALSE(std::string(kind.meaning).empty() || std::string(kind.advice).empty() ||
                   std::string(kind.confirm).empty())
          << kind.slug;
    }
  }
}

TEST(CounterTable, PrioritiesArePartOfTheName) {
  const auto found = find_counter(eth, "rx_prio3_discards");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->priority, 3);
  EXPECT_EQ(common_name(*found), "prio3_discards");
  EXPECT_FALSE(find_counter(eth, "rx_prio8_discards"));
  EXPECT_FALSE(find_counter(eth, "rx_prio33_discards"));
  EXPECT_FALSE(find_counter(hw, "rx_prio3_discards"));
}

TEST(Changes, WhatGrewIsTheDifference) {
  const PortChanges changes =
      changes_between(reading({{{port, "port_xmit_data"}, 100}, {{hw, "out_of_sequence"}, 7}}),
                      reading({{{port, "port_xmit_data"}, 150}, {{hw, "out_of_sequence"}, 7}}), 2);
  EXPECT_THAT(changes.changes,
              ElementsAre(Change{port, "port_xmit_data", 200}));  // it counts four bytes at a time
  EXPECT_EQ(changes.duration_s, 2);
}

TEST(Changes, ACounterOf32BitsWrapsAndOneThatWasResetIsSaidToBe) {
  const PortChanges wrapped = changes_between(reading({{{hw, "packet_seq_err"}, 0xfffffffe}}),
                                              reading({{{hw, "packet_seq_err"}, 3}}), 1);
  EXPECT_THAT(wrapped.changes, ElementsAre(Change{hw, "packet_seq_err", 5}));
  EXPECT_THAT(wrapped.notes, IsEmpty());
  const PortChanges reset =
      changes_between(reading({{{hw, "packet_seq_err"}, 1000}}), reading({{{hw, "packet_seq_err"}, 3}}), 1);
  EXPECT_THAT(reset.changes, ElementsAre(Change{hw, "packet_seq_err", 3}));
  EXPECT_THAT(reset.notes, ElementsAre(HasSubstr("reset")));
  const PortChanges whole = changes_between(reading({{{eth, "rx_prio3_pause"}, ~0ULL}}),
                                            reading({{{eth, "rx_prio3_pause"}, 3}}), 1);
  EXPECT_THAT(whole.notes, ElementsAre(HasSubstr("reset")));
}

TEST(Changes, ACounterThatSticksTellsNothing) {
  const PortChanges stuck = changes_between(reading({{{port, "symbol_error"}, 65535}}),
                                            reading({{{port, "symbol_error"}, 65535}}), 1);
  EXPECT_THAT(stuck.changes, IsEmpty());
  EXPECT_THAT(stuck.notes, ElementsAre(HasSubstr("sticks at 65535")));
}

TEST(Changes, WhatOnlyOneReadingHasIsNotKnown) {
  EXPECT_THAT(changes_between(reading({}), reading({{{hw, "packet_seq_err"}, 3}}), 1).changes, IsEmpty());
  EXPECT_THAT(changes_between(reading({{{hw, "packet_seq_err"}, 3}}), reading({}), 1).changes, IsEmpty());
}

TEST(Changes, RepeatsOfACheckAddUp) {
  PortChanges sum = moved({{hw, "out_of_sequence", 2}});
  add(sum, moved({{hw, "out_of_sequence", 3}, {hw, "packet_seq_err", 1}}));
  EXPECT_THAT(sum.changes, ElementsAre(Change{hw, "out_of_sequence", 5}, Change{hw, "packet_seq_err", 1}));
  EXPECT_EQ(sum.duration_s, 20);
}

TEST(Judge, TrafficAndCorrectionAreNoTrouble) {
  const CounterVerdict verdict = judge_one({{port, "port_xmit_data", 4e9},
                                            {eth, "rx_corrected_bits_phy", 1000},
                                            {hw, "np_cnp_sent", 5},
                                            {hw, "req_cqe_flush_error", 12},
                                            {eth, "rx_prio3_pause", 100}});
  EXPECT_THAT(verdict.troubles, IsEmpty());
  EXPECT_EQ(verdict.loss, "");
  EXPECT_THAT(verdict.moved, AllOf(Contains(Pair("corrected_bits", 1000)), Contains(Pair("cnp_sent", 5)),
                                   Contains(Pair("prio3_pause_received", 100))));
}

TEST(Judge, RetransmissionsCountPerPacket) {
  const CounterVerdict many = judge_one({{port, "port_xmit_packets", 1e6}, {hw, "packet_seq_err", 12}});
  ASSERT_EQ(many.troubles.size(), 1U);
  EXPECT_EQ(many.troubles[0].severity, Severity::bad);
  EXPECT_THAT(many.troubles[0].what,
              AllOf(HasSubstr("12 packet_seq_err"), HasSubstr("12 in a million packets")));
  EXPECT_EQ(many.loss, "12 packet_seq_err at mlx5_0 of h7");
  const CounterVerdict few = judge_one({{port, "port_xmit_packets", 1e9}, {hw, "packet_seq_err", 12}});
  ASSERT_EQ(few.troubles.size(), 1U);
  EXPECT_EQ(few.troubles[0].severity, Severity::info);
  EXPECT_NE(few.loss, "");  // it is said all the same
}

TEST(Judge, OneEventInAShortCheckIsNoRate) {
  // One in 100,000 packets is ten times the limit, and comes by chance where one in a million is lost.
  EXPECT_EQ(judge_one({{port, "port_xmit_packets", 1e5}, {hw, "packet_seq_err", 1}}).troubles.at(0).severity,
            Severity::info);
  EXPECT_EQ(judge_one({{port, "port_xmit_packets", 1e5}, {hw, "packet_seq_err", 5}}).troubles.at(0).severity,
            Severity::bad);
  EXPECT_EQ(judge_one({{port, "symbol_error", 2}}).troubles.at(0).severity, Severity::info) << "in 10 s";
  EXPECT_EQ(judge_one({{port, "symbol_error", 20}}).troubles.at(0).severity, Severity::bad);
}

TEST(Judge, WhatNoCheckIsLongEnoughToShowTheWholeRunShows) {
  std::vector<Trouble> troubles;
  std::vector<PortChanges> sums{moved({})};
  for (int check = 0; check < 20; ++check) {
    const PortChanges one = moved({{port, "port_xmit_packets", 1e5}, {hw, "packet_seq_err", 1}});
    const CounterVerdict verdict = judge({one}, {"check " + std::to_string(check), false});
    troubles.insert(troubles.end(), verdict.troubles.begin(), verdict.troubles.end());
    add(sums[0], one);
  }
  std::vector<Trouble> excused = troubles;
  for (Trouble& trouble : excused) trouble.excused = true;
  judge_whole_run(sums, troubles);
  ASSERT_EQ(troubles.size(), 20U);
  EXPECT_EQ(troubles[7].severity, Severity::bad);
  EXPECT_THAT(troubles[7].what, HasSubstr("in all checks together 20 packet_seq_err"));
  judge_whole_run(sums, excused);
  EXPECT_EQ(excused[7].severity, Severity::info);
  std::vector<Trouble> elsewhere{troubles[0]};
  elsewhere[0].severity = Severity::info;
  elsewhere[0].host = "h8";
  judge_whole_run(sums, elsewhere);
  EXPECT_EQ(elsewhere[0].severity, Severity::info) << "another host's port is not accused";
}

TEST(Judge, OutOfOrderAloneIsNoLoss) {
  EXPECT_EQ(judge_one({{hw, "out_of_sequence", 7}}).loss, "");
  EXPECT_THAT(judge_one({{hw, "out_of_sequence", 7}, {hw, "packet_seq_err", 7}}).loss,
              AllOf(HasSubstr("7 out_of_sequence"), HasSubstr("7 packet_seq_err")));
}

TEST(Judge, PacketsThatAnotherLinkBrokeAccuseNoCableHere) {
  const CounterVerdict verdict = judge_one({{port, "port_rcv_remote_physical_errors", 9}});
  EXPECT_STREQ(verdict.troubles.at(0).kind->slug, "errors-elsewhere");
  EXPECT_EQ(verdict.troubles.at(0).severity, Severity::info);
}

TEST(Judge, ANicInSoftwareIsLateAsItsHostIs) {
  const auto severity = [](double repeats) {
    PortChanges soft = moved({{hw, "sent_pkts", 10000}, {hw, "completer_retry_err", repeats}});
    soft.port.in_software = true;
    return judge({soft}, {"verbs.write.bandwidth", false}).troubles.at(0).severity;
  };
  EXPECT_EQ(severity(10), Severity::info);
  EXPECT_EQ(severity(90), Severity::bad) << "loss is told, there too";
}

TEST(Judge, WithoutPacketsRetransmissionsCountPerSecond) {
  EXPECT_EQ(judge_one({{hw, "packet_seq_err", 40}}).troubles.at(0).severity, Severity::bad);
  EXPECT_EQ(judge_one({{hw, "packet_seq_err", 10}}).troubles.at(0).severity, Severity::info);
}

TEST(Judge, ARetryOnAKilledJobIsNoFault) {
  const CounterVerdict verdict =
      judge_one({{hw, "local_ack_timeout_err", 500}, {hw, "req_transport_retries_exceeded", 3}}, true);
  ASSERT_EQ(verdict.troubles.size(), 2U);
  for (const Trouble& trouble : verdict.troubles) {
    EXPECT_EQ(trouble.severity, Severity::info);
    EXPECT_THAT(trouble.what, HasSubstr("cut short"));
  }
  // A discard has nothing to do with the peer.
  EXPECT_EQ(judge_one({{eth, "rx_prio3_discards", 1}}, true).troubles.at(0).severity, Severity::bad);
}

TEST(Judge, ADiscardIsAFaultInTheLosslessClassAlone) {
  const CounterVerdict lossless = judge_one({{eth, "rx_prio3_discards", 7}});
  EXPECT_EQ(lossless.troubles.at(0).severity, Severity::bad);
  EXPECT_STREQ(lossless.troubles.at(0).kind->slug, "lossless-class-discards");
  const CounterVerdict lossy = judge_one({{eth, "rx_prio0_discards", 7}});
  EXPECT_EQ(lossy.troubles.at(0).severity, Severity::info);
  EXPECT_STREQ(lossy.troubles.at(0).kind->slug, "packets-discarded");
  PortChanges not_known = moved({{eth, "rx_prio3_discards", 7}});
  not_known.port.lossless.reset();
  EXPECT_EQ(judge({not_known}, {}).troubles.at(0).severity, Severity::info);
}

TEST(Judge, PausesCountByTheTimeTheyTook) {
  EXPECT_THAT(judge_one({{eth, "rx_prio3_pause_duration", 1e6}}).troubles, IsEmpty());  // a tenth of the time
  const CounterVerdict storm = judge_one({{eth, "rx_prio3_pause_duration", 6e6}});
  ASSERT_EQ(storm.troubles.size(), 1U);
  EXPECT_STREQ(storm.troubles[0].kind->slug, "pfc-pause-storm");
  EXPECT_THAT(storm.troubles[0].what, HasSubstr("60 % of the time"));
}

TEST(Judge, LinkErrors) {
  EXPECT_EQ(judge_one({{port, "link_downed", 1}}).troubles.at(0).severity, Severity::bad);
  EXPECT_EQ(judge_one({{hw, "rx_icrc_encapsulated", 1}}).troubles.at(0).severity, Severity::bad);
}

TEST(Judge, TheSameFromTwoSourcesCountsOnce) {
  const CounterVerdict verdict = judge_one({{port, "link_downed", 1}, {eth, "link_down_events_phy", 1}});
  EXPECT_THAT(verdict.moved, ElementsAre(Pair("link_downed", 1)));
}

TEST(Judge, DriversCallTheSameThingDifferently) {
  struct Case {
    const char* name;
    const char* common;
  };
  for (const auto& [name, common] :
       {Case{"packet_seq_err", "retransmissions"}, Case{"rcvd_seq_err", "retransmissions"},
        Case{"seq_err_naks_rcvd", "retransmissions"}, Case{"RetransSegs", "retransmissions"},
        Case{"out_of_sequence", "out_of_sequence"}, Case{"out_of_seq_request", "out_of_sequence"},
        Case{"oos_drop_count", "out_of_sequence"}}) {
    EXPECT_THAT(judge_one({{hw, name, 1}}).moved, ElementsAre(Pair(common, 1)));
    const bool is_gap = common == std::string("out_of_sequence");
    EXPECT_EQ(judge_one({{hw, name, 1}}).loss.empty(), is_gap) << name;
  }
  // SRD takes other paths in the ordinary course.
  EXPECT_EQ(judge_one({{hw, "retrans_pkts", 1000}}).loss, "");
}

TEST(Findings, FoldHostsAndKeepTheGravestApart) {
  std::vector<Trouble> troubles;
  for (int host = 1; host <= 3; ++host) {
    PortChanges changes = moved({{hw, "packet_seq_err", host == 3 ? 1.0 : 100.0}});
    changes.host = "h" + std::to_string(host);
    for (const Trouble& one : judge({changes}, {"verbs.send.bandwidth", false}).troubles)
      troubles.push_back(one);
  }
  const std::vector<Finding> findings = findings_of(troubles);
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_EQ(findings[0].slug, "packets-retransmitted");
  EXPECT_EQ(findings[0].severity, Severity::bad);
  EXPECT_EQ(findings[0].component, (Component{"nic", "mlx5_0", "h[1-2]"}));
  EXPECT_THAT(findings[0].explains, ElementsAre("verbs.send.bandwidth"));
  EXPECT_EQ(findings[1].severity, Severity::info);
  EXPECT_EQ(findings[1].component.host, "h3");
}

TEST(ClassUse, IsTheShareOfTheJobsPriority) {
  const ClassUse use = class_use(moved({{eth, "tx_prio3_bytes", 9e9}, {eth, "tx_prio0_bytes", 1e9}}));
  EXPECT_EQ(use.share, 0.9);
  EXPECT_THAT(use.words, AllOf(HasSubstr("priority 3"), HasSubstr("90 %")));
  EXPECT_EQ(class_use(moved({{port, "port_xmit_data", 1e9}})).share, std::nullopt);
  EXPECT_EQ(class_use(moved({{port, "port_xmit_data", 1e9}})).words, "not told by this NIC");
  PortChanges no_priority = moved({{eth, "tx_prio3_bytes", 9e9}});
  no_priority.port.job_priority.reset();
  EXPECT_EQ(class_use(no_priority).share, std::nullopt);
}

TEST(ClassUse, AnotherClassIsAFaultOnlyWhereTheCheckSetIt) {
  const PortChanges other = moved({{eth, "tx_prio0_bytes", 9e9}});
  const auto findings = class_findings({other}, true);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].slug, "traffic-class-not-used");
  EXPECT_EQ(findings[0].severity, Severity::bad);
  EXPECT_EQ(class_findings({other}, false).at(0).severity, Severity::info);
  EXPECT_EQ(class_findings({moved({{eth, "tx_prio3_bytes", 9e9}})}, true).at(0).slug, "traffic-class-used");
  EXPECT_EQ(class_findings({moved({{port, "port_xmit_data", 9e9}})}, true).at(0).slug,
            "traffic-class-not-told");
  EXPECT_THAT(class_findings({moved({})}, true), IsEmpty());
}

TEST(Wire, ComesBackAsItWas) {
  PortChanges one = moved({{eth, "tx_prio3_bytes", 9.25e9}, {hw, "Nak Sequence Error", 3}});
  one.notes = {"symbol_error sticks at 65535 until it is reset"};
  PortChanges other{"h8", {"rxe0", 2, "", std::nullopt, std::nullopt, true}, 0.1, {}, {}};
  EXPECT_EQ(decode(encode({one, other})), (std::vector<PortChanges>{one, other}));
  EXPECT_THAT(decode(""), IsEmpty());
}

TEST(Wire, WhatIsNoneIsRefused) {
  for (const char* bad :
       {"port", "moved\t1\tx\t2\n", "port\th\td\t1\te\t3\t3\t-\tsoon\n", "port\th\td\t-1\te\t3\t3\t-\t1\n",
        "port\th\td\t1\te\t3\t3\t-\t1\nmoved\t7\tx\t2\n", "\n", "port\th\td\t1\te\t3,,3\t3\t-\t1\n"})
    EXPECT_THROW(decode(bad), Error) << bad;
}

}  // namespace
}  // namespace fabricheck::counters
