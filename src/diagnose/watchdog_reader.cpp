// PyTorch's watchdog of NCCL (ProcessGroupNCCL.cpp): which collective of a process group a rank waited in,
// and how far it was. Two lines of a rank tell it: one the operation, one the group and its numbers.
#include <map>
#include <tuple>
#include <unordered_map>

#include "diagnose/log_reader.hpp"

namespace fabricheck::diagnose {
namespace {

/// "E1128 10:00:01.25 " before the name of the source, in seconds from a start of no meaning.
std::int64_t time_of(std::string_view line) {
  const std::size_t source = line.find(" ProcessGroupNCCL.cpp");
  const std::size_t open = source == std::string_view::npos ? source : line.rfind('[', source);
  if (open == std::string_view::npos || open + 2 >= line.size()) return -1;
  std::string_view text = line.substr(open + 2);
  const auto date = take_number<int>(text);
  take(text, " ");
  const auto hour = take_number<int>(text);
  take(text, ":");
  const auto minute = take_number<int>(text);
  take(text, ":");
  const auto second = take_number<int>(text);
  if (!date || !hour || !minute || !second || *date < 101 || *date > 1231) return -1;
  // A month is given 31 days: where it has fewer, its end and the next one's begin seem a day apart.
  const std::int64_t day = (*date / 100) * 31 + *date % 100;
  return ((day * 24 + *hour) * 60 + *minute) * 60 + *second;
}

struct Place {
  int rank{-1}, group_rank{-1};
  std::string group;
  bool is_global_name{};
};

/// Where "[rank3]" begins, "[rank=3]" being none; npos where there is none.
std::size_t find_tag(std::string_view text, std::size_t from = 0) {
  for (std::size_t at = text.find("[rank", from); at != std::string_view::npos;
       at = text.find("[rank", at + 1))
    if (at + 5 < text.size() && text[at + 5] >= '0' && text[at + 5] <= '9') return at;
  return std::string_view::npos;
}

/// The tag of the rank itself: launchers put others before it, with numbers of their own.
std::size_t own_tag(std::string_view text) {
  std::size_t own = find_tag(text);
  while (own != std::string_view::npos) {
    const std::size_t end = text.find(']', own);
    const std::size_t next = find_tag(text, own + 1);
    if (end == std::string_view::npos || next == std::string_view::npos || next > end + 3) break;
    own = next;
  }
  return own;
}

int rank_at(std::string_view text, std::size_t tag) {
  return tag == std::string_view::npos ? -1 : number_after<int>(text.substr(tag), "[rank").value_or(-1);
}

/// The rank of the tag that is nearest to the end of the text; -1 where there is none.
int rank_of_tag(std::string_view front) {
  std::size_t last = std::string_view::npos;
  for (std::size_t at = find_tag(front); at != std::string_view::npos; at = find_tag(front, at + 1))
    last = at;
  return rank_at(front, last);
}

/// "[rank3]:[E…] [PG ID 0 PG GUID 0(default_pg) Rank 3]", "[PG 1 Rank 3]" or "[Rank 3]". The rank in brackets
/// is that within the group. Launchers and loggers put tags of their own before it all.
std::optional<Place> place_of(std::string_view line) {
  Place place;
  if (const std::size_t at = line.find("[PG "); at != std::string_view::npos) {
    std::string_view group = line.substr(at + 4);
    const std::size_t end = group.find(" Rank ");
    constexpr std::size_t longest = 120;
    if (end > longest) return std::nullopt;  // or there is none
    place.rank = rank_of_tag(line.substr(0, at));
    place.group_rank = number_after<int>(group, " Rank ").value_or(-1);
    std::string_view name = group.substr(0, end);
    if (const auto global = after(name, "PG GUID ")) {
      place.is_global_name = true;
      name = *global;
    }
    place.group = printable_text(name, 80);
  } else if (const std::size_t own = line.find("[Rank "); own != std::string_view::npos) {
    place.rank = rank_of_tag(line.substr(0, own));
    place.group_rank = number_after<int>(line.substr(own), "[Rank ").value_or(-1);
  }
  if (place.rank < 0) place.rank = place.group_rank;
  // In the group of all ranks both are the same: where they are not, two lines have run into each other.
  const bool is_of_all = contains(place.group, "default_pg");
  if (place.group_rank < 0 || (is_of_all && place.rank != place.group_rank)) return std::nullopt;
  return place;
}

/// "(RayWorker pid=7, ip=10.0.0.1)", "[DP0 TP1]": which process of several that may have the same rank.
std::string process_of(std::string_view line) {
  const std::string_view front = line.substr(0, own_tag(line));
  std::string process;
  for (const std::string_view mark : {"pid=", "ip=", "[DP"})
    if (const auto rest = after(front, mark)) process += printable_text(until(*rest, ",)] "), 40) + ' ';
  return process;
}

/// "ValueError: …" or a bare "AssertionError" behind the tag of a rank; empty: none.
std::string_view exception_name(std::string_view text) {
  const std::string_view name = until(trim(text), ":");
  constexpr std::size_t longest = 80;
  if (name.empty() || name.size() > longest || name.find_first_of(" \t(\"'") != std::string_view::npos)
    return {};
  for (const std::string_view end : {"Error", "Exception", "Interrupt", "SystemExit", "StopIteration"})
    if (name.ends_with(end)) return name;
  return {};
}

/// What a rank gets because another one, or the job, has ended or does not answer.
bool follows_from_others(std::string_view text) {
  for (const char* words : {"Dist",
                            "NCCL",
                            "nccl",
                            "c10d",
                            "ProcessGroup",
                            "ChildFailed",
                            "onnection",
                            "Store",
                            "gloo",
                            "imed out",
                            "imeout",
                            "monitoredBarrier",
                            "pair closure",
                            "killed by signal",
                            "exited unexpectedly",
                            "SignalException",
                            "SIGTERM",
                            "Actor",
                            "EngineDead",
                            "BrokenPipe",
                            "EOFError",
                            "Interrupt",
                            "SystemExit",
                            "StopIteration",
                            "aborted",
                            "endpoint is not connected"})
    if (contains(text, words)) return true;
  return false;
}

class Watchdog final : public ToolReader {
 public:
  const char* name() const override { return "PyTorch's watchdog"; }
  void begin_file() override {
    operations_.clear();
    has_spoken_ = false;
  }

