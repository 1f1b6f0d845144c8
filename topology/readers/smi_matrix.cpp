// `nvidia-smi topo -m`, mostly as people paste it.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "topology/model/text.hpp"
#include "topology/readers/fields.hpp"
#include "topology/readers/readers.hpp"
#include "topology/readers/refuse.hpp"
#include "topology/readers/smi_lines.hpp"
#include "topology/readers/smi_numa.hpp"
#include "topology/readers/smi_words.hpp"

namespace fabricheck::topology {
namespace {

constexpr std::size_t kLongestLine = 1 << 20;
constexpr std::size_t kMostColumns = 512;

struct Header {
  std::vector<std::string> names;
  std::size_t affinities{};
  int line{};
};

struct Row {
  std::string name;  // "" where the file has none
  std::vector<std::string> cells;
  std::vector<std::string> cells_with_blanks;  // empty fields between tabs counted, too
  std::size_t first_glued{};                   // index of the first cell that had no blank before it
  std::vector<std::string> affinity;
  int line{};
};

bool is_device_name(std::string_view text) {
  if (text.empty() || !((text[0] >= 'a' && text[0] <= 'z') || (text[0] >= 'A' && text[0] <= 'Z')))
    return false;
  bool marked = false;
  for (const char c : text) {
    const bool digit = c >= '0' && c <= '9';
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    marked = marked || digit || c == '_';
    if (!digit && !letter && c != '_' && c != '-' && c != '.') return false;
  }
  return marked;
}

class MatrixReader {
 public:
  MatrixReader(std::string_view text, const std::string& file, int first_line)
      : text_(text), file_(file), first_line_(first_line) {}

  Host read() {
    read_lines();
    if (rows_.empty()) {
      if (header_) refuse(file_, header_->line, "the matrix has a header and no row");
      refuse(file_, 0, "holds no matrix of nvidia-smi topo -m: there is no row like 'GPU0  X  NV18  PIX'");
    }
    name_columns();
    place_rows();
    mirror();
    fill_host();
    return std::move(host_);
  }

 private:
  void say(std::string sentence) {
    constexpr std::size_t kMost = 64;
    if (host_.unknown.size() < kMost) host_.unknown.push_back(std::move(sentence));
  }

  void read_lines() {
    check_text(text_, file_);
    int line = first_line_ - 1;
    std::string_view rest = text_;
    std::size_t longest = 0;
    for (const std::string_view one : split(text_, '\n'))
      longest = std::max(longest, smi::clean_line(one.substr(0, kLongestLine)).size());
    smi::WrappedLines wrapped(longest);
    while (!rest.empty() && !finished_) {
      ++line;
      const std::size_t end = rest.find('\n');
      const std::string_view raw = rest.substr(0, end);
      rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
      if (raw.size() > kLongestLine)
        refuse(file_, line,
               fmt::format("the line has {} KiB; a matrix of nvidia-smi has no such line", raw.size() >> 10));
      if (raw.find('\0') != std::string_view::npos) refuse(file_, line, "holds NUL bytes; it is no text");
      for (const smi::MatrixLine& whole : wrapped.add({smi::clean_line(raw), line}))
        read_line(whole.text, whole.number, false);
    }
    for (const smi::MatrixLine& whole : wrapped.finish())
      read_line(whole.text, whole.number, !text_.empty() && text_.back() != '\n');
    if (rows_.empty() && !refused_.empty()) refuse(file_, refused_line_, refused_);
  }

  void read_line(const std::string& text, int line, bool cut) {
    if (const auto why = smi::foreign_row(text)) {
      refused_line_ = line;
      refused_ = *why;
      return;
    }
    smi::collect_links(text, known_links_);
    if (legend_line(text)) return;
    if (auto header = parse_header(text)) {
      header->line = line;
      take_header(std::move(*header));
    } else if (auto row = parse_row(text)) {
      row->line = line;
      if (cut) drop_cut_end(*row);
      take_row(std::move(*row));
    }
  }

