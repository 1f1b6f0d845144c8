// Collectives that did not end: what the watchdogs of the ranks say together.
#include <algorithm>

#include <fmt/format.h>

#include "diagnose/collective_waits.hpp"
#include "diagnose/rules.hpp"

namespace fabricheck::diagnose {
namespace {

using Waits = std::vector<const CollectiveWait*>;

/// Host of a rank of the largest communicator; empty where it is not told, or two hosts are.
std::string host_of(const Context& context, int rank) {
  std::string host;
  for (const RankFacts& facts : context.seen().ranks)
    for (const CommFacts& comm : facts.comms) {
      if (comm.rank != rank || comm.ranks != context.ranks() || facts.host == 0) continue;
      const std::string& name = context.seen().names.text(facts.host);
      if (!host.empty() && host != name) return {};
      host = name;
    }
  return host;
}

/// "rank 5 (node1)", "ranks 1, 5, 7, 8 and 12 more".
std::string ranks_words(const Context& context, const Waits& ranks, bool with_hosts = true) {
  constexpr std::size_t most_named = 4;
  std::string names;
  const std::size_t named = ranks.size() > most_named + 1 ? most_named : ranks.size();
  for (std::size_t i = 0; i < named; ++i) {
    const std::string host = with_hosts ? host_of(context, ranks[i]->rank) : std::string();
    names += fmt::format("{}{}{}", i == 0 ? "" : (i + 1 == ranks.size() ? " and " : ", "), ranks[i]->rank,
                         host.empty() ? "" : " (" + host + ")");
  }
  if (named < ranks.size()) names += fmt::format(" and {} more", ranks.size() - named);
  return (ranks.size() == 1 ? "rank " : "ranks ") + names;
}

/// Of those that are many it does not matter which.
std::string count_words(const Context& context, const Waits& ranks) {
  return ranks.size() > 2 ? fmt::format("{} ranks", ranks.size()) : ranks_words(context, ranks);
}

std::string collective_words(const GroupStand& stand) {
  return fmt::format("collective {} of process group {}", stand.number, stand.group);
}

Waits without(const Waits& all, const Waits& some) {
  Waits rest;
  for (const CollectiveWait* one : all)
    if (std::find(some.begin(), some.end(), one) == some.end()) rest.push_back(one);
  return rest;
}

void name_ranks(const Context& context, const Waits& ranks, Finding& finding) {
  finding.component.name = ranks_words(context, ranks, false);
  finding.component.host = ranks.size() == 1 ? host_of(context, ranks.front()->rank) : std::string();
}

/// The odd ones first, and one that they are odd against, by the line that tells the operation or the other.
void cite_stand(const Context& context, const GroupStand& stand, Finding& finding,
                Quote CollectiveWait::*line = &CollectiveWait::quote) {
  constexpr std::size_t most_odd = 3;
  for (std::size_t i = 0; i < std::min(most_odd, stand.odd.size()); ++i)
    cite(context, finding, &(stand.odd[i]->*line));
  const Waits others = without(stand.waiting, stand.odd);
  if (!others.empty()) cite(context, finding, &(others.front()->*line));
}

const GroupStand* first_of(const std::vector<GroupStand>& stands, Stand wanted) {
  for (const GroupStand& one : stands)
    if (one.stand == wanted) return &one;
  return nullptr;
}

std::vector<GroupStand> stands_of(const Context& context) {
  // Where the job went on after it, nothing timed out that matters.
  return context.seen().has(Event::collective_timeout) ? where_ranks_stood(context.seen())
                                                       : std::vector<GroupStand>();
}

std::string mismatch_words(const Context& context, const GroupStand& stand) {
  std::string calls;
  const Waits others = without(stand.waiting, stand.odd);
  constexpr std::size_t most_told = 4;
  for (std::size_t i = 0; i < std::min(most_told, stand.odd.size()); ++i)
    calls += fmt::format("{}{} called {}", i == 0 ? "" : ", ", ranks_words(context, {stand.odd[i]}),
                         operation_words(*stand.odd[i]));
  if (stand.odd.size() > most_told)
    calls += fmt::format(", and {} more other things", stand.odd.size() - most_told);
  if (!others.empty())
    calls +=
        fmt::format(" where {} called {}", count_words(context, others), operation_words(*others.front()));
  return fmt::format("as {}, {}", collective_words(stand), calls);
}

std::string not_called_words(const Context& context, const GroupStand& stand) {
  const CollectiveWait& waits = *stand.waiting.front();
  if (stand.odd_called)
    return fmt::format("{} called {} ({}), which the other {} that are heard had not called",
                       ranks_words(context, stand.odd), collective_words(stand), operation_words(waits),
                       stand.heard.size() - stand.odd.size());
  return fmt::format("{} waited in {} ({}), which {} had not called, or were still calling",
                     count_words(context, stand.waiting), collective_words(stand), operation_words(waits),
                     ranks_words(context, stand.odd));
}

std::string unheard_words(const GroupStand& stand) {
  if (stand.unheard.empty()) return {};
  constexpr std::size_t most_named = 8;
  std::string names;
  for (std::size_t i = 0; i < std::min(most_named, stand.unheard.size()); ++i)
    names += fmt::format("{}{}", i == 0 ? "" : ", ", stand.unheard[i]);
  if (stand.unheard.size() > most_named)
    names += fmt::format(" and {} more", stand.unheard.size() - most_named);
  return fmt::format("; of {} {} of the group nothing is heard here",
                     stand.unheard.size() == 1 ? "rank" : "ranks", names);
}

void tell_all_called(const Context& context, const GroupStand& stand, Finding& finding) {
  const CollectiveWait& waits = *stand.waiting.front();
  const bool is_first = waits.completed && *waits.completed < 0;
  finding.meaning =
      fmt::format("{} ({}{}) did not end in time; all {} ranks that are heard had called it{}",
                  collective_words(stand), operation_words(waits), is_first ? ", the group's first" : "",
                  stand.heard.size(), unheard_words(stand));
  if (!stand.unheard.empty()) {
    finding.advice = "look at the ranks that are not heard, and their nodes, first; give their logs, too";
    return;
  }
  const bool are_all = context.ranks() == static_cast<int>(stand.heard.size());
  finding.meaning += are_all ? ": none is behind, so a path between them or a GPU stopped"
                             : ": of these none is behind, so a path between them, a GPU, or a rank that is "
                               "not heard stopped";
  finding.advice =
      "look for what stopped: kernel logs of all hosts (Xid, link down), ports and their counters; measure "
      "the "
      "same hosts";
  finding.confirm = "fabricheck run --suite diagnose on the same hosts; dmesg of each";
}

void tell_unfinished(const Context& context, const GroupStand& stand, Finding& finding) {
  name_ranks(context, stand.odd, finding);
  finding.confidence = "likely";
  const CollectiveWait& odd = *stand.odd.front();
  finding.meaning = fmt::format("{} had not finished collective {} of process group {}{}, which {} had",
                                ranks_words(context, stand.odd), *odd.completed + 1, stand.group,
                                odd.operation.empty() ? "" : " (" + operation_words(odd) + ")",
                                count_words(context, without(stand.heard, stand.odd)));
  finding.advice = "look at the GPU and the NIC of the ranks named, and at the kernel log of their nodes";
}

}  // namespace

namespace rules {

void collective_mismatch(const Context& context, const CatalogRow& row, Findings& found) {
  const std::size_t before = found.size();
  on_event(context, row, found);
  const std::vector<GroupStand> stands = stands_of(context);
  const GroupStand* stand = first_of(stands, Stand::mismatch);
  if (stand == nullptr) return;
  Finding& finding = found.size() > before ? found.back() : add(found, row);
  finding.meaning = mismatch_words(context, *stand);
  finding.advice =
      "look at what the program of the ranks named calls around that point: a branch that only some ranks "
      "take, uneven data, another version of it";
  name_ranks(context, stand->odd, finding);
  cite_stand(context, *stand, finding, &CollectiveWait::operation_quote);
}

void collective_not_called(const Context& context, const CatalogRow& row, Findings& found) {
  const std::vector<GroupStand> stands = stands_of(context);
  const GroupStand* stand = first_of(stands, Stand::not_called);
  if (stand == nullptr) return;
  Finding& finding = add(found, row);
  finding.meaning = not_called_words(context, *stand);
  name_ranks(context, stand->odd, finding);
  cite_stand(context, *stand, finding);
}

void collective_timeout(const Context& context, const CatalogRow& row, Findings& found) {
  const std::size_t before = found.size();
  on_event(context, row, found);
  if (found.size() == before) return;
  const std::vector<GroupStand> stands = stands_of(context);
  Finding& finding = found.back();
  if (stands.empty() && context.seen().waits.size() == 1) {
    finding.advice = fmt::format(
        "give the logs of all ranks together, which tell who did not arrive: only {} is "
        "heard; or {}",
        ranks_words(context, {&context.seen().waits.front()}), row.text->advice);
    return;
  }
  if (stands.empty() || stands.front().stand < Stand::unfinished) return;
  const GroupStand& stand = stands.front();
  finding.evidence.clear();
  cite_stand(context, stand, finding);
  if (stand.stand == Stand::all_called)
    tell_all_called(context, stand, finding);
  else
    tell_unfinished(context, stand, finding);
}

}  // namespace rules

}  // namespace fabricheck::diagnose
