#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/figure_table.hpp"
#include "topology/judge/faults.hpp"
#include "topology/judge/judge.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::topology {
namespace {

/// One line of the table: the figures of `key` whose conditions have all of `conditions`.
struct Row {
  std::string title;
  std::string key;
  std::map<std::string, std::string> conditions;
};

constexpr const char* kAllReduce = "nccl.allreduce.busbw";

/// Between nodes the NICs decide, and in a node of any number of cards the number.
void add_allreduce_rows(const Platform& platform, std::vector<Row>& rows) {
  std::map<std::pair<long, std::string>, Row> between;
  std::map<std::string, Row> inside;
  for (const Figure& figure : platform.figures) {
    if (figure.key != kAllReduce) continue;
    const std::string nodes = condition_of(figure, "nodes");
    const std::string nics = condition_of(figure, "nics");
    const std::string gpus = condition_of(figure, "gpus_per_node");
    const auto number = parse_number(nodes);
    if (number && *number > 1) {
      between[{*number, nics}] = {
          fmt::format("allreduce, {} nodes{}{}", nodes, nics.empty() ? "" : ", ", nics),
          kAllReduce,
          {{"nodes", nodes}, {"nics", nics}}};
    } else if (nodes == "1" && !platform.expected.gpus) {
      inside[gpus] = {
          fmt::format("allreduce, {} GPUs", gpus), kAllReduce, {{"nodes", "1"}, {"gpus_per_node", gpus}}};
    }
  }
  if (platform.expected.gpus) rows.push_back({"allreduce, 1 node", kAllReduce, {{"nodes", "1"}}});
  for (auto& [gpus, row] : inside) rows.push_back(std::move(row));
  for (auto& [nodes, row] : between) rows.push_back(std::move(row));
}

std::vector<Row> rows_of(const Platform& platform) {
  std::vector<Row> rows{
      {"GPU memory", "gpu.hbm.bandwidth", {}},
      {"bf16", "gpu.gemm.rate", {{"precision", "bf16"}}},
      {"fp8", "gpu.gemm.rate", {{"precision", "fp8"}}},
      {"NVLink, both ways", "nvlink.bandwidth", {{"direction", "both ways"}}},
      {"copy between GPUs, one way", "nvlink.pair.bandwidth", {{"direction", "one way"}}},
      {"copy to the GPU", "gpu.host_to_device.bandwidth", {}},
      {"copy from the GPU", "gpu.device_to_host.bandwidth", {}},
  };
  add_allreduce_rows(platform, rows);
  rows.push_back({"RDMA write, per port", "verbs.write.bandwidth", {{"per", "port"}}});
  return rows;
}

bool fits(const Figure& figure, const Row& row, const Platform& platform) {
  if (figure.key != row.key || is_special(figure)) return false;
  const std::string gpus = condition_of(figure, "gpus_per_node");
  if (platform.expected.gpus && !gpus.empty() && gpus != std::to_string(*platform.expected.gpus))
    return false;
  return std::all_of(row.conditions.begin(), row.conditions.end(),
                     [&](const auto& wanted) { return condition_of(figure, wanted.first) == wanted.second; });
}

/// "2540 to 2970 GB/s": the least comes first, which is what a good machine was seen to reach at least.
std::string range_of(const Platform& platform, const Row& row, const std::string& kind) {
  std::vector<double> values;
  std::string unit;
  for (const Figure& figure : platform.figures) {
    if (figure.kind != kind || !fits(figure, row, platform)) continue;
    if (!unit.empty() && figure.unit != unit) continue;
    values.push_back(figure.value);
    unit = figure.unit;
  }
  if (values.empty()) return "-";
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  if (*least == *most) return fmt::format("{:g} {}", *least, unit);
  return fmt::format("{:g} to {:g} {}", *least, *most, unit);
}

std::string nics_text(const PlatformVariant& variant) {
  std::vector<std::string> nics;
  for (const ExpectedNics& expected : variant.nics) {
    nics.push_back(fmt::format("{} ports{}{}", expected.count,
                               expected.rate_Gbps ? fmt::format(" of {:g} Gb/s", *expected.rate_Gbps) : "",
                               expected.link_layer.empty() ? "" : " " + expected.link_layer));
  }
  return fmt::format("{} ({})", joined(nics, ", ", nics.size()),
                     joined(variant.products, ", ", variant.products.size()));
}

void add_line(std::string& text, const char* title, const std::vector<std::string>& items) {
  if (!items.empty()) text += fmt::format("  {:<10}{}\n", title, joined(items, ", ", items.size()));
}

}  // namespace

std::string describe_platform(const Platform& platform) {
  const Expectation& expected = platform.expected;
  std::string text = platform.name + "\n";
  add_line(text, "also", platform.aliases);
  add_line(text, "GPUs",
           {fmt::format("{} x {}", expected.gpus ? std::to_string(*expected.gpus) : "any number",
                        platform.gpu_names.empty() ? "GPU" : joined(platform.gpu_names, " or ", 4))});
  std::vector<std::string> links;
  if (expected.nvlinks_per_gpu) links.push_back(fmt::format("{} per GPU", *expected.nvlinks_per_gpu));
  if (expected.nvswitches) links.push_back(fmt::format("{} NVSwitches", *expected.nvswitches));
  add_line(text, "NVLink", links);
  std::vector<std::string> pcie;
  if (expected.gpu_pcie_width)
    pcie.push_back(
        fmt::format("x{}{}", *expected.gpu_pcie_width, *expected.gpu_pcie_width < 16 ? " or more" : ""));
  if (expected.gpu_pcie_speed_GTps) pcie.push_back(fmt::format("{:g} GT/s", *expected.gpu_pcie_speed_GTps));
  add_line(text, "PCIe", pcie);
  for (const PlatformVariant& variant : platform.variants) {
    if (variant.gpus)
      add_line(
          text, "GPUs",
          {fmt::format("{} ({})", *variant.gpus, joined(variant.products, ", ", variant.products.size()))});
    if (!variant.nics.empty()) add_line(text, "NICs", {nics_text(variant)});
  }
  std::string table;
  for (const Row& row : rows_of(platform)) {
    const std::string datasheet = range_of(platform, row, "datasheet");
    const std::string published = range_of(platform, row, "published");
    const std::string threshold = range_of(platform, row, "threshold");
    if (datasheet == "-" && published == "-" && threshold == "-") continue;
    table += fmt::format("  {:<30}{:<18}{:<26}{}\n", row.title, datasheet, published, threshold);
  }
  if (!table.empty())
    text += fmt::format("  {:<30}{:<18}{:<26}{}\n{}", "", "datasheet", "published", "threshold", table);
  return text;
}

}  // namespace fabricheck::topology
