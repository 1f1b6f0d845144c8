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
#include <vector>

#include <fmt/format.h>

#include "collectives/nccl/settings.hpp"
#include "core/descriptor.hpp"

namespace fabricheck::collectives::nccl {
namespace {

/// The beginning tells how connections were made; a log that says something in every call grows without end.
constexpr std::uint64_t most_bytes = std::uint64_t{4} << 20;

constexpr const char* subsystems = "INIT,NET,GRAPH";
constexpr const char* subsystems_and_choices = "INIT,NET,GRAPH,TUNING";

/// NCCL empties each file that it opens, so that after each reset it has to be another one. How many there
/// are beside the first.
struct Pieces {
  std::mutex mutex;
  std::string captured;  ///< what capture_log() gave, until it is put away
  std::map<std::string, int> of_file;
};
Pieces& pieces() {
  static auto* const all = new Pieces;
  return *all;
}

std::string piece(const std::string& file, int number) {
  return number == 0 ? file : fmt::format("{}.{}", file, number);
}

std::vector<std::string> pieces_of(const std::string& file) {
  const std::lock_guard lock(pieces().mutex);
  const auto found = pieces().of_file.find(file);
  std::vector<std::string> all;
  for (int i = 0; i <= (found == pieces().of_file.end() ? 0 : found->second); ++i)
    all.push_back(piece(file, i));
  return all;
}

/// 0 of one that NCCL has not opened: it does with the first line.
std::uint64_t bytes_of(const std::string& file) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(file, error);
  return error ? 0 : size;
}

std::string text_of(const std::string& file, std::uint64_t from, std::uint64_t to) {
  std::string all;
  std::uint64_t begin = 0;
  for (const std::string& one : pieces_of(file)) {
    const std::uint64_t end = begin + bytes_of(one);
    const std::uint64_t first = std::max(begin, from), last = std::min(end, to);
    if (first < last && all.size() < most_bytes) {
      std::ifstream in(one, std::ios::binary);
      in.seekg(static_cast<std::streamoff>(first - begin));
      std::string text(std::min<std::uint64_t>(last - first, most_bytes - all.size()), '\0');
      in.read(text.data(), static_cast<std::streamsize>(text.size()));
      text.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, in.gcount())));
      all += text;
    }
    begin = end;
  }
  return all;
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
  std::uint64_t bytes = 0;
  for (const std::string& one : pieces_of(file)) bytes += bytes_of(one);
  return bytes;
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
                        folder, system_reason(errno))};
  LogCapture capture{fmt::format("{}/nccl-{}-{}.log", own, host, ::getpid()), {}, {}};
  const std::array<std::pair<const char*, const char*>, 2> wanted = {
      {{"NCCL_DEBUG", "INFO"}, {"NCCL_DEBUG_SUBSYS", cuda_graph ? subsystems_and_choices : subsystems}}};
  for (const auto& [name, value] : wanted) {
    if (const char* theirs = std::getenv(name))
      capture.set_aside += fmt::format("{}{}={}", capture.set_aside.empty() ? "" : " ", name, theirs);
    ::setenv(name, value, 1);
  }
  ::setenv("NCCL_DEBUG_FILE", without_patterns(capture.file).c_str(), 1);
  const std::lock_guard lock(pieces().mutex);
  pieces().captured = capture.file;
  return capture;
}

std::optional<bool> put_log_away(const std::string& file, const std::string& keep_in) {
  if (file.empty()) return std::nullopt;
  std::error_code ignored;  // it is a copy of what the checks' paths tell
  std::ofstream kept;
  const bool is_kept = !keep_in.empty() && captured_bytes(file) > 0;
  if (is_kept) kept.open(std::filesystem::path(keep_in) / "nccl.log", std::ios::binary);
  for (const std::string& one : pieces_of(file)) {
    if (kept.is_open() && bytes_of(one) > 0) kept << std::ifstream(one, std::ios::binary).rdbuf();
    std::filesystem::remove(one, ignored);
  }
  std::filesystem::remove(std::filesystem::path(file).parent_path(), ignored);
  if (!is_kept) return std::nullopt;
  kept.close();
  return !kept.fail();
}

std::optional<bool> put_log_away(const std::string& keep_in) {
  std::string file;
  {
    const std::lock_guard lock(pieces().mutex);
    std::swap(file, pieces().captured);
  }
  return put_log_away(file, keep_in);
}

namespace {

/// capture_log() has set both variables: NCCL's threads may look at them meanwhile, and to replace a value
/// moves no other.
void begin_piece(void (*reset_log)(), const std::string& file, const char* wanted) {
  const std::lock_guard lock(pieces().mutex);
  ::setenv("NCCL_DEBUG_SUBSYS", wanted, 1);
  ::setenv("NCCL_DEBUG_FILE", without_patterns(piece(file, ++pieces().of_file[file])).c_str(), 1);
  reset_log();
}

}  // namespace

ChoicesTold::ChoicesTold(void (*reset_log)(), const std::string& file, bool wanted)
    : reset_log_(reset_log), file_(file), is_told_(wanted && !file.empty() && reset_log != nullptr) {
  if (is_told_) begin_piece(reset_log_, file_, subsystems_and_choices);
}

ChoicesTold::~ChoicesTold() {
  if (is_told_) begin_piece(reset_log_, file_, subsystems);
}

}  // namespace fabricheck::collectives::nccl
