// A rank of the stand-in NCCL's communicator, and the shared memory through which its ranks meet.
#pragma once

#include <nccl.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>

#include "support/cuda/host_stream.hpp"

namespace fabricheck::test {

/// What $FABRICHECK_STANDIN_NCCL asks for. Counts of operations start at 1; 0: never.
struct Faults {
  std::uint64_t hang_at{};
  std::uint64_t async_error{};
  std::uint64_t flip_at{};
  bool init_hang{};
  bool init_error{};
  bool connect_hang{};  ///< the first call comes back only after the timeout, with an error
  bool no_register{};
  bool null_handle{};  ///< registration gives success and no handle, as with NCCL_LOCAL_REGISTER=0
  int version{22803};
  std::string network;  ///< what the log names; "Socket" has no GPUDirect RDMA; empty: it is inside a node
  double latency_us{10};
  double busbw_gb_per_s{400};
  double slow_factor{1};
  std::chrono::duration<double> timeout_s{20};
  std::uint64_t short_from{};  ///< of operations from this one on short_s is the timeout; 0: of none
  std::chrono::duration<double> short_s{20};
};

/// The faults of rank `rank`; of the process, if -1. `id` tells the first communicator from later ones.
[[nodiscard]] Faults read_faults(int rank, const std::string& id);

inline constexpr std::size_t kSlotBytes = std::size_t{1} << 20U;
inline constexpr std::size_t kMailBytes = std::size_t{1} << 16U;

/// What one rank has for one other rank.
struct Mail {
  std::atomic<std::uint32_t> bytes;  ///< 0: empty
  std::byte data[kMailBytes];
};

/// The head of the segment. Slots of the ranks follow, then mail from every rank to every rank.
struct Shared {
  std::atomic<int> joined;
  std::atomic<int> arrived;
  std::atomic<std::uint32_t> generation;
  std::atomic<bool> broken;  ///< a rank aborted or waited too long: nothing completes from here on
};

/// Writes a line to $NCCL_DEBUG_FILE if $NCCL_DEBUG asks for such lines.
/// As NCCL does, under a lock: the environment is looked at with the first line, and again after
/// forget_log_settings().
void log_line(const std::string& text, bool is_choice = false);
void forget_log_settings();

}  // namespace fabricheck::test

/// NCCL's handle points to this.
struct ncclComm {
  int rank{};
  int ranks{};
  std::string id;
  fabricheck::test::Faults faults;
  fabricheck::test::Shared* shared{};
  std::size_t mapped_bytes{};
  std::uint64_t operations{};
  std::atomic<ncclResult_t> state{ncclSuccess};
  std::atomic<int> calls{};  ///< that have not come back
  std::atomic<bool> connected{};
  std::atomic<bool> busy{};  ///< an operation is waiting for other ranks
  std::mutex streams_mutex;
  std::set<fabricheck::test::HostStream*> streams;
  std::set<std::string> logged;

  /// Maps the segment and says so to the others.
  ncclResult_t join();
  /// Waits until every rank has joined, as a call that blocks does.
  ncclResult_t wait_for_all();
  [[nodiscard]] bool has_all() const;
  void leave();
  /// As NCCL does with the first call.
  void log_connections();
  [[nodiscard]] std::byte* slot(int of_rank) const;
  [[nodiscard]] fabricheck::test::Mail& mail(int from, int to) const;
  /// How long the operation under way waits for others.
  [[nodiscard]] std::chrono::duration<double> timeout() const;
  /// False: not all ranks came in time.
  bool meet();
};
