// What two GPUs of a host should reach between them, and what it means where they do not. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "core/finding.hpp"
#include "core/platform.hpp"
#include "core/run_record.hpp"
#include "core/target.hpp"

namespace fabricheck::nvlink {

/// A published rate, scaled to the links of a pair.
struct SourcedRate {
  double GBps{};
  std::string source;  ///< "335 GB/s one way over 18 links: Azure/azurehpc-health-checks …"
  bool operator==(const SourcedRate&) const = default;
};

/// Rates are of one direction. Unset: not known.
struct PairExpectation {
  std::string from, to;                      ///< "GPU2", "GPU5"
  std::string path;                          ///< as nvidia-smi topo says it: "NV18", "PIX", "?"
  std::optional<int> links_up, links_there;  ///< NVLinks between the two: that are up, that there should be
  std::optional<double> link_GBps;           ///< of one link
  std::optional<double> pcie_GBps;           ///< what the slower one's PCIe link carries as payload
  std::optional<SourcedRate> floor;   ///< that good machines were seen not to fall below (kind "threshold")
  std::optional<SourcedRate> likely;  ///< that good machines were seen to reach (kind "published")
  bool operator==(const PairExpectation&) const = default;
};

/// The index into host.gpus of the GPU at this PCI address.
std::optional<std::size_t> gpu_at(const Host& host, const std::string& pci_address);

/// Links that are up: paths_of(). Links that should be there: through NVSwitches the platform's number for a
/// GPU, or without a platform the largest number that any GPU of this host has up; direct ones those that
/// NVML lists with the other GPU at their end, up or down. Rates: figures "nvlink.pair.bandwidth" of the
/// platform (those that say one way, or half of both ways; not those of unstated direction and placeholders),
/// times the share of the platform's links per GPU that the pair should have; no figure is made up.
PairExpectation expect_pair(const Host& host, std::size_t from, std::size_t to, const Platform* platform);

/// The target of nvlink.pair.bandwidth for such a pair. Nothing where no floor is published for it.
std::optional<Target> pair_target(const PairExpectation& expected);

/// "18 links of 25 GB/s one way should give about 396 GB/s (…)".
std::string expected_words(const PairExpectation& expected);

/// GB/s one way, half of what goes both ways; nothing of what is no rate.
std::optional<double> one_way_GBps(const CheckRecord& check);

/// A pair whose NVLink is not used ("nvlink-fallback": it is no faster than PCIe where its links carry more
/// than half as much again, or its copies go through the host) or not whole ("nvlink-links-down"). Such a
/// check is a FAIL with pair_reason() as its reason. `check` is a finished record of one of the checks
/// nvlink.pair.*; of latencies only what its path says is looked at.
std::optional<Finding> pair_finding(const CheckRecord& check, const PairExpectation& expected);

/// Why a check with this finding failed, in the same words for all pairs that should reach the same.
std::string pair_reason(const Finding& finding, const PairExpectation& expected);

/// Adds to check.path what the topology knows: "gpu_from_name", "gpu_to_name", "topology" ("NV18"). Nothing
/// where the path has no two GPUs of this host.
void note_topology(CheckRecord& check, const Host& host);

}  // namespace fabricheck::nvlink
