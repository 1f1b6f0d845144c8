// Sizes, durations and quantities as people write them, and back.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fabricheck {

/// Bytes from `8`, `64KiB`, `1MiB`, `2GiB`, `1TiB` (powers of 1024) or `1KB`, `1MB`, `1GB` (powers of 1000).
/// Throws UsageError naming the text when it is empty, negative, fractional, of an unknown unit or past
/// 2^63-1.
std::uint64_t parse_bytes(std::string_view text);

/// Duration from `250us`, `500ms`, `5s`, `10m`, `2h`; a unit is required, the number may be fractional.
/// Throws UsageError when empty, negative, zero-length where `allow_zero` is false, or longer than 30 days.
std::chrono::nanoseconds parse_duration(std::string_view text, bool allow_zero = false);

/// A comma-separated list of sizes (`8,64KiB,1MiB`); duplicates are an error, as is an empty element.
std::vector<std::uint64_t> parse_bytes_list(std::string_view text);

/// A number with its unit, as targets are written: `5 us`, `20 GB/s`, `670GB/s`, `80 %`.
struct Quantity {
  double value{};
  std::string unit;
  bool operator==(const Quantity&) const = default;
};

/// Parses a quantity and converts it to `unit` (times us|ms|s|ns; rates B/s|KB/s|MB/s|GB/s|TB/s with GB = 1e9
/// B, Gb/s converted by 8; `%`; `TFLOP/s`). Throws UsageError when it cannot be converted or is not finite
/// and > 0.
double parse_quantity_as(std::string_view text, std::string_view unit);

/// `8 B`, `64 KiB`, `1.5 MiB`: the shortest exact binary form, else two decimals.
std::string format_bytes(std::uint64_t bytes);

/// `850 ms`, `5.0 s`, `2 min 5 s`.
std::string format_duration(std::chrono::nanoseconds duration);

/// Three significant digits without an exponent: `4.12`, `15.3`, `1240`, `0.052`.
std::string format_number(double value);

}  // namespace fabricheck
