// Collectives that did not end: what the watchdogs of the ranks say together.
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "core/fault_texts.hpp"
#include "diagnose/collective_waits.hpp"
#include "diagnose/phrases.hpp"
#include "diagnose/rules.hpp"
#include "diagnose/text_line.hpp"

namespace fabricheck::diagnose {
namespace {

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

std::vector<int> numbers_of(const Waits& ranks) {
  std::vector<int> numbers;
  for (const CollectiveWait* one : ranks) numbers.push_back(one->rank);
  return numbers;
}

std::string ranks_words(const Context& context, const std::vector<int>& ranks) {
  return rank_words(ranks, [&](int rank) { return host_of(context, rank); });
}

std::string ranks_words(const Context& context, const Waits& ranks) {
  return ranks_words(context, numbers_of(ranks));
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

void name_ranks(const Context& context, const std::vector<int>& ranks, Found& finding) {
  finding.component.name = rank_words(ranks);
  finding.component.host = ranks.size() == 1 ? host_of(context, ranks.front()) : std::string();
}

/// The odd ones first, and one that they are odd against, by the line that tells the operation or the other.
void cite_stand(const Context& context, const GroupStand& stand, Found& finding,
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

/// Where the job went on after it, nothing timed out that matters.
bool has_timed_out(const Context& context) { return context.seen().has(Event::collective_timeout); }

std::vector<GroupStand> stands_of(const Context& context) {
  return has_timed_out(context) ? where_ranks_stood(context.seen()) : std::vector<GroupStand>();
}

std::string mismatch_words(const Context& context, const GroupStand& stand) {
  std::string calls;
  const Waits others = without(stand.waiting, stand.odd);
  constexpr std::size_t most_told = 4;
  for (std::size_t i = 0; i < std::min(most_told, stand.odd.size()); ++i)
    calls += fmt::format("{}{} called {}", i == 0 ? "" : ", ", ranks_words(context, Waits{stand.odd[i]}),
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
    return fmt::format("{} called {} ({}), which the other {} that tell how far they were had not called",
                       ranks_words(context, stand.odd), collective_words(stand), operation_words(waits),
                       stand.heard.size() - stand.odd.size());
  return fmt::format("{} waited in {} ({}), which {} had not called (or had not come back from the call)",
                     count_words(context, stand.waiting), collective_words(stand), operation_words(waits),
                     ranks_words(context, stand.odd));
}

/// Ranks that an exception of their own ended while others waited: few, and none that waited itself.
struct Ended {
  std::vector<int> ranks;
  Waits waiting;
};
Ended ended_by_themselves(const Observations& seen) {
  Ended ended;
  std::map<int, const CollectiveWait*> waiting;
  std::set<bool> are_tagged;
  for (const CollectiveWait& one : seen.waits) {
    if (one.group.empty()) continue;
    if (one.is_mixed) return {};
    are_tagged.insert(!one.process.empty());
    if (one.waits_for || one.timed_out_elsewhere) waiting.emplace(one.rank, &one);
  }
  for (const auto& entry : waiting) ended.waiting.push_back(entry.second);
  for (const auto& [rank, thrown] : seen.rank_words.exceptions) {
    // A launcher that tags lines in another way is that of another job in the same log.
    const bool is_of_this = are_tagged.count(!thrown.process.empty()) != 0;
    if (!thrown.follows && is_of_this && waiting.count(rank) == 0) ended.ranks.push_back(rank);
  }
  if (waiting.empty() || ended.ranks.size() > waiting.size()) return {};
  return ended;
}

/// "ValueError", or "exceptions" where they differ.
std::string exception_words(const Observations& seen, const std::vector<int>& ranks) {
  const auto& exceptions = seen.rank_words.exceptions;
  const std::string& first = exceptions.at(ranks.front()).name;
  const bool are_equal =
      std::all_of(ranks.begin(), ranks.end(), [&](int rank) { return exceptions.at(rank).name == first; });
  return are_equal ? first : "exceptions";
}

std::string unheard_words(const GroupStand& stand) {
  if (stand.unheard.empty()) return {};
  constexpr std::size_t most_named = 8;
  std::string names;
  for (std::size_t i = 0; i < std::min(most_named, stand.unheard.size()); ++i)
    names += fmt::format("{}{}", i == 0 ? "" : ", ", stand.unheard[i]);
  if (stand.unheard.size() > most_named)
    names += fmt::format(" and {} more", stand.unheard.size() - most_named);
  return fmt::format("; of {} {} no line is here", stand.unheard.size() == 1 ? "rank" : "ranks", names);
}

void tell_all_called(const Context& context, const GroupStand& stand, Found& finding) {
  const CollectiveWait& waits = *stand.waiting.front();
  finding.meaning = fmt::format(
      "{} ({}{}) did not end in time; {} ranks that tell how far they were had called it{}",
      collective_words(stand), operation_words(waits), stand.number == 1 ? ", the group's first" : "",
      stand.heard.size() == 2 ? "both" : fmt::format("all {}", stand.heard.size()), unheard_words(stand));
  if (context.seen().rank_words.are_left_out) {
    finding.advice = "run with RAY_DEDUP_LOGS=0, for Ray left out lines of other ranks; " + finding.advice;
    return;
  }
  if (!stand.unheard.empty()) {
    finding.advice = "look at the ranks that are not heard, and their nodes, first; give their logs, too";
    return;
  }
  if (!stand.silent.empty())
    finding.meaning +=
        fmt::format("; {} said nothing of it: look there first", ranks_words(context, stand.silent));
  if (!stand.all_timed_out) return;
  const bool are_all = context.ranks() == static_cast<int>(stand.heard.size());
  finding.meaning +=
      are_all ? ": none is behind, so what stopped is a path between them, a GPU, or work before it "
                "on a GPU's stream"
              : ": of these none is behind, so what stopped is a path between them, a GPU, work "
                "before it on a GPU's stream, or a rank that is not heard";
  finding.advice =
      "look for what stopped: kernel logs of all hosts (Xid, link down), ports and their counters; measure "
      "the same hosts";
  finding.confirm = "fabricheck run --suite diagnose on the same hosts; dmesg of each";
}

void tell_unfinished(const Context& context, const GroupStand& stand, Found& finding) {
  name_ranks(context, numbers_of(stand.odd), finding);
  finding.confidence = "likely";
  const CollectiveWait& odd = *stand.odd.front();
  finding.meaning = fmt::format("{} waited in collective {} of process group {} ({}), which {} had finished",
                                ranks_words(context, stand.odd), *odd.waits_for, stand.group,
                                operation_words(odd), count_words(context, without(stand.heard, stand.odd)));
  finding.advice = "look at the GPU and the NIC of the ranks named, and at the kernel log of their nodes";
}

/// Whether another row tells of it, or CUDA does, of which the program may be innocent.
bool is_told_elsewhere(std::string_view line) {
  for (const char* words : {"CUDA", "cuda error", "CUBLAS", "cuDNN", "CUDNN", "HIP", "caught", "skipping"})
    if (contains(line, words)) return true;
  bool is_told = false;
  all_phrases().find(line, [&](const Phrase& phrase, std::size_t) {
    is_told =
        is_told || (phrase.event != Event::count_ && phrase.event != Event::job_cut && !phrase.is_common);
  });
  return is_told;
}

/// The job, or another one in the same log, went on behind the line.
bool went_on_after(const Observations& seen, const Quote& quote) {
  const auto start = seen.last_start.find(quote.file);
  if (start != seen.last_start.end() && start->second > quote.line) return true;
  const auto groups = seen.of(Event::job_went_on);
  return std::any_of(groups.begin(), groups.end(), [&](const EventGroup* group) {
    return group->last_file == quote.file && group->last_line > quote.line;
  });
}

}  // namespace

namespace rules {

void program_exception(const Context& context, const CatalogRow& row, Findings& found) {
  const Observations& seen = context.seen();
  // Of collectives that timed out another rule compares the ranks.
  const bool is_explained =
      has_timed_out(context) || std::any_of(found.begin(), found.end(), [](const Finding& finding) {
        return finding.severity == Severity::fatal;
      });
  if (is_explained) return;
  std::vector<int> ranks;
  for (const auto& [rank, thrown] : seen.rank_words.exceptions)
    if (!thrown.follows && !is_told_elsewhere(thrown.quote.text) && !went_on_after(seen, thrown.quote))
      ranks.push_back(rank);
  if (ranks.empty()) return;
  Found& finding = add(found, row, "likely");
  finding.meaning = fmt::format("{} ended with {}; what the others say follows from that",
                                ranks_words(context, ranks), exception_words(seen, ranks));
  name_ranks(context, ranks, finding);
  constexpr std::size_t most_quoted = 3;
  for (std::size_t i = 0; i < std::min(ranks.size(), most_quoted); ++i)
    cite(context, finding, &seen.rank_words.exceptions.at(ranks[i]).quote);
}

void collective_mismatch(const Context& context, const CatalogRow& row, Findings& found) {
  const std::size_t before = found.size();
  on_event(context, row, found);
  for (const EventGroup* group : context.seen().of(Event::message_truncated))
    cite(context, found.size() > before ? found.back() : add(found, row, "likely"), *group);
  const std::vector<GroupStand> stands = stands_of(context);
  const GroupStand* stand = first_of(stands, Stand::mismatch);
  if (stand == nullptr) return;
  Found& finding = found.size() > before ? found.back() : add(found, row);
  finding.meaning = mismatch_words(context, *stand);
  finding.advice =
      "look at what the program of the ranks named calls around that point: a branch that only some ranks "
      "take, uneven data, another version of it";
  name_ranks(context, numbers_of(stand->odd), finding);
  cite_stand(context, *stand, finding, &CollectiveWait::operation_quote);
}

void collective_not_called(const Context& context, const CatalogRow& row, Findings& found) {
  if (!has_timed_out(context)) return;
  const std::vector<GroupStand> stands = where_ranks_stood(context.seen());
  const auto& exceptions = context.seen().rank_words.exceptions;
  if (const GroupStand* stand = first_of(stands, Stand::not_called)) {
    Found& finding = add(found, row);
    finding.meaning = not_called_words(context, *stand);
    // Where they are as many, either may be at fault.
    if (2 * stand->odd.size() < stand->heard.size()) name_ranks(context, numbers_of(stand->odd), finding);
    for (const CollectiveWait* one : stand->odd) {
      const auto thrown = exceptions.find(one->rank);
      if (thrown != exceptions.end()) cite(context, finding, &thrown->second.quote);
    }
    cite_stand(context, *stand, finding);
    return;
  }
  if (first_of(stands, Stand::mismatch) != nullptr) return;
  if (const Ended ended = ended_by_themselves(context.seen()); !ended.ranks.empty()) {
    // Only in one file is it told that it came before.
    const Quote& thrown = exceptions.at(ended.ranks.front()).quote;
    const bool is_one_file = thrown.file == ended.waiting.front()->quote.file;
    Found& finding = add(found, row, is_one_file ? "likely" : "possible");
    finding.meaning =
        fmt::format("{} ended with {}, and {} waited", ranks_words(context, ended.ranks),
                    exception_words(context.seen(), ended.ranks), count_words(context, ended.waiting));
    finding.advice = "mend the exception of the ranks named: the others wait for a rank that has ended";
    name_ranks(context, ended.ranks, finding);
    cite(context, finding, &thrown);
    cite(context, finding, &ended.waiting.front()->quote);
    return;
  }
  if (const auto idle = the_one_that_waited_in_none(context.seen(), context.ranks())) {
    Found& finding = add(found, row, "possible");
    finding.meaning =
        fmt::format("{} waited in collectives, and {} alone told of none: the others may wait for it",
                    count_words(context, idle->waiting), ranks_words(context, Waits{idle->idle}));
    name_ranks(context, {idle->idle->rank}, finding);
    cite(context, finding, &idle->idle->quote);
    cite(context, finding, &idle->waiting.front()->quote);
  }
}

void collective_timeout(const Context& context, const CatalogRow& row, Findings& found) {
  const bool is_explained = find(found, fault::collective_not_called) != nullptr;
  const std::size_t before = found.size();
  on_event(context, row, found);
  if (found.size() == before) return;
  const std::vector<GroupStand> stands = stands_of(context);
  Found& finding = found.back();
  const RankWords& words = context.seen().rank_words;
  if (stands.empty() && context.seen().waits.size() == 1 && words.heard.size() <= 1 && !words.are_left_out) {
    finding.advice = fmt::format(
        "give the logs of all ranks together, which tell who did not arrive: only {} is heard; or {}",
        ranks_words(context, Waits{&context.seen().waits.front()}), row.text->advice);
    return;
  }
  // What else was found of it tells more than that all had called one of them.
  if (stands.empty() || stands.front().stand < Stand::unfinished || is_explained) return;
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
