#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "core/error.hpp"
#include "fabric/verbs/measure/operations.hpp"
#include "fabric/verbs/measure/payload.hpp"
#include "fabric/verbs/measure/settling.hpp"

namespace fabricheck::verbs {
namespace {

/// As perftest wants it for latency; the device may give less.
constexpr int wanted_inline_bytes = 220;
constexpr int latency_depth = 64;
constexpr int posted_receives = 16;
/// Unsignaled sends fill the queue: every so many one is waited for.
constexpr std::uint64_t signal_every = 16;
/// More than two, so that two messages after another into the same place are never the same.
constexpr std::size_t most_slots = 64;
constexpr std::uint64_t slots_bytes = std::uint64_t{4} << 20;

std::size_t slots_of(std::uint64_t bytes) {
  return std::clamp<std::size_t>(slots_bytes / std::max<std::uint64_t>(1, bytes), 3, most_slots);
}

constexpr double ns_per_us = 1000.0;

/// Differs between two messages into the same of two slots.
std::byte stamp_of(std::uint64_t iteration) { return std::byte(1 + (iteration / 2) % 251); }

class Latency : public TimedOperation {
 public:
  Latency(const Setup& setup, const TimedRequest& request, const ConnectionRequest& connection)
      : request_(request), clock_(*request.clock), endpoint_(setup.port, *request.group, connection) {}

  Verified verify(std::uint64_t, std::size_t) override {
    endpoint_.check_events();
    Verified verified{messages_, mismatch_};
    messages_ = 0;
    return verified;
  }
  std::map<std::string, Parameter> path() const override { return endpoint_.path(); }

 protected:
  bool initiates() const { return endpoint_.side() == 0; }

  void make_message(std::size_t slot, std::uint64_t iteration) {
    fill_payload(endpoint_.outgoing(0, slot), payload_seed(iteration, endpoint_.side()), stamp_of(iteration));
  }

  void check_message(std::size_t slot, std::uint64_t iteration) {
    ++messages_;
    if (mismatch_) return;
    const std::uint64_t seed = payload_seed(iteration, 1 - endpoint_.side());
    const auto look = [&] { return compare_payload(endpoint_.incoming(0, slot), seed, stamp_of(iteration)); };
    auto wrong = look();
    if (wrong && endpoint_.is_copied()) wrong = look_until_settled(endpoint_, clock_, look);
    if (wrong)
      mismatch_ = wrong_message(request_, iteration, wrong->index, std::to_integer<int>(wrong->expected),
                                std::to_integer<int>(wrong->got));
  }
  void differs(std::uint64_t iteration, std::uint64_t expected, std::uint64_t got) {
    if (expected != got && !mismatch_)
      mismatch_ =
          wrong_message(request_, iteration, 0, static_cast<double>(expected), static_cast<double>(got));
  }

  TimedRequest request_;
  const Clock& clock_;
  Endpoint endpoint_;
  std::uint64_t messages_{};
  std::optional<Mismatch> mismatch_;
};

/// The timed part is what perftest's ib_write_lat repeats: post, poll the own completion, watch the last byte
/// of the answer. Two slots in turn: an end that still compares the last message is not overtaken by the
/// next.
class WritePingPong final : public Latency {
 public:
  using Latency::Latency;

  void run(std::uint64_t first, std::span<double> times_us) override {
    const bool is_inline = endpoint_.fits_inline();
    const std::array<WorkRequest, 2> writes{endpoint_.work(Opcode::write, 0, 0, is_inline),
                                            endpoint_.work(Opcode::write, 0, 1, is_inline)};
    const bool starts = initiates();
    for (std::size_t i = 0; i < times_us.size(); ++i) {
      const std::uint64_t iteration = first + i;
      const std::size_t slot = iteration % 2;
      make_message(slot, iteration);
      if (starts) {
        const std::int64_t begin = clock_.now_ns();
        endpoint_.post(0, writes[slot]);
        endpoint_.wait_send();
        wait_message(slot, iteration);
        times_us[i] = static_cast<double>(clock_.now_ns() - begin) / (2.0 * ns_per_us);
      } else {
        wait_message(slot, iteration);
        endpoint_.post(0, writes[slot]);
        endpoint_.wait_send();
      }
      check_arrived(slot, iteration);
    }
  }

