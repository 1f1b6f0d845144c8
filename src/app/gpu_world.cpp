#include "app/gpu_world.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "fabric/pairs/schedule.hpp"
#include "node/active.hpp"
#include "plan/gpu_targets.hpp"
#include "topology/probe/gpu_sampler.hpp"
#include "topology/probe/probe.hpp"

namespace fabricheck::app {
namespace {

std::string words_of(const Gpu& gpu) { return fmt::format("GPU {} ({})", gpu.index, gpu.pci_address); }

GpuChoice none(std::string why, int ranks_per_gpu = 1) {
  GpuChoice choice;
  choice.unavailable = std::move(why);
  choice.ranks_per_gpu = ranks_per_gpu;
  return choice;
}

/// What the driver says of a GPU that is not to be disturbed; empty: nothing.
std::string left_alone(const cuda::DeviceFacts& device, const BusyGpus& busy) {
  if (const auto user = busy.find(device.pci_address); user != busy.end()) return user->second;
  if (device.compute_mode != "default")
    return fmt::format("is in {} compute mode (nvidia-smi -c 0 lets several processes use it)",
                       device.compute_mode);
  return "";
}

/// What NVML says while a GPU works.
class NvmlMonitor final : public node::gpu::GpuMonitor {
 public:
  explicit NvmlMonitor(const std::string& pci_address)
      : sampler_(topology::ProbeOptions{}.nvml_library, pci_address, interval) {}
  std::optional<node::gpu::GpuSample> sample() override {
    const auto health = sampler_.sample();
    if (!health) return std::nullopt;
    return node::gpu::sample_of(*health);
  }

