#include "app/line_source.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <system_error>
#include <vector>

#include "app/packed_file.hpp"
#include "app/utf16.hpp"
#include "core/descriptor.hpp"

namespace fabricheck::app {
namespace {

using LineCall = std::function<void(std::string_view line, std::uint64_t number)>;

constexpr std::size_t kFront = std::size_t{64} << 10;
constexpr std::size_t kBlock = std::size_t{256} << 10;

std::string_view without_nuls_in_front(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of('\0'), text.size()));
}

const char* find_in(std::string_view text, char c) {
  return text.empty() ? nullptr : static_cast<const char*>(std::memchr(text.data(), c, text.size()));
}

/// Hands out what stands between line ends.
class Pieces {
 public:
  Pieces(const LineCall& call, CutText& cut) : call_(call), cut_(cut) {}

  /// Up to a newline, or to the end of the file.
  void end_line(std::string_view text, bool has_returns) {
    if (has_returns && text.ends_with('\r')) text.remove_suffix(1);
    if (has_returns)
      add_all(text);
    else
      end_piece(text);
    ++number_;
  }

  /// What is known of a line of which more is to come; returns what has to be given again with that.
  std::string_view begin_line(std::string_view text) {
    // The last one may be followed by the newline that it belongs to.
    const std::size_t end = text.substr(0, text.size() - 1).rfind('\r');
    if (end != std::string_view::npos) {
      add_all(text.substr(0, end));
      text.remove_prefix(end + 1);
    }
    if (!is_passing_over_ && text.front() == '\0') text = without_nuls_in_front(text);
    if (text.size() > LineSource::kLongestLine) {
      if (!is_passing_over_) add(text);
      is_passing_over_ = true;
    }
    if (is_passing_over_) text.remove_prefix(text.ends_with('\r') ? text.size() - 1 : text.size());
    return text;
  }

 private:
  void add_all(std::string_view text) {
    while (const char* end = find_in(text, '\r')) {
      const auto length = static_cast<std::size_t>(end - text.data());
      end_piece(text.substr(0, length));
      text.remove_prefix(length + 1);
    }
    end_piece(text);
  }

  void end_piece(std::string_view text) {
    if (!is_passing_over_) add(text);
    is_passing_over_ = false;
  }

  void add(std::string_view text) {
    if (!text.empty() && text.front() == '\0') text = without_nuls_in_front(text);
    if (text.size() > LineSource::kLongestLine) {
      if (cut_.pieces++ == 0) cut_.first_line = number_;
      text = text.substr(0, LineSource::kLongestLine);
    }
    call_(text, number_);
  }

