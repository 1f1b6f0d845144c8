// Element type, reduction and placement of one collective call.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace fabricheck {

enum class DataType { float32, float64, int32, int64 };
enum class Reduction { sum, max, min, prod };

inline constexpr std::array<DataType, 4> all_types{DataType::float32, DataType::float64, DataType::int32,
                                                   DataType::int64};
inline constexpr std::array<Reduction, 4> all_reductions{Reduction::sum, Reduction::max, Reduction::min,
                                                         Reduction::prod};

/// "float32", "float64", "int32", "int64".
constexpr std::string_view type_name(DataType type) {
  switch (type) {
    case DataType::float32:
      return "float32";
    case DataType::float64:
      return "float64";
    case DataType::int32:
      return "int32";
    case DataType::int64:
      return "int64";
  }
  return "?";
}

/// "sum", "max", "min", "prod".
constexpr std::string_view reduction_name(Reduction reduction) {
  switch (reduction) {
    case Reduction::sum:
      return "sum";
    case Reduction::max:
      return "max";
    case Reduction::min:
      return "min";
    case Reduction::prod:
      return "prod";
  }
  return "?";
}

/// Bytes of one element.
constexpr std::size_t type_bytes(DataType type) {
  return type == DataType::float32 || type == DataType::int32 ? 4 : 8;
}

struct Variant {
  DataType type{DataType::float32};
  Reduction reduction{Reduction::sum};
  bool in_place{};
  bool operator==(const Variant&) const = default;
};

}  // namespace fabricheck
