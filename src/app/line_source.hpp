// Files of any size line by line: plain, in UTF-16 with a byte order mark, compressed by gzip, or standard
// input ("-").
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

/// The file has to be unpacked first.
class PackedFile : public Error {
 public:
  using Error::Error;
};

/// What was passed over because it was longer than LineSource::kLongestLine.
struct CutText {
  std::uint64_t pieces{};
  std::uint64_t first_line{};
};

class LineSource {
 public:
  /// What is longer between two line ends is cut: no line of a log that tells something is as long.
  static constexpr std::size_t kLongestLine = std::size_t{64} << 10;

  /// Throws Error "FILE: cannot be read: reason" where it cannot be opened or is a folder, PackedFile "FILE:
  /// is compressed by …" where another program has to unpack it, NoText where it is no text. NULs in front of
  /// a text are passed over: a log that was emptied under its writer begins with as many as it had bytes.
  explicit LineSource(const std::string& file);
  ~LineSource();
  LineSource(const LineSource&) = delete;
  LineSource& operator=(const LineSource&) = delete;

  /// The first bytes, as many as there are up to 64 KiB.
  std::string_view front() const;

  /// Everything that is left, at most `most` bytes. Throws Error where there is more, or it cannot be read.
  std::string rest(std::size_t most);

  /// Calls with each line and its number, from 1. A carriage return ends a line, too, so that the last state
  /// of a progress bar does not stand before what follows it, but only a newline is counted. Throws Error
  /// where reading fails on the way; what came before has been handed out.
  void for_each(const std::function<void(std::string_view line, std::uint64_t number)>& line);

  const CutText& cut() const;

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

}  // namespace fabricheck::app