  /// "  NIC0: mlx5_0"
  bool legend_line(std::string_view text) {
    const auto words = smi::words_of(text);
    if (words.size() < 2 || words[words.size() - 2].back() != ':') return false;
    const std::string_view nic = words[words.size() - 2].substr(0, words[words.size() - 2].size() - 1);
    if (!smi::is_numbered(nic, "NIC")) return false;
    legend_.emplace(std::string(nic), printable(words.back()));
    return true;
  }

  static std::optional<Header> parse_header(std::string_view text) {
    Header header;
    std::size_t end = text.size();
    for (const std::string_view title : {"CPU Affinity", "NUMA Affinity", "GPU NUMA ID"})
      if (const std::size_t at = text.find(title); at != std::string_view::npos) {
        ++header.affinities;
        end = std::min(end, at);
      }
    for (const std::string_view word : smi::words_of(text.substr(0, end))) {
      for (auto& name : smi::unglue_names(word)) {
        // What stands before the first GPU is not nvidia-smi's (a host's name, a time).
        if (header.names.empty() && !smi::is_numbered(name, "GPU")) continue;
        if (!is_device_name(name)) return std::nullopt;
        header.names.push_back(std::move(name));
      }
      if (header.names.size() > kMostColumns) break;
    }
    if (header.names.empty() || (header.names.size() == 1 && header.affinities == 0)) return std::nullopt;
    return header;
  }

  void take_header(Header header) {
    if (header.names.size() > kMostColumns)
      refuse(file_, header.line,
             fmt::format("the matrix has more than {} columns; no host has", kMostColumns));
    std::vector<std::string> sorted = header.names;
    std::sort(sorted.begin(), sorted.end());
    const auto twice = std::adjacent_find(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
      return a == b && smi::is_numbered(a, "GPU");
    });
    if (twice != sorted.end())
      refuse(file_, header.line, fmt::format("the header names {} twice", printable(*twice)));
    if (!header_ || rows_.empty()) {
      header_ = std::move(header);
      header_names_ = {header_->names.begin(), header_->names.end()};
    } else if (header.names != header_->names) {
      finish(header.line);
    }
  }

  void finish(int line) {
    finished_ = true;
    say(fmt::format("line {} begins another matrix; only the first was read", line));
  }

  bool is_row_name(std::string_view word) const {
    if (smi::is_numbered(word, "GPU") || smi::is_numbered(word, "NIC")) return true;
    return header_names_.find(word) != header_names_.end();
  }

  /// A row's name may have lost its blank to the first cell ("GPU1NV18").
  std::size_t name_length(std::string_view word) const {
    if (is_row_name(word)) return word.size();
    const auto glued_after = [&](std::size_t length) {
      return smi::unglue_cells(word.substr(length), known_links_).rest.empty();
    };
    if (starts_with(word, "GPU") || starts_with(word, "NIC")) {
      const std::size_t length = std::min(word.find_first_not_of("0123456789", 3), word.size());
      return is_row_name(word.substr(0, length)) && glued_after(length) ? length : 0;
    }
    if (header_ && word.find_first_of("XPNS") != std::string_view::npos)
      for (const auto& name : header_->names)
        if (starts_with(word, name) && glued_after(name.size())) return name.size();
    return 0;
  }

  bool is_cell(std::string_view word) const { return !smi::unglue_cells(word, known_links_).cells.empty(); }

  std::optional<Row> parse_row(std::string_view text) const {
    const auto words = smi::words_of(text);
    for (std::size_t i = 0; i < words.size() && i < kMostBefore; ++i) {
      if (words[i].size() > kLongestName) continue;
      const std::size_t length = name_length(words[i]);
      const bool glued = length > 0 && length < words[i].size();
      if (length == 0 || (!glued && (i + 1 == words.size() || !is_cell(words[i + 1])))) continue;
      Row row;
      row.name = std::string(words[i].substr(0, length));
      const std::size_t begin = static_cast<std::size_t>(words[i].data() - text.data()) + length;
      read_cells(text.substr(begin), row);
      return row;
    }
    // Old drivers leave the names of some NICs out.
    if (!header_ || words.size() < 2 || !is_cell(words[0]) || !is_cell(words[1])) return std::nullopt;
    Row row;
    read_cells(text, row);
    if (std::count(row.cells.begin(), row.cells.end(), "X") != 1) return std::nullopt;
    return row;
  }

