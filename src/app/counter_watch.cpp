#include "app/counter_watch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/error.hpp"
#include "topology/model/host_names.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::app {
namespace {

using counters::PortChanges;

constexpr char part_end = '\x1e';  // ASCII's record separator: what moved, then what is not known

bool is_same_port(const counters::PortIdentity& a, const counters::PortIdentity& b) {
  return a.device == b.device && a.number == b.number;
}

/// It is no device of any bus.
bool is_in_software(const RdmaDevice& device) { return device.pci_address.empty() && device.ids.empty(); }

void add_to(std::vector<PortChanges>& sums, const PortChanges& more) {
  const auto same = std::find_if(sums.begin(), sums.end(), [&](const PortChanges& one) {
    return one.host == more.host && is_same_port(one.port, more.port);
  });
  if (same == sums.end()) {
    sums.push_back(more);
  } else {
    counters::add(*same, more);
  }
}

/// A pair has used one port of each of its hosts, and only they tell something of it.
std::optional<std::vector<PortChanges>> of_pair(const std::vector<PortChanges>& ports,
                                                const CheckRecord& record) {
  if (!record.path || record.participants.size() != 2) return std::nullopt;
  std::vector<PortChanges> used;
  for (const auto& [key, host] :
       {std::pair{"from_port", record.participants[0]}, {"to_port", record.participants[1]}}) {
    const auto named = record.path->find(key);
    const std::string* const name =
        named == record.path->end() ? nullptr : std::get_if<std::string>(&named->second);
    if (name == nullptr) return std::nullopt;
    for (const PortChanges& port : ports)
      if (port.host == host && *name == fmt::format("{} port {}", port.port.device, port.port.number) &&
          std::none_of(used.begin(), used.end(), [&](const PortChanges& other) {
            return other.host == port.host && is_same_port(other.port, port.port);
          }))
        used.push_back(port);
  }
  return used;
}

std::vector<PortChanges> of_participants(const std::vector<PortChanges>& ports, const CheckRecord& record) {
  if (auto pair = of_pair(ports, record)) return std::move(*pair);
  std::vector<PortChanges> of_record;
  for (const PortChanges& port : ports)
    if (std::find(record.participants.begin(), record.participants.end(), port.host) !=
        record.participants.end())
      of_record.push_back(port);
  return of_record;
}

void say_loss(const std::string& loss, CheckRecord& record) {
  if (loss.empty()) return;
  if (record.verdict == fabricheck::Verdict::pass) {
    record.reason += fmt::format("{}it passed while packets were lost or sent again: {}",
                                 record.reason.empty() ? "" : "; ", loss);
  } else {
    record.reason += fmt::format("{}meanwhile packets were lost or sent again: {}",
                                 record.reason.empty() ? "" : "; ", loss);
  }
}

/// A sentence that becomes a line of a message.
std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

/// Each line is a host and what is not known there.
void take_not_known(std::string_view lines, std::map<std::string, std::vector<std::string>>& sentences) {
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    const std::size_t tab = line.find('\t');
    if (tab != std::string_view::npos)
      sentences[std::string(line.substr(tab + 1))].emplace_back(line.substr(0, tab));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
  }
}

Finding not_known(const std::map<std::string, std::vector<std::string>>& sentences) {
  Finding finding;
  finding.slug = "counters-not-known";
  finding.severity = Severity::info;
  finding.component = {"cluster", "", ""};
  finding.meaning =
      "some counters of NICs could not be read or tell nothing, so what was lost there is not known";
  for (const auto& [sentence, hosts] : sentences)
    finding.evidence.push_back({"", 0, fmt::format("{}: {}", topology::fold_names(hosts), sentence)});
  finding.advice =
      "give the container /sys of the host, or run outside of it; reset counters that stick at their largest "
      "value "
      "(perfquery -R)";
  finding.confirm = "grep . /sys/class/infiniband/*/ports/*/hw_counters/*";
  finding.confidence = "certain";
  return finding;
}

}  // namespace

std::vector<counters::PortIdentity> watched_ports(const Host& host, const topology::JobNetwork& job) {
  std::vector<counters::PortIdentity> ports;
  for (const RdmaDevice& device : host.rdma_devices) {
    if (device.status != "answers") continue;
    for (const RdmaPort& port : device.ports) {
      if (port.state != "ACTIVE") continue;
      counters::PortIdentity identity{
          device.name,           port.number, port.net_device, std::nullopt, topology::priority_of(port, job),
          is_in_software(device)};
      if (port.classes) identity.lossless = port.classes->pfc;
      ports.push_back(std::move(identity));
    }
  }
  return ports;
}

CounterWatch::CounterWatch(Communicator& world, std::string host, const Clock& clock,
                           std::unique_ptr<counters::Reader> reader, bool class_told)
    : world_(world),
      host_(std::move(host)),
      clock_(clock),
      reader_(std::move(reader)),
      class_told_(class_told) {
  std::array<double, 1> reads{reader_ ? 1.0 : 0.0};
  world_.allreduce(reads, ReduceOp::max);
  anybody_reads_ = reads[0] > 0.0;
}

