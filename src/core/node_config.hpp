// How `fabricheck node` is set up on a site. Read by config/, judged by node/.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace fabricheck {

/// Whether a node that fails is drained, or only said to.
enum class DrainMode { observe, drain };

/// What becomes of a node that could not be judged.
enum class OnError { log, drain };

struct FileSystemRule {
  std::string path;
  bool writable{};  ///< a file is made and removed there
  std::optional<std::uint64_t> free_bytes_min;
  bool operator==(const FileSystemRule&) const = default;
};

struct NodeConfig {
  DrainMode mode{DrainMode::observe};
  OnError on_error{OnError::log};
  std::optional<std::chrono::nanoseconds> budget;
  std::vector<std::string> partitions;  ///< act for jobs of these alone; empty: of all
  double max_drain_percent{10};         ///< of a partition's nodes; one node is always allowed
  int max_drain_per_hour{4};            ///< in the cluster; 0: none
  bool resume{};  ///< whether the health check takes back fabricheck's own drain once nothing is wrong
  std::vector<std::string> skip;  ///< globs over check ids

  std::string scontrol{"/usr/bin/scontrol"};
  std::string slurm_conf;  ///< handed to scontrol; empty: scontrol's own
  std::string state_folder{"/var/lib/fabricheck"};
  std::string nvml_library{"libnvidia-ml.so.1"};

  std::string expect_file;  ///< empty: by `gres`, or the product name
  std::string platform;     ///< empty: found out
  std::string gres;         ///< as in gres.conf, "gpu:h100:8"

  std::vector<FileSystemRule> file_systems;
  std::optional<std::uint64_t> shm_bytes_min;
  std::optional<std::uint64_t> memlock_bytes_min;  ///< 2^63-1: without limit
  bool clock_synchronised{};                       ///< whether it has to be
  std::optional<std::chrono::nanoseconds> clock_error_max;
  bool gpudirect{};  ///< whether NICs have to reach GPU memory
  std::vector<int> fatal_xids{48, 64, 79, 95, 119, 120};
  std::map<std::string, double> counters_per_hour_max;  ///< by kind of counter
  bool operator==(const NodeConfig&) const = default;
};

}  // namespace fabricheck
