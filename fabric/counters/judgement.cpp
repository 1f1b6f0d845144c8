#include "fabric/counters/judgement.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

#include "core/units.hpp"
#include "topology/model/host_names.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::counters {
namespace {

constexpr int whole_word = 64;
/// A NIC in software acknowledges when its host's processors get to it: fewer repeats than one in a thousand
/// packets tell of late hosts, not of a network that loses packets.
constexpr double repeats_in_software = 1e-3;

std::uint64_t largest_of(int bits) {
  return bits >= whole_word ? ~std::uint64_t{0} : (std::uint64_t{1} << static_cast<unsigned>(bits)) - 1;
}

/// The double is exact for what a check can move.
double scaled(const CounterRow& row, std::uint64_t amount) { return row.scale * static_cast<double>(amount); }

std::optional<FoundCounter> row_of(const Change& change) { return find_counter(change.source, change.name); }

/// The largest where two sources tell the same.
double amount_of(const PortChanges& port, Kind kind) {
  double most = 0;
  for (const Change& change : port.changes)
    if (const auto found = row_of(change); found && found->row->kind == kind)
      most = std::max(most, change.amount);
  return most;
}

std::string part_of(const PortIdentity& port) {
  return port.number == 1 ? topology::printable(port.device)
                          : fmt::format("{} port {}", topology::printable(port.device), port.number);
}

std::string amount_words(double amount) {
  constexpr double largest_plain = 1e15;
  return amount < largest_plain ? fmt::format("{:.0f}", amount) : format_number(amount);
}

/// Events of a rate are above what the limit lets one expect, and not by chance: Chernoff's bound on the tail
/// of a Poisson distribution, at most one in ten thousand. A check is short, and one event in it says little.
bool is_surely_above(double events, double expected) {
  constexpr double chance = 1e-4;
  if (events <= expected) return false;
  if (expected <= 0) return true;
  return std::exp(events - expected - events * std::log(events / expected)) <= chance;
}

/// Above the limit of its kind; `words` says how that was measured.
bool is_above(const KindRow& kind, double amount, const PortChanges& port, std::string& words) {
  words = fmt::format(" in {} s", format_number(port.duration_s));
  switch (kind.measured) {
    case Measured::never:
      return false;
    case Measured::any:
      return amount > kind.limit;
    case Measured::per_second:
      return port.duration_s > 0 && is_surely_above(amount, kind.limit * port.duration_s);
    case Measured::share_of_time: {
      constexpr double us = 1e6;
      const double share = port.duration_s > 0 ? amount / (us * port.duration_s) : 0;
      words += fmt::format(", {} % of the time", format_number(100 * share));
      return share > kind.limit;
    }
    case Measured::per_packet:
      break;
  }
  const double packets = amount_of(port, Kind::packets_sent);
  if (packets <= 0) return port.duration_s > 0 && is_surely_above(amount, port.duration_s);
  constexpr double million = 1e6;
  words += fmt::format(", {} in a million packets", format_number(million * amount / packets));
  const double limit = port.port.in_software ? std::max(kind.limit, repeats_in_software) : kind.limit;
  return is_surely_above(amount, limit * packets);
}

bool is_lossless(const PortIdentity& port, const std::optional<int>& priority) {
  return priority && port.lossless &&
         std::find(port.lossless->begin(), port.lossless->end(), *priority) != port.lossless->end();
}

/// Of a class that may lose packets it is a discard like any other.
const KindRow& kind_of(const FoundCounter& found, const PortIdentity& port) {
  const bool lossy = found.row->kind == Kind::class_discard && !is_lossless(port, found.priority);
  return kind_row(lossy ? Kind::discard : found.row->kind);
}

/// A short pause is how PFC works: below the limit it is no trouble at all.
bool is_worth_telling(const KindRow& kind, bool above) {
  return above || (kind.measured != Measured::never && kind.measured != Measured::share_of_time);
}

/// Overtaking on several paths is no loss: out of order counts as one only beside what was sent again.
bool was_anything_lost(const std::vector<PortChanges>& ports) {
  return std::any_of(ports.begin(), ports.end(), [](const PortChanges& port) {
    return std::any_of(port.changes.begin(), port.changes.end(), [](const Change& change) {
      const auto found = row_of(change);
      return found && found->row->kind != Kind::sequence_gap && kind_row(found->row->kind).is_loss;
    });
  });
}

void judge_port(const PortChanges& port, const CheckCircumstances& circumstances, CounterVerdict& verdict,
                std::vector<std::string>& losses) {
  for (const Change& change : port.changes) {
    const auto found = row_of(change);
    if (!found) continue;
    const KindRow& kind = kind_of(*found, port.port);
    std::string measured;
    const bool above = is_above(kind, change.amount, port, measured);
    if (!is_worth_telling(kind, above)) continue;
    const bool excused = circumstances.cut_short && kind.by_dead_peer;
    Trouble trouble{
        &kind,
        above && !excused ? kind.severity : Severity::info,
        port.host,
        part_of(port.port),
        fmt::format("{} {}{}", amount_words(change.amount), topology::printable(change.name), measured),
        circumstances.check_id,
        excused};
    if (excused) trouble.what += "; the check was cut short, which explains it";
    if (kind.is_loss)
      losses.push_back(fmt::format("{} {} at {} of {}", amount_words(change.amount),
                                   topology::printable(change.name), trouble.part,
                                   topology::printable(port.host)));
    verdict.troubles.push_back(std::move(trouble));
  }
}

std::map<std::string, double> by_common_name(const PortChanges& port) {
  std::map<std::string, double> amounts;
  for (const Change& change : port.changes) {
    const auto found = row_of(change);
    if (!found) continue;
    double& most = amounts[common_name(*found)];
    most = std::max(most, change.amount);
  }
  return amounts;
}

Finding finding_of(const std::vector<const Trouble*>& troubles) {
  constexpr std::size_t most_evidence = 8;
  const Trouble& gravest = *troubles.front();
  Finding finding;
  finding.slug = gravest.kind->slug;
  finding.severity = gravest.severity;
  std::set<std::string> parts, hosts, checks;
  for (const Trouble* trouble : troubles) {
    parts.insert(trouble->part);
    hosts.insert(topology::printable(trouble->host));
    checks.insert(trouble->check_id);
    if (finding.evidence.size() < most_evidence)
      finding.evidence.push_back(
          {"", 0,
           fmt::format("{} of {} {}: {} ({})", trouble->part, topology::printable(trouble->host),
                       trouble->kind->phrase, trouble->what, trouble->check_id)});
  }
  if (troubles.size() > most_evidence)
    finding.evidence.push_back(
        {"", 0, fmt::format("and {} more like these", troubles.size() - most_evidence)});
  finding.component = {
      gravest.kind->kind == Kind::link_down || gravest.kind->kind == Kind::link_error ? "link" : "nic",
      topology::fold_names({parts.begin(), parts.end()}), topology::fold_names({hosts.begin(), hosts.end()})};
  finding.meaning = gravest.kind->meaning;
  finding.advice = gravest.kind->advice;
  finding.confirm = gravest.kind->confirm;
  // Counters are the port's: other programs move them, too.
  finding.confidence = "likely";
  finding.explains = {checks.begin(), checks.end()};
  return finding;
}

}  // namespace

