// The thread of a watchdog. Private to this folder.
#pragma once

#include <system_error>
#include <thread>
#include <utility>

#include "core/error.hpp"

namespace fabricheck::control {

/// Throws Error where the system has no room for one more.
template <class Loop>
std::thread start_watching(Loop&& loop) {
  try {
    return std::thread(std::forward<Loop>(loop));
  } catch (const std::system_error& error) {
    throw Error("cannot start a thread: " + error.code().message() +
                "; allow more memory and processes (ulimit -v, ulimit -u)");
  }
}

}  // namespace fabricheck::control
