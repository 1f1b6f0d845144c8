#include "topology/readers/smi_lines.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "topology/model/text.hpp"
#include "topology/readers/smi_words.hpp"

namespace fabricheck::topology::smi {
namespace {

constexpr std::array<std::string_view, 3> kTitles{"CPU Affinity", "NUMA Affinity", "GPU NUMA ID"};
constexpr std::size_t kLongestLine = 1 << 16;

std::size_t cells_in(std::string_view word) {
  const Unglued unglued = unglue_cells(word, {});
  return unglued.rest.empty() ? unglued.cells.size() : 0;
}

bool is_affinity(std::string_view word) { return word == "N/A" || is_cpu_list(word); }

bool is_name(std::string_view word) {
  return cells_in(word) == 0 && !is_affinity(word) &&
         word.find_first_of("0123456789_") != std::string_view::npos &&
         word.find_first_of(":|<>()[]") == std::string_view::npos;
}

bool is_row(const std::vector<std::string_view>& words) {
  return words.size() > 1 && is_name(words[0]) && cells_in(words[1]) > 0;
}

bool is_header(const std::vector<std::string_view>& words) {
  return !words.empty() && is_numbered(words[0], "GPU") && !is_row(words) &&
         (words.size() == 1 || is_name(words[1]) || words[1] == "CPU");
}

std::string_view before_titles(std::string_view text) {
  std::size_t end = text.size();
  for (const std::string_view title : kTitles) end = std::min(end, text.find(title));
  return text.substr(0, end);
}

}  // namespace

std::vector<MatrixLine> WrappedLines::add(MatrixLine line) {
  std::vector<MatrixLine> ready;
  if (held_ && is_continued_by(line.text)) {
    // Where the line was filled, the next begins where it ended.
    if (last_part_ < longest_) held_->text += ' ';
    held_->text += line.text;
    last_part_ = line.text.size();
  } else {
    ready = finish();
    last_part_ = line.text.size();
    held_ = std::move(line);
  }
  if (goes_on(held_->text)) return ready;
  auto rest = finish();
  std::move(rest.begin(), rest.end(), std::back_inserter(ready));
  return ready;
}

std::vector<MatrixLine> WrappedLines::finish() {
  std::vector<MatrixLine> ready;
  if (!held_) return ready;
  note_header(held_->text);
  ready.push_back(*std::exchange(held_, std::nullopt));
  return ready;
}

void WrappedLines::note_header(const std::string& text) {
  const auto words = words_of(before_titles(text));
  if (!is_header(words)) return;
  columns_ = titles_ = 0;
  for (const std::string_view word : words) columns_ += unglue_names(word).size();
  for (const std::string_view title : kTitles)
    if (text.find(title) != std::string::npos) ++titles_;
}

/// Whether more of this line may follow.
bool WrappedLines::goes_on(const std::string& text) const {
  if (text.size() > kLongestLine) return false;
  const auto words = words_of(before_titles(text));
  if (is_header(words)) return before_titles(text).size() == text.size() || last_part_ == longest_;
  if (!is_row(words) || columns_ == 0) return false;
  std::size_t cells = 0;
  std::size_t affinities = 0;
  for (std::size_t i = 1; i < words.size(); ++i) {
    cells += affinities == 0 ? cells_in(words[i]) : 0;
    if (is_affinity(words[i])) ++affinities;
  }
  if (affinities == 0 && cells < columns_) return true;
  return is_numbered(words[0], "GPU") && cells == columns_ &&
         (affinities < titles_ || last_part_ == longest_);
}

bool WrappedLines::is_continued_by(const std::string& text) const {
  const auto words = words_of(text);
  const bool within_word = last_part_ == longest_;
  if (words.empty() || is_row(words)) return false;
  if (is_header(words_of(before_titles(held_->text)))) {
    if (is_numbered(words[0], "GPU") && words[0] == words_of(held_->text)[0]) return false;
    const auto names = words_of(before_titles(text));
    return within_word || (names.empty() ? before_titles(text).size() < text.size()
                                         : std::all_of(names.begin(), names.end(), is_name));
  }
  std::size_t cells = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::size_t more = cells_in(words[i]);
    cells += more;
    if (more == 0 && !is_affinity(words[i]) && !(i == 0 && within_word)) return false;
  }
  for (const std::string_view word : words_of(held_->text)) cells += cells_in(word);
  return cells <= columns_;
}

std::optional<std::string> foreign_row(std::string_view text) {
  const auto words = words_of(text);
  if (words.size() < 3 || !is_numbered(words[0], "GPU")) return std::nullopt;
  constexpr std::array<std::string_view, 6> kPeerWords{"OK", "CNS", "GNS", "TNS", "NS", "DR"};
  constexpr std::array<std::string_view, 2> kAmdWords{"XGMI", "PCIE"};
  const auto is_any_of = [&](const auto& known) {
    return std::any_of(words.begin() + 1, words.end(), [&](std::string_view word) {
      return std::find(known.begin(), known.end(), word) != known.end();
    });
  };
  if (is_any_of(kPeerWords))
    return "is the matrix of nvidia-smi topo -p2p, which tells what peer access can do and no paths; give "
           "that "
           "of nvidia-smi topo -m";
  if (is_any_of(kAmdWords))
    return "is a matrix of AMD's tools, which is not read; give RCCL's file (NCCL_TOPO_DUMP_FILE) or hwloc's "
           "XML";
  return std::nullopt;
}

std::vector<std::string> shortened(const std::vector<std::string>& cells, std::size_t first_glued,
                                   std::size_t size) {
  const std::size_t surplus = cells.size() - size;
  std::vector<std::string> placed(cells.begin(), cells.begin() + static_cast<std::ptrdiff_t>(size));
  for (std::size_t i = first_glued; i < size; ++i)
    if (placed[i] != cells[i + surplus]) placed[i].clear();
  return placed;
}

std::vector<std::string> stretched(const std::vector<std::string>& cells, std::size_t size) {
  const std::size_t lost = size - cells.size();
  const auto x = static_cast<std::size_t>(std::find(cells.begin(), cells.end(), "X") - cells.begin());
  std::vector<std::string> placed(size);
  std::copy_n(cells.begin(), std::min(x + 1, cells.size()), placed.begin());
  for (std::size_t column = x + 1; column < size && x + 1 < cells.size(); ++column) {
    const std::size_t first = std::max(x + 1, column - std::min(column, lost));
    const std::size_t last = std::min(column, cells.size() - 1);
    bool same = first <= last;
    for (std::size_t i = first; same && i <= last; ++i) same = cells[i] == cells[first];
    if (same) placed[column] = cells[first];
  }
  return placed;
}

}  // namespace fabricheck::topology::smi
