#include "app/run_log.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.hpp"
#include "core/remark.hpp"
#include "report/report.hpp"

namespace fabricheck::app {

RunLog::RunLog(RunRecord header, std::string directory, const Clock& clock)
    : directory_(std::move(directory)),
      record_(std::move(header)),
      journal_(report::Journal::create(directory_, record_)),
      clock_(clock),
      begun_ns_(clock.now_ns()) {}

template <class Write>
bool RunLog::guarded_write(Write&& write) {
  try {
    write();
    return true;
  } catch (const Error& error) {
    if (write_failed_) return false;
    write_failed_ = true;
    write_problem_ = error.what();
    remark(stderr, "fabricheck: {}{}\n", write_problem_, finished_ ? "" : "; measuring goes on");
    Finding finding;
    finding.slug = "result-not-written";
    finding.severity = Severity::bad;
    finding.component = {"software", directory_,
                         record_.world.hosts.empty() ? "" : record_.world.hosts.front()};
    finding.meaning = fmt::format("Not everything could be written to disk: {}", error.what());
    finding.advice = "Make room or choose another folder with --out; what was written before is whole.";
    finding.confidence = "certain";
    record_.findings.push_back(finding);
    return false;
  }
}

void RunLog::add(const CheckRecord& check) {
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  check_list_.put(record_.checks, check);
  guarded_write([&] { journal_.append(check); });
}

void RunLog::add(std::span<const CheckRecord> checks) {
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  for (const CheckRecord& check : checks) check_list_.put(record_.checks, check);
  guarded_write([&] { journal_.append(checks); });
}

void RunLog::add(const Finding& finding) {
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  // The root cause first: fatal before bad before info, in order of arrival within.
  const auto place = std::find_if(record_.findings.begin(), record_.findings.end(),
                                  [&](const Finding& other) { return other.severity < finding.severity; });
  record_.findings.insert(place, finding);
  guarded_write([&] { journal_.append(finding); });
}

void RunLog::add(const Fit& fit) {
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  record_.fits.push_back(fit);
  guarded_write([&] { journal_.append(fit); });
}

void RunLog::add(const NotTested& not_tested) {
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  record_.not_tested.push_back(not_tested);
  guarded_write([&] { journal_.append(not_tested); });
}

void RunLog::add(const Matrix& matrix) {
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  record_.matrices.push_back(matrix);
  guarded_write([&] { journal_.append(matrix); });
}

void RunLog::set_overhead(const std::string& name, double value) {
  const std::lock_guard lock(mutex_);
  record_.overhead[name] = value;
}

void RunLog::add_mpi(const std::map<std::string, std::string>& words) {
  const std::lock_guard lock(mutex_);
  if (finished_) return;
  for (const auto& [key, value] : words) record_.world.mpi[key] = value;
}

void RunLog::begin(const CheckRecord& started) {
  const std::lock_guard lock(mutex_);
  current_ = started;
}

std::optional<CheckRecord> RunLog::current() {
  const std::lock_guard lock(mutex_);
  return current_;
}

std::vector<CheckRecord> RunLog::checks() {
  const std::lock_guard lock(mutex_);
  return record_.checks;
}

void RunLog::set_remaining(std::vector<std::string> ids) {
  const std::lock_guard lock(mutex_);
  remaining_ = std::move(ids);
}

void RunLog::add_last_findings(std::function<std::vector<Finding>(const RunRecord&)> find) {
  const std::lock_guard lock(mutex_);
  last_findings_.push_back(std::move(find));
}

std::optional<RunRecord> RunLog::finish(std::chrono::seconds patience) {
  const std::unique_lock lock(mutex_, patience);
  if (!lock) return std::nullopt;
  if (finished_) return record_;
  for (const std::string& what : remaining_) {
    const auto comma = what.find(' ');
    add(NotTested{what.substr(0, comma),
                  "the run ended before it: " + what.substr(std::min(what.size(), comma + 1))});
  }
  for (const auto& find : last_findings_)
    for (const Finding& one : find(record_)) add(one);
  finished_ = true;
  record_.duration_s = static_cast<double>(clock_.now_ns() - begun_ns_) / 1e9;
  conclude(record_);
  const auto write = [&](const std::string& name, const auto& text) {
    const bool could = guarded_write([&] { report::write_file(directory_ + "/" + name, text()); });
    (could ? written_ : not_written_).push_back(name);
  };
  // A result nobody can read later is not everything that was asked; where it could be written, it says so,
  // too.
  const auto admit = [&] {
    if (!write_failed_ || record_.exit_status != exit_status::passed) return;
    record_.exit_status = exit_status::broken;
    record_.verdict_reason += "; but the result could not be written";
    if (std::find(written_.begin(), written_.end(), "result.json") != written_.end())
      guarded_write([&] { report::write_file(directory_ + "/result.json", report::to_json(record_)); });
  };
  std::error_code unwritable;                                   // whoever writes there says why
  std::filesystem::create_directories(directory_, unwritable);  // somebody may have removed it meanwhile
  write("result.json", [&] { return report::to_json(record_); });
  write("report.md", [&] { return report::markdown(record_); });
  write("topology.json", [&] { return report::topology_to_json(record_.topology); });
  admit();
  // Last, with the status that the run ends with.
  const bool had_room = guarded_write([&] { journal_.finish(record_); });
  (had_room ? written_ : not_written_).push_back("journal.jsonl");
  admit();
  return record_;
}

void RunLog::add_written(const std::string& name, bool could) {
  const std::lock_guard lock(mutex_);
  (could ? written_ : not_written_).push_back(name);
}

std::string RunLog::written_words() {
  const std::lock_guard lock(mutex_);
  std::string words;
  if (!written_.empty()) words = fmt::format("written to {}: {}", directory_, fmt::join(written_, ", "));
  if (not_written_.empty()) return words;
  words += fmt::format("{}not written, or not whole: {}", words.empty() ? "" : "; ",
                       fmt::join(not_written_, ", "));
  if (!write_problem_.empty()) words += fmt::format(" ({})", write_problem_);
  const bool has_journal =
      std::find(not_written_.begin(), not_written_.end(), "journal.jsonl") == not_written_.end();
  if (has_journal) words += fmt::format("; fabricheck report {} shows what is in the journal", directory_);
  return words;
}

}  // namespace fabricheck::app
