#include "collectives/reference.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <type_traits>
#include <vector>

namespace fabricheck::collectives {
namespace {

using Bytes = std::vector<std::byte>;

Bytes made(std::size_t elements, DataType type) { return Bytes(elements * type_bytes(type)); }

template <class T>
T element(const Bytes& data, std::size_t i) {
  T value{};
  std::memcpy(&value, data.data() + i * sizeof(T), sizeof(T));
  return value;
}

template <class T>
T reduce(Reduction reduction, T a, T b) {
  switch (reduction) {
    case Reduction::sum:
      return a + b;
    case Reduction::max:
      return std::max(a, b);
    case Reduction::min:
      return std::min(a, b);
    case Reduction::prod:
      // Of results with a stale or doubled contribution, too: they may overflow, as MPI's own would.
      if constexpr (std::is_integral_v<T>) {
        using Unsigned = std::make_unsigned_t<T>;
        return static_cast<T>(static_cast<Unsigned>(a) * static_cast<Unsigned>(b));
      } else {
        return a * b;
      }
    case Reduction::avg:
      break;
  }
  ADD_FAILURE() << "no operation of the host";
  return T{};
}

template <class T>
void accumulate(Reduction reduction, Bytes& into, const Bytes& from) {
  for (std::size_t i = 0; i < into.size() / sizeof(T); ++i) {
    const T value = reduce(reduction, element<T>(into, i), element<T>(from, i));
    std::memcpy(into.data() + i * sizeof(T), &value, sizeof(T));
  }
}

void accumulate(const Variant& variant, Bytes& into, const Bytes& from) {
  switch (variant.type) {
    case DataType::float32:
      return accumulate<float>(variant.reduction, into, from);
    case DataType::float64:
      return accumulate<double>(variant.reduction, into, from);
    case DataType::int32:
      return accumulate<std::int32_t>(variant.reduction, into, from);
    case DataType::int64:
      return accumulate<std::int64_t>(variant.reduction, into, from);
    case DataType::bfloat16:
    case DataType::float16:
    case DataType::float8e4m3:
    case DataType::float8e5m2:
      break;
  }
  ADD_FAILURE() << "no type of the host";
}

/// The reduction as the machine does it, over the given ranks.
Bytes reduced(const Variant& variant, const std::vector<int>& of, int ranks, std::size_t elements,
              std::uint64_t iteration, Part part = {}) {
  Bytes result = made(elements, variant.type), input = result;
  for (std::size_t i = 0; i < of.size(); ++i) {
    fill_contribution(input, variant, of[i], ranks, iteration, part);
    if (i == 0) {
      result = input;
    } else {
      accumulate(variant, result, input);
    }
  }
  return result;
}

std::vector<int> first(int ranks) {
  std::vector<int> all(static_cast<std::size_t>(ranks));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

std::vector<Variant> variants() {
  std::vector<Variant> all;
  for (const DataType type : host_types)
    for (const Reduction reduction : host_reductions) all.push_back({type, reduction, false});
  return all;
}

std::string name(const Variant& variant) {
  return std::string(type_name(variant.type)) + " " + std::string(reduction_name(variant.reduction));
}

TEST(Reference, WhatTheMachineReducesIsAccepted) {
  for (const Variant& variant : variants())
    for (const int ranks : {1, 2, 3, 8, 31, 1000})
      for (const std::size_t elements : {1UL, 2UL, 16UL, 17UL, 100UL, 4500UL})
        for (const std::uint64_t iteration : {0ULL, 1ULL, 123456789012ULL}) {
          if (ranks == 1000 && elements > 17) continue;
          const Bytes result = reduced(variant, first(ranks), ranks, elements, iteration);
          const auto wrong = check_reduced(result, variant, ranks, iteration);
          EXPECT_FALSE(wrong) << name(variant) << " of " << elements << " over " << ranks << " in iteration "
                              << iteration << ": element " << wrong->index << " expected " << wrong->expected
                              << " got " << wrong->got;
        }
}

TEST(Reference, SumsOfManyRanksStayExact) {
  // In the order of the ranks, and with every partial sum rounded to the type: as bad as any algorithm.
  for (const DataType type : host_types) {
    const Variant variant{type, Reduction::sum, false};
    constexpr int ranks = 300'000;
    EXPECT_FALSE(check_reduced(reduced(variant, first(ranks), ranks, 2, 7), variant, ranks, 7))
        << type_name(type);
  }
}

TEST(Reference, AMissingARepeatedAndAStaleRankAreFound) {
  constexpr int ranks = 8;
  for (const Variant& variant : variants()) {
    for (int odd = 0; odd < ranks; ++odd) {
      // With max and min a rank that wins nowhere in one iteration is seen in another.
      int missing_found = 0, stale_found = 0, repeated_found = 0;
      constexpr int iterations = 20;
      for (std::uint64_t iteration = 1; iteration <= iterations; ++iteration) {
        std::vector<int> others;
        for (int rank = 0; rank < ranks; ++rank)
          if (rank != odd) others.push_back(rank);
        Bytes result = reduced(variant, others, ranks, 64, iteration);
        if (check_reduced(result, variant, ranks, iteration)) ++missing_found;
        Bytes stale = made(64, variant.type);
        fill_contribution(stale, variant, odd, ranks, iteration - 1);
        accumulate(variant, result, stale);
        if (check_reduced(result, variant, ranks, iteration)) ++stale_found;

        others.push_back((odd + 1) % ranks);
        if (check_reduced(reduced(variant, others, ranks, 64, iteration), variant, ranks, iteration))
          ++repeated_found;
      }
      const bool extreme = variant.reduction == Reduction::max || variant.reduction == Reduction::min;
      const int least = extreme ? 5 : iterations;
      EXPECT_GE(missing_found, least) << name(variant) << " rank " << odd;
      EXPECT_GE(stale_found, least) << name(variant) << " rank " << odd;
      EXPECT_GE(repeated_found, least) << name(variant) << " rank " << odd;
    }
  }
}

TEST(Reference, AMissingRankIsFoundInTwoElements) {
  for (const DataType type : host_types)
    for (const Reduction reduction : {Reduction::sum, Reduction::prod})
      for (std::uint64_t iteration = 0; iteration < 40; ++iteration)
        for (const int missing : {0, 1, 2}) {
          const Variant variant{type, reduction, false};
          std::vector<int> others = first(3);
          others.erase(others.begin() + missing);
          EXPECT_TRUE(check_reduced(reduced(variant, others, 3, 2, iteration), variant, 3, iteration))
              << name(variant) << " rank " << missing << ", iteration " << iteration;
        }
}

TEST(Reference, AResultOfAnotherIterationIsWrong) {
  for (const Variant& variant : variants())
    for (const int ranks : {1, 2, 3, 8, 31})
      for (std::uint64_t iteration = 280; iteration < 320; ++iteration)
        for (const std::uint64_t back : {1ULL, 8ULL, 17ULL, 272ULL}) {
          // The periods of place and rank together are 8432 iterations; over 31 ranks, 272.
          if (back == 272 && ranks == 31) continue;
          EXPECT_TRUE(check_reduced(reduced(variant, first(ranks), ranks, 17, iteration - back), variant,
                                    ranks, iteration))
              << name(variant) << " over " << ranks << ", iteration " << iteration;
        }
}

TEST(Reference, PartsOfAVectorKnowTheirPlace) {
  for (const Variant& variant : variants()) {
    const Bytes whole = reduced(variant, first(3), 3, 10'000, 4);
    const std::size_t one = type_bytes(variant.type);
    for (const std::size_t at : {0UL, 1UL, 3333UL, 4090UL, 8192UL}) {
      const auto part = std::span(whole).subspan(at * one, 1500 * one);
      EXPECT_FALSE(check_reduced(part, variant, 3, 4, Part{at})) << name(variant) << " at " << at;
      // Less than the period, over the end of a page too.
      EXPECT_FALSE(check_reduced(part.first(8 * one), variant, 3, 4, Part{at}))
          << name(variant) << " at " << at;
      EXPECT_TRUE(check_reduced(part, variant, 3, 4, Part{at + 1})) << name(variant) << " at " << at;
      // Other reductions have the same period, so this is what the pages are for.
      EXPECT_TRUE(check_reduced(part, variant, 3, 4, Part{at + 17UL * 4096}))
          << name(variant) << " at " << at;
      EXPECT_TRUE(check_reduced(part, variant, 3, 4, Part{at + 2048})) << name(variant) << " at " << at;
    }
  }
}

TEST(Reference, EveryBitOfEveryElementCounts) {
  for (const Variant& variant : variants()) {
    const Bytes good = reduced(variant, first(4), 4, 40, 5);
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
      Bytes bad = good;
      bad[bit / 8] ^= std::byte{1} << (bit % 8);
      const auto wrong = check_reduced(bad, variant, 4, 5);
      ASSERT_TRUE(wrong) << name(variant) << " bit " << bit;
      EXPECT_EQ(wrong->index, bit / 8 / type_bytes(variant.type));
      EXPECT_FALSE(wrong->expected == wrong->got) << name(variant) << " bit " << bit;
    }
  }
}

TEST(Reference, AWrongElementBeyondTheFirstPageIsNamed) {
  Bytes data = made(50'000, DataType::int32);
  fill_block(data, DataType::int32, 9, 2);
  EXPECT_FALSE(check_block(data, DataType::int32, 9, 2));
  const std::int32_t right = element<std::int32_t>(data, 43'210), planted = 5;
  std::memcpy(data.data() + std::size_t{43'210} * 4, &planted, 4);
  const auto wrong = check_block(data, DataType::int32, 9, 2);
  ASSERT_TRUE(wrong);
  EXPECT_EQ(wrong->index, 43'210u);
  EXPECT_EQ(wrong->expected, right);
  EXPECT_EQ(wrong->got, 5.0);
}

TEST(Reference, NotANumberIsWrong) {
  const Variant variant;
  Bytes sum = reduced(variant, first(2), 2, 10, 1);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(sum.data() + 3 * sizeof nan, &nan, sizeof nan);
  const auto wrong = check_reduced(sum, variant, 2, 1);
  ASSERT_TRUE(wrong);
  EXPECT_EQ(wrong->index, 3u);
  EXPECT_TRUE(std::isnan(wrong->got));
}

TEST(Reference, BlocksKnowTheirStreamIterationAndOffset) {
  for (const DataType type : host_types) {
    constexpr std::size_t elements = 9000;
    Bytes data = made(elements, type);
    for (const std::uint64_t stream : {0ULL, 1ULL, 2ULL, 17ULL, 32ULL, 4097ULL, 262138ULL, 1ULL << 40U})
      for (const std::uint64_t iteration : {0ULL, 1ULL, 16ULL, 272ULL, 1ULL << 40U}) {
        fill_block(data, type, stream, iteration);
        EXPECT_FALSE(check_block(data, type, stream, iteration));
        for (std::size_t i : {0UL, 1UL, 5000UL}) {
          // Each element for itself says what it is.
          const auto one = std::span(data).subspan(i * type_bytes(type), type_bytes(type));
          const auto check_one = [&](std::uint64_t s, std::uint64_t it) {
            Bytes expected = made(elements, type);
            fill_block(expected, type, s, it);
            return std::memcmp(expected.data() + i * type_bytes(type), one.data(), one.size()) == 0;
          };
          EXPECT_FALSE(check_one(stream + 1, iteration));
          EXPECT_FALSE(check_one(stream + 8, iteration));
          EXPECT_FALSE(check_one(stream, iteration + 1));
          EXPECT_FALSE(check_one(stream, iteration + 8));
          EXPECT_FALSE(check_one(stream, iteration + 272));
        }
      }
    fill_block(data, type, 3, 9);
    const auto all = std::span<const std::byte>(data);
    const std::size_t one = type_bytes(type);
    // Segments in the wrong order, as a pipeline might put them: next to each other, and 17 apart.
    for (const std::size_t segment : {64UL, 256UL}) {
      Bytes swapped = data;
      std::memcpy(swapped.data(), all.subspan(segment * one).data(), segment * one);
      std::memcpy(swapped.data() + segment * one, all.data(), segment * one);
      EXPECT_TRUE(check_block(swapped, type, 3, 9));
      swapped = data;
      std::memcpy(swapped.data() + 17 * segment * one, all.data(), segment * one);
      if (17 * segment > 4096) {
        EXPECT_TRUE(check_block(swapped, type, 3, 9));
      }
    }
  }
}

TEST(Reference, WideTypesNeedTheirWidth) {
  for (const Reduction reduction : host_reductions) {
    Bytes data = reduced({DataType::int64, reduction, false}, first(4), 4, 17, 3);
    for (std::size_t i = 0; i < 17; ++i) {
      const auto value = element<std::int64_t>(data, i);
      EXPECT_NE(value, static_cast<std::int32_t>(value)) << reduction_name(reduction);
    }
    data = reduced({DataType::float64, reduction, false}, first(4), 4, 17, 3);
    for (std::size_t i = 0; i < 17; ++i) {
      const auto value = element<double>(data, i);
      EXPECT_NE(value, static_cast<double>(static_cast<float>(value))) << reduction_name(reduction);
    }
  }
  Bytes data = made(17, DataType::int64);
  for (const std::uint64_t stream : {0ULL, 5ULL, 262138ULL}) {
    fill_block(data, DataType::int64, stream, 0);
    for (std::size_t i = 0; i < 17; ++i)
      EXPECT_NE(element<std::int64_t>(data, i), static_cast<std::int32_t>(element<std::int64_t>(data, i)));
    fill_block(data, DataType::float64, stream, 0);
    for (std::size_t i = 0; i < 17; ++i)
      EXPECT_NE(element<double>(data, i), static_cast<double>(static_cast<float>(element<double>(data, i))));
  }
}

TEST(Reference, SignedResultsOfBothSignsAppear) {
  for (const Reduction reduction : {Reduction::max, Reduction::min, Reduction::prod}) {
    int negative = 0, positive = 0;
    for (std::uint64_t iteration = 0; iteration < 20; ++iteration) {
      const Bytes data = reduced({DataType::int32, reduction, false}, first(2), 2, 17, iteration);
      for (std::size_t i = 0; i < 17; ++i) ++(element<std::int32_t>(data, i) < 0 ? negative : positive);
    }
    EXPECT_GT(negative, 10) << reduction_name(reduction);
    EXPECT_GT(positive, 10) << reduction_name(reduction);
  }
}

TEST(Reference, PoisonIsNoResult) {
  for (const Variant& variant : variants())
    for (const int ranks : {1, 2, 100'000})
      for (std::uint64_t iteration = 0; iteration < 3; ++iteration) {
        Bytes data = made(17, variant.type);
        poison(data);
        for (std::size_t i = 0; i < 17; ++i) {
          const auto one = std::span<const std::byte>(data).subspan(0, type_bytes(variant.type));
          EXPECT_TRUE(check_reduced(one, variant, ranks, iteration, Part{i}));
          EXPECT_TRUE(check_block(one, variant.type, i, iteration));
        }
      }
  poison({});
}

}  // namespace
}  // namespace fabricheck::collectives
