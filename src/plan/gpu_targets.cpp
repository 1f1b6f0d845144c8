#include "plan/gpu_targets.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "core/figure_table.hpp"
#include "core/precision.hpp"
#include "core/units.hpp"

namespace fabricheck::plan {
namespace {

/// Which figures a check is held against: their key, and what their conditions must say. A condition that is
/// not named here must be absent, but for those that only tell where a figure comes from.
struct Source {
  std::string check;
  const char* figure;
  const char* condition;  ///< empty: none
  const char* value;
};

std::vector<Source> make_sources() {
  std::vector<Source> sources{
      {"gpu.hbm.copy", "gpu.hbm.bandwidth", "operation", "copy"},
      {"gpu.hbm.copy_engine", "gpu.hbm.bandwidth", "operation", "copy on the device"},
      {"gpu.hbm.triad", "gpu.hbm.bandwidth", "operation", "triad"},
      {"gpu.host_to_device.bandwidth", "gpu.host_to_device.bandwidth", "", ""},
      {"gpu.device_to_host.bandwidth", "gpu.device_to_host.bandwidth", "", ""},
  };
  for (const PrecisionRow& one : precision_rows)
    sources.push_back({fmt::format("gpu.gemm.{}", one.name), "gpu.gemm.rate", "precision", one.name});
  return sources;
}

bool has_only(const Figure& figure, const std::vector<std::string_view>& names) {
  return std::all_of(figure.conditions.begin(), figure.conditions.end(), [&](const auto& one) {
    return is_remark(one.first) || std::find(names.begin(), names.end(), one.first) != names.end();
  });
}

/// Inside one node, all of its GPUs, NVLS as it is: what is published of other worlds hangs on their network.
bool is_of_collective(const Figure& figure, const GpuCheck& check) {
  return check.scope == Scope::inside_node && check.whole && condition_of(figure, "nodes") == "1" &&
         condition_of(figure, "gpus_per_node") == std::to_string(check.ranks_per_node) &&
         (condition_of(figure, "nvls") == "off") == !check.nvls &&
         has_only(figure, {"nodes", "gpus_per_node", "nvls"});
}

bool is_of(const Figure& figure, const Source& source, const GpuCheck& check) {
  if (figure.key != source.figure || figure.unit != check.unit) return false;
  if (*source.condition == 0) return has_only(figure, {});
  // A kernel's copy and the runtime's are different figures: 1610 and 1371 GB/s on the same A100.
  return condition_of(figure, source.condition) == source.value &&
         has_only(figure, {source.condition, "sparsity"}) &&
         (condition_of(figure, "sparsity").empty() || condition_of(figure, "sparsity") == "none");
}

/// The datasheet of the same thing, under whatever conditions it states it: it is shown, not judged by.
const Figure* datasheet_of(const Platform& platform, const Source& source, const GpuCheck& check) {
  for (const Figure& figure : platform.figures) {
    const bool fits = figure.conditions.empty() || is_of(figure, source, check);
    if (figure.key == source.figure && figure.kind == "datasheet" && figure.unit == check.unit && fits)
      return &figure;
  }
  return nullptr;
}

}  // namespace

std::optional<Target> platform_target(const Platform& platform, const GpuCheck& check) {
  if (check.better != Better::higher) return std::nullopt;
  static const std::vector<Source> sources = make_sources();
  const auto row =
      std::find_if(sources.begin(), sources.end(), [&](const Source& one) { return check.id == one.check; });
  const bool is_collective = check.id.starts_with("nccl.");
  if (row == sources.end() && !is_collective) return std::nullopt;
  if (is_collective && check.bytes < collectives_from_bytes) return std::nullopt;
  const bool is_host_copy = check.id.find("host") != std::string::npos;
  // Of a GPU in another machine than the platform's, its PCIe link may be of another generation.
  if (is_host_copy && (check.bytes < host_copies_from_bytes || !check.whole)) return std::nullopt;
  // With all GPUs at the same time they share the host's memory and PCIe switches: nobody published that.
  if (check.scope == Scope::every_gpu && is_host_copy) return std::nullopt;
  const Figure *published = nullptr, *threshold = nullptr;
  for (const Figure& figure : platform.figures) {
    const bool fits =
        is_collective ? figure.key == check.id && figure.unit == check.unit && is_of_collective(figure, check)
                      : is_of(figure, *row, check);
    if (!fits) continue;
    if (figure.kind != "published" && figure.kind != "threshold") continue;
    const Figure*& lowest = figure.kind == "published" ? published : threshold;
    if (!lowest || figure.value < lowest->value) lowest = &figure;
  }
  const Figure* taken = published ? published : threshold;
  if (!taken) return std::nullopt;
  const bool is_matrix = check.id.starts_with("gpu.gemm.");
  const double share = !published ? 1.0 : is_matrix ? matrix_share : published_share;
  Target target;
  target.check = check.id;
  target.bytes = check.bytes;
  target.statistic = "median";
  target.comparison = Comparison::at_least;
  target.value = share * taken->value;
  target.unit = check.unit;
  target.origin = "platform " + platform.name;
  target.source = published ? fmt::format("{:.0f} % of {} {}, published for {}{}: {}", 100.0 * share,
                                          format_number(taken->value), taken->unit, platform.name,
                                          is_matrix ? " and matrices of other shapes" : "", taken->source)
                            : fmt::format("the threshold for {} of {}", platform.name, taken->source);
  if (row != sources.end())
    if (const Figure* sheet = datasheet_of(platform, *row, check))
      target.source += fmt::format("; datasheet {} {}", format_number(sheet->value), sheet->unit);
  return target;
}

}  // namespace fabricheck::plan
