#include "app/mpirun_words.hpp"

#include <utility>

namespace fabricheck::app {
namespace {

constexpr std::size_t rule_length = 74;

bool is_rule(std::string_view line) {
  return line.size() == rule_length && line.find_first_not_of('-') == std::string_view::npos;
}

bool explains_our_exit_status(const std::string& block) {
  return block.find("a non-zero exit code. Per user-direction, the job has been aborted.") !=
             std::string::npos ||
         block.find("detected that one or more processes exited with non-zero status") != std::string::npos;
}

}  // namespace

std::string MpirunWords::feed(std::string_view text) {
  std::string shown;
  for (const char c : text) {
    if (c == '\n') {
      end_line(shown);
    } else if (passing_) {
      shown += c;
    } else {
      line_ += c;
      // Outside of a block, only what may still become a rule waits for the rest of its line.
      if (block_.empty() && (c != '-' || line_.size() > rule_length)) {
        shown += std::exchange(line_, {});
        passing_ = true;
      }
    }
  }
  return shown;
}

void MpirunWords::end_line(std::string& shown) {
  if (passing_) {
    shown += '\n';
    passing_ = false;
    return;
  }
  const bool rule = is_rule(line_);
  const bool opened = !block_.empty();
  const std::string line = std::exchange(line_, {}) + '\n';
  if (!opened && !rule) {
    shown += line;
    return;
  }
  block_ += line;
  if (!opened || !rule) return;
  if (!explains_our_exit_status(block_)) shown += block_;
  block_.clear();
}

std::string MpirunWords::finish() {
  passing_ = false;
  return std::exchange(block_, {}) + std::exchange(line_, {});
}

}  // namespace fabricheck::app
