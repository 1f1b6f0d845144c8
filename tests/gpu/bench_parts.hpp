// What the benchmarks against bare loops share. Lines are "ratio NAME VALUE …", "share …" and "figure …".
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/communicator.hpp"
#include "core/timed_sampler.hpp"
#include "node/gpu/catalog.hpp"

namespace fabricheck::bench {

inline constexpr int turns = 9;
inline constexpr std::size_t iterations = 20;
inline constexpr int no_gpu = 77;

inline void must(cudaError_t state) {
  if (state != cudaSuccess) throw std::runtime_error(cudaGetErrorString(state));
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Microseconds of each of `iterations` calls of `work`, by events between them, after one that is not timed.
inline std::vector<double> bare_us(cudaStream_t stream, const std::function<void()>& work) {
  std::vector<cudaEvent_t> events(iterations + 1);
  for (cudaEvent_t& event : events) must(cudaEventCreate(&event));
  work();
  must(cudaEventRecord(events.front(), stream));
  for (std::size_t i = 1; i <= iterations; ++i) {
    work();
    must(cudaEventRecord(events[i], stream));
  }
  must(cudaEventSynchronize(events.back()));
  std::vector<double> times_us(iterations);
  for (std::size_t i = 0; i < iterations; ++i) {
    float ms = 0.0F;
    must(cudaEventElapsedTime(&ms, events[i], events[i + 1]));
    times_us[i] = 1000.0 * static_cast<double>(ms);
  }
  for (cudaEvent_t& event : events) must(cudaEventDestroy(event));
  return times_us;
}

/// What a ratio must be.
struct Limits {
  double least, most;
};

/// Two buffers and a stream by CUDA alone.
struct Bare {
  explicit Bare(std::uint64_t bytes) {
    must(cudaMalloc(&from, bytes));
    must(cudaMalloc(&to, bytes));
    must(cudaStreamCreate(&stream));
  }
  ~Bare() {
    static_cast<void>(cudaFree(from));
    static_cast<void>(cudaFree(to));
    static_cast<void>(cudaStreamDestroy(stream));
  }
  Bare(const Bare&) = delete;
  Bare& operator=(const Bare&) = delete;
  void *from{}, *to{};
  cudaStream_t stream{};
};

/// Measures with the ranks of `world`, each on the GPU of its `setup`; all of them make the same calls. One
/// rank alone has a SelfCommunicator.
class Bench {
 public:
  Bench(Communicator& world, std::shared_ptr<cuda::Setup> setup) : world_(world), setup_(std::move(setup)) {}

  Communicator& world() const { return world_; }
  const std::shared_ptr<cuda::Setup>& setup() const { return setup_; }
  const Clock& clock() const { return clock_; }
  bool has_missed() const { return missed_; }

  TimedRequest request(std::uint64_t bytes) const {
    TimedRequest one;
    one.group = &world_;
    for (int rank = 0; rank < world_.size(); ++rank) one.world_ranks.push_back(rank);
    one.world_rank = world_.rank();
    one.clock = &clock_;
    one.bytes = bytes;
    one.host = "this host";
    return one;
  }

  /// The median over iterations of the slowest rank.
  double ours_us(TimedOperation& operation) const {
    std::vector<double> times(iterations);
    operation.prepare(0, iterations);
    world_.barrier();
    operation.run(0, times);
    const auto wrong = operation.verify(0, iterations).mismatch;
    if (wrong) throw std::runtime_error(mismatch_words(*wrong));
    world_.allreduce(times, ReduceOp::max);
    return median(times);
  }

  /// The same of a bare loop.
  double bare_us(cudaStream_t stream, const std::function<void()>& work) const {
    world_.barrier();
    std::vector<double> times = bench::bare_us(stream, work);
    world_.allreduce(times, ReduceOp::max);
    return median(times);
  }

  /// In turns: how many times as fast ours is. Without limits it is only told.
  void ratio(const char* name, const std::optional<Limits>& limits, const std::function<double()>& ours,
             const std::function<double()>& bare) {
    std::vector<double> ratios;
    for (int i = 0; i < turns; ++i) {
      const double first = i % 2 == 0 ? ours() : bare(), second = i % 2 == 0 ? bare() : ours();
      ratios.push_back(i % 2 == 0 ? second / first : first / second);
    }
    std::sort(ratios.begin(), ratios.end());
    std::string verdict;
    if (limits) {
      const bool met = median(ratios) >= limits->least && median(ratios) <= limits->most;
      missed_ = missed_ || !met;
      verdict = fmt::format(", must be {} to {}{}", limits->least, limits->most, met ? "" : ": MISSED");
    }
    say(fmt::format("ratio {} {:.3f} [{:.3f}, {:.3f}] of {} turns{}", name, median(ratios), ratios[1],
                    ratios[turns - 2], turns, verdict));
  }

  /// Percent of the time of a check that making inputs and comparing results take, as rank 0 sees it.
  void verification_share(const char* name, TimedOperation& operation) {
    constexpr double most_percent = 10.0;
    Progress progress;
    SamplingPlan plan;
    plan.budget_ns = 2'000'000'000;
    plan.wanted_samples = 1'000'000;
    SamplingWorld sampling;
    sampling.group = sampling.everyone = &world_;
    sampling.clock = &clock_;
    sampling.progress = &progress;
    sampling.world_rank = world_.rank();
    sampling.host = "this host";
    const auto result = run_timed_sampler(operation, plan, sampling, [](const SampleSet&) { return false; });
    if (result.error || result.mismatch)
      throw std::runtime_error(result.error.value_or(result.mismatch.value_or("")));
    if (world_.rank() != 0) return;
    const SampleSet& samples = result.samples;
    const double percent = 100.0 * samples.verification_us / (samples.verification_us + samples.measuring_us);
    missed_ = missed_ || percent > most_percent;
    say(fmt::format("share {} {:.1f} %, must be at most {} %{}", name, percent, most_percent,
                    percent > most_percent ? ": MISSED" : ""));
  }

  void say(const std::string& line) const {
    if (world_.rank() == 0) fmt::print("{}\n", line);
  }

 private:
  Communicator& world_;
  std::shared_ptr<cuda::Setup> setup_;
  SteadyClock clock_;
  bool missed_{};
};

inline const CheckRow& row(const std::vector<CheckRow>& rows, const std::string& id) {
  for (const CheckRow& one : rows)
    if (one.id == id) return one;
  throw std::runtime_error("no row " + id);
}

}  // namespace fabricheck::bench
