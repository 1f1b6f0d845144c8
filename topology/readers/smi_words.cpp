#include "topology/readers/smi_words.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "core/text.hpp"
#include "topology/model/cpu_list.hpp"
#include "topology/model/text.hpp"
#include "topology/readers/fields.hpp"

namespace fabricheck::topology::smi {
namespace {

constexpr long kMostNvLinks = 64;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::size_t digits_at(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && is_digit(text[end])) ++end;
  return end - at;
}

/// The length of a terminal's code "\x1b[4m", or of its rest "[4m" when the escape character was lost.
std::size_t escape_length(std::string_view text, std::size_t at) {
  std::size_t end = at;
  const bool escape = text[end] == '\x1b';
  if (escape) ++end;
  if (end >= text.size() || text[end] != '[') return escape ? 1 : 0;
  ++end;
  while (end < text.size() && (is_digit(text[end]) || text[end] == ';')) ++end;
  if (end < text.size() && (text[end] == 'm' || (escape && is_letter(text[end])))) return end + 1 - at;
  return escape ? end - at : 0;
}

/// The length of "[1,0]<stdout>:", of Open MPI 5's "[prterun-node7-4711@1,0]<stdout>:", and of that with
/// "[node7:4712]" in the middle.
std::size_t tag_length(std::string_view text, std::size_t at) {
  constexpr std::size_t kLongest = 320;  // a host's name twice, and numbers
  const std::string_view tag = text.substr(at, kLongest);
  const std::size_t close = tag.find(']');
  if (close == std::string_view::npos) return 0;
  const std::string_view job = tag.substr(1, close - 1);
  const std::size_t comma = job.rfind(',');
  if (comma == std::string_view::npos || comma == 0 || !is_digit(job[comma - 1])) return 0;
  if (comma + 1 == job.size() || digits_at(job, comma + 1) != job.size() - comma - 1) return 0;
  std::size_t end = close + 1;
  if (end < tag.size() && tag[end] == '[') {
    const std::size_t second = tag.find(']', end);
    if (second == std::string_view::npos) return 0;
    end = second + 1;
  }
  for (const std::string_view stream : {"<stdout>:", "<stderr>:", "<stddiag>:"})
    if (starts_with(tag.substr(end), stream)) return end + stream.size();
  return 0;
}

/// Whether the text ends as mpirun's --timestamp-output does, "Tue Nov 24 10:51:00 2026".
bool ends_with_time(std::string_view text) {
  const auto is_time = [](std::string_view word) {
    return word.size() == 8 && word[2] == ':' && word[5] == ':';
  };
  const std::size_t year = text.rfind(' ');
  if (year == std::string_view::npos || text.size() != year + 5 || digits_at(text, year + 1) != 4)
    return false;
  return year >= 8 && is_time(text.substr(year - 8, 8));
}

struct Word {
  std::string_view text;
  std::string_view meaning;
};
// SOC and PSB are older drivers' words.
constexpr std::array kWords{Word{"NODE", "NODE"}, Word{"PIX", "PIX"}, Word{"PXB", "PXB"}, Word{"PHB", "PHB"},
                            Word{"SYS", "SYS"},   Word{"SOC", "SYS"}, Word{"PSB", "PIX"}, Word{"X", "X"}};

bool is_sane_link_count(std::string_view digits) {
  const auto count = parse_number(digits);
  return count && *count > 0 && *count <= kMostNvLinks && digits.front() != '0';
}

/// How many of the digits after NV are its number, when `tail` follows them; 0: cannot be told.
std::size_t link_digits(std::string_view digits, std::string_view tail,
                        const std::set<std::string>& known_links) {
  const bool tail_is_list = !tail.empty() && (tail.front() == '-' || tail.front() == ',');
  if (!tail_is_list) return is_sane_link_count(digits) ? digits.size() : 0;
  std::vector<std::size_t> possible;
  std::vector<std::size_t> seen;
  for (std::size_t length = 1; length < digits.size(); ++length) {
    if (!is_sane_link_count(digits.substr(0, length))) continue;
    const std::string rest = std::string(digits.substr(length)) + std::string(tail);
    if (!is_cpu_list(rest.substr(0, rest.find_first_not_of("0123456789,-")))) continue;
    possible.push_back(length);
    if (known_links.count(std::string(digits.substr(0, length))) != 0) seen.push_back(length);
  }
  if (seen.size() == 1) return seen.front();
  return possible.size() == 1 ? possible.front() : 0;
}

std::size_t range_length(std::string_view part) {
  const std::size_t dash = part.find('-');
  if (dash == std::string_view::npos) return 1;
  return static_cast<std::size_t>(*parse_number(part.substr(dash + 1)) - *parse_number(part.substr(0, dash)) +
                                  1);
}

/// A list whose last digits are a NUMA node: the ranges of a node's CPUs and of their hyperthreads are
/// equally long.
Affinity unglue_numa(const std::string& glued) {
  for (std::size_t digits = 1; digits <= 2 && digits < glued.size(); ++digits) {
    const std::string cpus = glued.substr(0, glued.size() - digits);
    if (!is_digit(cpus.back()) || !is_digit(glued[cpus.size()]) || !is_cpu_list(cpus)) continue;
    const auto parts = split(cpus, ',');
    const bool equal = std::all_of(parts.begin(), parts.end(), [&](std::string_view part) {
      return range_length(part) == range_length(parts.front());
    });
    if (parts.size() > 1 && equal) return {cpus, glued.substr(cpus.size())};
  }
  return {};
}

}  // namespace

