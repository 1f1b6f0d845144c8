#include "diagnose/text_line.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace fabricheck::diagnose {
namespace {

constexpr std::array<std::pair<std::string_view, char>, 7> kEntities{{{"&lt;", '<'},
                                                                      {"&gt;", '>'},
                                                                      {"&amp;", '&'},
                                                                      {"&quot;", '"'},
                                                                      {"&#39;", '\''},
                                                                      {"&#x27;", '\''},
                                                                      {"&nbsp;", ' '}}};

/// The length of the escape sequence at the front of `text`, which begins with ESC.
std::size_t escape_length(std::string_view text) {
  if (text.size() < 2 || text[1] != '[') return std::min<std::size_t>(text.size(), 2);
  std::size_t at = 2;
  while (at < text.size() && (text[at] < '@' || text[at] > '~')) ++at;
  return std::min(at + 1, text.size());
}

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

/// How many bytes the character at the front takes; 0: it is no UTF-8.
std::size_t character_length(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  std::size_t length = 0;
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) length = 2;
  if (first >= 0xE1 && first <= 0xEC) length = 3;
  if (first == 0xEE || first == 0xEF) length = 3;
  if (first >= 0xF1 && first <= 0xF3) length = 4;
  if (length == 0 || text.size() < length) return 0;
  const auto rest = text.substr(1, length - 1);
  return std::all_of(rest.begin(), rest.end(), is_continuation) ? length : 0;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// Takes the last word off `text`, and the blanks before it.
std::string_view take_last_word(std::string_view& text) {
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  std::size_t begin = text.size();
  while (begin > 0 && text[begin - 1] != ' ' && text[begin - 1] != '\t') --begin;
  const std::string_view word = text.substr(begin);
  text.remove_suffix(word.size());
  return word;
}

/// "host:pid:tid" without the tags that launchers glue to it: "[1,12]<stdout>:", "[trainer3]:".
std::string_view without_tags(std::string_view word) {
  if (word.find('>') != std::string_view::npos) {
    const std::size_t glued = word.rfind(">:");
    if (glued != std::string_view::npos) word.remove_prefix(glued + 2);
  }
  if (word.starts_with('[')) {
    const std::size_t end = word.find("]:");
    if (end != std::string_view::npos) word.remove_prefix(end + 2);
  }
  return word;
}

/// Reads "host:pid:tid [dev]" that ends `text`, and leaves alone what it is not.
void read_front(std::string_view text, NcclLine& line) {
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  if (text.empty() || text.back() != ']') return;
  const std::size_t open = text.rfind('[');
  if (open == std::string_view::npos) return;
  std::string_view inside = text.substr(open + 1, text.size() - open - 2);
  const auto device = take_number<int>(inside);
  if (!device || !inside.empty()) return;
  std::string_view before = text.substr(0, open);
  const std::string_view word = without_tags(take_last_word(before));
  const std::size_t thread = word.rfind(':');
  if (thread == std::string_view::npos || thread == 0) return;
  const std::size_t process = word.rfind(':', thread - 1);
  line.device = *device;
  if (process == std::string_view::npos) return;
  std::string_view pid = word.substr(process + 1, thread - process - 1);
  if (!is_digits(pid)) return;
  // Two lines torn into one another: "g183:161264:166015g183:161258:166018".
  if (word.substr(0, process).find(':') != std::string_view::npos) return;
  line.host = word.substr(0, process);
  line.pid = take_number<long>(pid).value_or(0);
  line.front =
      std::string_view(word.data(), static_cast<std::size_t>(text.data() + text.size() - word.data()));
}

/// Where "NCCL INFO ", "NCCL WARN " or another level begins, and how long it is.
std::pair<std::size_t, std::size_t> find_level(std::string_view line, Level& level) {
  for (std::size_t at = line.find("NCCL "); at != std::string_view::npos; at = line.find("NCCL ", at + 1)) {
    const std::string_view rest = line.substr(at + 5);
    level = starts_with(rest, "INFO")                                  ? Level::info
            : starts_with(rest, "WARN")                                ? Level::warning
            : starts_with(rest, "TRACE") || starts_with(rest, "ABORT") ? Level::other
                                                                       : Level::none;
    if (level != Level::none) return {at, level == Level::other ? 10 : 9};
  }
  return {std::string_view::npos, 0};
}

/// A word of prose: "see", "Seeing"; no name, number, tag, level or stream.
bool is_plain_word(std::string_view word) {
  return word.size() > 1 && word != "stdout" && word != "stderr" &&
         std::all_of(word.begin(), word.end(), is_letter) &&
         std::none_of(word.begin() + 1, word.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

/// "… we see", "NCCL prints", "With NVSwitch,".
bool ends_in_prose(std::string_view text) {
  const std::string_view last = take_last_word(text), other = take_last_word(text);
  if (last.size() > 1 && last.ends_with(',')) return is_letter(last[last.size() - 2]);
  return is_plain_word(last) && (is_plain_word(other) || other == "NCCL");
}

/// Ends in a character of Chinese, Japanese or Korean, which are not written between a tag and NCCL's words.
bool ends_in_ideograph(std::string_view text) {
  constexpr std::size_t bytes = 3;
  constexpr unsigned first = 0xE3, last = 0xED;
  if (text.size() < bytes || !is_continuation(text.back())) return false;
  const auto lead = static_cast<unsigned char>(text[text.size() - bytes]);
  return lead >= first && lead <= last;
}

/// "`NCCL WARN …`", "you read \"NCCL WARN …\"", but not a value: "\"log\":\"NCCL WARN …\"", "['NCCL WARN
/// …']".
bool is_quotation(std::string_view before) {
  if (before.empty()) return false;
  const char quote = before.back();
  if (quote == '`' || quote == '*') return true;
  if (quote != '"' && quote != '\'') return false;
  before = trim(before.substr(0, before.size() - 1));
  constexpr std::string_view ends_of_keys = ":=([{,";
  return !before.empty() && ends_of_keys.find(before.back()) == std::string_view::npos;
}

/// Whether what stands before NCCL's level is a sentence: NCCL has its front there, a place in its source, or
/// nothing, and launchers put tags before it.
bool is_spoken(std::string_view before) {
  if (before.empty()) return false;
  if (before.back() != ' ' && before.back() != '\t')  // "报错NCCL WARN"
    return is_quotation(before) || ends_in_ideograph(before);
  return ends_in_ideograph(trim(before)) || ends_in_prose(before);
}

}  // namespace

std::string_view clean_line(std::string_view raw, std::string& buffer) {
  while (!raw.empty() && (raw.back() == '\r' || raw.back() == '\n')) raw.remove_suffix(1);
  const bool plain = raw.find('\x1b') == std::string_view::npos && raw.find('&') == std::string_view::npos &&
                     raw.find('\r') == std::string_view::npos;
  if (plain) return raw;
  buffer.clear();
  while (!raw.empty()) {
    if (raw.front() == '\x1b') {
      raw.remove_prefix(escape_length(raw));
      continue;
    }
    const auto* entity = raw.front() == '&'
                             ? std::find_if(kEntities.begin(), kEntities.end(),
                                            [&](const auto& one) { return starts_with(raw, one.first); })
                             : kEntities.end();
    if (entity != kEntities.end()) {
      buffer += entity->second;
      raw.remove_prefix(entity->first.size());
      continue;
    }
    if (raw.front() != '\r') buffer += raw.front();
    raw.remove_prefix(1);
  }
  return buffer;
}

std::string printable_text(std::string_view text, std::size_t most) {
  std::string out;
  text = trim(text);
  while (!text.empty() && out.size() < most) {
    const std::size_t length = character_length(text);
    const auto first = static_cast<unsigned char>(text.front());
    if (first == '\t') {
      out += ' ';
    } else if (length == 0 || first < 0x20 || first == 0x7F) {
      out += '?';
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  if (!text.empty()) out += " ...";
  return out;
}

NcclLine split_nccl_line(std::string_view line) {
  NcclLine parts;
  const auto [at, length] = find_level(line, parts.level);
  if (at == std::string_view::npos) return parts;
  std::string_view before = line.substr(0, at);
  if (is_spoken(before)) {
    parts.level = Level::spoken;
    return parts;
  }
  parts.message = trim(line.substr(std::min(line.size(), at + length)));
  if (parts.level != Level::info) {
    std::string_view rest = before;
    const std::string_view word = take_last_word(rest);
    if (word.find(':') != std::string_view::npos && !word.ends_with(']')) {
      parts.source = word;
      before = rest;
    }
  }
  read_front(before, parts);
  return parts;
}

std::string_view trim(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::optional<std::string_view> after(std::string_view text, std::string_view mark) {
  const std::size_t at = text.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  return text.substr(at + mark.size());
}

namespace {

constexpr std::string_view kDigits = "0123456789";

bool is_host_name(std::string_view word) {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", more = "-._";
  for (const char* stream : {"stdout", "stderr", "dmesg", "kernel"})
    if (word == stream) return false;
  const auto is_of = [](std::string_view set, char c) { return set.find(c) != std::string_view::npos; };
  return !word.empty() && !is_of(more, word.front()) &&
         word.find_first_of(letters) != std::string_view::npos &&
         std::all_of(word.begin(), word.end(),
                     [&](char c) { return is_of(letters, c) || is_of(kDigits, c) || is_of(more, c); });
}

bool is_number(std::string_view text, std::size_t digits) {
  return text.size() == digits && text.find_first_not_of(kDigits) == std::string_view::npos;
}

/// "10:00:00", with a fraction or a zone behind it.
bool is_clock(std::string_view text) {
  return text.size() >= 8 && is_number(text.substr(0, 2), 2) && text[2] == ':' &&
         is_number(text.substr(3, 2), 2) && text[5] == ':' && is_number(text.substr(6, 2), 2);
}

/// "Nov 28 10:00:00" or "2026-11-28T10:00:00.123456+00:00", and nothing else.
bool is_syslog_time(std::string_view text) {
  constexpr std::size_t date_digits = 10, month_letters = 3;
  if (text.size() > date_digits && text[4] == '-' && text[date_digits] == 'T')
    return text.find(' ') == std::string_view::npos && is_clock(text.substr(date_digits + 1));
  std::string_view rest = text;
  const std::string_view month = until(rest, " ");
  if (month.size() != month_letters) return false;
  rest = trim(rest.substr(month.size()));
  const std::string_view day = until(rest, " ");
  if (!is_number(day, day.size()) || day.empty() || day.size() > 2 || day.size() == rest.size()) return false;
  rest = trim(rest.substr(day.size()));
  return is_clock(rest) && rest.find(' ') == std::string_view::npos;
}

/// "[ 1234.567890] " of dmesg: seconds since the machine started. UCX writes seconds since 1970 there, in ten
/// digits.
bool has_uptime(std::string_view text) {
  if (!take(text, "[")) return false;
  text = trim(text);
  constexpr std::size_t most_digits = 8, digits_behind = 6;
  const std::size_t point = text.find_first_not_of(kDigits);
  if (point == 0 || point == std::string_view::npos || point > most_digits || text[point] != '.')
    return false;
  const std::string_view behind = text.substr(point + 1);
  return behind.find_first_not_of(kDigits) == digits_behind && behind[digits_behind] == ']';
}

/// "[Sat Nov 28 10:00:00 2026] " of dmesg -T.
bool has_date(std::string_view text) {
  constexpr std::size_t length = 24;
  return text.size() > length + 1 && text.front() == '[' && text[length + 1] == ']' && text[4] == ' ' &&
         is_clock(text.substr(12, 8)) && is_number(text.substr(21, 4), 4);
}

/// "kern  :warn  : " of dmesg --decode, with any of its kinds of time behind it.
bool is_decoded(std::string_view text) {
  if (!take(text, "kern")) return false;
  const std::size_t colon = text.find_first_not_of(' ');
  if (colon == std::string_view::npos || text[colon] != ':') return false;
  const std::string_view level = until(text.substr(colon + 1), " :");
  for (const char* one : {"emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"})
    if (level == one) return trim(text.substr(colon + 1 + level.size())).starts_with(": ");
  return false;
}

/// "6,3997,1234567890,-;" of /dev/kmsg: priority, number, microseconds since the machine started, flags.
bool is_of_kmsg(std::string_view text) {
  constexpr int numbers = 3;
  for (int i = 0; i < numbers; ++i) {
    const std::string_view number = until(text, ",");
    if (!is_digits(number) || number.size() == text.size()) return false;
    text.remove_prefix(number.size() + 1);
  }
  return text.size() > 1 && (text.front() == '-' || text.front() == 'c') && contains(text.substr(1), ";");
}

}  // namespace

std::string_view kernel_log_host(std::string_view line) {
  if (line.starts_with('<'))  // syslog's priority
    line.remove_prefix(std::min(line.size(), line.find('>') + 1));
  if (const std::size_t kernel = line.find(" kernel: "); kernel != std::string_view::npos) {
    const std::string_view before = line.substr(0, kernel);
    const std::size_t blank = before.rfind(' ');
    if (blank == std::string_view::npos || !is_syslog_time(trim(before.substr(0, blank)))) return {};
    const std::string_view host = before.substr(blank + 1);
    return is_host_name(host) ? host : std::string_view();
  }
  if (const std::size_t front = line.find(": kern"); front != std::string_view::npos)
    if (is_host_name(line.substr(0, front)) && is_decoded(line.substr(front + 2)))
      return line.substr(0, front);
  const std::size_t colon = line.find(": [");
  if (colon == std::string_view::npos) return {};
  const std::string_view rest = line.substr(colon + 2);
  return is_host_name(line.substr(0, colon)) && (has_uptime(rest) || has_date(rest)) ? line.substr(0, colon)
                                                                                     : std::string_view();
}

bool is_kernel_line(std::string_view line) {
  return has_uptime(line) || has_date(line) || starts_with(line, "kernel: ") || is_decoded(line) ||
         is_of_kmsg(line) || !kernel_log_host(line).empty();
}

double leading_real(std::string_view text) {
  double value = 0;  // stays where there is none
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace fabricheck::diagnose
