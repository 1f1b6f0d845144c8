// The file that one visit leaves for the next, kept as root's own.
#pragma once

#include <optional>
#include <string>

#include "core/descriptor.hpp"

namespace fabricheck::node {

struct StateText {
  std::optional<std::string> text;  ///< none: there is no file yet, or it is not to be trusted
  std::string problem;              ///< why it is not; a sentence, empty: nothing is wrong
};

/// Keeps other visits from the state while one reads it, adds to it and writes it. Waits for them for a
/// moment only: a lock that is not to be had is better than a visit that hangs.
class StateLock {
 public:
  /// Makes the folder with mode 0700 where it lacks.
  explicit StateLock(const std::string& folder);
  bool is_held() const { return is_held_; }

 private:
  Descriptor folder_;
  bool is_held_{};
};

/// Reads FOLDER/node.json. Follows no link in the last two parts of the path, and trusts neither a folder nor
/// a file that another user owns or others may write.
StateText read_state(const std::string& folder);

/// Puts the text in place of the old one, whole or not at all; makes the folder with mode 0700 where it
/// lacks. Why it could not, a sentence; empty: it did.
std::string write_state(const std::string& folder, const std::string& text);

}  // namespace fabricheck::node
