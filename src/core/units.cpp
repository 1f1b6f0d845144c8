#include "core/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "core/suggest.hpp"
#include "core/text.hpp"

namespace fabricheck {
namespace {

/// Digits, at most one point with digits on both sides, then at most one blank, then the unit.
struct NumberAndUnit {
  std::string_view number;
  std::string_view unit;
};

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f'; }

NumberAndUnit split(std::string_view text, std::string_view what, std::string_view example) {
  if (text.empty()) throw UsageError(fmt::format("the {} is empty; write for example {}", what, example));
  if (is_blank(text.front()) || is_blank(text.back())) {
    throw UsageError(fmt::format("the {} {} begins or ends with a blank", what, quoted_text(text)));
  }
  if (text.front() == '-') throw UsageError(fmt::format("the {} {} is negative", what, quoted_text(text)));
  std::size_t end = 0;
  while (end < text.size() && is_digit(text[end])) ++end;
  if (end == 0) {
    throw UsageError(fmt::format("{} is no {}; write for example {}", quoted_text(text), what, example));
  }
  if (end + 1 < text.size() && text[end] == '.' && is_digit(text[end + 1])) {
    ++end;
    while (end < text.size() && is_digit(text[end])) ++end;
  }
  std::string_view unit = text.substr(end);
  if (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  return {text.substr(0, end), unit};
}

double to_double(std::string_view number) {
  double value = 0;
  const auto result = std::from_chars(number.data(), number.data() + number.size(), value);
  if (result.ec == std::errc::result_out_of_range) {
    // Only digits and a point come here: a long number is huge when its whole part is, else nothing.
    return number.find_first_not_of('0') < std::min(number.find('.'), number.size())
               ? std::numeric_limits<double>::infinity()
               : 0.0;
  }
  return value;
}

struct ByteUnit {
  const char* name;
  std::uint64_t bytes;
};
constexpr std::array<ByteUnit, 9> byte_units{{{"B", 1},
                                              {"KiB", 1ULL << 10},
                                              {"MiB", 1ULL << 20},
                                              {"GiB", 1ULL << 30},
                                              {"TiB", 1ULL << 40},
                                              {"KB", 1'000},
                                              {"MB", 1'000'000},
                                              {"GB", 1'000'000'000},
                                              {"TB", 1'000'000'000'000}}};

struct DurationUnit {
  const char* name;
  double nanoseconds;
};
constexpr std::array<DurationUnit, 6> duration_units{
    {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}}};

enum class Dimension { time, rate, share, compute };
struct QuantityUnit {
  const char* name;
  Dimension dimension;
  double factor;  ///< to s, B/s, % and TFLOP/s
};
constexpr std::array<QuantityUnit, 15> quantity_units{{{"us", Dimension::time, 1e-6},
                                                       {"ns", Dimension::time, 1e-9},
                                                       {"ms", Dimension::time, 1e-3},
                                                       {"s", Dimension::time, 1},
                                                       {"GB/s", Dimension::rate, 1e9},
                                                       {"B/s", Dimension::rate, 1},
                                                       {"KB/s", Dimension::rate, 1e3},
                                                       {"MB/s", Dimension::rate, 1e6},
                                                       {"TB/s", Dimension::rate, 1e12},
                                                       {"Gb/s", Dimension::rate, 1e9 / 8},
                                                       {"Mb/s", Dimension::rate, 1e6 / 8},
                                                       {"Kb/s", Dimension::rate, 1e3 / 8},
                                                       {"Tb/s", Dimension::rate, 1e12 / 8},
                                                       {"%", Dimension::share, 1},
                                                       {"TFLOP/s", Dimension::compute, 1}}};

template <typename Units>
auto find_unit(const Units& units, std::string_view name) -> decltype(units.data()) {
  for (const auto& unit : units) {
    if (name == unit.name) return &unit;
  }
  return nullptr;
}

template <typename Units>
[[noreturn]] void throw_unknown_unit(const Units& units, std::string_view unit, std::string_view text) {
  std::vector<std::string> names;
  names.reserve(units.size());
  for (const auto& known : units) names.emplace_back(known.name);
  throw UsageError(fmt::format("the unit {} of {} is unknown{}", quoted_text(unit), quoted_text(text),
                               suggestion(unit, names)));
}

}  // namespace

std::uint64_t parse_bytes(std::string_view text) {
  const auto [number, unit_name] = split(text, "size", "8, 64KiB or 1GiB");
  if (number.find('.') != std::string_view::npos) {
    throw UsageError(fmt::format("the size {} is fractional; write whole bytes", quoted_text(text)));
  }
  const ByteUnit* unit = unit_name.empty() && number.size() == text.size() ? &byte_units[0] : nullptr;
  if (unit == nullptr) unit = find_unit(byte_units, unit_name);
  if (unit == nullptr) throw_unknown_unit(byte_units, unit_name, text);
  constexpr std::uint64_t largest = std::numeric_limits<std::int64_t>::max();
  std::uint64_t value = 0;
  const auto result = std::from_chars(number.data(), number.data() + number.size(), value);
  if (result.ec != std::errc() || value > largest / unit->bytes) {
    throw UsageError(fmt::format("the size {} is past 2^63-1 bytes", quoted_text(text)));
  }
  return value * unit->bytes;
}

std::chrono::nanoseconds parse_duration(std::string_view text, bool allow_zero) {
  const auto [number, unit_name] = split(text, "duration", "500ms, 5s or 10m");
  if (unit_name.empty()) {
    throw UsageError(fmt::format("the duration {} has no unit; write for example {}s", quoted_text(text),
                                 number == "0" ? "5" : number));
  }
  const DurationUnit* unit = find_unit(duration_units, unit_name);
  if (unit == nullptr) throw_unknown_unit(duration_units, unit_name, text);
  constexpr double longest_ns = 30 * 24 * 3600e9;
  const double duration_ns = to_double(number) * unit->nanoseconds;
  if (duration_ns > longest_ns)
    throw UsageError(fmt::format("the duration {} is over 30 days", quoted_text(text)));
  const std::chrono::nanoseconds duration(std::llround(duration_ns));
  if (duration.count() == 0 && !allow_zero)
    throw UsageError(fmt::format("the duration {} is zero", quoted_text(text)));
  return duration;
}

std::vector<std::uint64_t> parse_bytes_list(std::string_view text) {
  if (text.empty()) throw UsageError("the list of sizes is empty; write for example 8,64KiB,1MiB");
  std::vector<std::uint64_t> sizes;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view element = text.substr(begin, end - begin);
    if (element.empty())
      throw UsageError(fmt::format("the list of sizes {} has an empty element", quoted_text(text)));
    const std::uint64_t bytes = parse_bytes(element);
    if (std::find(sizes.begin(), sizes.end(), bytes) != sizes.end()) {
      throw UsageError(
          fmt::format("the list of sizes {} has {} twice", quoted_text(text), format_bytes(bytes)));
    }
    sizes.push_back(bytes);
    begin = end + 1;
  }
  return sizes;
}

double parse_quantity_as(std::string_view text, std::string_view unit) {
  const std::string example = fmt::format("'5 {}'", unit);
  const auto [number, unit_name] = split(text, "quantity", example);
  if (unit_name.empty())
    throw UsageError(fmt::format("the quantity {} has no unit; write it in {}", quoted_text(text), unit));
  double value = to_double(number);
  if (unit_name != unit) {
    const QuantityUnit* from = find_unit(quantity_units, unit_name);
    const QuantityUnit* to = find_unit(quantity_units, unit);
    if (from == nullptr) throw_unknown_unit(quantity_units, unit_name, text);
    if (to == nullptr || from->dimension != to->dimension) {
      throw UsageError(fmt::format("the unit of {} does not fit; write it in {}", quoted_text(text), unit));
    }
    // Of any two units the larger is a whole multiple of the smaller: so 5000 ns is exactly 5 us.
    value = from->factor >= to->factor ? value * std::round(from->factor / to->factor)
                                       : value / std::round(to->factor / from->factor);
  }
  if (!std::isfinite(value)) throw UsageError(fmt::format("the quantity {} is too large", quoted_text(text)));
  if (value <= 0) throw UsageError(fmt::format("the quantity {} is not above zero", quoted_text(text)));
  return value;
}

std::string format_bytes(std::uint64_t bytes) {
  constexpr std::array<ByteUnit, 6> binary{{{"EiB", 1ULL << 60},
                                            {"PiB", 1ULL << 50},
                                            {"TiB", 1ULL << 40},
                                            {"GiB", 1ULL << 30},
                                            {"MiB", 1ULL << 20},
                                            {"KiB", 1ULL << 10}}};
  for (const ByteUnit& unit : binary) {
    if (bytes < unit.bytes) continue;
    const std::uint64_t whole = bytes / unit.bytes;
    const std::uint64_t rest = bytes % unit.bytes;
    if (rest == 0) return fmt::format("{} {}", whole, unit.name);
    // Quarters are the only binary fractions that two decimals hold exactly.
    if (rest % (unit.bytes / 4) == 0) {
      const std::uint64_t quarters = rest / (unit.bytes / 4);
      return fmt::format("{}{} {}", whole, quarters == 1 ? ".25" : quarters == 2 ? ".5" : ".75", unit.name);
    }
    // A short odd size is told apart better by its bytes than by 1.00 KiB.
    if (bytes < 100'000) break;
    return fmt::format("{:.2f} {}", static_cast<double>(bytes) / static_cast<double>(unit.bytes), unit.name);
  }
  return fmt::format("{} B", bytes);
}

std::string format_duration(std::chrono::nanoseconds duration) {
  const double ns = std::abs(static_cast<double>(duration.count()));
  const std::string sign = duration.count() < 0 ? "-" : "";
  // The bounds lie where rounding would reach the next unit.
  if (ns < 999.5) return fmt::format("{}{} ns", sign, format_number(ns));
  if (ns < 999.5e3) return fmt::format("{}{} us", sign, format_number(ns / 1e3));
  if (ns < 999.5e6) return fmt::format("{}{} ms", sign, format_number(ns / 1e6));
  if (ns < 59.95e9) return fmt::format("{}{:.1f} s", sign, ns / 1e9);
  const long long seconds = std::llround(ns / 1e9);
  if (seconds < 3600) {
    const std::string rest = seconds % 60 == 0 ? "" : fmt::format(" {} s", seconds % 60);
    return fmt::format("{}{} min{}", sign, seconds / 60, rest);
  }
  const long long minutes = std::llround(ns / 60e9);
  const std::string rest = minutes % 60 == 0 ? "" : fmt::format(" {} min", minutes % 60);
  return fmt::format("{}{} h{}", sign, minutes / 60, rest);
}

std::string format_number(double value) {
  if (!std::isfinite(value)) return fmt::format("{}", value);
  // Through the exponent form, which rounds 9.996 to 1.00e+01 and so gives the right number of digits.
  const std::string scientific = fmt::format("{:.2e}", value);
  const int exponent = std::stoi(scientific.substr(scientific.find('e') + 1));
  double rounded = 0;
  std::from_chars(scientific.data(), scientific.data() + scientific.size(), rounded);
  std::string text = fmt::format("{:.{}f}", rounded, std::clamp(2 - exponent, 0, 12));
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  return text == "-0" ? "0" : text;
}

}  // namespace fabricheck
