#include "fabric/verbs/measure/catalog.hpp"

#include <fmt/format.h>

#include "core/error.hpp"

namespace fabricheck::verbs {
namespace {

constexpr std::uint64_t KiB = 1024, MiB = 1024 * KiB;
constexpr std::uint64_t atomic_bytes = 8;

/// One operation. Everything else about its checks follows.
struct Row {
  const char* name;
  const char* words;
  Transport transport;
  Opcode opcode;
  bool streams{};  ///< has bandwidth and message rate, one way and both ways
  bool quick{};    ///< part of suite quick
};

constexpr Row table[] = {
    {"write", "RC write", Transport::rc, Opcode::write, true, true},
    {"send", "RC send", Transport::rc, Opcode::send, true, true},
    {"read", "RC read", Transport::rc, Opcode::read, true, true},
    {"fetch_add", "RC fetch-and-add", Transport::rc, Opcode::fetch_add},
    {"compare_swap", "RC compare-and-swap", Transport::rc, Opcode::compare_swap},
    {"uc_write", "UC write", Transport::uc, Opcode::write},
    {"uc_send", "UC send", Transport::uc, Opcode::send},
    {"ud_send", "UD send", Transport::ud, Opcode::send},
};

/// Sends of which nothing is sent again: one way, with the receiver's answers.
bool is_credited(const Row& row) { return row.transport != Transport::rc && row.opcode == Opcode::send; }

/// How a row streams one way.
std::unique_ptr<TimedOperation> one_way(const Row& row, const Setup& with, const TimedRequest& request) {
  if (is_credited(row)) return make_credited_stream(with, request, row.transport);
  return make_stream(with, request, row.transport, row.opcode, Direction::one_way);
}

bool is_atomic(Opcode opcode) { return opcode == Opcode::fetch_add || opcode == Opcode::compare_swap; }

using Make = std::unique_ptr<TimedOperation> (*)(const Row&, const Setup&, const TimedRequest&);

TimedOperationFactory factory(const Row& row, const std::shared_ptr<const Setup>& setup, Make make) {
  return [&row, setup, make](const TimedRequest& request) {
    if (!setup || !setup->unavailable.empty())
      throw Unavailable(setup ? setup->unavailable : "no port was chosen");
    return make(row, *setup, request);
  };
}

CheckRow base(const Row& row, Metric metric, const char* title, const char* unit) {
  CheckRow check;
  check.id = fmt::format("verbs.{}.{}", row.name, metric.name());
  check.title = fmt::format("{} {}", row.words, title);
  check.metric = metric;
  check.unit = unit;
  check.backend = "verbs";
  check.unavailable_reason = unavailable_reason();
  check.scopes = {Scope::pair, Scope::loopback};
  check.in_quick = row.quick;
  return check;
}

CheckRow latency(const Row& row, const std::shared_ptr<const Setup>& setup) {
  CheckRow check = base(row, "latency", "latency", "us");
  const bool round_trip = row.opcode == Opcode::read || is_atomic(row.opcode);
  check.description = fmt::format("{} between two ports by ping-pong, {}", row.words,
                                  round_trip ? "the full round trip" : "half the round trip");
  check.sizes = {2, 8, 64, 512, 4 * KiB, 64 * KiB, MiB, 8 * MiB};
  if (row.transport == Transport::ud) check.sizes = {2, 8, 64, 512, KiB};
  check.quick_sizes = {8};
  check.has_histogram = true;
  if (is_atomic(row.opcode)) {
    check.sizes = {atomic_bytes};
    check.sizes_are_fixed = true;
  }
  check.make_timed = factory(row, setup, [](const Row& one, const Setup& with, const TimedRequest& request) {
    return make_latency(with, request, one.transport, one.opcode);
  });
  return check;
}

CheckRow bandwidth(const Row& row, const std::shared_ptr<const Setup>& setup) {
  CheckRow check = base(row, "bandwidth", "bandwidth", "GB/s");
  check.description =
      fmt::format("{} from one port to another, as many on their way as the queue is deep", row.words);
  check.sizes = {4 * KiB, 64 * KiB, MiB, 8 * MiB};
  check.quick_sizes = {64 * KiB, MiB};
  if (row.transport == Transport::ud) check.sizes = check.quick_sizes = {KiB};
  check.both_orders = true;
  check.rate_times_us = [](std::uint64_t bytes) { return static_cast<double>(bytes) / 1e3; };
  check.make_timed = factory(row, setup, one_way);
  return check;
}

CheckRow bidirectional(const Row& row, const std::shared_ptr<const Setup>& setup) {
  CheckRow check = base(row, "bidirectional", "bidirectional bandwidth", "GB/s");
  check.description = fmt::format("{} in both directions at the same time, the sum of both", row.words);
  check.sizes = {64 * KiB, MiB};
  check.in_quick = false;
  check.rate_times_us = [](std::uint64_t bytes) { return 2.0 * static_cast<double>(bytes) / 1e3; };
  check.make_timed = factory(row, setup, [](const Row& one, const Setup& with, const TimedRequest& request) {
    return make_stream(with, request, one.transport, one.opcode, Direction::both);
  });
  return check;
}

CheckRow message_rate(const Row& row, const std::shared_ptr<const Setup>& setup) {
  CheckRow check = base(row, "message_rate", "message rate", "M/s");
  check.description =
      fmt::format("small {} messages from one port to another, millions per second", row.words);
  check.sizes = {8};
  check.in_quick = false;
  check.both_orders = true;
  check.rate_times_us = [](std::uint64_t) { return 1.0; };
  check.make_timed = factory(row, setup, one_way);
  return check;
}

CheckRow flow_sweep(const std::shared_ptr<const Setup>& setup) {
  CheckRow check = base(table[0], "paths", "bandwidth over several flows", "GB/s");
  check.description =
      "RC write over flows of their own, one after the other: whether all paths through the network give "
      "as much";
  check.sizes = {MiB};
  check.in_quick = false;
  check.both_orders = true;
  check.flows = swept_flows;
  check.rate_times_us = [](std::uint64_t bytes) { return static_cast<double>(bytes) / 1e3; };
  check.make_timed = factory(table[0], setup, [](const Row&, const Setup& with, const TimedRequest& request) {
    return make_flow_sweep(with, request, swept_flows);
  });
  return check;
}

/// GPUDirect RDMA: what NCCL's traffic between nodes goes by.
CheckRow between_gpus(const Row& row, CheckRow check) {
  check.id = fmt::format("verbs.gpu_{}.{}", row.name, check.metric.name());
  check.needs_gpu = true;
  if (const char* missing = cuda::missing_runtime(); *missing != 0 && check.unavailable_reason.empty())
    check.unavailable_reason = missing;
  return check;
}

CheckRow gpu_bandwidth(const Row& row, const std::shared_ptr<const Setup>& setup) {
  CheckRow check = between_gpus(row, base(row, "bandwidth", "bandwidth between GPUs' memory", "GB/s"));
  check.description =
      fmt::format("{} from a GPU's memory to another's through the NIC near it (GPUDirect RDMA)", row.words);
  check.sizes = {64 * KiB, MiB, 8 * MiB};
  check.quick_sizes = {MiB};
  check.both_orders = true;
  check.rate_times_us = [](std::uint64_t bytes) { return static_cast<double>(bytes) / 1e3; };
  check.make_timed = factory(row, setup, [](const Row& one, const Setup& with, const TimedRequest& request) {
    return make_stream(with, request, one.transport, one.opcode, Direction::one_way, Memory::gpu);
  });
  return check;
}

/// A CPU cannot watch for the last byte of a write in a GPU's memory: an immediate tells the receiver's.
Opcode told_by_completion(Opcode opcode) {
  return opcode == Opcode::write ? Opcode::write_with_immediate : opcode;
}

CheckRow gpu_latency(const Row& row, const std::shared_ptr<const Setup>& setup) {
  CheckRow check = between_gpus(row, latency(row, setup));
  const char* how = row.opcode == Opcode::write ? " with immediate" : "";
  check.title = fmt::format("{}{} latency between GPUs' memory", row.words, how);
  check.description = fmt::format(
      "{}{} between the memory of two GPUs through the NIC near each (GPUDirect RDMA), until the "
      "completion, {}",
      row.words, how, row.opcode == Opcode::read ? "the full round trip" : "half the round trip");
  check.make_timed = factory(row, setup, [](const Row& one, const Setup& with, const TimedRequest& request) {
    return make_latency(with, request, one.transport, told_by_completion(one.opcode), Memory::gpu);
  });
  return check;
}

}  // namespace

std::vector<CheckRow> catalog(const std::shared_ptr<const Setup>& setup) {
  std::vector<CheckRow> rows;
  for (const Row& row : table) rows.push_back(latency(row, setup));
  for (const Row& row : table)
    if (row.streams || is_credited(row)) rows.push_back(bandwidth(row, setup));
  for (const Row& row : table)
    if (row.streams) rows.push_back(bidirectional(row, setup));
  for (const Row& row : table)
    if (row.streams || is_credited(row)) rows.push_back(message_rate(row, setup));
  rows.push_back(flow_sweep(setup));
  for (const Row& row : table)
    if (row.streams) rows.push_back(gpu_bandwidth(row, setup));
  for (const Row& row : table)
    if (row.streams) rows.push_back(gpu_latency(row, setup));
  return rows;
}

}  // namespace fabricheck::verbs
