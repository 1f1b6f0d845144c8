#include "app/gpu_world.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "app/probe_host.hpp"
#include "core/text.hpp"
#include "core/units.hpp"
#include "fabric/pairs/schedule.hpp"
#include "node/active.hpp"
#include "plan/gpu_targets.hpp"
#include "topology/model/host_names.hpp"
#include "topology/model/merge.hpp"
#include "topology/probe/gpu_sampler.hpp"
#include "topology/probe/probe.hpp"

namespace fabricheck::app {
namespace {

std::string words_of(const Gpu& gpu) {
  return gpu.pci_address.empty() ? fmt::format("GPU {}", gpu.index)
                                 : fmt::format("GPU {} ({})", gpu.index, gpu.pci_address);
}

GpuChoice none(std::string why, int ranks_per_gpu = 1) {
  GpuChoice choice;
  choice.unavailable = std::move(why);
  choice.ranks_per_gpu = ranks_per_gpu;
  return choice;
}

/// Of the lowest architecture that the kernels are built for (scripts/cmake/FabricheckBackends.cmake).
constexpr int least_major = 8;

/// CUDA_VISIBLE_DEVICES that names none: CUDA ends at the first entry that it does not know.
bool hides_all(const char* visible) {
  if (visible == nullptr) return false;
  const std::string_view text(visible);
  return text.empty() ||
         (text.find_first_of("0123456789") != 0 && !text.starts_with("GPU-") && !text.starts_with("MIG-"));
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

/// Other users' processes do not show without root, nor do those outside a container; the memory that they
/// hold does. Contexts of this run's own ranks, half a gigabyte each, are far less. Empty: nobody.
std::string taken_words(cuda::Device& device, const Host& host) {
  constexpr std::uint64_t most_percent = 10, whole = 100;
  const cuda::MemoryLeft left = device.memory_left();
  const std::uint64_t used = left.total_bytes - std::min(left.free_bytes, left.total_bytes);
  if (used <= left.total_bytes / whole * most_percent) return "";
  return fmt::format(
      "{} of {} has {} of {} memory in use already: it is left alone (nvidia-smi shows by whom, as root and "
      "outside containers)",
      cuda::gpu_words(device.facts()), host.name, format_bytes(used), format_bytes(left.total_bytes));
}

std::uint64_t limit_of(cuda::Device& device, const GpuOptions& options, int ranks_per_gpu) {
  constexpr std::uint64_t whole = 100, most_percent = 95;
  const std::uint64_t each =
      device.memory_left().free_bytes / whole / static_cast<std::uint64_t>(ranks_per_gpu);
  if (options.memory_bytes > 0) return std::min(options.memory_bytes, each * most_percent);
  return each * static_cast<std::uint64_t>(options.memory_percent);
}

}  // namespace

BusyGpus busy_gpus(const std::string& sysroot, const std::set<std::int64_t>& own) {
  BusyGpus busy;
  for (const auto& [address, user] : node::gpu_users(sysroot, own))
    busy[address] = fmt::format("is open in {} (process {})", user.command, user.pid);
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

namespace {

/// Of a GPU that NVML told of and CUDA does not show.
GpuChoice missing(const Gpu& gpu, const std::string& host, std::size_t shown) {
  GpuChoice choice =
      none(gpu.status == "answers"
               ? fmt::format("{} of {} is not among the {} that CUDA shows this process; look at "
                             "CUDA_VISIBLE_DEVICES and the kernel log",
                             words_of(gpu), host, shown)
               : fmt::format("{} of {} {}{}", words_of(gpu), host,
                             gpu.status == "state not known" ? "cannot be used, and its state is not known"
                                                             : "does not answer",
                             gpu.problem.empty() ? "" : fmt::format(" ({})", gpu.problem)));
  choice.is_missing = true;
  return choice;
}

/// Of a rank for which there is none left.
GpuChoice surplus(const std::string& host, std::size_t gpus, std::size_t ranks) {
  GpuChoice choice = none(fmt::format("{} has {} for {} ranks", host, counted(gpus, "GPU"), ranks));
  choice.is_surplus = true;
  return choice;
}

}  // namespace

GpuChoice choose_gpu(const Host& host, const std::vector<cuda::DeviceFacts>& devices, int local_rank,
                     int local_ranks, bool share, const BusyGpus& busy) {
  const auto device_at = [&](const std::string& address) {
    return std::find_if(devices.begin(), devices.end(),
                        [&](const cuda::DeviceFacts& one) { return one.pci_address == address; });
  };
  const auto ranks = static_cast<std::size_t>(local_ranks), rank = static_cast<std::size_t>(local_rank);
  std::vector<Gpu> shown;
  for (const Gpu& gpu : host.gpus)
    if (device_at(gpu.pci_address) != devices.end()) shown.push_back(gpu);
  const bool are_enough = shown.size() >= ranks || (share && !shown.empty());
  const std::vector<Gpu>& gpus = are_enough ? shown : host.gpus;
  const bool has_its_own = devices.size() == 1 && (shown.empty() || host.gpus.size() > 1);
  const bool by_nvml = !host.gpus.empty() && !has_its_own;
  const std::size_t count = by_nvml ? gpus.size() : devices.size();
  if (count == 0) return none(fmt::format("no CUDA device on {}", host.name));
  const int ranks_per_gpu = share ? static_cast<int>((ranks + count - 1) / count) : 1;
  if (rank >= count && !share && !has_its_own) return surplus(host.name, count, ranks);
  const std::size_t place = rank % count;
  GpuChoice choice;
  choice.ranks_per_gpu = std::max(1, ranks_per_gpu);
  const auto take = [&](cuda::DeviceFacts device, std::optional<int> number) {
    device.number = number;
    const std::string words = cuda::gpu_words(device);
    const std::string why = left_alone(device, busy);
    if (!why.empty())
      return none(fmt::format("{} of {} {}: it is left alone", words, host.name, why), choice.ranks_per_gpu);
    if (device.major < least_major)
      return none(fmt::format("{} of {} has compute capability {}.{}, and this build has kernels for {}.0 "
                              "and later",
                              words, host.name, device.major, device.minor, least_major),
                  choice.ranks_per_gpu);
    choice.ordinal = device.ordinal;
    choice.number = number;
    return choice;
  };
  const auto is_divided = [&](const Gpu& gpu) {
    return none(fmt::format("{} of {} is divided by MIG: it is left alone", words_of(gpu), host.name));
  };
  if (!by_nvml) {
    const cuda::DeviceFacts& device = devices[place];
    for (const Gpu& gpu : shown)
      if (gpu.pci_address == device.pci_address)
        return gpu.mig_enabled.value_or(false) ? is_divided(gpu) : take(device, gpu.index);
    return take(device, std::nullopt);
  }
  const Gpu& gpu = gpus[place];
  if (gpu.mig_enabled.value_or(false)) return is_divided(gpu);
  const auto device = device_at(gpu.pci_address);
  return device == devices.end() ? missing(gpu, host.name, devices.size()) : take(*device, gpu.index);
}

std::shared_ptr<cuda::Setup> open_gpu(std::shared_ptr<cuda::Runtime> runtime, const Host& host,
                                      int local_rank, int local_ranks, const BusyGpus& busy,
                                      const GpuOptions& options, std::int64_t deadline_ns) {
  auto setup = std::make_shared<cuda::Setup>();
  setup->runtime = std::move(runtime);
  setup->deadline_ns = deadline_ns;
  const bool is_expected = !host.gpus.empty() && !hides_all(std::getenv("CUDA_VISIBLE_DEVICES"));
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
    setup->is_surplus = choice.is_surplus;
    (choice.is_missing && is_expected ? setup->problem : setup->unavailable) = choice.unavailable;
    if (choice.ordinal < 0) return setup;
    setup->device = setup->runtime->open(choice.ordinal, choice.number);
    if (const std::string taken = options.share ? "" : taken_words(*setup->device, host); !taken.empty()) {
      setup->device.reset();
      setup->unavailable = taken;
      return setup;
    }
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
  gpu.problem = setup.problem;
  gpu.is_surplus = setup.is_surplus;
  if (setup.device) gpu.pci_address = setup.device->facts().pci_address;
  return gpu;
}

std::string rank_gpu_to_text(const RankGpu& gpu) {
  const auto on_one_line = [](std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](char one) { return one == '\t' || one == '\n'; }, ' ');
    return text;
  };
  return fmt::format("{}\t{}\t{}\t{}\t{}", gpu.pci_address, gpu.ranks_per_gpu, gpu.is_surplus ? 1 : 0,
                     on_one_line(gpu.unavailable), on_one_line(gpu.problem));
}

RankGpu rank_gpu_from_text(const std::string& text) {
  std::istringstream fields(text);
  const auto next = [&fields] {
    std::string field;
    std::getline(fields, field, '\t');
    return field;
  };
  RankGpu gpu;
  gpu.pci_address = next();
  gpu.ranks_per_gpu = std::stoi(next());
  gpu.is_surplus = next() == "1";
  gpu.unavailable = next();
  gpu.problem = next();
  return gpu;
}

std::string shared_because(const std::vector<RankGpu>& gpus, const ClusterTopology& topology) {
  constexpr const char* because = "two ranks on one GPU measure each other";
  std::map<std::pair<int, std::string>, int> driven_by;
  for (const RankPlace& place : topology.ranks) {
    const RankGpu& gpu = gpus[static_cast<std::size_t>(place.rank)];
    if (gpu.is_surplus)
      return fmt::format(
          "{}, as rank {} sees it: {}; start one rank per GPU, give each rank its own (srun "
          "--gpus-per-task=1), or say --share-gpus",
          gpu.unavailable, place.rank, because);
    if (gpu.pci_address.empty()) continue;
    const auto [other, is_first] = driven_by.emplace(std::pair(place.host, gpu.pci_address), place.rank);
    if (!is_first)
      return fmt::format(
          "ranks {} and {} were both given the GPU {} of one host: {}; give each its own (srun "
          "--gpus-per-task=1, CUDA_VISIBLE_DEVICES), or say --share-gpus",
          other->second, place.rank, gpu.pci_address, because);
  }
  return "";
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
  std::error_code nowhere;  // TMPDIR may name a folder that is not there
  const std::filesystem::path folder = std::filesystem::temp_directory_path(nowhere);
  return collectives::nccl::capture_log(nowhere ? "/tmp" : folder.string(), host, options.cuda_graph);
}

namespace {

/// GPUs that answer and that no rank was started for, hosts with the same ones together.
std::vector<NotTested> not_driven(const std::vector<RankGpu>& gpus, const ClusterTopology& topology) {
  std::map<std::string, std::vector<std::string>> hosts_by_gpus;
  for (std::size_t i = 0; i < topology.hosts.size(); ++i) {
    const auto kind = static_cast<std::size_t>(topology.hosts[i].kind);
    if (kind >= topology.kinds.size()) continue;
    std::set<std::string> driven;
    std::size_t ranks = 0, named = 0;
    for (const RankPlace& place : topology.ranks) {
      if (place.host != static_cast<int>(i)) continue;
      ++ranks;
      const RankGpu& gpu = gpus[static_cast<std::size_t>(place.rank)];
      named += gpu.unavailable.empty() && gpu.problem.empty() ? 0 : 1;
      if (!gpu.pci_address.empty()) driven.insert(gpu.pci_address);
    }
    std::vector<int> left;
    const Host host = topology::whole_host(topology, i);
    for (const std::size_t index : usable_gpus(host))
      if (!driven.contains(host.gpus[index].pci_address)) left.push_back(host.gpus[index].index);
    // What a rank could not use is told by that rank.
    if (ranks == 0 || left.size() <= named) continue;
    const std::string words = named == 0 ? fmt::format("GPU {}", fmt::join(left, ", "))
                                         : fmt::format("{} more {}", left.size() - named,
                                                       left.size() - named == 1 ? "GPU" : "GPUs");
    hosts_by_gpus[words].push_back(topology.hosts[i].name);
  }
  std::vector<NotTested> all;
  all.reserve(hosts_by_gpus.size());
  for (const auto& [words, hosts] : hosts_by_gpus)
    all.push_back(
        {"gpu", fmt::format("no rank was started for {} of {}", words, topology::fold_names(hosts))});
  return all;
}

}  // namespace

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
  for (std::size_t rank = 0; rank < gpus.size(); ++rank)
    if (gpus[rank].pci_address.empty()) request.without_gpu.insert(static_cast<int>(rank));
  if (request.without_gpu.size() == gpus.size()) request.without_gpu.clear();
  std::vector<NotTested> left_out = not_driven(gpus, topology);
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
    left_out.push_back(
        {"gpu.platform",
         "no single platform is known for all these GPUs, so there is nothing to hold them against "
         "but --targets; fabricheck list platforms shows what --platform takes"});
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
    asked.better = row.metric.better();
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
