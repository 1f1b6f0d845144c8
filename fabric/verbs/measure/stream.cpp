#include <algorithm>
#include <array>
#include <vector>

#include "core/error.hpp"
#include "fabric/verbs/measure/operations.hpp"
#include "fabric/verbs/measure/payload.hpp"
#include "fabric/verbs/measure/settling.hpp"

namespace fabricheck::verbs {
namespace {

constexpr double ns_per_us = 1000.0;
/// Memory of one direction: what fits into a cache, as perftest's single buffer does; but at least one
/// message.
constexpr std::uint64_t region_bytes = std::uint64_t{4} << 20;
/// One sample is the mean over so many messages: about a mebibyte, for reading the clock must not count.
constexpr std::uint64_t window_bytes = std::uint64_t{1} << 20, least_window = 8, most_window = 64;
constexpr int most_signal_distance = 16;
constexpr std::size_t windows_at_least = 4;
constexpr int wanted_inline_bytes = 64;

std::uint64_t window_of(std::uint64_t bytes, int pairs) {
  const std::uint64_t messages =
      std::clamp(window_bytes / std::max<std::uint64_t>(1, bytes), least_window, most_window);
  const auto each = static_cast<std::uint64_t>(pairs);
  return (messages + each - 1) / each * each;
}

/// Messages go from outgoing to incoming slots in turn, in every queue pair by itself.
class Stream : public TimedOperation {
 public:
  Stream(const Setup& setup, const TimedRequest& request, const ConnectionRequest& connection, Opcode opcode,
         Direction direction)
      : request_(request),
        clock_(*request.clock),
        endpoint_(setup.port, *request.group, connection),
        opcode_(opcode),
        initiates_(endpoint_.side() == 0 || direction == Direction::both),
        peer_initiates_(endpoint_.side() == 1 || direction == Direction::both),
        depth_(connection.send_depth),
        window_(window_of(request.bytes, endpoint_.queue_pairs())),
        state_(static_cast<std::size_t>(endpoint_.queue_pairs())) {}

  std::size_t least_batch() const override { return windows_at_least; }

  void prepare(std::uint64_t first, std::size_t) override {
    const bool gives = opcode_ == Opcode::read ? peer_initiates_ : initiates_;
    if (!gives) return;
    for (int pair = 0; pair < endpoint_.queue_pairs(); ++pair)
      for (std::size_t slot = 0; slot < endpoint_.slots(); ++slot)
        fill_payload(endpoint_.outgoing(pair, slot), seed(first, endpoint_.side(), pair, slot), stamp(first));
    endpoint_.send_out();
  }

  void run(std::uint64_t, std::span<double> times_us) override {
    const std::uint64_t quota = messages_of_pair(times_us.size());
    receives_left_ = opcode_ == Opcode::send && peer_initiates_ ? quota * state_.size() : 0;
    for (PairState& one : state_) one = {one.sent, one.sent, 0, initiates_ ? quota : 0, one.received};
    begin_windows(times_us);
    std::uint64_t left = initiates_ ? quota * state_.size() : 0;
    for (unsigned idle = 1; left > 0 || receives_left_ > 0; ++idle) {
      if (left > 0) post_more();
      const std::uint64_t done = (left > 0 ? take_sends() : 0);
      left -= done;
      if (done > 0) end_windows(done);
      if (done + take_receives() > 0) {
        endpoint_.moved();
        idle = 0;
      } else if (idle % looks_every_ == 0) {
        endpoint_.look("a completion");
      }
    }
  }

  Verified verify(std::uint64_t first, std::size_t count) override {
    endpoint_.check_events();
    Verified verified;
    const bool gets = opcode_ == Opcode::read ? initiates_ : peer_initiates_;
    if (!gets) return verified;
    endpoint_.fetch();
    const std::uint64_t quota = messages_of_pair(count);
    const std::uint64_t used = std::min<std::uint64_t>(quota, endpoint_.slots());
    for (int pair = 0; pair < endpoint_.queue_pairs(); ++pair) {
      PairState& state = state_[static_cast<std::size_t>(pair)];
      for (std::uint64_t i = 0; i < used; ++i, ++verified.messages)
        compare(first, pair, (state.received + i) % endpoint_.slots(), verified);
      state.received += quota;
    }
    return verified;
  }