  const LineCall& call_;
  CutText& cut_;
  std::uint64_t number_{1};
  bool is_passing_over_{};  ///< the front of the piece was handed out, its rest is too long
};

}  // namespace

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
  std::string failed;  ///< why nothing more can be read: to be said when what is there was handed out
  std::optional<Utf16Bytes> utf16;
  CutText cut;

  [[noreturn]] void fail(const std::string& reason) const {
    throw Error(fmt::format("{}: cannot be read: {}", name, reason));
  }

  std::string_view text() const { return {buffer.data(), filled}; }

  void drop(std::size_t bytes) {
    filled -= bytes;
    if (bytes > 0 && filled > 0) std::memmove(buffer.data(), buffer.data() + bytes, filled);
  }

  /// Appends to the buffer what the next read gives; false at the end.
  bool fill() {
    if (!failed.empty()) fail(failed);
    if (buffer.size() < filled + kBlock) buffer.resize(filled + kBlock);
    const int count = ::gzread(file, buffer.data() + filled, static_cast<unsigned>(kBlock));
    if (count > 0) {
      filled += static_cast<std::size_t>(count);
      if (utf16) convert(filled - static_cast<std::size_t>(count));
      return true;
    }
    int code = Z_OK;
    const char* words = ::gzerror(file, &code);
    if (count == 0 && (code == Z_OK || code == Z_STREAM_END)) return false;
    if (code == Z_BUF_ERROR)
      failed = "the compressed file is cut off; what came before the cut was read";
    else if (code == Z_ERRNO)
      failed = system_reason(errno);
    else
      failed = fmt::format("the compressed file is damaged ({})", words);
    fail(failed);
  }

  /// What stands in the buffer from `begin` on becomes UTF-8.
  void convert(std::size_t begin) {
    std::string converted;
    utf16->add(text().substr(begin), converted);
    filled = begin + converted.size();
    if (buffer.size() < filled) buffer.resize(filled);
    std::copy(converted.begin(), converted.end(), buffer.begin() + static_cast<std::ptrdiff_t>(begin));
  }

  /// Fills the buffer's first kFront bytes, without NULs in front of them; returns whether there were any.
  bool fill_front() {
    bool any_nuls = false;
    try {
      for (bool more = true; more && filled < kFront;) {
        more = fill();
        const std::size_t nuls = filled - without_nuls_in_front(text()).size();
        any_nuls |= nuls > 0;
        drop(nuls);
      }
    } catch (const Error&) {
      if (filled == 0) throw;  // else fill() says it again
    }
    return any_nuls;
  }

  void open(Descriptor opened) {
    if (!opened) fail(system_reason(errno));
    struct stat status {};
    if (::fstat(opened.get(), &status) == 0 && S_ISDIR(status.st_mode))
      fail("it is a folder; name the files in it");
    file = ::gzdopen(opened.get(), "rb");
    if (file == nullptr) fail("out of memory");
    (void)opened.release();  // gzclose() closes it
    ::gzbuffer(file, 1U << 18U);
  }

  void demand_text(bool after_nuls) {
    if (const std::string reason = why_packed(text().substr(0, 512)); !reason.empty())
      throw PackedFile(name + ": " + reason);
    utf16 = Utf16Bytes::of_mark(text());
    if (utf16) convert(0);
    if (text().starts_with("\xef\xbb\xbf")) drop(3);
    const std::string_view begin = text().substr(0, 4096);
    const auto nuls = static_cast<std::size_t>(std::count(begin.begin(), begin.end(), '\0'));
    const bool is_binary = nuls * 4 >= begin.size() && nuls > 0;
    const bool is_wide =
        begin.size() > 3 && (begin[1] == '\0' || begin[2] == '\0') && nuls * 3 < begin.size() * 2;
    if (is_binary && is_wide &&
        !begin.starts_with("\x7f"
                           "ELF"))
      fail("it is UTF-16; convert it with iconv -f UTF-16 -t UTF-8");
    const bool is_line = !after_nuls || text().substr(0, kFront).find('\n') != std::string_view::npos;
    if (is_binary || !is_line ||
        begin.starts_with("\x7f"
                          "ELF"))
      throw NoText(name + ": cannot be read: it is no text");
  }
};

LineSource::LineSource(const std::string& file) : stream_(std::make_unique<Stream>()) {
  stream_->name = file == "-" ? "standard input" : file;
  stream_->open(Descriptor(file == "-" ? ::dup(STDIN_FILENO) : ::open(file.c_str(), O_RDONLY | O_CLOEXEC)));
  stream_->demand_text(stream_->fill_front());
}

LineSource::~LineSource() = default;

std::string_view LineSource::front() const { return stream_->text().substr(0, kFront); }

std::string LineSource::rest(std::size_t most) {
  while (stream_->filled <= most && stream_->fill()) {
  }
  if (stream_->filled > most) stream_->fail(fmt::format("it has more than {} MiB", most >> 20U));
  return std::string(stream_->text());
}

const CutText& LineSource::cut() const { return stream_->cut; }

void LineSource::for_each(const LineCall& line) {
  Stream& stream = *stream_;
  Pieces pieces(line, stream.cut);
  for (bool more = true; more;) {
    std::string_view text = stream.text();
    const char* next_return = find_in(text, '\r');
    while (const char* end = find_in(text, '\n')) {
      const std::string_view ended = text.substr(0, static_cast<std::size_t>(end - text.data()));
      const bool has_returns = next_return != nullptr && next_return < end;
      text.remove_prefix(ended.size() + 1);
      pieces.end_line(ended, has_returns);
      if (has_returns) next_return = find_in(text, '\r');
    }
    if (!text.empty()) text = pieces.begin_line(text);
    stream.drop(stream.filled - text.size());
    try {
      more = stream.fill();
    } catch (const Error&) {
      if (stream.filled > 0) pieces.end_line(stream.text(), true);
      throw;
    }
  }
  if (stream.filled > 0) pieces.end_line(stream.text(), true);
}

}  // namespace fabricheck::app
