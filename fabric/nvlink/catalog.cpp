#include "fabric/nvlink/catalog.hpp"

#include "fabric/nvlink/operations.hpp"

namespace fabricheck::nvlink {
namespace {

using SharedSetup = std::shared_ptr<const cuda::Setup>;

CheckRow base(const char* id, const char* title, const char* description, bool quick) {
  CheckRow row;
  row.id = id;
  row.title = title;
  row.description = description;
  row.metric = "bandwidth";
  row.unit = "GB/s";
  row.backend = "CUDA";
  row.needs_gpu = true;
  row.unavailable_reason = cuda::missing_runtime();
  row.scopes = {Scope::gpu_pair};
  row.in_quick = quick;
  return row;
}

CheckRow copies(CheckRow row, const SharedSetup& setup, PairUse use) {
  row.sizes = {pair_bytes};
  row.both_orders = !use.both_ways;
  row.rate_times_us = [times = use.both_ways ? 2.0 : 1.0](std::uint64_t bytes) {
    return times * static_cast<double>(bytes) / 1e3;
  };
  row.make_timed = [setup, use](const TimedRequest& request) { return make_pair_copy(setup, request, use); };
  return row;
}

CheckRow latency(const SharedSetup& setup) {
  CheckRow row =
      base("nvlink.pair.latency", "GPU to GPU read latency",
           "one thread of a GPU reads another GPU's memory, each read waiting for the one before", false);
  row.metric = "latency";
  row.unit = "us";
  row.both_orders = true;
  row.make_timed = [setup](const TimedRequest& request) { return make_pair_latency(setup, request); };
  return row;
}

}  // namespace

bool is_both_ways(std::string_view check_id) { return check_id.ends_with("bidirectional"); }

std::vector<CheckRow> catalog(const std::shared_ptr<const cuda::Setup>& setup) {
  return {copies(base("nvlink.pair.bandwidth", "GPU to GPU bandwidth",
                      "copies from one GPU to another of its node, by a copy engine", true),
                 setup, {}),
          copies(base("nvlink.pair.bidirectional", "GPU to GPU bidirectional bandwidth",
                      "copies between two GPUs of a node in both directions at once, the sum of both", false),
                 setup, {.by_kernel = false, .both_ways = true}),
          copies(base("nvlink.pair.kernel", "GPU to GPU bandwidth by a kernel",
                      "a kernel of one GPU writes another GPU's memory, as collectives do", false),
                 setup, {.by_kernel = true, .both_ways = false}),
          copies(base("nvlink.pair.kernel_bidirectional", "GPU to GPU bidirectional bandwidth by kernels",
                      "a kernel of each of two GPUs writes the other one's memory at once, the sum of both",
                      false),
                 setup, {.by_kernel = true, .both_ways = true}),
          latency(setup)};
}

}  // namespace fabricheck::nvlink
