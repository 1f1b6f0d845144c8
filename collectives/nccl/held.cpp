#include "collectives/nccl/held.hpp"

#include <mutex>

#include <fmt/format.h>

namespace fabricheck::collectives::nccl {

void leave(std::unique_ptr<Held> held) {
  static std::mutex mutex;
  static auto* const left = new std::vector<std::unique_ptr<Held>>;
  const std::lock_guard lock(mutex);
  left->push_back(std::move(held));
}

void RegisteredBuffers::take(const std::shared_ptr<const Calls>& calls,
                             const std::shared_ptr<GroupCommunicator>& communicator,
                             const std::vector<Piece>& pieces) {
  calls_ = calls;
  communicator_ = communicator;
  if (!calls_->register_buffer || !calls_->deregister_buffer) {
    words_ = fmt::format("no: NCCL {} cannot", calls_->version_words());
    return;
  }
  for (const auto& [memory, bytes] : pieces) {
    if (bytes == 0) continue;
    void* handle = nullptr;
    const ncclResult_t result = calls_->register_buffer(communicator_->get(), memory, bytes, &handle);
    if (result != ncclSuccess || handle == nullptr) {
      words_ = "no: " + (result != ncclSuccess ? communicator_->words(result)
                                               : "NCCL gives none (NCCL_LOCAL_REGISTER=0)");
      return;
    }
    handles_.push_back(handle);
  }
  words_ = "yes";
}

void RegisteredBuffers::release() {
  if (communicator_ && !communicator_->is_broken())
    for (void* handle : handles_) calls_->deregister_buffer(communicator_->get(), handle);
  handles_.clear();
}

}  // namespace fabricheck::collectives::nccl
