#include "diagnose/mentions.hpp"

#include <algorithm>
#include <initializer_list>

#include "diagnose/text_line.hpp"

namespace fabricheck::diagnose {
namespace {

constexpr std::string_view kQuotes = "'\"`";

bool is_any_front(std::string_view text, std::initializer_list<std::string_view> fronts) {
  return std::any_of(fronts.begin(), fronts.end(),
                     [&](std::string_view front) { return starts_with(text, front); });
}

bool is_any_part(std::string_view text, std::initializer_list<std::string_view> parts) {
  return std::any_of(parts.begin(), parts.end(), [&](std::string_view part) { return contains(text, part); });
}

/// Behind the tag of a rank, with which PyTorch marks each line of a traceback.
std::string_view without_rank(std::string_view before) {
  const std::size_t tag = before.find("[rank");
  const std::size_t end = tag == std::string_view::npos ? tag : before.find("]:", tag);
  return trim(end == std::string_view::npos ? before : before.substr(end + 2));
}

/// A line of a program, as a traceback shows it.
bool is_code(std::string_view before) {
  return is_any_front(without_rank(before),
                      {"raise ", "if ", "elif ", "assert ", "except ", "return ", "print(", "log.", "logger.",
                       "logging.", "warnings.warn(", "throw ", "# ", "// ", "echo "});
}

/// "  --watchdog  abort when …", "usage: …", "Tip: …".
bool is_help(std::string_view before) {
  return is_any_front(without_rank(before), {"--", "usage:", "Usage:", "Tip:", "Hint:", "tip:", "hint:"}) ||
         is_any_part(before, {"If you see ", "if you see ", "sample[", "usage: "});
}

/// Between quotes that hold nothing else. Errors come in quotes, too: "Test CUDA failure a.cu:1 'out of
/// memory'".
bool is_quoted(std::string_view before, std::string_view rest) {
  if (before.empty() || kQuotes.find(before.back()) == std::string_view::npos) return false;
  const char quote = before.back();
  if (rest.find(quote) == std::string_view::npos) return false;
  if (is_any_part(before, {"\"on_", "'on_"})) return true;  // a setting
  return !is_any_part(before, {"rror", "ail", "xception", "what()", "essage", "msg", "log\"", "text\""});
}

/// Inside of a span of code in prose: "my job hangs with `…`".
bool is_in_code_span(std::string_view before, std::string_view rest) {
  return std::count(before.begin(), before.end(), '`') % 2 == 1 && contains(rest, "`");
}

/// "Then you get …", "an error such as …": programs do not speak of themselves like that before an error.
bool is_prose(std::string_view before) {
  return is_any_front(trim(before), {"You ", "We "}) ||
         is_any_part(before, {" you ", " we ", " such as ", " says that ", " means "});
}

/// "[RendezvousTimeoutError, ChildFailedError]", "- 'GPU is lost'".
bool is_list_item(std::string_view before, std::string_view rest) {
  if (!before.empty() && kQuotes.find(before.back()) != std::string_view::npos) before.remove_suffix(1);
  if (!rest.empty() && kQuotes.find(rest.front()) != std::string_view::npos) rest.remove_prefix(1);
  const bool ends = rest.empty() || rest.front() == ',' || (rest.front() == ']' && !before.ends_with('['));
  const std::size_t open = before.rfind('[');
  const bool is_open = open != std::string_view::npos && before.find(']', open) == std::string_view::npos;
  const bool is_in_brackets = is_open && (before.ends_with('[') || before.ends_with(", "));
  return (is_in_brackets && !rest.empty() && ends) || (trim(before) == "-" && trim(rest).empty());
}

/// "GPU is lost: no", "grep -c 'fallen off the bus' -> 0".
bool is_denied(std::string_view before, std::string_view rest) {
  std::string_view answer = rest;
  while (!answer.empty() && kQuotes.find(answer.front()) != std::string_view::npos) answer.remove_prefix(1);
  for (const std::string_view sign : {"->", ":", "=", "...", " "}) {
    answer = trim(answer);
    take(answer, sign);
  }
  answer = trim(answer);
  for (const std::string_view none : {"no", "none", "None", "0", "OK", "ok", "absent", "not found", "false"})
    if (answer == none) return true;
  return is_any_part(rest, {"all absent", "none found"}) || is_any_part(before, {"atterns:"});
}

}  // namespace

bool is_mentioned(std::string_view before, std::string_view rest) {
  return is_code(before) || is_help(before) || is_quoted(before, rest) || is_in_code_span(before, rest) ||
         is_prose(before) || is_list_item(before, rest) || is_denied(before, rest);
}

}  // namespace fabricheck::diagnose
