// One host against what it should have. Private to this folder.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/expectation.hpp"
#include "core/topology_record.hpp"
#include "topology/judge/faults.hpp"
#include "topology/model/paths.hpp"

namespace fabricheck::topology {

struct Lack {
  const FaultKind* kind{};
  std::string part;
  std::string what;  ///< what was found and what was expected
};

struct Lacks {
  std::vector<Lack> missing;
  std::vector<std::string> unknown;  ///< what was asked for and is not known, a part of a sentence each
  /// What holds for several parts alike.
  void unknown_once(const std::string& what) {
    if (std::find(unknown.begin(), unknown.end(), what) == unknown.end()) unknown.push_back(what);
  }
  void lacks(const FaultKind& kind, const std::string& part, std::string what) {
    missing.push_back({&kind, part, std::move(what)});
  }
};

/// GPUs, NVLinks, PCIe of GPUs, driver, virtual machine.
void compare_gpus(const Host& kind, const Expectation& expected, Lacks& lacks);

/// NICs of the expectation's groups; each NIC stands for one group only.
void compare_nics(const Host& kind, const Expectation& expected, Lacks& lacks);

/// Rails and their leaf switches, which are each host's own.
void compare_rails(const Host& kind, const HostParticulars& own, const std::vector<Rail>& rails,
                   const Expectation& expected, Lacks& lacks);

/// -1, 0, 1: number by number, as far as `bound` goes: 570.86.15 is within "570". Nothing where one of them
/// is no version.
std::optional<int> compare_versions(const std::string& version, const std::string& bound);

}  // namespace fabricheck::topology
