#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <string_view>
#include <tuple>

#include "core/error.hpp"
#include "topology/judge/gpu_presence.hpp"
#include "topology/judge/judge.hpp"
#include "topology/judge/virtual_machine.hpp"
#include "topology/model/merge.hpp"
#include "topology/model/odd_ones.hpp"
#include "topology/model/paths.hpp"
#include "topology/model/pci_tree.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::topology {
namespace {

void require_good(const Host& host) {
  const std::string name = in_quotes(host.name);
  for (const Gpu& gpu : host.gpus)
    if (gpu.status == "hidden" || gpu.status == "not asked" || is_not_known(gpu))
      throw Error(fmt::format(
          "GPU{} of {} is {}: an expectation is written where all GPUs can be seen, outside of jobs "
          "and containers that hide some",
          gpu.index, name, is_not_known(gpu) ? "not judged: " + printable(gpu.problem) : gpu.status));
  const Judged devices = judge_devices(merge_hosts({host}));
  if (devices.check.verdict == Verdict::fail)
    throw Error(
        fmt::format("{} is no good host to write an expectation from: {}", name, devices.check.reason));
  if (devices.check.verdict == Verdict::skipped)
    throw Error(
        fmt::format("{} has {}: there is nothing to write an expectation from", name, devices.check.reason));
}

/// A glob that matches this text alone.
std::string literal(const std::string& text) {
  std::string glob;
  for (const char c : text) {
    if (c == '*' || c == '?' || c == '[') {
      glob += {'[', c, ']'};
    } else {
      glob += c;
    }
  }
  return glob;
}

/// The least of what the GPUs have; nothing where one of them does not tell.
template <class With>
auto least_of(const std::vector<Gpu>& gpus, With with) -> decltype(with(gpus.front())) {
  decltype(with(gpus.front())) least;
  for (const Gpu& gpu : gpus) {
    const auto value = with(gpu);
    if (!value) return {};
    if (!least || *value < *least) least = value;
  }
  return least;
}

template <class T>
std::optional<T> positive(const std::optional<T>& value) {
  return value && *value > T{} ? value : std::nullopt;
}

std::optional<int> active_nvlinks(const Gpu& gpu) {
  int active = 0;
  for (const NvLink& link : gpu.nvlinks) {
    if (!link.active) return std::nullopt;
    active += *link.active ? 1 : 0;
  }
  return active;
}

void describe_gpus(const Host& host, const PathMatrix& paths, Expectation& expected) {
  expected.gpus = static_cast<int>(host.gpus.size());
  if (host.gpus.empty()) return;
  const bool one_model = std::all_of(host.gpus.begin(), host.gpus.end(),
                                     [&](const Gpu& gpu) { return gpu.name == host.gpus.front().name; });
  if (one_model) expected.gpu_model = literal(host.gpus.front().name);
  auto links = least_of(host.gpus, active_nvlinks);
  const auto given = given_nvlinks(host, paths);
  if (std::all_of(given.begin(), given.end(), [](const auto& told) { return told.has_value(); }))
    links = *std::min_element(given.begin(), given.end());
  if (links && *links > 0) {
    expected.nvlinks_per_gpu = links;
    expected.nvlink_islands = static_cast<int>(nvlink_islands(paths).size());
  }
  expected.gpu_pcie_width = least_of(host.gpus, [&](const Gpu& gpu) {
    const PciNode* const node = pci_node(host, gpu.pci_address);
    return positive(gpu.pcie.width || node == nullptr ? gpu.pcie.width : node->link.width);
  });
  // What they can do: an idle GPU lowers its speed.
  expected.gpu_pcie_speed_GTps = least_of(host.gpus, [&](const Gpu& gpu) {
    const PciNode* const node = pci_node(host, gpu.pci_address);
    return positive(gpu.pcie.max_speed_GTps || node == nullptr ? gpu.pcie.max_speed_GTps
                                                               : node->link.max_speed_GTps);
  });
  const auto switches = std::count_if(host.pci.begin(), host.pci.end(),
                                      [](const PciNode& node) { return node.kind == "nvswitch"; });
  if (switches > 0) expected.nvswitches = static_cast<int>(switches);
  expected.driver_min = host.gpu_driver;
}

/// NICs in use, those that are alike together. Functions of a NIC's virtualisation count only on a machine
/// that has no others.
void describe_nics(const Host& host, Expectation& expected) {
  const bool virtual_only =
      std::all_of(host.rdma_devices.begin(), host.rdma_devices.end(),
                  [](const RdmaDevice& nic) { return nic.virtual_function.value_or(false); });
  using Alike = std::tuple<std::string, std::optional<double>, std::optional<int>, std::optional<double>>;
  std::map<Alike, ExpectedNics> groups;
  for (const RdmaDevice& nic : host.rdma_devices) {
    if ((nic.virtual_function.value_or(false) && !virtual_only) || comes_and_goes(host, nic)) continue;
    const RdmaPort* best = nullptr;
    for (const RdmaPort& port : nic.ports)
      if (port.state == "ACTIVE" && (best == nullptr || port.rate_Gbps > best->rate_Gbps)) best = &port;
    if (best == nullptr) continue;
    const PciNode* const node = pci_node(host, nic.pci_address);
    const PcieLink link = node == nullptr ? PcieLink{} : node->link;
    ExpectedNics& group =
        groups[{best->link_layer, best->rate_Gbps, positive(link.width), positive(link.speed_GTps)}];
    ++group.count;
    group.names.push_back(nic.name);
    group.link_layer = best->link_layer;
    group.rate_Gbps = best->rate_Gbps;
    group.pcie_width = positive(link.width);
    group.pcie_speed_GTps = positive(link.speed_GTps);
  }
  for (auto& [key, group] : groups) expected.nics.push_back(std::move(group));
}

void describe_rails(const Host& host, const PathMatrix& paths, Expectation& expected) {
  int number = 0;
  for (const Rail& rail : rails_of(host, paths)) {
    const RdmaDevice& nic = host.rdma_devices[rail.nic];
    ExpectedRail described{number++, nic.name, ""};
    for (const RdmaPort& port : nic.ports)
      if (port.neighbour && described.leaf.empty()) described.leaf = literal(port.neighbour->switch_name);
    expected.rails.push_back(std::move(described));
  }
}

/// Names that Slurm's gres.conf commonly gives to GPU types. Others are labels that a site made up.
constexpr std::array<std::string_view, 22> kKnownTypes{
    "v100",  "a100", "a800", "h100", "h800", "h200", "h20", "b200", "b300", "gb200", "gb300",
    "gh200", "l4",   "l40",  "l40s", "a10",  "a16",  "a30", "a40",  "t4",   "p100",  "rtx6000"};

std::string model_of_type(std::string type) {
  std::transform(type.begin(), type.end(), type.begin(), [](unsigned char c) { return std::tolower(c); });
  std::size_t from = 0;
  while (from <= type.size()) {
    const std::size_t end = std::min(type.find_first_of("_-", from), type.size());
    const std::string word = type.substr(from, end - from);
    if (std::find(kKnownTypes.begin(), kKnownTypes.end(), word) != kKnownTypes.end()) {
      std::string glob = "*";
      for (const char c : word) glob += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      return glob + "*";
    }
    from = end + 1;
  }
  return {};
}

struct GresItem {
  bool gpu{};
  int count{1};
  std::string type;
};

/// "gpu", "gpu:8", "gpu:h100:8", "gres/gpu:h100=8"; nothing for what is none.
std::optional<GresItem> parse_gres_item(std::string_view text) {
  for (const std::string_view prefix : {"gres/", "gres:"})
    if (text.substr(0, prefix.size()) == prefix) text.remove_prefix(prefix.size());
  std::vector<std::string_view> fields;
  while (true) {
    const std::size_t end = text.find_first_of(":=");
    fields.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  constexpr std::size_t kMostFields = 3;
  if (fields.size() > kMostFields) return std::nullopt;
  for (const std::string_view field : fields)
    if (field.empty() || !std::all_of(field.begin(), field.end(), [](unsigned char c) {
          return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.';
        }))
      return std::nullopt;
  GresItem item;
  item.gpu = fields.front() == "gpu";
  if (!item.gpu || fields.size() == 1) return item;
  constexpr long kMostGpus = 4096;
  const auto count = parse_number(fields.back());
  if (count && (*count < 1 || *count > kMostGpus)) return std::nullopt;
  if (count) item.count = static_cast<int>(*count);
  if (!count && fields.size() == kMostFields) return std::nullopt;
  if (!count || fields.size() == kMostFields) item.type = std::string(fields[1]);
  if (!item.type.empty() && std::isalpha(static_cast<unsigned char>(item.type.front())) == 0)
    return std::nullopt;
  return item;
}

/// The text without what is in parentheses, "(IDX:0-3)", which may hold commas; nothing where they do not
/// match.
std::optional<std::string> without_parentheses(const std::string& text) {
  std::string result;
  int depth = 0;
  for (const char c : text) {
    if (c == '(') ++depth;
    if (c == ')' && --depth < 0) return std::nullopt;
    if (depth == 0 && c != ')') result += c;
  }
  if (depth != 0) return std::nullopt;
  return result;
}

}  // namespace

Expectation expectation_from(const Host& host) {
  require_good(host);
  Expectation expected;
  expected.source = "host " + host.name;
  const PathMatrix paths = paths_of(host);
  describe_gpus(host, paths, expected);
  describe_nics(host, expected);
  describe_rails(host, paths, expected);
  if (!host.environment.hypervisor.empty()) expected.virtual_machine = host.environment.hypervisor != "none";
  return expected;
}

std::optional<Expectation> expectation_from_gres(const std::string& gres) {
  const auto plain = without_parentheses(gres);
  if (!plain) return std::nullopt;
  int gpus = 0;
  std::vector<std::string> models;
  std::size_t from = 0;
  while (from <= plain->size()) {
    const std::size_t end = std::min(plain->find(',', from), plain->size());
    const auto item = parse_gres_item(std::string_view(*plain).substr(from, end - from));
    if (!item) return std::nullopt;
    if (item->gpu) {
      gpus += item->count;
      models.push_back(model_of_type(item->type));
    }
    from = end + 1;
  }
  if (gpus == 0) return std::nullopt;
  Expectation expected;
  expected.source = "Slurm GRES " + printable(gres);
  expected.gpus = gpus;
  if (std::all_of(models.begin(), models.end(),
                  [&](const std::string& model) { return model == models.front(); }))
    expected.gpu_model = models.front();
  return expected;
}

}  // namespace fabricheck::topology
