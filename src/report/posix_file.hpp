// File descriptors that close themselves, and writes that are whole. Private to src/report.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace fabricheck::report {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { reset(); }
  void reset();
  int get() const { return value_; }
  explicit operator bool() const { return value_ >= 0; }

 private:
  int value_{-1};
};

/// 0 or errno; a text cut short by the system is written on.
int write_all(int descriptor, std::string_view text);
/// 0 or errno.
int sync_data(int descriptor);
/// "No space left on device"; thread-safe, unlike strerror.
std::string system_reason(int error);

}  // namespace fabricheck::report
