// Tables of nccl-tests and perftest.
#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <vector>

#include "diagnose/log_reader.hpp"

namespace fabricheck::diagnose {
namespace {

/// Without "[0]", "[1,0]<stdout>:" and "0: " of launchers, which stand also between the cells of a row.
std::string without_tags(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (text.front() == '[') {
      const std::size_t close = text.find(']');
      const std::string_view inside = text.substr(1, close == std::string_view::npos ? 0 : close - 1);
      if (!inside.empty() && inside.find_first_not_of("0123456789,") == std::string_view::npos) {
        text.remove_prefix(close + 1);
        if (take(text, "<stdout>:") || take(text, "<stderr>:")) continue;
        out += ' ';
        continue;
      }
    }
    out += text.front();
    text.remove_prefix(1);
  }
  const std::size_t digits = out.find_first_not_of("0123456789");
  if (digits != std::string::npos && digits > 0 && out.compare(digits, 2, ": ") == 0)
    out.erase(0, digits + 2);
  return out;
}

std::vector<std::string_view> words_of(std::string_view text, std::size_t most) {
  std::vector<std::string_view> words;
  for (text = trim(text); !text.empty() && words.size() < most; text = trim(text)) {
    words.push_back(until(text, " \t"));
    text.remove_prefix(words.back().size());
  }
  return words;
}

std::optional<double> as_number(std::string_view word) {
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return value;
}

/// As nccl-tests names them.
bool is_nccl_type(std::string_view word) {
  constexpr std::array<std::string_view, 12> types{"int8", "uint8", "int32",  "uint32",   "int64",  "uint64",
                                                   "half", "float", "double", "bfloat16", "f8e4m3", "f8e5m2"};
  return std::find(types.begin(), types.end(), word) != types.end();
}

class NcclTests final : public ToolReader {
 public:
  const char* name() const override { return "nccl-tests"; }
  void begin_file() override {
    has_run_ = false;
    operation_.clear();
  }

  bool read(const Line& line, Observations& into, EventBook& events) override {
    note_operation(line.text);
    if (line.text.size() > 400 || line.text.find_first_of("0123456789") == std::string_view::npos)
      return false;
    if (line.text.find('#') != std::string_view::npos && read_comment(line, into, events)) return true;
    return read_row(line, into, events);
  }

 private:
  void note_operation(std::string_view text) {
    const std::size_t end = text.find("_perf");
    if (end == std::string_view::npos) return;
    std::size_t begin = end;
    while (begin > 0 &&
           (std::isalpha(static_cast<unsigned char>(text[begin - 1])) != 0 || text[begin - 1] == '_'))
      --begin;
    operation_ = text.substr(begin, end - begin);
    if (has_run_ && run_ != nullptr && run_->rows.empty()) run_->operation = operation_;
  }

  BenchmarkRun* run(Observations& into, bool is_new) {
    constexpr std::size_t most = 64;
    if (is_new || !has_run_) {
      if (into.benchmarks.size() >= most) return nullptr;
      into.benchmarks.emplace_back().operation = operation_;
      has_run_ = true;
    }
    run_ = &into.benchmarks.back();
    return run_;
  }

  bool read_comment(const Line& line, Observations& into, EventBook& events) {
    const std::string clean = without_tags(line.text);
    const auto rest = after(clean, "#");
    if (!rest) return false;
    const std::string_view text = trim(*rest);
    if (starts_with(text, "nThread ")) return run(into, true) != nullptr;
    if (starts_with(text, "Rank ") && contains(text, " device ")) {
      BenchmarkRun* current = run(into, false);
      if (current != nullptr) read_device(text, *current, into);
      return true;
    }
    if (starts_with(text, "Out of bounds values :") && contains(text, "FAILED")) {
      add_wrong(line, events);
      return true;
    }
    return starts_with(text, "Avg bus bandwidth");
  }

  static void read_device(std::string_view text, BenchmarkRun& current, Observations& into) {
    ++current.ranks;
    constexpr std::size_t most_hosts = 4096;
    if (const auto on = after(text, " on ")) {
      const std::string host(until(trim(*on), " "));
      if (current.gpus_of_host.size() < most_hosts) ++current.gpus_of_host[host];
    }
    const std::size_t close = text.rfind(']');
    if (close == std::string_view::npos) return;
    const std::string model = printable_text(text.substr(close + 1), 80);
    constexpr std::size_t most_names = 64;
    if (model.empty() || into.gpu_names.size() >= most_names) return;
    ++current.gpu_names[model];
    ++into.gpu_names[model];
  }

