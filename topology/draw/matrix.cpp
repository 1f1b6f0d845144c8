// The matrix that `nvidia-smi topo -m` prints, with NICs by name, and what follows from it.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "topology/draw/arrange.hpp"
#include "topology/draw/draw.hpp"
#include "topology/draw/groups.hpp"
#include "topology/draw/words.hpp"
#include "topology/model/host_names.hpp"

namespace fabricheck::topology {
namespace {

struct Meaning {
  PathType type;
  std::string_view word;
  std::string_view meaning;
};
constexpr std::array kLegend{
    Meaning{PathType::self, "X", "the device itself"},
    Meaning{PathType::nvlink, "NV#", "# NVLinks"},
    Meaning{PathType::pix, "PIX", "over one PCI bridge or switch at most"},
    Meaning{PathType::pxb, "PXB", "over several PCI bridges, not over the host bridge of the CPU"},
    Meaning{PathType::phb, "PHB", "over one host bridge of the CPU"},
    Meaning{PathType::node, "NODE", "over several host bridges of one NUMA node"},
    Meaning{PathType::sys, "SYS", "over the link between NUMA nodes"},
    Meaning{PathType::unknown, "?", "not known"},
};

using Row = std::vector<std::string>;

void collect(const SwitchBox& box, std::vector<std::size_t>& gpus) {
  gpus.insert(gpus.end(), box.gpus.begin(), box.gpus.end());
  for (const SwitchBox& inside : box.inside) collect(inside, gpus);
}

/// Names, cells, and the CPUs and NUMA node of each GPU.
std::vector<Row> rows_of(const Group& group) {
  const PathMatrix& paths = group.paths;
  std::vector<Row> rows(paths.ends.size() + 1);
  rows[0].emplace_back();
  for (const Endpoint& end : paths.ends) rows[0].push_back(end.name);
  rows[0].emplace_back("CPU Affinity");
  rows[0].emplace_back("NUMA Affinity");
  for (std::size_t row = 0; row < paths.ends.size(); ++row) {
    rows[row + 1].push_back(paths.ends[row].name);
    for (std::size_t column = 0; column < paths.ends.size(); ++column)
      rows[row + 1].push_back(path_name(paths.at(row, column)));
  }
  for (const NumaBox& box : arrange(group.example)) {
    std::vector<std::size_t> gpus;
    collect(box.top, gpus);
    for (const std::size_t gpu : gpus) {
      rows[gpu + 1].push_back(box.node && !box.node->cpus.empty() ? box.node->cpus : "N/A");
      rows[gpu + 1].push_back(box.index ? fmt::format("{}", *box.index) : "N/A");
    }
  }
  return rows;
}

std::string aligned(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += fmt::format("{:<{}}  ", row[i], widths[i]);
    text += line.substr(0, line.find_last_not_of(' ') + 1) + '\n';
  }
  return text;
}

/// A device that does not answer has cells like any other: what PCI shows of it.
std::string absent_words(const Host& host) {
  std::vector<std::string> parts;
  for (const Gpu& gpu : host.gpus)
    if (const auto words = status_words(host, gpu); !words.empty())
      parts.push_back(fmt::format("GPU{} {}", gpu.index, words));
  for (const RdmaDevice& nic : host.rdma_devices)
    if (const auto words = status_words(nic); !words.empty()) parts.push_back(nic.name + " " + words);
  return join(parts, "; ");
}

std::string body(const Group& group) {
  const Host& host = group.example;
  if (group.paths.ends.empty()) return missing_sentence(host) + '\n';
  std::string text = aligned(rows_of(group)) + '\n';
  const auto line = [&](std::string_view label, const std::string& words) {
    if (!words.empty()) text += fmt::format("{}: {}\n", label, words);
  };
  const std::string islands = island_words(host, group.paths);
  line("NVLink islands", islands.empty() ? no_island_words(host, group.paths) : islands);
  line("Rails", rail_words(host, group.paths, group.rails));
  line("Look at", absent_words(host));
  for (const std::string& sentence : odd_words(host, group.paths)) line("Look at", sentence);
  line("Note", flat_words(host));
  return text;
}

struct Table {
  std::string body;
  std::vector<std::string> names;
  std::size_t hosts{};
};

}  // namespace

std::string draw_matrix(const ClusterTopology& cluster) {
  std::vector<Table> tables;
  std::set<PathType> used;
  for (const Group& group : groups_of(cluster, GroupBy::look)) {
    for (const Path& cell : group.paths.cells) used.insert(cell.type);
    const std::string text = body(group);
    auto table =
        std::find_if(tables.begin(), tables.end(), [&](const Table& one) { return one.body == text; });
    if (table == tables.end()) {
      tables.push_back({text, {}, 0});
      table = tables.end() - 1;
    }
    table->hosts += group.hosts.size();
    for (const std::size_t host : group.hosts) table->names.push_back(name_of(cluster.hosts[host]));
  }
  std::stable_sort(tables.begin(), tables.end(),
                   [](const Table& a, const Table& b) { return a.hosts > b.hosts; });
  std::string text;
  for (const Table& table : tables) {
    text += fold_names(table.names);
    if (table.hosts > 1) text += fmt::format("  ({} hosts)", table.hosts);
    text += "\n" + table.body + "\n";
  }
  if (tables.empty()) return "0 hosts\n";
  if (used.empty()) return text;
  text += "Legend:\n";
  for (const Meaning& entry : kLegend)
    if (used.count(entry.type) > 0) text += fmt::format("  {:<4}  {}\n", entry.word, entry.meaning);
  return text;
}

}  // namespace fabricheck::topology
