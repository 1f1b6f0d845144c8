// The progress line: one line rewritten on a terminal, plain lines in a log. Where nobody takes it any more
// it is given up, and nothing is said.
#pragma once

#include <chrono>
#include <cstdio>
#include <optional>
#include <string>

#include "core/run_record.hpp"

namespace fabricheck::report {

class ProgressPrinter {
 public:
  enum class Mode { off, plain, terminal };
  ProgressPrinter(Mode mode, std::FILE* out) : mode_(mode), out_(out) {}
  /// "[3/12] MPI allreduce latency, 8 B, between nodes"; on a terminal "[3/12, 40 s left] …" where that is
  /// known.
  void start(int number, int total, const std::string& what,
             std::optional<std::chrono::nanoseconds> left = std::nullopt);
  /// Adds verdict and value to the started line: "PASS 1.23 us".
  void finish(const CheckRecord& check);
  /// Of checks that were not begun and follow one another one line tells, with the first one's reason: it
  /// comes when the next line does, or the end.
  void not_measured(const CheckRecord& check);
  /// Ends an open line on a terminal.
  void close();

 private:
  void line(const std::string& text);
  void tell_not_measured();
  void give_up();

  Mode mode_;
  std::FILE* out_;
  std::string open_;
  std::optional<CheckRecord> first_not_measured_;
  int not_measured_{};
};

}  // namespace fabricheck::report
