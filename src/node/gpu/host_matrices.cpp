#include "node/gpu/host_matrices.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>

#include <fmt/format.h>

#include "core/check.hpp"
#include "core/units.hpp"

namespace fabricheck::node::gpu {
namespace {

std::optional<std::int64_t> number_of(const CheckRecord& check, const char* name) {
  const auto found = check.parameters.find(name);
  if (found == check.parameters.end()) return std::nullopt;
  const auto* number = std::get_if<std::int64_t>(&found->second);
  return number ? std::optional(*number) : std::nullopt;
}

struct Cell {
  bool is_far{};
  std::int64_t gpu{};
  double value{};
};

}  // namespace

std::vector<Matrix> host_matrices(std::span<const CheckRecord> checks) {
  using Key = std::tuple<std::string, bool, std::int64_t>;  // host, towards the GPU, bytes
  std::map<Key, std::vector<Cell>> found;
  for (const CheckRecord& check : checks) {
    const bool to_gpu = check.id.starts_with("gpu.host_to_device"),
               from_gpu = check.id.starts_with("gpu.device_to_host");
    const auto gpu = number_of(check, "gpu");
    if ((!to_gpu && !from_gpu) || check.metric != "bandwidth" || !check.value || !gpu ||
        check.scope != scope_name(Scope::gpu) || check.participants.empty())
      continue;
    const bool is_far = check.id.find("_far.") != std::string::npos;
    found[{check.participants.front(), to_gpu, number_of(check, "bytes").value_or(0)}].push_back(
        {is_far, *gpu, *check.value});
  }
  std::vector<Matrix> matrices;
  for (const auto& [key, cells] : found) {
    const auto& [host, to_gpu, bytes] = key;
    std::set<std::int64_t> gpus;
    for (const Cell& cell : cells) gpus.insert(cell.gpu);
    const std::vector<std::string> memories{"near NUMA node", "far NUMA node"};
    std::vector<std::string> names;
    names.reserve(gpus.size());
    for (const std::int64_t gpu : gpus) names.push_back(fmt::format("GPU{}", gpu));
    Matrix matrix;
    matrix.id = fmt::format("gpu.{}.bandwidth {} on {}", to_gpu ? "host_to_device" : "device_to_host",
                            format_bytes(static_cast<std::uint64_t>(bytes)), host);
    matrix.unit = "GB/s";
    matrix.direction = "row sends";
    matrix.rows = to_gpu ? memories : names;
    matrix.cols = to_gpu ? names : memories;
    matrix.data.assign(matrix.rows.size(), std::vector<std::optional<double>>(matrix.cols.size()));
    for (const Cell& cell : cells) {
      const auto column = static_cast<std::size_t>(std::distance(gpus.begin(), gpus.find(cell.gpu)));
      const std::size_t memory = cell.is_far ? 1 : 0;
      matrix.data[to_gpu ? memory : column][to_gpu ? column : memory] = cell.value;
    }
    matrices.push_back(std::move(matrix));
  }
  return matrices;
}

}  // namespace fabricheck::node::gpu
