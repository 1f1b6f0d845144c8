#include "topology/model/host_names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "topology/model/text.hpp"

namespace fabricheck::topology {
namespace {

/// A name around the last number of its host part (before the first dot): node07.cluster2 is node, 07,
/// .cluster2.
struct Parts {
  std::string_view before;
  std::string_view digits;
  std::string_view after;
};

std::optional<Parts> parts(std::string_view name) {
  constexpr std::string_view kDigits = "0123456789";
  const std::string_view short_name = name.substr(0, name.find('.'));
  const std::size_t last = short_name.find_last_of(kDigits);
  if (last == std::string_view::npos) return std::nullopt;
  const std::size_t before = short_name.substr(0, last).find_last_not_of(kDigits);
  const std::size_t first = before == std::string_view::npos ? 0 : before + 1;
  return Parts{name.substr(0, first), name.substr(first, last + 1 - first), name.substr(last + 1)};
}

/// 9, 10 and 09, 10 follow each other; 9, 010 do not: their names could not be told from the range.
bool follows(std::string_view previous, std::string_view next) {
  const auto a = parse_number(previous);
  const auto b = parse_number(next);
  if (!a || !b || *b != *a + 1) return false;
  return previous.size() == next.size() || (previous.front() != '0' && next.front() != '0');
}

std::string ranges(const std::vector<std::string_view>& numbers) {
  std::string list;
  for (std::size_t first = 0; first < numbers.size();) {
    std::size_t last = first;
    while (last + 1 < numbers.size() && follows(numbers[last], numbers[last + 1])) ++last;
    if (!list.empty()) list += ',';
    list += numbers[first];
    if (last > first) list += fmt::format("-{}", numbers[last]);
    first = last + 1;
  }
  return list;
}

}  // namespace

std::string fold_names(std::vector<std::string> names) {
  std::sort(names.begin(), names.end(), natural_less);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::string text;
  for (std::size_t at = 0; at < names.size();) {
    const auto first = parts(names[at]);
    std::vector<std::string_view> numbers;
    std::size_t next = at;
    while (first && next < names.size()) {
      const auto other = parts(names[next]);
      if (!other || other->before != first->before || other->after != first->after) break;
      numbers.push_back(other->digits);
      ++next;
    }
    if (!text.empty()) text += ", ";
    if (numbers.size() < 2) {
      text += names[at++];
    } else {
      text += fmt::format("{}[{}]{}", first->before, ranges(numbers), first->after);
      at = next;
    }
  }
  return text;
}

}  // namespace fabricheck::topology
