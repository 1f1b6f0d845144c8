// Where this rank is, for the watchdog. Written by the measuring thread, read by the watchdog thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace fabricheck {

struct Progress {
  std::atomic<std::uint64_t> phase{0};  ///< counts control phases; the same on every rank at the same place
  /// Steps within the phase: 0 before the first iteration, 2 i + 1 inside iteration i, 2 i + 2 after it. So a
  /// rank that does not come out of an iteration is behind those that did.
  std::atomic<std::uint64_t> step{0};
  std::atomic<bool> idle{false};  ///< this rank only waits for the others
  /// Of the phase's hunt for corruption: iterations that were compared and right, on every rank.
  std::atomic<std::uint64_t> verified{0};

  void enter_phase() {
    step.store(0, std::memory_order_relaxed);
    idle.store(false, std::memory_order_relaxed);
    verified.store(0, std::memory_order_relaxed);
    phase.fetch_add(1, std::memory_order_release);
  }
  void enter_iteration(std::uint64_t iteration) { step.store(2 * iteration + 1, std::memory_order_relaxed); }
  void leave_iteration(std::uint64_t iteration) { step.store(2 * iteration + 2, std::memory_order_relaxed); }
};

/// The iteration that a step belongs to: the one inside which it is, or the last one that was left.
inline std::uint64_t iteration_of_step(std::uint64_t step) { return step == 0 ? 0 : (step - 1) / 2; }

}  // namespace fabricheck
