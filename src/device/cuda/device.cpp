#include "device/cuda/device.hpp"

#include <fmt/format.h>

namespace fabricheck::cuda {
namespace {

constexpr std::int64_t spin_ns = 200'000;
constexpr std::int64_t nap_ns = 20'000;

}  // namespace

std::string gpu_words(const DeviceFacts& facts) {
  return fmt::format("GPU {} ({})", facts.number.value_or(facts.ordinal), facts.pci_address);
}

const char* access_name(Access access) {
  switch (access) {
    case Access::copy:
      return "copy";
    case Access::read:
      return "read";
    case Access::write:
      return "write";
    case Access::triad:
      return "triad";
  }
  return "?";
}

double bytes_moved(Access access) {
  switch (access) {
    case Access::copy:
      return 2.0;
    case Access::read:
    case Access::write:
      return 1.0;
    case Access::triad:
      return 3.0;
  }
  return 0.0;
}

bool wait_for(Device& device, Event event, const Clock& clock, std::int64_t deadline_ns,
              const std::function<void()>& meanwhile) {
  const std::int64_t begun_ns = clock.now_ns();
  while (!device.is_done(event)) {
    const std::int64_t now_ns = clock.now_ns();
    if (now_ns >= deadline_ns) return false;
    if (meanwhile) meanwhile();
    if (now_ns - begun_ns > spin_ns) clock.sleep_ns(nap_ns);
  }
  return true;
}

}  // namespace fabricheck::cuda