  bool read(const Line& line, Observations& into, [[maybe_unused]] EventBook& events) override {
    if (contains(line.text, "[rank")) hear(line, into.rank_words);
    if (contains(line.text, "will restart worker group")) give_up_attempt(line.file, into);
    const bool is_operation = contains(line.text, "Watchdog caught collective operation timeout: WorkNCCL(");
    const bool has_numbers =
        contains(line.text, "ast enqueued ") && !contains(line.text, "update periodically");
    if (!is_operation && !has_numbers) return false;
    if (contains(line.text, "x across cluster]")) into.rank_words.are_left_out = true;
    has_spoken_ = true;
    const auto place = place_of(line.text);
    if (!place) return false;
    forget_earlier(place->rank, line.file, into.rank_words);
    if (has_numbers)
      read_numbers(*place, line, into);
    else
      read_operation(*place, line, into);
    return true;
  }

 private:
  struct Operation {
    std::int64_t number{}, elements{-1};
    std::string name;  ///< empty: two of the same number were told
    Quote quote;
  };

  void hear(const Line& line, RankWords& words) const {
    const std::size_t tag = own_tag(line.text);
    const int rank = rank_at(line.text, tag);
    const std::size_t end = line.text.find(']', tag == std::string_view::npos ? 0 : tag);
    if (rank < 0 || end == std::string_view::npos) return;
    if (words.heard.size() < RankWords::kMostRanks) words.heard.insert(rank);
    // After a time-out it may come of that.
    if (has_spoken_ || line.text.substr(end + 1, 2) != ": ") return;
    const std::string_view text = line.text.substr(end + 3);
    const std::string_view name = exception_name(text);
    if (name.empty() || words.exceptions.size() >= RankWords::kMostExceptions) return;
    words.exceptions[rank] = {printable_text(name, 80), process_of(line.text), follows_from_others(text),
                              line.quote()};
  }

  /// A rank that speaks did not end before: what did was an earlier attempt.
  static void forget_earlier(int rank, int file, RankWords& words) {
    const auto known = words.exceptions.find(rank);
    if (known == words.exceptions.end() || known->second.quote.file != file) return;
    std::erase_if(words.exceptions, [&](const auto& entry) { return entry.second.quote.file == file; });
  }

  /// What comes is of the next one.
  void give_up_attempt(int file, Observations& into) {
    for (CollectiveWait& one : into.waits)
      if (one.quote.file == file && !one.group.empty()) {
        places_.erase(key_of(one.group, one.rank));
        one.group.clear();
      }
    into.rank_words.exceptions.clear();
    operations_.clear();
    has_spoken_ = false;
  }

  static std::string key_of(const std::string& group, int rank) {
    return group + '\n' + std::to_string(rank);
  }

