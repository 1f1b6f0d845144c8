#include "control/deadline_guard.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

namespace fabricheck::control {
namespace {

[[noreturn]] void wait_for_ever() {
  const DeadlineGuard guard({.what = "a call", .seconds = 0.1, .status = 3, .remark_after_s = 0.05});
  for (;;) ::pause();
}

[[noreturn]] void guard_without_room_for_a_thread() {
  const rlimit none{1, 1};
  ::setrlimit(RLIMIT_AS, &none);  // the stack of a thread is a mapping
  { const DeadlineGuard guard({.what = "a call", .seconds = 30.0, .status = 3}); }
  ::_exit(0);
}

TEST(DeadlineGuardDeathTest, EndsWhatDoesNotReturn) {
  EXPECT_EXIT(wait_for_ever(), testing::ExitedWithCode(3),
              "waits for a call since(.|\n)*a call did not return within");
}

TEST(DeadlineGuardDeathTest, WithoutAThreadWhatIsGuardedGoesOn) {
#ifdef FABRICHECK_SANITIZED
  GTEST_SKIP() << "the memory of the sanitizer would be limited, too";
#endif
  EXPECT_EXIT(guard_without_room_for_a_thread(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace fabricheck::control
