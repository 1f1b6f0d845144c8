// PyTorch's watchdog of NCCL (ProcessGroupNCCL.cpp): which collective of a process group a rank waited in,
// and how far it was. Two lines of a rank tell it: one the operation, one the group and its numbers.
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

/// "[rank3]:[E…] [PG ID 0 PG GUID 0(default_pg) Rank 3]", "[PG 1 Rank 3]" or "[Rank 3]".
std::optional<Place> place_of(std::string_view line) {
  Place place;
  // Launchers and loggers put tags of their own before it.
  const std::string_view front = line.substr(0, std::min(line.find("[PG "), line.find("[Rank ")));
  if (const std::size_t tag = front.rfind("[rank"); tag != std::string_view::npos)
    place.rank = number_after<int>(front.substr(tag), "[rank").value_or(-1);
  if (auto group = after(line, "[PG ")) {
    const std::size_t end = group->find(" Rank ");
    if (end == std::string_view::npos || end > 120) return std::nullopt;
    place.group_rank = number_after<int>(*group, " Rank ").value_or(-1);
    std::string_view name = group->substr(0, end);
    if (const auto global = after(name, "PG GUID ")) {
      place.is_global_name = true;
      name = *global;
    }
    place.group = printable_text(name, 80);
  } else {
    place.group_rank = number_after<int>(line, "[Rank ").value_or(-1);
  }
  if (place.rank < 0) place.rank = place.group_rank;
  if (place.group_rank < 0) return std::nullopt;
  return place;
}

class Watchdog final : public ToolReader {
 public:
  const char* name() const override { return "PyTorch's watchdog"; }
  void begin_file() override { operations_.clear(); }

  bool read(const Line& line, Observations& into, [[maybe_unused]] EventBook& events) override {
    const bool is_operation = contains(line.text, "Watchdog caught collective operation timeout: WorkNCCL(");
    if (!is_operation && !contains(line.text, "ast enqueued ")) return false;
    const auto place = place_of(line.text);
    if (!place) return false;
    if (is_operation)
      read_operation(*place, line);
    else
      read_numbers(*place, line, into);
    return true;
  }

 private:
  struct Operation {
    std::int64_t number{}, elements{-1};
    std::string name;
    Quote quote;
  };

  void read_operation(const Place& place, const Line& line) {
    const auto number = number_after<std::int64_t>(line.text, "SeqNum");
    const auto name = after(line.text, "OpType=");
    if (!number || !name || operations_.size() >= kMostWaits) return;
    operations_[place.rank] = {*number, number_after<std::int64_t>(line.text, "NumelIn").value_or(-1),
                               printable_text(until(*name, ",)"), 40), line.quote()};
  }

  void read_numbers(const Place& place, const Line& line, Observations& into) {
    const auto enqueued = number_behind(line.text, {"ast enqueued NCCL work: ", "ast enqueued work: "});
    const auto completed = number_behind(line.text, {"ast completed NCCL work: ", "ast completed work: "});
    const auto waits_for = number_behind(
        line.text, {"watchdog at work: ", "watchdog at work sequence id: ", "Timeout at NCCL work: "});
    if (place.group.empty() || !enqueued || !completed) return;
    const std::string key = place.group + '\n' + std::to_string(place.rank);
    auto known = places_.find(key);
    if (known == places_.end()) {
      if (into.waits.size() >= kMostWaits) return;
      known = places_.emplace(key, into.waits.size()).first;
      CollectiveWait wait;
      wait.group = place.group;
      wait.is_global_name = place.is_global_name;
      wait.rank = place.rank;
      wait.group_rank = place.group_rank;
      into.waits.push_back(std::move(wait));
    }
    CollectiveWait& wait = into.waits[known->second];
    // The first word counts: later ones are of the job's end, or of its next start.
    if (wait.waits_for || (wait.enqueued && !waits_for)) return;
    wait.enqueued = enqueued;
    wait.completed = completed;
    wait.waits_for = waits_for;
    wait.time_s = time_of(line.text);
    wait.quote = line.quote();
    const auto operation = operations_.find(place.rank);
    if (!waits_for || operation == operations_.end() || operation->second.number != *waits_for) return;
    wait.operation = operation->second.name;
    wait.elements = operation->second.elements;
    wait.operation_quote = operation->second.quote;
  }

  static std::optional<std::int64_t> number_behind(std::string_view text,
                                                   std::initializer_list<std::string_view> marks) {
    for (const std::string_view mark : marks)
      if (const auto number = number_after<std::int64_t>(text, mark)) return number;
    return std::nullopt;
  }

  static constexpr std::size_t kMostWaits = 16384;
  std::unordered_map<int, Operation> operations_;        ///< the last of each rank
  std::unordered_map<std::string, std::size_t> places_;  ///< in Observations::waits
};

}  // namespace

std::unique_ptr<ToolReader> make_watchdog_reader() { return std::make_unique<Watchdog>(); }

}  // namespace fabricheck::diagnose
