#include "collectives/patterns.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "collectives/values.hpp"
#include "core/small_float.hpp"

namespace fabricheck::collectives {
namespace {

using Bits = std::array<std::uint64_t, device::pattern_period>;

constexpr std::array<DataType, 4> small_types{DataType::bfloat16, DataType::float16, DataType::float8e4m3,
                                              DataType::float8e5m2};

std::string name(const Variant& variant) {
  return std::string(type_name(variant.type)) + " " + std::string(reduction_name(variant.reduction));
}

std::vector<Variant> variants() {
  std::vector<Variant> all;
  for (const DataType type : known_types)
    for (const Reduction reduction : known_reductions) all.push_back({type, reduction, false});
  return all;
}

std::vector<int> rank_counts() {
  std::vector<int> counts(40);
  std::iota(counts.begin(), counts.end(), 1);
  for (const int more : {64, 128, 256, 1000}) counts.push_back(more);
  return counts;
}

/// A number of the type from a number of the host: to the nearest, of two to the even one.
std::uint64_t rounded(DataType type, double value) {
  if (is_small_float(type)) return encode(format_of(type), value);
  if (type == DataType::float64) return std::bit_cast<std::uint64_t>(value);
  return std::bit_cast<std::uint32_t>(static_cast<float>(value));
}

std::uint64_t calculated(DataType type, Reduction reduction, std::uint64_t a, std::uint64_t b) {
  if (type == DataType::int32 || type == DataType::int64) {
    const bool narrow = type == DataType::int32;
    const auto x = narrow ? static_cast<std::int32_t>(a) : static_cast<std::int64_t>(a);
    const auto y = narrow ? static_cast<std::int32_t>(b) : static_cast<std::int64_t>(b);
    const std::uint64_t mask = narrow ? 0xffffffffU : ~std::uint64_t{0};
    if (reduction == Reduction::max) return static_cast<std::uint64_t>(std::max(x, y)) & mask;
    if (reduction == Reduction::min) return static_cast<std::uint64_t>(std::min(x, y)) & mask;
    return (reduction == Reduction::prod ? a * b : a + b) & mask;
  }
  const double x = value_of(type, a), y = value_of(type, b);
  if (reduction == Reduction::max) return rounded(type, std::max(x, y));
  if (reduction == Reduction::min) return rounded(type, std::min(x, y));
  return rounded(type, reduction == Reduction::prod ? x * y : x + y);
}

std::uint64_t divided(DataType type, std::uint64_t bits, int ranks) {
  if (type == DataType::int32)
    return static_cast<std::uint32_t>(static_cast<std::int32_t>(bits) / std::int32_t{ranks});
  if (type == DataType::int64) return static_cast<std::uint64_t>(static_cast<std::int64_t>(bits) / ranks);
  return rounded(type, value_of(type, bits) / ranks);
}

/// x * (1 / ranks), with 1 / ranks a number of the type, too. Integers: x / ranks.
std::uint64_t shared(DataType type, std::uint64_t bits, int ranks) {
  if (type == DataType::int32 || type == DataType::int64) return divided(type, bits, ranks);
  return rounded(type, value_of(type, bits) * value_of(type, rounded(type, 1.0 / ranks)));
}

Bits calculated(const Variant& variant, const Bits& a, const Bits& b) {
  Bits result{};
  for (std::size_t place = 0; place < result.size(); ++place)
    result[place] = calculated(variant.type, variant.reduction, a[place], b[place]);
  return result;
}

Bits in_order(const Variant& variant, const std::vector<Bits>& inputs) {
  Bits result = inputs.front();
  for (std::size_t i = 1; i < inputs.size(); ++i) result = calculated(variant, result, inputs[i]);
  return result;
}

Bits as_tree(const Variant& variant, std::vector<Bits> inputs) {
  while (inputs.size() > 1) {
    std::vector<Bits> level;
    for (std::size_t i = 0; i < inputs.size(); i += 2)
      level.push_back(i + 1 < inputs.size() ? calculated(variant, inputs[i], inputs[i + 1]) : inputs[i]);
    inputs = std::move(level);
  }
  return inputs.front();
}

Bits each(Bits bits, const std::function<std::uint64_t(std::uint64_t)>& work) {
  for (std::uint64_t& one : bits) one = work(one);
  return bits;
}

std::vector<Bits> contributions(const Variant& variant, int ranks, std::uint64_t iteration) {
  std::vector<Bits> inputs;
  for (int rank = 0; rank < ranks; ++rank)
    inputs.push_back(contribution_pattern(variant, rank, ranks, iteration).bits);
  return inputs;
}

bool is_zero(DataType type, std::uint64_t bits) { return value_of(type, bits) == 0.0; }

TEST(Patterns, AnyOrderGivesTheSameBits) {
  for (const Variant& variant : variants())
    for (const int ranks : rank_counts()) {
      if (!inexact_because(variant, ranks).empty()) continue;
      for (const std::uint64_t iteration : {0ULL, 5ULL, 123456789012ULL}) {
        if (ranks > 40 && iteration != 5) continue;
        std::vector<Bits> inputs = contributions(variant, ranks, iteration);
        const Bits expected = reduced_pattern(variant, ranks, iteration).bits;
        const auto divide = [&](std::uint64_t bits) { return divided(variant.type, bits, ranks); };
        const auto after = [&](const Bits& bits) {
          return variant.reduction == Reduction::avg ? each(bits, divide) : bits;
        };
        const std::string what = name(variant) + " over " + std::to_string(ranks);
        ASSERT_EQ(after(in_order(variant, inputs)), expected) << what;
        ASSERT_EQ(after(as_tree(variant, inputs)), expected) << what;
        std::reverse(inputs.begin(), inputs.end());
        ASSERT_EQ(after(in_order(variant, inputs)), expected) << what;
        if (variant.reduction != Reduction::avg) continue;
        for (Bits& input : inputs)
          input = each(input, [&](std::uint64_t bits) { return shared(variant.type, bits, ranks); });
        ASSERT_EQ(in_order(variant, inputs), expected) << what;
        ASSERT_EQ(as_tree(variant, inputs), expected) << what;
        std::reverse(inputs.begin(), inputs.end());
        ASSERT_EQ(in_order(variant, inputs), expected) << what;
      }
    }
}

TEST(Patterns, SumsAreExactUpToTheLastRank) {
  for (const DataType type : small_types)
    for (const Reduction reduction : {Reduction::sum, Reduction::avg}) {
      const Variant variant{type, reduction, false};
      const int ranks = most_exact_ranks(type, reduction);
      std::vector<Bits> inputs = contributions(variant, ranks, 3);
      if (reduction == Reduction::avg)
        for (Bits& input : inputs)
          input = each(input, [&](std::uint64_t bits) { return shared(type, bits, ranks); });
      EXPECT_EQ(in_order(variant, inputs), reduced_pattern(variant, ranks, 3).bits) << name(variant);
    }
}

TEST(Patterns, AMissingADoubledAndAReplacedRankAreSeen) {
  for (const DataType type : known_types)
    for (const Reduction reduction : {Reduction::sum, Reduction::avg})
      for (const int ranks : {1, 2, 3, 4, 7, 8, 16, 17, 33, 64, 72, 128, 136, 256, 272}) {
        const Variant variant{type, reduction, false};
        if (!inexact_because(variant, ranks).empty()) continue;
        const std::vector<Bits> inputs = contributions(variant, ranks, 4);
        const Bits expected = in_order(variant, inputs);
        for (const int odd : {0, 1, ranks / 2, ranks - 2, ranks - 1}) {
          if (odd < 0 || odd >= ranks) continue;
          const auto at = static_cast<std::size_t>(odd);
          const std::string what =
              name(variant) + " over " + std::to_string(ranks) + ", rank " + std::to_string(odd);
          std::vector<Bits> wrong = inputs;
          wrong.push_back(inputs[at]);
          EXPECT_NE(in_order(variant, wrong), expected) << what << " doubled";
          if (ranks == 1) continue;
          wrong = inputs;
          wrong.erase(wrong.begin() + odd);
          EXPECT_NE(in_order(variant, wrong), expected) << what << " missing";
          wrong = inputs;
          wrong[at] = inputs[(at + 1) % inputs.size()];
          EXPECT_NE(in_order(variant, wrong), expected) << what << " replaced";
        }
      }
}

TEST(Patterns, AMissingRankChangesProductsAndItsExtremes) {
  for (const DataType type : small_types)
    for (const Reduction reduction : {Reduction::prod, Reduction::max, Reduction::min})
      for (int odd = 0; odd < 8; ++odd) {
        const Variant variant{type, reduction, false};
        int seen = 0;
        for (std::uint64_t iteration = 0; iteration < 20; ++iteration) {
          std::vector<Bits> inputs = contributions(variant, 8, iteration);
          inputs.erase(inputs.begin() + odd);
          seen += in_order(variant, inputs) != reduced_pattern(variant, 8, iteration).bits ? 1 : 0;
        }
        EXPECT_GE(seen, reduction == Reduction::prod ? 20 : 15) << name(variant) << " rank " << odd;
      }
}

TEST(Patterns, DifferentRanksWin) {
  for (const DataType type : small_types)
    for (const Reduction reduction : {Reduction::max, Reduction::min}) {
      const Variant variant{type, reduction, false};
      const Bits best = reduced_pattern(variant, 8, 2).bits;
      std::set<int> winners;
      for (int rank = 0; rank < 8; ++rank) {
        const Bits mine = contribution_pattern(variant, rank, 8, 2).bits;
        for (std::size_t place = 0; place < best.size(); ++place)
          if (mine[place] == best[place]) winners.insert(rank);
      }
      EXPECT_GE(winners.size(), 5u) << name(variant);
    }
}

TEST(Patterns, WhatHostsFillAndCheckIsTheSame) {
  constexpr std::size_t elements = 9000;
  const auto holds = [](const std::vector<std::byte>& data, const device::Pattern& pattern) {
    for (std::size_t i = 0; i < elements; ++i) {
      std::uint64_t bits = 0;
      std::memcpy(&bits, data.data() + i * pattern.element_bytes, pattern.element_bytes);
      if (bits != pattern.bits[device::place_of(pattern.first + i)]) return false;
    }
    return true;
  };
  for (const Variant& variant : variants()) {
    std::vector<std::byte> data(elements * type_bytes(variant.type));
    fill_block(data, variant.type, 5, 9);
    EXPECT_TRUE(holds(data, block_pattern(variant.type, 5, 9))) << name(variant);
    EXPECT_FALSE(check_block(data, variant.type, 5, 9)) << name(variant);
    fill_contribution(data, variant, 3, 8, 9, Part{12345});
    EXPECT_TRUE(holds(data, contribution_pattern(variant, 3, 8, 9, Part{12345}))) << name(variant);

    const device::Pattern reduced = reduced_pattern(variant, 8, 9, Part{12345});
    for (std::size_t i = 0; i < elements; ++i)
      std::memcpy(data.data() + i * reduced.element_bytes, &reduced.bits[device::place_of(12345 + i)],
                  reduced.element_bytes);
    EXPECT_FALSE(check_reduced(data, variant, 8, 9, Part{12345})) << name(variant);
    data[7000 * reduced.element_bytes] ^= std::byte{1};
    const auto wrong = check_reduced(data, variant, 8, 9, Part{12345});
    ASSERT_TRUE(wrong) << name(variant);
    EXPECT_EQ(wrong->index, 7000u);
    EXPECT_EQ(wrong->expected, reduced.values[device::place_of(12345 + 7000)]);
  }
}

TEST(Patterns, KnowTheirSizeTheirPartAndTheirNumbers) {
  for (const Variant& variant : variants()) {
    const device::Pattern whole = reduced_pattern(variant, 4, 6),
                          part = reduced_pattern(variant, 4, 6, Part{99});
    EXPECT_EQ(whole.element_bytes, type_bytes(variant.type));
    EXPECT_EQ(whole.first, 0u);
    EXPECT_EQ(part.first, 99u);
    EXPECT_EQ(part.bits, whole.bits);
    EXPECT_EQ(contribution_pattern(variant, 1, 4, 6, Part{7}).first, 7u);
    EXPECT_EQ(block_pattern(variant.type, 1, 6).first, 0u);
    for (std::size_t place = 0; place < whole.bits.size(); ++place) {
      EXPECT_EQ(whole.values[place], value_of(variant.type, whole.bits[place]));
      if (whole.element_bytes < 8) {
        EXPECT_EQ(whole.bits[place] >> (8 * whole.element_bytes), 0u);
      }
    }
  }
}

TEST(Patterns, IterationsDiffer) {
  for (const Variant& variant : variants())
    for (const int ranks : {1, 2, 8, 16, 64, 128, 256, 272, 1000}) {
      if (!inexact_because(variant, ranks).empty()) continue;
      std::vector<Bits> before;
      for (std::uint64_t iteration = 0; iteration < 60; ++iteration) {
        const Bits now = reduced_pattern(variant, ranks, iteration).bits;
        EXPECT_EQ(std::count(before.begin(), before.end(), now), 0)
            << name(variant) << " over " << ranks << ", iteration " << iteration;
        before.push_back(now);
      }
    }
}

TEST(Patterns, NoResultIsZeroOrPoison) {
  for (const Variant& variant : variants())
    for (const int ranks : rank_counts()) {
      if (!inexact_because(variant, ranks).empty()) continue;
      for (std::uint64_t iteration = 0; iteration < 20; ++iteration) {
        const device::Pattern reduced = reduced_pattern(variant, ranks, iteration),
                              block =
                                  block_pattern(variant.type, static_cast<std::uint64_t>(ranks), iteration);
        std::uint64_t poisoned = 0;
        poison(std::as_writable_bytes(std::span(&poisoned, 1)).first(reduced.element_bytes));
        int zeros = 0;
        for (std::size_t place = 0; place < reduced.bits.size(); ++place) {
          zeros += is_zero(variant.type, reduced.bits[place]) ? 1 : 0;
          EXPECT_TRUE(std::isfinite(reduced.values[place]));
          EXPECT_NE(reduced.bits[place], poisoned) << name(variant);
          EXPECT_NE(block.bits[place], poisoned) << name(variant);
          EXPECT_NE(block.bits[place], 0u) << name(variant);
          EXPECT_TRUE(std::isfinite(block.values[place])) << name(variant);
        }
        const bool may_cancel = is_small_float(variant.type) &&
                                (variant.reduction == Reduction::sum || variant.reduction == Reduction::avg);
        EXPECT_LE(zeros, may_cancel ? 8 : 0)
            << name(variant) << " over " << ranks << ", iteration " << iteration;
      }
    }
}

TEST(Patterns, BlocksOfNarrowTypesTellStreamsApart) {
  for (const DataType type : small_types) {
    const std::uint64_t base = type_bytes(type) == 2 ? 63487 : 241;
    const Bits block = block_pattern(type, 5, 3).bits;
    const auto equal_places = [&](std::uint64_t stream, std::uint64_t iteration) {
      const Bits other = block_pattern(type, stream, iteration).bits;
      int equal = 0;
      for (std::size_t place = 0; place < block.size(); ++place)
        equal += other[place] == block[place] ? 1 : 0;
      return equal;
    };
    EXPECT_EQ(equal_places(5, 3), 17);
    for (std::uint64_t stream = 0; stream < base; ++stream)
      if (stream != 5) {
        ASSERT_EQ(equal_places(stream, 3), 0) << type_name(type) << stream;
      }
    for (std::uint64_t stream = base; stream < base * base; stream += base * base / 20'011 + 1) {
      ASSERT_LE(equal_places(stream, 3), 1) << type_name(type) << stream;
    }
    for (std::uint64_t stream = base * base; stream < base * base * base;
         stream += base * base * base / 20'011) {
      ASSERT_LE(equal_places(stream, 3), 2) << type_name(type) << stream;
    }
    for (std::uint64_t iteration = 4; iteration < 4 + 272; ++iteration) {
      ASSERT_LE(equal_places(5, iteration), 2) << type_name(type) << iteration;
    }
    // A block that lies one element, or any number, away from where it should.
    for (std::size_t shift = 1; shift < block.size(); ++shift)
      for (std::size_t place = 0; place < block.size(); ++place)
        EXPECT_NE(block[place], block[(place + shift) % block.size()]) << type_name(type);
  }
}

TEST(Patterns, SayWhereTheyAreNotExact) {
  const auto because = [](DataType type, Reduction reduction, int ranks) {
    return inexact_because({type, reduction, false}, ranks);
  };
  EXPECT_EQ(because(DataType::float8e4m3, Reduction::sum, 272), "");
  EXPECT_EQ(because(DataType::float8e4m3, Reduction::sum, 273), "float8e4m3 sums are exact up to 272 ranks");
  EXPECT_EQ(because(DataType::float8e5m2, Reduction::sum, 136), "");
  EXPECT_EQ(because(DataType::float8e5m2, Reduction::sum, 137), "float8e5m2 sums are exact up to 136 ranks");
  EXPECT_EQ(because(DataType::bfloat16, Reduction::sum, 4353), "bfloat16 sums are exact up to 4352 ranks");
  EXPECT_EQ(because(DataType::float16, Reduction::sum, 34817), "float16 sums are exact up to 34816 ranks");
  EXPECT_EQ(because(DataType::float32, Reduction::sum, 349525), "");
  EXPECT_EQ(because(DataType::float32, Reduction::sum, 349526), "float32 sums are exact up to 349525 ranks");
  EXPECT_EQ(because(DataType::float64, Reduction::sum, 349525), "");
  EXPECT_EQ(because(DataType::int64, Reduction::sum, 40'000'000), "");
  for (const DataType type : known_types) {
    EXPECT_EQ(because(type, Reduction::avg, 3), "avg is exact only with 1, 2, 4, 8, ... ranks");
    EXPECT_EQ(because(type, Reduction::avg, 12), "avg is exact only with 1, 2, 4, 8, ... ranks");
    for (const int ranks : {1, 2, 4, 8, 64, 128}) EXPECT_EQ(because(type, Reduction::avg, ranks), "");
    for (const Reduction reduction : {Reduction::max, Reduction::min, Reduction::prod})
      EXPECT_EQ(because(type, reduction, 1'000'000), "");
  }
  EXPECT_EQ(because(DataType::float8e4m3, Reduction::avg, 256), "");
  EXPECT_EQ(because(DataType::float8e4m3, Reduction::avg, 512),
            "float8e4m3 averages are exact up to 256 ranks");
  EXPECT_EQ(because(DataType::int32, Reduction::avg, 4096), "");
  EXPECT_EQ(because(DataType::int32, Reduction::avg, 8192), "int32 averages are exact up to 4096 ranks");
  EXPECT_EQ(because(DataType::int64, Reduction::avg, 8192), "int64 averages are exact up to 4096 ranks");
}

TEST(SmallFloat, KnownEncodings) {
  struct Known {
    DataType type;
    std::uint64_t bits;
    double value;
  };
  // OFP8's table of E4M3 and E5M2 limits; IEEE 754's of binary16; bfloat16 is the upper half of a float32.
  for (const Known& known : {Known{DataType::float8e4m3, 0x7e, 448.0},
                             Known{DataType::float8e4m3, 0x08, 0x1p-6},
                             Known{DataType::float8e4m3, 0x07, 0.875 * 0x1p-6},
                             Known{DataType::float8e4m3, 0x01, 0x1p-9},
                             Known{DataType::float8e4m3, 0x38, 1.0},
                             Known{DataType::float8e4m3, 0xb8, -1.0},
                             Known{DataType::float8e4m3, 0x57, 15.0},
                             Known{DataType::float8e4m3, 0x58, 16.0},
                             Known{DataType::float8e5m2, 0x7b, 57344.0},
                             Known{DataType::float8e5m2, 0x04, 0x1p-14},
                             Known{DataType::float8e5m2, 0x03, 0.75 * 0x1p-14},
                             Known{DataType::float8e5m2, 0x01, 0x1p-16},
                             Known{DataType::float8e5m2, 0x3c, 1.0},
                             Known{DataType::float8e5m2, 0xc5, -5.0},
                             Known{DataType::float16, 0x3c00, 1.0},
                             Known{DataType::float16, 0x7bff, 65504.0},
                             Known{DataType::float16, 0x0001, 0x1p-24},
                             Known{DataType::float16, 0x0400, 0x1p-14},
                             Known{DataType::float16, 0x3555, 0.333251953125},
                             Known{DataType::float16, 0xc000, -2.0},
                             Known{DataType::bfloat16, 0x3f80, 1.0},
                             Known{DataType::bfloat16, 0xc2f7, -123.5},
                             Known{DataType::bfloat16, 0x4049, 3.140625},
                             Known{DataType::bfloat16, 0x0001, 0x1p-133},
                             Known{DataType::bfloat16, 0x437f, 255.0},
                             Known{DataType::float16, 0x0000, 0.0}}) {
    EXPECT_EQ(decode(format_of(known.type), known.bits), known.value) << type_name(known.type);
    EXPECT_EQ(encode(format_of(known.type), known.value), known.bits) << type_name(known.type);
  }
  static_assert(encode(format_of(DataType::float16), 1.5) == 0x3e00);
  static_assert(decode(format_of(DataType::float8e4m3), 0x39) == 1.125);
}

TEST(SmallFloat, EveryNumberSurvivesARoundTrip) {
  for (const DataType type : small_types) {
    const FloatFormat format = format_of(type);
    for (std::uint64_t bits = 0; bits < 2 * format.sign(); ++bits) {
      const double value = decode(format, bits);
      if (std::isnan(value)) {
        EXPECT_GT(bits & (format.sign() - 1), format.largest());
      } else {
        ASSERT_EQ(encode(format, value), bits) << type_name(type);
      }
    }
  }
}

TEST(SmallFloat, RoundsToTheNearestAndOfTwoToTheEvenOne) {
  for (const DataType type : small_types) {
    const FloatFormat format = format_of(type);
    for (std::uint64_t bits = 0; bits < format.largest(); bits += type_bytes(type) == 1 ? 1 : 7) {
      const double low = decode(format, bits), high = decode(format, bits + 1),
                   middle = low + (high - low) / 2;
      const std::uint64_t even = bits % 2 == 0 ? bits : bits + 1;
      ASSERT_EQ(encode(format, middle), even) << type_name(type) << " " << bits;
      ASSERT_EQ(encode(format, -middle), format.sign() | even) << type_name(type) << " " << bits;
      ASSERT_EQ(encode(format, std::nextafter(middle, 0.0)), bits) << type_name(type) << " " << bits;
      ASSERT_EQ(encode(format, std::nextafter(middle, high)), bits + 1) << type_name(type) << " " << bits;
    }
  }
}

TEST(SmallFloat, BeyondTheLargestAndNoNumber) {
  const FloatFormat e4m3 = format_of(DataType::float8e4m3), e5m2 = format_of(DataType::float8e5m2);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(encode(e4m3, 464.0), 0x7eu) << "half way to what would be 480 goes to the even one";
  EXPECT_EQ(encode(e4m3, 465.0), 0x7fu);
  EXPECT_EQ(encode(e4m3, -infinity), 0xffu);
  EXPECT_EQ(encode(e4m3, 1e300), 0x7fu);
  EXPECT_EQ(encode(e5m2, 61439.0), 0x7bu);
  EXPECT_EQ(encode(e5m2, 61440.0), 0x7cu);
  EXPECT_EQ(encode(e5m2, -infinity), 0xfcu);
  EXPECT_EQ(decode(e5m2, 0x7c), infinity);
  EXPECT_EQ(decode(e5m2, 0xfc), -infinity);
  EXPECT_TRUE(std::isnan(decode(e5m2, 0x7d)));
  EXPECT_TRUE(std::isnan(decode(e4m3, 0x7f)));
  EXPECT_EQ(encode(e5m2, std::nan("")), 0x7fu);
  EXPECT_EQ(encode(e4m3, -0.0), 0x80u);
  EXPECT_EQ(encode(e4m3, 1e-300), 0u);
  EXPECT_EQ(encode(e4m3, 5e-324), 0u);
}

}  // namespace
}  // namespace fabricheck::collectives
