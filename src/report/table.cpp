#include "report/table.hpp"

#include <algorithm>
#include <numeric>

#include "report/text.hpp"

namespace fabricheck::report {
namespace {

constexpr std::size_t gap = 2;

std::vector<std::size_t> natural_widths(const std::vector<TableColumn>& columns,
                                        const std::vector<TableRow>& rows) {
  std::vector<std::size_t> widths;
  widths.reserve(columns.size());
  for (const TableColumn& column : columns) widths.push_back(text_width(column.heading));
  for (const TableRow& row : rows) {
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], text_width(row.cells[i]));
  }
  return widths;
}

/// Takes from the column that has most to give until all fit.
bool shrink(const std::vector<TableColumn>& columns, std::size_t available,
            std::vector<std::size_t>& widths) {
  const auto slack = [&columns, &widths](std::size_t i) {
    const std::size_t narrowest = columns[i].narrowest;
    return narrowest > 0 && widths[i] > narrowest ? widths[i] - narrowest : 0;
  };
  std::size_t total = std::accumulate(widths.begin(), widths.end(), gap * (widths.size() - 1));
  for (; total > available; --total) {
    std::size_t widest = 0;
    for (std::size_t i = 1; i < widths.size(); ++i) {
      if (slack(i) > slack(widest)) widest = i;
    }
    if (slack(widest) == 0) return false;
    --widths[widest];
  }
  return true;
}

}  // namespace

std::optional<std::string> render_table(const std::vector<TableColumn>& columns,
                                        const std::vector<TableRow>& rows, std::size_t width,
                                        std::size_t indent, const Paint& paint) {
  std::vector<std::size_t> widths = natural_widths(columns, rows);
  if (columns.empty() || width <= indent || !shrink(columns, width - indent, widths)) return std::nullopt;

  std::string out;
  const auto add_cells = [&](int row, const std::vector<std::string>& cells) {
    std::vector<std::vector<std::string>> wrapped;
    std::size_t height = 1;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      wrapped.push_back(wrap(cells[i], widths[i]));
      height = std::max(height, wrapped.back().size());
    }
    for (std::size_t line = 0; line < height; ++line) {
      std::string text;
      std::size_t pending = indent;
      for (std::size_t i = 0; i < cells.size(); ++i) {
        const std::string cell = line < wrapped[i].size() ? wrapped[i][line] : "";
        const std::string padded = pad(cell, widths[i], columns[i].right_aligned);
        if (!cell.empty()) {
          // Spaces only between cells: no line ends in them.
          const std::size_t leading = padded.find_first_not_of(' ');
          const std::size_t trailing = padded.size() - padded.find_last_not_of(' ') - 1;
          text.append(pending + leading, ' ');
          text += paint(row, static_cast<int>(i), padded.substr(leading, padded.size() - leading - trailing));
          pending = trailing + gap;
        } else {
          pending += padded.size() + gap;
        }
      }
      out += text + '\n';
    }
  };

  std::vector<std::string> headings;
  headings.reserve(columns.size());
  for (const TableColumn& column : columns) headings.push_back(column.heading);
  add_cells(-1, headings);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::string& lead = rows[i].lead;
    if (!lead.empty()) {
      const bool fits = text_width(lead) <= width;
      for (const std::string& line : fits ? std::vector{lead} : wrap(lead, width)) {
        out += paint(static_cast<int>(i), -1, line) + '\n';
      }
    }
    add_cells(static_cast<int>(i), rows[i].cells);
  }
  return out;
}

}  // namespace fabricheck::report
