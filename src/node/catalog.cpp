#include "node/catalog.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "core/glob.hpp"
#include "node/active.hpp"
#include "node/device_rows.hpp"
#include "node/system_rows.hpp"

namespace fabricheck::node {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kNothing{0};
constexpr bool kActive = true;
constexpr bool kPassive = false;
constexpr bool kLight = true;
constexpr bool kNotInHealth = false;

constexpr std::array<NodeRow, 22> rows{{
    {"node.gpus", "every GPU that PCI shows answers", "gpu", kPassive, kLight, kNothing, 1, judge_gpus},
    {"node.driver", "the GPU driver is loaded and its library speaks to it", "driver", kPassive, kLight,
     kNothing, 2, judge_driver},
    {"node.nvlink", "every NVLink that a GPU has is up", "nvlink", kPassive, kLight, kNothing, 3,
     judge_nvlink},
    {"node.fabric_manager", "the GPUs are registered with a healthy NVSwitch fabric", "fabric", kPassive,
     kLight, kNothing, 4, judge_fabric_manager},
    {"node.gpu_memory", "no uncorrected ECC error, no row that waits for being remapped or cannot be",
     "gpu-memory", kPassive, kLight, kNothing, 5, judge_gpu_memory},
    {"node.throttle", "no GPU is slowed down by its hardware now", "throttle", kPassive, kLight, kNothing, 6,
     judge_throttle},
    {"node.pcie", "PCIe links have the width and speed that both their ends can do", "pcie", kPassive, kLight,
     kNothing, 7, judge_pcie},
    {"node.nics", "every RDMA NIC that PCI shows answers", "nic", kPassive, kLight, kNothing, 8, judge_nics},
    {"node.gids", "every active RoCE port has a RoCE v2 GID", "gid", kPassive, kLight, kNothing, 9,
     judge_gids},
    {"topology.expectation", "the node has what --expect, the configured GRES or its product name say",
     "expected", kPassive, kLight, kNothing, 10, judge_expectation},
    {"topology.platform", "the node is the whole of its platform", "platform", kPassive, kLight, kNothing, 11,
     judge_platform},
    {"node.kernel_log", "no fatal XID in the kernel log since the last visit", "xid", kPassive, kLight,
     kNothing, 12, judge_kernel_log},
    {"node.counters", "error counters moved less since the last visit than the site allows", "counters",
     kPassive, kNotInHealth, kNothing, 13, judge_counters},
    {"node.gpudirect", "NICs can reach GPU memory (nvidia_peermem or dmabuf)", "gpudirect", kPassive,
     kNotInHealth, kNothing, 14, judge_gpudirect},
    {"node.memlock", "jobs may lock the memory that RDMA needs", "memlock", kPassive, kNotInHealth, kNothing,
     15, judge_memlock},
    {"node.file_systems", "file systems are mounted, writable and not full, as the site asks", "filesystem",
     kPassive, kLight, kNothing, 16, judge_file_systems},
    {"node.shm", "/dev/shm is as large as the site asks", "shm", kPassive, kNotInHealth, kNothing, 17,
     judge_shm},
    {"node.clock", "the clock is synchronised, as the site asks", "clock", kPassive, kLight, kNothing, 18,
     judge_clock},
    {"node.host_memory", "a pattern written to host memory reads back", "memory", kActive, kNotInHealth,
     milliseconds{300}, 22, nullptr},
    // No check uses a GPU yet: these two are listed, and take nothing from the others.
    {"node.nccl", "NCCL over the GPUs of the node", "nccl", kActive, kNotInHealth, kNothing, 19, nullptr},
    {"node.gpu_bandwidth", "HBM and copies between host and GPU", "gpu-bandwidth", kActive, kNotInHealth,
     kNothing, 20, nullptr},
    {"node.verbs_loopback", "RDMA writes from each active port to itself", "verbs", kActive, kNotInHealth,
     milliseconds{1000}, 21, nullptr},
}};

}  // namespace

