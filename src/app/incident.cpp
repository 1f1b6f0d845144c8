#include "app/incident.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "app/launch_plan.hpp"
#include "core/progress.hpp"
#include "core/units.hpp"

namespace fabricheck::app {
namespace {

using control::Incident;
using control::IncidentKind;
using control::RankPosition;

std::string ranks_words(const std::vector<RankPosition>& ranks) {
  std::string words;
  std::size_t named = 0;
  for (const RankPosition& one : ranks) {
    if (named == 4) return words + fmt::format(" and {} more", ranks.size() - named);
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

/// Where one rank was. `current` is the check of rank 0, which is in `phase`.
std::string place_words(const std::optional<CheckRecord>& current, const RankPosition& one,
                        std::uint64_t phase) {
  if (!current || one.phase == phase) return place_words(current, one.step);
  return fmt::format("{} {}", one.phase < phase ? "before it had come to" : "after it had left",
                     check_words(*current));
}

/// "SIGTERM", and what else it may mean.
std::string signal_words(const std::string& name, const IncidentFacts& facts) {
  if (name != "SIGTERM" || facts.launcher != "mpirun") return name;
  return name + " (mpirun sends it for Ctrl-C, too, and when it has lost a host)";
}

/// "of rank 2 on node3 nothing was heard for 3.1 s"
std::string silence_words(const Incident& incident) {
  return fmt::format("of {} nothing was heard for {:.1f} s", ranks_words(incident.culprits),
                     incident.culprits.front().silent_s);
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

Finding incident_finding(const Incident& incident, const std::optional<CheckRecord>& current,
                         const IncidentFacts& facts) {
  Finding finding;
  finding.severity = Severity::fatal;
  finding.confidence = "certain";
  if (current) finding.explains = {current->id};
  const RankPosition* first = incident.culprits.empty() ? nullptr : &incident.culprits.front();
  // Where the culprit was, not where rank 0 waits for it. One that is gone was last heard a heartbeat before:
  // what it was in by then may be over, and rank 0's place tells more.
  const bool is_heard =
      first != nullptr && (incident.kind == IncidentKind::stuck || first->phase == incident.phase);
  const std::string place = is_heard && incident.kind != IncidentKind::interrupted
                                ? place_words(current, *first, incident.phase)
                                : place_words(current, incident.step);
  const std::string who = ranks_words(incident.culprits);
  if (first) {
    const bool host = incident.whole_host && incident.kind == IncidentKind::silent;
    finding.component = {host ? "host" : "rank", host ? first->host : fmt::format("rank {}", first->rank),
                         first->host};
  } else {
    finding.component = {"cluster", "all ranks", ""};
  }
  for (const RankPosition& one : incident.culprits)
    finding.evidence.push_back({"", 0,
                                fmt::format("rank {} on {}: last heard {:.1f} s ago, {}", one.rank, one.host,
                                            one.silent_s, place_words(current, one, incident.phase))});
  const std::string host_name = first ? first->host : "the host";
  switch (incident.kind) {
    case IncidentKind::lost:
      finding.slug = "rank-lost";
      finding.meaning = fmt::format("{} died {}", who, place);
      finding.advice = fmt::format(
          "Look on {} for what ended it: the kernel log (out of memory, XID), the scheduler's limits.",
          host_name);
      if (std::any_of(incident.culprits.begin(), incident.culprits.end(),
                      [](const RankPosition& one) { return one.is_reset; })) {
        finding.meaning = fmt::format(
            "{} was lost {}: its connection was reset, by its death or by something between the hosts", who,
            place);
        finding.advice += " If it was not ended there, look at the firewalls between the hosts.";
        finding.confidence = "likely";
      }
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
      } else if (!incident.unheard.empty()) {
        const std::string unheard = ranks_words(incident.unheard);
        finding.meaning = fmt::format(
            "nothing moves {}, and how far {} came is not known, for the watchdog on rank 0 does not hear "
            "from there: it may be there, or between any ranks",
            place, unheard);
        finding.advice = fmt::format(
            "Look at what {} waits for (stack, kernel log), and let the nodes open TCP connections to each "
            "other, so that the watchdog can tell.",
            unheard);
        finding.confirm =
            fmt::format("ssh {} gdb -batch -p $(pgrep -o fabricheck) -ex bt", incident.unheard.front().host);
        finding.confidence = "likely";
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
      finding.meaning = fmt::format("the run was ended by {} {}", signal_words(incident.text, facts), place);
      if (facts.verified > 0)
        finding.meaning += fmt::format(
            "; {} iteration{} of its --verify-repeat had been compared until then, and all were right",
            facts.verified, facts.verified == 1 ? "" : "s");
      finding.advice = "What was measured before is in this result; start again for the rest.";
      if (!first) break;
      finding.meaning += fmt::format("; {}, which is the likely reason", silence_words(incident));
      finding.confidence = "likely";
      finding.advice =
          fmt::format("See whether {} answers; what was measured before is in this result.", host_name);
      finding.confirm =
          fmt::format("ping -c 3 {0}; ssh {0} ps -o pid,stat,wchan:30,cmd -C fabricheck", host_name);
      break;
  }
  return finding;
}

std::chrono::seconds launcher_notices_in(const EnvironmentLookup& environment,
                                         std::chrono::nanoseconds silence) {
  using std::chrono::seconds;
  constexpr seconds margin{2}, most{30};
  if (launcher_facts(environment).name != "mpirun") return seconds(0);
  const auto number = [&](const char* name, int otherwise) {
    const std::string text = environment(fmt::format("OMPI_MCA_oob_tcp_keepalive_{}", name)).value_or("");
    int value = otherwise;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return std::clamp(value, 0, 1000);
  };
  const int idle = number("time", 0);
  if (idle == 0) return seconds(0);
  const seconds after_death(idle + number("intvl", 20) * number("probes", 9));  // Open MPI 4.1's own
  const seconds left = std::max(after_death - std::chrono::floor<seconds>(silence), seconds(0)) + margin;
  return left > most ? seconds(0) : left;
}

bool is_dead_link(const Incident& incident, const std::string& own_host) {
  if (incident.kind != IncidentKind::silent && incident.kind != IncidentKind::interrupted) return false;
  return std::any_of(incident.culprits.begin(), incident.culprits.end(),
                     [&](const RankPosition& one) { return one.host != own_host; });
}

std::string launcher_words(const Incident& incident, const IncidentFacts& facts,
                           const std::string& own_host) {
  if (facts.launcher != "mpirun" || facts.notices_in.count() > 0 || !is_dead_link(incident, own_host))
    return "";
  return fmt::format(
      "The result is whole, but mpirun may wait for {} for long: end it by hand, or start with 'fabricheck "
      "launch' or 'mpirun {}', with which it ends by itself",
      incident.culprits.front().host, fmt::join(keepalive_words(facts.silence), " "));
}

CheckRecord cut_short(CheckRecord current, const Incident& incident, const Finding& finding) {
  current.verdict = incident.kind == IncidentKind::interrupted ? Verdict::skipped : Verdict::error;
  current.reason = finding.meaning;
  current.value.reset();
  return current;
}

}  // namespace fabricheck::app
