// Lines of a matrix that were wrapped, and rows that lost or won a cell.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fabricheck::topology::smi {

struct MatrixLine {
  std::string text;
  int number{};  ///< of its first part
};

/// Takes lines that clean_line() has cleaned and gives them back, each header and row whole: a header goes on
/// with names and titles, a row that has fewer cells than the header names goes on with cells and lists of
/// CPUs. Whatever else follows is no continuation.
class WrappedLines {
 public:
  /// `longest`: of the file's lines; one as long as that may end within a word.
  explicit WrappedLines(std::size_t longest) : longest_(longest) {}

  /// The lines that are complete now, in order.
  std::vector<MatrixLine> add(MatrixLine line);
  /// What is left at the end of the file.
  std::vector<MatrixLine> finish();

 private:
  bool goes_on(const std::string& text) const;
  bool is_continued_by(const std::string& text) const;
  void note_header(const std::string& text);

  std::size_t longest_;
  std::size_t last_part_{};  // length of the held line's last part
  std::optional<MatrixLine> held_;
  std::size_t columns_{};
  std::size_t titles_{};
};

/// Why this is a row of another program's matrix, or of another option's, which have GPUs for rows and
/// columns, too; nothing where it is none.
std::optional<std::string> foreign_row(std::string_view text);

/// A row with cells too many: it is not known which one, so what stands between the first that may be the one
/// and the end counts only where it is the same either way.
std::vector<std::string> shortened(const std::vector<std::string>& cells, std::size_t first_glued,
                                   std::size_t size);

/// A row with cells too few, behind which more is told: what stands behind the X counts only where it is the
/// same wherever one was lost.
std::vector<std::string> stretched(const std::vector<std::string>& cells, std::size_t size);

}  // namespace fabricheck::topology::smi
