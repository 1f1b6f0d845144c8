#include "app/leave_at_sigterm.hpp"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <ctime>
#include <utility>

namespace fabricheck::app {
namespace {

sigset_t only_sigterm() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

LeaveAtSigterm::LeaveAtSigterm(std::function<int()> leave) : leave_(std::move(leave)) {
  const sigset_t set = only_sigterm();
  signals_ = Descriptor(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  stop_ = Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  // Without these the process ends at SIGTERM as any other does.
  if (!signals_ || !stop_) return;
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  watcher_ = std::thread([this] { watch(); });
}

LeaveAtSigterm::~LeaveAtSigterm() {
  disarm();
  if (watcher_.joinable()) {
    const std::uint64_t one = 1;
    while (::write(stop_.get(), &one, sizeof one) < 0 && errno == EINTR) {
    }
    watcher_.join();
    // One that came once all was done is late: the status of what was done stands.
    const sigset_t set = only_sigterm();
    const timespec at_once{};
    ::sigtimedwait(&set, nullptr, &at_once);
    ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  }
}

void LeaveAtSigterm::disarm() {
  const auto held = hold();
  is_armed_ = false;
}

void LeaveAtSigterm::watch() {
  std::array<pollfd, 2> waits{{{signals_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
  for (;;) {
    if (::poll(waits.data(), waits.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return;
    }
    if (waits[1].revents != 0) return;
    const auto held = hold();
    if (!is_armed_) return;
    ::_exit(leave_());
  }
}

}  // namespace fabricheck::app
