// Files of any size line by line: plain, compressed by gzip, or standard input ("-").
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace fabricheck::app {

/// The file is none of lines.
class NoText : public Error {
 public:
  using Error::Error;
};

class LineSource {
 public:
  /// Longer lines are cut: no line of a log that tells something is as long.
  static constexpr std::size_t kLongestLine = std::size_t{64} << 10;

  /// Throws Error "FILE: cannot be read: reason" where it cannot be opened or is a folder, NoText where it is
  /// no text.
  explicit LineSource(const std::string& file);
  ~LineSource();
  LineSource(const LineSource&) = delete;
  LineSource& operator=(const LineSource&) = delete;

  /// The first bytes, as many as there are up to 64 KiB.
  std::string_view front() const;

  /// Everything that is left, at most `most` bytes. Throws Error where there is more, or it cannot be read.
  std::string rest(std::size_t most);

  /// Calls with each line and its number, from 1. Throws Error where reading fails on the way; what came
  /// before has been handed out.
  void for_each(const std::function<void(std::string_view line, std::uint64_t number)>& line);

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

}  // namespace fabricheck::app
