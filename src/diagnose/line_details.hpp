// What a line says beside the phrase that was found in it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "diagnose/phrases.hpp"

namespace fabricheck::diagnose {

struct LineDetail {
  int code{};
  std::string text;
  bool is_other{};  ///< the phrase stands there for something else
};

/// `end`: the position behind the phrase.
LineDetail line_detail(const Phrase& phrase, std::string_view line, std::size_t end);

/// The same, of what a kernel's log tells; nothing: the phrase's detail is of another kind.
std::optional<LineDetail> kernel_line_detail(const Phrase& phrase, std::string_view line, std::size_t end);

/// "700 'an illegal memory access …'", behind "failure ": number and text.
LineDetail cuda_detail(std::string_view rest);

/// Whether the words between `before` and `rest` stand in code that looks for them, in a question, beside a
/// count of none.
bool is_spoken_of(std::string_view before, std::string_view rest);

/// The GIDs of a connection, where the line names them.
struct GidPair {
  bool link_local{};  ///< fe80::…
  bool apart{};       ///< IPv4 addresses of different /24 networks
};
GidPair gids_of(std::string_view line);

/// errno of strerror()'s English text, such as "Connection timed out"; 0 where it is none that matters here.
int errno_of(std::string_view text);

}  // namespace fabricheck::diagnose
