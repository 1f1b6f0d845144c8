#include "support/nccl/elements.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "collectives/nccl/since_2_18.hpp"

namespace fabricheck::test {
namespace {

using collectives::nccl::float8e4m3;
using collectives::nccl::float8e5m2;

constexpr std::size_t kRingChunkElements = 1024;

/// A float of fewer bits, as its bits.
template <class Bits, int kMantissa, int kBias, bool kInfinite>
struct Small {
  Bits bits{};

  static constexpr int kSignShift = static_cast<int>(sizeof(Bits)) * 8 - 1;
  static constexpr std::uint32_t kMagnitude = (1U << kSignShift) - 1;
  static constexpr std::uint32_t kInfinity = kMagnitude & ~((1U << kMantissa) - 1);

  [[nodiscard]] double value() const {
    const std::uint32_t magnitude = bits & kMagnitude;
    const double sign = (bits >> kSignShift) != 0 ? -1.0 : 1.0;
    if (kInfinite && magnitude >= kInfinity) {
      return magnitude == kInfinity ? sign * std::numeric_limits<double>::infinity()
                                    : std::numeric_limits<double>::quiet_NaN();
    }
    if (!kInfinite && magnitude == kMagnitude) {
      return std::numeric_limits<double>::quiet_NaN();
    }
    const int exponent = static_cast<int>(magnitude >> kMantissa);
    const auto fraction = static_cast<double>(magnitude & ((1U << kMantissa) - 1));
    const double significand = exponent == 0 ? fraction : fraction + static_cast<double>(1U << kMantissa);
    return sign * std::ldexp(significand, std::max(exponent, 1) - kBias - kMantissa);
  }

  static Small rounded(double x) {
    std::uint32_t magnitude = kMagnitude;
    // One-byte floats saturate, as CUDA converts to them.
    constexpr std::uint32_t kOverflow = sizeof(Bits) > 1 ? kInfinity
                                        : kInfinite      ? kInfinity - 1
                                                         : kMagnitude - 1;
    if (std::isinf(x)) {
      magnitude = kOverflow;
    } else if (x == 0) {
      magnitude = 0;
    } else if (!std::isnan(x)) {
      int exponent = std::max(std::ilogb(x), 1 - kBias);
      const double quanta = std::nearbyint(std::ldexp(std::fabs(x), kMantissa - exponent));
      // The leading bit of a normal number adds one to the exponent's field, and so does a carry.
      magnitude = exponent + kBias > 2 * kBias + 1
                      ? kOverflow
                      : (static_cast<std::uint32_t>(exponent + kBias - 1) << kMantissa) +
                            static_cast<std::uint32_t>(quanta);
      magnitude = std::min(magnitude, kOverflow);
    }
    return {static_cast<Bits>(magnitude | (std::signbit(x) ? 1U << kSignShift : 0U))};
  }
};

using Half = Small<std::uint16_t, 10, 15, true>;
using Brain = Small<std::uint16_t, 7, 127, true>;
using E4m3 = Small<std::uint8_t, 3, 7, false>;
using E5m2 = Small<std::uint8_t, 2, 15, true>;

template <class T>
T apply(T a, T b, ncclRedOp_t op) {
  if constexpr (std::is_arithmetic_v<T>) {
    // Integers wrap around, which only unsigned ones may.
    using Wide = std::conditional_t<std::is_integral_v<T>, std::uint64_t, T>;
    switch (op) {
      case ncclProd:
        return static_cast<T>(static_cast<Wide>(a) * static_cast<Wide>(b));
      case ncclMax:
        return std::max(a, b);
      case ncclMin:
        return std::min(a, b);
      default:
        return static_cast<T>(static_cast<Wide>(a) + static_cast<Wide>(b));
    }
  } else {
    return T::rounded(apply(a.value(), b.value(), op));
  }
}

template <class T>
T divided(T sum, std::size_t ranks) {
  if constexpr (std::is_unsigned_v<T>) {
    return static_cast<T>(sum / ranks);
  } else if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(sum / static_cast<std::int64_t>(ranks));
  } else if constexpr (std::is_floating_point_v<T>) {
    return sum / static_cast<T>(ranks);
  } else {
    return T::rounded(sum.value() / static_cast<double>(ranks));
  }
}

template <class T>
void reduce_as(const std::vector<const std::byte*>& inputs, std::byte* output, std::size_t first,
               std::size_t count, ncclRedOp_t op) {
  const std::size_t ranks = inputs.size();
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t start = (first + i) / kRingChunkElements % ranks;
    T sum{};
    std::memcpy(&sum, inputs[start] + i * sizeof(T), sizeof(T));
    for (std::size_t step = 1; step < ranks; ++step) {
      T next{};
      std::memcpy(&next, inputs[(start + step) % ranks] + i * sizeof(T), sizeof(T));
      sum = apply(sum, next, op);
    }
    sum = op == ncclAvg ? divided(sum, ranks) : sum;
    std::memcpy(output + i * sizeof(T), &sum, sizeof(T));
  }
}

}  // namespace

std::size_t element_bytes(ncclDataType_t type) {
  switch (static_cast<int>(type)) {  // older headers do not list all of them
    case ncclInt8:
    case ncclUint8:
    case float8e4m3:
    case float8e5m2:
      return 1;
    case ncclFloat16:
    case ncclBfloat16:
      return 2;
    case ncclInt32:
    case ncclUint32:
    case ncclFloat32:
      return 4;
    case ncclInt64:
    case ncclUint64:
    case ncclFloat64:
      return 8;
    default:
      return 0;
  }
}

void reduce(const std::vector<const std::byte*>& inputs, std::byte* output, std::size_t first,
            std::size_t count, ncclDataType_t type, ncclRedOp_t op) {
  switch (static_cast<int>(type)) {  // older headers do not list all of them
    case ncclInt8:
      return reduce_as<std::int8_t>(inputs, output, first, count, op);
    case ncclUint8:
      return reduce_as<std::uint8_t>(inputs, output, first, count, op);
    case ncclInt32:
      return reduce_as<std::int32_t>(inputs, output, first, count, op);
    case ncclUint32:
      return reduce_as<std::uint32_t>(inputs, output, first, count, op);
    case ncclInt64:
      return reduce_as<std::int64_t>(inputs, output, first, count, op);
    case ncclUint64:
      return reduce_as<std::uint64_t>(inputs, output, first, count, op);
    case ncclFloat16:
      return reduce_as<Half>(inputs, output, first, count, op);
    case ncclBfloat16:
      return reduce_as<Brain>(inputs, output, first, count, op);
    case ncclFloat32:
      return reduce_as<float>(inputs, output, first, count, op);
    case ncclFloat64:
      return reduce_as<double>(inputs, output, first, count, op);
    case float8e4m3:
      return reduce_as<E4m3>(inputs, output, first, count, op);
    case float8e5m2:
      return reduce_as<E5m2>(inputs, output, first, count, op);
    default:
      return;
  }
}

}  // namespace fabricheck::test
