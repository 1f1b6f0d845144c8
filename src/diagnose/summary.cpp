#include "diagnose/summary.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "diagnose/collective_waits.hpp"
#include "diagnose/diagnose.hpp"

namespace fabricheck::diagnose {
namespace {

std::string joined(const std::set<std::string>& items, std::size_t most = 4) {
  std::string text;
  std::size_t count = 0;
  for (const std::string& item : items) {
    if (count++ == most) return text + fmt::format(" and {} more", items.size() - most);
    text += (text.empty() ? "" : ", ") + item;
  }
  return text;
}

void add_start(const Context& context, std::vector<std::string>& lines) {
  if (!context.versions().empty()) lines.push_back("NCCL " + joined(context.versions()));
  std::string where;
  if (context.ranks() > 0) where = fmt::format("{} ranks", context.ranks());
  if (context.nodes() > 0)
    where += fmt::format("{}{} node{}", where.empty() ? "" : " on ", context.nodes(),
                         context.nodes() == 1 ? "" : "s");
  if (!context.hosts().empty())
    where += (where.empty() ? "hosts: " : "; hosts: ") + joined(context.hosts(), 6);
  if (!where.empty()) lines.push_back(where);
  if (const std::size_t open = context.open_starts().size(); open > 0)
    lines.push_back(fmt::format("initialisation: complete, but for {} rank{}", open, open == 1 ? "" : "s"));
  else if (context.complete())
    lines.emplace_back("initialisation: complete");
  else if (context.started())
    lines.emplace_back("initialisation: begun; no line says that it was completed");
}

void add_networks(const Context& context, std::vector<std::string>& lines) {
  if (!context.networks().empty()) lines.push_back("network: " + joined(context.networks()));
  if (context.has_hcas()) lines.push_back("RDMA devices: " + joined(context.hca_lists(), 2));
  if (!context.interfaces().empty()) lines.push_back("control connections: " + joined(context.interfaces()));
  const PathSums& paths = context.paths();
  if (paths.rdma() > 0)
    lines.push_back(fmt::format("channels between nodes: {} lines, {} of them with GPUDirect RDMA",
                                paths.rdma(), paths.gdr()));
  if (paths.socket > 0)
    lines.push_back(fmt::format("channels between nodes: {} lines over sockets", paths.socket));
  if (paths.p2p + paths.shm > 0)
    lines.push_back(
        fmt::format("channels inside nodes: {} lines P2P, {} by shared memory", paths.p2p, paths.shm));
  if (context.fewest_coll_channels() >= 0) {
    std::string counts = fmt::format("channels: {} for collectives", context.fewest_coll_channels());
    if (context.most_nvls_channels() >= 0)
      counts += fmt::format(", {} for NVLS", context.most_nvls_channels());
    lines.push_back(counts);
  }
}

void add_peers(const Context& context, std::vector<std::string>& lines) {
  for (const EventGroup* group : context.seen().of(Event::peers_ok))
    lines.push_back(fmt::format("direct access between all {} GPUs by nvidia-smi topo -p2p", group->code));
}

void add_variables(const Context& context, std::vector<std::string>& lines) {
  std::string text;
  std::size_t count = 0;
  for (const auto& [name, uses] : context.seen().variables) {
    if (uses.empty() || ++count > 12) continue;
    text += fmt::format("{}{}={}", text.empty() ? "" : ", ", name, uses.front().value);
    if (uses.size() > 1) text += fmt::format(" (and {} other values)", uses.size() - 1);
  }
  if (count > 12) text += fmt::format(" and {} more", count - 12);
  if (!text.empty()) lines.push_back("set: " + text);
}

void add_measured(const Context& context, std::vector<std::string>& lines) {
  for (const BenchmarkRun& run : context.seen().benchmarks) {
    const auto speed = measured_speed(context.seen(), run);
    if (!speed) continue;
    std::string text = fmt::format("measured by nccl-tests: {:.1f} GB/s bus bandwidth", speed->busbw_GBps);
    if (speed->bound)
      text += fmt::format("; the topology allows {:.0f} GB/s by ring, {:.0f} GB/s by the best algorithm ({})",
                          speed->bound->ring_GBps, speed->bound->best_GBps, speed->bound->words);
    if (is_above_bound(*speed)) text += "; more than that is the topology of another machine";
    lines.push_back(text);
  }
  for (const PerftestRun& test : context.seen().perftests)
    if (test.best_Gbps > 0)
      lines.push_back(fmt::format("{}{}: {:.1f} Gb/s", test.operation,
                                  test.device.empty() ? "" : " on " + test.device, test.best_Gbps));
  constexpr std::size_t most = 24;
  if (lines.size() > most) lines.resize(most);
}

/// A rate alone is neither good nor bad.
bool has_measured_speed(const Context& context) {
  const auto& runs = context.seen().benchmarks;
  return std::any_of(runs.begin(), runs.end(), [&](const BenchmarkRun& run) {
    const auto speed = measured_speed(context.seen(), run);
    return speed && has_measure(*speed);
  });
}

}  // namespace

std::vector<std::string> what_was_seen(const Context& context) {
  std::vector<std::string> lines;
  if (context.seen().result)
    lines.push_back(fmt::format(
        "fabricheck result: {}, {} checks{}", verdict_name(context.seen().result->verdict),
        context.seen().result->checks.size(),
        context.seen().result->verdict_reason.empty() ? ""
                                                      : " (" + context.seen().result->verdict_reason + ")"));
  add_start(context, lines);
  add_networks(context, lines);
  add_peers(context, lines);
  add_variables(context, lines);
  add_measured(context, lines);
  for (std::string& line : group_words(context.seen())) lines.push_back(std::move(line));
  if (context.seen().ranks_left_out > 0)
    lines.push_back("more ranks than are kept apart: some are counted together");
  return lines;
}

std::vector<NotTested> what_was_not_seen(const Context& context) {
  std::vector<NotTested> missing;
  if (!context.seen().benchmarks.empty() && !has_measured_speed(context))
    missing.push_back(
        {"diagnose.speed",
         "what the measured speed could be held against: give the topology of this machine with "
         "--topology, and all-reduces of 64 MB and more"});
  if (context.nccl_lines() == 0) {
    missing.push_back(
        {"diagnose.nccl", "no line of NCCL's was given (NCCL_DEBUG=INFO in the job writes them)"});
    return missing;
  }
  const auto add = [&](bool seen, const char* id, const char* reason) {
    if (!seen) missing.push_back({id, reason});
  };
  const PathSums& paths = context.paths();
  add(!context.versions().empty(), "diagnose.version", "no line tells NCCL's version");
  add(!context.networks().empty() || context.has_hcas(), "diagnose.network",
      "no line tells which network was chosen");
  add(paths.rdma() + paths.socket > 0 || context.span() == Span::one_node, "diagnose.channels_between_nodes",
      "no channel between nodes: NCCL_DEBUG=INFO shows them when the communicator is made");
  add(paths.p2p + paths.shm > 0 || context.is_one_rank_per_node(), "diagnose.channels_inside_nodes",
      "no channel inside a node");
  add(context.complete(), "diagnose.init_complete", "no line says that the initialisation was completed");
  add(!context.seen().benchmarks.empty(), "diagnose.speed",
      "no benchmark: how fast it is does not follow from a log");
  return missing;
}

bool saw_enough(const Context& context) {
  // A start of which no line says that it ended may have hung there.
  if (context.started() && !context.complete()) return false;
  if (context.has_open_end()) return false;
  return context.uses_rdma() || context.paths().rdma() > 0 || context.paths().p2p > 0 || context.complete() ||
         context.seen().has(Event::port_active) || context.seen().has(Event::acs_clean) ||
         has_measured_speed(context) || context.seen().has(Event::gid_v2) ||
         context.seen().has(Event::peers_ok);
}

}  // namespace fabricheck::diagnose
