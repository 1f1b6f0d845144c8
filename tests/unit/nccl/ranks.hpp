// Ranks as threads, each with a GPU of the stand-in's and the stand-in for NCCL.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include "collectives/nccl/captured_log.hpp"
#include "collectives/nccl/catalog.hpp"
#include "core/error.hpp"
#include "core/thread_communicator.hpp"
#include "core/timed_sampler.hpp"
#include "support/cuda/host_device.hpp"
#include "support/own_folder.hpp"
#include "support/sampling.hpp"

namespace fabricheck::collectives::nccl {

/// The stand-in's faults, for as long as this lives.
class Faults {
 public:
  explicit Faults(const std::string& words) { ::setenv("FABRICHECK_STANDIN_NCCL", words.c_str(), 1); }
  ~Faults() { ::unsetenv("FABRICHECK_STANDIN_NCCL"); }
  Faults(const Faults&) = delete;
  Faults& operator=(const Faults&) = delete;
};

/// NCCL's log of this process, captured for as long as this lives.
class CapturedLog {
 public:
  CapturedLog() : file_(folder_.path() + "/captured.log") {
    ::setenv("NCCL_DEBUG", "INFO", 1);
    ::setenv("NCCL_DEBUG_SUBSYS", "INIT,NET,GRAPH,TUNING", 1);
    ::setenv("NCCL_DEBUG_FILE", file_.c_str(), 1);
  }
  ~CapturedLog() {
    for (const char* name : {"NCCL_DEBUG", "NCCL_DEBUG_SUBSYS", "NCCL_DEBUG_FILE"}) ::unsetenv(name);
    put_log_away(file_, "");
  }
  CapturedLog(const CapturedLog&) = delete;
  CapturedLog& operator=(const CapturedLog&) = delete;
  const std::string& file() const { return file_; }

 private:
  test::OwnFolder folder_;
  std::string file_;
};

struct Wish {
  std::string id{"nccl.allreduce.latency"};
  int ranks{2};
  std::uint64_t bytes{4096};
  Variant variant;
  std::uint64_t wanted{20};
  std::string library{STANDIN_NCCL};
  std::string last_ranks_library;  ///< empty: the same
  std::string log_file;
  bool cuda_graph{}, register_buffers{};
  std::uint64_t gpu_memory_bytes{std::uint64_t{64} << 20};
  std::int64_t deadline_ns{20'000'000'000};
  std::shared_ptr<test::HostAccount> account{std::make_shared<test::HostAccount>()};
};

struct Outcome {
  std::vector<std::string> thrown;  ///< by rank: when the operation was made
  std::vector<bool> unavailable;    ///< that was Unavailable
  std::vector<bool> echo;           ///< that was an Echo
  std::vector<SamplingResult> results;
  std::map<std::string, Parameter> path;
};

inline CheckRow row_of(const std::string& id, const std::shared_ptr<const Settings>& settings) {
  for (CheckRow& row : catalog(settings))
    if (row.id == id) return row;
  throw Error("no row " + id);
}

/// World ranks begin at `first_rank`, so that two runs of one test use communicators of their own.
inline Outcome measure(const Wish& wish, int first_rank = 0) {
  Outcome outcome;
  const auto ranks = static_cast<std::size_t>(wish.ranks);
  outcome.thrown.resize(ranks);
  outcome.unavailable.resize(ranks);
  outcome.echo.resize(ranks);
  outcome.results.resize(ranks);
  std::mutex mutex;
  std::vector<test::HostGpu> gpus(ranks);
  for (test::HostGpu& gpu : gpus) gpu.facts.memory_bytes = wish.gpu_memory_bytes;
  const std::shared_ptr<cuda::Runtime> runtime = test::make_host_runtime(gpus, nullptr, wish.account);
  run_ranks(wish.ranks, [&](Communicator& world) {
    const auto rank = static_cast<std::size_t>(world.rank());
    const SteadyClock clock;
    Progress progress;
    auto gpu = std::make_shared<cuda::Setup>();
    gpu->runtime = runtime;
    gpu->device = runtime->open(world.rank());
    gpu->deadline_ns = wish.deadline_ns;
    auto settings = std::make_shared<Settings>();
    const bool is_odd = world.rank() + 1 == wish.ranks && !wish.last_ranks_library.empty();
    settings->library = is_odd ? wish.last_ranks_library : wish.library;
    settings->log_file = wish.log_file;
    settings->cuda_graph = wish.cuda_graph;
    settings->register_buffers = wish.register_buffers;
    settings->gpu = gpu;
    TimedRequest request;
    request.group = &world;
    for (int i = 0; i < wish.ranks; ++i) request.world_ranks.push_back(first_rank + i);
    request.clock = &clock;
    request.bytes = wish.bytes;
    request.variant = wish.variant;
    request.world_rank = first_rank + world.rank();
    request.host = "n1";
    std::unique_ptr<TimedOperation> operation;
    try {
      operation = row_of(wish.id, settings).make_timed(request);
    } catch (const std::exception& error) {
      const std::lock_guard lock(mutex);
      outcome.thrown[rank] = error.what();
      outcome.unavailable[rank] = dynamic_cast<const Unavailable*>(&error) != nullptr;
      outcome.echo[rank] = dynamic_cast<const Echo*>(&error) != nullptr;
    }
    if (!operation) return;
    SamplingPlan plan;
    plan.budget_ns = 20'000'000'000;
    plan.wanted_samples = wish.wanted;
    plan.bytes = wish.bytes;
    const SamplingWorld sampling = test::sampling_world(world, clock, progress, request.host, first_rank);
    outcome.results[rank] = run_timed_sampler(*operation, plan, sampling, test::at_least(wish.wanted));
    if (rank == 0) outcome.path = operation->path();
    world.barrier();
  });
  return outcome;
}

}  // namespace fabricheck::collectives::nccl
