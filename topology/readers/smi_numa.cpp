#include "topology/readers/smi_numa.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "topology/model/cpu_list.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::topology::smi {
namespace {

constexpr long kMostNodes = 4096;

bool is_within_node(std::string_view cell) {
  return cell == "PIX" || cell == "PXB" || cell == "PHB" || cell == "NODE";
}

/// "0,2-17" of a Grace host: the node of its CPUs, then those of GPU memory, which the kernel numbers after
/// all that have CPUs.
std::optional<long> first_apart(std::string_view numa) {
  const std::size_t comma = numa.find(',');
  if (comma == std::string_view::npos) return std::nullopt;
  const auto first = parse_number(numa.substr(0, comma));
  const std::string_view rest = numa.substr(comma + 1);
  const auto next = parse_number(rest.substr(0, rest.find_first_not_of("0123456789")));
  return first && next && *first >= 0 && *next > *first + 1 ? first : std::nullopt;
}

class Placer {
 public:
  Placer(Host& host, const Columns& columns, const std::vector<Affinity>& affinity)
      : host_(host), columns_(columns), affinity_(affinity) {}

  std::vector<std::string> place() {
    take_told_nodes();
    if (without_number_.size() == host_.gpus.size())
      number_lists();
    else
      say_dropped("the file tells node numbers of other GPUs, and none of these");
    std::string names;
    for (std::size_t gpu = 0; gpu < host_.gpus.size(); ++gpu)
      if (!host_.gpus[gpu].numa_node) add_name(names, gpu_name(gpu));
    if (!names.empty()) say(fmt::format("the NUMA node of {} is not told", names));
    std::sort(host_.numa_nodes.begin(), host_.numa_nodes.end(),
              [](const NumaNode& a, const NumaNode& b) { return a.index < b.index; });
    place_nics();
    return std::move(sentences_);
  }

 private:
  void say(std::string sentence) { sentences_.push_back(std::move(sentence)); }

  static void add_name(std::string& names, const std::string& name) {
    names += names.empty() ? name : ", " + name;
  }

  std::string gpu_name(std::size_t gpu) const { return fmt::format("GPU{}", host_.gpus[gpu].index); }
  const Affinity& affinity_of(std::size_t gpu) const { return affinity_[columns_.gpus[gpu]]; }
  const std::string& cell(std::size_t row, std::size_t column) const {
    return host_.given_paths->cells[row][column];
  }

  void take_told_nodes() {
    for (std::size_t gpu = 0; gpu < host_.gpus.size(); ++gpu) {
      const Affinity& told = affinity_of(gpu);
      auto numa = parse_number(told.numa);
      if (!numa) {
        numa = first_apart(told.numa);
        if (numa && !several_said_)
          say(fmt::format(
              "NUMA Affinity {} names several nodes: the first is taken for that of the CPUs, the "
              "others for memory of GPUs",
              in_quotes(told.numa)));
        several_said_ = several_said_ || numa.has_value();
      }
      if (!numa || *numa < 0 || *numa >= kMostNodes) {
        without_number_.push_back(gpu);
        continue;
      }
      host_.gpus[gpu].numa_node = static_cast<int>(*numa);
      add_node(static_cast<int>(*numa), told.cpus, gpu_name(gpu));
    }
  }

  void add_node(int index, const std::string& cpus, const std::string& gpu) {
    const auto known = std::find_if(host_.numa_nodes.begin(), host_.numa_nodes.end(),
                                    [&](const NumaNode& node) { return node.index == index; });
    if (known == host_.numa_nodes.end()) {
      NumaNode node;
      node.index = index;
      node.cpus = cpus;
      host_.numa_nodes.push_back(std::move(node));
    } else if (known->cpus.empty()) {
      known->cpus = cpus;
    } else if (!cpus.empty() && known->cpus != cpus) {
      say(fmt::format("{} has other CPUs than the GPUs before it on NUMA node {}", gpu, index));
    }
  }

