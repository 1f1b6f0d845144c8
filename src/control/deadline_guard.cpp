#include "control/deadline_guard.hpp"

#include <unistd.h>

#include <array>
#include <chrono>
#include <system_error>

#include "core/remark.hpp"

namespace fabricheck::control {

DeadlineGuard::DeadlineGuard(GuardedCall call) {
  try {
    thread_ = std::thread([this, call = std::move(call)] {
      const auto is_done_within = [this](double seconds) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, std::chrono::duration<double>(seconds), [this] { return done_; });
      };
      std::array<char, 256> host{};
      ::gethostname(host.data(), host.size() - 1);
      if (call.remark_after_s > 0.0) {
        if (is_done_within(call.remark_after_s)) return;
        remark(stderr, "fabricheck: {} waits for {} since {:.0f} s, and will for {:.0f} s at most: {}\n",
               host.data(), call.what, call.remark_after_s, call.seconds, call.why);
      }
      if (is_done_within(call.seconds - call.remark_after_s)) return;
      remark(stderr, "fabricheck: {} did not return within {:.0f} s on {}: {}\n", call.what, call.seconds,
             host.data(), call.why);
      ::_exit(call.status);
    });
  } catch (const std::system_error&) {
    // A machine without room for one more thread: what is guarded goes on without a deadline.
  }
}

DeadlineGuard::~DeadlineGuard() {
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

}  // namespace fabricheck::control
