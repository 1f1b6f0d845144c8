#include "app/incident.hpp"

#include <fmt/format.h>

#include "core/progress.hpp"
#include "core/units.hpp"

namespace fabricheck::app {
namespace {

using control::Incident;
using control::IncidentKind;
using control::RankPosition;

std::string ranks_words(const Incident& incident) {
  std::string words;
  std::size_t named = 0;
  for (const RankPosition& one : incident.culprits) {
    if (named == 4) return words + fmt::format(" and {} more", incident.culprits.size() - named);
    words += fmt::format("{}rank {} on {}", named == 0 ? "" : ", ", one.rank, one.host);
    ++named;
  }
  return words;
}

std::string place_words(const std::optional<CheckRecord>& current, std::uint64_t step) {
  if (!current) return "before the first check";
  const std::string check = check_words(*current);
  return step == 0 ? "in " + check : fmt::format("in iteration {} of {}", iteration_of_step(step), check);
}

}  // namespace

std::string check_words(const CheckRecord& check) {
  std::string words = check.title;
  const auto bytes = check.parameters.find("bytes");
  if (bytes != check.parameters.end())
    if (const auto* value = std::get_if<std::int64_t>(&bytes->second); value && *value > 0)
      words += ", " + format_bytes(static_cast<std::uint64_t>(*value));
  words += ", " + check.scope;
  const auto mode = check.parameters.find("mode");
  if (mode != check.parameters.end())
    if (const auto* text = std::get_if<std::string>(&mode->second)) words += " " + *text;
  return words;
}

Finding incident_finding(const Incident& incident, const std::optional<CheckRecord>& current) {
  Finding finding;
  finding.severity = Severity::fatal;
  finding.confidence = "certain";
  if (current) finding.explains = {current->id};
  const RankPosition* first = incident.culprits.empty() ? nullptr : &incident.culprits.front();
  // Where the culprit was, not where rank 0 waits for it; a rank that stopped is known by its last heartbeat.
  const std::string place = place_words(current, first ? first->step : incident.step);
  const std::string who = ranks_words(incident);
  if (first) {
    const bool host = incident.whole_host && incident.kind == IncidentKind::silent;
    finding.component = {host ? "host" : "rank", host ? first->host : fmt::format("rank {}", first->rank),
                         first->host};
  } else {
    finding.component = {"cluster", "all ranks", ""};
  }
  for (const RankPosition& one : incident.culprits)
    finding.evidence.push_back(
        {"", 0,
         fmt::format("rank {} on {}: phase {}, iteration {}, last heard {:.1f} s ago", one.rank, one.host,
                     one.phase, iteration_of_step(one.step), one.silent_s)});
  const std::string host_name = first ? first->host : "the host";
  switch (incident.kind) {
    case IncidentKind::lost:
      finding.slug = "rank-lost";
      finding.meaning = fmt::format("{} died {}", who, place);
      finding.advice = fmt::format(
          "Look on {} for what ended it: the kernel log (out of memory, XID), the scheduler's limits.",
          host_name);
      finding.confirm = fmt::format("ssh {} dmesg -T | tail -50", host_name);
      break;
    case IncidentKind::silent:
      finding.slug = "rank-hung";
      finding.meaning = fmt::format("{} stopped answering {}: {}", who, place,
                                    incident.whole_host
                                        ? "its host or the host's link is gone, or its processes are stopped"
                                        : "the process is stopped or its host starves it");
      finding.advice = fmt::format(
          "See whether {} answers at all, then whether its fabricheck process is in state T or D.",
          host_name);
      finding.confirm =
          fmt::format("ping -c 3 {0}; ssh {0} ps -o pid,stat,wchan:30,cmd -C fabricheck", host_name);
      break;
    case IncidentKind::stuck:
      finding.slug = "rank-hung";
      if (first) {
        finding.meaning = fmt::format("{} did not get beyond its place {} while the others wait", who, place);
        finding.advice = fmt::format(
            "Look at what the process on {} waits for (stack, kernel log, NIC counters).", host_name);
        finding.confirm = fmt::format("ssh {} gdb -batch -p $(pgrep -o fabricheck) -ex bt", host_name);
      } else if (incident.is_alone) {
        finding.meaning = fmt::format("nothing moves {}", place);
        finding.advice = "Look at what the process waits for (stack, kernel log, the GPU's XIDs).";
        finding.confirm = "gdb -batch -p $(pgrep -o fabricheck) -ex bt";
      } else {
        finding.meaning = fmt::format(
            "nothing moves {}, and all ranks are equally far: a message between them was lost", place);
        finding.advice =
            "Look at the links and at the MPI transport's retransmission counters; no single rank can be "
            "accused.";
        finding.confirm = "run again with --skip for this check, then with half of the hosts";
        finding.confidence = "likely";
      }
      break;
    case IncidentKind::failed:
      finding.slug = "rank-failed";
      finding.meaning = fmt::format("{} could not go on {}: {}", who, place, incident.text);
      finding.advice = "Mend what the message names; the others could only be released by ending the job.";
      break;
    case IncidentKind::interrupted:
      finding.slug = "interrupted";
      finding.severity = Severity::info;
      finding.meaning = fmt::format("the run was ended by {} {}", incident.text, place);
      finding.advice = "What was measured before is in this result; start again for the rest.";
      break;
  }
  return finding;
}

CheckRecord cut_short(CheckRecord current, const Incident& incident, const Finding& finding) {
  current.verdict = incident.kind == IncidentKind::interrupted ? Verdict::skipped : Verdict::error;
  current.reason = finding.meaning;
  current.value.reset();
  return current;
}

}  // namespace fabricheck::app
