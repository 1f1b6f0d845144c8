// What a Device gave, given back when it goes out of scope.
#pragma once

#include <utility>

#include "device/cuda/device.hpp"

namespace fabricheck::cuda {

/// Move-only. The Device must outlive it.
template <class T, void (Device::*give_back)(T) noexcept>
class Handle {
 public:
  Handle() = default;
  Handle(Device& device, T what) : device_(&device), what_(what) {}
  Handle(Handle&& other) noexcept
      : device_(std::exchange(other.device_, nullptr)), what_(std::exchange(other.what_, T{})) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(what_, other.what_);
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() {
    if (device_) (device_->*give_back)(what_);
  }
  T get() const { return what_; }
  explicit operator bool() const { return device_ != nullptr; }

 private:
  Device* device_{};
  T what_{};
};

using StreamHandle = Handle<Stream, &Device::release>;
using EventHandle = Handle<Event, &Device::release>;
using GraphHandle = Handle<Graph, &Device::release>;
using MemoryHandle = Handle<std::byte*, &Device::release>;
using PinnedHandle = Handle<std::byte*, &Device::release_pinned>;

}  // namespace fabricheck::cuda
