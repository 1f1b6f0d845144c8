// Text for terminals: cleaned, counted in characters, wrapped. Private to src/report.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fabricheck::report {

/// One line of valid UTF-8 that cannot steer a terminal: line breaks and tabs become a space; control
/// characters, what is no UTF-8 and the marks that reorder text become '?'. For host names, logs and
/// everything else from outside.
std::string sanitise(std::string_view text);

/// Characters (code points), which is what columns are counted in; not bytes.
std::size_t text_width(std::string_view utf8);

/// At most `width` characters; a longer text ends in "...".
std::string shorten(std::string_view utf8, std::size_t width);

/// Filled up with spaces to `width` characters.
std::string pad(std::string_view utf8, std::size_t width, bool right_aligned = false);

/// Lines of at most `width` (>= 1) characters, broken at spaces, and inside a word only where it is wider
/// than a line. At least one line.
std::vector<std::string> wrap(std::string_view utf8, std::size_t width);

}  // namespace fabricheck::report
