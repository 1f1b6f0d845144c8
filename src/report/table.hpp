// Text tables that fit a terminal. Private to src/report.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace fabricheck::report {

struct TableColumn {
  std::string heading;
  bool right_aligned{};
  std::size_t narrowest{};  ///< may be wrapped down to this many characters; 0: never wrapped
};

struct TableRow {
  std::string lead;                ///< a line of its own above the cells; empty: none
  std::vector<std::string> cells;  ///< one per column
};

/// Called with (row, column, padded text of one line) and returns it, coloured or not; row -1 is the heading
/// and column -1 the lead. Colouring after padding keeps the columns straight.
using Paint = std::function<std::string(int row, int column, const std::string& text)>;

/// The lines of the table, none wider than `width`; nullopt when the columns cannot be made narrow enough.
std::optional<std::string> render_table(const std::vector<TableColumn>& columns,
                                        const std::vector<TableRow>& rows, std::size_t width,
                                        std::size_t indent, const Paint& paint);

}  // namespace fabricheck::report
