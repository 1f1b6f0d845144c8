// Rules about measured bandwidth.
#include <fmt/format.h>

#include <algorithm>

#include "core/fault_texts.hpp"
#include "diagnose/diagnose.hpp"
#include "diagnose/expected_speed.hpp"
#include "diagnose/rules.hpp"
#include "topology/model/merge.hpp"

namespace fabricheck::diagnose {
namespace {

/// Below this latency counts.
constexpr double large_bytes = 64e6;

}  // namespace

std::optional<MeasuredSpeed> measured_speed(const Observations& seen, const BenchmarkRun& run) {
  if (!run.operation.empty() && run.operation != "all_reduce") return std::nullopt;
  const BenchmarkRow* best = nullptr;
  for (const BenchmarkRow& row : run.rows)
    if (best == nullptr || row.busbw_GBps > best->busbw_GBps) best = &row;
  if (best == nullptr) return std::nullopt;
  MeasuredSpeed speed;
  speed.busbw_GBps = best->busbw_GBps;
  speed.bytes = best->bytes;
  speed.nodes = static_cast<int>(run.gpus_of_host.size());
  speed.quote = best->quote;
  if (!seen.topology || seen.topology->hosts.empty()) return speed;
  const int nodes = speed.nodes > 0 ? speed.nodes : static_cast<int>(seen.topology->hosts.size());
  speed.bound = all_reduce_bound(topology::whole_host(*seen.topology, 0), nodes);
  return speed;
}

bool is_above_bound(const MeasuredSpeed& speed) {
  constexpr double surely_above = 1.1;
  return speed.bound && speed.busbw_GBps > surely_above * speed.bound->best_GBps;
}

bool has_measure(const MeasuredSpeed& speed) {
  return speed.bound && speed.bytes >= large_bytes && !is_above_bound(speed);
}

namespace rules {

void fabric_side(const Context& context, const CatalogRow& row, Findings& found) {
  constexpr double collapsed = 0.5;
  for (const BenchmarkRun& run : context.seen().benchmarks) {
    if (run.gpus_of_host.size() == 1 || run.rows.size() < 4) continue;
    const auto peak = std::max_element(run.rows.begin(), run.rows.end(), [](const auto& a, const auto& b) {
      return a.busbw_GBps < b.busbw_GBps;
    });
    const auto is_low = [&](const BenchmarkRow& one) {
      return one.bytes > peak->bytes && one.busbw_GBps < collapsed * peak->busbw_GBps;
    };
    // From the peak on all sizes are slow, and at least two of them.
    if (run.rows.end() - peak < 3 || !std::all_of(peak + 1, run.rows.end(), is_low)) continue;
    Found& finding = add(found, row, "likely");
    cite(context, finding, &peak->quote);
    cite(context, finding, &(peak + 1)->quote);
    cite(context, finding, &run.rows.back().quote);
    return;
  }
}

void slower_than_topology(const Context& context, const CatalogRow& row, Findings& found) {
  constexpr double poor = 0.5;
  for (const BenchmarkRun& run : context.seen().benchmarks) {
    const auto speed = measured_speed(context.seen(), run);
    if (!speed || !has_measure(*speed)) continue;
    if (speed->busbw_GBps >= poor * speed->bound->ring_GBps) continue;
    Found& finding = add(found, row, "likely");
    cite(context, finding, &speed->quote);
    finding.evidence.push_back(
        {"", 0,
         fmt::format("at most {:.0f} GB/s by ring: {}", speed->bound->ring_GBps, speed->bound->words)});
    return;
  }
}

}  // namespace rules
}  // namespace fabricheck::diagnose
