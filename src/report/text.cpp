#include "report/text.hpp"

#include <algorithm>
#include <cstdint>

namespace fabricheck::report {
namespace {

/// Length of the valid UTF-8 sequence at the start of `text` and its code point; length 0 when there is none.
struct Character {
  std::size_t length{};
  std::uint32_t code{};
};

Character first_character(std::string_view text) {
  const auto byte = [&text](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i]));
  };
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) return {1, lead};
  const std::size_t length = lead >= 0xF0 && lead <= 0xF4  ? 4
                             : lead >= 0xE0 && lead < 0xF0 ? 3
                             : lead >= 0xC2 && lead < 0xE0 ? 2
                                                           : 0;
  if (length == 0 || text.size() < length) return {};
  std::uint32_t code = lead & (0x7Fu >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0u) != 0x80u) return {};
    code = (code << 6) | (byte(i) & 0x3Fu);
  }
  const bool too_long = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (too_long || surrogate || code > 0x10FFFF) return {};
  return {length, code};
}

bool steers(std::uint32_t code) {
  return code < 0x20 || (code >= 0x7F && code <= 0x9F) ||       // C0, DEL, C1
         (code >= 0x200B && code <= 0x200F) ||                  // zero width, direction marks
         (code >= 0x2028 && code <= 0x202E) ||                  // line separators, direction overrides
         (code >= 0x2066 && code <= 0x2069) || code == 0xFEFF;  // direction isolates, byte order mark
}

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0u) == 0x80u; }

/// Bytes that the first `characters` characters take.
std::size_t bytes_of(std::string_view utf8, std::size_t characters) {
  std::size_t at = 0;
  while (at < utf8.size() && characters > 0) {
    ++at;
    while (at < utf8.size() && is_continuation(utf8[at])) ++at;
    --characters;
  }
  return at;
}

}  // namespace

std::string sanitise(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  while (!text.empty()) {
    const Character character = first_character(text);
    const std::size_t length = std::max<std::size_t>(character.length, 1);
    if (character.length != 0 &&
        (character.code == '\n' || character.code == '\r' || character.code == '\t')) {
      clean += ' ';
    } else if (character.length == 0 || steers(character.code)) {
      clean += '?';
    } else {
      clean += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return clean;
}

std::size_t text_width(std::string_view utf8) {
  return utf8.size() - static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), is_continuation));
}

std::string shorten(std::string_view utf8, std::size_t width) {
  if (text_width(utf8) <= width) return std::string(utf8);
  const std::size_t dots = std::min<std::size_t>(width, 3);
  return std::string(utf8.substr(0, bytes_of(utf8, width - dots))) + std::string(dots, '.');
}

std::string pad(std::string_view utf8, std::size_t width, bool right_aligned) {
  const std::size_t taken = text_width(utf8);
  const std::string spaces(width > taken ? width - taken : 0, ' ');
  return right_aligned ? spaces + std::string(utf8) : std::string(utf8) + spaces;
}

std::vector<std::string> wrap(std::string_view utf8, std::size_t width) {
  width = std::max<std::size_t>(width, 1);
  std::vector<std::string> lines;
  std::string line;
  while (!utf8.empty()) {
    const std::size_t space = utf8.find(' ');
    std::string_view word = utf8.substr(0, space);
    utf8.remove_prefix(space == std::string_view::npos ? utf8.size() : space + 1);
    if (word.empty()) continue;
    if (!line.empty() && text_width(line) + 1 + text_width(word) > width) {
      lines.push_back(std::move(line));
      line.clear();
    }
    while (line.empty() && text_width(word) > width) {
      const std::size_t part = bytes_of(word, width);
      lines.emplace_back(word.substr(0, part));
      word.remove_prefix(part);
    }
    if (!line.empty()) line += ' ';
    line += word;
  }
  if (!line.empty() || lines.empty()) lines.push_back(std::move(line));
  return lines;
}

}  // namespace fabricheck::report
