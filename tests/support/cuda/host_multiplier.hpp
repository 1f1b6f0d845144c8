// Multiplies matrices on the stand-in GPU: bits that follow from the factors, time from a rate.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "node/gpu/multiplier.hpp"
#include "support/cuda/host_stream.hpp"

namespace fabricheck::test {

/// What the stand-in does; shared with the test.
struct HostMultiplierPlan {
  double rate_TFLOPs{0.01};
  std::vector<double> way_speeds{1.0};  ///< of each way, times the rate; 0: it fails
  std::uint64_t flip_at{~0ULL};         ///< in this product a bit is wrong
  double slower_each{};                 ///< the rate falls by this share with each product
  std::uint64_t products{};             ///< so many there were
};

class HostMultiplier final : public node::gpu::Multiplier {
 public:
  explicit HostMultiplier(std::shared_ptr<HostMultiplierPlan> plan) : plan_(std::move(plan)) {}

  std::string library() const override { return "stand-in 1.0"; }

  std::vector<std::string> prepare(const node::gpu::Product& product, std::uint64_t, int most) override {
    product_ = product;
    std::vector<std::string> names;
    for (std::size_t i = 0; i < plan_->way_speeds.size() && static_cast<int>(i) < most; ++i)
      names.push_back("way " + std::to_string(i));
    if (names.empty()) throw Unavailable("stand-in 1.0 has no way");
    return names;
  }

  void multiply(std::size_t number, const std::byte* a, const std::byte* b, std::byte* d, std::byte*,
                cuda::Stream stream) override {
    const double speed = plan_->way_speeds.at(number);
    if (speed == 0.0) throw Unavailable("the stand-in cannot do way " + std::to_string(number));
    const std::size_t out_bytes = type_bytes(node::gpu::output_type(product_.precision));
    const std::size_t in_bytes = type_bytes(node::gpu::input_type(product_.precision));
    const auto product = product_;
    auto plan = plan_;
    reinterpret_cast<HostStream*>(stream)->enqueue([=](HostStream& on) {
      if (on.stuck) return;
      const std::uint64_t nth = plan->products++;
      // Of factors that are not filled alike nothing alike comes out.
      std::uint64_t seed = 0;
      for (std::size_t i = 0; i < product.k * in_bytes; ++i)
        seed += device::mix((i << 16) + (std::to_integer<std::uint64_t>(a[i]) << 8) +
                            std::to_integer<std::uint64_t>(b[i]) + 1);
      for (std::uint64_t i = 0; i < product.m * product.n; ++i) {
        // The upper half of a float between 1 and 2, so that it is one as bfloat16, too.
        const std::uint64_t bits = 0x3f80 | (device::mix(seed + i) & 0x7f);
        const std::uint64_t shown = out_bytes == 4 ? bits << 16 : bits;
        for (std::size_t k = 0; k < out_bytes; ++k)
          d[i * out_bytes + k] = static_cast<std::byte>(shown >> (8 * k));
      }
      if (nth == plan->flip_at) d[product.m * product.n / 2 * out_bytes] ^= std::byte{0x10};
      const double rate = plan->rate_TFLOPs * speed * (1.0 - plan->slower_each * static_cast<double>(nth));
      on.time_us += node::gpu::flops(product) / rate / 1e6;
    });
  }

 private:
  std::shared_ptr<HostMultiplierPlan> plan_;
  node::gpu::Product product_;
};

}  // namespace fabricheck::test
