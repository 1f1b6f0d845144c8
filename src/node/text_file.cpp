#include "node/text_file.hpp"

#include <charconv>
#include <filesystem>
#include <system_error>

#include "core/descriptor.hpp"

namespace fabricheck::node {

std::optional<std::string> read_below(const std::string& sysroot, const std::string& file, std::string& why,
                                      std::size_t limit_bytes) {
  return read_regular_file((std::filesystem::path(sysroot) / file).string(), why, limit_bytes);
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
