// What checks measure, and whether more or less of it is better: one table.
#pragma once

#include <algorithm>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string_view>

namespace fabricheck {

enum class Better { lower, higher };

struct MetricRow {
  std::string_view name;  ///< as in result.json, and mostly the last part of a check's id
  Better better;
};

inline constexpr MetricRow metric_rows[] = {
    {"latency", Better::lower},        {"busbw", Better::higher},        {"bandwidth", Better::higher},
    {"bidirectional", Better::higher}, {"message_rate", Better::higher}, {"paths", Better::higher},
    {"rate", Better::higher},          {"overlap", Better::higher},      {"faults", Better::lower},
    {"noise", Better::lower},          {"algbw", Better::higher},
};

/// nullptr when the table lacks it.
constexpr const MetricRow* find_metric(std::string_view name) {
  const auto* const found = std::find_if(std::begin(metric_rows), std::end(metric_rows),
                                         [name](const MetricRow& row) { return row.name == name; });
  return found == std::end(metric_rows) ? nullptr : found;
}

/// A check's metric. What the table lacks does not compile, so that nobody forgets to say which way is
/// better.
class Metric {
 public:
  consteval Metric(const char* name) : row_(find_metric(name)) {
    if (row_ == nullptr) throw std::invalid_argument("metric_rows lacks it");
  }
  [[nodiscard]] constexpr std::string_view name() const { return row_->name; }
  [[nodiscard]] constexpr Better better() const { return row_->better; }
  constexpr bool operator==(const Metric&) const = default;

 private:
  const MetricRow* row_;
};

/// Of a figure that was read: by its metric, and by its unit where the metric is a check of one node's
/// "value". Nothing: not known.
constexpr std::optional<Better> better_of(std::string_view metric, std::string_view unit) {
  if (const MetricRow* row = find_metric(metric)) return row->better;
  for (const std::string_view time : {"us", "ms", "s", "ns"})
    if (unit == time) return Better::lower;
  for (const std::string_view rate :
       {"B/s", "KB/s", "MB/s", "GB/s", "TB/s", "Gb/s", "TFLOP/s", "GFLOP/s", "op/s"})
    if (unit == rate) return Better::higher;
  return std::nullopt;
}

}  // namespace fabricheck
