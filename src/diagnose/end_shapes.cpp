#include "diagnose/end_shapes.hpp"

#include <algorithm>
#include <cctype>
#include <csignal>
#include <optional>
#include <string>

#include "core/text.hpp"
#include "diagnose/line_details.hpp"
#include "diagnose/logged_errors.hpp"
#include "diagnose/mentions.hpp"
#include "diagnose/text_line.hpp"

namespace fabricheck::diagnose {
namespace {

using enum EndShape;

bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }
bool is_word_letter(char c) { return is_letter(c) || is_digit(c) || c == '_'; }

bool has_any(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) { return contains(text, word); });
}

std::string_view trim_right(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// "0", "N/A" or "none" behind the words, as where errors are counted.
bool is_count_of_none(std::string_view rest) {
  for (const std::string_view word : {" ECC", " hardware", " memory", " errors", " error"}) take(rest, word);
  const std::size_t begin = rest.find_first_not_of(" :=|(\t");
  if (begin == std::string_view::npos) return false;
  rest.remove_prefix(begin);
  return (rest.front() == '0' && (rest.size() == 1 || !is_word_letter(rest[1]))) ||
         starts_with(rest, "N/A") || starts_with(rest, "none") || starts_with(rest, "None");
}

/// Only tags of launchers and loggers, times and places stand before it.
bool is_at_front(std::string_view before) {
  before = trim_right(before);
  constexpr std::string_view ends_of_tags = "]:>)|";
  return before.empty() || ends_of_tags.find(before.back()) != std::string_view::npos ||
         is_digit(before.back()) || before.ends_with("ERROR") || before.ends_with("CRITICAL");
}

/// Where the name begins that ends `text`: "tensorrt_llm::common::Tllm", "torch.cuda.OutOfMemory".
std::size_t begin_of_name(std::string_view text) {
  std::size_t at = text.size();
  while (at > 0) {
    if (is_word_letter(text[at - 1]) || text[at - 1] == '.')
      --at;
    else if (at > 1 && text[at - 1] == ':' && text[at - 2] == ':')
      at -= 2;
    else
      break;
  }
  return at;
}

/// "W1128 10:00:00 trainer.py:1] …" of glog: no more than a warning.
bool is_glog_warning(std::string_view line) {
  constexpr std::size_t digits = 4;
  return line.size() > digits + 1 && (line.front() == 'W' || line.front() == 'I') && is_digit(line[1]) &&
         is_digit(line[digits]);
}

/// Not 143 and 130, and their signals: somebody ended it.
bool is_bad_status(std::string_view rest) {
  const std::size_t begin = rest.find_first_not_of(" :=('\"[");
  constexpr std::size_t most_between = 4;
  if (begin > most_between) return false;  // npos, too
  rest.remove_prefix(begin);
  const auto number = take_number<long>(rest);
  if (!number || (!rest.empty() && is_word_letter(rest.front()))) return false;
  constexpr long by_signal = 128;
  for (const long ended : {0L, by_signal + SIGTERM, by_signal + SIGINT, -long{SIGTERM}, -long{SIGINT}})
    if (*number == ended) return false;
  return true;
}

/// "  worker-1   0/1     Error   0   5m1s" of kubectl.
bool is_state_of_pod(const MarkPlace& at) {
  const std::string_view before = trim_right(at.before);
  const std::size_t slash = before.rfind('/');
  return starts_with(at.rest, "  ") && before.size() + 2 <= at.before.size() && slash != before.npos &&
         slash > 0 && is_digit(before[slash - 1]) && is_digit(before.back());
}

/// "torch.distributed.DistStoreError: …", or such a name alone.
bool is_thrown(MarkPlace at) {
  if (is_state_of_pod(at)) return true;
  // "ray.exceptions.RayTaskError(ValueError): ray::train()".
  if (const std::size_t close = at.rest.find("):"); at.rest.starts_with('(') && close != at.rest.npos)
    at.rest.remove_prefix(close + 1);
  const std::string_view behind = trim(at.rest);
  if (starts_with(at.rest, " ") && is_bad_status(at.rest))  // "Error 803: …", "*** [train] Error 1"
    return at.before.empty() || !is_word_letter(at.before.back());
  if (!behind.empty() && at.rest.front() != ':') return false;
  const std::size_t begin = begin_of_name(at.before);
  const std::string_view name = at.before.substr(begin), front = trim_right(at.before.substr(0, begin));
  const bool is_tagged = front.empty() || front.ends_with("]:") || front.ends_with(">:");
  if (has_any(at.line, {"[WARN", "WARNING", "(caught", "skipping"}) || is_glog_warning(at.line)) return false;
  if (name.empty()) {
    // "Error: ShardCannotStart", but not "Error: 0".
    const std::string_view what = trim(at.rest.substr(std::min<std::size_t>(at.rest.size(), 1)));
    return is_tagged && !what.empty() && (is_letter(what.front()) || what.front() == '[');
  }
  // A bare name is one of a list, too.
  return is_letter(name.front()) && (behind.empty() ? is_tagged : is_at_front(front));
}

bool is_word_of_death(const MarkPlace& at) {
  const bool is_end = trim(at.rest).empty() || starts_with(at.rest, "  ") || starts_with(at.rest, " (") ||
                      starts_with(at.rest, ": ") || at.rest == ".";
  return is_end && !is_count_of_none(at.rest) && is_at_front(at.before);
}

bool stands_alone(const MarkPlace& at) {
  return (at.before.empty() || !is_word_letter(at.before.back())) &&
         (at.rest.empty() || !is_word_letter(at.rest.front()));
}

bool is_signal_that_came(const MarkPlace& at) {
  return stands_alone(at) && has_any(at.line, {"eceived", "died", "killed", "Killed", "erminated",
                                               "by signal", "aught", "crash", "exited", "***"});
}

bool has_fatal_code(std::string_view rest) {
  const std::size_t begin = rest.find_first_not_of(" (:=");
  constexpr std::size_t most_between = 3;
  if (begin == std::string_view::npos || begin == 0 || begin > most_between) return false;
  rest.remove_prefix(begin);
  const auto number = take_number<int>(rest);
  if (!number || (!rest.empty() && is_word_letter(rest.front()))) return false;
  for (const int one : {SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGSEGV})
    if (*number == one) return true;
  return false;
}

/// "lm loss: NAN", "'loss': nan", "train_loss=nan", "loss is NaN".
bool is_loss_without_number(const MarkPlace& at) {
  if (!at.rest.empty() && (is_word_letter(at.rest.front()) || at.rest.front() == '(')) return false;
  std::string_view before = at.before;
  if (before.ends_with('-') || before.ends_with('+')) before.remove_suffix(1);
  const std::size_t end = before.find_last_not_of(" :='\"(\t");
  if (end == std::string_view::npos || end + 1 == before.size()) return false;
  std::string name = lowered(before.substr(0, end + 1));
  for (const std::string_view verb : {" is", " became", " was"})
    if (name.ends_with(verb)) name.resize(name.size() - verb.size());
  return name.ends_with("loss") || name.ends_with("norm") || name.ends_with("ppl");
}

/// The letter, month and day, and a clock; XLA writes the date before the letter.
bool is_fatal_of_glog(const MarkPlace& at) {
  constexpr std::size_t most_before = 40;
  if (at.mark == ": F ")
    return !at.before.empty() && is_digit(at.before.front()) && at.before.size() < most_before;
  return is_date_of_glog(at.rest) && (at.before.ends_with('[') || is_at_front(at.before));
}

/// The count that ends the text; nothing where none does.
std::optional<long> count_before(std::string_view before) {
  before = trim_right(before);
  std::size_t begin = before.size();
  while (begin > 0 && is_digit(before[begin - 1])) --begin;
  std::string_view number = before.substr(begin);
  return take_number<long>(number);
}

bool is_fatal(const MarkPlace& at) {
  const std::string before = lowered(at.before);
  const bool is_word = at.before.empty() || !is_word_letter(at.before.back());
  const bool goes_on = !at.rest.empty() && contains(" :]s", at.rest.substr(0, 1));
  return is_word && goes_on && !before.ends_with("non-") && !is_count_of_none(at.rest) &&
         count_before(at.before).value_or(1) > 0;
}

bool tells_of_ecc(const MarkPlace& at) {
  if (const auto count = count_before(at.before)) return *count > 0;
  constexpr std::size_t near = 40;  // manuals speak of such errors in long sentences
  return !is_count_of_none(at.rest) &&
         (has_any(at.before, {" had ", "severity=", "AER: "}) ||
          (starts_with(at.rest, " hardware error") && contains(at.rest, "detected")) ||
          has_any(at.rest.substr(0, near), {"rror detected", "rrors detected", " failed", " occurred"}));
}

/// Containers' veths come and go.
bool is_of_a_nic(const MarkPlace& at) {
  return !has_any(at.before, {"veth", "docker", "br-", "cali", "cni", "lxc", "virbr", "tap", "vnet"});
}

/// kubectl's column or "Reason:"; caches evict pages and blocks all the time.
bool is_evicted_pod(const MarkPlace& at) {
  const bool ends = at.rest.empty() || starts_with(at.rest, "  ") || at.rest.front() == '\t';
  const std::string_view before = trim_right(at.before);
  return ends && (before.ends_with("eason:") || before.size() + 1 < at.before.size());
}

/// "cp: error writing '/ckpt/x': Disk quota exceeded".
bool is_last(const MarkPlace& at) {
  const std::string_view rest = trim(at.rest), before = trim_right(at.before);
  constexpr std::string_view ends_of_reasons = ":'\")]-";
  return (rest.empty() || rest == ".") &&
         (before.empty() || ends_of_reasons.find(before.back()) != std::string_view::npos);
}

/// A shell names its script or itself, and the line.
bool is_of_shell(const MarkPlace& at) {
  auto number = after(at.before, ": line ");
  return number && take_number<int>(*number) && starts_with(*number, ": ") && trim(at.rest).empty();
}

/// As getopt and argparse write it: one word, the program's name, before it. Slurm's tools have phrases of
/// their own.
bool is_of_options(const MarkPlace& at) {
  const std::string_view name = trim(at.before.substr(at.before.find_last_of(")>|]") + 1));
  for (const char* other : {"srun", "sbatch", "salloc", "slurm", "git", "gcc", "g++", "nvcc"})
    if (starts_with(name, other)) return false;
  return !name.empty() && name.find_first_of(" :") == std::string_view::npos && !trim(at.rest).empty();
}

bool is_no_setting(const MarkPlace& at) {
  if (at.rest.empty()) return true;
  return contains(".!(", at.rest.substr(0, 1)) || starts_with(at.rest, " (") ||
         starts_with(at.rest, " after ") || starts_with(at.rest, " for ");
}

}  // namespace

