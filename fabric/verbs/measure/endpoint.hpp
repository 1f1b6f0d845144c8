// One end of a connection between two ranks: queue pairs, registered memory, and waiting that never lasts for
// ever.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/communicator.hpp"
#include "core/deadline.hpp"
#include "core/run_record.hpp"
#include "device/buffer.hpp"
#include "fabric/verbs/gid_choice.hpp"
#include "fabric/verbs/measure/message_memory.hpp"
#include "fabric/verbs/measure/port_text.hpp"
#include "fabric/verbs/provider.hpp"
#include "fabric/verbs/traffic_class.hpp"

namespace fabricheck::verbs {

/// The port of this rank, open.
struct LocalPort {
  std::shared_ptr<Device> device;
  PortPlace place;
};

struct ConnectionRequest {
  Transport transport{Transport::rc};
  int queue_pairs{1};
  int send_depth{16};   ///< of each queue pair
  int receive_depth{};  ///< receives that are posted beforehand, of each queue pair
  int inline_bytes{};   ///< wanted
  std::uint64_t message_bytes{};
  std::size_t slots{1};  ///< places for messages, of each queue pair and direction
  bool spread_flows{};   ///< each queue pair with a flow label of its own
  /// As the job's bulk transfers do; not where the last byte is watched to know that a message is complete.
  bool relaxed_ordering{};
  bool atomics{};  ///< the messages are atomic operations
  GidWish gid_wish;
  int pkey_index{};  ///< on InfiniBand
  TrafficClass traffic_class;
  std::shared_ptr<MessageMemory> memory;  ///< null: the host's
  std::uint64_t memory_limit_bytes{};     ///< of the host's; 0: not known
  std::string operation;                  ///< for errors, "RC write of 8 B"
  bool yield{};
  /// How long nothing may move before it is an error: more than RC's retries take (up to 4 * 0.5 s).
  std::chrono::nanoseconds patience{std::chrono::seconds(10)};
};

class Endpoint {
 public:
  /// Collective over `pair`, two ranks. What one cannot do, neither does: the other's words are thrown as an
  /// Echo.
  Endpoint(const LocalPort& local, Communicator& pair, ConnectionRequest request);

  /// 0 or 1: the rank in the pair.
  int side() const { return side_; }
  int queue_pairs() const { return static_cast<int>(pairs_.size()); }
  std::uint64_t message_bytes() const { return request_.message_bytes; }
  std::size_t slots() const { return request_.slots; }
  /// What is sent inline is read by the CPU, which GPU memory cannot be.
  bool fits_inline() const {
    return !request_.memory && request_.message_bytes <= static_cast<std::uint64_t>(inline_bytes_);
  }

  /// Where messages of queue pair `pair` leave and arrive, to be written and looked at here. Of memory that
  /// is not the host's it is a copy: send_out() brings what was written there, fetch() what has arrived here.
  std::span<std::byte> outgoing(int pair, std::size_t slot) const;
  std::span<std::byte> incoming(int pair, std::size_t slot) const;
  bool is_copied() const { return request_.memory != nullptr; }
  void send_out();
  void fetch();

  /// What carries the message in `slot` to the peer's same slot; a read brings the peer's outgoing slot here.
  WorkRequest work(Opcode opcode, int pair, std::size_t slot, bool is_inline) const;
  void post(int pair, const WorkRequest& request) { pairs_[static_cast<std::size_t>(pair)]->post(request); }
  void post_receive(int pair, std::size_t slot);

  /// Never waits. Throws Error for a completion that failed, Echo for one that only follows another's.
  std::size_t poll_sends(std::span<Completion> into) { return checked(into, sends_->poll(into)); }
  std::size_t poll_receives(std::span<Completion> into) { return checked(into, receives_->poll(into)); }

  /// Waits until `ready()`, with the deadline, events and the peer's fate in view.
  template <typename Ready>
  void wait(Ready&& ready, const char* for_what) {
    for (unsigned spins = 1; !ready(); ++spins)
      if (spins % spins_between_looks_ == 0) look(for_what);
    patience_.reset();
  }
  /// Something moved: the deadline begins anew.
  void moved() { patience_.reset(); }
  /// One send completion.
  void wait_send();
  /// One receive; a send that failed meanwhile is noticed, for then there will be none.
  void wait_receive();
  /// What a loop that polls by itself does now and then: throws when nothing moves, or when the device
  /// failed.
  void look(const char* for_what);

  /// Throws Error when the device or the port reported that it failed.
  void check_events();

  const PortPlace& mine() const { return local_.place; }
  const PortPlace& peer() const { return peer_; }
  std::map<std::string, Parameter> path() const;

 private:
  struct Remote {
    std::uint64_t memory{};
    std::uint32_t key{};
    std::vector<RemoteAddress> pairs;
  };
  /// Does `work`, tells the peer its result or why there is none, and returns the peer's.
  template <typename Work>
  std::string exchange(Work&& work);

  void check_limits() const;
  void forget_old_events();
  [[noreturn]] void throw_event(const AsyncEvent& event) const;
  int own_outstanding_reads() const;
  int pkey_index() const { return attributes_.ethernet ? 0 : request_.pkey_index; }
  void choose_path(const std::string& peer_text);
  void make_queues();
  std::string addresses();
  void read_addresses(const std::string& text);
  std::size_t checked(std::span<const Completion> completions, std::size_t count) const {
    for (std::size_t i = 0; i < count; ++i)
      if (completions[i].status != CompletionStatus::success) throw_failed(completions[i]);
    return count;
  }
  [[noreturn]] void throw_failed(const Completion& completion) const;
  /// "dmabuf", "peermem".
  std::string registered_by() const;
  std::uint64_t place(int pair, std::size_t slot) const;
  std::uint64_t outgoing_at(int pair, std::size_t slot) const { return place(pair, slot); }
  std::uint64_t incoming_at(int pair, std::size_t slot) const;
  /// The memory as the CPU sees it.
  std::span<std::byte> seen() const { return request_.memory ? copy_.bytes() : buffer_.bytes(); }

  LocalPort local_;
  Communicator& pair_;
  ConnectionRequest request_;
  int side_;
  PortPlace peer_;
  PairGids gids_;
  PortAttributes attributes_;
  int mtu_bytes_{};
  int peer_mtu_bytes_{};
  int outstanding_reads_{};
  bool global_{};
  RawGid gid_{};
  int inline_bytes_{};
  std::size_t stride_{};
  std::uint64_t region_bytes_{};
  device::Buffer buffer_;
  device::Buffer copy_;  ///< of it, where it is not the host's
  std::unique_ptr<MemoryRegion> region_;
  std::unique_ptr<CompletionQueue> sends_, receives_;
  std::vector<std::unique_ptr<QueuePair>> pairs_;
  Remote remote_;
  std::string peer_memory_, peer_registered_by_;
  unsigned spins_between_looks_;
  unsigned looks_{};
  int early_sends_{};  ///< completions that were seen while waiting for a receive
  std::optional<Deadline> patience_;
};

}  // namespace fabricheck::verbs
