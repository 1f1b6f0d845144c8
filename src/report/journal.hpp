// The journal: every finished check on disk before the next one starts.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/descriptor.hpp"
#include "core/run_record.hpp"

namespace fabricheck::report {

/// DIR/journal.jsonl. Line 1 is the header (everything known before the first check); then one line per
/// check (again after each of its repeats: the last line of a check counts), finding, fit, matrix and
/// not-tested entry; the last line, of type "end", is there when the run came to its end. Each append is one
/// write followed by fdatasync. Not thread-safe: the caller holds a lock.
class Journal {
 public:
  /// Creates DIR (with parents) and an empty journal in it. What an earlier run left there as result.json,
  /// report.md, topology.json and journal.jsonl stays with ".previous" behind its name, so that nobody takes
  /// it for this one's. Throws UsageError when that cannot be done, or when another run is writing there.
  static Journal create(const std::string& directory, const RunRecord& header);

  /// Each throws Error ("journal.jsonl: No space left on device …") and leaves earlier lines whole.
  void append(const CheckRecord& check);
  void append(std::span<const CheckRecord> checks);  ///< a line each, in one write
  void append(const Finding& finding);
  void append(const Fit& fit);
  void append(const Matrix& matrix);
  void append(const NotTested& not_tested);
  /// The final record without its checks and topology, which are in earlier lines. Throws Error where the
  /// file was removed meanwhile, too.
  void finish(const RunRecord& record);

 private:
  Journal() = default;
  void write_line(std::string line);
  Descriptor file_;
  std::int64_t whole_bytes_{};  ///< where the last whole line ends
  std::string path_;
};

/// A whole result from a journal. A torn last line is left out; without an end line the record says that the
/// run was cut short and is concluded from what is there. Throws Error with file and line when it is no
/// journal.
RunRecord rebuild(const std::string& journal_path);

/// When the run of this journal was started, as its header tells; nothing where it has none.
std::optional<std::string> started_of(const std::string& journal_path);

/// Writes beside, fsyncs and renames; a device or pipe is written in place. Throws Error naming the path and
/// the system's reason, and then leaves an earlier file as it was.
void write_file(const std::string& path, std::string_view text);

/// Throws UsageError when `directory` cannot be created or written; leaves nothing behind but the folder.
void require_writable(const std::string& directory);

}  // namespace fabricheck::report
