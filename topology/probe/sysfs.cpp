#include "topology/probe/sysfs.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>

#include "core/descriptor.hpp"

namespace fabricheck::topology {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\0'; }

/// Firmware's texts may end in NULs.
std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace

std::optional<std::string> read_bytes(const std::filesystem::path& file, std::string& why,
                                      std::size_t limit_bytes) {
  return read_regular_file(file.string(), why, limit_bytes);
}

std::optional<std::string> read_text(const std::filesystem::path& file, std::string& why,
                                     std::size_t limit_bytes) {
  const auto bytes = read_bytes(file, why, limit_bytes);
  if (!bytes) return std::nullopt;
  return std::string(trimmed(*bytes));
}

std::optional<std::string> read_text(const std::filesystem::path& file) {
  std::string why;
  return read_text(file, why);
}

std::optional<std::vector<std::string>> folder_entries(const std::filesystem::path& folder,
                                                       std::string& why) {
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  if (error) {
    why = error.message();
    return std::nullopt;
  }
  std::vector<std::string> names;
  const std::filesystem::directory_iterator end;
  while (entry != end) {
    names.push_back(entry->path().filename().string());
    entry.increment(error);
    if (error) {
      why = error.message();
      return std::nullopt;
    }
  }
  std::sort(names.begin(), names.end(), natural_less);
  return names;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (;;) {
    const std::size_t first = line.find_first_not_of(" \t\r");
    if (first == std::string_view::npos) return words;
    const std::size_t end = std::min(line.find_first_of(" \t\r", first), line.size());
    words.push_back(line.substr(first, end - first));
    line.remove_prefix(end);
  }
}

std::string link_target(const std::filesystem::path& link) {
  std::error_code error;
  return std::filesystem::read_symlink(link, error).string();
}

std::optional<int> read_index(const std::filesystem::path& file) {
  const auto text = read_text(file);
  if (!text) return std::nullopt;
  const auto value = parse_number(*text);
  if (!value || *value < 0 || *value > std::numeric_limits<int>::max()) return std::nullopt;
  return static_cast<int>(*value);
}

}  // namespace fabricheck::topology
