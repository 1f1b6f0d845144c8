// Rank 0's record of the run, shared by the measuring thread and the watchdog.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/run_record.hpp"
#include "report/journal.hpp"

namespace fabricheck::app {

/// Every call takes the lock; none throws for a full disk: what cannot be written is kept in memory, said
/// once on standard error and becomes a finding, because the measurements that follow are still worth having.
class RunLog {
 public:
  /// Creates the journal; from here on `clock`, which must outlive this, counts the run's duration. Throws
  /// UsageError when the folder cannot be written.
  RunLog(RunRecord header, std::string directory, const Clock& clock);

  /// A check may come again, after each of its repeats; the last record counts.
  void add(const CheckRecord& check);
  void add(std::span<const CheckRecord> checks);
  void add(const Finding& finding);
  void add(const Fit& fit);
  void add(const NotTested& not_tested);
  void add(const Matrix& matrix);
  void set_overhead(const std::string& name, double value);
  /// What is known of MPI beyond the header.
  void add_mpi(const std::map<std::string, std::string>& words);

  /// What is being measured, as a record without samples, for the case that it never ends.
  void begin(const CheckRecord& started);
  std::optional<CheckRecord> current();
  /// All checks until now.
  std::vector<CheckRecord> checks();
  /// The ids and scopes still to come, so that a run cut short can say what it left out.
  void set_remaining(std::vector<std::string> ids);

  /// Called once each, in order, when all else is in the record and before it is concluded. Must not throw.
  void add_last_findings(std::function<std::vector<Finding>(const RunRecord&)> find);

  /// Concludes, writes result.json, report.md and the journal's end. The second caller gets the first one's
  /// record. nullopt when the lock cannot be had within `patience`: then another thread hangs in a write to
  /// disk.
  std::optional<RunRecord> finish(std::chrono::seconds patience);
  /// What else was, or could not be, written to the same folder.
  void add_written(const std::string& name, bool could);
  /// "written to DIR: result.json, …", and what could not be; after finish().
  std::string written_words();

 private:
  /// Whether it could.
  template <class Write>
  bool guarded_write(Write&& write);

  std::recursive_timed_mutex mutex_;
  std::string directory_;
  RunRecord record_;
  CheckList check_list_;
  report::Journal journal_;
  const Clock& clock_;
  std::int64_t begun_ns_;
  std::optional<CheckRecord> current_;
  std::vector<std::string> remaining_;
  std::vector<std::function<std::vector<Finding>(const RunRecord&)>> last_findings_;
  std::vector<std::string> written_, not_written_;  ///< names of files
  bool write_failed_{};
  std::string write_problem_;  ///< why the first write failed
  bool finished_{};
};

}  // namespace fabricheck::app
