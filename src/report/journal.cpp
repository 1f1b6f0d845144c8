#include "report/journal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "core/descriptor.hpp"
#include "core/error.hpp"
#include "report/journal_lines.hpp"

namespace fabricheck::report {

namespace {

void set_aside_earlier(const std::filesystem::path& directory) {
  std::error_code ignored;  // read_result() does not take for this run's what stays
  for (const char* name : {"result.json", "report.md", "topology.json"}) {
    const std::filesystem::path file = directory / name;
    if (std::filesystem::is_regular_file(std::filesystem::symlink_status(file, ignored)))
      std::filesystem::rename(file, directory / (std::string(name) + ".previous"), ignored);
  }
}

/// 0 or errno.
int sync_data(int descriptor) {
  // Pipes and devices cannot be synced, which loses nothing.
  while (::fdatasync(descriptor) != 0) {
    if (errno == EINTR) continue;
    return errno == EINVAL || errno == EROFS ? 0 : errno;
  }
  return 0;
}

/// File systems without locks are no reason to refuse; a second run in the same folder is.
Descriptor open_locked(const std::string& path, int flags) {
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | flags, 0666));
  const bool is_others =
      !file ? errno == EEXIST : ::flock(file.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  if (file && !is_others) return file;
  const int error = errno;
  if (is_others)
    throw UsageError(fmt::format("{}: another run is writing here; choose another output folder", path));
  throw UsageError(fmt::format("{}: cannot be written: {}", path, system_reason(error)));
}

}  // namespace