 private:
  void wait_message(std::size_t slot, std::uint64_t iteration) {
    const volatile std::byte* last = &endpoint_.incoming(0, slot).back();
    const std::byte stamp = stamp_of(iteration);
    endpoint_.wait([&] { return *last == stamp; }, "the last byte of a message");
    std::atomic_thread_fence(std::memory_order_acquire);
  }

  /// Verbs promise no order of the bytes within a message (InfiniBand Architecture Specification, o9-20):
  /// what was not there with the last byte may come a moment later. What is wrong stays wrong.
  void check_arrived(std::size_t slot, std::uint64_t iteration) {
    const std::uint64_t seed = payload_seed(iteration, 1 - endpoint_.side());
    for (int tries = 0; tries < 1000; ++tries) {
      if (!compare_payload(endpoint_.incoming(0, slot), seed, stamp_of(iteration))) break;
      std::this_thread::yield();
      std::atomic_thread_fence(std::memory_order_acquire);
    }
    check_message(slot, iteration);
  }
};

/// As perftest's ib_send_lat, or ib_write_lat --write_with_imm: post, poll the answer's completion. What the
/// CPU sees is made and compared message by message. Memory that is copied, in blocks of a slot each, for a
/// copy takes longer than a message; then the ends meet first, so that neither waits for the other's copies
/// while it is timed.
class ReceivePingPong final : public Latency {
 public:
  ReceivePingPong(const Setup& setup, const TimedRequest& request, const ConnectionRequest& connection,
                  Opcode opcode)
      : Latency(setup, request, connection), is_inline_(endpoint_.fits_inline()) {
    for (std::size_t slot = 0; slot < endpoint_.slots(); ++slot)
      messages_out_.push_back(endpoint_.work(opcode, 0, slot, is_inline_));
  }

  void run(std::uint64_t first, std::span<double> times_us) override {
    const bool is_copied = endpoint_.is_copied();
    const std::size_t block = is_copied ? endpoint_.slots() - 1 : 1;
    for (std::size_t begin = 0; begin < times_us.size(); begin += block) {
      const std::size_t count = std::min(block, times_us.size() - begin);
      const std::uint64_t from = exchanged_ + (is_copied ? 1 : 0);
      for (std::size_t i = 0; i < count; ++i) make_message(slot_of(from + i), first + begin + i);
      endpoint_.send_out();
      if (is_copied) exchange();
      for (std::size_t i = 0; i < count; ++i) times_us[begin + i] = exchange();
      endpoint_.fetch();
      for (std::size_t i = 0; i < count; ++i) check_message(slot_of(from + i), first + begin + i);
    }
  }

 private:
  std::size_t slot_of(std::uint64_t exchange) const { return exchange % endpoint_.slots(); }

  /// One message there and one back; returns half of what that took the one who began, 0 to the other.
  double exchange() {
    const std::size_t slot = slot_of(exchanged_++);
    WorkRequest message = messages_out_[slot];
    // Memory that is not copied must not change before it was sent for good.
    message.signaled = !is_inline_ || exchanged_ % signal_every == 0;
    double took_us = 0.0;
    if (initiates()) {
      const std::int64_t begin = clock_.now_ns();
      endpoint_.post(0, message);
      endpoint_.wait_receive();
      took_us = static_cast<double>(clock_.now_ns() - begin) / (2.0 * ns_per_us);
    } else {
      endpoint_.wait_receive();
      endpoint_.post(0, message);
    }
    if (message.signaled) endpoint_.wait_send();
    // Receives are posted for slots in turn, as many as a multiple of them.
    endpoint_.post_receive(0, slot);
    return took_us;
  }

  bool is_inline_;
  std::vector<WorkRequest> messages_out_;
  std::uint64_t exchanged_{};
};

/// As perftest's ib_read_lat: post and poll; the peer does nothing. What the CPU sees is compared message by
/// message, memory that is copied in blocks.
class Read final : public Latency {
 public:
  using Latency::Latency;

  void prepare(std::uint64_t first, std::size_t) override {
    if (initiates()) return;
    for (std::size_t slot = 0; slot < endpoint_.slots(); ++slot) make_message(slot, first + slot);
    endpoint_.send_out();
  }

