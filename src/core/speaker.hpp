// "rank 3 on n1: …": which rank a sentence is of.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace fabricheck {

struct Speaker {
  int rank{};
  std::string host;
  std::size_t length{};  ///< of "rank 3 on n1: "
};

/// Who speaks at the front of `sentence`; nothing where it begins otherwise.
std::optional<Speaker> speaker_of(std::string_view sentence);

}  // namespace fabricheck
