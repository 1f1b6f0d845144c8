#include "collectives/nccl/catalog.hpp"

#include <fmt/format.h>

#include "collectives/nccl/operation.hpp"
#include "core/error.hpp"

namespace fabricheck::collectives::nccl {
namespace {

constexpr std::uint64_t KiB = 1024, MiB = 1024 * KiB, GiB = 1024 * MiB;
/// Below this, latency is what counts.
constexpr std::uint64_t bandwidth_from_bytes = MiB;
constexpr std::uint64_t variants_at_bytes = MiB;

CheckRow base(const Row& one, Metric metric, const char* title) {
  CheckRow row;
  row.id = fmt::format("nccl.{}.{}", one.name, metric.name());
  row.title = fmt::format("NCCL {} {}", one.name, title);
  row.metric = metric;
  row.backend = "NCCL";
  row.needs_gpu = true;
  row.unavailable_reason = unavailable_reason();
  row.scopes = {Scope::rail, Scope::all_ranks, Scope::inside_node};
  row.in_quick = one.quick;
  row.payload_bytes = one.payload;
  row.types.assign(known_types.begin(), known_types.end());
  row.reductions.assign(known_reductions.begin(), known_reductions.end());
  return row;
}

CheckRow latency(const Row& one, const std::shared_ptr<const Settings>& settings) {
  CheckRow row = base(one, "latency", "time");
  row.description = fmt::format("{}, the slowest rank's time by its GPU's events", one.call);
  row.unit = "us";
  row.typed = true;
  row.reduces = one.reduces;
  row.can_be_in_place = one.in_place;
  row.variant_bytes = variants_at_bytes;
  row.sizes = {8, KiB, 64 * KiB, MiB, 16 * MiB, 256 * MiB, GiB, 8 * GiB};
  row.quick_sizes = {8, MiB, GiB};
  row.has_histogram = true;
  row.make_timed = [&one, settings](const TimedRequest& request) {
    if (!settings) throw Unavailable("no GPU was chosen");
    return make_operation(one, settings, request);
  };
  return row;
}

CheckRow busbw(const Row& one) {
  CheckRow row = base(one, "busbw", "bus bandwidth");
  row.description = "the same samples as busbw, from 1 MiB";
  row.unit = "GB/s";
  row.derived_from = fmt::format("nccl.{}.latency", one.name);
  row.bus_factor = one.bus_factor;
  row.min_bytes = bandwidth_from_bytes;
  return row;
}

}  // namespace

std::vector<CheckRow> catalog(const std::shared_ptr<const Settings>& settings) {
  std::vector<CheckRow> checks;
  for (const Row& one : rows()) checks.push_back(latency(one, settings));
  for (const Row& one : rows()) checks.push_back(busbw(one));
  return checks;
}

}  // namespace fabricheck::collectives::nccl
