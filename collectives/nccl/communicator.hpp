// NCCL's communicators of the measured groups: made with a deadline, watched, and aborted when they fail.
// Private to this folder.
//
// They block, as those of most jobs do. One that does not block makes a thread for every call from NCCL 2.23
// on (ncclGroupEndInternal in its group.cc), which would be measured with each. So what may wait for other
// ranks, to begin, the first call of a kind, to end, is called in a thread of its own, and left behind at the
// deadline.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "collectives/nccl/calls.hpp"
#include "collectives/nccl/log.hpp"
#include "collectives/nccl/watched_call.hpp"
#include "core/clock.hpp"
#include "core/communicator.hpp"
#include "core/timed_operation.hpp"
#include "device/cuda/setup.hpp"

namespace fabricheck::collectives::nccl {

/// Of one rank. Not used any more once it has failed.
class GroupCommunicator {
 public:
  GroupCommunicator(std::shared_ptr<const Calls> calls, std::shared_ptr<const cuda::Setup> gpu,
                    ncclComm_t communicator, std::string warned_before)
      : calls_(std::move(calls)),
        gpu_(std::move(gpu)),
        communicator_(communicator),
        warned_before_(std::move(warned_before)) {}
  GroupCommunicator(const GroupCommunicator&) = delete;
  GroupCommunicator& operator=(const GroupCommunicator&) = delete;

  ncclComm_t get() const { return communicator_; }
  const Calls& calls() const { return *calls_; }
  bool is_broken() const { return broken_; }

  /// What NCCL's log said while it was made and while each operation on it began: connections are made with
  /// the first call of a kind.
  const NcclFacts& said() const { return said_; }
  void add_said(const NcclFacts& later) { add_facts(said_, later); }

  /// Takes what a call gave; a communicator that does not block, for NCCL_COMM_BLOCKING=0 decides that, may
  /// say that it is still at work, which is waited for until `until_ns` on the clock. Throws Error with
  /// NCCL's words, Echo where another rank is the cause or may be, as at the deadline.
  void must(ncclResult_t result, const char* call, const Clock& clock, std::int64_t until_ns);
  /// The same of a call that may wait for other ranks. It is made in a thread of its own, and must hold
  /// whatever it uses: after the deadline that thread goes on.
  void must_within(std::function<ncclResult_t()> work, const char* call, const Clock& clock,
                   std::int64_t until_ns);
  /// Looks for an error that came without a call. Throws as must().
  void look();
  /// Ends what is under way on this rank. NCCL's own abort may wait for other ranks of this host to end, or
  /// for a GPU: it is given a moment, and then left behind. It frees the communicator, so that a call of
  /// must_within() that has not come back makes the abort itself when it does; false then: whatever that call
  /// uses must stay.
  bool abort(const Clock& clock);
  /// The orderly end, in two steps, for ranks may be threads of one process: all finalize, then all are
  /// destroyed. Aborted where one of them takes longer.
  void finalize(const Clock& clock, std::int64_t until_ns);
  void destroy(const Clock& clock, std::int64_t until_ns);

  /// "unhandled system error: …", NCCL's own last words with it.
  std::string words(ncclResult_t result) const;
  /// "; NCCL's last warning: …", what it warned of since the communicator was begun; empty: of nothing.
  std::string warning() const;

 private:
  std::shared_ptr<const Calls> calls_;
  std::shared_ptr<const cuda::Setup> gpu_;
  ncclComm_t communicator_;
  std::shared_ptr<WatchedCall> under_way_;  ///< a call that has not come back
  bool broken_{};
  std::string warned_before_;  ///< NCCL keeps the last warning of the process, whatever it was about
  NcclFacts said_;
};

/// The communicator of `request.world_ranks`, made once and kept; a new one where the last has failed on any
/// rank. Collective over request.group: what one rank cannot do, none does, and the others throw an Echo.
/// Where two attempts in a row gave none, there is no third: it throws at once, with the words of the second.
std::shared_ptr<GroupCommunicator> group_communicator(const std::shared_ptr<const Calls>& calls,
                                                      const TimedRequest& request,
                                                      const std::shared_ptr<const cuda::Setup>& gpu,
                                                      const std::string& gpu_words, std::int64_t deadline_ns);

}  // namespace fabricheck::collectives::nccl
