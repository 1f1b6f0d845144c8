#include "diagnose/logged_errors.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "core/text.hpp"
#include "diagnose/line_details.hpp"
#include "diagnose/text_line.hpp"

namespace fabricheck::diagnose {
namespace {

/// Levels stand at the front; what follows is the program's own text.
constexpr std::size_t kMostBefore = 160;

bool is_word_letter(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

bool equals_any_case(std::string_view text, std::string_view lower) {
  return text.size() == lower.size() &&
         std::equal(text.begin(), text.end(), lower.begin(),
                    [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; });
}

bool is_level_of_error(std::string_view word) {
  for (const char* one : {"error", "err", "critical", "crit", "fatal", "panic", "severe", "alert", "emerg"})
    if (equals_any_case(word, one)) return true;
  return false;
}

std::string_view first_word(std::string_view text) {
  std::size_t end = 0;
  while (end < text.size() && is_word_letter(text[end])) ++end;
  return text.substr(0, end);
}

std::string_view trim_right(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// A number by itself is a count: "3 passed, 0 ERROR".
bool is_count(std::string_view word) {
  while (!word.empty() && !is_word_letter(word.back())) word.remove_suffix(1);
  return !word.empty() && word.size() <= 3 && std::all_of(word.begin(), word.end(), is_digit);
}

/// Nothing but tags, times and names of loggers with their separators.
bool is_front_of_level(std::string_view before) {
  const std::string_view front = trim_right(before);
  if (front.empty()) return true;
  constexpr std::string_view separators = "]>)|:-[";
  if (separators.find(front.back()) != std::string_view::npos)
    return before.size() > front.size() || front.back() == '[' || front.back() == '|' ||
           front.back() == ':' || front.back() == ']';
  const std::size_t blank = front.rfind(' ');
  const std::string_view last = blank == std::string_view::npos ? front : front.substr(blank + 1);
  return (is_digit(front.back()) || front.back() == 'Z') && before.size() > front.size() && !is_count(last);
}

/// ":", "]", " - ", " |", " [core.py:367]", or a blank and the text.
bool is_behind_level(std::string_view rest) {
  if (rest.empty()) return false;
  if (rest.front() == ' ') return !trim(rest).empty() && rest.find_first_not_of(" 0=:") != rest.npos;
  if (rest.front() == ':') {
    const std::string_view text = trim(rest.substr(1));
    return !text.empty() && text != "0";
  }
  return rest.front() == ']' || rest.front() == '|' || rest.front() == '\t';
}

/// What some libraries call errors at each of their starts, and go on.
bool is_of_every_start(std::string_view line) {
  constexpr std::array<std::string_view, 4> words{"Unable to register cu", "slow_operation_alarm",
                                                  "sub-optimal accuracy", "pip's dependency resolver"};
  return std::any_of(words.begin(), words.end(), [&](std::string_view one) { return contains(line, one); });
}

/// Slurm's tools have phrases of their own, and those who only report metrics end no job.
bool is_of_another(std::string_view line) {
  constexpr std::array<std::string_view, 5> names{"srun: error", "slurmstepd: error", "wandb", "tensorboard",
                                                  "mlflow"};
  return std::any_of(names.begin(), names.end(), [&](std::string_view one) { return contains(line, one); });
}

/// Of programs whose lines are no more than reports.
bool is_left_out(std::string_view line) { return is_of_every_start(line) || is_of_another(line); }

}  // namespace

bool is_word_of_level(const MarkPlace& at) {
  if (at.before.size() > kMostBefore || is_left_out(at.line)) return false;
  if (at.mark.ends_with(' ')) return at.before.ends_with('[') && at.rest.starts_with(']');  // structlog
  return is_front_of_level(at.before) && is_behind_level(at.rest) && !is_spoken_of(at.before, at.rest);
}

bool is_key_of_level(const MarkPlace& at) {
  if (!at.before.empty() && is_word_letter(at.before.back())) return false;
  const std::size_t value = at.rest.find_first_not_of("\"': =");
  if (value == std::string_view::npos || at.rest.substr(0, value).find_first_of(":=") == at.rest.npos)
    return false;
  const std::string_view level = first_word(at.rest.substr(value));
  // A setting is all that the line has; a record goes on.
  const std::string_view behind = trim(at.rest.substr(value + level.size()));
  return is_level_of_error(level) && behind.find_first_of("=:") != std::string_view::npos &&
         !is_left_out(at.line);
}

bool is_date_of_glog(std::string_view rest) {
  constexpr std::size_t fewest = 3, most = 4, colon = 3;
  const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
  if (digits < fewest || digits > most) return false;
  const std::string_view clock = rest.substr(digits);
  return clock.size() > colon && clock[0] == ' ' && is_digit(clock[1]) && clock[colon] == ':' &&
         contains(clock, "]");
}

bool is_letter_of_level(const MarkPlace& at) {
  constexpr std::size_t most_before = 60;
  const bool is_at_front = at.before.empty() || at.before.ends_with('[') || at.before.ends_with(' ');
  if (!is_at_front || at.before.size() > most_before || is_left_out(at.line)) return false;
  if (is_date_of_glog(at.rest)) return true;
  if (at.before.ends_with('[') && at.rest.starts_with(' ') && contains(at.rest, ".cpp:")) return true;
  // XLA's begin with the date: "2026-11-28 10:00:00.1: E external/… a.cc:1] …".
  return at.before.ends_with(": ") && is_digit(at.before.front()) && at.rest.starts_with(' ') &&
         contains(at.rest, "]");
}

}  // namespace fabricheck::diagnose