  bool read_row(const Line& line, Observations& into, EventBook& events) {
    const std::string clean = without_tags(line.text);
    const auto words = words_of(clean, 16);
    if (words.size() < 7) return false;
    const auto bytes = as_number(words[0]), count = as_number(words[1]);
    if (!bytes || !count || *bytes < *count || !is_nccl_type(words[2])) return false;
    std::vector<double> figures;
    double wrong = 0;
    std::size_t first = 3;
    while (first < words.size() && !as_number(words[first])) ++first;
    for (std::size_t i = first; i < words.size(); ++i) {
      const auto value = as_number(words[i]);
      if (!value && words[i] != "N/A") return false;
      figures.push_back(value.value_or(0));
    }
    // root, then twice: time, algbw, busbw, errors. Before 2.9 the root is missing.
    if (figures.size() == 9 || figures.size() == 5) figures.erase(figures.begin());
    if (figures.size() != 8 && figures.size() != 4) return false;
    double busbw = figures[2];
    wrong = figures[3];
    if (figures.size() == 8) {
      busbw = std::max(busbw, figures[6]);
      wrong = std::max(wrong, figures[7]);
    }
    BenchmarkRun* current = run(into, false);
    if (current == nullptr || !std::isfinite(busbw)) return true;
    if (current->rows.size() < BenchmarkRun::kMostRows)
      current->rows.push_back({*bytes, busbw, line.quote()});
    if (wrong >= 1) add_wrong(line, events);
    return true;
  }

  static void add_wrong(const Line& line, EventBook& events) {
    events.add(Event::wrong_results, 0, "", 0, true, line);
  }

  bool has_run_{};
  BenchmarkRun* run_{};
  std::string operation_;
};

class Perftest final : public ToolReader {
 public:
  const char* name() const override { return "perftest"; }
  void begin_file() override {
    in_test_ = false;
    cuda_ = false;
  }

  bool read(const Line& line, Observations& into, EventBook& events) override {
    std::string_view text = trim(line.text);
    if (text.empty() || text.size() > 200) return false;
    if (starts_with(text, "initializing CUDA")) {
      cuda_ = true;
      return true;
    }
    if (text.ends_with(" Test") && (contains(text, " BW ") || contains(text, "Latency"))) {
      constexpr std::size_t most = 256;
      if (into.perftests.size() >= most) return true;
      in_test_ = true;
      auto& test = into.perftests.emplace_back();
      test.operation = printable_text(text, 60);
      test.cuda = cuda_;
      test.quote = line.quote();
      cuda_ = false;
      return true;
    }
    if (!in_test_) return false;
    return read_setting(text, line, into, events) || read_row(text, into);
  }

 private:
  bool read_setting(std::string_view text, const Line& line, Observations& into, EventBook& events) {
    PerftestRun& test = into.perftests.back();
    if (const auto device = after(text, "Device         : ")) test.device = printable_text(*device, 40);
    if (starts_with(text, "#bytes")) {
      per_MB_ = contains(text, "[MB/sec]");
      is_bandwidth_ = contains(text, "BW average");
      return true;
    }
    const auto value = after(text, " : ");
    if (!value) return false;
    if (starts_with(text, "Link type")) test.link_type = printable_text(*value, 40);
    if (starts_with(text, "Mtu ")) {
      std::string_view number = trim(*value);
      test.mtu_bytes = take_number<int>(number).value_or(0);
      constexpr int small = 1024;
      if (test.mtu_bytes > 0 && test.mtu_bytes <= small)
        events.add(Event::mtu_small, test.mtu_bytes, test.device, 0, true, line);
    }
    return true;
  }

  /// bytes, iterations, peak, average, message rate.
  bool read_row(std::string_view text, Observations& into) const {
    const auto words = words_of(text, 6);
    if (!is_bandwidth_ || words.size() != 5) return false;
    const auto average = as_number(words[3]);
    if (!as_number(words[0]) || !as_number(words[1]) || !average) return false;
    constexpr double Gb_of_MB = 8 * 1048576 / 1e9;  // perftest's MB are 2^20 bytes
    PerftestRun& test = into.perftests.back();
    test.best_Gbps = std::max(test.best_Gbps, per_MB_ ? *average * Gb_of_MB : *average);
    return true;
  }

  bool in_test_{}, cuda_{}, per_MB_{}, is_bandwidth_{};
};

}  // namespace

std::unique_ptr<ToolReader> make_nccl_tests_reader() { return std::make_unique<NcclTests>(); }
std::unique_ptr<ToolReader> make_perftest_reader() { return std::make_unique<Perftest>(); }

}  // namespace fabricheck::diagnose
