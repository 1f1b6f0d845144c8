// The element types: one table, from which names, sizes, what hosts compute with and the values of the
// reference follow. What a vendor's header calls a type is a mapping in the room of that header, held against
// this table.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fabricheck {

/// A sign bit, an exponent with the usual bias of 2^(exponent_bits - 1) - 1, a fraction.
struct FloatFormat {
  int exponent_bits{};
  int fraction_bits{};
  bool has_infinity{true};  ///< E4M3 has none: its highest exponent is one for numbers, and all ones is NaN

  [[nodiscard]] constexpr int bits() const { return 1 + exponent_bits + fraction_bits; }
  [[nodiscard]] constexpr int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  /// All integers up to this one are numbers of the type, and their sums that stay below are exact.
  [[nodiscard]] constexpr std::int64_t exact_integers() const { return 2LL << fraction_bits; }
  /// Bits of the lowest number with a full fraction: 2^(1 - bias).
  [[nodiscard]] constexpr std::uint64_t lowest_normal() const { return 1ULL << fraction_bits; }
  /// Bits of +infinity where there is one.
  [[nodiscard]] constexpr std::uint64_t infinity() const {
    return ((1ULL << exponent_bits) - 1) << fraction_bits;
  }
  [[nodiscard]] constexpr std::uint64_t sign() const { return 1ULL << (bits() - 1); }
  /// Bits of a NaN.
  [[nodiscard]] constexpr std::uint64_t nan() const { return sign() - 1; }
  /// Bits of the largest number.
  [[nodiscard]] constexpr std::uint64_t largest() const { return has_infinity ? infinity() - 1 : nan() - 1; }
};

/// In the order of the table.
enum class DataType { float32, bfloat16, float16, float64, int32, int64, float8e4m3, float8e5m2 };

struct DataTypeRow {
  DataType type;
  std::string_view name;  ///< on the command line and in results
  std::size_t bytes;
  FloatFormat format{};  ///< without an exponent: an integer of two's complement
};

/// IEEE 754's binary32, 64 and 16; bfloat16, the upper half of binary32; E4M3 and E5M2 of OCP's "8-bit
/// Floating Point Specification (OFP8)". The first is the default.
inline constexpr auto data_type_rows = std::to_array<DataTypeRow>({
    {DataType::float32, "float32", 4, {8, 23}},
    {DataType::bfloat16, "bfloat16", 2, {8, 7}},
    {DataType::float16, "float16", 2, {5, 10}},
    {DataType::float64, "float64", 8, {11, 52}},
    {DataType::int32, "int32", 4},
    {DataType::int64, "int64", 8},
    {DataType::float8e4m3, "float8e4m3", 1, {4, 3, false}},
    {DataType::float8e5m2, "float8e5m2", 1, {5, 2}},
});

/// Whether a vendor's mapping has a row for each type, in the order of the table.
template <class Rows>
constexpr bool has_row_per_type(const Rows& rows) {
  return std::equal(std::begin(rows), std::end(rows), data_type_rows.begin(), data_type_rows.end(),
                    [](const auto& one, const DataTypeRow& row) { return one.type == row.type; });
}

constexpr const DataTypeRow& row_of(DataType type) { return data_type_rows[static_cast<std::size_t>(type)]; }
static_assert(std::all_of(data_type_rows.begin(), data_type_rows.end(), [](const DataTypeRow& row) {
  const bool is_float = row.format.exponent_bits > 0;
  return &row_of(row.type) == &row &&
         (!is_float || static_cast<std::size_t>(row.format.bits()) == 8 * row.bytes);
}));

/// "float32", "bfloat16", "int64", "float8e4m3", ….
constexpr std::string_view type_name(DataType type) { return row_of(type).name; }
/// Bytes of one element.
constexpr std::size_t type_bytes(DataType type) { return row_of(type).bytes; }
constexpr bool is_integer(DataType type) { return row_of(type).format.exponent_bits == 0; }
/// The format of a floating-point type.
constexpr const FloatFormat& format_of(DataType type) { return row_of(type).format; }
/// The narrow ones, which are computed in software (small_float.hpp); hosts and MPI have all others.
constexpr bool is_small_float(DataType type) { return !is_integer(type) && type_bytes(type) < 4; }

/// All of the table; each row of a catalogue says which of them it has.
inline constexpr auto known_types = [] {
  std::array<DataType, data_type_rows.size()> types{};
  std::transform(data_type_rows.begin(), data_type_rows.end(), types.begin(),
                 [](const DataTypeRow& row) { return row.type; });
  return types;
}();

/// C++'s and MPI's own.
inline constexpr auto host_types = [] {
  constexpr auto is_of_host = [](DataType type) { return !is_small_float(type); };
  std::array<DataType, std::count_if(known_types.begin(), known_types.end(), is_of_host)> types{};
  std::copy_if(known_types.begin(), known_types.end(), types.begin(), is_of_host);
  return types;
}();

}  // namespace fabricheck