std::string clean_line(std::string_view line) {
  std::string clean;
  for (std::size_t at = 0; at < line.size();) {
    if (line[at] == '\x1b' || line[at] == '[') {
      if (const std::size_t length = escape_length(line, at); length > 0) {
        at += length;
        continue;
      }
      if (const std::size_t length = tag_length(line, at); length > 0) {
        if (ends_with_time(clean)) clean += ' ';
        at += length;
        continue;
      }
    }
    if (starts_with(line.substr(at), "\xc2\xa0")) {
      clean += ' ';
      at += 2;
      continue;
    }
    if (starts_with(line.substr(at), "\xef\xbb\xbf")) {
      at += 3;
      continue;
    }
    // The bars of a table in Markdown.
    if (line[at] == '|')
      clean += ' ';
    else if (line[at] != '\r')
      clean += line[at];
    ++at;
  }
  // What "diff" puts before a line that is new.
  if (starts_with(clean, "+")) clean.front() = ' ';
  return clean;
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  std::size_t at = text.find_first_not_of(" \t");
  while (at != std::string_view::npos) {
    const std::size_t end = std::min(text.find_first_of(" \t", at), text.size());
    words.push_back(text.substr(at, end - at));
    at = text.find_first_not_of(" \t", end);
  }
  return words;
}

bool is_numbered(std::string_view text, std::string_view front) {
  return starts_with(text, front) && text.size() > front.size() && text.size() <= front.size() + 4 &&
         digits_at(text, front.size()) == text.size() - front.size();
}

Unglued unglue_cells(std::string_view token, const std::set<std::string>& known_links) {
  Unglued result;
  while (!token.empty()) {
    const auto word = std::find_if(kWords.begin(), kWords.end(),
                                   [&](const Word& known) { return starts_with(token, known.text); });
    if (word != kWords.end()) {
      result.cells.emplace_back(word->meaning);
      token.remove_prefix(word->text.size());
      continue;
    }
    const std::size_t digits = starts_with(token, "NV") ? digits_at(token, 2) : 0;
    if (digits == 0) break;
    const std::size_t used = link_digits(token.substr(2, digits), token.substr(2 + digits), known_links);
    if (used == 0) {
      result.cells.emplace_back();
      return result;
    }
    result.cells.emplace_back(token.substr(0, 2 + used));
    token.remove_prefix(2 + used);
  }
  result.rest = std::string(token);
  return result;
}

void collect_links(std::string_view line, std::set<std::string>& known_links) {
  for (std::size_t at = line.find("NV"); at != std::string_view::npos; at = line.find("NV", at + 2)) {
    const std::size_t digits = digits_at(line, at + 2);
    const std::size_t end = at + 2 + digits;
    const bool alone = end == line.size() || line[end] == ' ' || line[end] == '\t';
    const std::string_view number = line.substr(at + 2, digits);
    if (digits > 0 && alone && is_sane_link_count(number)) known_links.emplace(number);
  }
}

std::vector<std::string> unglue_names(std::string_view token) {
  std::vector<std::string> names;
  std::size_t begin = 0;
  for (std::size_t at = 1; at < token.size(); ++at) {
    if (!is_digit(token[at - 1])) continue;
    const std::string_view rest = token.substr(at);
    if (starts_with(rest, "GPU") || starts_with(rest, "NIC") || starts_with(rest, "mlx")) {
      names.emplace_back(token.substr(begin, at - begin));
      begin = at;
    }
  }
  names.emplace_back(token.substr(begin));
  return names;
}

bool is_cpu_list(std::string_view text) {
  long last = -1;
  if (text.empty()) return false;
  for (const std::string_view part : split(text, ',')) {
    const std::size_t dash = part.find('-');
    const auto first = parse_number(part.substr(0, dash));
    const auto second = dash == std::string_view::npos ? first : parse_number(part.substr(dash + 1));
    if (!first || !second || !is_digit(part.front()) || *first <= last || *second < *first ||
        *second > kLargestCpu)
      return false;
    last = *second;
  }
  return true;
}

std::vector<std::string> affinity_tokens(const std::vector<std::string>& words) {
  std::vector<std::string> tokens;
  for (const auto& word : words) {
    std::string_view rest = word;
    for (std::size_t at = rest.find("N/A"); at != std::string_view::npos; at = rest.find("N/A")) {
      if (at > 0) tokens.emplace_back(rest.substr(0, at));
      tokens.emplace_back("N/A");
      rest.remove_prefix(at + 3);
    }
    if (!rest.empty()) tokens.emplace_back(rest);
  }
  return tokens;
}

Affinity parse_affinity(const std::vector<std::string>& tokens, std::size_t expected) {
  if (tokens.empty()) return {};
  const bool lacks_one = expected >= 2 && tokens.size() == expected - 1;
  const bool lacks_numa = lacks_one && (expected == 2 || tokens[1] == "N/A");
  if (lacks_numa) return unglue_numa(tokens[0]);
  Affinity affinity;
  if (is_cpu_list(tokens[0])) affinity.cpus = tokens[0];
  if (expected >= 2 && tokens.size() >= 2) affinity.numa = tokens[1];
  return affinity;
}

}  // namespace fabricheck::topology::smi