 private:
  static constexpr std::chrono::milliseconds interval{100};
  topology::GpuSampler sampler_;
};

std::uint64_t limit_of(cuda::Device& device, const GpuOptions& options, int ranks_per_gpu) {
  if (options.memory_bytes > 0) return options.memory_bytes;
  constexpr std::uint64_t whole = 100;
  return device.memory_left().free_bytes / whole * static_cast<std::uint64_t>(options.memory_percent) /
         static_cast<std::uint64_t>(ranks_per_gpu);
}

}  // namespace

BusyGpus busy_gpus(const std::string& sysroot, const std::set<std::int64_t>& own) {
  BusyGpus busy;
  for (const auto& [address, user] : node::gpu_users(sysroot, own))
    busy[address] = fmt::format("is used by {} (process {})", user.command, user.pid);
  return busy;
}

std::string busy_to_text(const BusyGpus& busy) {
  std::string text;
  for (const auto& [address, why] : busy) text += fmt::format("{}\t{}\t", address, why);
  return text;
}

BusyGpus busy_from_text(const std::string& text) {
  BusyGpus busy;
  std::istringstream in(text);
  std::string address, why;
  while (std::getline(in, address, '\t') && std::getline(in, why, '\t')) busy[address] = why;
  return busy;
}

GpuChoice choose_gpu(const Host& host, const std::vector<cuda::DeviceFacts>& devices, int local_rank,
                     int local_ranks, bool share, const BusyGpus& busy) {
  const bool by_nvml = !host.gpus.empty();
  const std::size_t count = by_nvml ? host.gpus.size() : devices.size();
  if (count == 0) return none(fmt::format("no CUDA device on {}", host.name));
  const auto ranks = static_cast<std::size_t>(local_ranks), rank = static_cast<std::size_t>(local_rank);
  const int ranks_per_gpu = static_cast<int>((ranks + count - 1) / count);
  if (rank >= count && !share)
    return none(fmt::format("{} has {} GPU{} for {} ranks", host.name, count, count == 1 ? "" : "s", ranks));
  const std::size_t place = rank % count;
  GpuChoice choice;
  choice.ranks_per_gpu = std::max(1, ranks_per_gpu);
  const auto take = [&](const cuda::DeviceFacts& device, const std::string& words) {
    const std::string why = left_alone(device, busy);
    if (!why.empty())
      return none(fmt::format("{} of {} {}: it is left alone", words, host.name, why), choice.ranks_per_gpu);
    choice.ordinal = device.ordinal;
    return choice;
  };
  if (!by_nvml) {
    const cuda::DeviceFacts& device = devices[place];
    return take(device, fmt::format("GPU {} ({})", device.ordinal, device.pci_address));
  }
  const Gpu& gpu = host.gpus[place];
  if (gpu.mig_enabled.value_or(false))
    return none(fmt::format("{} of {} is divided by MIG: it is left alone", words_of(gpu), host.name));
  const auto device = std::find_if(devices.begin(), devices.end(), [&](const cuda::DeviceFacts& one) {
    return one.pci_address == gpu.pci_address;
  });
  if (device == devices.end()) {
    GpuChoice missing = none(
        fmt::format("{} of {} is not among the {} that CUDA shows this process; look at CUDA_VISIBLE_DEVICES",
                    words_of(gpu), host.name, devices.size()));
    missing.is_missing = true;
    return missing;
  }
  return take(*device, words_of(gpu));
}

std::shared_ptr<cuda::Setup> open_gpu(std::shared_ptr<cuda::Runtime> runtime, const Host& host,
                                      int local_rank, int local_ranks, const BusyGpus& busy,
                                      const GpuOptions& options, std::int64_t deadline_ns) {
  auto setup = std::make_shared<cuda::Setup>();
  setup->runtime = std::move(runtime);
  setup->deadline_ns = deadline_ns;
  const bool is_expected = !host.gpus.empty() && std::getenv("CUDA_VISIBLE_DEVICES") == nullptr;
  std::vector<cuda::DeviceFacts> devices;
  try {
    devices = setup->runtime->devices();
  } catch (const Unavailable& reason) {
    (is_expected ? setup->problem : setup->unavailable) = reason.what();
    return setup;
  } catch (const Error& error) {
    setup->problem = error.what();
    return setup;
  }
  try {
    const GpuChoice choice = choose_gpu(host, devices, local_rank, local_ranks, options.share, busy);
    setup->ranks_per_gpu = choice.ranks_per_gpu;
    (choice.is_missing && is_expected ? setup->problem : setup->unavailable) = choice.unavailable;
    if (choice.ordinal < 0) return setup;
    setup->device = setup->runtime->open(choice.ordinal);
    setup->memory_limit_bytes = limit_of(*setup->device, options, choice.ranks_per_gpu);
  } catch (const Unavailable& reason) {
    setup->unavailable = reason.what();
  } catch (const Error& error) {
    setup->problem = error.what();
  }
  return setup;
}

RankGpu rank_gpu_of(const cuda::Setup& setup) {
  RankGpu gpu;
  gpu.ranks_per_gpu = setup.ranks_per_gpu;
  gpu.unavailable = setup.unavailable;
  if (setup.device) gpu.pci_address = setup.device->facts().pci_address;
  return gpu;
}

std::string rank_gpu_to_text(const RankGpu& gpu) {
  std::string reason = gpu.unavailable;
  std::replace_if(
      reason.begin(), reason.end(), [](char one) { return one == '\t' || one == '\n'; }, ' ');
  return fmt::format("{}\t{}\t{}", gpu.pci_address, gpu.ranks_per_gpu, reason);
}

RankGpu rank_gpu_from_text(const std::string& text) {
  const std::size_t first = text.find('\t'), second = text.find('\t', first + 1);
  RankGpu gpu;
  gpu.pci_address = text.substr(0, first);
  gpu.ranks_per_gpu = std::stoi(text.substr(first + 1, second - first - 1));
  gpu.unavailable = text.substr(second + 1);
  return gpu;
}

std::vector<plan::PairRound> gpu_pairs(const std::vector<RankGpu>& gpus, const ClusterTopology& topology) {
  // Of ranks that share a GPU the first takes part.
  std::vector<std::vector<int>> by_host(topology.hosts.size());
  std::set<std::pair<int, std::string>> seen;
  for (const RankPlace& place : topology.ranks) {
    const std::string& address = gpus[static_cast<std::size_t>(place.rank)].pci_address;
    if (!address.empty() && seen.emplace(place.host, address).second)
      by_host[static_cast<std::size_t>(place.host)].push_back(place.rank);
  }
  std::vector<plan::PairRound> rounds;
  for (const std::vector<int>& ranks : by_host) {
    if (ranks.size() < 2) continue;
    const auto schedule = fabric::tournament(static_cast<int>(ranks.size()));
    if (rounds.size() < schedule.size()) rounds.resize(schedule.size());
    for (std::size_t round = 0; round < schedule.size(); ++round)
      for (const auto& [a, b] : schedule[round]) {
        plan::Pair pair;
        pair.from = ranks[static_cast<std::size_t>(a)];
        pair.to = ranks[static_cast<std::size_t>(b)];
        rounds[round].push_back(pair);
      }
  }
  return rounds;
}

std::shared_ptr<node::gpu::Settings> gpu_settings(const Host& host, const cuda::Setup& setup,
                                                  const GpuOptions& options) {
  auto settings = std::make_shared<node::gpu::Settings>();
  if (setup.device) settings->numa = node::gpu::numa_places(host, setup.device->facts().pci_address);
  if (options.burn.count() > 0) settings->burn_ns = options.burn.count();
  settings->open_monitor = [](const std::string& pci_address) {
    return std::make_unique<NvmlMonitor>(pci_address);
  };
  return settings;
}

std::shared_ptr<collectives::nccl::Settings> nccl_settings(const std::shared_ptr<const cuda::Setup>& gpu,
                                                           const GpuOptions& options, std::string log_file) {
  auto settings = std::make_shared<collectives::nccl::Settings>();
  settings->library = options.nccl_library;
  settings->cuda_graph = options.cuda_graph;
  settings->register_buffers = options.register_buffers;
  settings->gpu = gpu;
  settings->log_file = std::move(log_file);
  return settings;
}

collectives::nccl::LogCapture capture_nccl_log(const std::string& host, const GpuOptions& options) {
  return collectives::nccl::capture_log(std::filesystem::temp_directory_path().string(), host,
                                        options.cuda_graph);
}

void put_nccl_log_away(const std::string& log_file, const std::string& keep_in) {
  if (log_file.empty()) return;
  std::error_code ignored;  // it is a copy of what the checks' paths tell
  if (!keep_in.empty())
    std::filesystem::copy_file(log_file, std::filesystem::path(keep_in) / "nccl.log",
                               std::filesystem::copy_options::overwrite_existing, ignored);
  std::filesystem::remove(log_file, ignored);
}

std::vector<NotTested> plan_gpus(const std::vector<RankGpu>& gpus, const ClusterTopology& topology,
                                 const Platform* platform, bool whole, bool nvls,
                                 std::span<const CheckRow> rows, plan::Request& request) {
  const bool any =
      std::any_of(gpus.begin(), gpus.end(), [](const RankGpu& one) { return one.unavailable.empty(); });
  if (!any) {
    request.no_gpu = gpus.empty() ? "no rank was asked" : gpus.front().unavailable;
    return {};
  }
  request.gpu_pairs = gpu_pairs(gpus, topology);
  std::vector<NotTested> left_out;
  std::set<std::string> reasons;
  for (const RankGpu& gpu : gpus)
    if (!gpu.unavailable.empty() && reasons.insert(gpu.unavailable).second)
      left_out.push_back({"gpu", gpu.unavailable});
  const bool shared =
      std::any_of(gpus.begin(), gpus.end(), [](const RankGpu& one) { return one.ranks_per_gpu > 1; });
  if (shared) {
    const auto is_of_gpus = [&](const Target& target) {
      return std::any_of(rows.begin(), rows.end(),
                         [&](const CheckRow& row) { return row.needs_gpu && row.id == target.check; });
    };
    std::erase_if(request.targets, is_of_gpus);
    left_out.push_back({"gpu", "several ranks share a GPU: what runs on it is shown and never judged"});
    return left_out;
  }
  if (!platform) {
    left_out.push_back({"gpu.platform",
                        "no platform is known for these GPUs, so there is nothing to hold them against but "
                        "--targets; fabricheck list platforms shows what --platform takes"});
    return left_out;
  }
  request.platform_target =
      [platform, whole, nvls](const CheckRow& row, const plan::PlannedCheck& check) -> std::optional<Target> {
    if (!row.needs_gpu) return std::nullopt;
    // What is published is of sums of floats over all GPUs of a node.
    const bool usual = check.variant.type == DataType::float32 && check.variant.reduction == Reduction::sum;
    const bool even = std::all_of(
        check.groups.begin(), check.groups.end(),
        [&](const std::vector<int>& group) { return group.size() == check.groups.front().size(); });
    if (row.backend == "NCCL" && (!usual || !even)) return std::nullopt;
    plan::GpuCheck asked;
    asked.id = row.id;
    asked.unit = row.unit;
    asked.better = row.better;
    asked.scope = check.scope;
    asked.bytes = check.bytes;
    asked.nodes = check.groups.empty() ? 1 : check.nodes;
    asked.ranks_per_node = check.groups.empty() ? 1 : static_cast<int>(check.groups.front().size());
    asked.nvls = nvls;
    asked.whole = whole;
    return plan::platform_target(*platform, asked);
  };
  return left_out;
}

}  // namespace fabricheck::app