  void read_operation(const Place& place, const Line& line, Observations& into) {
    const auto number = number_after<std::int64_t>(line.text, "SeqNum");
    const auto name = after(line.text, "OpType=");
    if (!number || !name) return;
    Operation said{*number, number_after<std::int64_t>(line.text, "NumelIn").value_or(-1),
                   printable_text(until(*name, ",)"), 40), line.quote()};
    if (!place.group.empty()) {
      // The thread's end tells both: "[PG … Rank 3] … terminated with exception: [Rank 3] Watchdog caught …".
      CollectiveWait* wait = wait_of(place, line, into);
      if (wait == nullptr || (wait->waits_for && *wait->waits_for != *number)) return;
      if (!wait->waits_for) set_numbers(*wait, line, *number, *number, *number - 1);
      set_operation(*wait, said);
      return;
    }
    note_timed_out(said, place, into);
    if (operations_.size() >= kMostWaits) return;
    const auto [known, is_new] = operations_.emplace(std::tuple(place.rank, place.group_rank, *number), said);
    Operation& before = known->second;
    if (!is_new && (before.name != said.name || before.elements != said.elements)) before.name.clear();
  }

  static void note_timed_out(const Operation& said, const Place& place, Observations& into) {
    const std::pair key(said.name, said.number);
    if (into.timed_out.size() >= Observations::kMostTimedOut && into.timed_out.count(key) == 0) return;
    auto& ranks = into.timed_out[key];
    if (ranks.size() < RankWords::kMostRanks) ranks.insert(place.rank);
  }

  void read_numbers(const Place& place, const Line& line, Observations& into) {
    const auto enqueued = number_behind(line.text, {"ast enqueued NCCL work: ", "ast enqueued work: "});
    const auto completed = number_behind(line.text, {"ast completed NCCL work: ", "ast completed work: "});
    const auto waits_for = number_behind(
        line.text, {"watchdog at work: ", "watchdog at work sequence id: ", "Timeout at NCCL work: "});
    if (place.group.empty() || !enqueued || !completed) return;
    CollectiveWait* wait = wait_of(place, line, into);
    // The first word counts: later ones are of the job's end.
    if (wait == nullptr || wait->waits_for || (wait->enqueued && !waits_for)) return;
    set_numbers(*wait, line, waits_for, *enqueued, *completed);
    wait->timed_out_elsewhere = contains(line.text, "from this local rank");
    if (!waits_for) return;
    const auto operation = operations_.find(std::tuple(place.rank, place.group_rank, *waits_for));
    if (operation != operations_.end() && !operation->second.name.empty())
      set_operation(*wait, operation->second);
  }

  /// Known or new; nullptr where there is no more room.
  CollectiveWait* wait_of(const Place& place, const Line& line, Observations& into) {
    const std::string key = key_of(place.group, place.rank);
    auto known = places_.find(key);
    if (known == places_.end()) {
      if (into.waits.size() >= kMostWaits) return nullptr;
      known = places_.emplace(key, into.waits.size()).first;
      CollectiveWait wait;
      wait.group = place.group;
      wait.is_global_name = place.is_global_name;
      wait.rank = place.rank;
      wait.group_rank = place.group_rank;
      wait.process = process_of(line.text);
      wait.time_s = time_of(line.text);
      wait.quote = line.quote();
      into.waits.push_back(std::move(wait));
      return &into.waits.back();
    }
    CollectiveWait& wait = into.waits[known->second];
    const Quote said = line.quote();
    const std::int64_t time_s = time_of(line.text);
    // The same line in two files is one that a launcher wrote twice.
    const bool is_other_file = wait.quote.file != line.file && wait.quote.text != said.text;
    const bool is_later = time_s >= 0 && wait.time_s >= 0 && time_s - wait.time_s > kSameAttempt_s;
    if (is_other_file || is_later || wait.group_rank != place.group_rank ||
        wait.process != process_of(line.text))
      wait.is_mixed = true;
    return &wait;
  }

  static void set_numbers(CollectiveWait& wait, const Line& line, std::optional<std::int64_t> waits_for,
                          std::int64_t enqueued, std::int64_t completed) {
    wait.waits_for = waits_for;
    wait.enqueued = enqueued;
    wait.completed = completed;
    wait.time_s = time_of(line.text);
    wait.quote = line.quote();
  }

  static void set_operation(CollectiveWait& wait, const Operation& operation) {
    wait.operation = operation.name;
    wait.elements = operation.elements;
    wait.operation_quote = operation.quote;
  }

  static std::optional<std::int64_t> number_behind(std::string_view text,
                                                   std::initializer_list<std::string_view> marks) {
    for (const std::string_view mark : marks)
      if (const auto number = number_after<std::int64_t>(text, mark)) return number;
    return std::nullopt;
  }

  static constexpr std::size_t kMostWaits = 16384;
  static constexpr std::int64_t kSameAttempt_s = 180;
  bool has_spoken_{};                                                   ///< a watchdog, in this file
  std::map<std::tuple<int, int, std::int64_t>, Operation> operations_;  ///< by rank, that within, number
  std::unordered_map<std::string, std::size_t> places_;                 ///< in Observations::waits
};

}  // namespace

std::unique_ptr<ToolReader> make_watchdog_reader() { return std::make_unique<Watchdog>(); }

}  // namespace fabricheck::diagnose
