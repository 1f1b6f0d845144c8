#include "control/watchdog.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <thread>

#include "control/door.hpp"
#include "control/ending_signals.hpp"
#include "control/side_channel.hpp"
#include "control/watching_thread.hpp"
#include "core/error.hpp"
#include "core/verdict.hpp"

namespace fabricheck::control {
namespace {

// The watchdog's own deadlines are real time, never the measured clock: a stopped simulator must not stop
// them.
using Instant = std::chrono::steady_clock::time_point;
Instant now() { return std::chrono::steady_clock::now(); }
double seconds_since(Instant then) { return std::chrono::duration<double>(now() - then).count(); }

constexpr auto heartbeat_interval = std::chrono::milliseconds(200);
/// A turn of the thread that took longer was no turn: this process itself was stopped.
constexpr double own_pause_s = 1.0;
/// Beyond rank 0's silence limit, so that rank 0 speaks first when both hear nothing.
constexpr double extra_silence_s = 2.0;
constexpr double connect_s = 3.0;
constexpr double answer_s = 5.0;
/// How long rank 0 waits for the others to have heard of the end. mpirun kills them within two seconds of it.
constexpr double farewell_s = 0.5;

}  // namespace

class Watchdog::Thread {
 public:
  Thread(WatchdogOptions options, Progress& progress)
      : options_(std::move(options)), progress_(progress), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!options_.end_process) options_.end_process = [](int status) { ::_exit(status); };
    signals_ = open_ending_signals();
  }

  ~Thread() {
    stopping_ = true;
    wake();
    if (thread_.joinable()) thread_.join();
  }

  std::string listen() {
    room_ = allow_connections(options_.size - 1);
    Contact contact;
    std::random_device random;
    token_ = contact.token = (static_cast<std::uint64_t>(random()) << 32) | random();
    contact.port = door_.open(token_, options_.size);
    contact.addresses = interface_addresses();
    return format_contact(contact);
  }

  bool start(const std::string& text, std::string& reason) {
    bool reached = true;
    if (options_.rank != 0) {
      reached = false;
      if (const auto contact = parse_contact(text)) {
        token_ = contact->token;
        to_root_ = connect_to(*contact, connect_s, reason);
        reached = to_root_ && is_answered(reason);
      } else {
        reason = "rank 0 gave no address";
      }
      root_heard_ = now();
    } else {
      peers_.resize(static_cast<std::size_t>(options_.size));
      for (Peer& peer : peers_) peer.heard = now();
    }
    moved_ = now();
    thread_ = start_watching([this] { loop(); });
    return reached;
  }

  void fail(const std::string& text) {
    if (!thread_.joinable()) options_.end_process(exit_status::rank_lost);  // nobody would hear of it
    {
      const std::lock_guard lock(mutex_);
      own_failure_ = text;
    }
    wake();
    // Rank 0's watchdog ends the job; without it this rank's own deadline does.
    for (;;) std::this_thread::sleep_for(std::chrono::seconds(1));
  }

  void be_patient(double seconds) {
    if (seconds == 0.0) patience_end_ = now();
    patience_s_ = seconds;
  }

  void goodbye() {
    leaving_ = true;
    wake();
  }

  std::vector<int> unheard() {
    const std::lock_guard lock(mutex_);
    return {unheard_.begin(), unheard_.end()};
  }

 private:
  struct Peer {
    Descriptor socket;
    MessageReader reader;
    bool connected{}, left{}, terminated{}, lost{}, reset{};
    bool unheard{};  ///< it takes part, and its heartbeats do not arrive
    Instant heard, lost_at;
    std::uint64_t phase{}, step{};
    bool idle{};
    std::string failure;
  };

  void wake() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
  }

  /// The kernel takes connections for rank 0 that rank 0 may have no room for: only its answer tells.
  bool is_answered(std::string& reason) {
    send_message(to_root_.get(), message(MessageKind::hello, ""));
    reason = "rank 0 took the connection and did not answer";
    const Instant since = now();
    while (to_root_ && !root_met_ && seconds_since(since) < answer_s) {
      pollfd answer{to_root_.get(), POLLIN, 0};
      ::poll(&answer, 1, 100);
      read_root();
    }
    if (!refusal_.empty()) reason = refusal_;
    return root_met_;
  }

  ChannelMessage message(MessageKind kind, const std::string& text) const {
    ChannelMessage out;
    out.token = token_;
    out.kind = kind;
    out.rank = options_.rank;
    out.phase = progress_.phase.load(std::memory_order_acquire);
    out.step = progress_.step.load(std::memory_order_relaxed);
    out.idle = progress_.idle.load(std::memory_order_relaxed) ? 1 : 0;
    std::strncpy(out.text.data(), text.c_str(), out.text.size() - 1);
    return out;
  }

  void loop() {
    Instant beaten = now() - heartbeat_interval;
    Instant turned = now();
    while (!stopping_) {
      wait_for_something();
      if (seconds_since(turned) > own_pause_s) forgive();
      turned = now();
      see_own_phase();
      drain_signals();
      if (options_.rank == 0) {
        meet_newcomers();
        read_peers();
      } else {
        read_root();
      }
      if (now() - beaten >= heartbeat_interval || leaving_changed()) {
        beaten = now();
        beat();
      }
      if (leaving_) continue;
      if (options_.rank == 0) {
        watch();
      } else {
        watch_root();
      }
      watch_own_deadline();
    }
  }

  /// This process did not run for a while, so the others' silence in that time says nothing about them.
  void forgive() {
    const std::lock_guard lock(mutex_);
    for (Peer& peer : peers_) peer.heard = now();
    root_heard_ = moved_ = now();
  }

  /// No rank enters a phase before all have ended the one before: then all are alive, whatever becomes of
  /// their heartbeats.
  void see_own_phase() {
    const std::uint64_t phase = progress_.phase.load(std::memory_order_acquire);
    if (phase == seen_phase_) return;
    seen_phase_ = phase;
    const std::lock_guard lock(mutex_);
    for (std::size_t rank = 1; rank < peers_.size(); ++rank) {
      Peer& peer = peers_[rank];
      if (!peer.connected || peer.left || seconds_since(peer.heard) <= options_.silence_s) continue;
      peer.unheard = true;
      unheard_.insert(static_cast<int>(rank));
    }
    all_met_ = now();
  }

  void wait_for_something() {
    std::vector<pollfd> set{{wake_.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}};
    if (to_root_) set.push_back({to_root_.get(), POLLIN, 0});
    door_.add_to(set);
    for (const Peer& peer : peers_)
      if (peer.socket) set.push_back({peer.socket.get(), POLLIN, 0});
    ::poll(set.data(), set.size(), 50);
    std::uint64_t ignored = 0;
    [[maybe_unused]] const ssize_t got = ::read(wake_.get(), &ignored, sizeof ignored);
  }

  void drain_signals() {
    const std::string name = take_ending_signal(signals_);
    if (name.empty()) return;
    if (!signal_at_) signal_at_ = now();
    signal_name_ = name;
    if (options_.rank != 0 && to_root_)
      send_message(to_root_.get(), message(MessageKind::terminated, signal_name_));
  }

  void meet_newcomers() {
    for (Newcomer& one : door_.let_in()) {
      if (connected_ >= room_) {
        send_message(one.socket.get(), message(MessageKind::refused, too_few_files(room_)));
        continue;
      }
      const std::lock_guard lock(mutex_);
      ++connected_;
      Peer& peer = peers_[static_cast<std::size_t>(one.messages.front().rank)];
      peer.socket = std::move(one.socket);
      peer.reader = std::move(one.reader);
      peer.connected = true;
      for (const ChannelMessage& said : one.messages) take(peer, said);
      send_message(peer.socket.get(), message(MessageKind::heartbeat, ""));
    }
  }

  void take(Peer& peer, const ChannelMessage& one) {
    peer.heard = now();
    peer.unheard = false;
    if (one.phase != peer.phase || one.step != peer.step) moved_ = now();
    peer.phase = one.phase;
    peer.step = one.step;
    peer.idle = one.idle != 0;
    if (one.kind == MessageKind::goodbye) peer.left = true;
    if (one.kind == MessageKind::failed && peer.failure.empty()) peer.failure = one.text.data();
    if (one.kind == MessageKind::terminated) {
      peer.terminated = true;
      if (!signal_at_) signal_at_ = now();
      if (signal_name_.empty()) signal_name_ = one.text.data();
    }
  }

  void read_peers() {
    const std::lock_guard lock(mutex_);
    for (Peer& peer : peers_) {
      if (!peer.socket) continue;
      std::vector<ChannelMessage> messages;
      const auto state = peer.reader.read(peer.socket.get(), messages);
      for (const ChannelMessage& one : messages) take(peer, one);
      if (state != MessageReader::State::open) {
        peer.socket = Descriptor();
        peer.reset = state == MessageReader::State::reset;
        if (!peer.left) {
          peer.lost = true;
          peer.lost_at = now();
        }
      }
    }
  }

  void read_root() {
    if (!to_root_) return;
    std::vector<ChannelMessage> messages;
    const auto state = root_reader_.read(to_root_.get(), messages);
    for (const ChannelMessage& one : messages) {
      root_heard_ = now();
      if (one.kind == MessageKind::refused) {
        refusal_ = one.text.data();
        continue;
      }
      root_met_ = true;
      if (one.kind == MessageKind::end) ending_ = true;
    }
    if (state != MessageReader::State::open) {
      to_root_ = Descriptor();
      root_gone_ = root_met_ && !leaving_;
      root_heard_ = now();
    }
  }

  bool leaving_changed() {
    if (!leaving_ || said_goodbye_) return false;
    said_goodbye_ = true;
    return true;
  }

  void beat() {
    std::string failure;
    {
      const std::lock_guard lock(mutex_);
      failure = own_failure_;
    }
    if (to_root_) {
      const auto kind = leaving_           ? MessageKind::goodbye
                        : !failure.empty() ? MessageKind::failed
                                           : MessageKind::heartbeat;
      send_message(to_root_.get(), message(kind, failure));
    }
    for (const Peer& peer : peers_)
      if (peer.socket) send_message(peer.socket.get(), message(MessageKind::heartbeat, ""));
    const std::uint64_t phase = progress_.phase.load(std::memory_order_acquire);
    const std::uint64_t step = progress_.step.load(std::memory_order_relaxed);
    if (phase != own_phase_ || step != own_step_) moved_ = now();
    own_phase_ = phase;
    own_step_ = step;
  }

  /// Rank 0: is there something that MPI alone would never end?
  void watch() {
    std::optional<Incident> incident;
    {
      const std::lock_guard lock(mutex_);
      incident = find_incident(world_state());
    }
    if (incident) end_job(*incident);
  }

  WorldState world_state() const {
    WorldState world;
    world.hosts = options_.hosts;
    world.signal_name = signal_name_;
    if (signal_at_) world.signal_s = seconds_since(*signal_at_);
    // In this order: the end of patience is told before its limit goes.
    world.deadline_s = deadline_s();
    world.still_s = still_s();
    world.silence_limit_s = options_.silence_s;
    world.ranks.resize(peers_.size());
    for (std::size_t rank = 1; rank < peers_.size(); ++rank) {
      const Peer& peer = peers_[rank];
      RankState& state = world.ranks[rank];
      state.connected = peer.connected && !peer.unheard;
      state.left = peer.left;
      state.terminated = peer.terminated;
      state.idle = peer.idle;
      state.silent_s = seconds_since(std::max(peer.heard, all_met_));
      state.phase = peer.phase;
      state.step = peer.step;
      state.failure = peer.failure;
      if (peer.lost) state.lost_s = seconds_since(peer.lost_at);
      state.is_reset = peer.reset;
    }
    RankState& own = world.ranks[0];
    own.connected = true;
    own.idle = progress_.idle;
    own.phase = progress_.phase.load(std::memory_order_acquire);
    own.step = progress_.step.load(std::memory_order_relaxed);
    own.failure = own_failure_;
    return world;
  }

  void end_job(const Incident& incident) {
    int status = exit_status::rank_lost;
    if (options_.on_incident) status = options_.on_incident(incident);
    for (const Peer& peer : peers_)
      if (peer.socket) send_message(peer.socket.get(), message(MessageKind::end, ""));
    stopping_ = true;
    put_away(status);
    hear_farewells();
    options_.end_process(status);
  }

  /// A connection that is closed with something unread in it resets the other side, which then may never see
  /// what it was sent: each closes its own when it has heard of the end.
  void hear_farewells() {
    const Instant since = now();
    while (seconds_since(since) < farewell_s) {
      std::vector<pollfd> set;
      for (const Peer& peer : peers_)
        if (peer.socket) set.push_back({peer.socket.get(), POLLIN, 0});
      if (set.empty()) return;
      ::poll(set.data(), set.size(), 20);
      read_peers();
    }
  }

  void end(int status) {
    stopping_ = true;
    put_away(status);
    options_.end_process(status);
  }

  void put_away(int status) {
    if (options_.put_away) options_.put_away(status);
    options_.put_away = nullptr;
  }

  /// Other ranks: rank 0 is gone, silent, or has told to end.
  void watch_root() {
    const double patience = options_.silence_s + extra_silence_s;
    if (ending_) {
      // mpirun and srun -K end us as soon as rank 0 has left; plain srun does not.
      if (!ending_at_) {
        ending_at_ = now();
        put_away(0);
        to_root_ = Descriptor();
      }
      if (seconds_since(*ending_at_) > 3.0) end(0);
    } else if (root_gone_) {
      put_away(exit_status::rank_lost);  // the launcher may not leave us the time below
      if (seconds_since(root_heard_) > 3.0) last_words("rank 0 has died");
    } else if (to_root_ && root_met_ && seconds_since(std::max(root_heard_, all_met_)) > patience) {
      last_words("rank 0 has not been heard for " +
                 std::to_string(static_cast<int>(seconds_since(root_heard_))) +
                 " s: it, its host or the link between is stopped");
    } else if (signal_at_ && seconds_since(*signal_at_) > 5.0) {
      end(0);
    }
  }

  /// Only the lowest living rank should speak; ranks know no more than to wait for lower ones to end the job.
  void last_words(const std::string& what) {
    if (!speak_at_) speak_at_ = now() + std::chrono::milliseconds(100) * std::min(options_.rank - 1, 50);
    if (now() < *speak_at_) return;
    const std::string text =
        "fabricheck: rank " + std::to_string(options_.rank) + ": " + what +
        "; what was measured is in the journal, `fabricheck report DIR/journal.jsonl` shows it\n";
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    end(exit_status::rank_lost);
  }

  /// For a rank that is not heard by rank 0, and for rank 0's own watchdog being the only one left.
  void watch_own_deadline() {
    if (options_.rank == 0 || (to_root_ && root_met_) || ending_ || root_gone_) return;
    const bool resting = progress_.idle;
    const double limit_s = deadline_s() + extra_silence_s, still = still_s();
    if (!resting && still > limit_s)
      last_words("nothing has moved here for " + std::to_string(static_cast<int>(still)) + " s");
  }

  double deadline_s() const { return std::max(options_.deadline_s, patience_s_.load()); }
  double still_s() const { return seconds_since(std::max(moved_, patience_end_.load())); }

  WatchdogOptions options_;
  Progress& progress_;
  Descriptor wake_, signals_, to_root_;
  Door door_;
  std::uint64_t token_{};
  std::mutex mutex_;
  std::vector<Peer> peers_;   ///< by rank; [0] is unused
  int room_{}, connected_{};  ///< of rank 0: ranks that it can hear, and does
  MessageReader root_reader_;
  Instant root_heard_, moved_, all_met_{};  ///< all_met_: when this rank last entered a phase
  std::uint64_t seen_phase_{};
  std::set<int> unheard_;  ///< ranks of which nothing was heard while they took part
  std::string refusal_, signal_name_, own_failure_;
  bool root_met_{};  ///< it has answered
  bool root_gone_{}, ending_{}, said_goodbye_{};
  std::optional<Instant> ending_at_, speak_at_, signal_at_;
  std::uint64_t own_phase_{}, own_step_{};
  std::atomic<bool> stopping_{false}, leaving_{false};
  std::atomic<double> patience_s_{};
  std::atomic<Instant> patience_end_{Instant{}};
  std::thread thread_;
};

void Watchdog::block_signals() {
  const sigset_t set = ending_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

Watchdog::Watchdog(WatchdogOptions options, Progress& progress)
    : thread_(std::make_unique<Thread>(std::move(options), progress)) {}
Watchdog::~Watchdog() = default;
std::string Watchdog::listen() { return thread_->listen(); }
bool Watchdog::start(const std::string& contact, std::string& reason) {
  return thread_->start(contact, reason);
}
void Watchdog::fail(const std::string& text) {
  thread_->fail(text);
  std::abort();  // not reached: fail() of the thread waits for ever
}
void Watchdog::be_patient(double seconds) { thread_->be_patient(seconds); }
void Watchdog::goodbye() { thread_->goodbye(); }
std::vector<int> Watchdog::unheard() const { return thread_->unheard(); }

}  // namespace fabricheck::control