Journal Journal::create(const std::string& directory, const RunRecord& header) {
  require_writable(directory);
  Journal journal;
  journal.path_ = (std::filesystem::path(directory) / "journal.jsonl").string();
  journal.file_ = open_locked(journal.path_, 0);
  struct stat facts {};
  if (::fstat(journal.file_.get(), &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_size > 0) {
    // It may be all that a run which was cut short has left. Locked until the new one is.
    const Descriptor earlier = std::move(journal.file_);
    if (::rename(journal.path_.c_str(), (journal.path_ + ".previous").c_str()) != 0)
      throw UsageError(
          fmt::format("{}: an earlier run's cannot be set aside: {}", journal.path_, system_reason(errno)));
    journal.file_ = open_locked(journal.path_, O_EXCL);
  }
  set_aside_earlier(directory);
  journal.write_line(header_line(header));
  return journal;
}

void Journal::append(const CheckRecord& check) { write_line(journal_line(check)); }
void Journal::append(std::span<const CheckRecord> checks) {
  std::string lines;
  for (const CheckRecord& check : checks) lines += (lines.empty() ? "" : "\n") + journal_line(check);
  if (!lines.empty()) write_line(lines);
}
void Journal::append(const Finding& finding) { write_line(journal_line(finding)); }
void Journal::append(const Fit& fit) { write_line(journal_line(fit)); }
void Journal::append(const Matrix& matrix) { write_line(journal_line(matrix)); }
void Journal::append(const NotTested& not_tested) { write_line(journal_line(not_tested)); }
void Journal::finish(const RunRecord& record) {
  struct stat facts {};
  if (::fstat(file_.get(), &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_nlink == 0)
    throw Error(fmt::format("{}: it was removed while the run went on", path_));
  write_line(end_line(record));
}

void Journal::write_line(std::string line) {
  line += '\n';
  int error = write_all(file_.get(), line);
  if (error == 0) error = sync_data(file_.get());
  if (error != 0) {
    // Half a line in the middle would make the rest unreadable once there is room again.
    const int truncated = ::ftruncate(file_.get(), whole_bytes_);
    throw Error(fmt::format("{}: {}: the last result is not in the journal{}", path_, system_reason(error),
                            truncated == 0 ? "" : ", which may end in half a line"));
  }
  whole_bytes_ += static_cast<std::int64_t>(line.size());
}

namespace {

std::string read_journal(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    throw Error(fmt::format("{}: cannot be read: it is a folder", path));
  }
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) throw Error(fmt::format("{}: cannot be read: {}", path, system_reason(errno)));
  std::string text(std::istreambuf_iterator<char>(in), {});
  if (in.bad()) throw Error(fmt::format("{}: cannot be read to its end: {}", path, system_reason(errno)));
  return text;
}

/// Puts the lines of a journal together again.
class Rebuilder {
 public:
  explicit Rebuilder(const std::string& path) : path_(path) {}

  void add(std::string_view line, std::size_t number) {
    const std::string source = fmt::format("{}:{}", path_, number);
    JournalLine parsed = parse_journal_line(line, source);
    auto* const header = std::get_if<HeaderLine>(&parsed);
    if ((header != nullptr) != (number == 1)) {
      throw Error(source +
                  (number == 1 ? ": the first line of a journal is its header" : ": a second header"));
    }
    if (ended_) throw Error(source + ": a line after the end of the journal");
    if (header != nullptr) {
      record_ = std::move(header->record);
    } else {
      std::visit([this](auto& content) { take(content); }, parsed);
    }
  }

  RunRecord result(bool torn) {
    const std::string note = torn ? "the journal's last line was torn and is left out" : "";
    if (!ended_) conclude_cut_short();
    if (torn) record_.verdict_reason += (record_.verdict_reason.empty() ? "" : "; ") + note;
    return std::move(record_);
  }

 private:
  void take(HeaderLine&) {}
  void take(CheckRecord& check) { check_list_.put(record_.checks, std::move(check)); }
  void take(Finding& finding) { add_once(record_.findings, finding); }
  void take(Fit& fit) { add_once(record_.fits, fit); }
  void take(NotTested& not_tested) { add_once(record_.not_tested, not_tested); }
  void take(Matrix& matrix) { record_.matrices.push_back(std::move(matrix)); }
  // The end line has the last word on everything that it holds, such as the order of the findings.
  void take(EndLine& end) {
    ended_ = true;
    end.record.checks = std::move(record_.checks);
    end.record.topology = std::move(record_.topology);
    record_ = std::move(end.record);
  }

  // What the header knew already may have been appended again.
  template <class T>
  static void add_once(std::vector<T>& known, T& added) {
    if (std::find(known.begin(), known.end(), added) == known.end()) known.push_back(std::move(added));
  }

  void conclude_cut_short() {
    record_.not_tested.push_back(
        {"run", "the run was cut short: its journal has no end, and what was to come after it is unknown"});
    conclude(record_);
    // Nothing that was cut short has passed, whatever its checks say.
    if (record_.exit_status == exit_status::passed) {
      record_.verdict = Verdict::inconclusive;
      record_.exit_status = exit_status::broken;
    }
    const std::string said = record_.verdict_reason.empty() ? "" : "; until then: " + record_.verdict_reason;
    record_.verdict_reason = "the run was cut short" + said;
  }

  std::string path_;
  RunRecord record_;
  CheckList check_list_;
  bool ended_{};
};

}  // namespace

RunRecord rebuild(const std::string& journal_path) {
  const std::string text = read_journal(journal_path);
  if (text.empty()) throw Error(journal_path + ": is empty: this is no journal");
  Rebuilder rebuilder(journal_path);
  bool torn = false;
  std::size_t number = 1;
  for (std::size_t at = 0; at < text.size(); ++number) {
    const std::size_t newline = text.find('\n', at);
    const std::size_t end = std::min(newline, text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    // A crash tears only the last line: without its end, or of bytes that never reached the disk.
    if (number > 1 && at >= text.size() && !is_json(line)) {
      torn = true;
    } else {
      rebuilder.add(line, number);
    }
  }
  return rebuilder.result(torn);
}

std::optional<std::string> started_of(const std::string& journal_path) {
  std::ifstream in(journal_path, std::ios::binary);
  std::string line;
  if (!std::getline(in, line)) return std::nullopt;
  try {
    const JournalLine parsed = parse_journal_line(line, journal_path);
    if (const auto* const header = std::get_if<HeaderLine>(&parsed)) return header->record.started;
  } catch (const Error&) {
    return std::nullopt;  // whoever wants the journal hears what is wrong with it
  }
  return std::nullopt;
}

}  // namespace fabricheck::report
