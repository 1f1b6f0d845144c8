// The nearest known word to an unknown one.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace fabricheck {

/// The closest of `known` by edit distance, or "" when none is near (distance over a third of the word, at
/// least 1).
std::string nearest_word(std::string_view word, std::span<const std::string> known);

/// "; did you mean 'quick'?" or, with no near word, "; known are quick, acceptance, full" (at most 12
/// listed).
std::string suggestion(std::string_view word, std::span<const std::string> known);

}  // namespace fabricheck
