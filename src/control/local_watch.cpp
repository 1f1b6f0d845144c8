#include "control/local_watch.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "control/ending_signals.hpp"
#include "control/watching_thread.hpp"
#include "core/verdict.hpp"

namespace fabricheck::control {
namespace {

// Real time, never the measured clock: a stopped simulator must not stop the deadline.
using Instant = std::chrono::steady_clock::time_point;
Instant now() { return std::chrono::steady_clock::now(); }
double seconds_since(Instant then) { return std::chrono::duration<double>(now() - then).count(); }

constexpr int turn_ms = 50;
/// A turn that took longer was no turn: this process itself was stopped.
constexpr double own_pause_s = 1.0;

}  // namespace

class LocalWatch::Thread {
 public:
  explicit Thread(LocalWatchOptions options) : options_(std::move(options)), signals_(open_ending_signals()) {
    if (!options_.end_process) options_.end_process = [](int status) { ::_exit(status); };
    thread_ = start_watching([this] { loop(); });
  }
  ~Thread() {
    goodbye();
    thread_.join();
  }
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;

  void begin(std::vector<const Progress*> ranks) {
    const std::lock_guard lock(mutex_);
    ranks_ = std::move(ranks);
    seen_.assign(ranks_.size(), {});
    moved_ = now();
  }

  void goodbye() {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
    ranks_.clear();
  }

 private:
  struct Place {
    std::uint64_t phase{}, step{};
    bool operator==(const Place&) const = default;
  };

  void loop() {
    for (Instant turned = now();;) {
      pollfd signal{signals_.get(), POLLIN, 0};
      ::poll(&signal, 1, turn_ms);
      std::optional<Incident> incident;
      {
        const std::lock_guard lock(mutex_);
        if (leaving_) return;
        if (seconds_since(turned) > own_pause_s) moved_ = now();
        turned = now();
        incident = find_incident(look());
      }
      if (!incident) continue;
      options_.end_process(options_.on_incident ? options_.on_incident(*incident) : exit_status::rank_lost);
      return;
    }
  }

  WorldState look() {
    const std::string signal = take_ending_signal(signals_);
    if (!signal.empty()) {
      signal_name_ = signal;
      if (!signal_at_) signal_at_ = now();
    }
    WorldState world;
    // Before anything is measured only a signal counts.
    world.ranks.resize(std::max<std::size_t>(1, ranks_.size()));
    world.hosts.assign(world.ranks.size(), options_.host);
    world.signal_name = signal_name_;
    if (signal_at_) world.signal_s = seconds_since(*signal_at_);
    for (std::size_t rank = 0; rank < ranks_.size(); ++rank) {
      const Progress& progress = *ranks_[rank];
      const Place place{progress.phase.load(std::memory_order_acquire),
                        progress.step.load(std::memory_order_relaxed)};
      if (place != seen_[rank]) moved_ = now();
      seen_[rank] = place;
      RankState& state = world.ranks[rank];
      state.connected = true;
      state.idle = progress.idle.load(std::memory_order_relaxed);
      state.phase = place.phase;
      state.step = place.step;
    }
    world.still_s = ranks_.empty() ? 0.0 : seconds_since(moved_);
    world.silence_limit_s = world.deadline_s = options_.deadline_s;
    return world;
  }

  LocalWatchOptions options_;
  Descriptor signals_;
  std::mutex mutex_;
  std::vector<const Progress*> ranks_;
  std::vector<Place> seen_;  ///< as ranks_
  Instant moved_{now()};
  std::optional<Instant> signal_at_;
  std::string signal_name_;
  bool leaving_{};
  std::thread thread_;
};

LocalWatch::LocalWatch(LocalWatchOptions options) : thread_(std::make_unique<Thread>(std::move(options))) {}
LocalWatch::~LocalWatch() = default;
void LocalWatch::begin(std::vector<const Progress*> ranks) { thread_->begin(std::move(ranks)); }
void LocalWatch::goodbye() { thread_->goodbye(); }

}  // namespace fabricheck::control
