#include "node/gpu/catalog.hpp"

#include <fmt/format.h>

#include "node/gpu/operations.hpp"

namespace fabricheck::node::gpu {
namespace {

constexpr std::uint64_t small_copy_bytes = 8;

struct MemoryRow {
  const char *name, *title;
  MemoryUse use;
  const char* words;
  bool quick;
};
constexpr MemoryRow memory_rows[] = {
    {"copy", "copy", MemoryUse::copy, "a = b by a kernel", true},
    {"read", "read", MemoryUse::read, "reading a by a kernel", false},
    {"write", "write", MemoryUse::write, "writing a by a kernel", false},
    {"triad", "triad", MemoryUse::triad, "a = b + 3 c in float32 by a kernel", true},
    {"copy_engine", "copy by the runtime", MemoryUse::copy_engine,
     "the CUDA runtime's own copy on the device", false},
};

struct HostRow {
  const char* name;
  HostDirection direction;
  const char *title, *words;
};
constexpr HostRow host_rows[] = {
    {"host_to_device", HostDirection::to_gpu, "host to GPU", "from pinned host memory to the GPU"},
    {"device_to_host", HostDirection::from_gpu, "GPU to host", "from the GPU to pinned host memory"},
    {"host", HostDirection::both, "host and GPU, both ways at once,",
     "between pinned host memory and the GPU, both ways at once"},
};

CheckRow base(std::string id, std::string title, Metric metric, const char* unit) {
  CheckRow row;
  row.id = std::move(id);
  row.title = std::move(title);
  row.metric = metric;
  row.unit = unit;
  row.backend = "CUDA";
  row.needs_gpu = true;
  row.unavailable_reason = cuda::missing_runtime();
  row.scopes = {Scope::every_gpu};
  return row;
}

CheckRow memory_rate(const MemoryRow& one, const SharedSetup& setup, const Settings& settings) {
  CheckRow row =
      base(fmt::format("gpu.hbm.{}", one.name), fmt::format("GPU memory {}", one.title), "bandwidth", "GB/s");
  row.description =
      fmt::format("{} over arrays far larger than the L2 cache; bytes are counted as STREAM does", one.words);
  row.in_quick = one.quick;
  row.sizes = {settings.hbm_bytes};
  row.sizes_are_fixed = true;
  const double times = moved(one.use);
  row.rate_times_us = [times](std::uint64_t bytes) { return times * static_cast<double>(bytes) / 1e3; };
  row.make_timed = [setup, use = one.use](const TimedRequest& request) {
    return make_memory_rate(setup, request, use);
  };
  return row;
}

std::string host_id(const HostRow& one, HostMemory memory, const char* metric) {
  const bool is_far = memory == HostMemory::far;
  if (one.direction == HostDirection::both)
    return is_far ? "gpu.host_far.bidirectional" : "gpu.host.bidirectional";
  return fmt::format("gpu.{}{}.{}", one.name, is_far ? "_far" : "", metric);
}

std::string host_words(const HostRow& one, HostMemory memory) {
  return fmt::format("{}{}", one.words, memory == HostMemory::far ? ", memory of a far NUMA node" : "");
}

std::string host_title(const HostRow& one, HostMemory memory, const char* metric) {
  return fmt::format("{} {}{}", one.title, metric,
                     memory == HostMemory::far ? " (memory of a far NUMA node)" : "");
}

CheckRow host_bandwidth(const HostRow& one, HostMemory memory, const SharedSetup& setup,
                        const SharedSettings& shared, const Settings& settings) {
  CheckRow row =
      base(host_id(one, memory, "bandwidth"), host_title(one, memory, "bandwidth"), "bandwidth", "GB/s");
  const bool both = one.direction == HostDirection::both;
  row.description =
      fmt::format("copies {}{}", host_words(one, memory), both ? "; the sum of both" : ", by a copy engine");
  row.scopes = {Scope::gpu, Scope::every_gpu};
  row.in_quick = memory == HostMemory::near && !both;
  row.sizes = {settings.host_bytes};
  const double times = both ? 2.0 : 1.0;
  row.rate_times_us = [times](std::uint64_t bytes) { return times * static_cast<double>(bytes) / 1e3; };
  row.make_timed = [setup, shared, direction = one.direction, memory](const TimedRequest& request) {
    return make_host_copy(setup, shared, request, direction, memory);
  };
  return row;
}

CheckRow host_latency(const HostRow& one, HostMemory memory, const SharedSetup& setup,
                      const SharedSettings& shared) {
  CheckRow row = base(host_id(one, memory, "latency"), host_title(one, memory, "latency"), "latency", "us");
  row.description = fmt::format("one small copy after the other, {}, without waiting for the host in between",
                                host_words(one, memory));
  row.scopes = {Scope::gpu};
  row.in_quick = false;
  row.sizes = {small_copy_bytes};
  row.make_timed = [setup, shared, direction = one.direction, memory](const TimedRequest& request) {
    return make_host_latency(setup, shared, request, direction, memory);
  };
  return row;
}

CheckRow gemm_base(std::string id, std::string title, Precision precision, const Settings& settings) {
  CheckRow row = base(std::move(id), std::move(title), "rate", "TFLOP/s");
  row.backend = "cuBLASLt";
  if (row.unavailable_reason.empty()) row.unavailable_reason = missing_multiplier();
  const Product product{precision, settings.gemm_size, settings.gemm_size, settings.gemm_size};
  row.rate_times_us = [flop = flops(product)](std::uint64_t) { return flop / 1e6; };
  return row;
}

CheckRow gemm_rate(Precision precision, const SharedSetup& setup, const SharedSettings& shared,
                   const Settings& settings) {
  CheckRow row = gemm_base(fmt::format("gpu.gemm.{}", precision_name(precision)),
                           fmt::format("matrix rate {}", precision_name(precision)), precision, settings);
  row.description = fmt::format(
      "dense {0} matrix multiplication of {1} x {1} x {1} on random numbers by cuBLASLt; every result must "
      "be "
      "the same bits",
      precision_name(precision), settings.gemm_size);
  row.in_quick = precision == Precision::bf16;
  row.make_timed = [setup, shared, precision](const TimedRequest& request) {
    return make_gemm(setup, shared, request, precision);
  };
  return row;
}

CheckRow burn_rate(const SharedSetup& setup, const SharedSettings& shared, const Settings& settings) {
  CheckRow row = gemm_base("gpu.burn.rate", "matrix rate under load", Precision::bf16, settings);
  row.description =
      "bf16 matrix multiplication on all GPUs for as long as --burn says: rate, clocks, power, temperature "
      "and "
      "what slowed the GPU down";
  row.in_quick = false;
  row.own_time_ns = settings.burn_ns;
  row.make_timed = [setup, shared](const TimedRequest& request) {
    return make_burn(setup, shared, request, Precision::bf16);
  };
  return row;
}

}  // namespace

std::vector<CheckRow> catalog(const std::shared_ptr<const cuda::Setup>& setup,
                              const std::shared_ptr<const Settings>& settings) {
  const Settings& with = settings_or_default(settings);
  std::vector<CheckRow> rows;
  for (const MemoryRow& one : memory_rows) rows.push_back(memory_rate(one, setup, with));
  for (const HostMemory memory : {HostMemory::near, HostMemory::far})
    for (const HostRow& one : host_rows) rows.push_back(host_bandwidth(one, memory, setup, settings, with));
  for (const HostMemory memory : {HostMemory::near, HostMemory::far})
    for (const HostRow& one : host_rows)
      if (one.direction != HostDirection::both) rows.push_back(host_latency(one, memory, setup, settings));
  for (const PrecisionRow& one : precision_rows)
    rows.push_back(gemm_rate(one.precision, setup, settings, with));
  rows.push_back(burn_rate(setup, settings, with));
  return rows;
}

}  // namespace fabricheck::node::gpu
