#include "diagnose/context.hpp"

#include <algorithm>
#include <utility>

#include "diagnose/rules.hpp"
#include "diagnose/text_line.hpp"
#include "topology/model/host_names.hpp"

namespace fabricheck::diagnose {
namespace {

int count_hcas(std::string_view list) {
  int count = 0;
  for (std::size_t at = list.find('['); at != std::string_view::npos; at = list.find('[', at + 1)) {
    std::string_view number = list.substr(at + 1);
    if (take_number<int>(number)) ++count;
  }
  return count;
}

}  // namespace

Context::Context(const Observations& seen) : seen_(seen) {
  for (const InputFile& file : seen.files) nccl_lines_ += file.nccl_lines;
  for (const RankFacts& rank : seen.ranks) take_rank(rank);
  told_hosts_ = hosts_;
  for (const EventGroup& group : seen.events)
    for (const int host : group.hosts)
      if (host != 0 && !is_own(host)) told_hosts_.insert(seen.names.text(host));
  for (const BenchmarkRun& run : seen.benchmarks) {
    ranks_ = std::max(ranks_, run.ranks);
    nodes_ = std::max(nodes_, static_cast<int>(run.gpus_of_host.size()));
    for (const auto& [host, gpus] : run.gpus_of_host) ranks_per_node_ = std::max(ranks_per_node_, gpus);
  }
  for (const EventGroup* group : seen.of(Event::ofi_provider))
    if (group->detail == "efa") uses_rdma_ = true;
  for (const EventGroup* group : seen.of(Event::p2p_disabled_pcie))
    gpus_told_ = std::max(gpus_told_, group->code + 1);
  find_span();
  if (complete_) find_open_starts();
  count_heard();
}

void Context::take_rank(const RankFacts& rank) {
  const Names& names = seen_.names;
  const std::string& host = names.text(rank.host);
  if (rank.host != 0) {
    hosts_.insert(host);
    if (rank.device >= 0) devices_of_host_[host].insert(rank.device);
  }
  const std::string& network = names.text(rank.network);
  if (!network.empty()) networks_.insert(network);
  if (rank.hcas != 0 && hca_lists_.insert(names.text(rank.hcas)).second)
    most_hcas_ = std::max(most_hcas_, count_hcas(names.text(rank.hcas)));
  for (const int interface : {rank.bootstrap, rank.out_of_band})
    if (interface != 0) interfaces_.insert(names.text(interface));
  if (rank.version != 0) versions_.insert(names.text(rank.version));
  for (const CommFacts& comm : rank.comms) {
    take_comm(comm);
    if (rank.host == 0 || !comm.net_receive.any()) continue;
    receives_[host].all += comm.net_receive.lines;
    receives_[host].gdr += comm.receive_gdr.lines;
  }
  if (rank.hcas != 0 || (!network.empty() && network != "Socket")) uses_rdma_ = true;
}

void Context::take_comm(const CommFacts& comm) {
  ranks_ = std::max(ranks_, comm.ranks);
  nodes_ = std::max(nodes_, comm.nodes);
  ranks_per_node_ = std::max(ranks_per_node_, std::max(comm.local_ranks, comm.cuda_device + 1));
  complete_ |= comm.complete;
  const bool is_between =
      comm.nodes > 1 || comm.net_send.any() || comm.net_receive.any() || comm.net_socket.any();
  completed_between_nodes_ |= comm.complete && is_between;
  has_incomplete_ |= !comm.complete && comm.pointer != 0 && (comm.started || comm.rank >= 0);
  started_ |= comm.started || comm.complete || comm.rank >= 0;
  mnnvl_ |= comm.mnnvl || (comm.p2p_kinds & p2p_mnnvl) != 0;
  nvls_channels_ = std::max(nvls_channels_, comm.nvls_channels);
  // Small groups, as of pipeline and data parallelism, have few by their nature.
  const bool is_large = comm.nodes != 1 && (comm.local_ranks < 0 || comm.local_ranks >= 4) &&
                        (comm.ranks < 0 || comm.ranks >= 8);
  if (comm.coll_channels >= 0 && is_large)
    coll_channels_ = coll_channels_ < 0 ? comm.coll_channels : std::min(coll_channels_, comm.coll_channels);
  paths_.p2p += comm.p2p.lines;
  paths_.shm += comm.shm.lines;
  paths_.collnet += comm.collnet.lines;
  paths_.socket += comm.net_socket.lines;
  paths_.rdma_send += comm.net_send.lines;
  paths_.rdma_receive += comm.net_receive.lines;
  paths_.gdr_send += comm.send_gdr.lines;
  paths_.gdr_receive += comm.receive_gdr.lines;
  paths_.net_devices |= comm.net_devices;
}

void Context::find_span() {
  for (const auto& [host, devices] : devices_of_host_)
    ranks_per_node_ = std::max(ranks_per_node_, static_cast<int>(devices.size()));
  const bool net_was_used = paths_.rdma() + paths_.socket > 0;
  const bool hosts_are_apart = !net_was_used && hosts_.size() > 1 && are_apart();
  const bool says_several = nodes_ > 1 || net_was_used || hosts_.size() > 1 || has_several_addresses();
  if (says_several && !hosts_are_apart) {
    span_ = Span::several_nodes;
  } else if (hosts_are_apart || nodes_ == 1) {
    span_ = Span::one_node;
    one_node_is_sure_ = true;
  } else if (hosts_.size() == 1 && devices_of_host_.size() == 1) {
    // One host that has all ranks, or several GPUs of one host and no word of another.
    const auto here = std::max(gpus_told_, static_cast<int>(devices_of_host_.begin()->second.size()));
    one_node_is_sure_ = ranks_ > 0 && here >= ranks_;
    if (ranks_ > 0 ? one_node_is_sure_ : here > 1) span_ = Span::one_node;
    if (ranks_ > 16) span_ = Span::several_nodes;
  }
}

void Context::find_open_starts() {
  const auto is_later = [](const CommFacts& one, const CommFacts& than) {
    return one.started && one.start_file == than.start_file && one.start_line > than.start_line;
  };
  // A rank that went on to another communicator did not hang, and one that was started anew ended before.
  const auto went_on = [&](const RankFacts& rank, const CommFacts& comm) {
    return std::any_of(rank.comms.begin(), rank.comms.end(),
                       [&](const CommFacts& other) { return other.complete && is_later(other, comm); });
  };
  std::map<std::pair<int, int>, std::vector<OpenStart>> by_rank;  // rank and ranks of communicators
  const auto was_replaced = [&](const OpenStart& open) {
    const auto& same = by_rank[{open.comm->rank, open.comm->ranks}];
    return std::any_of(same.begin(), same.end(), [&](const OpenStart& other) {
      return other.rank != open.rank && other.comm->comm_id != open.comm->comm_id &&
             other.rank->device == open.rank->device && is_later(*other.comm, *open.comm);
    });
  };
  for (const RankFacts& rank : seen_.ranks)
    for (const CommFacts& comm : rank.comms)
      if (comm.started) by_rank[{comm.rank, comm.ranks}].push_back({&rank, &comm});
  for (const RankFacts& rank : seen_.ranks)
    for (const CommFacts& comm : rank.comms) {
      const OpenStart one{&rank, &comm};
      if (comm.started && !comm.complete && !went_on(rank, comm) && !was_replaced(one))
        open_starts_.push_back(one);
    }
}

/// Lines without a front, and communicators that there was no room for, leave it open.
void Context::count_heard() {
  if (ranks_ <= 0 || seen_.ranks_left_out > 0) return;
  std::set<int> numbers;
  int processes = 0;
  for (const RankFacts& rank : seen_.ranks) {
    if (rank.comms.empty()) continue;
    if (rank.host == 0) return;
    ++processes;
    for (const CommFacts& comm : rank.comms)
      if (comm.ranks == ranks_ && comm.rank >= 0) numbers.insert(comm.rank);
  }
  if (numbers.empty()) return;
  heard_ranks_ = std::max(processes, static_cast<int>(numbers.size()));
}

/// Each host has all ranks of its communicators: logs of several jobs on one node each.
bool Context::are_apart() const {
  return std::all_of(seen_.ranks.begin(), seen_.ranks.end(), [&](const RankFacts& rank) {
    return std::all_of(rank.comms.begin(), rank.comms.end(), [&](const CommFacts& comm) {
      if (comm.nodes > 0) return comm.nodes == 1;
      const auto devices = devices_of_host_.find(seen_.names.text(rank.host));
      return comm.ranks > 0 && devices != devices_of_host_.end() &&
             comm.ranks <= static_cast<int>(devices->second.size());
    });
  });
}

/// Hosts of one name, told apart by the address of their interface.
bool Context::has_several_addresses() const {
  std::map<std::string, std::string> addresses;
  for (const std::string& list : interfaces_) {
    std::string_view one = until(list, " ");
    if (starts_with(one, "[")) one = one.substr(std::min(one.size(), one.find(']') + 1));
    const std::size_t colon = one.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string name(one.substr(0, colon)), address(until(one.substr(colon + 1), "<"));
    const auto known = addresses.emplace(name, address).first;
    if (known->second != address) return true;
  }
  return false;
}

bool Context::is_one_rank_per_node() const {
  if (ranks_per_node_ > 1) return false;
  if (nodes_ > 0 && ranks_ > 0) return nodes_ >= ranks_;
  return ranks_ > 0 && hosts_.size() >= static_cast<std::size_t>(ranks_);
}

bool Context::is_roce() const {
  return std::any_of(hca_lists_.begin(), hca_lists_.end(),
                     [](const std::string& list) { return contains(list, "/RoCE"); });
}

bool Context::is_infiniband() const {
  return std::any_of(hca_lists_.begin(), hca_lists_.end(),
                     [](const std::string& list) { return contains(list, "/IB"); });
}

const VariableUse* Context::variable(std::string_view name) const {
  const auto found = seen_.variables.find(std::string(name));
  return found == seen_.variables.end() || found->second.empty() ? nullptr : &found->second.front();
}

const Quote* Context::quote(std::string_view fact) const {
  const auto found = seen_.fact_quotes.find(std::string(fact));
  return found == seen_.fact_quotes.end() ? nullptr : &found->second;
}

bool Context::gpu_name_has(std::initializer_list<std::string_view> parts) const {
  for (const auto& entry : seen_.gpu_names)
    for (const std::string_view part : parts)
      if (contains(entry.first, part)) return true;
  return false;
}

Evidence Context::evidence(const Quote& quote) const {
  const auto file = static_cast<std::size_t>(quote.file);
  return {file < seen_.files.size() ? seen_.files[file].name : std::string(), static_cast<int>(quote.line),
          quote.text};
}

void Context::add_evidence(Finding& finding, const EventGroup& group) const {
  for (const Quote& quote : group.quotes) finding.evidence.push_back(evidence(quote));
}

std::string Context::hosts_of(const EventGroup& group) const { return hosts_of(std::vector{&group}); }

std::string Context::hosts_of(const std::vector<const EventGroup*>& groups) const {
  std::map<std::string, std::string> names;  // by the name up to the first dot
  bool may_be_more = false;
  for (const EventGroup* group : groups) {
    may_be_more = may_be_more || group->hosts.size() >= EventGroup::kMostHosts;
    for (const int host : group->hosts)
      if (host != 0) names.emplace(until(seen_.names.text(host), "."), seen_.names.text(host));
  }
  std::vector<std::string> all;
  all.reserve(names.size());
  for (const auto& [key, name] : names) all.push_back(name);
  return all.empty() ? "" : topology::fold_names(std::move(all)) + (may_be_more ? " and others" : "");
}

std::vector<const EventGroup*> Context::open_ends() const {
  // srun says it before or after the reason.
  const auto is_of_an_ended_step = [&](const EventGroup& group) {
    if (group.detail != kStepAborted) return false;
    for (const Event kind : {Event::cancelled, Event::preempted, Event::time_limit, Event::node_failed})
      for (const EventGroup* end : seen_.of(kind))
        if (end->last_file == group.last_file) return true;
    return false;
  };
  std::vector<const EventGroup*> open;
  for (const Event kind : {Event::unknown_warning, Event::job_cut, Event::complaint})
    for (const EventGroup* group : seen_.of(kind))
      if (group->count > 0 && !was_ended_before(*this, *group) && !is_of_an_ended_step(*group))
        open.push_back(group);
  return open;
}

bool Context::is_own(int host) const {
  return std::any_of(hosts_.begin(), hosts_.end(), [&](const std::string& own) {
    return until(own, ".") == until(seen_.names.text(host), ".");
  });
}

bool Context::is_of_own_host(const EventGroup& group) const {
  return std::any_of(group.hosts.begin(), group.hosts.end(),
                     [&](int host) { return host != 0 && is_own(host); });
}

bool Context::is_elsewhere(const EventGroup& group) const {
  if (nodes_ <= 0 || hosts_.size() != static_cast<std::size_t>(nodes_) || group.hosts.empty()) return false;
  return std::all_of(group.hosts.begin(), group.hosts.end(), [&](int host) {
    return host != 0 && seen_.kernel_hosts.count(host) != 0 && !is_own(host);
  });
}

bool Context::names_own_hosts() const {
  return std::any_of(seen_.kernel_hosts.begin(), seen_.kernel_hosts.end(),
                     [&](int host) { return is_own(host); });
}

}  // namespace fabricheck::diagnose
