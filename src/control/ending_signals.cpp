#include "control/ending_signals.hpp"

#include <sys/signalfd.h>
#include <unistd.h>

namespace fabricheck::control {

sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

Descriptor open_ending_signals() {
  const sigset_t set = ending_signals();
  return Descriptor(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

std::string take_ending_signal(const Descriptor& signals) {
  std::string name;
  signalfd_siginfo info{};
  while (::read(signals.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info))
    name = info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM";
  return name;
}

}  // namespace fabricheck::control
