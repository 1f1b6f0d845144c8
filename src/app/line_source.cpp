#include "app/line_source.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <vector>

namespace fabricheck::app {

struct LineSource::Stream {
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() {
    if (file != nullptr) ::gzclose(file);
  }
  std::string name;
  gzFile file{};
  std::vector<char> buffer;
  std::size_t filled{};
  std::string failed;  ///< what stopped the look at the front, to be said when that has been handed out

  [[noreturn]] void fail(const std::string& reason) const {
    throw Error(fmt::format("{}: cannot be read: {}", name, reason));
  }

  /// Appends to the buffer what the next read gives; false at the end.
  bool fill() {
    constexpr std::size_t block = std::size_t{256} << 10;
    if (!failed.empty()) throw Error(failed);
    if (buffer.size() < filled + block) buffer.resize(filled + block);
    const int count = ::gzread(file, buffer.data() + filled, static_cast<unsigned>(block));
    if (count > 0) {
      filled += static_cast<std::size_t>(count);
      return true;
    }
    int code = Z_OK;
    const char* words = ::gzerror(file, &code);
    if (count == 0 && (code == Z_OK || code == Z_STREAM_END)) return false;
    if (code == Z_BUF_ERROR) fail("the compressed file is cut off; what came before the cut was read");
    if (code == Z_ERRNO) fail(std::generic_category().message(errno));
    fail(fmt::format("the compressed file is damaged ({})", words));
  }
};

LineSource::LineSource(const std::string& file) : stream_(std::make_unique<Stream>()) {
  stream_->name = file == "-" ? "standard input" : file;
  const int descriptor = file == "-" ? ::dup(STDIN_FILENO) : ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) stream_->fail(std::generic_category().message(errno));
  struct stat status {};
  if (::fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode)) {
    ::close(descriptor);
    stream_->fail("it is a folder; name the files in it");
  }
  stream_->file = ::gzdopen(descriptor, "rb");
  if (stream_->file == nullptr) {
    ::close(descriptor);
    stream_->fail("out of memory");
  }
  ::gzbuffer(stream_->file, 1U << 18U);
  constexpr std::size_t looked_at = std::size_t{64} << 10;
  try {
    while (stream_->filled < looked_at && stream_->fill()) {
    }
  } catch (const Error& error) {
    if (stream_->filled == 0) throw;
    stream_->failed = error.what();
  }
  const std::string_view begin = front().substr(0, 4096);
  const auto nuls = static_cast<std::size_t>(std::count(begin.begin(), begin.end(), '\0'));
  if (nuls * 4 >= begin.size() && nuls > 0) {
    const bool utf16 =
        begin.size() > 3 && (begin[1] == '\0' || begin[2] == '\0') && nuls * 3 < begin.size() * 2;
    if (utf16) stream_->fail("it is UTF-16; convert it with iconv -f UTF-16 -t UTF-8");
    throw NoText(stream_->name + ": cannot be read: it is no text");
  }
}

LineSource::~LineSource() = default;

std::string_view LineSource::front() const {
  return {stream_->buffer.data(), std::min(stream_->filled, std::size_t{64} << 10)};
}

std::string LineSource::rest(std::size_t most) {
  while (stream_->filled <= most && stream_->fill()) {
  }
  if (stream_->filled > most) stream_->fail(fmt::format("it has more than {} MiB", most >> 20U));
  return {stream_->buffer.data(), stream_->filled};
}

void LineSource::for_each(const std::function<void(std::string_view, std::uint64_t)>& line) {
  Stream& stream = *stream_;
  std::uint64_t number = 0;
  bool cut = false;  // the line was handed out already, its rest is passed over
  const auto hand_out = [&](std::string_view text) {
    if (!cut) line(text.substr(0, kLongestLine), ++number);
    cut = false;
  };
  for (bool more = true; more;) {
    std::size_t begin = 0;
    while (const void* end = std::memchr(stream.buffer.data() + begin, '\n', stream.filled - begin)) {
      const auto length =
          static_cast<std::size_t>(static_cast<const char*>(end) - stream.buffer.data()) - begin;
      hand_out({stream.buffer.data() + begin, length});
      begin += length + 1;
      if (begin == stream.filled) break;
    }
    std::size_t left = stream.filled - begin;
    if (left > kLongestLine) {
      hand_out({stream.buffer.data() + begin, left});
      cut = true;
      left = 0;
    }
    if (left > 0) std::memmove(stream.buffer.data(), stream.buffer.data() + stream.filled - left, left);
    stream.filled = left;
    try {
      more = stream.fill();
    } catch (const Error&) {
      if (left > 0) hand_out({stream.buffer.data(), left});
      throw;
    }
  }
  if (stream.filled > 0) hand_out({stream.buffer.data(), stream.filled});
}

}  // namespace fabricheck::app
