// What this program measures on a GPU against bare loops over CUDA, cuBLAS and NCCL, in turns. Prints lines
// "ratio NAME VALUE (least LIMIT)", "share …" and "figure …"; exits with 1 where a limit is missed, with 77
// where there is no GPU.
#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <nccl.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "collectives/nccl/catalog.hpp"
#include "core/communicator.hpp"
#include "core/timed_sampler.hpp"
#include "node/gpu/catalog.hpp"

namespace fabricheck {
namespace {

constexpr int turns = 9;
constexpr std::size_t iterations = 20;
constexpr int no_gpu = 77;
bool missed = false;

void must(cudaError_t state) {
  if (state != cudaSuccess) throw std::runtime_error(cudaGetErrorString(state));
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

/// Microseconds of one call of `work`, by events around `iterations` of them.
double bare_us(cudaStream_t stream, const std::function<void()>& work) {
  cudaEvent_t begin{}, end{};
  must(cudaEventCreate(&begin));
  must(cudaEventCreate(&end));
  work();
  must(cudaEventRecord(begin, stream));
  for (std::size_t i = 0; i < iterations; ++i) work();
  must(cudaEventRecord(end, stream));
  must(cudaEventSynchronize(end));
  float ms = 0.0F;
  must(cudaEventElapsedTime(&ms, begin, end));
  must(cudaEventDestroy(begin));
  must(cudaEventDestroy(end));
  return 1000.0 * static_cast<double>(ms) / static_cast<double>(iterations);
}

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

struct Alone {
  SteadyClock clock;
  SelfCommunicator self;
  std::shared_ptr<cuda::Setup> setup = std::make_shared<cuda::Setup>();

  TimedRequest request(std::uint64_t bytes) {
    TimedRequest one;
    one.group = &self;
    one.world_ranks = {0};
    one.clock = &clock;
    one.bytes = bytes;
    one.host = "this host";
    return one;
  }
  double ours_us(TimedOperation& operation) const {
    std::vector<double> times(iterations);
    operation.prepare(0, iterations);
    operation.run(0, times);
    if (const auto wrong = operation.verify(0, iterations).mismatch)
      throw std::runtime_error(mismatch_words(*wrong));
    return median(times);
  }
  /// Percent of the time of a check that making inputs and comparing results take.
  double verification_percent(TimedOperation& operation) {
    Progress progress;
    SamplingPlan plan;
    plan.budget_ns = 2'000'000'000;
    plan.wanted_samples = 1'000'000;
    SamplingWorld world;
    world.group = world.everyone = &self;
    world.clock = &clock;
    world.progress = &progress;
    const auto result = run_timed_sampler(operation, plan, world, [](const SampleSet&) { return false; });
    if (result.error || result.mismatch)
      throw std::runtime_error(result.error.value_or(result.mismatch.value_or("")));
    const SampleSet& samples = result.samples;
    return 100.0 * samples.verification_us / (samples.verification_us + samples.measuring_us);
  }
};

const CheckRow& row(const std::vector<CheckRow>& rows, const std::string& id) {
  for (const CheckRow& one : rows)
    if (one.id == id) return one;
  throw std::runtime_error("no row " + id);
}

/// In turns: how many times as fast ours is.
void ratio(const char* name, double least, double most, const std::function<double()>& ours,
           const std::function<double()>& bare) {
  std::vector<double> ratios;
  for (int i = 0; i < turns; ++i) {
    const double first = i % 2 == 0 ? ours() : bare(), second = i % 2 == 0 ? bare() : ours();
    ratios.push_back(i % 2 == 0 ? second / first : first / second);
  }
  std::vector<double> sorted = ratios;
  std::sort(sorted.begin(), sorted.end());
  const bool met = median(ratios) >= least && median(ratios) <= most;
  missed = missed || !met;
  fmt::print("ratio {} {:.3f} [{:.3f}, {:.3f}] of {} turns, must be {} to {}{}\n", name, median(ratios),
             sorted[1], sorted[turns - 2], turns, least, most, met ? "" : ": MISSED");
}

void share(const char* name, double percent, double most) {
  missed = missed || percent > most;
  fmt::print("share {} {:.1f} %, must be at most {} %{}\n", name, percent, most,
             percent > most ? ": MISSED" : "");
}

void hbm(Alone& alone) {
  constexpr std::uint64_t bytes = std::uint64_t{1} << 30;
  const auto rows = node::gpu::catalog(alone.setup);
  const auto ours = row(rows, "gpu.hbm.copy").make_timed(alone.request(bytes));
  const Bare bare(bytes);
  ratio(
      "hbm copy against cudaMemcpy on the device", 0.98, 10.0, [&] { return alone.ours_us(*ours); },
      [&] {
        return bare_us(bare.stream, [&] {
          must(cudaMemcpyAsync(bare.to, bare.from, bytes, cudaMemcpyDeviceToDevice, bare.stream));
        });
      });
  fmt::print("figure hbm copy {:.0f} GB/s\n", 2.0 * static_cast<double>(bytes) / alone.ours_us(*ours) / 1e3);
  share("verification of hbm copy", alone.verification_percent(*ours), 10.0);
}

void gemm(Alone& alone) {
  constexpr int n = 8192;
  constexpr std::size_t bytes = std::size_t{2} * n * n;
  const auto rows = node::gpu::catalog(alone.setup);
  const auto ours = row(rows, "gpu.gemm.bf16").make_timed(alone.request(0));
  void *a = nullptr, *b = nullptr, *c = nullptr;
  must(cudaMalloc(&a, bytes));
  must(cudaMalloc(&b, bytes));
  must(cudaMalloc(&c, bytes));
  cudaStream_t stream{};
  must(cudaStreamCreate(&stream));
  // Random, as ours are: on zeros a GPU needs less power and clocks higher.
  alone.setup->device->fill_random(static_cast<std::byte*>(a), bytes / 2, DataType::bfloat16, 1,
                                   reinterpret_cast<cuda::Stream>(stream));
  alone.setup->device->fill_random(static_cast<std::byte*>(b), bytes / 2, DataType::bfloat16, 2,
                                   reinterpret_cast<cuda::Stream>(stream));
  cublasHandle_t blas{};
  if (cublasCreate(&blas) != CUBLAS_STATUS_SUCCESS) throw std::runtime_error("cublasCreate failed");
  cublasSetStream(blas, stream);
  const float one = 1.0F, zero = 0.0F;
  ratio(
      "bf16 gemm 8192 against cublasGemmEx", 0.98, 10.0, [&] { return alone.ours_us(*ours); },
      [&] {
        return bare_us(stream, [&] {
          if (cublasGemmEx(blas, CUBLAS_OP_T, CUBLAS_OP_N, n, n, n, &one, a, CUDA_R_16BF, n, b, CUDA_R_16BF,
                           n, &zero, c, CUDA_R_16BF, n, CUBLAS_COMPUTE_32F,
                           CUBLAS_GEMM_DEFAULT) != CUBLAS_STATUS_SUCCESS)
            throw std::runtime_error("cublasGemmEx failed");
        });
      });
  fmt::print("figure bf16 gemm {:.0f} TFLOP/s\n",
             2.0 * n * static_cast<double>(n) * n / alone.ours_us(*ours) / 1e6);
  share("verification of gemm", alone.verification_percent(*ours), 10.0);
  cublasDestroy(blas);
  must(cudaFree(a));
  must(cudaFree(b));
  must(cudaFree(c));
  must(cudaStreamDestroy(stream));
}

template <class Function>
Function function(void* library, const char* name) {
  const auto found = reinterpret_cast<Function>(::dlsym(library, name));
  if (!found) throw std::runtime_error(std::string("no ") + name);
  return found;
}

void nccl(Alone& alone, const std::string& path) {
  constexpr std::uint64_t bytes = std::uint64_t{2} << 30;
  auto settings = std::make_shared<collectives::nccl::Settings>();
  settings->library = path;
  settings->gpu = alone.setup;
  const auto rows = collectives::nccl::catalog(settings);
  const auto ours = row(rows, "nccl.allreduce.latency").make_timed(alone.request(bytes));
  const std::string file = std::get<std::string>(ours->path().at("nccl_library"));
  void* library = ::dlopen(file.c_str(), RTLD_NOW);
  if (!library) throw std::runtime_error(::dlerror());
  ncclUniqueId id{};
  ncclComm_t communicator{};
  if (function<decltype(&ncclGetUniqueId)>(library, "ncclGetUniqueId")(&id) != ncclSuccess ||
      function<decltype(&ncclCommInitRank)>(library, "ncclCommInitRank")(&communicator, 1, id, 0) !=
          ncclSuccess)
    throw std::runtime_error("no communicator");
  const auto all_reduce = function<decltype(&ncclAllReduce)>(library, "ncclAllReduce");
  const Bare bare(bytes);
  ratio(
      "nccl allreduce 2 GiB against a bare loop", 0.99, 1.01, [&] { return alone.ours_us(*ours); },
      [&] {
        return bare_us(bare.stream, [&] {
          if (all_reduce(bare.from, bare.to, bytes / sizeof(float), ncclFloat32, ncclSum, communicator,
                         bare.stream) != ncclSuccess)
            throw std::runtime_error("ncclAllReduce failed");
        });
      });
  share("verification of nccl allreduce", alone.verification_percent(*ours), 10.0);
  function<decltype(&ncclCommDestroy)>(library, "ncclCommDestroy")(communicator);
}

int run(const std::string& nccl_library) {
  Alone alone;
  try {
    alone.setup->runtime = cuda::open_runtime("this host");
    alone.setup->runtime->devices();
    alone.setup->device = alone.setup->runtime->open(0);
  } catch (const Unavailable& reason) {
    fmt::print("skipped: {}\n", reason.what());
    return no_gpu;
  }
  fmt::print("figure gpu {}\n", alone.setup->device->facts().name);
  hbm(alone);
  gemm(alone);
  nccl(alone, nccl_library);
  collectives::nccl::release_communicators(alone.clock, 5'000'000'000);
  return missed ? 1 : 0;
}

}  // namespace
}  // namespace fabricheck

int main(int argc, char** argv) {
  try {
    return fabricheck::run(argc == 3 && std::strcmp(argv[1], "--nccl") == 0 ? argv[2] : "");
  } catch (const std::exception& error) {
    fmt::print(stderr, "gpu_bench: {}\n", error.what());
    return 3;
  }
}
