#include "core/figure_table.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/precision.hpp"

namespace fabricheck {
namespace {

using Names = std::vector<std::string_view>;

const Names world{"nodes", "gpus_per_node", "nics",      "nvls", "nvlink",  "mnnvl",     "racks",
                  "sharp", "transport",     "algorithm", "path", "said_by", "tolerance", "cuda_graph"};
const Names way{"direction"};

Names precisions() {
  Names names;
  for (const PrecisionRow& row : precision_rows) names.emplace_back(row.name);
  return names;
}

std::vector<FigureKey> make_keys() {
  std::vector<FigureKey> keys{
      {"gpu.hbm.bandwidth", {"GB/s"}, {"operation", "gpu_memory", "pci_id"}},
      {"gpu.hbm.capacity", {"GB"}, {}},
      {"gpu.host_to_device.bandwidth", {"GB/s"}, {}},
      {"gpu.device_to_host.bandwidth", {"GB/s"}, {}},
      {"gpu.gemm.rate", {"TFLOP/s"}, {"precision", "sparsity"}},
      {"gpu.c2c.bandwidth", {"GB/s"}, way},
      {"gpu.pcie.bandwidth", {"GB/s"}, way},
      {"gpu.pcie.generation", {"generation"}, {}},
      {"gpu.pcie.width", {"lanes"}, {}},
      {"gpu.power", {"W"}, {}},
      {"gpu.xgmi.bandwidth", {"GB/s"}, way},
      {"nccl.nic.bandwidth", {"GB/s"}, {"nodes", "per", "port_rate", "algorithm", "said_by"}},
      {"nccl.alltoall.nic.bandwidth", {"GB/s"}, {"nodes", "per", "port_rate", "algorithm", "said_by"}},
      {"nic.ports", {"ports"}, {}},
      {"nic.rate", {"Gb/s"}, {"per"}},
      {"nvlink.bandwidth", {"GB/s"}, way},
      {"nvlink.link.bandwidth", {"GB/s"}, {"direction", "read_by"}},
      {"nvlink.links", {"links"}, {"nvlink", "per"}},
      {"nvlink.pair.bandwidth", {"GB/s"}, way},
      {"nvswitch.count", {"chips", "trays"}, {"per"}},
      {"storage.nvme.count", {"drives"}, {}},
      {"storage.nvme.read", {"GB/s"}, {"drives", "layout"}},
      {"storage.nvme.write", {"GB/s"}, {"drives", "layout"}},
      {"verbs.write.bandwidth", {"GB/s", "Gb/s"}, {"gpudirect", "path", "per", "port_rate"}},
      {"verbs.write.latency", {"us"}, {"gpudirect", "path", "per", "port_rate"}},
  };
  for (const char* collective : {"allreduce", "allgather", "reducescatter", "alltoall", "alltoallv",
                                 "sendrecv", "broadcast", "reduce", "gather", "scatter"}) {
    keys.push_back({fmt::format("nccl.{}.busbw", collective), {"GB/s"}, world});
    keys.push_back({fmt::format("nccl.{}.latency", collective), {"us"}, world});
  }
  return keys;
}

std::vector<FigureCondition> make_conditions() {
  const auto remark = [](std::string_view name, bool is_special = false) {
    return FigureCondition{name, ConditionRole::remarks, is_special, true, {}, false};
  };
  const auto narrows = [](std::string_view name, Names words = {}, bool is_count = false) {
    return FigureCondition{name, ConditionRole::narrows, false, false, std::move(words), is_count};
  };
  const auto special = [](std::string_view name, bool is_everywhere, Names words = {}) {
    return FigureCondition{name, ConditionRole::narrows, true, is_everywhere, std::move(words), false};
  };
  return {
      remark("statistic"),
      remark("up_to"),
      remark("test"),
      remark("caveat", true),
      remark("nccl"),
      remark("bytes"),
      remark("product"),
      remark("shape"),
      special("gpu", true),
      special("gpu_memory", false),
      special("pci_id", false),
      special("path", false),
      special("nvls", false, {"on", "off"}),
      narrows("operation", {"copy", "copy on the device", "copy, tool not told", "triad", "read", "write"}),
      narrows("precision", precisions()),
      narrows("sparsity", {"none", "2:4"}),
      narrows("direction", {"one way", "both ways", "both ways, inferred", "not stated"}),
      narrows("nodes", {"many"}, true),
      narrows("gpus_per_node", {}, true),
      narrows("racks", {}, true),
      narrows("drives", {}, true),
      narrows("nics", {}, true),
      narrows("port_rate", {}, true),
      narrows("per", {"port", "NIC", "GPU", "rack"}),
      narrows("nvlink"),
      narrows("mnnvl", {"on", "off"}),
      narrows("sharp", {"on", "off"}),
      narrows("cuda_graph", {"on", "off"}),
      narrows("gpudirect", {"on", "off"}),
      narrows("transport"),
      narrows("algorithm"),
      narrows("tolerance"),
      narrows("read_by"),
      narrows("layout"),
      // What somebody said in a discussion is a round number, and judges nobody.
      narrows("said_by"),
  };
}

}  // namespace

std::span<const FigureCondition> figure_conditions() {
  static const std::vector<FigureCondition> all = make_conditions();
  return all;
}

std::span<const FigureKey> figure_keys() {
  static const std::vector<FigureKey> all = make_keys();
  return all;
}

const FigureCondition* figure_condition(std::string_view name) {
  for (const FigureCondition& condition : figure_conditions())
    if (condition.name == name) return &condition;
  return nullptr;
}

const FigureKey* figure_key(std::string_view key) {
  for (const FigureKey& one : figure_keys())
    if (one.key == key) return &one;
  return nullptr;
}

std::vector<std::string> conditions_of(const FigureKey& key) {
  std::vector<std::string> names(key.conditions.begin(), key.conditions.end());
  for (const FigureCondition& condition : figure_conditions())
    if (condition.is_everywhere) names.emplace_back(condition.name);
  return names;
}

std::string condition_of(const Figure& figure, std::string_view condition) {
  const auto found = figure.conditions.find(std::string(condition));
  return found == figure.conditions.end() ? std::string() : found->second;
}

bool is_remark(std::string_view condition) {
  const FigureCondition* known = figure_condition(condition);
  return known != nullptr && known->role == ConditionRole::remarks;
}

bool is_special(const Figure& figure) {
  return std::any_of(figure.conditions.begin(), figure.conditions.end(), [](const auto& one) {
    const FigureCondition* known = figure_condition(one.first);
    return known != nullptr && known->is_special && one.second != "on";
  });
}

}  // namespace fabricheck
