// What rank 0 does with 4,096 hosts of 8 GPUs and 9 NICs: merges them, compares them and writes them down;
// and the way on which they arrive there. Prints peak memory; exits 1 at 256 MiB or more.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <ctime>
#include <string>
#include <vector>

#include "report/report.hpp"
#include "topology/judge/judge.hpp"
#include "topology/model/merge.hpp"
#include "unit/topology/judge/sample_cluster.hpp"

namespace {

using namespace fabricheck;

constexpr int hosts = 4096;
constexpr double limit_MiB = 256.0;
constexpr double mebi = 1048576.0;
double figure_peak_MiB = 0;

double peak_MiB() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024.0;
}

/// Seconds of one core that `work` takes: others may be busy on this machine.
template <class Work>
double seconds(Work work) {
  const std::clock_t begin = std::clock();
  work();
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

enum class Cluster { alike, with_faults, all_different };

Host made_up(int number, Cluster cluster) {
  Host host = topology::sample::host(number, true);
  if (cluster == Cluster::with_faults && number % 512 == 7) host.rdma_devices[3].ports[0].rate_Gbps = 200;
  if (cluster == Cluster::with_faults && number % 1024 == 9) host.gpus.erase(host.gpus.begin() + 5);
  if (cluster == Cluster::all_different)
    host.unknown.push_back(fmt::format("something about node{}", number));
  return host;
}

ClusterTopology merged(Cluster cluster, double& merge_s) {
  topology::ClusterBuilder builder;
  for (int i = 0; i < hosts; ++i) {
    Host host = made_up(i, cluster);
    merge_s += seconds([&] { builder.add(std::move(host)); });
  }
  return builder.take();
}

void compared(const ClusterTopology& cluster, const Expectation& expected, benchmark::State& state) {
  state.counters["devices_s"] = seconds([&] { benchmark::DoNotOptimize(topology::judge_devices(cluster)); });
  state.counters["consistency_s"] =
      seconds([&] { benchmark::DoNotOptimize(topology::judge_consistency(cluster)); });
  state.counters["expectation_s"] =
      seconds([&] { benchmark::DoNotOptimize(topology::judge_expectation(cluster, expected)); });
}

void merge_compare_write(benchmark::State& state, Cluster kind) {
  const Expectation expected = topology::expectation_from(topology::sample::host(0, true));
  for ([[maybe_unused]] auto _ : state) {
    double merge_s = 0;
    const ClusterTopology cluster = merged(kind, merge_s);
    const double compare_s = seconds([&] { compared(cluster, expected, state); });
    std::size_t bytes = 0;
    const double write_s = seconds([&] { bytes = report::topology_to_json(cluster).size(); });
    state.counters["kinds"] = static_cast<double>(cluster.kinds.size());
    state.counters["merge_s"] = merge_s;
    state.counters["compare_s"] = compare_s;
    state.counters["write_s"] = write_s;
    state.counters["json_MiB"] = static_cast<double>(bytes) / mebi;
    figure_peak_MiB = peak_MiB();
    state.counters["peak_MiB"] = figure_peak_MiB;
    state.SetIterationTime(merge_s + compare_s + write_s);
  }
}

void merge_compare(benchmark::State& state, Cluster kind) {
  const Expectation expected = topology::expectation_from(topology::sample::host(0, true));
  for ([[maybe_unused]] auto _ : state) {
    double merge_s = 0;
    const ClusterTopology cluster = merged(kind, merge_s);
    const double compare_s = seconds([&] { compared(cluster, expected, state); });
    state.counters["kinds"] = static_cast<double>(cluster.kinds.size());
    state.counters["merge_s"] = merge_s;
    state.counters["peak_MiB"] = peak_MiB();
    state.SetIterationTime(merge_s + compare_s);
  }
}

/// The kind once, of each host what is its own, as text.
void arrive(benchmark::State& state) {
  std::string kind_text;
  std::vector<std::string> own_texts;
  double pack_s = 0;
  for (int i = 0; i < hosts; ++i) {
    Host host = topology::sample::host(i, true);
    host.name.clear();
    const HostParticulars own = topology::take_particulars(host);
    pack_s += seconds([&] { own_texts.push_back(report::particulars_to_json(own)); });
    if (i == 0) kind_text = report::host_to_json(host);
  }
  for ([[maybe_unused]] auto _ : state) {
    topology::ClusterBuilder builder;
    const double s = seconds([&] {
      const int kind = builder.add_kind(report::host_from_json(kind_text, "kind"));
      for (std::size_t i = 0; i < own_texts.size(); ++i)
        builder.add(fmt::format("node{}", i), kind, report::particulars_from_json(own_texts[i], "host"));
    });
    state.SetIterationTime(s);
  }
  state.counters["kind_KiB"] = static_cast<double>(kind_text.size()) / 1024;
  state.counters["own_KiB"] = static_cast<double>(own_texts.front().size()) / 1024;
  state.counters["pack_us"] = pack_s / hosts * 1e6;
  state.counters["peak_MiB"] = peak_MiB();
}

}  // namespace

BENCHMARK_CAPTURE(merge_compare_write, alike, Cluster::alike)
    ->UseManualTime()
    ->Iterations(1)
    ->Unit(benchmark::kSecond);
BENCHMARK(arrive)->UseManualTime()->Iterations(1)->Unit(benchmark::kSecond);
BENCHMARK_CAPTURE(merge_compare_write, faults, Cluster::with_faults)
    ->UseManualTime()
    ->Iterations(1)
    ->Unit(benchmark::kSecond);

// Hosts that are all different are each their own kind, which alone fills the memory: not of the figure, so
// last.
BENCHMARK_CAPTURE(merge_compare, all_different, Cluster::all_different)
    ->UseManualTime()
    ->Iterations(1)
    ->Unit(benchmark::kSecond);

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  fmt::print("peak memory: {:.1f} MiB, limit {:.0f} MiB\n", figure_peak_MiB, limit_MiB);
  return figure_peak_MiB > 0 && figure_peak_MiB < limit_MiB ? 0 : 1;
}
