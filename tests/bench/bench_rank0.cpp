// What rank 0 needs for 4,096 ranks x 10,000 iterations: the sampler, the judgement and the result, with the
// other ranks' times generated where they would arrive. Prints its peak memory; exits 1 at 256 MiB or more.
#include <sys/resource.h>

#include <cmath>
#include <random>

#include <fmt/format.h>

#include "core/judge.hpp"
#include "core/sampler.hpp"
#include "report/report.hpp"
#include "topology/model/merge.hpp"

namespace {

using namespace fabricheck;

constexpr int ranks = 4096;
constexpr std::uint64_t iterations = 10000;
constexpr double limit_MiB = 256.0;

/// Rank 0 of a world whose other ranks are a random number generator.
class GeneratedWorld final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return ranks; }
  void barrier() override {}
  void idle_barrier() override {}
  void broadcast(std::span<std::byte>, int) override {}
  void allreduce(std::span<double>, ReduceOp) override {}
  void reduce_last(std::span<const double> mine, std::span<double> maximum, std::span<int> who,
                   int) override {
    // One rank's samples at a time, as a reduction tree delivers them. The second half are starts: nobody is
    // late.
    std::copy(mine.begin(), mine.end(), maximum.begin());
    std::fill(who.begin(), who.end(), 0);
    std::vector<double> other(mine.size());
    for (int other_rank = 1; other_rank < ranks; ++other_rank) {
      for (std::size_t i = 0; i < mine.size(); ++i)
        other[i] = i < mine.size() / 2 ? 3.0 + 1e-9 * static_cast<double>(random_() % 1'000'000'000) : 0.0;
      for (std::size_t i = 0; i < mine.size(); ++i)
        if (other[i] > maximum[i]) {
          maximum[i] = other[i];
          who[i] = other_rank;
        }
    }
  }
  std::vector<Bytes> gather(std::span<const std::byte> mine, int) override {
    return std::vector<Bytes>(ranks, Bytes(mine.begin(), mine.end()));
  }
  void send(std::span<const std::byte>, int) override {}
  void receive(std::span<std::byte>, int) override {}
  std::unique_ptr<Communicator> split(int, int) override { return nullptr; }

 private:
  std::minstd_rand random_;
};

class Nothing final : public Operation {
 public:
  void execute(std::uint64_t) override {}
};

double peak_MiB() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024.0;
}

}  // namespace

int main() {
  const double before_MiB = peak_MiB();
  GeneratedWorld world;
  SteadyClock clock;
  SharedClock shared;
  Progress progress;
  SamplingWorld sampling;
  sampling.group = sampling.everyone = &world;
  sampling.clock = &clock;
  sampling.synchroniser = &shared;
  sampling.progress = &progress;
  SamplingPlan plan;
  plan.budget_ns = 600'000'000'000;
  plan.max_samples = iterations;
  Nothing nothing;
  const SamplingResult result = run_sampler(nothing, plan, sampling, [](const SampleSet& samples) {
    return samples.values_us.size() >= iterations;
  });
  Target target;
  target.value = 5.0;
  target.unit = "us";
  const Judgement judgement = judge(result.samples, &target, {});

  RunRecord record;
  for (int rank = 0; rank < ranks; ++rank) {
    if (rank % 8 == 0) {
      Host host;
      host.name = "node" + std::to_string(rank / 8);
      host.gpus.resize(8);
      host.rdma_devices.resize(8);
      record.world.hosts.push_back(host.name);
      topology::add_host(record.topology, std::move(host));
    }
    record.topology.ranks.push_back({rank, rank / 8, rank % 8, "0-95", rank % 8});
  }
  CheckRecord check;
  check.statistics = describe(result.samples.values_us);
  check.verdict = judgement.verdict;
  record.checks.push_back(check);
  const std::string text = report::to_json(record);

  const double peak = peak_MiB();
  fmt::print("ranks: {}  samples: {}  distinct last ranks: {}  verdict: {}\n", ranks,
             result.samples.values_us.size(), result.samples.last_count.size(),
             verdict_name(judgement.verdict));
  fmt::print("result: {:.1f} MiB of JSON\n", static_cast<double>(text.size()) / 1048576.0);
  fmt::print("peak memory: {:.1f} MiB (before: {:.1f}), limit {:.0f} MiB\n", peak, before_MiB, limit_MiB);
  const bool measured =
      result.samples.values_us.size() >= iterations && result.samples.last_count.size() > 1000;
  return measured && peak < limit_MiB ? 0 : 1;
}
