// Where in a JSON text a value stands, for messages. Private to src/report.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace fabricheck::report {

/// One step of a JSON pointer: a member's key, or an element's index where the key is empty.
struct JsonStep {
  std::string key;
  std::size_t index{};
};

/// The line, from 1, on which the value at `path` begins; of a path that is not there, the line of the last
/// value on the way to it. `text` is valid JSON.
std::size_t line_of(std::string_view text, const std::vector<JsonStep>& path);

}  // namespace fabricheck::report