void CounterWatch::take_unknown() {
  for (const std::string& sentence : reader_->take_unknown()) unknown_.push_back(one_line(sentence));
}

void CounterWatch::give_up(const std::exception& error) {
  unknown_.push_back(fmt::format("counters: {}, so they are not read any more", one_line(error.what())));
  reader_.reset();
  before_.reset();
}

void CounterWatch::begin() {
  before_.reset();
  if (!reader_) return;
  try {
    before_ = reader_->read();
    take_unknown();
  } catch (const std::exception& error) {
    give_up(error);
  }
  began_ns_ = clock_.now_ns();
}

void CounterWatch::end(std::size_t check) {
  if (!reader_ || !before_) return;
  try {
    constexpr double ns_per_s = 1e9;
    const double duration_s = static_cast<double>(clock_.now_ns() - began_ns_) / ns_per_s;
    const auto after = reader_->read();
    take_unknown();
    if (!after) return;
    for (std::size_t i = 0; i < after->size() && i < before_->size(); ++i) {
      PortChanges moved = counters::changes_between((*before_)[i], (*after)[i], duration_s);
      moved.host = host_;
      add_to(mine_[check], moved);
    }
  } catch (const std::exception& error) {
    give_up(error);
  }
}

void CounterWatch::tell(std::size_t check, std::vector<CheckRecord>& records) {
  if (!anybody_reads_) return;
  std::string text;
  if (const auto mine = mine_.find(check); mine != mine_.end()) text = counters::encode(mine->second);
  text += part_end;
  for (const std::string& sentence : unknown_) text += fmt::format("{}\t{}\n", host_, sentence);
  unknown_.clear();
  const std::vector<std::string> all = gather_strings(world_, text, 0);
  if (world_.rank() != 0) return;
  const std::scoped_lock lock(mutex_);
  Told told;
  std::vector<PortChanges> all_ports;
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    const std::string_view one = all[rank];
    const std::size_t end = std::min(one.find(part_end), one.size());
    try {
      for (PortChanges& port : counters::decode(std::string(one.substr(0, end))))
        all_ports.push_back(std::move(port));
    } catch (const Error& error) {  // rank 0 must stay in step
      not_known_[one_line(error.what())].push_back(fmt::format("rank {}", rank));
    }
    take_not_known(one.substr(std::min(end + 1, one.size())), not_known_);
  }
  take_notes(all_ports);
  for (CheckRecord& record : records) {
    const auto ports = of_participants(all_ports, record);
    const bool cut_short = record.verdict == fabricheck::Verdict::error;
    told.sets_class = record.id.starts_with("verbs.");
    for (const PortChanges& port : ports) {
      if (told.sets_class) add_to(told.ports, port);
      if (!cut_short) add_to(told.whole, port);
    }
    const auto judged = counters::judge(ports, {record.id, cut_short});
    record.counters.insert(judged.moved.begin(), judged.moved.end());
    say_loss(judged.loss, record);
    told.troubles.insert(told.troubles.end(), judged.troubles.begin(), judged.troubles.end());
  }
  if (!told.sets_class) told.ports = std::move(all_ports);
  told_[check] = std::move(told);
}

void CounterWatch::take_notes(const std::vector<PortChanges>& ports) {
  for (const PortChanges& port : ports)
    for (const std::string& note : port.notes) {
      std::vector<std::string>& hosts = not_known_[one_line(fmt::format("{}: {}", port.port.device, note))];
      if (std::find(hosts.begin(), hosts.end(), port.host) == hosts.end()) hosts.push_back(port.host);
    }
}

std::vector<Finding> CounterWatch::class_findings() const {
  if (!class_told_) return {};
  std::vector<PortChanges> by_check_itself, all;
  for (const auto& [check, told] : told_) {
    for (const PortChanges& port : told.ports) {
      add_to(all, port);
      if (told.sets_class) add_to(by_check_itself, port);
    }
  }
  // What MPI sends may go over TCP, in no class of RDMA.
  return counters::class_findings(by_check_itself.empty() ? all : by_check_itself, !by_check_itself.empty());
}

std::vector<Finding> CounterWatch::findings() const {
  const std::scoped_lock lock(mutex_);
  std::vector<counters::Trouble> troubles;
  std::vector<PortChanges> whole;
  for (const auto& [check, told] : told_) {
    troubles.insert(troubles.end(), told.troubles.begin(), told.troubles.end());
    for (const PortChanges& port : told.whole) add_to(whole, port);
  }
  counters::judge_whole_run(whole, troubles);
  std::vector<Finding> all = counters::findings_of(troubles);
  for (Finding& one : class_findings()) all.push_back(std::move(one));
  if (!not_known_.empty()) all.push_back(not_known(not_known_));
  return all;
}

}  // namespace fabricheck::app
