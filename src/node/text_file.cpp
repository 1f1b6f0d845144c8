#include "node/text_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <system_error>

namespace fabricheck::node {

std::optional<std::string> read_below(const std::string& sysroot, const std::string& file, std::string& why,
                                      std::size_t limit_bytes) {
  const auto path = std::filesystem::path(sysroot) / file;
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0) {
    why = std::generic_category().message(errno);
    return std::nullopt;
  }
  struct stat facts {};
  if (::fstat(descriptor, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    ::close(descriptor);
    why = "is no regular file";
    return std::nullopt;
  }
  std::string text(limit_bytes, '\0');
  std::size_t have = 0;
  while (have < text.size()) {
    const ssize_t got = ::read(descriptor, text.data() + have, text.size() - have);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) why = std::generic_category().message(errno);
    if (got < 0 && have == 0) {
      ::close(descriptor);
      return std::nullopt;
    }
    if (got <= 0) break;
    have += static_cast<std::size_t>(got);
  }
  ::close(descriptor);
  text.resize(have);
  return text;
}

std::optional<double> number_below(const std::string& sysroot, const std::string& file) {
  std::string why;
  const auto text = read_below(sysroot, file, why);
  double value = 0;
  if (!text) return std::nullopt;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  return error == std::errc{} ? std::optional(value) : std::nullopt;
}

}  // namespace fabricheck::node
