#include "collectives/mpi/compute.hpp"

#include <algorithm>
#include <cmath>

#include "core/clock.hpp"

namespace fabricheck::collectives::mpi {
namespace {

void compute(std::uint64_t rounds) {
  // Each round needs the one before, and the compiler knows neither begin nor end: nothing can be left out.
  volatile double begin = 2.0;
  double x = begin;
  for (std::uint64_t i = 0; i < rounds; ++i) x = x * 0.999999 + 1e-6;
  volatile double kept = x;
  static_cast<void>(kept);
}

double rounds_per_us() {
  // The real clock: what is calibrated is the real core. The fastest of many short tries, because whoever
  // shares the core only adds time.
  static const double measured = [] {
    constexpr std::uint64_t rounds = 20000;
    constexpr int tries = 40;
    const SteadyClock clock;
    std::int64_t fastest_ns = INT64_MAX;
    for (int i = 0; i < tries; ++i) {
      const std::int64_t begin = clock.now_ns();
      compute(rounds);
      fastest_ns = std::min(fastest_ns, clock.now_ns() - begin);
    }
    return 1000.0 * static_cast<double>(rounds) / static_cast<double>(std::max<std::int64_t>(fastest_ns, 1));
  }();
  return measured;
}

}  // namespace

Computation::Computation(double us)
    : rounds_(us > 0.0 ? static_cast<std::uint64_t>(std::llround(us * rounds_per_us())) : 0) {}

void Computation::run() const {
  if (rounds_ > 0) compute(rounds_);
}

}  // namespace fabricheck::collectives::mpi
