// A library that ends the process by itself.
#pragma once

#include <string>

namespace fabricheck::control {

/// While it lives, exit() ends the process with `status` and `words` on standard error ("" says nothing)
/// instead of what the caller wanted: where MPI_Init fails it calls exit(1), and 1 is the status of a missed
/// target. One at a time.
class ExitGuard {
 public:
  ExitGuard(std::string words, int status);
  ~ExitGuard();
  ExitGuard(const ExitGuard&) = delete;
  ExitGuard& operator=(const ExitGuard&) = delete;

 private:
  static void at_exit();

  std::string words_;
  int status_;
};

}  // namespace fabricheck::control
