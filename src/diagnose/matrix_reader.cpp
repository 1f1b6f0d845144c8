// nvidia-smi topo -m: a GPU that NVLink does not reach although it joins all others. How GPUs and NICs are
// placed is the topology's, whose own reader says that the file has one: this one takes no line.
#include <algorithm>
#include <utility>
#include <vector>

#include "diagnose/log_reader.hpp"

namespace fabricheck::diagnose {
namespace {

class TopologyMatrix final : public ToolReader {
 public:
  const char* name() const override { return "nvidia-smi topo -m"; }
  void begin_file() override { gpus_ = 0; }

  bool read(const Line& line, [[maybe_unused]] Observations& into, EventBook& events) override {
    std::string_view text = trim(line.text);
    const std::string_view front = next_word(text);
    if (front == "GPU0" && (starts_with(text, "GPU1") || starts_with(text, "NIC"))) {
      rows_.clear();
      gpus_ = 1;
      while (starts_with(text, "GPU") && !starts_with(text, "GPU NUMA")) {
        next_word(text);
        ++gpus_;
      }
      return false;
    }
    std::string_view number = front;
    // A fifth GPU drives the display of a workstation.
    if (gpus_ < fewest || gpus_ > most || gpus_ % fewest != 0 || !take(number, "GPU") ||
        !take_number<int>(number) || !number.empty())
      return false;
    Row row{{}, line.number, std::string(line.text)};
    for (int i = 0; i < gpus_ && !text.empty(); ++i) row.cells.push_back(starts_with(next_word(text), "NV"));
    rows_.push_back(std::move(row));
    if (static_cast<int>(rows_.size()) == gpus_) finish(line, events);
    return false;
  }

 private:
  /// With two or three GPUs a bridge may join two.
  static constexpr int fewest = 4, most = 64;

  struct Row {
    std::vector<bool> cells;  ///< whether NVLink leads to that GPU
    std::uint64_t line{};
    std::string text;
  };

  static std::string_view next_word(std::string_view& text) {
    const std::string_view word = until(text, " \t");
    text = trim(text.substr(word.size()));
    return word;
  }

  void finish(const Line& line, EventBook& events) {
    for (int gpu = 0; gpu < gpus_; ++gpu)
      if (is_left_out(static_cast<std::size_t>(gpu))) {
        const Row& row = rows_[static_cast<std::size_t>(gpu)];
        events.add(Event::nvlink_missing, 0, "GPU" + std::to_string(gpu), 0, true,
                   Line{line.file, row.line, row.text});
      }
    gpus_ = 0;
  }

  bool is_left_out(std::size_t gpu) const {
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const auto& cells = rows_[i].cells;
      if (cells.size() != rows_.size()) return false;
      for (std::size_t k = 0; k < cells.size(); ++k)
        if (i != k && cells[k] != (i != gpu && k != gpu)) return false;
    }
    return true;
  }

  std::vector<Row> rows_;
  int gpus_{};  ///< of the matrix that is read; 0: none is
};

}  // namespace

std::unique_ptr<ToolReader> make_topology_matrix_reader() { return std::make_unique<TopologyMatrix>(); }

}  // namespace fabricheck::diagnose
