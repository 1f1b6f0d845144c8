// What verification costs the timed part: the median time of an operation whose results are compared, over
// that of one whose inputs are written just the same and whose results nobody compares, in turns within one
// run. Beside it, over one whose inputs nobody writes: data that a program has just written lie modified in
// its core's cache, and the other rank has to fetch them from there. And what verification costs beside: time
// spent on inputs and comparisons over the rest of the measuring.
//
//   mpirun -n 2 bench_verification [PAIRS]
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <vector>

#include "collectives/mpi/catalog.hpp"
#include "control/mpi_session.hpp"
#include "core/sampler.hpp"
#include "core/statistics.hpp"
#include "core/units.hpp"

namespace {

using namespace fabricheck;

/// The same operation, whose results nobody looks at.
class Uncompared final : public Operation {
 public:
  explicit Uncompared(Operation& inner) : inner_(inner) {}
  void prepare(std::uint64_t iteration) override { inner_.prepare(iteration); }
  void execute(std::uint64_t iteration) override { inner_.execute(iteration); }
  bool verifies() const override { return inner_.verifies(); }

 private:
  Operation& inner_;
};

/// The same operation on inputs that stay as they are.
class Unwritten final : public Operation {
 public:
  explicit Unwritten(Operation& inner) : inner_(inner) {}
  void execute(std::uint64_t iteration) override { inner_.execute(iteration); }

 private:
  Operation& inner_;
};

struct Figures {
  double median_us{};
  double beside{};  ///< verification over measuring
};

Figures measure(Operation& operation, Communicator& world, const Clock& clock, std::uint64_t bytes) {
  SharedClock shared;
  Progress progress;
  SamplingWorld sampling;
  sampling.group = sampling.everyone = &world;
  sampling.clock = &clock;
  sampling.synchroniser = &shared;
  sampling.progress = &progress;
  sampling.world_rank = world.rank();
  SamplingPlan plan;
  plan.budget_ns = 100'000'000;
  plan.bytes = bytes;
  const SamplingResult result =
      run_sampler(operation, plan, sampling, [](const SampleSet& s) { return s.values_us.size() >= 3000; });
  if (world.rank() != 0) return {};
  return {*describe(result.samples.values_us).median,
          result.samples.verification_us / std::max(1.0, result.samples.measuring_us)};
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return quantile_of_sorted(values, 0.5);
}

void compare(const CheckRow& row, control::MpiSession& session, int pairs) {
  const SteadyClock clock;
  Communicator& world = session.world();
  for (const std::uint64_t bytes :
       {std::uint64_t{8}, std::uint64_t{4096}, std::uint64_t{65536}, std::uint64_t{1} << 20}) {
    OperationRequest request;
    request.world_ranks.resize(static_cast<std::size_t>(world.size()));
    std::iota(request.world_ranks.begin(), request.world_ranks.end(), 0);
    request.bytes = bytes;
    request.world_rank = world.rank();
    request.host = session.host();
    const std::unique_ptr<Operation> operation = row.make(request);
    Uncompared uncompared(*operation);
    Unwritten unwritten(*operation);
    std::vector<double> to_uncompared, to_unwritten, beside, themselves;
    double before = 0.0;
    for (int pair = 0; pair < pairs; ++pair) {
      const Figures with = measure(*operation, world, clock, bytes);
      const Figures without = measure(uncompared, world, clock, bytes);
      operation->prepare(0);
      const Figures still = measure(unwritten, world, clock, bytes);
      to_uncompared.push_back(with.median_us / without.median_us);
      to_unwritten.push_back(with.median_us / still.median_us);
      beside.push_back(with.beside);
      if (pair > 0) themselves.push_back(without.median_us / before);
      before = without.median_us;
    }
    if (world.rank() != 0) continue;
    fmt::print(
        "{:<24} {:>8}: verified / not compared {:.3f}, not compared / itself {:.3f}, verified / inputs never "
        "written {:.3f}; beside: {:.0f} % of the measuring\n",
        row.id, format_bytes(bytes), median_of(to_uncompared), median_of(themselves), median_of(to_unwritten),
        100.0 * median_of(beside));
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int pairs = argc > 1 ? std::max(2, std::atoi(argv[1])) : 15;
  control::MpiSession session(argc, argv);
  for (const CheckRow& row : collectives::mpi::catalog())
    if (row.id == "mpi.allreduce.latency" || row.id == "mpi.alltoall.latency") compare(row, session, pairs);
  collectives::mpi::release_communicators();
  session.finish();
  return 0;
}