std::vector<int> gpus_of(std::string_view part) {
  constexpr std::string_view kHead = "GPU";
  constexpr int kMost = 4096;
  std::vector<int> gpus;
  const auto take_number = [&](int& number) {
    const auto [stop, error] = std::from_chars(part.data(), part.data() + part.size(), number);
    part.remove_prefix(static_cast<std::size_t>(stop - part.data()));
    return error == std::errc{} && number >= 0 && number < kMost;
  };
  const auto take_word = [&](std::string_view word) {
    if (!part.starts_with(word)) return false;
    part.remove_prefix(word.size());
    return true;
  };
  const auto take_range = [&] {
    int first = 0;
    if (!take_number(first)) return false;
    int last = first;
    if (take_word("-") && (!take_number(last) || last < first)) return false;
    for (int gpu = first; gpu <= last; ++gpu) gpus.push_back(gpu);
    return true;
  };
  do {
    if (!take_word(kHead)) return {};
    const bool folded = take_word("[");
    do {
      if (!take_range()) return {};
    } while (folded && take_word(","));
    if (folded && !take_word("]")) return {};
  } while (take_word(", "));
  return part.empty() ? gpus : std::vector<int>{};
}

CheckRecord record_of(const NodeRow& row, const Outcome& outcome, const std::string& host) {
  CheckRecord check;
  check.id = row.id;
  check.title = row.description;
  check.scope = "inside node";
  check.metric = outcome.unit.empty() ? "faults" : "value";
  check.unit = outcome.unit;
  check.value = outcome.value;
  if (outcome.verdict == Verdict::fail && !check.value)
    check.value = static_cast<double>(outcome.faults.size());
  check.verdict = outcome.verdict;
  check.reason = outcome.reason;
  check.participants = {host};
  return check;
}

const char* profile_name(Profile profile) {
  switch (profile) {
    case Profile::prolog:
      return "prolog";
    case Profile::epilog:
      return "epilog";
    case Profile::health:
      return "health";
    case Profile::acceptance:
      return "acceptance";
  }
  return "?";
}

std::span<const NodeRow> catalog() { return rows; }

std::string_view topic_of_check(std::string_view id) {
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const NodeRow& one) { return id == one.id; });
  return row == rows.end() ? std::string_view{} : row->topic;
}

std::vector<PlannedRow> plan(Profile profile, std::chrono::nanoseconds budget,
                             const std::vector<std::string>& skip) {
  std::vector<PlannedRow> planned;
  std::vector<std::size_t> by_rank;
  for (const NodeRow& row : rows) {
    const bool allows_active = profile == Profile::epilog || profile == Profile::acceptance;
    if ((row.active && !allows_active) || (profile == Profile::health && !row.light)) continue;
    by_rank.push_back(planned.size());
    planned.push_back({&row, {}});
  }
  std::sort(by_rank.begin(), by_rank.end(),
            [&](std::size_t a, std::size_t b) { return planned[a].row->rank < planned[b].row->rank; });
  // What passive checks look at is looked at once for all, within the first half.
  std::chrono::nanoseconds left = budget / 2;
  for (const std::size_t at : by_rank) {
    PlannedRow& one = planned[at];
    if (!is_selected(one.row->id, {}, skip)) {
      one.left_out = "left out by `skip` of the configuration";
    } else if (one.row->takes > left) {
      one.left_out =
          fmt::format("it takes about {} ms and {} ms of the budget were left for it", one.row->takes.count(),
                      std::chrono::duration_cast<milliseconds>(left).count());
    } else {
      left -= one.row->takes;
    }
  }
  return planned;
}

Judgement judge(const std::vector<PlannedRow>& plan, const NodeFacts& facts, const NodeConfig& config,
                const std::string& host) {
  Judgement judgement;
  for (const PlannedRow& planned : plan) {
    const NodeRow& row = *planned.row;
    if (!planned.left_out.empty()) {
      judgement.not_tested.push_back({row.id, planned.left_out});
      continue;
    }
    if (row.judge == nullptr) continue;
    Outcome outcome = row.judge(facts, config);
    if (outcome.verdict == Verdict::skipped) {
      judgement.not_tested.push_back({row.id, outcome.reason});
      continue;
    }
    for (Fault& fault : outcome.faults) {
      fault.check = row.id;
      fault.topic = row.topic;
      judgement.faults.push_back(fault);
    }
    if (outcome.verdict == Verdict::inconclusive || outcome.verdict == Verdict::error)
      judgement.unclear.push_back(fmt::format("{}: {}", row.id, outcome.reason));
    judgement.checks.push_back(record_of(row, outcome, host));
  }
  return judgement;
}

}  // namespace fabricheck::node