  /// Only of GPUs whose CPUs the file tells: a GPU without a row has lost nothing.
  void say_dropped(std::string_view why) {
    std::string names;
    for (const std::size_t gpu : without_number_)
      if (!affinity_of(gpu).cpus.empty()) add_name(names, gpu_name(gpu));
    if (!names.empty()) say(fmt::format("the CPU affinity of {} is left out: {}", names, why));
  }

  void number_lists() {
    std::map<int, std::string> lists;  // by lowest CPU
    std::set<std::string> seen;
    std::set<int> cpus;
    for (const std::size_t gpu : without_number_) {
      const Affinity& told = affinity_of(gpu);
      if (told.cpus.empty() || !seen.insert(told.cpus).second) continue;
      if (!told.numa.empty() && told.numa != "N/A")
        return say_dropped(fmt::format("NUMA Affinity {} is no single node", in_quotes(told.numa)));
      const auto list = parse_cpu_list(told.cpus);
      for (const int cpu : list)
        if (!cpus.insert(cpu).second)
          return say_dropped("the file tells no NUMA node, and the lists of CPUs overlap");
      lists.emplace(list.front(), told.cpus);
    }
    if (lists.empty()) return;
    if (const auto against = contradiction(); !against.empty()) return say_dropped(against);
    std::map<std::string, int> index_of;
    for (const auto& [first, list] : lists) {
      NumaNode node;
      node.index = static_cast<int>(index_of.size());
      node.cpus = list;
      index_of[list] = node.index;
      host_.numa_nodes.push_back(std::move(node));
    }
    for (const std::size_t gpu : without_number_)
      if (!affinity_of(gpu).cpus.empty()) host_.gpus[gpu].numa_node = index_of.at(affinity_of(gpu).cpus);
    say("the numbers of NUMA nodes are not told: each list of CPUs is taken for one node, and the nodes are "
        "numbered in order of their CPUs");
  }

  /// SYS within one list, or a path within a node between two: then lists are not nodes.
  std::string contradiction() const {
    for (std::size_t a = 0; a < host_.gpus.size(); ++a)
      for (std::size_t b = a + 1; b < host_.gpus.size(); ++b) {
        const std::string& one = affinity_of(a).cpus;
        const std::string& other = affinity_of(b).cpus;
        const std::string& path = cell(columns_.gpus[a], columns_.gpus[b]);
        if (one.empty() || other.empty()) continue;
        if (one == other ? path == "SYS" : is_within_node(path))
          return fmt::format(
              "the file tells no NUMA node, and {} between {} and {} does not fit their lists of CPUs", path,
              gpu_name(a), gpu_name(b));
      }
    return "";
  }

  void place_nics() {
    for (std::size_t nic = 0; nic < host_.rdma_devices.size(); ++nic) {
      std::set<int> nodes;
      for (std::size_t gpu = 0; gpu < host_.gpus.size(); ++gpu)
        if (host_.gpus[gpu].numa_node && is_within_node(cell(columns_.nics[nic], columns_.gpus[gpu])))
          nodes.insert(*host_.gpus[gpu].numa_node);
      if (nodes.size() == 1) host_.rdma_devices[nic].numa_node = *nodes.begin();
      if (nodes.size() > 1)
        say(fmt::format("the NUMA node of {} is not known: its paths say NUMA node {} and {}",
                        host_.rdma_devices[nic].name, *nodes.begin(), *nodes.rbegin()));
    }
  }

  Host& host_;
  const Columns& columns_;
  const std::vector<Affinity>& affinity_;
  std::vector<std::size_t> without_number_;
  std::vector<std::string> sentences_;
  bool several_said_{};
};

}  // namespace

std::vector<std::string> place_on_numa_nodes(Host& host, const Columns& columns,
                                             const std::vector<Affinity>& affinity) {
  return Placer(host, columns, affinity).place();
}

}  // namespace fabricheck::topology::smi