  std::map<std::string, Parameter> path() const override {
    auto facts = endpoint_.path();
    facts["messages_per_sample"] = static_cast<std::int64_t>(window_);
    return facts;
  }

 protected:
  struct PairState {
    std::uint64_t sent{};        ///< since the connection was made
    std::uint64_t completed{};   ///< of them
    std::uint64_t unsignaled{};  ///< since the last signaled one
    std::uint64_t left{};        ///< to be posted in this batch
    std::uint64_t received{};    ///< verified, since the connection was made
  };

  std::uint64_t messages_of_pair(std::size_t windows) const {
    return windows * window_ / static_cast<std::uint64_t>(state_.size());
  }

  void post_more() {
    for (int pair = 0; pair < endpoint_.queue_pairs(); ++pair) post_pair(pair);
  }

  void post_pair(int pair) {
    PairState& state = state_[static_cast<std::size_t>(pair)];
    const auto depth = static_cast<std::uint64_t>(depth_);
    const std::uint64_t distance = std::clamp<std::uint64_t>(depth / 4, 1, most_signal_distance);
    while (state.left > 0 && state.sent - state.completed < depth) {
      WorkRequest work = endpoint_.work(opcode_, pair, state.sent % endpoint_.slots(), is_inline());
      --state.left;
      ++state.sent;
      work.signaled = ++state.unsignaled == distance || state.left == 0;
      // How many messages a completion stands for comes back with it.
      work.id = state.unsignaled << 32 | static_cast<std::uint64_t>(pair);
      if (work.signaled) state.unsignaled = 0;
      endpoint_.post(pair, work);
    }
  }

  std::uint64_t take_sends() {
    const std::size_t count = endpoint_.poll_sends(completions_);
    std::uint64_t messages = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t stands_for = completions_[i].id >> 32;
      state_[completions_[i].id & 0xffffffffU].completed += stands_for;
      messages += stands_for;
    }
    return messages;
  }

  std::uint64_t take_receives() {
    if (receives_left_ == 0) return 0;
    const std::uint64_t count = take_arrived();
    receives_left_ -= count;
    return count;
  }

  /// Messages that came, their receives posted again.
  std::uint64_t take_arrived() {
    const std::size_t count = endpoint_.poll_receives(completions_);
    for (std::size_t i = 0; i < count; ++i) {
      const auto pair = static_cast<int>(completions_[i].id);
      // The next one in turn: as many are posted as there are slots, or a multiple.
      endpoint_.post_receive(pair, received_slot(pair));
    }
    return count;
  }

  void begin_windows(std::span<double> times_us) {
    times_us_ = times_us;
    ended_ = 0;
    in_window_ = 0;
    last_ns_ = clock_.now_ns();
  }

  /// Several windows that end in one poll share its time.
  void end_windows(std::uint64_t messages) {
    in_window_ += messages;
    const std::uint64_t windows = in_window_ / window_;
    if (windows == 0) return;
    in_window_ %= window_;
    const std::int64_t now_ns = clock_.now_ns();
    const double each_us =
        static_cast<double>(now_ns - last_ns_) / ns_per_us / static_cast<double>(windows * window_);
    for (std::uint64_t i = 0; i < windows && ended_ < times_us_.size(); ++i) times_us_[ended_++] = each_us;
    last_ns_ = now_ns;
  }

  bool is_inline() const { return opcode_ != Opcode::read && endpoint_.fits_inline(); }

  static constexpr unsigned looks_every_ = 256;
  TimedRequest request_;
  const Clock& clock_;
  Endpoint endpoint_;
  Opcode opcode_;
  bool initiates_, peer_initiates_;
  int depth_;
  std::uint64_t window_;
  std::vector<PairState> state_;

