// Small text helpers of the topology: natural order, numbers, and foreign text made fit for a sentence.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fabricheck::topology {

/// mlx5_2 before mlx5_10.
bool natural_less(std::string_view a, std::string_view b);

/// A whole number with nothing around it; `base` 16 takes a leading 0x.
std::optional<long> parse_number(std::string_view text, int base = 10);

/// The text cut to a length that fits a sentence, all but printable ASCII replaced: results stay valid UTF-8.
std::string printable(std::string_view text);

/// The same in quotes.
std::string in_quotes(std::string_view text);

}  // namespace fabricheck::topology
