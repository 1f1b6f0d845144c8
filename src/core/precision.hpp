// The precisions in which GPUs multiply matrices: one table, from which checks, targets and tolerances
// follow.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "core/data_type.hpp"

namespace fabricheck {

/// In the order of the table.
enum class Precision { bf16, fp16, tf32, fp8 };

struct PrecisionRow {
  Precision precision;
  const char* name;  ///< in ids of checks and in figures of platforms
  DataType input;    ///< of the factors
  DataType output;   ///< of the product
  /// How far the sum of k products may be off, as a share of the sum of their magnitudes.
  double sums_tolerance;
  /// The first compute capability that has it; 0.0: all.
  int least_major{}, least_minor{};
};

/// Tolerances: 2^-12 where sums are kept in float32; 2^-9 for tf32, which is a way to multiply float32 that
/// takes 10 bits of each factor's fraction; 2^-8 for fp8, whose fast sums keep about 14 bits (DeepSeek-V3
/// technical report, 3.3.2, of Hopper). Capabilities: NVIDIA's table of them; Ada (8.9) and later have FP8
/// tensor cores.
inline constexpr auto precision_rows = std::to_array<PrecisionRow>({
    {Precision::bf16, "bf16", DataType::bfloat16, DataType::bfloat16, 0x1p-12, 8},
    {Precision::fp16, "fp16", DataType::float16, DataType::float16, 0x1p-12},
    {Precision::tf32, "tf32", DataType::float32, DataType::float32, 0x1p-9, 8},
    {Precision::fp8, "fp8", DataType::float8e4m3, DataType::bfloat16, 0x1p-8, 8, 9},
});

constexpr const PrecisionRow& row_of(Precision precision) {
  return precision_rows[static_cast<std::size_t>(precision)];
}
static_assert(std::all_of(precision_rows.begin(), precision_rows.end(),
                          [](const PrecisionRow& row) { return &row_of(row.precision) == &row; }));

/// "bf16", "fp16", "tf32", "fp8".
constexpr const char* precision_name(Precision precision) { return row_of(precision).name; }
constexpr DataType input_type(Precision precision) { return row_of(precision).input; }
constexpr DataType output_type(Precision precision) { return row_of(precision).output; }

}  // namespace fabricheck
