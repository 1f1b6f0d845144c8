#include "app/rank_devices.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "app/environment_variable.hpp"
#include "app/probe_host.hpp"
#include "core/glob.hpp"
#include "report/report.hpp"
#include "topology/model/cpu_list.hpp"
#include "topology/probe/probe.hpp"

namespace fabricheck::app {
namespace {

using control::AgreedError;
using control::together;

constexpr int gpu_deadlines_in_one = 3;

std::string line_of(const std::string& lines, int number) {
  std::istringstream in(lines);
  std::string line;
  for (int i = 0; i <= number; ++i) std::getline(in, line);
  return line;
}

/// What the leader of a host tells its other ranks.
struct HostWords {
  std::string host, nics, busy;
};

HostWords words_of(const Host& probed, const std::string& name, int local_ranks,
                   const std::set<std::int64_t>& processes, const RunOptions& options) {
  const std::vector<std::size_t> driven =
      driven_gpus(probed, local_ranks, environment("CUDA_VISIBLE_DEVICES"));
  Host brief;
  brief.name = name;
  brief.numa_nodes = probed.numa_nodes;
  brief.rdma_devices = probed.rdma_devices;
  for (const std::size_t index : driven) brief.gpus.push_back(probed.gpus[index]);
  HostWords words{report::host_to_json(brief), chosen_nics(probed, local_ranks, driven, options.links), {}};
  // Before any rank of this job opens one.
  if (needs_gpus(options) && std::filesystem::exists("/dev/nvidiactl"))
    words.busy = busy_to_text(busy_gpus("/", processes));
  return words;
}

void open_this_ranks_gpu(const Host& host, int local_rank, int local_ranks, const std::string& busy,
                         const RunOptions& options, const Hooks& hooks, RankDevices& devices) {
  std::shared_ptr<cuda::Runtime> runtime =
      hooks.cuda_runtime ? hooks.cuda_runtime(host.name) : cuda::open_runtime(host.name);
  devices.gpu = open_gpu(std::move(runtime), host, local_rank, local_ranks, busy_from_text(busy), options.gpu,
                         gpu_deadline_ns(options));
  devices.port->gpu = devices.gpu;
  devices.gpu_settings = gpu_settings(host, *devices.gpu, options.gpu);
  devices.nccl_log = capture_nccl_log(host.name, options.gpu);
  devices.nccl = nccl_settings(devices.gpu, options.gpu, devices.nccl_log.file);
  // NCCL refuses two ranks of one host on one GPU; as ranks of different hosts they talk over sockets.
  if (devices.gpu->ranks_per_gpu > 1)
    ::setenv("NCCL_HOSTID", fmt::format("{}-{}", host.name, local_rank).c_str(), 0);
}

/// NVML's number of the GPU that this rank drives; `otherwise` where the leader of the host does not see it.
std::optional<int> index_at(const Host& host, const cuda::Setup& setup, std::optional<int> otherwise) {
  for (const Gpu& gpu : host.gpus)
    if (gpu.pci_address == setup.device->facts().pci_address) return gpu.index;
  return otherwise;
}

}  // namespace

bool needs_gpus(const RunOptions& options) {
  const std::vector<CheckRow> rows = catalogue();
  return std::any_of(rows.begin(), rows.end(), [&](const CheckRow& row) {
    return row.needs_gpu && row.unavailable_reason.empty() && is_selected(row.id, options.only, options.skip);
  });
}

std::int64_t gpu_deadline_ns(const RunOptions& options) {
  return std::chrono::nanoseconds(options.deadline).count() / gpu_deadlines_in_one;
}

std::optional<AgreedError> open_devices(Communicator& world, const std::string& host_name,
                                        const std::optional<Host>& probed, const RunOptions& options,
                                        const Hooks& hooks, Places& places, RankDevices& devices) {
  const std::unique_ptr<Communicator> node =
      world.split(places.topology.ranks[static_cast<std::size_t>(world.rank())].host, world.rank());
  std::set<std::int64_t> processes;
  for (const std::string& one : allgather_strings(*node, std::to_string(::getpid())))
    processes.insert(std::stoll(one));
  HostWords words;
  if (auto failed = together(world, host_name, [&] {
        if (places.leader) words = words_of(probed.value(), host_name, node->size(), processes, options);
      }))
    return failed;
  for (std::string* text : {&words.busy, &words.host, &words.nics}) *text = broadcast_string(*node, *text, 0);
  std::string mine;
  if (auto failed = together(world, host_name, [&] {
        const Host host = report::host_from_json(words.host, "the host's description");
        std::optional<int> gpu;
        const std::size_t local = static_cast<std::size_t>(places.local_rank);
        if (local < host.gpus.size()) gpu = host.gpus[local].index;
        if (options.gpu.share && !host.gpus.empty()) gpu = host.gpus[local % host.gpus.size()].index;
        if (options.bind_numa) gpu = bind_near_gpu(host, places.local_rank, node->size());
        RankPort port;
        devices.port = std::make_shared<verbs::Setup>(
            open_port(line_of(words.nics, places.local_rank), host, options, environment, port));
        if (needs_gpus(options)) {
          open_this_ranks_gpu(host, places.local_rank, node->size(), words.busy, options, hooks, devices);
          if (devices.gpu->device) gpu = index_at(probed.value_or(host), *devices.gpu, gpu);
        }
        mine = (gpu ? std::to_string(*gpu) : std::string("-")) + ' ' + topology::allowed_cpus() + '\n' +
               rank_port_to_text(port);
      }))
    return failed;
  if (devices.gpu)
    for (const std::string& one : allgather_strings(world, rank_gpu_to_text(rank_gpu_of(*devices.gpu))))
      devices.gpus.push_back(rank_gpu_from_text(one));
  if (auto failed = together(world, host_name, [&] {
        if (!devices.gpu || options.gpu.share) return;
        if (const std::string why = shared_because(devices.gpus, places.topology); !why.empty())
          throw UsageError(why);
      }))
    return failed;
  const std::vector<std::string> all = allgather_strings(world, mine);
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    RankPlace& place = places.topology.ranks[rank];
    const auto space = all[rank].find(' '), line = all[rank].find('\n');
    if (all[rank][0] != '-') place.gpu = std::stoi(all[rank].substr(0, space));
    place.cpus = all[rank].substr(space + 1, line - space - 1);
    devices.ports.push_back(rank_port_from_text(all[rank].substr(line + 1)));
  }
  return std::nullopt;
}

}  // namespace fabricheck::app