PortChanges changes_between(const PortReading& before, const PortReading& after, double duration_s) {
  PortChanges result;
  result.port = after.port;
  result.duration_s = duration_s;
  for (const auto& [key, value] : after.values) {
    const auto earlier = before.values.find(key);
    const auto found = find_counter(key.first, key.second);
    if (earlier == before.values.end() || !found) continue;
    const std::uint64_t largest = largest_of(found->row->bits);
    if (found->row->saturates && value >= largest) {
      result.notes.push_back(fmt::format("{} sticks at {} until it is reset", key.second, largest));
      continue;
    }
    std::uint64_t moved = value - earlier->second;
    if (value < earlier->second) {
      const bool wrapped = !found->row->saturates && found->row->bits < whole_word &&
                           earlier->second <= largest && earlier->second > largest / 2;
      moved = wrapped ? value + (largest - earlier->second) + 1 : value;
      if (!wrapped) result.notes.push_back(fmt::format("{} was reset meanwhile", key.second));
    }
    if (moved > 0) result.changes.push_back({key.first, key.second, scaled(*found->row, moved)});
  }
  return result;
}

void add(PortChanges& sum, const PortChanges& more) {
  sum.host = more.host;
  sum.port = more.port;
  sum.duration_s += more.duration_s;
  for (const Change& change : more.changes) {
    const auto same = std::find_if(sum.changes.begin(), sum.changes.end(), [&](const Change& one) {
      return one.source == change.source && one.name == change.name;
    });
    if (same == sum.changes.end()) {
      sum.changes.push_back(change);
    } else {
      same->amount += change.amount;
    }
  }
  for (const std::string& note : more.notes)
    if (std::find(sum.notes.begin(), sum.notes.end(), note) == sum.notes.end()) sum.notes.push_back(note);
}

CounterVerdict judge(const std::vector<PortChanges>& ports, const CheckCircumstances& circumstances) {
  constexpr std::size_t most_listed = 4;
  CounterVerdict verdict;
  std::vector<std::string> losses;
  for (const PortChanges& port : ports) {
    for (const auto& [name, amount] : by_common_name(port)) verdict.moved[name] += amount;
    judge_port(port, circumstances, verdict, losses);
  }
  if (!was_anything_lost(ports)) losses.clear();
  const std::size_t listed = std::min(losses.size(), most_listed);
  verdict.loss = fmt::format(
      "{}", fmt::join(losses.begin(), losses.begin() + static_cast<std::ptrdiff_t>(listed), ", "));
  if (losses.size() > listed) verdict.loss += fmt::format(" and {} more", losses.size() - listed);
  return verdict;
}

void judge_whole_run(const std::vector<PortChanges>& sums, std::vector<Trouble>& troubles) {
  std::map<std::tuple<std::string, std::string, Kind>, std::string> above;
  for (const PortChanges& port : sums)
    for (const Change& change : port.changes) {
      const auto found = row_of(change);
      if (!found) continue;
      const KindRow& kind = kind_of(*found, port.port);
      if (kind.measured != Measured::per_packet && kind.measured != Measured::per_second) continue;
      std::string words;
      if (is_above(kind, change.amount, port, words))
        above[{port.host, part_of(port.port), kind.kind}] =
            fmt::format("; in all checks together {} {}{}", amount_words(change.amount),
                        topology::printable(change.name), words);
    }
  for (Trouble& trouble : troubles) {
    const auto found = above.find({trouble.host, trouble.part, trouble.kind->kind});
    if (found == above.end() || trouble.excused || trouble.severity != Severity::info) continue;
    trouble.severity = trouble.kind->severity;
    trouble.what += found->second;
  }
}

std::vector<Finding> findings_of(const std::vector<Trouble>& troubles) {
  // A host whose counter hardly moved does not stand in the accusation of another.
  std::map<std::pair<int, std::string>, std::vector<const Trouble*>> groups;
  for (const Trouble& trouble : troubles)
    groups[{-static_cast<int>(trouble.severity), trouble.kind->slug}].push_back(&trouble);
  std::vector<Finding> findings;
  findings.reserve(groups.size());
  for (const auto& [key, list] : groups) findings.push_back(finding_of(list));
  return findings;
}

}  // namespace fabricheck::counters
