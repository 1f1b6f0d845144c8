// Multiplies matrices on the stand-in GPU: the right product, computed once for the same factors, and time
// from a rate.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/small_float.hpp"
#include "node/gpu/multiplier.hpp"
#include "node/gpu/product_check.hpp"
#include "support/cuda/host_stream.hpp"

namespace fabricheck::test {

/// What the stand-in does; shared with the test.
struct HostMultiplierPlan {
  double rate_TFLOPs{0.01};
  std::vector<double> way_speeds{1.0};                    ///< of each way, times the rate; 0: it fails
  std::uint64_t flip_at{~0ULL};                           ///< in this product a bit is wrong
  double slower_each{};                                   ///< the rate falls by this share with each product
  bool negates{};                                         ///< all of every product has the wrong sign
  std::uint64_t products{};                               ///< so many there were
  std::set<node::gpu::Multiplier*> alive;                 ///< those that were not given back
  std::map<std::uint64_t, std::vector<std::byte>> known;  ///< results, by a hash of precision and factors
};

/// D = A^T B, each element rounded once.
inline const std::vector<std::byte>& product_of(HostMultiplierPlan& plan, const node::gpu::Product& product,
                                                const std::byte* a, const std::byte* b) {
  const DataType in = input_type(product.precision), out = output_type(product.precision);
  const std::uint64_t in_bytes = type_bytes(in), out_bytes = type_bytes(out);
  std::uint64_t key = static_cast<std::uint64_t>(product.precision);
  for (std::uint64_t i = 0; i < product.k * product.m * in_bytes; ++i)
    key += device::mix((i << 16) + (std::to_integer<std::uint64_t>(a[i]) << 8) +
                       std::to_integer<std::uint64_t>(b[i]) + 1);
  std::vector<std::byte>& result = plan.known[key];
  if (!result.empty()) return result;
  const auto numbers = [&](const std::byte* from, std::uint64_t count) {
    std::vector<float> all(count);
    for (std::uint64_t i = 0; i < count; ++i) {
      std::uint64_t bits = 0;
      std::memcpy(&bits, from + i * in_bytes, in_bytes);
      all[i] = static_cast<float>(node::gpu::number_of(bits, in));
    }
    return all;
  };
  const std::vector<float> x = numbers(a, product.k * product.m), y = numbers(b, product.k * product.n);
  result.resize(product.m * product.n * out_bytes);
  for (std::uint64_t i = 0; i < product.m * product.n; ++i) {
    const float sum =
        std::inner_product(x.begin() + static_cast<std::ptrdiff_t>(i % product.m * product.k),
                           x.begin() + static_cast<std::ptrdiff_t>((i % product.m + 1) * product.k),
                           y.begin() + static_cast<std::ptrdiff_t>(i / product.m * product.k), 0.0F);
    const std::uint64_t bits = is_small_float(out) ? encode(format_of(out), static_cast<double>(sum))
                                                   : std::bit_cast<std::uint32_t>(sum);
    std::memcpy(result.data() + i * out_bytes, &bits, out_bytes);
  }
  return result;
}

class HostMultiplier final : public node::gpu::Multiplier {
 public:
  explicit HostMultiplier(std::shared_ptr<HostMultiplierPlan> plan) : plan_(std::move(plan)) {
    plan_->alive.insert(this);
  }
  HostMultiplier(const HostMultiplier&) = delete;
  HostMultiplier& operator=(const HostMultiplier&) = delete;
  ~HostMultiplier() override { plan_->alive.erase(this); }

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
    const std::size_t out_bytes = type_bytes(output_type(product_.precision));
    const auto product = product_;
    auto plan = plan_;
    reinterpret_cast<HostStream*>(stream)->enqueue([=](HostStream& on) {
      if (on.stuck) return;
      const std::uint64_t nth = plan->products++;
      const std::vector<std::byte>& result = product_of(*plan, product, a, b);
      std::memcpy(d, result.data(), result.size());
      for (std::uint64_t at = out_bytes - 1; plan->negates && at < result.size(); at += out_bytes)
        d[at] ^= std::byte{0x80};
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