bool is_announced(const MarkPlace& at) {
  if (is_spoken_of(at.before, at.rest) || is_mentioned(at.before, at.rest)) return true;
  if (contains(at.line, "PASSED")) return true;
  if (has_any(at.before, {"will ", "ill exit", "would ", "abort when", " handler"})) return true;
  for (const std::string_view word : {" handled", " handler", " detection", " enabled", " disabled"})
    if (starts_with(at.rest, word)) return true;
  return false;
}

bool holds(EndShape shape, const MarkPlace& at) {
  switch (shape) {
    case thrown:
      return is_thrown(at);
    case died_of:
      return is_word_of_death(at);
    case signal_name:
      return is_signal_that_came(at);
    case signal_code:
      return has_fatal_code(at.rest);
    case status:
      return is_bad_status(at.rest);
    case no_number:
      return is_loss_without_number(at);
    case glog_fatal:
      return is_fatal_of_glog(at);
    case make_failed:
      return starts_with(trim(at.line), "make") || contains(at.line, " make");
    case killed_it:
      return !is_count_of_none(at.rest);
    case exit_word:
      return (at.before.empty() || !is_word_letter(at.before.back())) && starts_with(at.rest, " ") &&
             is_bad_status(at.rest);
    case symbol:
      return !contains(at.line, "gnored");
    case limit_of_lsf:
      return contains(at.rest, ": job ");
    case counted:
      return count_before(at.before).value_or(0) > 0;
    case fatal_word:
      return is_fatal(at);
    case own_word:
      return stands_alone(at);
    case ecc:
      return tells_of_ecc(at);
    case carrier:
      return is_of_a_nic(at);
    case evicted:
      return is_evicted_pod(at);
    case exceeded:
      return contains(at.rest, "exceeded");
    case level_word:
      return is_word_of_level(at);
    case level_key:
      return is_key_of_level(at);
    case level_letter:
      return is_letter_of_level(at);
    case at_front:
      return is_at_front(at.before);
    case last:
      return is_last(at);
    case of_shell:
      return is_of_shell(at);
    case of_options:
      return is_of_options(at);
    case not_a_setting:
      return is_no_setting(at);
    case asserted:
      return contains(at.rest, "failed");
    case said:
      break;
  }
  return true;
}

}  // namespace fabricheck::diagnose
