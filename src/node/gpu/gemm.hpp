// Matrices on a GPU and their multiplication, whose result must be the same bits each time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/timed_operation.hpp"
#include "device/cuda/stopwatch.hpp"
#include "device/cuda/verifier.hpp"
#include "node/gpu/operations.hpp"

namespace fabricheck::node::gpu {

/// Beside the matrices; what cuBLAS recommends for Hopper is 32 MiB.
inline constexpr std::uint64_t gemm_workspace_bytes = std::uint64_t{64} << 20;
/// How many ways to multiply are tried.
inline constexpr int gemm_ways = 5;
/// All GPUs multiply the same numbers.
inline constexpr std::uint64_t gemm_seed = 20240601;

/// The library's end may wait for the GPU: it is left alone where the GPU was given up.
struct EndMultiplier {
  cuda::Device* device{};
  void operator()(Multiplier* multiplier) const {
    if (!device->is_abandoned()) delete multiplier;
  }
};

/// Has its matrices filled and the fastest way chosen when it is made.
class Gemm {
 public:
  Gemm(const SharedSetup& setup, const Settings& settings, const TimedRequest& request, Precision precision);

  const Product& product() const { return product_; }
  /// How many multiplications are as much work as one of the size that was asked for.
  std::uint64_t passes() const { return passes_; }
  /// Of one multiplication, as the choice of the way saw it.
  double once_us() const { return once_us_; }
  cuda::Device& device() { return device_; }

  /// times_us.size() times `passes` multiplications.
  void run(std::span<double> times_us, std::uint64_t passes, const std::function<void()>& meanwhile = {});
  /// The first result, in some elements, against the host's; every other by its digest against the first.
  std::optional<Mismatch> verify(std::uint64_t iteration);
  std::map<std::string, Parameter> path() const;

 private:
  void take_memory(std::uint64_t workspace_bytes);
  void choose();
  void multiply_as_all_do();
  void multiply(std::size_t way);
  std::uint64_t result_bytes() const;
  Mismatch locate(std::uint64_t iteration);
  std::optional<Mismatch> check_some(std::uint64_t iteration);

  SharedSetup setup_;
  cuda::Device& device_;
  std::uint64_t asked_size_;
  int rank_;
  std::string host_;
  std::unique_ptr<Multiplier, EndMultiplier> multiplier_;
  Product product_;
  std::uint64_t passes_{1};
  cuda::Stopwatch watch_;
  cuda::Verifier verifier_;
  cuda::MemoryHandle a_, b_, d_, kept_, workspace_;
  std::vector<std::string> ways_;
  std::size_t way_{};
  double once_us_{};
  std::optional<std::uint64_t> digest_;  ///< of the first result by `way_`
  std::size_t common_way_{};             ///< the library's first choice that works: alike on all equal GPUs
  std::uint64_t common_digest_{};        ///< of the result by that one
};

}  // namespace fabricheck::node::gpu
