// Lines of logs that a container runtime, a log shipper or journald wrapped in JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fabricheck::app {

/// The text that was wrapped: the string "log", else "message", "msg" or "MESSAGE" of a line that is a JSON
/// object, without its escapes; it may hold line ends. Nothing where the line is none or has none of them.
/// What is returned points into the line or into `buffer`.
std::optional<std::string_view> json_log_text(std::string_view line, std::string& buffer);

}  // namespace fabricheck::app
