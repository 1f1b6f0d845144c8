// Times work on a GPU by the GPU's own clock, and brings it to an end or to a deadline.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "device/cuda/handles.hpp"
#include "device/cuda/setup.hpp"

namespace fabricheck::cuda {

/// Streams of one GPU, or of several, and the events between the iterations of what is put into them. The
/// Devices and the clock must outlive it.
class Stopwatch {
 public:
  /// Work of iteration `iteration` for stream number `stream`.
  using Enqueue = std::function<void(std::size_t iteration, std::size_t stream)>;

  Stopwatch(Device& device, const Clock& clock, std::int64_t deadline_ns, std::size_t timed_streams = 1);
  /// A timed stream on each of `timed`, all of them by the clock of the first.
  Stopwatch(const std::vector<Device*>& timed, const Clock& clock, std::int64_t deadline_ns);

  /// For work that is not timed: filling and comparing.
  Stream aside() const { return aside_.get(); }
  Stream stream(std::size_t number = 0) const { return lanes_[number].stream.get(); }

  /// Puts `enqueue` into every timed stream for each of times_us.size() iterations, of `launches` calls each,
  /// at most 256 calls or one iteration on their way, and waits for all. An iteration lasts from the end of
  /// the one before to its own end in the slowest stream; so the times of a batch add up to the time of the
  /// batch. Microseconds. Throws Error, naming the GPU and `what`, where none ends within the deadline, and
  /// what the work failed with. `meanwhile` is called between looks.
  void time(std::span<double> times_us, const char* what, const Enqueue& enqueue,
            const std::function<void()>& meanwhile = {}, std::size_t launches = 1);

  /// Waits for everything that was put aside.
  void finish_aside(const char* what);

 private:
  /// A timed stream. Events of two GPUs cannot be subtracted: what ends on another GPU is recorded again in a
  /// stream of the first, which does nothing but wait for it.
  struct Lane {
    Device* device;
    StreamHandle stream;
    std::vector<EventHandle> ends;        ///< on its own GPU, where that is not the first
    StreamHandle follower;                ///< on the first GPU, likewise
    std::vector<EventHandle> boundaries;  ///< on the first GPU
  };

  bool is_elsewhere(const Lane& lane) const { return lane.device != &device_; }
  void make_events(std::size_t boundaries);
  void begin();
  void end_iteration(std::size_t iteration, Lane& lane);
  void await(Device& device, Event event, const char* what, const std::function<void()>& meanwhile);

  Device& device_;
  const Clock& clock_;
  std::int64_t deadline_ns_;
  StreamHandle aside_;
  EventHandle aside_done_;
  std::vector<Lane> lanes_;
};

}  // namespace fabricheck::cuda
