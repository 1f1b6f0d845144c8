#include "collectives/reference.hpp"

#include <array>

namespace fabricheck::collectives {
namespace {

constexpr std::uint64_t period = 17;

/// Compares with factor * element_part + constant, walking the periodic part instead of dividing for each
/// element.
std::optional<WrongElement> check_affine(std::span<const float> output, float factor, float constant,
                                         std::uint64_t iteration) {
  std::array<float, period> expected{};
  for (std::uint64_t i = 0; i < period; ++i) expected[i] = factor * element_part(i, iteration) + constant;
  std::uint64_t at = 0;
  for (std::size_t i = 0; i < output.size(); ++i) {
    // Not (a == b) also catches a NaN.
    if (!(output[i] == expected[at])) return WrongElement{i, expected[at], output[i]};
    if (++at == period) at = 0;
  }
  return std::nullopt;
}

}  // namespace

float element_part(std::uint64_t index, std::uint64_t iteration) {
  return static_cast<float>(static_cast<int>((index + iteration) % period) - 8);
}

float rank_part(int rank, std::uint64_t iteration) {
  return static_cast<float>(1 + (static_cast<std::uint64_t>(rank) * 13 + iteration * 31) % 7);
}

void fill_input(std::span<float> input, int rank, std::uint64_t iteration) {
  std::array<float, period> values{};
  for (std::uint64_t i = 0; i < period; ++i)
    values[i] = element_part(i, iteration) + rank_part(rank, iteration);
  std::uint64_t at = 0;
  for (float& element : input) {
    element = values[at];
    if (++at == period) at = 0;
  }
}

std::optional<WrongElement> check_sum(std::span<const float> output, int ranks, std::uint64_t iteration) {
  float constant = 0.0F;
  for (int rank = 0; rank < ranks; ++rank) constant += rank_part(rank, iteration);
  return check_affine(output, static_cast<float>(ranks), constant, iteration);
}

std::optional<WrongElement> check_copy(std::span<const float> output, int rank, std::uint64_t iteration) {
  return check_affine(output, 1.0F, rank_part(rank, iteration), iteration);
}

}  // namespace fabricheck::collectives
