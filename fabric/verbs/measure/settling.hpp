// Data that may still be on its way to memory although its message is complete.
#pragma once

#include <atomic>
#include <thread>

#include "core/clock.hpp"
#include "fabric/verbs/measure/endpoint.hpp"

namespace fabricheck::verbs {

/// Far more than any bus takes, and paid once, for a message that is wrong.
inline constexpr std::int64_t settling_ns = 200'000'000;

/// What `look()` finds wrong in arrived memory, looked at again until it finds nothing or could be late no
/// more: what is wrong stays wrong.
template <typename Look>
auto look_until_settled(Endpoint& endpoint, const Clock& clock, Look&& look) {
  const std::int64_t until_ns = clock.now_ns() + settling_ns;
  auto wrong = look();
  while (wrong && clock.now_ns() < until_ns) {
    std::this_thread::yield();
    std::atomic_thread_fence(std::memory_order_acquire);
    endpoint.fetch();
    wrong = look();
  }
  return wrong;
}

}  // namespace fabricheck::verbs
