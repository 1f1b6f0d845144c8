#include "app/matrix_in_lines.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "app/topology_file.hpp"
#include "core/error.hpp"
#include "topology/readers/readers.hpp"

namespace fabricheck::app {
namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 20;
/// Rows of NICs and the legend follow the GPUs' rows.
constexpr std::size_t kMostLinesAfterRow = 256;

bool tells_a_path(const ClusterTopology& topology) {
  const auto& cells = topology.kinds.front().given_paths->cells;
  for (std::size_t row = 0; row < cells.size(); ++row)
    for (std::size_t column = 0; column < row; ++column)
      if (!cells[row][column].empty()) return true;
  return false;
}

}  // namespace

void MatrixInLines::look(std::string_view line, std::uint64_t number) {
  if (topology_) return;
  const bool is_row = topology::is_smi_matrix_line(line);
  if (text_.empty() && !is_row) return;
  const bool is_header = is_row && line.find("Affinity") != std::string_view::npos;
  if (is_header && !has_header_) text_.clear();  // what stands before was no matrix
  has_header_ |= is_header;
  keep(line, number);
  lines_since_row_ = is_row ? 0 : lines_since_row_ + 1;
  if (lines_since_row_ > kMostLinesAfterRow || text_.size() > kMostBytes) read();
}

void MatrixInLines::finish() {
  if (!text_.empty()) read();
}

/// An empty line stands for each that was not given, so that the numbers are right.
void MatrixInLines::keep(std::string_view line, std::uint64_t number) {
  if (text_.empty()) first_line_ = next_line_ = number;
  const std::uint64_t missing = number > next_line_ ? number - next_line_ : 0;
  text_.append(std::min<std::uint64_t>(missing, kMostBytes), '\n');
  if (line.find('\0') == std::string_view::npos) text_ += line;
  text_ += '\n';
  next_line_ = std::max(next_line_, number) + 1;
}

void MatrixInLines::read() {
  constexpr std::uint64_t last_line = std::numeric_limits<int>::max() / 2;
  try {
    ClusterTopology found = parse_matrix(text_, file_, static_cast<int>(std::min(first_line_, last_line)));
    // "on GPU0 X of 8" was said by another program.
    if (has_header_ || tells_a_path(found)) {
      topology_ = std::move(found);
      problem_.clear();
    }
  } catch (const UsageError& error) {
    if (problem_.empty()) problem_ = error.what();
  }
  text_.clear();
  lines_since_row_ = 0;
  has_header_ = false;
}

}  // namespace fabricheck::app
