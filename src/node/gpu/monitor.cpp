#include "node/gpu/monitor.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

namespace fabricheck::node::gpu {
namespace {

constexpr std::array<std::string_view, 4> slowdowns{"hw-slowdown", "hw-thermal-slowdown",
                                                    "sw-thermal-slowdown", "hw-power-brake-slowdown"};
constexpr std::string_view power_cap = "sw-power-cap";
constexpr std::size_t least_rates = 10;

bool is_slowdown(const std::string& reason) {
  return std::find(slowdowns.begin(), slowdowns.end(), reason) != slowdowns.end();
}

/// Of an even number the mean of the middle two.
template <class T>
std::optional<T> median(std::vector<T> values) {
  if (values.empty()) return std::nullopt;
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / T{2};
}

double median_of(std::span<const double> values) {
  return median(std::vector<double>(values.begin(), values.end())).value_or(0.0);
}

template <class T>
std::vector<T> told(std::span<const GpuSample> samples, std::optional<T> GpuSample::*what) {
  std::vector<T> all;
  for (const GpuSample& sample : samples)
    if (sample.*what) all.push_back(*(sample.*what));
  return all;
}

template <class T>
std::optional<T> largest(const std::vector<T>& values) {
  if (values.empty()) return std::nullopt;
  return *std::max_element(values.begin(), values.end());
}

void sum_up_reasons(std::span<const GpuSample> samples, MonitorSummary& summary) {
  std::size_t asked = 0, slowed = 0, capped = 0;
  std::map<std::string, std::size_t> counts;
  for (const GpuSample& sample : samples) {
    if (!sample.throttle_reasons) continue;
    ++asked;
    bool is_slowed = false;
    for (const std::string& reason : *sample.throttle_reasons) {
      const bool slows = is_slowdown(reason);
      is_slowed = is_slowed || slows;
      if (reason == power_cap) ++capped;
      if (slows || reason == power_cap) ++counts[reason];
    }
    if (is_slowed) ++slowed;
  }
  if (asked == 0) return;
  const auto share = [asked](std::size_t count) {
    return static_cast<double>(count) / static_cast<double>(asked);
  };
  summary.throttled_share = share(slowed);
  summary.power_capped_share = share(capped);
  for (const auto& [reason, count] : counts) summary.reason_shares[reason] = share(count);
}

}  // namespace

GpuSample sample_of(const GpuHealth& health) {
  return {health.sm_clock_MHz, health.power_W, health.temperature_C, health.throttle_reasons};
}

MonitorSummary summarise(std::span<const GpuSample> samples, std::span<const double> rates) {
  MonitorSummary summary;
  summary.samples = samples.size();
  const std::vector<int> clocks = told(samples, &GpuSample::sm_clock_MHz);
  if (!clocks.empty()) summary.sm_clock_min_MHz = *std::min_element(clocks.begin(), clocks.end());
  summary.sm_clock_median_MHz = median(clocks);
  summary.temperature_max_C = largest(told(samples, &GpuSample::temperature_C));
  const std::vector<double> power = told(samples, &GpuSample::power_W);
  summary.power_median_W = median(power);
  summary.power_max_W = largest(power);
  sum_up_reasons(samples, summary);
  if (rates.size() >= least_rates) {
    const std::size_t tenth = rates.size() / 10;
    const double begin = median_of(rates.first(tenth)), end = median_of(rates.last(tenth));
    if (begin > 0.0) summary.trend_percent = 100.0 * (end / begin - 1.0);
  }
  return summary;
}

std::map<std::string, Parameter> path_of(const MonitorSummary& summary) {
  std::map<std::string, Parameter> path;
  const auto put = [&path](const char* name, const auto& value) {
    if (!value) return;
    if constexpr (std::is_integral_v<typename std::decay_t<decltype(value)>::value_type>) {
      path[name] = static_cast<std::int64_t>(*value);
    } else {
      path[name] = *value;
    }
  };
  const auto put_percent = [&path](const char* name, const std::optional<double>& share) {
    if (share) path[name] = 100.0 * *share;
  };
  path["monitor_samples"] = static_cast<std::int64_t>(summary.samples);
  put("sm_clock_min_MHz", summary.sm_clock_min_MHz);
  put("sm_clock_median_MHz", summary.sm_clock_median_MHz);
  put("temperature_max_C", summary.temperature_max_C);
  put("power_median_W", summary.power_median_W);
  put("power_max_W", summary.power_max_W);
  put_percent("throttled_percent", summary.throttled_share);
  put_percent("power_capped_percent", summary.power_capped_share);
  put("rate_trend_percent", summary.trend_percent);
  std::string words;
  for (const auto& [reason, share] : summary.reason_shares)
    words += fmt::format("{}{} ({:.0f} %)", words.empty() ? "" : ", ", reason, 100.0 * share);
  if (summary.throttled_share) path["throttle_reasons"] = words.empty() ? std::string("none") : words;
  return path;
}

void MonitorLog::look() {
  if (monitor_ && clock_.now_ns() >= next_ns_) look_now();
}

void MonitorLog::look_now() {
  if (!monitor_) return;
  next_ns_ = clock_.now_ns() + interval_ns_;
  if (auto sample = monitor_->sample()) samples_.push_back(std::move(*sample));
}

}  // namespace fabricheck::node::gpu
