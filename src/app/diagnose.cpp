#include "app/diagnose.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "app/build_identity.hpp"
#include "app/evidence_files.hpp"
#include "app/line_source.hpp"
#include "app/result_file.hpp"
#include "app/topology_file.hpp"
#include "app/utc_now.hpp"
#include "core/error.hpp"
#include "core/fault_texts.hpp"
#include "diagnose/log_reader.hpp"
#include "report/journal.hpp"
#include "report/report.hpp"
#include "topology/readers/readers.hpp"

namespace fabricheck::app {
namespace {

using diagnose::InputFile;
using diagnose::Observations;

/// A result.json, or the topology of one.
void read_json(const std::string& text, const std::string& file, Observations& into) {
  if (text.find("\"schema\"") != std::string::npos) {
    into.result = report::from_json(text, file);
    into.result_file = file;
    if (!into.result->topology.hosts.empty()) diagnose::observe_topology(into, into.result->topology, file);
    return;
  }
  diagnose::observe_topology(into, report::topology_from_json(text, file), file);
}

/// Whether the file is one of a kind that is read as a whole; then it was read.
bool read_whole(LineSource& source, const std::string& file, Observations& into) {
  const std::string_view front = source.front();
  if (front.find("NCCL INFO") != std::string_view::npos || front.find("NCCL WARN") != std::string_view::npos)
    return false;
  topology::TopologyFileKind kind{};
  try {
    kind = topology::topology_file_kind(front);
  } catch (const UsageError&) {
    return false;  // lines of it may still tell something
  }
  if (kind == topology::TopologyFileKind::unknown) return false;
  const bool is_json = kind == topology::TopologyFileKind::json;
  const std::string text = source.rest(is_json ? max_result_bytes : topology::kLargestTopologyFile);
  if (is_json)
    read_json(text, file, into);
  else
    diagnose::observe_topology(into, parse_topology_text(text, file), file);
  return true;
}

/// A device has no end.
void refuse_device(const std::string& file) {
  struct stat status {};
  const bool is_input = file == "-" || file == "/dev/stdin" || file.starts_with("/dev/fd/") ||
                        file.starts_with("/proc/self/fd/");
  if (is_input || ::stat(file.c_str(), &status) != 0) return;
  if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode))
    throw Error(file + ": cannot be read: it is a device");
}

void take_result(const std::string& path, Observations& into) {
  into.result = read_result(path);
  into.result_file = path;
  if (!into.topology && !into.result->topology.hosts.empty())
    diagnose::observe_topology(into, into.result->topology, path);
}

/// Nobody claimed that a file that lies in a folder tells something.
void refuse(const Error& error, InputFile& file) {
  if (file.folder.empty())
    file.problem = error.what();
  else
    file.is_foreign = true;
}

std::size_t uses_of_variables(const Observations& seen) {
  std::size_t uses = 0;
  for (const auto& [name, all] : seen.variables) uses += all.size();
  return uses;
}

void read_file(const EvidenceFile& evidence, Observations& into, diagnose::LogReader& reader) {
  const std::string& file = evidence.name;
  const std::size_t place = into.files.size();
  InputFile input;
  input.name = file == "-" ? "standard input" : file;
  input.folder = evidence.folder;
  input.problem = evidence.problem;
  into.files.push_back(std::move(input));
  if (!evidence.problem.empty()) return;
  try {
    if (evidence.is_result) {
      take_result(file, into);
      into.files[place].kinds.emplace_back("fabricheck result");
      return;
    }
    refuse_device(file);
    LineSource source(file);
    if (read_whole(source, file, into)) {
      into.files[place].kinds.emplace_back("read as a whole");
      return;
    }
    reader.begin_file(static_cast<int>(place));
    std::uint64_t lines = 0;
    const std::size_t events = into.events.size(), variables = uses_of_variables(into);
    const auto count = [&] { into.files[place].lines = lines; };
    try {
      source.for_each([&](std::string_view line, std::uint64_t number) {
        lines = number;
        reader.read(line, number);
      });
    } catch (const Error&) {
      count();
      throw;
    }
    count();
    InputFile& read = into.files[place];
    if (read.nccl_lines > 0) read.kinds.insert(read.kinds.begin(), "NCCL log");
    if (lines == 0)
      refuse(Error(read.name + ": is empty"), read);
    else if (read.kinds.empty() && into.events.size() == events && uses_of_variables(into) == variables)
      refuse(Error(read.name + ": holds nothing that is known here (logs of NCCL, output of nccl-tests, "
                               "perftest, ibstat, …)"),
             read);
  } catch (const NoText& error) {
    refuse(error, into.files[place]);
  } catch (const std::exception& error) {
    into.files[place].problem = error.what();
  }
}

std::vector<std::string> problems_of(const Observations& seen) {
  std::vector<std::string> problems;
  std::map<std::string, std::vector<std::string>> foreign;  // by folder
  for (const InputFile& file : seen.files) {
    if (!file.problem.empty()) problems.push_back(file.problem);
    if (file.is_foreign) foreign[file.folder].push_back(file.name);
  }
  for (const auto& [folder, files] : foreign)
    problems.push_back(fmt::format("{}: {} of its files {} nothing that is known here (first: {})", folder,
                                   files.size(), files.size() == 1 ? "holds" : "hold", files.front()));
  return problems;
}

bool was_read(const InputFile& file) {
  return !file.is_foreign && (file.problem.empty() || file.nccl_lines > 0);
}