  void read_cells(std::string_view text, Row& row) const {
    bool in_cells = true;
    std::vector<std::string> after;
    const auto fields = split(text, '\t');
    for (std::size_t f = 0; f < fields.size(); ++f) {
      const auto words = smi::words_of(fields[f]);
      // The first field is what stands between the name and its tab; the last ends the line.
      if (words.empty() && in_cells && f > 0 && f + 1 < fields.size()) row.cells_with_blanks.emplace_back();
      for (const std::string_view word : words) {
        if (!in_cells) {
          after.emplace_back(word);
          continue;
        }
        smi::Unglued unglued = smi::unglue_cells(word, known_links_);
        const bool is_affinity =
            unglued.cells.empty() && ((word[0] >= '0' && word[0] <= '9') || starts_with(word, "N/A"));
        in_cells = !is_affinity && (unglued.cells.empty() || unglued.rest.empty());
        if (unglued.cells.empty() && in_cells) unglued.cells.emplace_back();  // a word that is not known
        if (unglued.cells.size() > 1 && row.first_glued == 0) row.first_glued = row.cells.size() + 1;
        row.cells.insert(row.cells.end(), unglued.cells.begin(), unglued.cells.end());
        row.cells_with_blanks.insert(row.cells_with_blanks.end(), unglued.cells.begin(), unglued.cells.end());
        if (!in_cells) after.push_back(is_affinity ? std::string(word) : unglued.rest);
      }
      if (row.cells.size() > kMostColumns) return;
    }
    while (!row.cells_with_blanks.empty() && row.cells_with_blanks.back().empty())
      row.cells_with_blanks.pop_back();
    row.affinity = smi::affinity_tokens(after);
  }

  /// The file may end within "NV18" or within a list of CPUs.
  void drop_cut_end(Row& row) const {
    const std::size_t affinities = header_ ? header_->affinities : 2;
    if (row.affinity.empty() && !row.cells.empty() && starts_with(row.cells.back(), "NV")) {
      row.cells.back().clear();
      row.cells_with_blanks.clear();
    }
    if (row.affinity.size() < affinities) row.affinity.clear();
  }

  void take_row(Row row) {
    if (row.cells.size() > kMostColumns)
      refuse(file_, row.line, fmt::format("the row has more than {} cells; no host has", kMostColumns));
    if (!row.name.empty() && !is_repeated_name(row.name)) {
      const auto known =
          std::find_if(rows_.begin(), rows_.end(), [&](const Row& other) { return other.name == row.name; });
      if (known != rows_.end()) {  // several ranks may have printed one matrix
        if (known->cells != row.cells) finish(row.line);
        return;
      }
    }
    if (rows_.size() > kMostColumns) refuse(file_, row.line, "the matrix has more rows than columns");
    rows_.push_back(std::move(row));
  }

  /// nvidia-smi cuts names, so several NICs can have one.
  bool is_repeated_name(const std::string& name) const {
    return header_ && std::count(header_->names.begin(), header_->names.end(), name) > 1;
  }

  void name_columns() {
    std::size_t columns = header_ ? header_->names.size() : 0;
    const bool header_fits =
        std::any_of(rows_.begin(), rows_.end(), [&](const Row& row) { return row.cells.size() == columns; });
    // A header can lack names; where one row fits it, longer rows have a cell too many.
    if (!header_fits)
      for (const auto& row : rows_) columns = std::max(columns, row.cells.size());
    if (columns > kMostColumns) refuse(file_, rows_.front().line, "the matrix has too many columns");
    names_ = header_ ? header_->names : std::vector<std::string>{};
    if (!header_) {
      for (std::size_t column = 0; column < columns && is_gpu_column(column); ++column)
        names_.push_back(fmt::format("GPU{}", column));
      say("the matrix has no header: columns with NVLinks or a row of their own are taken for GPUs, the rest "
          "for NICs");
    }
    std::size_t unnamed = 0;
    for (std::size_t nic = 0; names_.size() < columns; ++nic) {
      const std::string name = fmt::format("NIC{}", nic);
      if (std::find(names_.begin(), names_.end(), name) != names_.end()) continue;
      names_.push_back(name);
      ++unnamed;
    }
    if (unnamed > 0 && header_)
      say(fmt::format("{} columns have no name; they are taken for NICs and numbered", unnamed));
  }

