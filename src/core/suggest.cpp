#include "core/suggest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "core/text.hpp"

namespace fabricheck {
namespace {

/// Nobody mistypes a longer word, and the distance costs the product of the lengths.
constexpr std::size_t longest_word = 256;
constexpr std::size_t most_listed = 12;

/// Edit distance with swapped neighbours counted as one edit (optimal string alignment).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({changed, last[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    std::swap(before_last, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

std::string nearest_word(std::string_view word, std::span<const std::string> known) {
  if (word.empty() || word.size() > longest_word) return {};
  const std::size_t farthest = std::max<std::size_t>(1, word.size() / 3);
  const std::string word_lowered = lowered(word);
  std::string best;
  std::size_t best_distance = farthest + 1;
  std::size_t best_with_case = 0;
  for (const std::string& candidate : known) {
    if (candidate.empty() || candidate.size() > longest_word) continue;
    // A wrong case alone is no edit, but decides between words that differ in case only ("GB/s", "Gb/s").
    const std::size_t distance = edit_distance(word_lowered, lowered(candidate));
    if (distance > farthest || distance > best_distance) continue;
    const std::size_t with_case = edit_distance(word, candidate);
    if (distance < best_distance || with_case < best_with_case) {
      best = candidate;
      best_distance = distance;
      best_with_case = with_case;
    }
  }
  return best;
}

std::string suggestion(std::string_view word, std::span<const std::string> known) {
  if (known.empty()) return {};
  const std::string nearest = nearest_word(word, known);
  if (!nearest.empty()) return fmt::format("; did you mean '{}'?", nearest);
  std::string list;
  for (const std::string& candidate : known.first(std::min(known.size(), most_listed))) {
    list += list.empty() ? "; known are " : ", ";
    list += candidate;
  }
  if (known.size() > most_listed) list += fmt::format(" and {} more", known.size() - most_listed);
  return list;
}

}  // namespace fabricheck
