#include "device/cuda/stopwatch.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/error.hpp"
#include "core/units.hpp"

namespace fabricheck::cuda {
namespace {

/// Far fewer than the driver queues (1024 launches): a launch into a full queue waits without a deadline.
constexpr std::size_t most_on_their_way = 256;

}  // namespace

std::string gpu_words(const DeviceFacts& facts) {
  return fmt::format("GPU {} ({})", facts.ordinal, facts.pci_address);
}

Stopwatch::Stopwatch(Device& device, const Clock& clock, std::int64_t deadline_ns, std::size_t timed_streams)
    : device_(device),
      clock_(clock),
      deadline_ns_(deadline_ns),
      aside_(device, device.make_stream()),
      aside_done_(device, device.make_event()) {
  for (std::size_t i = 0; i < timed_streams; ++i) streams_.emplace_back(device, device.make_stream());
}

Event Stopwatch::event(std::size_t boundary, std::size_t stream) {
  const std::size_t place = boundary * streams_.size() + stream;
  while (events_.size() <= place) events_.emplace_back(device_, device_.make_event());
  return events_[place].get();
}

void Stopwatch::await(Event event, const char* what, const std::function<void()>& meanwhile) {
  if (wait_for(device_, event, clock_, clock_.now_ns() + deadline_ns_, meanwhile)) return;
  device_.abandon();
  throw Error(
      fmt::format("{} on {} did not end within {}: the GPU or its driver hangs; look for XID errors in the "
                  "kernel log (dmesg) and reset the GPU (nvidia-smi -r) or reboot the node",
                  what, gpu_words(device_.facts()), format_duration(std::chrono::nanoseconds(deadline_ns_))));
}

void Stopwatch::time(std::span<double> times_us, const char* what, const Enqueue& enqueue,
                     const std::function<void()>& meanwhile, std::size_t launches) {
  const std::size_t ahead = std::max<std::size_t>(1, most_on_their_way / std::max<std::size_t>(1, launches));
  const std::size_t streams = streams_.size();
  const auto await_end = [&](std::size_t iteration) {
    for (std::size_t s = 0; s < streams; ++s) await(event(iteration + 1, s), what, meanwhile);
  };
  event(times_us.size(), streams - 1);  // making one takes time that would be taken for the work's
  for (std::size_t s = 0; s < streams; ++s) device_.record(event(0, s), streams_[s].get());
  for (std::size_t i = 0; i < times_us.size(); ++i) {
    if (i >= ahead) await_end(i - ahead);
    for (std::size_t s = 0; s < streams; ++s) {
      enqueue(i, s);
      device_.record(event(i + 1, s), streams_[s].get());
    }
  }
  const std::size_t waited = times_us.size() - std::min(times_us.size(), ahead);
  for (std::size_t i = waited; i < times_us.size(); ++i) await_end(i);

  double before_us = 0.0;
  for (std::size_t i = 0; i < times_us.size(); ++i) {
    double end_us = before_us;
    for (std::size_t s = 0; s < streams; ++s)
      end_us = std::max(end_us, device_.elapsed_us(event(0, 0), event(i + 1, s)));
    times_us[i] = end_us - before_us;
    before_us = end_us;
  }
}

void Stopwatch::finish_aside(const char* what) {
  device_.record(aside_done_.get(), aside_.get());
  await(aside_done_.get(), what, {});
}

}  // namespace fabricheck::cuda
