// The part of verbs that is used here, behind one small interface: libibverbs (ibverbs/), or a stand-in that
// completes at once (tests/support/verbs). All objects belong to what made them and go before it.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "device/buffer.hpp"

namespace fabricheck::verbs {

enum class Transport { rc, uc, ud };
/// "RC", "UC", "UD".
const char* transport_name(Transport transport);

/// A write with immediate takes a receive of the peer and completes it, with its data where a write puts it.
enum class Opcode { send, write, write_with_immediate, read, fetch_add, compare_swap };

/// To the peer's registered memory, not to the place of a receive that it posted.
constexpr bool is_write(Opcode opcode) {
  return opcode == Opcode::write || opcode == Opcode::write_with_immediate;
}

/// As in ibv_wc_status, by name: "transport retry counter exceeded" is what to look for in the field's texts.
enum class CompletionStatus {
  success,
  local_length,
  local_queue_pair,
  local_protection,
  flushed,
  memory_window,
  bad_response,
  local_access,
  remote_invalid_request,
  remote_access,
  remote_operation,
  retry_exceeded,
  rnr_retry_exceeded,
  remote_aborted,
  fatal,
  response_timeout,
  other,
};

struct WorkRequest {
  Opcode opcode{Opcode::send};
  std::uint64_t id{};
  std::byte* local{};
  std::uint32_t bytes{};
  std::uint32_t local_key{};
  std::uint64_t remote{};
  std::uint32_t remote_key{};
  std::uint64_t operand{};  ///< what is added, or compared with
  std::uint64_t swap{};
  bool signaled{true};
  bool is_inline{};
};

struct ReceiveRequest {
  std::uint64_t id{};
  std::byte* local{};
  std::uint32_t bytes{};
  std::uint32_t local_key{};
};

struct Completion {
  std::uint64_t id{};
  CompletionStatus status{CompletionStatus::success};
  std::uint32_t vendor_error{};
  std::uint32_t queue_pair{};
  std::uint32_t bytes{};  ///< of a receive
};

using RawGid = std::array<std::uint8_t, 16>;

struct DeviceLimits {
  std::uint32_t vendor_id{};
  bool software{};  ///< Soft-RoCE or Soft-iWARP: its rate is fiction
  int max_queue_pairs{};
  int max_work_requests{};  ///< outstanding in one queue
  int max_completions{};    ///< in one completion queue
  int max_outstanding_reads{};
  bool atomics{};
};

struct PortAttributes {
  bool active{};
  std::string state;  ///< as sysfs names it, "DOWN"
  bool ethernet{};
  int active_mtu_bytes{};
  std::uint32_t lid{};
  std::uint64_t max_message_bytes{};
  bool global_required{};  ///< the port wants a GRH on all that it sends
};

/// Where a queue pair can be reached.
struct RemoteAddress {
  std::uint32_t queue_pair{};
  std::uint32_t packet_number{};
  RawGid gid{};
  std::uint32_t lid{};
};

/// How a queue pair sends.
struct PathRequest {
  int port{1};
  int gid_index{};
  bool global{};  ///< with a GRH: always on Ethernet
  int mtu_bytes{};
  int traffic_class{};
  int service_level{};
  /// 20 bits; on RoCE v2 the UDP source port follows from it where the NIC does so.
  std::uint32_t flow_label{};
  int outstanding_reads{1};  ///< reads and atomics, in either direction
  /// How long the NIC waits for an acknowledgement before it sends again: 4.096 us * 2^ack_timeout.
  int ack_timeout{14};
};

struct QueuePairRequest {
  Transport transport{Transport::rc};
  int send_depth{1};
  int receive_depth{1};
  int inline_bytes{};  ///< wanted; what is given is told by QueuePair::inline_bytes()
  bool atomics{};      ///< the peer may do them; not to be asked of a device that cannot
  int pkey_index{};    ///< InfiniBand's partition, by its place in the port's table
};

struct AsyncEvent {
  /// What it tells of. Queues are those of the device, of connections before this one, too.
  enum class About { queue, port, device };
  std::string text;  ///< "the port went down"
  bool fatal{};      ///< for what is being measured
  About about{About::queue};
  int port{};  ///< where it is about one
};

class MemoryRegion {
 public:
  virtual ~MemoryRegion() = default;
  virtual std::uint32_t local_key() const = 0;
  virtual std::uint32_t remote_key() const = 0;
  /// What it was asked for and not refused: the NIC may write into it out of order.
  virtual bool relaxed_ordering() const = 0;
  virtual bool is_dmabuf() const = 0;  ///< else registered by its address
};

class CompletionQueue {
 public:
  virtual ~CompletionQueue() = default;
  /// Never waits. Returns how many were written.
  virtual std::size_t poll(std::span<Completion> into) = 0;
};

class QueuePair {
 public:
  virtual ~QueuePair() = default;
  virtual std::uint32_t number() const = 0;
  virtual int inline_bytes() const = 0;
  /// To RTS. `packet_number` is the first one of this side. Throws Error.
  virtual void connect(const PathRequest& path, const RemoteAddress& remote, std::uint32_t packet_number) = 0;
  /// Throws Error when the queue takes no more.
  virtual void post(const WorkRequest& request) = 0;
  virtual void post_receive(const ReceiveRequest& request) = 0;
};

class Device {
 public:
  virtual ~Device() = default;
  virtual const std::string& name() const = 0;
  virtual const DeviceLimits& limits() const = 0;
  virtual PortAttributes port(int number) = 0;
  virtual RawGid gid(int port, int index) = 0;
  /// With `relaxed_ordering` where the device takes it, else without; as the dmabuf that a buffer has, or
  /// else by its address. Throws Error; where the limit on locked memory is the reason, it says which line
  /// raises it.
  virtual std::unique_ptr<MemoryRegion> register_memory(const device::Buffer& buffer,
                                                        bool relaxed_ordering) = 0;
  virtual std::unique_ptr<CompletionQueue> make_completion_queue(int entries) = 0;
  virtual std::unique_ptr<QueuePair> make_queue_pair(CompletionQueue& sends, CompletionQueue& receives,
                                                     const QueuePairRequest& request, int port) = 0;
  /// What the device reported since the last call, if anything. Never waits.
  virtual std::optional<AsyncEvent> next_event() = 0;
};

class Provider {
 public:
  virtual ~Provider() = default;
  virtual std::vector<std::string> device_names() = 0;
  /// Throws Error, or Unavailable where the device files may not be opened.
  virtual std::shared_ptr<Device> open(const std::string& name) = 0;
};

/// libibverbs; nullptr in a build without it.
std::unique_ptr<Provider> system_provider();
/// Empty, or "built without verbs".
const char* unavailable_reason();

}  // namespace fabricheck::verbs
