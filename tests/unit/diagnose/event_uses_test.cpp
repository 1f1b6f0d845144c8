// A warning of NCCL's counts as known where a phrase of it stands for an event, so every event has to be read
// by a rule: what nobody reads would leave a log healthy.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "logs.hpp"

namespace fabricheck::diagnose {
namespace {

constexpr const char* kComplete =
    "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nRanks 2 nNodes 2 localRanks 1 localRank 0 MNNVL 0\n"
    "a1:10:20 [0] NCCL INFO NET/IB : Using [0]mlx5_0:1/RoCE [RO]; OOB eth0:10.0.0.1<0>\n"
    "a1:10:20 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[0] [send] via NET/IB/0/GDRDMA\n"
    "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nranks 2 cudaDev 0 nvmlDev 0 busId 1c000 commId 0x65 - Init "
    "COMPLETE\n";

constexpr const char* kWithoutGdr =
    "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nRanks 2 nNodes 2 localRanks 1 localRank 0 MNNVL 0\n"
    "a1:10:20 [0] NCCL INFO NET/IB : Using [0]mlx5_0:1/IB [RO]; OOB eth0:10.0.0.1<0>\n"
    "a1:10:20 [0] NCCL INFO Channel 00/0 : 1[0] -> 0[0] [receive] via NET/IB/0\n";

/// What comes out: findings with their words, what was seen, and whether it is enough to say more.
std::string outcome(Observations seen) {
  set_recovered_apart(seen);
  const Diagnosis found = diagnose(seen);
  std::string text = fmt::format("{} {}\n", found.is_conclusive, found.has_fault);
  for (const Finding& one : found.findings)
    text += fmt::format("{} {} {} {} {} {}\n", one.slug, static_cast<int>(one.severity), one.confidence,
                        one.meaning, one.advice, one.evidence.size());
  for (const std::string& line : found.seen) text += line + '\n';
  return text;
}

EventGroup group_of(Event kind, int code, const char* detail, std::uint64_t last_line) {
  EventGroup group;
  group.kind = kind;
  group.code = code;
  group.detail = detail;
  group.count = 2;
  group.as_warning = true;
  group.last_line = last_line;
  group.quotes = {{0, 7, "what the line said"}, {0, 8, "once more"}};
  group.hosts = {0};
  return group;
}

struct Known {
  Event kind;
  int code;
};

/// What some events only tell something beside: another fault, or a value of their own that differs.
const std::vector<Known> kBeside[] = {{},
                                      {{Event::completion_error, 12}},
                                      {{Event::completion_error, 12}, {Event::link_mtu, 9}},
                                      {{Event::modify_qp_failed, 110}},
                                      {{Event::link_down, 1}},
                                      {{Event::link_up, 1}, {Event::link_down, 1}},
                                      {{Event::killed, 0}},
                                      {{Event::job_failed, 1}},
                                      {{Event::connect_failed, 110}},
                                      {{Event::port_down, 0}},
                                      {{Event::gid_v2, 3}},
                                      {{Event::acs_redirect, 0}},
                                      {{Event::pci_end, 0x18}},
                                      {{Event::gdr_distance_disabled, 7}},
                                      {{Event::limited_pkey, 0}},
                                      {{Event::manager_failed, 0}}};

bool tells_something(Event kind, const Observations& beside) {
  const std::string without = outcome(beside);
  for (const int code : {0, 1, 2, 4, 12, 110, 79, 5})
    for (const char* detail : {"", "mlx5_0", "port error", "0000:18:00.0", "efa", "18 19"})
      for (const std::uint64_t last_line : {8U, 10U}) {
        Observations seen = beside;
        seen.events.push_back(group_of(kind, code, detail, last_line));
        if (outcome(seen) != without) return true;
      }
  return false;
}

bool is_read(Event kind) {
  for (const char* log : {"", kComplete, kWithoutGdr})
    for (const auto& others : kBeside) {
      Observations beside = observed(log);
      for (const Known& other : others)
        beside.events.push_back(group_of(other.kind, other.code, "mlx5_0", 9));
      if (tells_something(kind, beside)) return true;
    }
  return false;
}

TEST(EventUses, OfEveryPhraseAreReadByARuleOrLeftAside) {
  std::set<Event> kinds;
  for (const Phrase& phrase : phrases())
    if (phrase.event != Event::count_) kinds.insert(phrase.event);
  for (const Event kind : kinds) {
    const auto phrase = std::find_if(phrases().begin(), phrases().end(),
                                     [&](const Phrase& one) { return one.event == kind; });
    EXPECT_NE(is_read(kind), is_left_aside(kind))
        << "event " << static_cast<int>(kind) << ", as of \"" << phrase->text << '"';
  }
}

}  // namespace
}  // namespace fabricheck::diagnose
