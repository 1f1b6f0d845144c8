#include "core/operation.hpp"

#include <fmt/format.h>

namespace fabricheck {

std::string mismatch_words(const Mismatch& wrong) {
  return fmt::format("rank {} on {}: iteration {}, element {}: expected {}, got {}", wrong.rank, wrong.host,
                     wrong.iteration, wrong.index, wrong.expected, wrong.got);
}

}  // namespace fabricheck
