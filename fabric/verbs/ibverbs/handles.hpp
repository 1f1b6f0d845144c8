// Owners of what libibverbs hands out, and the makers of queues. Private to this folder.
#pragma once

#include <infiniband/verbs.h>

#include <memory>
#include <string>

#include "fabric/verbs/provider.hpp"

namespace fabricheck::verbs {

/// Move-only: what `release` frees.
template <typename Object, int (*release)(Object*)>
struct Release {
  // A failure to free has no remedy and no reader: the process frees what is left in the end.
  void operator()(Object* object) const { (void)release(object); }
};
template <typename Object, int (*release)(Object*)>
using Handle = std::unique_ptr<Object, Release<Object, release>>;

class DeviceList {
 public:
  DeviceList() : list_(ibv_get_device_list(nullptr)) {}
  ~DeviceList() {
    if (list_ != nullptr) ibv_free_device_list(list_);
  }
  DeviceList(const DeviceList&) = delete;
  DeviceList& operator=(const DeviceList&) = delete;
  ibv_device* const* get() const { return list_; }

 private:
  ibv_device** list_;
};

std::unique_ptr<CompletionQueue> open_completion_queue(ibv_context* context, const std::string& device,
                                                       int entries);
std::unique_ptr<QueuePair> open_queue_pair(ibv_pd* domain, const std::string& device, CompletionQueue& sends,
                                           CompletionQueue& receives, const QueuePairRequest& request,
                                           int port);

}  // namespace fabricheck::verbs
