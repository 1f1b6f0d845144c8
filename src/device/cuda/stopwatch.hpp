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

/// "GPU 3 (0000:5d:00.0)".
std::string gpu_words(const DeviceFacts& facts);

/// Streams of one GPU and the events between the iterations of what is put into them. The Device and the
/// clock must outlive it.
class Stopwatch {
 public:
  /// Work of iteration `iteration` for stream number `stream`.
  using Enqueue = std::function<void(std::size_t iteration, std::size_t stream)>;

  Stopwatch(Device& device, const Clock& clock, std::int64_t deadline_ns, std::size_t timed_streams = 1);

  /// For work that is not timed: filling and comparing.
  Stream aside() const { return aside_.get(); }
  Stream stream(std::size_t number = 0) const { return streams_[number].get(); }

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
  Event event(std::size_t boundary, std::size_t stream);
  void await(Event event, const char* what, const std::function<void()>& meanwhile);

  Device& device_;
  const Clock& clock_;
  std::int64_t deadline_ns_;
  StreamHandle aside_;
  EventHandle aside_done_;
  std::vector<StreamHandle> streams_;
  std::vector<EventHandle> events_;  ///< boundary by boundary, in each the streams
};

}  // namespace fabricheck::cuda
