#include "topology/readers/fields.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "topology/model/cpu_list.hpp"

namespace fabricheck::topology {
namespace {

constexpr int kGroupBits = 32;

std::optional<unsigned long> parse_hex(std::string_view text, std::size_t most_digits) {
  if (text.empty() || text.size() > most_digits) return std::nullopt;
  unsigned long value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, 16);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::string> parse_pci_address(std::string_view text) {
  const auto parts = split(text, ':');
  if (parts.size() != 2 && parts.size() != 3) return std::nullopt;
  const auto last = split(parts.back(), '.');
  if (last.size() != 2) return std::nullopt;
  const auto domain = parts.size() == 3 ? parse_hex(parts[0], 8) : 0UL;
  const auto bus = parse_hex(parts[parts.size() - 2], 2);
  const auto device = parse_hex(last[0], 2);
  const auto function = parse_hex(last[1], 1);
  if (!domain || !bus || !device || !function) return std::nullopt;
  if (*bus == 0xff && *device == 0xff) return std::nullopt;
  return fmt::format("{:04x}:{:02x}:{:02x}.{:x}", *domain, *bus, *device, *function);
}

std::optional<double> parse_positive(std::string_view text) {
  const std::string_view number = trimmed(text);
  double value = 0;
  const auto [stop, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc{} || !std::isfinite(value) || value <= 0) return std::nullopt;
  const std::string_view rest = number.substr(static_cast<std::size_t>(stop - number.data()));
  if (!rest.empty() && rest.front() != ' ') return std::nullopt;
  return value;
}

std::optional<std::vector<int>> parse_mask(std::string_view text) {
  std::string_view rest = trimmed(text);
  // hwloc's infinite masks: every bit above the groups that follow. No machine has all CPUs.
  if (starts_with(rest, "0xf...f")) rest.remove_prefix(7);
  if (starts_with(rest, ",")) rest.remove_prefix(1);
  const auto groups = split(rest, ',');
  if (groups.size() > static_cast<std::size_t>(kLargestCpu / kGroupBits)) return std::nullopt;
  std::vector<int> bits;
  int first_bit = 0;
  for (auto group = groups.rbegin(); group != groups.rend(); ++group, first_bit += kGroupBits) {
    std::string_view digits = *group;
    if (starts_with(digits, "0x")) digits.remove_prefix(2);
    if (digits.empty()) {
      if (group->empty() && groups.size() > 1) continue;
      return std::nullopt;
    }
    const auto value = parse_hex(digits, 8);
    if (!value) return std::nullopt;
    for (int bit = 0; bit < kGroupBits; ++bit)
      if ((*value >> bit & 1UL) != 0) bits.push_back(first_bit + bit);
  }
  return bits;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n\f\v";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

bool starts_with(std::string_view text, std::string_view front) {
  return text.substr(0, front.size()) == front;
}

bool is_utf16(std::string_view text) {
  if (starts_with(text, "\xff\xfe") || starts_with(text, "\xfe\xff")) return true;
  return text.size() >= 2 && (text[0] == '\0') != (text[1] == '\0');
}

std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

std::optional<bool> is_virtual_function(std::string_view ids) {
  // Virtual functions of ConnectX-3 to ConnectX-7 and BlueField, by pci.ids.
  constexpr std::array kVirtual{"15b3:1004", "15b3:1014", "15b3:1016", "15b3:1018",
                                "15b3:101a", "15b3:101c", "15b3:101e", "15b3:a2d3"};
  if (!starts_with(ids, "15b3:")) return std::nullopt;
  return std::find(kVirtual.begin(), kVirtual.end(), ids) != kVirtual.end();
}

}  // namespace fabricheck::topology
