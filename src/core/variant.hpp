// Element type, reduction and placement of one collective call.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace fabricheck {

enum class DataType { float32, float64, int32, int64, bfloat16, float16, float8e4m3, float8e5m2 };
enum class Reduction { sum, max, min, prod, avg };

/// What there is to ask for; each row of the catalogue says which of them it has.
inline constexpr std::array<DataType, 8> known_types{
    DataType::float32,  DataType::float64, DataType::int32,      DataType::int64,
    DataType::bfloat16, DataType::float16, DataType::float8e4m3, DataType::float8e5m2};
inline constexpr std::array<Reduction, 5> known_reductions{Reduction::sum, Reduction::max, Reduction::min,
                                                           Reduction::prod, Reduction::avg};

/// MPI's and C++'s own.
inline constexpr std::array<DataType, 4> all_types{DataType::float32, DataType::float64, DataType::int32,
                                                   DataType::int64};
inline constexpr std::array<Reduction, 4> all_reductions{Reduction::sum, Reduction::max, Reduction::min,
                                                         Reduction::prod};

/// "float32", "bfloat16", "int64", "float8e4m3", ….
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
    case DataType::bfloat16:
      return "bfloat16";
    case DataType::float16:
      return "float16";
    case DataType::float8e4m3:
      return "float8e4m3";
    case DataType::float8e5m2:
      return "float8e5m2";
  }
  return "?";
}

/// "sum", "max", "min", "prod", "avg".
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
    case Reduction::avg:
      return "avg";
  }
  return "?";
}

/// Bytes of one element.
constexpr std::size_t type_bytes(DataType type) {
  switch (type) {
    case DataType::float32:
    case DataType::int32:
      return 4;
    case DataType::bfloat16:
    case DataType::float16:
      return 2;
    case DataType::float8e4m3:
    case DataType::float8e5m2:
      return 1;
    case DataType::float64:
    case DataType::int64:
      break;
  }
  return 8;
}

struct Variant {
  DataType type{DataType::float32};
  Reduction reduction{Reduction::sum};
  bool in_place{};
  bool operator==(const Variant&) const = default;
};

}  // namespace fabricheck
