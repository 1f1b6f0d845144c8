// Verbs without a NIC: queue pairs of one process whose operations are copies that are complete at once. For
// tests of what is measured with them, and for a benchmark of what that costs.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/topology_record.hpp"
#include "fabric/verbs/provider.hpp"

namespace fabricheck::test {

/// What goes wrong, and when. Counts are of all work requests that the device was given.
struct StubFaults {
  std::uint64_t fail_at{~0ULL};  ///< this one's completion fails
  verbs::CompletionStatus status{verbs::CompletionStatus::retry_exceeded};
  std::uint64_t lose_at{~0ULL};  ///< this one never arrives, and its sender does not learn of it
  std::uint64_t flip_at{~0ULL};  ///< of this one's payload a bit is flipped on the way
  /// Of so many writes, the first ones, the data comes into memory only when all of them have completed, and
  /// a moment later: as on a bus that is behind.
  std::uint64_t late_writes{};
  std::optional<std::string> registration_error;
  bool refuses_gpu_memory{};  ///< registration_error is of GPU memory only
  bool refuses_receives{};
  /// The device reports it when it was given so many work requests.
  std::uint64_t event_at{~0ULL};
  verbs::AsyncEvent event;
  /// And these before anything.
  std::vector<verbs::AsyncEvent> old_events;
};

struct StubDevice {
  std::string name{"stub0"};
  verbs::DeviceLimits limits{0x15b3, false, 1024, 16384, 1 << 20, 16, true};
  verbs::PortAttributes port{true, "ACTIVE", true, 4096, 0, std::uint64_t{1} << 30};
  int inline_bytes{220};
  bool relaxed_ordering{true};  ///< it takes it
  bool takes_dmabuf{true};      ///< else memory by its address, too
  std::optional<verbs::RawGid> gid;
  std::vector<verbs::PathRequest>* paths{};                ///< what its queue pairs were connected with,
  std::vector<verbs::QueuePairRequest>* queue_requests{};  ///< and asked for
  std::optional<verbs::Transport> without;                 ///< it makes no queue pair of this transport,
  int without_error{};                                     ///< and sets errno to this
  /// Where the device finds the memory of an address, if not there; such memory the CPU cannot reach, and
  /// nothing of it goes inline.
  std::function<std::byte*(std::byte*)> memory_view;
  StubFaults* faults{};
};

/// A device; queue pairs of all of them reach each other by their numbers.
std::shared_ptr<verbs::Device> make_stub_device(const StubDevice& description = {});

/// A place for it in the choice of addresses: one RoCE v2 GID 10.0.0.`number` on `host`.
RdmaPort stub_port(int number);

}  // namespace fabricheck::test
