#include "topology/judge/host_expectation.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/glob.hpp"
#include "topology/judge/expectation_kinds.hpp"
#include "topology/judge/file_limits.hpp"
#include "topology/judge/gpu_presence.hpp"
#include "topology/model/odd_ones.hpp"
#include "topology/model/paths.hpp"
#include "topology/model/pci_tree.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::topology {
namespace {

constexpr double kSame = 0.99;

std::string gpu_name(const Gpu& gpu) { return fmt::format("GPU{}", gpu.index); }

std::string of(int found, int expected) { return fmt::format("{} of {}", found, expected); }

/// As a topology file of a virtual machine, which leaves them out.
bool tells_no_nvlink(const Host& host) {
  return std::all_of(host.gpus.begin(), host.gpus.end(), [](const Gpu& gpu) { return gpu.nvlinks.empty(); });
}

/// A hypervisor keeps the NVSwitches; the links that lead to them show.
bool leads_to_switches(const Host& host) {
  return std::any_of(host.gpus.begin(), host.gpus.end(), [](const Gpu& gpu) {
    return std::any_of(gpu.nvlinks.begin(), gpu.nvlinks.end(), [](const NvLink& link) {
      return link.remote == "switch" && link.active.value_or(false);
    });
  });
}

void compare_gpu_count(const Host& host, int expected, Lacks& lacks) {
  int there = 0;
  int not_judged = 0;
  std::vector<std::string> silent;
  for (const Gpu& gpu : host.gpus) {
    if (answers(gpu)) {
      ++there;
    } else if (gpu.status == "hidden" || gpu.status == "not asked" || is_not_known(gpu) ||
               is_behind_another(host, gpu)) {
      ++not_judged;
    } else {
      silent.push_back(gpu_name(gpu));
    }
  }
  if (there >= expected) return;
  if (there + not_judged >= expected) {
    lacks.unknown.push_back(fmt::format(
        "{} of {} GPUs are hidden from this process or their state is not known", not_judged, expected));
    return;
  }
  if (silent.empty() && may_be_a_part(host, there + not_judged, expected)) {
    lacks.unknown.push_back(fmt::format(
        "whether it has more than the {} of {} GPUs that the file shows, which may be all that its "
        "job or container was given",
        there + not_judged, expected));
    return;
  }
  constexpr std::size_t kMostListed = 8;
  lacks.lacks(
      lack::gpus, "",
      of(there + not_judged, expected) +
          (silent.empty() ? "" : fmt::format(" ({} not answering)", joined(silent, ", ", kMostListed))));
}

/// `given`: what a matrix tells.
void compare_nvlink_count(const Host& host, const Gpu& gpu, const std::optional<int>& given, int expected,
                          Lacks& lacks) {
  const auto names_nvlink = [](const std::string& sentence) {
    return sentence.find("NVLink") != std::string::npos;
  };
  const auto counted = std::count_if(gpu.nvlinks.begin(), gpu.nvlinks.end(),
                                     [](const NvLink& link) { return link.active.value_or(false); });
  const auto active = given.value_or(static_cast<int>(counted));
  const auto not_known = std::count_if(gpu.nvlinks.begin(), gpu.nvlinks.end(),
                                       [](const NvLink& link) { return !link.active.has_value(); });
  if (active >= expected) return;
  // A driver that answered and told no link means none; a file that tells no link does not tell.
  const bool told =
      given || file_tells_nvlinks(host) ||
      (!host.gpu_driver.empty() && std::none_of(host.unknown.begin(), host.unknown.end(), names_nvlink));
  if (active + not_known >= expected || (gpu.nvlinks.empty() && !told)) {
    lacks.unknown.push_back(fmt::format("the NVLinks of {}", gpu_name(gpu)));
  } else if (gpu.mig_enabled.value_or(false)) {
    lacks.unknown.push_back(fmt::format("the NVLinks of {}, which MIG does not use", gpu_name(gpu)));
  } else {
    lacks.lacks(lack::nvlinks, gpu_name(gpu), of(active, expected));
  }
}

void compare_width(const std::string& part, const std::optional<int>& width, int expected, Lacks& lacks) {
  if (!width || *width <= 0) {
    lacks.unknown.push_back(fmt::format("the PCIe width of {}", printable(part)));
  } else if (*width < expected) {
    lacks.lacks(lack::pcie_width, part, fmt::format("x{} instead of x{}", *width, expected));
  }
}

void compare_speed(const std::string& part, const std::optional<double>& speed_GTps, double expected_GTps,
                   Lacks& lacks) {
  if (!speed_GTps || *speed_GTps <= 0) {
    lacks.unknown.push_back(fmt::format("the PCIe speed of {}", printable(part)));
  } else if (*speed_GTps < kSame * expected_GTps) {
    lacks.lacks(lack::pcie_speed, part, fmt::format("{:g} instead of {:g} GT/s", *speed_GTps, expected_GTps));
  }
}

void compare_gpu_pcie(const Host& host, const Gpu& gpu, const Expectation& expected, Lacks& lacks) {
  PcieLink link = gpu.pcie;
  if (const PciNode* const node = pci_node(host, gpu.pci_address); node != nullptr) {
    if (!link.width) link.width = node->link.width;
    if (!link.speed_GTps) link.speed_GTps = node->link.speed_GTps;
    if (!link.max_speed_GTps) link.max_speed_GTps = node->link.max_speed_GTps;
  }
  if (expected.gpu_pcie_width && is_nccl_file(host) && link.width.value_or(0) >= *expected.gpu_pcie_width)
    lacks.unknown_once("how many PCIe lanes are in use, for NCCL writes how many there can be");
  else if (expected.gpu_pcie_width)
    compare_width(gpu_name(gpu), link.width, *expected.gpu_pcie_width, lacks);
  if (!expected.gpu_pcie_speed_GTps) return;
  // An idle GPU lowers its speed: what it can do is asked for.
  std::optional<double> speed = link.speed_GTps;
  if (link.max_speed_GTps && (!speed || *link.max_speed_GTps > *speed)) speed = link.max_speed_GTps;
  compare_speed(gpu_name(gpu), speed, *expected.gpu_pcie_speed_GTps, lacks);
}

void compare_islands(const Host& host, int expected, Lacks& lacks) {
  if (host.gpus.empty()) return;
  const PathMatrix paths = paths_of(host);
  std::size_t islands = 0;
  // GPUs that are lost are missed by their number.
  for (const auto& island : nvlink_islands(paths))
    if (std::any_of(island.begin(), island.end(), [&](std::size_t gpu) { return answers(host.gpus[gpu]); }))
      ++islands;
  if (islands <= static_cast<std::size_t>(expected)) return;
  bool known = false;
  for (std::size_t a = 0; a < host.gpus.size(); ++a)
    for (std::size_t b = a + 1; b < host.gpus.size(); ++b)
      known = known || paths.at(a, b).type == PathType::nvlink;
  for (const Gpu& gpu : host.gpus) known = known || !gpu.nvlinks.empty();
  const bool split = std::any_of(host.gpus.begin(), host.gpus.end(),
                                 [](const Gpu& gpu) { return gpu.mig_enabled.value_or(false); });
  if (split) {
    lacks.unknown.emplace_back("which GPUs NVLink joins, which MIG does not use");
  } else if (known || !host.gpu_driver.empty()) {
    lacks.lacks(lack::islands, "", fmt::format("{} instead of {}", islands, expected));
  } else {
    lacks.unknown.emplace_back("which GPUs NVLink joins");
  }
}

void compare_driver(const Host& host, const Expectation& expected, Lacks& lacks) {
  if (expected.driver_min.empty() && expected.driver_max.empty()) return;
  if (host.gpu_driver.empty()) {
    lacks.unknown.emplace_back("the GPU driver's version");
    return;
  }
  const auto outside = [&](const std::string& bound, int wrong, const char* word) {
    if (bound.empty()) return;
    const auto order = compare_versions(host.gpu_driver, bound);
    if (!order) {
      lacks.unknown.push_back(
          fmt::format("whether driver {} is {} {}", in_quotes(host.gpu_driver), word, bound));
    } else if (*order == wrong) {
      lacks.lacks(lack::driver, "",
                  fmt::format("{}, expected {} {}", printable(host.gpu_driver), word, bound));
    }
  };
  outside(expected.driver_min, -1, "at least");
  outside(expected.driver_max, 1, "at most");
}

void compare_machine(const Host& host, bool virtual_machine, Lacks& lacks) {
  const std::string& hypervisor = host.environment.hypervisor;
  if (hypervisor.empty()) {
    lacks.unknown.emplace_back("whether it is a virtual machine");
  } else if ((hypervisor != "none") != virtual_machine) {
    lacks.lacks(lack::virtual_machine, "",
                virtual_machine
                    ? "bare metal, expected a virtual machine"
                    : fmt::format("a virtual machine ({}), expected bare metal", printable(hypervisor)));
  }
}

/// The numbers of a version; nothing where it has other parts.
std::optional<std::vector<long>> numbers(const std::string& version) {
  std::vector<long> result;
  std::size_t from = 0;
  while (true) {
    const std::size_t dot = version.find('.', from);
    const auto number = parse_number(version.substr(from, dot - from));
    if (!number || *number < 0) return std::nullopt;
    result.push_back(*number);
    if (dot == std::string::npos) return result;
    from = dot + 1;
  }
}

}  // namespace

