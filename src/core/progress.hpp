// Where this rank is, for the watchdog. Written by the measuring thread, read by the watchdog thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace fabricheck {

struct Progress {
  std::atomic<std::uint64_t> phase{0};  ///< counts control phases; the same on every rank at the same place
  std::atomic<std::uint64_t> iteration{0};  ///< within the phase: the iteration now being executed, from 1
  std::atomic<bool> idle{false};            ///< this rank only waits for the others
  void enter_phase() {
    iteration.store(0, std::memory_order_relaxed);
    idle.store(false, std::memory_order_relaxed);
    phase.fetch_add(1, std::memory_order_release);
  }
};

}  // namespace fabricheck
