// Element type, reduction and placement of one collective call.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include "core/data_type.hpp"

namespace fabricheck {

/// In the order of the table.
enum class Reduction { sum, max, min, prod, avg };

struct ReductionRow {
  Reduction reduction;
  std::string_view name;  ///< on the command line and in results
  bool adds;              ///< in an order of the machine's own, so that results are exact only within limits
  bool is_of_host{true};  ///< MPI has it
};

/// The first is the default.
inline constexpr auto reduction_rows = std::to_array<ReductionRow>({
    {Reduction::sum, "sum", true},
    {Reduction::max, "max", false},
    {Reduction::min, "min", false},
    {Reduction::prod, "prod", false},
    {Reduction::avg, "avg", true, false},
});

/// Whether a vendor's mapping has a row for each reduction, in the order of the table.
template <class Rows>
constexpr bool has_row_per_reduction(const Rows& rows) {
  return std::equal(std::begin(rows), std::end(rows), reduction_rows.begin(), reduction_rows.end(),
                    [](const auto& one, const ReductionRow& row) { return one.reduction == row.reduction; });
}

constexpr const ReductionRow& row_of(Reduction reduction) {
  return reduction_rows[static_cast<std::size_t>(reduction)];
}
static_assert(std::all_of(reduction_rows.begin(), reduction_rows.end(),
                          [](const ReductionRow& row) { return &row_of(row.reduction) == &row; }));

/// "sum", "max", "min", "prod", "avg".
constexpr std::string_view reduction_name(Reduction reduction) { return row_of(reduction).name; }

/// All of the table; each row of a catalogue says which of them it has.
inline constexpr auto known_reductions = [] {
  std::array<Reduction, reduction_rows.size()> reductions{};
  std::transform(reduction_rows.begin(), reduction_rows.end(), reductions.begin(),
                 [](const ReductionRow& row) { return row.reduction; });
  return reductions;
}();

/// MPI's own.
inline constexpr auto host_reductions = [] {
  constexpr auto is_of_host = [](Reduction reduction) { return row_of(reduction).is_of_host; };
  std::array<Reduction, std::count_if(known_reductions.begin(), known_reductions.end(), is_of_host)>
      reductions{};
  std::copy_if(known_reductions.begin(), known_reductions.end(), reductions.begin(), is_of_host);
  return reductions;
}();

struct Variant {
  DataType type{known_types.front()};
  Reduction reduction{known_reductions.front()};
  bool in_place{};
  bool operator==(const Variant&) const = default;
};

}  // namespace fabricheck
