// Inputs of collectives and the results they must give: pure, exact in float32, different in every iteration.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace fabricheck::collectives {

/// A wrong element: where, what should be there, what is.
struct WrongElement {
  std::uint64_t index{};
  double expected{};
  double got{};
};

/// What element `index` has of its own in `iteration`: an integer in [-8, 8].
float element_part(std::uint64_t index, std::uint64_t iteration);
/// What rank `rank` of the group adds to each of its elements: an integer in [1, 7].
float rank_part(int rank, std::uint64_t iteration);

/// input[i] = element_part(i) + rank_part(rank). Sums of such integers are exact in float32 up to a million
/// ranks.
void fill_input(std::span<float> input, int rank, std::uint64_t iteration);

/// The sum over ranks 0..ranks-1 of fill_input: ranks * element_part(i) + the sum of rank_part.
std::optional<WrongElement> check_sum(std::span<const float> output, int ranks, std::uint64_t iteration);

/// What the given rank put in.
std::optional<WrongElement> check_copy(std::span<const float> output, int rank, std::uint64_t iteration);

}  // namespace fabricheck::collectives
