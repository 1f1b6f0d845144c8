// What mpirun says on standard error, without what our own exit status makes it say.
#pragma once

#include <string>
#include <string_view>

namespace fabricheck::app {

/// Rank 0 exits with 1 to 4 by design, and Open MPI explains that at length after the report, as if something
/// had broken. Its blocks stand between two lines of 74 dashes. Those two of them are left out; all else
/// passes, at once where it is no such block.
class MpirunWords {
 public:
  /// What of `text`, and of what was held back before, is to be shown now.
  std::string feed(std::string_view text);
  /// What is still held back when the stream ends.
  std::string finish();

 private:
  void end_line(std::string& shown);
  std::string line_;   ///< the line being read, as long as it may be a rule
  std::string block_;  ///< from an opening rule on
  bool passing_{};     ///< this line is known to be no rule and is being shown
};

}  // namespace fabricheck::app
