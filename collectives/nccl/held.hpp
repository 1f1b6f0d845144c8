// What an operation of NCCL's holds on the GPU and with NCCL. Private to this folder.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "collectives/nccl/calls.hpp"
#include "collectives/nccl/communicator.hpp"
#include "device/cuda/handles.hpp"

namespace fabricheck::collectives::nccl {

/// In the order in which it can be given back.
struct Held {
  cuda::MemoryHandle input, output, found;
  cuda::PinnedHandle found_here;
  cuda::StreamHandle stream;
  std::vector<cuda::EventHandle> begins, ends;
  cuda::EventHandle after;
  cuda::GraphHandle graph;
};

/// Stays to the end of the process: a kernel may still write to it.
void leave(std::unique_ptr<Held> held);

/// Buffers that NCCL knows beforehand (ncclCommRegister).
class RegisteredBuffers {
 public:
  using Piece = std::pair<void*, std::uint64_t>;  ///< memory and its bytes
  /// Those of no bytes are left out. Where NCCL cannot or does not, words() say why.
  void take(const std::shared_ptr<const Calls>& calls, const std::shared_ptr<GroupCommunicator>& communicator,
            const std::vector<Piece>& pieces);
  void release();
  /// Without release(): of a communicator that is aborted.
  void forget() { handles_.clear(); }
  /// "yes", "no", or "no: …".
  const std::string& words() const { return words_; }

 private:
  std::shared_ptr<const Calls> calls_;
  std::shared_ptr<GroupCommunicator> communicator_;
  std::vector<void*> handles_;
  std::string words_{"no"};
};

}  // namespace fabricheck::collectives::nccl
