// Rules about NICs and the network between nodes.
#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

#include "core/fault_texts.hpp"
#include "diagnose/rules.hpp"
#include "diagnose/text_line.hpp"

namespace fabricheck::diagnose::rules {
namespace {

bool is_one_of(int code, std::initializer_list<int> codes) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

/// The same finding with all groups of `kind` whose code is one of `codes`; null where there is none.
Found* on_codes(const Context& context, const CatalogRow& row, Findings& found, Event kind,
                std::initializer_list<int> codes, const char* confidence) {
  Found* finding = nullptr;
  for (const EventGroup* group : context.seen().of(kind)) {
    if (!is_one_of(group->code, codes)) continue;
    if (finding == nullptr) finding = &add(found, row, confidence);
    cite(context, *finding, *group);
    finding->component.name.clear();  // the error's text is no device
  }
  return finding;
}

bool has_completion(const Context& context, int status) {
  const auto groups = context.seen().of(Event::completion_error);
  return std::any_of(groups.begin(), groups.end(),
                     [&](const EventGroup* group) { return group->code == status; });
}

/// Transfers or connections of the job failed.
bool job_has_errors(const Context& context) {
  return context.seen().has(Event::completion_error) || context.seen().has(Event::modify_qp_failed);
}

/// Interfaces that lead to no other host, by name or address.
bool leads_nowhere(std::string_view interface) {
  std::string_view name = interface;
  if (starts_with(name, "[")) name = name.substr(std::min(name.size(), name.find(']') + 1));
  const std::string_view address = name.substr(std::min(name.size(), name.find(':') + 1));
  for (const std::string_view front : {"docker", "veth", "virbr", "cali", "br-", "cni", "lxc", "flannel"})
    if (starts_with(name, front)) return true;
  if (starts_with(name, "lo:")) return true;
  return starts_with(address, "127.") || starts_with(address, "::1<") || starts_with(address, "172.17.");
}

/// The first of "[0]ens5:172.31.0.137<0> [1]veth75fa783:fe80::…<0>", which control connections take.
bool begins_nowhere(std::string_view list) { return leads_nowhere(until(trim(list), " ")); }

/// "[1]veth75fa783:fe80::…" of such a list; empty: all may lead to other hosts.
std::string first_nowhere(std::string_view list) {
  for (list = trim(list); !list.empty(); list = trim(list)) {
    const std::string_view one = until(list, " ");
    if (leads_nowhere(one)) return std::string(until(one, "<"));
    list.remove_prefix(one.size());
  }
  return {};
}
bool has_one_nowhere(std::string_view list) { return !first_nowhere(list).empty(); }

/// No later line says that the link came back.
bool stays_down(const Context& context, const EventGroup& down) {
  const auto ups = context.seen().of(Event::link_up);
  return std::none_of(ups.begin(), ups.end(), [&](const EventGroup* up) {
    return up->detail == down.detail && up->code == down.code && up->last_line > down.last_line;
  });
}

}  // namespace

void hca_mismatch(const Context& context, const CatalogRow& row, Findings& found) {
  for (const EventGroup* group : context.seen().of(Event::net_count_mismatch)) {
    cite(context, add(found, row), *group);
    return;
  }
  // The same communicator, other numbers of devices.
  std::map<std::uint64_t, std::map<std::size_t, const RankFacts*>> counts;
  for (const RankFacts& rank : context.seen().ranks) {
    if (rank.hcas == 0) continue;
    const std::string& list = context.seen().names.text(rank.hcas);
    const auto count = static_cast<std::size_t>(std::count(list.begin(), list.end(), '/'));
    for (const CommFacts& comm : rank.comms)
      if (comm.comm_id != 0) counts[comm.comm_id].emplace(count, &rank);
  }
  for (const auto& [comm, by_count] : counts) {
    if (by_count.size() < 2) continue;
    Found& finding = add(found, row, "likely");
    // NCCL warns of what it cannot do with them.
    if (context.joined_nodes()) {
      finding.severity = Severity::info;
      finding.meaning =
          "the ranks do not have the same number of network devices; NCCL joined them all the same, and "
          "those "
          "with fewer may be slower";
    }
    for (const auto& [count, rank] : by_count)
      finding.evidence.push_back(
          {"", 0, context.seen().names.text(rank->host) + ": " + context.seen().names.text(rank->hcas)});
    return;
  }
}

void async_event(const Context& context, const CatalogRow& row, Findings& found) {
  const auto is_of_row = [&](const std::string& word) {
    if (row.text == &fault::roce_gid_table_change) return contains(word, "GID table change");
    if (row.text == &fault::ib_port_error) return contains(word, "port error");
    return contains(word, "catastrophic error") || contains(word, "DEVICE_FATAL") || contains(word, "fatal");
  };
  Found* finding = nullptr;
  for (const EventGroup* group : context.seen().of(Event::async_event)) {
    if (!is_of_row(group->detail)) continue;
    if (finding == nullptr) finding = &add(found, row);
    cite(context, *finding, *group);
    finding->component.name.clear();
    // NCCL warns of it and goes on: connections that are made keep their entries unless theirs went.
    if (row.text == &fault::roce_gid_table_change && !job_has_errors(context))
      finding->severity = Severity::info;
  }
  const Event kernel = row.text == &fault::ib_device_fatal ? Event::nic_fatal
                       : row.text == &fault::ib_port_error ? Event::link_down
                                                           : Event::count_;
  if (kernel == Event::count_) return;
  // A link that is lost while no job complains may be any NIC's; where all ranks wait, one of their hosts' is
  // likely the path that is gone.
  const bool job_saw_it = finding != nullptr || job_has_errors(context);
  const bool job_waits = context.seen().has(Event::collective_timeout);
  for (const EventGroup* group : context.seen().of(kernel)) {
    if (kernel == Event::link_down && !job_saw_it &&
        !(job_waits && context.is_of_own_host(*group) && stays_down(context, *group)))
      continue;
    if (finding == nullptr) finding = &add(found, row, "likely");
    cite(context, *finding, *group);
  }
}

void pkey(const Context& context, const CatalogRow& row, Findings& found) {
  for (const EventGroup* group : context.seen().of(Event::limited_pkey)) {
    if (group->code != 0) continue;  // NCCL uses index 0 unless told otherwise
    const bool timed_out = has_completion(context, 12);
    Found& finding = add(found, row, timed_out ? "likely" : "possible");
    if (!timed_out) finding.severity = Severity::bad;
    cite(context, finding, *group);
  }
}

void memlock(const Context& context, const CatalogRow& row, Findings& found) {
  Found* finding = on_codes(context, row, found, Event::mr_failed, {ENOMEM}, "likely");
  bool is_all_ucx = finding == nullptr;
  for (const EventGroup* group : context.seen().of(Event::verbs_no_memory)) {
    if (finding == nullptr) finding = &add(found, row, "likely");
    cite(context, *finding, *group);
    finding->component.name.clear();
    is_all_ucx = is_all_ucx && says(*group, "UCX  ERROR");
  }
  // UCX goes on with what it can open.
  if (finding != nullptr && is_all_ucx)
    finding->severity = context.complete() && context.uses_rdma() ? Severity::info : Severity::bad;
}

void mr_registration(const Context& context, const CatalogRow& row, Findings& found) {
  Found* finding = nullptr;
  for (const EventGroup* group : context.seen().of(Event::mr_failed)) {
    if (group->code == ENOMEM || !group->as_warning) continue;
    if (finding == nullptr) finding = &add(found, row);
    cite(context, *finding, *group);
    const bool by_dmabuf = std::any_of(group->quotes.begin(), group->quotes.end(), [](const Quote& quote) {
      return contains(quote.text, "ibv_reg_dmabuf_mr");
    });
    if (by_dmabuf && group->code == EOPNOTSUPP)
      finding->advice =
          "NCCL_DMABUF_ENABLE=0 with nvidia_peermem loaded, or a kernel and NIC driver that take DMA-BUF of "
          "GPUs; " +
          finding->advice;
    finding->component.name.clear();
  }
}

void wrong_gid(const Context& context, const CatalogRow& row, Findings& found) {
  const char* confidence = context.is_infiniband() && !context.is_roce() ? "possible" : "likely";
  // The entry of the table is empty, or of the wrong kind.
  Found* finding =
      on_codes(context, row, found, Event::modify_qp_failed, {EINVAL, ENODATA, ENODEV, ENOENT}, confidence);
  if (finding != nullptr || !context.seen().has(Event::gid_link_local)) return;
  if (!has_completion(context, 12) && !context.seen().has(Event::modify_qp_failed)) return;
  finding = &add(found, row, "likely");
  for (const EventGroup* group : context.seen().of(Event::gid_link_local)) cite(context, *finding, *group);
}

void roce_unreachable(const Context& context, const CatalogRow& row, Findings& found) {
  on_codes(context, row, found, Event::modify_qp_failed, {ENETUNREACH, EHOSTUNREACH}, "certain");
}

void cross_nic(const Context& context, const CatalogRow& row, Findings& found) {
  const auto timeouts = context.seen().of(Event::modify_qp_failed);
  const bool timed_out = has_completion(context, 12) ||
                         std::any_of(timeouts.begin(), timeouts.end(),
                                     [](const EventGroup* group) { return group->code == ETIMEDOUT; });
  if (!timed_out) return;
  const VariableUse* setting = context.variable("NCCL_CROSS_NIC");
  const bool forced = setting != nullptr && (setting->value == "1" || setting->value == "2") &&
                      context.seen().has(Event::gids_apart);
  if (!forced && !context.seen().has(Event::rails_crossed)) return;
  Found& finding = add(found, row, "likely");
  for (const EventGroup* group : context.seen().of(Event::rails_crossed)) cite(context, finding, *group);
  for (const EventGroup* group : context.seen().of(Event::gids_apart)) cite(context, finding, *group);
  if (forced) cite(context, finding, &setting->quote);
}

void qp_timeout(const Context& context, const CatalogRow& row, Findings& found) {
  on_codes(context, row, found, Event::modify_qp_failed, {ETIMEDOUT, 0}, "certain");
}

void mtu_mismatch(const Context& context, const CatalogRow& row, Findings& found) {
  if (!has_completion(context, 12)) return;
  const auto small = context.seen().of(Event::mtu_small);
  const auto linked = context.seen().of(Event::link_mtu);
  const bool some_are_small = !small.empty() && context.seen().has(Event::port_active);
  if (linked.size() < 2 && !some_are_small) return;
  Found& finding = add(found, row, "likely");
  for (const EventGroup* group : linked.size() < 2 ? small : linked) cite(context, finding, *group);
}

void remote_access(const Context& context, const CatalogRow& row, Findings& found) {
  on_codes(context, row, found, Event::completion_error, {9, 10, 11}, "certain");
}

void work_request(const Context& context, const CatalogRow& row, Findings& found) {
  constexpr int flushed = 5;
  Found* finding = on_codes(context, row, found, Event::completion_error,
                            {1, 2, 6, 7, 8, 14, 15, 16, 17, 18, 19, 20, 21, 22}, "certain");
  if (finding != nullptr) {
    for (const EventGroup* group : context.seen().of(Event::completion_error))
      if (group->code == flushed) cite(context, *finding, *group);
    return;
  }
  finding = on_codes(context, row, found, Event::completion_error, {flushed}, "possible");
  if (finding == nullptr) return;
  const bool has_other = context.seen().of(Event::completion_error).size() > 1;
  finding->meaning = has_other
                         ? "transfers were given up (flushed, 5) after another one had failed"
                         : "transfers were given up (flushed, 5) after an error that does not stand here: on "
                           "this NIC before these lines, or of the peer";
  finding->component.host.clear();
}

void wrong_interface(const Context& context, const CatalogRow& row, Findings& found) {
  for (const EventGroup* group : context.seen().of(Event::no_interface)) {
    Found& finding = add(found, row);
    cite(context, finding, *group);
    if (const VariableUse* name = context.variable("NCCL_SOCKET_IFNAME")) {
      finding.meaning += "; NCCL_SOCKET_IFNAME is " + name->value;
      cite(context, finding, &name->quote);
    }
    return;
  }
  Found* finding = nullptr;
  for (const EventGroup* group : context.seen().of(Event::connect_failed)) {
    const bool unreachable = is_one_of(group->code, {ETIMEDOUT, ENETUNREACH, EHOSTUNREACH});
    // Docker's default network may be a cluster's own.
    const bool local = !context.joined_nodes() &&
                       (starts_with(group->detail, "127.") || starts_with(group->detail, "172.17.") ||
                        starts_with(group->detail, "fe80") || starts_with(group->detail, "169.254."));
    if (!group->as_warning || (!unreachable && !local)) continue;
    if (finding == nullptr) finding = &add(found, row, "likely");
    cite(context, *finding, *group);
  }
  if (finding != nullptr && says(*finding, "btl_tcp"))
    finding->advice =
        "name the network that joins the nodes to Open MPI: --mca btl_tcp_if_include IFNAME --mca "
        "oob_tcp_if_include IFNAME (or btl_tcp_if_exclude docker0,lo)";
  if (context.span() == Span::one_node || context.joined_nodes()) return;
  // Connections to an interface that leads to no other host time out again and again.
  const bool times_out = context.seen().has(Event::connect_retried) && !context.complete();
  for (const std::string& list : context.interfaces()) {
    if (!begins_nowhere(list) && !(times_out && has_one_nowhere(list))) continue;
    if (finding == nullptr) {
      finding = &add(found, row, "likely");
      finding->severity = Severity::bad;
    }
    cite(context, *finding, context.quote("bootstrap"));
    cite(context, *finding, context.quote("interfaces"));
    for (const EventGroup* group : context.seen().of(Event::connect_retried)) cite(context, *finding, *group);
    finding->component.name = first_nowhere(list);
    return;
  }
}

void rdma_abi(const Context& context, const CatalogRow& row, Findings& found) {
  on_event(context, row, found);
  // The job has other NICs.
  for (Found& finding : found)
    if (finding.slug == row.text->slug && context.complete() && context.uses_rdma())
      finding.severity = Severity::info;
}

void no_libibverbs(const Context& context, const CatalogRow& row, Findings& found) {
  if (context.uses_rdma()) return;  // another rank, or a plugin, has it
  Found* finding = nullptr;
  for (const EventGroup* group : context.seen().of(Event::no_libibverbs)) {
    if (finding == nullptr) finding = &add(found, row);
    cite(context, *finding, *group);
    finding->component.name.clear();
  }
  if (finding == nullptr || context.span() != Span::one_node) return;
  finding->severity = Severity::info;
  finding->meaning += "; on a single node nothing is lost by it";
}

void ib_open_failed(const Context& context, const CatalogRow& row, Findings& found) {
  Found* finding = nullptr;
  for (const EventGroup* group : context.seen().of(Event::device_open_failed)) {
    if (finding == nullptr) finding = &add(found, row);
    cite(context, *finding, *group);
  }
  if (finding != nullptr && context.span() == Span::one_node) finding->severity = Severity::info;
}

void socket_fallback(const Context& context, const CatalogRow& row, Findings& found) {
  const bool chosen = context.networks().count("Socket") != 0 || context.paths().socket > 0;
  const bool listed = context.seen().has(Event::socket_listed) || context.seen().has(Event::no_ib_device);
  if (!chosen && (context.uses_rdma() || !listed)) return;
  // Up to 2.4 sockets are listed before InfiniBand is looked for.
  const auto is_early = [](const std::string& version) {
    return starts_with(version, "2.2.") || starts_with(version, "2.3.") || starts_with(version, "2.4.");
  };
  const bool early = std::any_of(context.versions().begin(), context.versions().end(), is_early);
  if (!chosen && early) return;
  const bool is_used = context.paths().socket > 0;
  Found& finding = add(found, row, is_used ? "certain" : "likely");
  for (const char* fact : {"channel Socket", "network Socket"}) cite(context, finding, context.quote(fact));
  for (const Event kind : {Event::no_ib_device, Event::socket_listed})
    for (const EventGroup* group : context.seen().of(kind)) cite(context, finding, *group);
  if (const VariableUse* filter = context.variable("NCCL_IB_HCA");
      filter != nullptr && context.seen().has(Event::no_ib_device)) {
    finding.meaning += "; NCCL_IB_HCA asks for " + filter->value + ", which may match no device";
    cite(context, finding, &filter->quote);
  }
  // A start that ended without any channel between nodes had none to make, or this is the log of a rank that
  // has no neighbour on another node.
  const PathSums& paths = context.paths();
  if (!is_used && context.span() == Span::unknown && context.complete() && paths.p2p + paths.shm > 0) {
    finding.severity = Severity::info;
    finding.confidence = "possible";
    finding.meaning = "NCCL chose TCP sockets between nodes; no channel between nodes stands here";
  }
  if (context.span() == Span::one_node) {
    finding.severity = Severity::info;
    finding.meaning =
        "NCCL would talk between nodes over TCP sockets; on this single node nothing is lost by it";
  }
}

void rendezvous(const Context& context, const CatalogRow& row, Findings& found) {
  on_event(context, row, found);
  if (found.empty() || found.back().slug != row.text->slug) return;
  Found& finding = found.back();
  const bool cannot_listen =
      std::any_of(finding.evidence.begin(), finding.evidence.end(),
                  [](const Evidence& one) { return contains(one.text, "failed to listen"); });
  if (!cannot_listen) return;
  finding.meaning =
      "the ranks did not meet: PyTorch's store could not listen on MASTER_PORT, most often because another "
      "process, perhaps of an earlier job, has it";
  finding.advice = "end what listens there (ss -ltnp on rank 0's node), or take another MASTER_PORT";
}

void port_errors(const Context& context, const CatalogRow& row, Findings& found) {
  const auto groups = context.seen().of(Event::port_errors);
  if (groups.empty()) return;
  Found& finding = add(found, row, "possible");
  for (const EventGroup* group : groups) cite(context, finding, *group);
  finding.component.name.clear();  // the counter is no device
}

void mtu_low(const Context& context, const CatalogRow& row, Findings& found) {
  for (const bool beside : {false, true}) {
    Found* finding = nullptr;
    for (const EventGroup* group : context.seen().of(Event::mtu_small)) {
      if (is_beside_the_fabric(context, group->detail) != beside) continue;
      if (finding == nullptr) finding = &add(found, row);
      cite(context, *finding, *group);
    }
    if (finding == nullptr) continue;
    if (!beside) return;
    finding->severity = Severity::info;
  }
}

void single_nic(const Context& context, const CatalogRow& row, Findings& found) {
  if (context.ranks_per_node() < 4 || context.span() == Span::one_node || found.size() > 64) return;
  const std::uint64_t used = context.paths().net_devices;
  const bool one_used = used != 0 && (used & (used - 1)) == 0 && context.paths().rdma() >= 2;
  if (!one_used && context.most_hcas() != 1) return;
  Found& finding = add(found, row, one_used ? "likely" : "certain");
  for (const char* fact : {"channel GDR", "receive without GDR", "send without GDR", "hcas"})
    cite(context, finding, context.quote(fact));
}

void few_channels(const Context& context, const CatalogRow& row, Findings& found) {
  const int channels = context.fewest_coll_channels();
  if (channels < 1 || channels > 2 || context.ranks_per_node() < 4 || context.span() != Span::several_nodes)
    return;
  if (context.paths().p2p == 0 || context.paths().rdma() == 0 || context.most_hcas() == 1) return;
  Found& finding = add(found, row, "likely");
  cite(context, finding, context.quote("few channels"));
  cite(context, finding, context.quote("channel GDR"));
}

void remote_peer_lost(const Context& context, const CatalogRow& row, Findings& found) {
  Found* finding = nullptr;
  for (const Event kind :
       {Event::connection_closed, Event::remote_error, Event::connect_failed, Event::ras_dead})
    for (const EventGroup* group : context.seen().of(kind)) {
      // NCCL aborts a connection that it makes when another error ends it.
      const bool by_peer = is_one_of(group->code, {ECONNREFUSED, ECONNABORTED});
      if (!group->as_warning || (kind == Event::connect_failed && !by_peer)) continue;
      if (finding == nullptr) finding = &add(found, row, "likely");
      cite(context, *finding, *group);
      if (finding->component.name.empty()) finding->component.name = group->detail.substr(0, 60);
    }
}

}  // namespace fabricheck::diagnose::rules