report::DiagnosisNotes notes_of(const diagnose::Diagnosis& diagnosis, const Observations& seen) {
  report::DiagnosisNotes notes;
  notes.seen = diagnosis.seen;
  notes.not_read = problems_of(seen);
  std::uint64_t lines = 0;
  std::size_t files = 0;
  for (const InputFile& file : seen.files) {
    lines += file.lines;
    files += was_read(file) ? 1U : 0U;
  }
  notes.read = fmt::format("{} of {} file{} read, {} line{}", files, seen.files.size(),
                           seen.files.size() == 1 ? "" : "s", lines, lines == 1 ? "" : "s");
  return notes;
}

}  // namespace

Observations read_evidence(const DiagnoseOptions& options) {
  Observations seen;
  diagnose::LogReader reader(seen);
  for (const EvidenceFile& file : evidence_files(options.files)) read_file(file, seen, reader);
  if (!options.topology_file.empty())
    diagnose::observe_topology(seen, load_topology(options.topology_file), options.topology_file);
  if (!options.result_file.empty()) {
    try {
      take_result(options.result_file, seen);
    } catch (const Error& error) {
      throw UsageError(fmt::format("--result: {}", error.what()));
    }
    InputFile file;
    file.name = options.result_file;
    file.kinds.emplace_back("fabricheck result");
    seen.files.push_back(std::move(file));
  }
  return seen;
}

RunRecord record_of(const diagnose::Diagnosis& diagnosis, const Observations& seen) {
  RunRecord record;
  record.tool = tool_info();
  record.world.ranks = diagnosis.ranks;
  record.world.nodes = diagnosis.nodes;
  record.world.hosts = diagnosis.hosts;
  record.checks = diagnosis.checks;
  record.findings = diagnosis.findings;
  record.not_tested = diagnosis.not_seen;
  for (const std::string& problem : problems_of(seen))
    record.not_tested.push_back({"diagnose.input", problem});
  if (seen.topology) record.topology = *seen.topology;
  const bool any_read = std::any_of(seen.files.begin(), seen.files.end(), was_read);
  const auto worst = std::find_if(record.findings.begin(), record.findings.end(),
                                  [](const Finding& finding) { return finding.severity != Severity::info; });
  if (worst != record.findings.end()) {
    record.verdict = Verdict::fail;
    record.exit_status = exit_status::target_missed;
    record.verdict_reason = worst->slug + ": " + worst->meaning;
  } else if (!any_read) {
    record.verdict = Verdict::inconclusive;
    record.exit_status = exit_status::broken;
    record.verdict_reason = "nothing that was given could be read";
  } else if (const auto left =
                 std::count_if(seen.files.begin(), seen.files.end(),
                               [](const InputFile& file) { return !was_read(file) && !file.is_foreign; });
             left > 0) {
    record.verdict = Verdict::inconclusive;
    record.exit_status = exit_status::broken;
    record.verdict_reason = fmt::format("nothing wrong in what was read, but {} of {} files {} not read",
                                        left, seen.files.size(), left == 1 ? "was" : "were");
  } else if (!diagnosis.is_conclusive) {
    record.verdict = Verdict::inconclusive;
    record.exit_status = exit_status::broken;
    const auto open =
        std::find_if(record.findings.begin(), record.findings.end(), [](const Finding& finding) {
          return finding.slug == fault::unexplained.slug && !finding.evidence.empty();
        });
    record.verdict_reason = open != record.findings.end()
                                ? fmt::format("{}: {}", open->meaning, open->evidence.front().text)
                            : diagnosis.is_start_open
                                ? "NCCL's start was begun, and no line says that it ended: it hung there, or "
                                  "the log was cut; take the whole log of every rank"
                                : "nothing wrong in what was given, which is too little to say more";
  } else {
    record.verdict = Verdict::pass;
    record.exit_status = exit_status::passed;
    const Finding* first = record.findings.empty() ? nullptr : &record.findings.front();
    record.verdict_reason = first != nullptr && first->slug.rfind("healthy", 0) == 0
                                ? first->slug + ": " + first->meaning
                                : "nothing wrong in what was given";
  }
  return record;
}

int diagnose_files(const DiagnoseOptions& options, const std::vector<std::string>& command) {
  const auto began = std::chrono::steady_clock::now();
  const std::string started = utc_now();
  const Observations seen = read_evidence(options);
  const diagnose::Diagnosis diagnosis = diagnose::diagnose(seen);
  RunRecord record = record_of(diagnosis, seen);
  record.started = started;
  record.command = command;
  record.duration_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  const bool json_on_screen = options.json_file == "-";
  std::FILE* screen = json_on_screen ? stderr : stdout;
  report::ConsoleStyle style;
  style.colour = ::isatty(::fileno(screen)) == 1 && std::getenv("NO_COLOR") == nullptr;
  const std::string text = report::console_diagnosis(record, notes_of(diagnosis, seen), style);
  if (!options.json_file.empty()) {
    const std::string json = report::to_json(record) + "\n";
    if (!json_on_screen)
      report::write_file(options.json_file, json);
    else if (std::fwrite(json.data(), 1, json.size(), stdout) != json.size() || std::fflush(stdout) != 0)
      throw Error("standard output cannot be written");
  }
  if (std::fwrite(text.data(), 1, text.size(), screen) != text.size() || std::fflush(screen) != 0)
    throw Error("the report cannot be written");
  return record.exit_status;
}

std::string findings_text() {
  std::string text;
  for (const diagnose::KnownFinding& known : diagnose::known_findings()) {
    text += fmt::format("{:<28} {:<5} {:<9} {}\n", known.slug, severity_name(known.severity), known.component,
                        known.meaning);
    if (known.advice[0] != '\0') text += fmt::format("{:<28} do: {}\n", "", known.advice);
    if (known.confirm[0] != '\0') text += fmt::format("{:<28} confirm: {}\n", "", known.confirm);
  }
  return text;
}

}  // namespace fabricheck::app
