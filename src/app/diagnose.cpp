#include "app/diagnose.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "app/build_identity.hpp"
#include "app/evidence_files.hpp"
#include "app/json_log_line.hpp"
#include "app/line_source.hpp"
#include "app/matrix_in_lines.hpp"
#include "app/topology_file.hpp"
#include "app/utc_now.hpp"
#include "app/whole_file.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/fault_texts.hpp"
#include "diagnose/log_reader.hpp"
#include "report/journal.hpp"
#include "report/report.hpp"

namespace fabricheck::app {
namespace {

using diagnose::InputFile;
using diagnose::Observations;

/// A device has no end.
void refuse_device(const std::string& file) {
  struct stat status {};
  const bool is_input = file == "-" || file == "/dev/stdin" || file.starts_with("/dev/fd/") ||
                        file.starts_with("/proc/self/fd/");
  if (is_input || ::stat(file.c_str(), &status) != 0) return;
  if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode))
    throw Error(file + ": cannot be read: it is a device");
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

/// Gives the lines of a file to whom they may tell something.
class LineReaders {
 public:
  LineReaders(std::size_t place, Observations& into, diagnose::LogReader& reader)
      : place_(place), into_(into), reader_(reader), matrix_(into.files[place].name) {}

  void read(std::string_view line, std::uint64_t number) {
    into_.files[place_].lines = number;
    if (line.starts_with('{'))
      read_wrapped(line, number);
    else
      read_plain(line, number);
  }

  /// Takes the matrix; returns why what looked like one is none.
  const std::string& finish() {
    matrix_.finish();
    if (matrix_.topology()) {
      // A matrix tells less than any other topology.
      if (into_.topology)
        diagnose::observe_odd_ones(into_, *matrix_.topology(), into_.files[place_].name);
      else
        diagnose::observe_topology(into_, *matrix_.topology(), into_.files[place_].name);
    }
    return matrix_.problem();
  }

 private:
  void read_plain(std::string_view line, std::uint64_t number) {
    const std::uint64_t before = into_.files[place_].nccl_lines;
    reader_.read(line, number);
    if (into_.files[place_].nccl_lines == before) matrix_.look(line, number);
  }

  void read_wrapped(std::string_view line, std::uint64_t number) {
    auto text = json_log_text(line, buffer_);
    if (!text) return read_plain(line, number);
    while (!text->empty()) {
      const std::size_t end = std::min(text->find_first_of("\r\n"), text->size());
      if (end > 0) read_plain(text->substr(0, end), number);
      text->remove_prefix(std::min(end + 1, text->size()));
    }
  }

  std::size_t place_;
  Observations& into_;
  diagnose::LogReader& reader_;
  MatrixInLines matrix_;
  std::string buffer_;
};

void note_cut(const CutText& cut, InputFile& file) {
  if (cut.pieces == 0) return;
  file.note = fmt::format("{}:{}: the line is longer than {} KiB, and its rest was left out", file.name,
                          cut.first_line, LineSource::kLongestLine >> 10U);
  if (cut.pieces > 1) file.note += fmt::format("; so were those of {} more", cut.pieces - 1);
}

void read_lines(LineSource& source, std::size_t place, Observations& into, diagnose::LogReader& reader) {
  const std::uint64_t events = into.events_seen, variables = uses_of_variables(into);
  reader.begin_file(static_cast<int>(place));
  LineReaders readers(place, into, reader);
  const auto finish = [&]() -> const std::string& {
    note_cut(source.cut(), into.files[place]);
    return readers.finish();
  };
  try {
    source.for_each([&](std::string_view line, std::uint64_t number) { readers.read(line, number); });
  } catch (const Error&) {
    finish();
    throw;
  }
  const std::string& no_matrix = finish();
  InputFile& read = into.files[place];
  if (read.nccl_lines > 0) read.kinds.insert(read.kinds.begin(), "NCCL log");
  if (read.lines == 0)
    refuse(Error(read.name + ": is empty"), read);
  else if (!read.kinds.empty() || into.events_seen != events || uses_of_variables(into) != variables)
    return;
  else if (!no_matrix.empty())
    read.problem = no_matrix;
  else
    refuse(Error(read.name + ": holds nothing that is known here (logs of NCCL, output of nccl-tests, "
                             "perftest, ibstat, …)"),
           read);
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
    read_lines(source, place, into, reader);
  } catch (const NoText& error) {
    refuse(error, into.files[place]);
  } catch (const PackedFile& error) {
    refuse(error, into.files[place]);
    if (into.files[place].is_foreign) into.files[place].note = error.what();
  } catch (const std::exception& error) {
    into.files[place].problem = error.what();
  }
}

