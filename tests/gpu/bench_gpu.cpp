// What this program measures on one GPU against bare loops over CUDA and cuBLAS, in turns. Exits with 1 where
// a limit is missed, with 77 where there is no GPU.
#include <cublas_v2.h>

#include "bench_parts.hpp"
#include "core/error.hpp"

namespace fabricheck::bench {
namespace {

void hbm(Bench& bench) {
  constexpr std::uint64_t bytes = std::uint64_t{1} << 30;
  const auto rows = node::gpu::catalog(bench.setup());
  const auto ours = row(rows, "gpu.hbm.copy").make_timed(bench.request(bytes));
  const Bare bare(bytes);
  bench.ratio(
      "hbm copy against cudaMemcpy on the device", Limits{0.98, 10.0}, [&] { return bench.ours_us(*ours); },
      [&] {
        return bench.bare_us(bare.stream, [&] {
          must(cudaMemcpyAsync(bare.to, bare.from, bytes, cudaMemcpyDeviceToDevice, bare.stream));
        });
      });
  bench.say(fmt::format("figure hbm copy {:.0f} GB/s",
                        2.0 * static_cast<double>(bytes) / bench.ours_us(*ours) / 1e3));
  bench.verification_share("verification of hbm copy", *ours);
}

void gemm(Bench& bench) {
  constexpr int n = 8192;
  constexpr std::size_t bytes = std::size_t{2} * n * n;
  const auto rows = node::gpu::catalog(bench.setup());
  const auto ours = row(rows, "gpu.gemm.bf16").make_timed(bench.request(0));
  void *a = nullptr, *b = nullptr, *c = nullptr;
  must(cudaMalloc(&a, bytes));
  must(cudaMalloc(&b, bytes));
  must(cudaMalloc(&c, bytes));
  cudaStream_t stream{};
  must(cudaStreamCreate(&stream));
  // Random, as ours are: on zeros a GPU needs less power and clocks higher.
  for (const auto& [matrix, seed] : {std::pair(a, 1U), std::pair(b, 2U)})
    bench.setup()->device->fill_random(static_cast<std::byte*>(matrix), bytes / 2, DataType::bfloat16, seed,
                                       reinterpret_cast<cuda::Stream>(stream));
  cublasHandle_t blas{};
  if (cublasCreate(&blas) != CUBLAS_STATUS_SUCCESS) throw std::runtime_error("cublasCreate failed");
  cublasSetStream(blas, stream);
  const float one = 1.0F, zero = 0.0F;
  bench.ratio(
      "bf16 gemm 8192 against cublasGemmEx", Limits{0.98, 10.0}, [&] { return bench.ours_us(*ours); },
      [&] {
        return bench.bare_us(stream, [&] {
          if (cublasGemmEx(blas, CUBLAS_OP_T, CUBLAS_OP_N, n, n, n, &one, a, CUDA_R_16BF, n, b, CUDA_R_16BF,
                           n, &zero, c, CUDA_R_16BF, n, CUBLAS_COMPUTE_32F,
                           CUBLAS_GEMM_DEFAULT) != CUBLAS_STATUS_SUCCESS)
            throw std::runtime_error("cublasGemmEx failed");
        });
      });
  bench.say(fmt::format("figure bf16 gemm {:.0f} TFLOP/s",
                        2.0 * n * static_cast<double>(n) * n / bench.ours_us(*ours) / 1e6));
  bench.verification_share("verification of gemm", *ours);
  cublasDestroy(blas);
  must(cudaFree(a));
  must(cudaFree(b));
  must(cudaFree(c));
  must(cudaStreamDestroy(stream));
}

int run() {
  auto setup = std::make_shared<cuda::Setup>();
  try {
    setup->runtime = cuda::open_runtime("this host");
    setup->runtime->devices();
    setup->device = setup->runtime->open(0);
  } catch (const Unavailable& reason) {
    fmt::print("skipped: {}\n", reason.what());
    return no_gpu;
  }
  SelfCommunicator self;
  Bench bench(self, setup);
  bench.say("figure gpu " + setup->device->facts().name);
  hbm(bench);
  gemm(bench);
  return bench.has_missed() ? 1 : 0;
}

}  // namespace
}  // namespace fabricheck::bench

int main() {
  try {
    return fabricheck::bench::run();
  } catch (const std::exception& error) {
    fmt::print(stderr, "gpu_bench: {}\n", error.what());
    return 3;
  }
}