  void run(std::uint64_t first, std::span<double> times_us) override {
    if (!initiates()) return;
    const std::size_t slots = endpoint_.slots(), block = endpoint_.is_copied() ? slots : 1;
    for (std::size_t begin = 0, turn = 0; begin < times_us.size(); begin += block, ++turn) {
      const std::size_t count = std::min(block, times_us.size() - begin);
      // Into each place another message in each turn: what stayed there from the one before is seen.
      for (std::size_t i = 0; i < count; ++i) {
        WorkRequest read = endpoint_.work(Opcode::read, 0, i, false);
        read.remote = endpoint_.work(Opcode::read, 0, (turn + i) % slots, false).remote;
        const std::int64_t began = clock_.now_ns();
        endpoint_.post(0, read);
        endpoint_.wait_send();
        times_us[begin + i] = static_cast<double>(clock_.now_ns() - began) / ns_per_us;
      }
      endpoint_.fetch();
      for (std::size_t i = 0; i < count; ++i) check_message(i, first + (turn + i) % slots);
    }
  }
};

/// Both ends know every operand, so they know each value that is brought back, and the last one.
class Atomic final : public Latency {
 public:
  Atomic(const Setup& setup, const TimedRequest& request, const ConnectionRequest& connection, Opcode opcode)
      : Latency(setup, request, connection), opcode_(opcode) {}

  void run(std::uint64_t first, std::span<double> times_us) override {
    WorkRequest work = endpoint_.work(opcode_, 0, 0, false);
    for (std::size_t i = 0; i < times_us.size(); ++i) {
      const std::uint64_t iteration = first + i, before = value_;
      const std::uint64_t operand = payload_seed(iteration, 0);
      value_ = opcode_ == Opcode::fetch_add ? value_ + operand : operand;
      if (!initiates()) continue;
      work.operand = opcode_ == Opcode::fetch_add ? operand : before;
      work.swap = operand;
      const std::int64_t begin = clock_.now_ns();
      endpoint_.post(0, work);
      endpoint_.wait_send();
      times_us[i] = static_cast<double>(clock_.now_ns() - begin) / ns_per_us;
      ++messages_;
      differs(iteration, before, value_in(endpoint_.incoming(0, 0)));
    }
  }

  Verified verify(std::uint64_t first, std::size_t count) override {
    if (!initiates()) differs(first + count - 1, value_, value_in(endpoint_.outgoing(0, 0)));
    return Latency::verify(first, count);
  }

 private:
  static std::uint64_t value_in(std::span<const std::byte> memory) {
    std::uint64_t value = 0;
    std::memcpy(&value, memory.data(), sizeof value);
    return value;
  }

  Opcode opcode_;
  std::uint64_t value_{};  ///< in the responder's memory, once all iterations so far are done
};

}  // namespace

std::unique_ptr<TimedOperation> make_latency(const Setup& setup, const TimedRequest& request,
                                             Transport transport, Opcode opcode, Memory memory) {
  ConnectionRequest connection = connection_of(setup, request, transport, opcode, memory);
  connection.send_depth = latency_depth;
  connection.slots = connection.memory ? slots_of(request.bytes) : 2;
  if (!connection.memory && (opcode == Opcode::send || is_write(opcode)))
    connection.inline_bytes = wanted_inline_bytes;
  switch (opcode) {
    case Opcode::send:
    case Opcode::write_with_immediate:
      connection.receive_depth = connection.memory ? static_cast<int>(connection.slots) : posted_receives;
      return std::make_unique<ReceivePingPong>(setup, request, connection, opcode);
    case Opcode::read:
      connection.slots = slots_of(request.bytes);
      return std::make_unique<Read>(setup, request, connection);
    case Opcode::write:
    case Opcode::fetch_add:
    case Opcode::compare_swap:
      break;
  }
  // These look at the bytes themselves.
  if (connection.memory)
    throw Unavailable(connection.operation + ": the CPU cannot watch the memory of a GPU");
  if (opcode == Opcode::write) return std::make_unique<WritePingPong>(setup, request, connection);
  connection.slots = 1;
  return std::make_unique<Atomic>(setup, request, connection, opcode);
}

}  // namespace fabricheck::verbs