 private:
  static std::uint64_t seed(std::uint64_t first, int side, int pair, std::size_t slot) {
    return payload_seed(first, side, static_cast<std::uint64_t>(pair) << 32 | slot);
  }
  static std::byte stamp(std::uint64_t first) { return std::byte(1 + first % 251); }

  std::size_t received_slot(int pair) {
    auto& next = next_receive_;
    next.resize(state_.size());
    return static_cast<std::size_t>(next[static_cast<std::size_t>(pair)]++ % endpoint_.slots());
  }

  /// When the ends have met, every completion was polled. Of a send and a read that was this host's own: its
  /// entry is written to the queue without relaxed ordering, and so passes no data that was written before
  /// (PCI Express Base Specification, 2.4.1). Of a write it was the initiator's, which tells that this NIC
  /// has the message, not that its memory does, and the ends met over another way: the
  /// data may still be going to memory. So what differs there is looked at again; what is wrong stays wrong.
  void compare(std::uint64_t first, int pair, std::uint64_t slot, Verified& verified) {
    if (verified.mismatch) return;
    const auto look = [&] {
      return compare_payload(endpoint_.incoming(pair, slot), seed(first, 1 - endpoint_.side(), pair, slot),
                             stamp(first));
    };
    auto wrong = look();
    // Nor does a completion in host memory tell that data for a GPU has passed its bus.
    if (wrong && (opcode_ == Opcode::write || endpoint_.is_copied()))
      wrong = look_until_settled(endpoint_, clock_, look);
    if (wrong)
      verified.mismatch = wrong_message(request_, first, wrong->index, std::to_integer<int>(wrong->expected),
                                        std::to_integer<int>(wrong->got));
  }

  std::array<Completion, 16> completions_;
  std::vector<std::uint64_t> next_receive_;
  std::uint64_t receives_left_{};
  std::span<double> times_us_;
  std::size_t ended_{};
  std::uint64_t in_window_{};
  std::int64_t last_ns_{};
};

/// One queue pair at a time, from empty to empty, so that each flow's figure is its own.
class FlowSweep final : public Stream {
 public:
  FlowSweep(const Setup& setup, const TimedRequest& request, const ConnectionRequest& connection)
      : Stream(setup, request, connection, Opcode::write, Direction::one_way) {
    // Filling and draining the path must not count.
    window_ = std::max<std::uint64_t>(window_, 2 * static_cast<std::uint64_t>(depth_));
  }

  std::size_t least_batch() const override { return state_.size(); }

  void run(std::uint64_t, std::span<double> times_us) override {
    if (!initiates_) return;
    for (std::size_t i = 0; i < times_us.size(); ++i) {
      const std::size_t flow = i % state_.size();
      PairState& state = state_[flow];
      state.left = window_;
      begin_windows(times_us.subspan(i, 1));
      unsigned idle = 1;
      for (std::uint64_t left = window_; left > 0; ++idle) {
        post_pair(static_cast<int>(flow));
        const std::uint64_t done = take_sends();
        left -= done;
        if (done > 0) {
          end_windows(done);
          endpoint_.moved();
        }
        if (done == 0 && idle % 256 == 0) endpoint_.look("a completion");
      }
    }
  }
};

/// Over transports that send nothing again and hold no sender back: the receiver answers each window with a
/// message of its own, at most two windows are on their way, and a sample is the time between two answers. So
/// it is what arrived that counts, and a message that was lost ends in an error instead of a figure.
class CreditedStream final : public Stream {
 public:
  CreditedStream(const Setup& setup, const TimedRequest& request, const ConnectionRequest& connection)
      : Stream(setup, request, connection, Opcode::send, Direction::one_way) {
    window_ =
        std::clamp<std::uint64_t>(static_cast<std::uint64_t>(depth_) / most_windows_on_their_way, 1, window_);
  }

  void run(std::uint64_t, std::span<double> times_us) override {
    PairState& state = state_.front();
    state = {state.sent, state.sent, 0, 0, state.received};
    if (initiates_) {
      send_windows(times_us);
    } else {
      answer(times_us.size());
    }
    drain();
  }

