#include "collectives/nccl/captured_log.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "collectives/nccl/settings.hpp"

namespace fabricheck::collectives::nccl {
namespace {

/// The beginning tells how connections were made; a log that says something in every call grows without end.
constexpr std::uint64_t most_bytes = std::uint64_t{4} << 20;

std::string text_of(const std::string& file, std::uint64_t from, std::uint64_t to) {
  std::ifstream in(file, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(from));
  std::string text(std::min(to - from, most_bytes), '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, in.gcount())));
  return text;
}

/// NCCL puts host and process in for %h and %p.
std::string without_patterns(const std::string& file) {
  std::string text;
  for (const char one : file) text += one == '%' ? std::string("%%") : std::string(1, one);
  return text;
}

}  // namespace

std::uint64_t captured_bytes(const std::string& file) {
  if (file.empty()) return 0;
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(file, error);
  return error ? 0 : size;
}

NcclFacts captured_facts(const std::string& file) {
  static std::mutex mutex;
  static std::map<std::string, std::pair<std::uint64_t, NcclFacts>> known;
  const std::uint64_t size = captured_bytes(file);
  if (size == 0) return {};
  const std::lock_guard lock(mutex);
  auto& [read_at, facts] = known[file];
  if (read_at != size) facts = read_nccl_log(text_of(file, 0, size));
  read_at = size;
  return facts;
}

NcclFacts captured_facts(const std::string& file, std::uint64_t from, std::uint64_t to) {
  return to > from ? read_nccl_log(text_of(file, from, to)) : NcclFacts{};
}

LogCapture capture_log(const std::string& folder, const std::string& host, bool cuda_graph) {
  if (const char* theirs = std::getenv("NCCL_DEBUG_FILE"))
    return {"", "",
            fmt::format("NCCL_DEBUG_FILE={} is set, so NCCL's transports, network and channels are not known "
                        "here; without it they are told beside the figures",
                        theirs)};
  // A folder of its own: NCCL empties the file by its name, and where it cannot, writes to standard output.
  std::string own = fmt::format("{}/fabricheck-nccl-XXXXXX", folder);
  if (::mkdtemp(own.data()) == nullptr)
    return {"", "",
            fmt::format("{} cannot be written ({}), so NCCL's transports, network and channels are not known "
                        "here; name another folder with TMPDIR",
                        folder, std::generic_category().message(errno))};
  LogCapture capture{fmt::format("{}/nccl-{}-{}.log", own, host, ::getpid()), {}, {}};
  const std::array<std::pair<const char*, const char*>, 2> wanted = {
      {{"NCCL_DEBUG", "INFO"},
       {"NCCL_DEBUG_SUBSYS", cuda_graph ? "INIT,NET,GRAPH,TUNING" : "INIT,NET,GRAPH"}}};
  for (const auto& [name, value] : wanted) {
    if (const char* theirs = std::getenv(name))
      capture.set_aside += fmt::format("{}{}={}", capture.set_aside.empty() ? "" : " ", name, theirs);
    ::setenv(name, value, 1);
  }
  ::setenv("NCCL_DEBUG_FILE", without_patterns(capture.file).c_str(), 1);
  return capture;
}

}  // namespace fabricheck::collectives::nccl
