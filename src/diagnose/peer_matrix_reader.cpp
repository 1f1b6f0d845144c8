// nvidia-smi topo -p2p: which GPUs of a host may access each other, and why others may not.
#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "diagnose/log_reader.hpp"

namespace fabricheck::diagnose {
namespace {

// The legend that nvidia-smi prints below its matrix.
constexpr std::array<std::string_view, 6> kRefusals{"CNS", "GNS", "TNS", "NS", "DR", "U"};

class PeerMatrix final : public ToolReader {
 public:
  const char* name() const override { return "nvidia-smi topo -p2p"; }
  void begin_file() override { gpus_ = 0; }

  bool read(const Line& line, [[maybe_unused]] Observations& into, EventBook& events) override {
    const std::vector<std::string_view> words = words_of(line.text);
    if (is_header(words)) {
      gpus_ = words.size();
      rows_.clear();
      return false;
    }
    if (gpus_ == 0 || words.size() != gpus_ + 1 || words.front() != gpu(rows_.size()) ||
        !is_row(words, rows_.size()))
      return false;
    rows_.push_back({{words.begin() + 1, words.end()}, line.number, std::string(line.text)});
    if (rows_.size() == gpus_) finish(line.file, events);
    return true;
  }

 private:
  static constexpr std::size_t most = 64;

  struct Row {
    std::vector<std::string> cells;
    std::uint64_t line{};
    std::string text;
  };

  static std::string gpu(std::size_t number) { return "GPU" + std::to_string(number); }

  static std::vector<std::string_view> words_of(std::string_view text) {
    std::vector<std::string_view> words;
    for (text = trim(text); !text.empty() && words.size() <= most + 1; text = trim(text)) {
      words.push_back(until(text, " \t"));
      text.remove_prefix(words.back().size());
    }
    return words;
  }

  /// Of the other matrix it goes on with affinities.
  static bool is_header(const std::vector<std::string_view>& words) {
    if (words.size() < 2 || words.size() > most) return false;
    for (std::size_t i = 0; i < words.size(); ++i)
      if (words[i] != gpu(i)) return false;
    return true;
  }

  static bool is_row(const std::vector<std::string_view>& words, std::size_t row) {
    for (std::size_t i = 1; i < words.size(); ++i) {
      const bool is_refusal = std::find(kRefusals.begin(), kRefusals.end(), words[i]) != kRefusals.end();
      if (i == row + 1 ? words[i] != "X" : words[i] != "OK" && !is_refusal) return false;
    }
    return true;
  }

  Line line_of(std::size_t row, int file) const { return {file, rows_[row].line, rows_[row].text}; }

  bool has_peer(std::size_t row) const {
    const auto& cells = rows_[row].cells;
    return std::find(cells.begin(), cells.end(), "OK") != cells.end();
  }

  void finish(int file, EventBook& events) {
    gpus_ = 0;
    const auto refused = std::find_if(rows_.begin(), rows_.end(), [](const Row& row) {
      return std::any_of(row.cells.begin(), row.cells.end(),
                         [](const std::string& cell) { return cell != "OK" && cell != "X"; });
    });
    if (refused == rows_.end()) {
      events.add(Event::peers_ok, static_cast<int>(rows_.size()), "", 0, true, line_of(0, file));
      return;
    }
    std::vector<std::size_t> alone;
    for (std::size_t i = 0; i < rows_.size(); ++i)
      if (!has_peer(i)) alone.push_back(i);
    if (alone.size() == 1) {
      events.add(Event::peer_left_out, 0, gpu(alone.front()), 0, true, line_of(alone.front(), file));
      return;
    }
    const auto cell = std::find_if(refused->cells.begin(), refused->cells.end(),
                                   [](const std::string& one) { return one != "OK" && one != "X"; });
    const bool are_all = alone.size() == rows_.size();
    events.add(Event::peers_refused, are_all ? kAllPeers : 0, *cell, 0, true,
               line_of(static_cast<std::size_t>(refused - rows_.begin()), file));
  }

  std::size_t gpus_{};  ///< of the matrix that is read; 0: none is
  std::vector<Row> rows_;
};

}  // namespace

std::unique_ptr<ToolReader> make_peer_matrix_reader() { return std::make_unique<PeerMatrix>(); }

}  // namespace fabricheck::diagnose
