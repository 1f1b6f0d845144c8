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

Stopwatch::Stopwatch(Device& device, const Clock& clock, std::int64_t deadline_ns, std::size_t timed_streams)
    : Stopwatch(std::vector<Device*>(timed_streams, &device), clock, deadline_ns) {}

Stopwatch::Stopwatch(const std::vector<Device*>& timed, const Clock& clock, std::int64_t deadline_ns)
    : device_(*timed.front()),
      clock_(clock),
      deadline_ns_(deadline_ns),
      aside_(device_, device_.make_stream()),
      aside_done_(device_, device_.make_event()) {
  for (Device* one : timed) {
    Lane lane;
    lane.device = one;
    lane.stream = StreamHandle(*one, one->make_stream());
    if (is_elsewhere(lane)) lane.follower = StreamHandle(device_, device_.make_stream());
    lanes_.push_back(std::move(lane));
  }
}

void Stopwatch::make_events(std::size_t boundaries) {
  for (Lane& lane : lanes_) {
    while (lane.boundaries.size() < boundaries) lane.boundaries.emplace_back(device_, device_.make_event());
    while (is_elsewhere(lane) && lane.ends.size() < boundaries)
      lane.ends.emplace_back(*lane.device, lane.device->make_event());
  }
}

void Stopwatch::begin() {
  for (Lane& lane : lanes_)
    if (!is_elsewhere(lane)) device_.record(lane.boundaries.front().get(), lane.stream.get());
  for (Lane& lane : lanes_)
    if (is_elsewhere(lane)) lane.device->wait(lane.stream.get(), lanes_.front().boundaries.front().get());
}

void Stopwatch::end_iteration(std::size_t iteration, Lane& lane) {
  const Event end = lane.boundaries[iteration + 1].get();
  if (!is_elsewhere(lane)) {
    device_.record(end, lane.stream.get());
    return;
  }
  const Event there = lane.ends[iteration + 1].get();
  lane.device->record(there, lane.stream.get());
  device_.wait(lane.follower.get(), there);
  device_.record(end, lane.follower.get());
}

void Stopwatch::await(Device& device, Event event, const char* what, const std::function<void()>& meanwhile) {
  if (wait_for(device, event, clock_, clock_.now_ns() + deadline_ns_, meanwhile)) return;
  for (const Lane& lane : lanes_) lane.device->abandon();
  throw Error(
      fmt::format("{} on {} did not end within {}: the GPU or its driver hangs; look for XID errors in the "
                  "kernel log (dmesg) and reset it (nvidia-smi -r -i and this address: CUDA may number GPUs "
                  "otherwise) or reboot the node",
                  what, gpu_words(device.facts()), format_duration(std::chrono::nanoseconds(deadline_ns_))));
}

void Stopwatch::time(std::span<double> times_us, const char* what, const Enqueue& enqueue,
                     const std::function<void()>& meanwhile, std::size_t launches) {
  const std::size_t ahead = std::max<std::size_t>(1, most_on_their_way / std::max<std::size_t>(1, launches));
  const auto await_end = [&](std::size_t iteration) {
    for (Lane& lane : lanes_) {
      // What went wrong is told by the GPU that it went wrong on.
      if (is_elsewhere(lane)) await(*lane.device, lane.ends[iteration + 1].get(), what, meanwhile);
      await(device_, lane.boundaries[iteration + 1].get(), what, meanwhile);
    }
  };
  make_events(times_us.size() + 1);  // making one takes time that would be taken for the work's
  begin();
  for (std::size_t i = 0; i < times_us.size(); ++i) {
    if (i >= ahead) await_end(i - ahead);
    for (std::size_t s = 0; s < lanes_.size(); ++s) {
      enqueue(i, s);
      end_iteration(i, lanes_[s]);
    }
  }
  const std::size_t waited = times_us.size() - std::min(times_us.size(), ahead);
  for (std::size_t i = waited; i < times_us.size(); ++i) await_end(i);

  const Event start = lanes_.front().boundaries.front().get();
  double before_us = 0.0;
  for (std::size_t i = 0; i < times_us.size(); ++i) {
    double end_us = before_us;
    for (const Lane& lane : lanes_)
      end_us = std::max(end_us, device_.elapsed_us(start, lane.boundaries[i + 1].get()));
    times_us[i] = end_us - before_us;
    before_us = end_us;
  }
}

void Stopwatch::finish_aside(const char* what) {
  device_.record(aside_done_.get(), aside_.get());
  await(device_, aside_done_.get(), what, {});
}

}  // namespace fabricheck::cuda
