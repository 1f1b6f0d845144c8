// What is there held against what should be there. Pure; each gives one check record and the findings behind
// it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/expectation.hpp"
#include "core/finding.hpp"
#include "core/platform.hpp"
#include "core/run_record.hpp"

namespace fabricheck::topology {

/// How the training job sends, as far as it was told.
struct JobNetwork {
  std::optional<int> traffic_class;  ///< 0 to 255; unset: NCCL's default, 0
  std::optional<int> gid_index;      ///< NCCL_IB_GID_INDEX
  std::optional<int> pkey_index;     ///< NCCL_IB_PKEY
};

/// The priority in which a port sends the job's RDMA packets; nothing where the port does not tell enough.
std::optional<int> priority_of(const RdmaPort& port, const JobNetwork& job);

struct Judged {
  CheckRecord check;  ///< value: how many hosts or parts are at fault; reason says which, folded
  std::vector<Finding> findings;
};

/// `topology.devices`: every device that PCI or a driver's own count shows answers, its links are up, nothing
/// is pending.
Judged judge_devices(const ClusterTopology& cluster);

/// `topology.consistency`: hosts differ from the majority in nothing that matters. One host: SKIPPED. A tie
/// is said to be one and accuses nobody.
Judged judge_consistency(const ClusterTopology& cluster);

/// `topology.expectation`: every host has what `expectation` asks for. What is asked for and not known is
/// INCONCLUSIVE.
Judged judge_expectation(const ClusterTopology& cluster, const Expectation& expectation);

/// `topology.platform`: every host is the platform `named`, or where that is empty the one its DMI product,
/// GPU model and GPU count say; a host with fewer GPUs than its model's platform FAILs and never matches a
/// smaller one.
Judged judge_platform(const ClusterTopology& cluster, std::span<const Platform> platforms,
                      const std::string& named);

/// `roce.config`: every active RoCE port is set up for the job and as the same port of the other hosts. What
/// a driver does not tell is said to be not known, and is no fault. No such port: SKIPPED.
Judged judge_roce_config(const ClusterTopology& cluster, const JobNetwork& job);

/// `ib.config`: the same of InfiniBand ports.
Judged judge_ib_config(const ClusterTopology& cluster, const JobNetwork& job);

/// What a good host has, to hold the others against: for `topology --save-expectation`. Throws Error when the
/// host itself has a device that does not answer, for a broken node must not become the measure.
Expectation expectation_from(const Host& host);

/// From the scheduler's word on this host ("gpu:h100:8" in SLURM_JOB_GRES, gres.conf, or CUDA counts) or its
/// DMI product; nothing when neither tells.
std::optional<Expectation> expectation_from_gres(const std::string& gres);
std::optional<Expectation> expectation_from_product(const Host& host, std::span<const Platform> platforms);

/// Whose figures hold for the GPUs of this cluster.
struct PlatformOfGpus {
  const Platform* platform{};  ///< none: the hosts are of several, or of none that is known
  /// Every host has as many of them as the platform; else only what is of one GPU holds.
  bool whole{};
};
/// By the word of the user, the product or the GPUs, as judge_platform() finds it; where the number of GPUs
/// fits none, by their model alone.
PlatformOfGpus platform_of_gpus(const ClusterTopology& cluster, std::span<const Platform> platforms,
                                const std::string& named);

/// A short table for people: what a machine of this platform has, and its key figures by datasheet, as
/// published and as others' thresholds. Several lines, each ended.
std::string describe_platform(const Platform& platform);

}  // namespace fabricheck::topology
