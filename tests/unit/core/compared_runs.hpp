// Results to hold against each other, and the one pair of two of them.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/comparison.hpp"
#include "core/statistics.hpp"

namespace fabricheck::compared {

inline constexpr double se_share = 0.001;  // standard error of an exact figure, of its value

/// A check between two hosts whose interval is `standard_error` * t either way.
inline CheckRecord check(double value, double standard_error, std::int64_t bytes = 8,
                         std::uint64_t blocks = 16) {
  CheckRecord record;
  record.id = "mpi.allreduce.latency";
  record.title = "MPI allreduce latency";
  record.scope = "between nodes";
  record.metric = "latency";
  record.unit = "us";
  record.parameters = {{"bytes", bytes}, {"nodes", std::int64_t{2}}, {"ranks", std::int64_t{2}}};
  record.participants = {"n1", "n2"};
  record.value = value;
  static const double t_of_16 = student_t_quantile(0.975, 15);
  const double t = blocks == 16 ? t_of_16 : student_t_quantile(0.975, static_cast<int>(blocks) - 1);
  const double half = t * standard_error;
  record.ci95 = Interval{value - half, value + half};
  record.statistics.blocks = blocks;
  record.statistics.repeats = blocks;
  return record;
}
inline CheckRecord exact(double value, std::int64_t bytes = 8) {
  return check(value, se_share * value, bytes);
}

inline CheckRecord bandwidth(double value) {
  CheckRecord record = exact(value);
  record.id = "mpi.allreduce.busbw";
  record.metric = "busbw";
  record.unit = "GB/s";
  return record;
}

inline CheckRecord judged(double value, Verdict verdict, double limit = 5.0) {
  CheckRecord record = exact(value);
  record.verdict = verdict;
  record.target = AppliedTarget{"<", limit, "median", "contract"};
  return record;
}

inline Host machine() {
  Host host;
  host.kernel = "6.1.0";
  host.cpu_model = "Xeon 8480C";
  Gpu gpu;
  gpu.name = "NVIDIA H100";
  host.gpus = {gpu};
  RdmaDevice nic;
  nic.name = "mlx5_0";
  nic.ids = "15b3:1021";
  nic.firmware = "28.39.1002";
  RdmaPort port;
  port.rate_Gbps = 400.0;
  nic.ports = {port};
  host.rdma_devices = {nic};
  return host;
}

inline RunRecord run(std::vector<CheckRecord> checks, std::vector<std::string> hosts = {"n1", "n2"}) {
  RunRecord record;
  record.checks = std::move(checks);
  record.world.hosts = hosts;
  record.world.nodes = static_cast<int>(hosts.size());
  record.topology.kinds = {machine()};
  for (const std::string& name : hosts) {
    HostEntry entry;
    entry.name = name;
    record.topology.hosts.push_back(entry);
  }
  return record;
}

/// The one pair of two runs of one check each.
struct Single {
  RunRecord before, after;
  RunComparison comparison;
  Single(CheckRecord old_check, CheckRecord new_check, double tolerance = 5.0)
      : before(run({std::move(old_check)})), after(run({std::move(new_check)})) {
    again(tolerance);
  }
  void again(double tolerance = 5.0) {
    ComparisonPolicy policy;
    policy.tolerance_percent = tolerance;
    comparison = compare_runs(before, after, policy);
  }
  const ComparedCheck& pair() const { return comparison.checks.at(0); }
  Outcome outcome() const { return pair().outcome; }
};

inline CheckRecord inside(const std::string& host, std::int64_t group, double value) {
  CheckRecord record = exact(value);
  record.scope = "inside node";
  record.participants = {host};
  record.parameters["group"] = group;
  return record;
}

inline std::string reason_of(const CheckRecord& before, const CheckRecord& after) {
  const Single single(before, after);
  EXPECT_EQ(single.outcome(), Outcome::incomparable);
  return single.pair().reason;
}

}  // namespace fabricheck::compared