std::optional<int> compare_versions(const std::string& version, const std::string& bound) {
  const auto mine = numbers(version);
  const auto limit = numbers(bound);
  if (!mine || !limit) return std::nullopt;
  for (std::size_t i = 0; i < limit->size(); ++i) {
    const long number = i < mine->size() ? (*mine)[i] : 0;
    if (number != (*limit)[i]) return number < (*limit)[i] ? -1 : 1;
  }
  return 0;
}

void compare_gpus(const Host& kind, const Expectation& expected, Lacks& lacks) {
  if (expected.gpus) compare_gpu_count(kind, *expected.gpus, lacks);
  const PathMatrix paths = paths_of(kind);
  const auto given = given_nvlinks(kind, paths);
  for (std::size_t i = 0; i < kind.gpus.size(); ++i) {
    const Gpu& gpu = kind.gpus[i];
    if (!answers(gpu)) continue;
    if (!expected.gpu_model.empty() && gpu.name.empty()) {
      lacks.unknown.push_back(fmt::format("the model of {}", gpu_name(gpu)));
    } else if (!expected.gpu_model.empty() && !glob_matches(expected.gpu_model, gpu.name)) {
      lacks.lacks(lack::gpu_model, gpu_name(gpu),
                  fmt::format("{}, expected {}", in_quotes(gpu.name), in_quotes(expected.gpu_model)));
    }
    if (expected.nvlinks_per_gpu) compare_nvlink_count(kind, gpu, given[i], *expected.nvlinks_per_gpu, lacks);
    compare_gpu_pcie(kind, gpu, expected, lacks);
  }
  if (expected.nvlinks_per_gpu)
    for (const OddOne& odd : odd_ones(kind, paths))
      if (odd.kind == OddOne::Kind::nvlink_pair) lacks.lacks(lack::nvlinks, odd.part, odd.what);
  const bool any_answers = std::any_of(kind.gpus.begin(), kind.gpus.end(), answers);
  if (!any_answers && !expected.gpus &&
      (!expected.gpu_model.empty() || expected.nvlinks_per_gpu || expected.gpu_pcie_width ||
       expected.gpu_pcie_speed_GTps || expected.nvlink_islands))
    lacks.unknown.emplace_back("its GPUs, for none answers");
  if (expected.nvlink_islands) compare_islands(kind, *expected.nvlink_islands, lacks);
  if (expected.nvswitches) {
    const auto found = static_cast<int>(std::count_if(
        kind.pci.begin(), kind.pci.end(), [](const PciNode& node) { return node.kind == "nvswitch"; }));
    if (kind.pci.empty() && *expected.nvswitches > 0) {
      lacks.unknown.emplace_back("its NVSwitches, for its PCI devices are not known");
    } else if (found == 0 && *expected.nvswitches > 0 && tells_no_nvlink(kind)) {
      lacks.unknown.emplace_back("its NVSwitches, for nothing tells of NVLinks");
    } else if (found == 0 && is_foreign_file(kind) && leads_to_switches(kind)) {
      lacks.unknown.emplace_back("its NVSwitches: NVLinks lead to some, and the file shows none");
    } else if (found < *expected.nvswitches) {
      lacks.lacks(lack::nvswitches, "", of(found, *expected.nvswitches));
    }
  }
  compare_driver(kind, expected, lacks);
  if (expected.virtual_machine) compare_machine(kind, *expected.virtual_machine, lacks);
}

}  // namespace fabricheck::topology
