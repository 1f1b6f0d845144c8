#include "node/gpu/product_check.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "core/small_float.hpp"
#include "device/pattern.hpp"

namespace fabricheck::node::gpu {
namespace {

/// `k` numbers of [-1, 1) as the type has them.
std::vector<std::byte> column(std::uint64_t k, Precision precision, std::uint64_t seed) {
  const DataType type = input_type(precision);
  std::vector<std::byte> bytes(k * type_bytes(type));
  for (std::uint64_t i = 0; i < k; ++i) {
    const double value = static_cast<double>(device::mix(seed + i) >> 11) * 0x1p-52 - 1.0;
    const auto single = static_cast<float>(value);
    std::uint64_t bits = 0;
    if (is_small_float(type)) {
      bits = encode(format_of(type), value);
    } else {
      std::memcpy(&bits, &single, sizeof single);
    }
    std::memcpy(bytes.data() + i * type_bytes(type), &bits, type_bytes(type));
  }
  return bytes;
}

TEST(ExpectedElement, IsTheSumOfProducts) {
  // 1.5 * 2 + 0.5 * -4 = 1 in bfloat16.
  const std::uint16_t a[] = {0x3fc0, 0x3f00}, b[] = {0x4000, 0xc080};
  const ExpectedElement expected = expected_element(
      reinterpret_cast<const std::byte*>(a), reinterpret_cast<const std::byte*>(b), 2, Precision::bf16);
  EXPECT_EQ(expected.value, 1.0);
  EXPECT_NEAR(expected.tolerance, 5.0 * 0x1p-12 + 0x1p-7, 1e-12);
}

/// Added one after the other in float32, which is the worst order there is.
TEST(ExpectedElement, LeavesRoomForSumsInFloat32) {
  for (const Precision precision : {Precision::bf16, Precision::fp16, Precision::fp8})
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      constexpr std::uint64_t k = 8192;
      const auto a = column(k, precision, seed), b = column(k, precision, seed + 1'000'000);
      const DataType in = input_type(precision), out = output_type(precision);
      float sum = 0.0F;
      for (std::uint64_t i = 0; i < k; ++i) {
        std::uint64_t x = 0, y = 0;
        std::memcpy(&x, a.data() + i * type_bytes(in), type_bytes(in));
        std::memcpy(&y, b.data() + i * type_bytes(in), type_bytes(in));
        sum += static_cast<float>(number_of(x, in)) * static_cast<float>(number_of(y, in));
      }
      const double got = decode(format_of(out), encode(format_of(out), static_cast<double>(sum)));
      const ExpectedElement expected = expected_element(a.data(), b.data(), k, precision);
      EXPECT_LE(std::abs(got - expected.value), expected.tolerance);
      // And little enough room that another element's sum is no match: those are 30 apart, usually.
      EXPECT_LT(expected.tolerance, 10.0);
    }
}

/// Tensor cores take 10 bits of a float32's fraction.
TEST(ExpectedElement, LeavesRoomForWhatTf32Drops) {
  constexpr std::uint64_t k = 8192;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const auto a = column(k, Precision::tf32, seed), b = column(k, Precision::tf32, seed + 1'000'000);
    double sum = 0.0;
    for (std::uint64_t i = 0; i < k; ++i) {
      std::uint32_t x = 0, y = 0;
      std::memcpy(&x, a.data() + i * 4, 4);
      std::memcpy(&y, b.data() + i * 4, 4);
      sum += number_of(x & 0xffffe000U, DataType::float32) * number_of(y & 0xffffe000U, DataType::float32);
    }
    const ExpectedElement expected = expected_element(a.data(), b.data(), k, Precision::tf32);
    EXPECT_LE(std::abs(sum - expected.value), expected.tolerance);
  }
}

TEST(NumberOf, TakesTheLowBitsOfItsType) {
  EXPECT_EQ(number_of(0xffff'3f80, DataType::bfloat16), 1.0);
  EXPECT_EQ(number_of(0x3c00, DataType::float16), 1.0);
  EXPECT_EQ(number_of(0xbf80'0000, DataType::float32), -1.0);
  EXPECT_TRUE(std::isnan(number_of(0x7fc0, DataType::bfloat16)));
  EXPECT_EQ(number_of(0x7c00, DataType::float16), std::numeric_limits<double>::infinity());
}

}  // namespace
}  // namespace fabricheck::node::gpu
