#include "control/exit_guard.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace fabricheck::control {
namespace {

[[noreturn]] void exit_inside() {
  const ExitGuard guard("MPI could not start", 3);
  std::exit(1);
}

[[noreturn]] void exit_after() {
  { const ExitGuard guard("MPI could not start", 3); }
  std::exit(1);
}

TEST(ExitGuardDeathTest, ALibrarysExitGetsOurStatusAndWords) {
  EXPECT_EXIT(exit_inside(), testing::ExitedWithCode(3), "fabricheck: MPI could not start");
}

TEST(ExitGuardDeathTest, AfterItExitIsAsEver) { EXPECT_EXIT(exit_after(), testing::ExitedWithCode(1), "^$"); }

}  // namespace
}  // namespace fabricheck::control
