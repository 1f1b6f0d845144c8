#include "topology/readers/host_list.hpp"

#include <fmt/format.h>

#include "topology/model/text.hpp"
#include "topology/readers/fields.hpp"

namespace fabricheck::topology {
namespace {

/// The parts between commas that are outside of brackets.
std::vector<std::string_view> parts_of(std::string_view list) {
  std::vector<std::string_view> parts;
  std::size_t begin = 0;
  bool inside = false;
  for (std::size_t i = 0; i <= list.size(); ++i) {
    if (i == list.size() || (list[i] == ',' && !inside)) {
      parts.push_back(list.substr(begin, i - begin));
      begin = i + 1;
    } else if (list[i] == '[' || list[i] == ']') {
      inside = list[i] == '[';
    }
  }
  return parts;
}

/// The numbers of "01-03,7" with their leading zeros.
std::optional<std::vector<std::string>> numbers_of(std::string_view ranges, std::size_t most) {
  constexpr std::size_t kMostDigits = 9;
  std::vector<std::string> numbers;
  for (const std::string_view range : split(ranges, ',')) {
    const std::size_t dash = range.find('-');
    const std::string_view first_text = range.substr(0, dash);
    const std::string_view last_text = dash == std::string_view::npos ? first_text : range.substr(dash + 1);
    const auto first = parse_number(first_text);
    const auto last = parse_number(last_text);
    if (!first || !last || *first < 0 || *last < *first || last_text.size() > kMostDigits ||
        first_text.size() > kMostDigits)
      return std::nullopt;
    if (static_cast<std::size_t>(*last - *first) >= most) return std::nullopt;
    for (long number = *first; number <= *last; ++number)
      numbers.push_back(fmt::format("{:0{}}", number, first_text.size()));
    if (numbers.size() > most) return std::nullopt;
  }
  return numbers;
}

std::optional<std::vector<std::string>> expand_one(std::string_view part, std::size_t most) {
  std::vector<std::string> names{""};
  while (!part.empty()) {
    const std::size_t open = part.find('[');
    const std::string_view plain = part.substr(0, open);
    if (plain.find(']') != std::string_view::npos) return std::nullopt;
    for (auto& name : names) name += printable(plain);
    if (open == std::string_view::npos) break;
    const std::size_t close = part.find(']', open);
    if (close == std::string_view::npos) return std::nullopt;
    const auto numbers = numbers_of(part.substr(open + 1, close - open - 1), most);
    if (!numbers || names.size() * numbers->size() > most) return std::nullopt;
    std::vector<std::string> longer;
    for (const auto& name : names)
      for (const auto& number : *numbers) longer.push_back(name + number);
    names = std::move(longer);
    part.remove_prefix(close + 1);
  }
  return names;
}

}  // namespace

std::optional<std::vector<std::string>> expand_hosts(std::string_view list, std::size_t most) {
  std::vector<std::string> hosts;
  for (const std::string_view part : parts_of(list)) {
    if (trimmed(part).empty()) continue;
    auto names = expand_one(trimmed(part), most);
    if (!names || hosts.size() + names->size() > most) return std::nullopt;
    hosts.insert(hosts.end(), names->begin(), names->end());
  }
  return hosts;
}

}  // namespace fabricheck::topology