  bool is_gpu_column(std::size_t column) const {
    return std::any_of(rows_.begin(), rows_.end(), [&](const Row& row) {
      if (row.name == fmt::format("GPU{}", column)) return true;
      return smi::is_numbered(row.name, "GPU") && column < row.cells.size() &&
             starts_with(row.cells[column], "NV");
    });
  }

  std::optional<std::size_t> place_of(const Row& row, const std::vector<std::string>& cells) const {
    const auto diagonal = std::find(cells.begin(), cells.end(), "X");
    const auto at_x = static_cast<std::size_t>(diagonal - cells.begin());
    if (row.name.empty() || is_repeated_name(row.name)) {
      if (diagonal == cells.end()) return std::nullopt;
      return at_x;
    }
    const auto named =
        static_cast<std::size_t>(std::find(names_.begin(), names_.end(), row.name) - names_.begin());
    if (named == names_.size() || (diagonal != cells.end() && at_x != named)) return std::nullopt;
    if (diagonal == cells.end() && cells.size() > named && !cells[named].empty()) return std::nullopt;
    return named;
  }

  void place_rows() {
    const std::size_t size = names_.size();
    cells_.assign(size, std::vector<std::string>(size));
    affinity_.assign(size, {});
    std::size_t affinities = header_ ? header_->affinities : 0;
    if (!header_)
      for (const auto& row : rows_)
        affinities = std::max(affinities, std::min(row.affinity.size(), std::size_t{3}));
    // Rows without a name last: the continuation of a line that a terminal wrapped looks like one.
    std::stable_partition(rows_.begin(), rows_.end(), [](const Row& row) { return !row.name.empty(); });
    for (const auto& row : rows_) {
      const bool with_blanks = row.cells.size() != size && row.cells_with_blanks.size() == size;
      auto cells = with_blanks ? row.cells_with_blanks : row.cells;
      if (cells.size() > size) {
        cells = smi::shortened(row.cells, row.first_glued, size);
        say(fmt::format(
            "line {}: the row has {} cells and the matrix {} columns; cells that may be meant for another "
            "column were left out",
            row.line, row.cells.size(), size));
      }
      if (cells.size() < size && !row.affinity.empty()) {
        cells = smi::stretched(cells, size);
        say(fmt::format(
            "line {}: the row has {} cells and the matrix {} columns; cells that may be meant for another "
            "column were left out",
            row.line, row.cells.size(), size));
      }
      const auto place = place_of(row, cells);
      if (!place) {
        say(fmt::format(
            "line {}: the X of row {} is not where it belongs: cells are missing, and the row was left out",
            row.line, in_quotes(row.name)));
        continue;
      }
      if (row.name.empty() && (smi::is_numbered(names_[*place], "GPU") ||
                               std::find(has_row_.begin(), has_row_.end(), *place) != has_row_.end())) {
        say(fmt::format("line {}: the row has no name and stands where {} has one, so it was left out",
                        row.line, printable(names_[*place])));
        continue;
      }
      std::copy(cells.begin(), cells.end(), cells_[*place].begin());
      affinity_[*place] = smi::parse_affinity(row.affinity, affinities);
      has_row_.push_back(*place);
    }
    if (has_row_.empty())
      refuse(file_, rows_.front().line, "no row of the matrix has its X where it belongs");
  }