 private:
  static constexpr std::uint64_t most_windows_on_their_way = 2;

  void send_windows(std::span<double> times_us) {
    PairState& state = state_.front();
    begin_windows(times_us);
    std::uint64_t begun = 0, answered = 0;
    for (unsigned idle = 1; answered < times_us.size(); ++idle) {
      if (begun < times_us.size() && begun - answered < most_windows_on_their_way) {
        state.left += window_;
        ++begun;
      }
      post_pair(0);
      take_sends();
      const std::uint64_t answers = take_arrived();
      answered += answers;
      if (answers > 0) end_windows(answers * window_);
      look_around(answers, "the answer to a window of messages", idle);
    }
  }

  void answer(std::uint64_t windows) {
    PairState& state = state_.front();
    std::uint64_t arrived = 0, answered = 0;
    for (unsigned idle = 1; answered < windows; ++idle) {
      const std::uint64_t more = take_arrived();
      arrived += more;
      for (; answered < arrived / window_; ++answered) ++state.left;
      post_pair(0);
      take_sends();
      look_around(more, "a message", idle);
    }
  }

  /// Until all that was posted is out, so that the next batch begins with nothing on its way.
  void drain() {
    const PairState& state = state_.front();
    for (unsigned idle = 1; state.left > 0 || state.completed < state.sent; ++idle) {
      post_pair(0);
      look_around(take_sends(), "a completion", idle);
    }
  }

  void look_around(std::uint64_t moved, const char* waits_for, unsigned& idle) {
    if (moved > 0) {
      endpoint_.moved();
      idle = 0;
    } else if (idle % looks_every_ == 0) {
      endpoint_.look(waits_for);
    }
  }
};

ConnectionRequest stream_connection(const Setup& setup, const TimedRequest& request, Transport transport,
                                    Opcode opcode, int pairs, Memory memory = Memory::host) {
  ConnectionRequest connection = connection_of(setup, request, transport, opcode, memory);
  connection.queue_pairs = pairs;
  connection.send_depth = setup.depth;
  connection.relaxed_ordering = true;  // as perftest's bandwidth tests and NCCL
  const std::uint64_t messages = region_bytes / std::max<std::uint64_t>(1, request.bytes);
  connection.slots = std::clamp<std::size_t>(messages / static_cast<std::uint64_t>(pairs), 1,
                                             static_cast<std::size_t>(setup.depth));
  // Twice as many as can be on their way: the peer finds one although a completion was not yet looked at.
  if (opcode == Opcode::send)
    connection.receive_depth =
        static_cast<int>((2 * static_cast<std::size_t>(setup.depth) + connection.slots - 1) /
                         connection.slots * connection.slots);
  if (!connection.memory && request.bytes <= static_cast<std::uint64_t>(wanted_inline_bytes))
    connection.inline_bytes = wanted_inline_bytes;
  return connection;
}

}  // namespace

std::unique_ptr<TimedOperation> make_stream(const Setup& setup, const TimedRequest& request,
                                            Transport transport, Opcode opcode, Direction direction,
                                            Memory memory) {
  const ConnectionRequest connection =
      stream_connection(setup, request, transport, opcode, setup.queue_pairs, memory);
  return std::make_unique<Stream>(setup, request, connection, opcode, direction);
}

std::unique_ptr<TimedOperation> make_credited_stream(const Setup& setup, const TimedRequest& request,
                                                     Transport transport) {
  return std::make_unique<CreditedStream>(setup, request,
                                          stream_connection(setup, request, transport, Opcode::send, 1));
}

std::unique_ptr<TimedOperation> make_flow_sweep(const Setup& setup, const TimedRequest& request, int flows) {
  ConnectionRequest connection = stream_connection(setup, request, Transport::rc, Opcode::write, flows);
  connection.spread_flows = true;
  return std::make_unique<FlowSweep>(setup, request, connection);
}

}  // namespace fabricheck::verbs
