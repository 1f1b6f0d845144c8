// File descriptors that close themselves, whole reads and writes, and the system's words for what went wrong.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace fabricheck {

/// Owns a file, a socket or an end of a pipe; -1: none.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { reset(); }
  /// Closes it, if there is one; errno stays as it is.
  void reset();
  /// From now on somebody else closes it.
  [[nodiscard]] int release() { return std::exchange(value_, -1); }
  [[nodiscard]] int get() const { return value_; }
  explicit operator bool() const { return value_ >= 0; }

 private:
  int value_{-1};
};

struct Pipe {
  Descriptor reader, writer;
};
/// Both ends are closed by exec. Nothing, with the reason in errno: there are no descriptors left.
std::optional<Pipe> make_pipe();

/// 0 or errno; a text cut short by the system is written on.
int write_all(int descriptor, std::string_view text);

/// The first `limit_bytes` of a regular file; else nothing, with the reason in `why`: "Permission denied",
/// "not a regular file". Never blocks on a pipe or a terminal.
std::optional<std::string> read_regular_file(const std::string& path, std::string& why,
                                             std::size_t limit_bytes = 65536);

/// "No space left on device" for an errno; thread-safe, unlike strerror.
std::string system_reason(int error);

}  // namespace fabricheck