std::vector<std::string> problems_of(const Observations& seen) {
  std::vector<std::string> problems;
  std::map<std::string, std::vector<std::string>> foreign;  // by folder
  for (const InputFile& file : seen.files) {
    if (!file.problem.empty()) problems.push_back(file.problem);
    if (!file.note.empty())
      problems.push_back(file.note);
    else if (file.is_foreign)
      foreign[file.folder].push_back(file.name);
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
  std::size_t files = 0, others = 0;
  for (const InputFile& file : seen.files) {
    lines += file.lines;
    files += was_read(file) ? 1U : 0U;
    others += file.is_foreign ? 1U : 0U;
  }
  notes.read = fmt::format("{} of {} file{} read, {} line{}", files, seen.files.size(),
                           seen.files.size() == 1 ? "" : "s", lines, lines == 1 ? "" : "s");
  if (others > 0) notes.read += fmt::format("; {} {} of other kinds", others, others == 1 ? "is" : "are");
  return notes;
}

}  // namespace

Observations read_evidence(const DiagnoseOptions& options) {
  const auto& files = options.files;
  const bool none_is_there = !files.empty() && std::none_of(files.begin(), files.end(), [](const auto& file) {
    std::error_code code;
    return file == "-" ||
           std::filesystem::symlink_status(file, code).type() != std::filesystem::file_type::not_found;
  });
  if (none_is_there)
    throw UsageError(fmt::format("{}: there is no such file{}", files.front(),
                                 files.size() > 1 ? ", nor any other of those that were named" : ""));
  Observations seen;
  diagnose::LogReader reader(seen);
  for (const EvidenceFile& file : evidence_files(options.files)) read_file(file, seen, reader);
  diagnose::set_recovered_apart(seen);
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
          return (finding.slug == fault::unexplained.slug ||
                  finding.slug == fault::start_not_completed.slug || finding.slug == fault::time_limit.slug ||
                  finding.slug == fault::job_cancelled.slug || finding.slug == fault::job_recovered.slug) &&
                 !finding.evidence.empty();
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
  const SteadyClock clock;
  const std::int64_t begun_ns = clock.now_ns();
  const std::string started = utc_now();
  const Observations seen = read_evidence(options);
  const diagnose::Diagnosis diagnosis = diagnose::diagnose(seen);
  RunRecord record = record_of(diagnosis, seen);
  record.started = started;
  record.command = command;
  record.duration_s = static_cast<double>(clock.now_ns() - begun_ns) / 1e9;
  const bool json_on_screen = options.json_file == "-";
  std::FILE* screen = json_on_screen ? stderr : stdout;
  report::ConsoleStyle style;
  style.colour = ::isatty(::fileno(screen)) == 1 && std::getenv("NO_COLOR") == nullptr;
  const std::string text = report::console_diagnosis(record, notes_of(diagnosis, seen), style);
  // First, for what was piped in is not there again when a file cannot be written.
  const bool shown =
      std::fwrite(text.data(), 1, text.size(), screen) == text.size() && std::fflush(screen) == 0;
  if (!options.json_file.empty()) {
    const std::string json = report::to_json(record) + "\n";
    if (!json_on_screen)
      report::write_file(options.json_file, json);
    else if (std::fwrite(json.data(), 1, json.size(), stdout) != json.size() || std::fflush(stdout) != 0)
      throw Error("standard output cannot be written");
  }
  if (!shown) throw Error("the report cannot be written");
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
