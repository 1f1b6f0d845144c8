#include "control/deadline_guard.hpp"

#include <unistd.h>

#include <array>
#include <chrono>
#include <system_error>

#include "core/remark.hpp"

namespace fabricheck::control {

DeadlineGuard::DeadlineGuard(std::string what, double seconds, int status) {
  try {
    thread_ = std::thread([this, what = std::move(what), seconds, status] {
      std::unique_lock lock(mutex_);
      if (changed_.wait_for(lock, std::chrono::duration<double>(seconds), [this] { return done_; })) return;
      std::array<char, 256> host{};
      ::gethostname(host.data(), host.size() - 1);
      remark(stderr,
             "fabricheck: {} did not return within {:.0f} s on {}: some rank or the link to it is stopped\n",
             what, seconds, host.data());
      ::_exit(status);
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