  /// What a missing row would tell stands in the column, as far as other rows are there.
  void mirror() {
    std::vector<std::string> differing;
    std::size_t missing = 0;
    const std::size_t size = names_.size();
    for (std::size_t row = 0; row < size; ++row) {
      cells_[row][row] = "X";
      for (std::size_t column = row + 1; column < size; ++column) {
        std::string& one = cells_[row][column];
        std::string& other = cells_[column][row];
        if (one == "X") one.clear();
        if (other == "X") other.clear();
        if (one.empty()) one = other;
        if (other.empty()) other = one;
        if (one != other) {
          differing.push_back(fmt::format("{} and {} ({} and {})", printable(names_[row]),
                                          printable(names_[column]), one, other));
          one.clear();
          other.clear();
        }
        if (one.empty()) ++missing;
      }
    }
    if (has_row_.size() < size)
      say(fmt::format("{} of {} rows are missing; what their columns tell was used", size - has_row_.size(),
                      size));
    if (missing > 0)
      say(fmt::format("the path of {} {} of devices is not told", missing, missing == 1 ? "pair" : "pairs"));
    constexpr std::size_t kMostListed = 4;
    for (std::size_t i = 0; i < std::min(differing.size(), kMostListed); ++i)
      say(fmt::format("the path between {}: it has another one way than the other", differing[i]));
    if (differing.size() > kMostListed)
      say(fmt::format("the path of {} more pairs of devices, for the same reason",
                      differing.size() - kMostListed));
  }

  void fill_host() {
    host_.source = "nvidia-smi topo -m";
    std::map<std::string, std::size_t> uses;
    for (const auto& name : names_) ++uses[shown_name(name)];
    std::map<std::string, std::size_t> used;
    GivenPaths paths;
    smi::Columns columns;
    for (std::size_t i = 0; i < names_.size(); ++i) {
      std::string name = shown_name(names_[i]);
      if (uses[name] > 1) name = fmt::format("{}#{}", name, used[name]++);
      paths.names.push_back(name);
      if (smi::is_numbered(names_[i], "GPU")) {
        Gpu gpu;
        gpu.index = static_cast<int>(parse_number(names_[i].substr(3)).value_or(0));
        host_.gpus.push_back(std::move(gpu));
        columns.gpus.push_back(i);
      } else {
        columns.nics.push_back(i);
        RdmaDevice device;
        device.name = name;
        host_.rdma_devices.push_back(std::move(device));
      }
    }
    paths.cells = std::move(cells_);
    host_.given_paths = std::move(paths);
    if (std::any_of(uses.begin(), uses.end(), [](const auto& use) { return use.second > 1; }))
      say("several columns have one name, which nvidia-smi cut short; they are numbered with #");
    const bool any_nvlink =
        std::any_of(host_.given_paths->cells.begin(), host_.given_paths->cells.end(), [](const auto& row) {
          return std::any_of(row.begin(), row.end(),
                             [](const auto& cell) { return starts_with(cell, "NV"); });
        });
    if (!any_nvlink && host_.gpus.size() > 1)
      say("whether NVLinks join the GPUs: the matrix has none, but that of nvidia-smi topo -mp leaves them "
          "out");
    for (auto& sentence : smi::place_on_numa_nodes(host_, columns, affinity_)) say(std::move(sentence));
    say("nvidia-smi topo -m does not tell names, UUIDs, PCI addresses or health of GPUs, and not rate or "
        "state of NICs");
  }

  std::string shown_name(const std::string& name) const {
    const auto entry = legend_.find(name);
    return entry == legend_.end() ? printable(name) : entry->second;
  }

  static constexpr std::size_t kMostBefore = 8;  // words before a row's name
  static constexpr std::size_t kLongestName = 256;
  std::string_view text_;
  std::string file_;
  int first_line_;
  Host host_;
  std::optional<Header> header_;
  std::set<std::string, std::less<>> header_names_;
  std::map<std::string, std::string> legend_;
  std::set<std::string> known_links_;
  std::vector<Row> rows_;
  std::vector<std::string> names_;
  std::vector<std::vector<std::string>> cells_;
  std::vector<smi::Affinity> affinity_;
  std::vector<std::size_t> has_row_;
  bool finished_{};
  std::string refused_;  // why a file without rows is none
  int refused_line_{};
};

}  // namespace

Host read_smi_matrix(std::string_view text, const std::string& file) {
  return read_smi_matrix_part(text, file, 1);
}

Host read_smi_matrix_part(std::string_view text, const std::string& file, int first_line) {
  return MatrixReader(text, file, first_line).read();
}

}  // namespace fabricheck::topology
