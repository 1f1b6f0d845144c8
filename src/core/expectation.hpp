// What a node should have, as told from outside of what is tested. Unset: not asked for.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace fabricheck {

/// NICs that are alike.
struct ExpectedNics {
  int count{};
  std::vector<std::string> names;  ///< "mlx5_0", …; empty: any
  std::string link_layer;          ///< "Ethernet", "InfiniBand"; empty: any
  std::optional<double> rate_Gbps;
  std::string firmware;
  std::optional<int> pcie_width;
  std::optional<double> pcie_speed_GTps;
  bool operator==(const ExpectedNics&) const = default;
};

/// Which leaf switch a rail is cabled to.
struct ExpectedRail {
  int rail{};        ///< from 0, as the topology numbers them
  std::string nic;   ///< "mlx5_0"
  std::string leaf;  ///< glob over switch names, "leaf-r0-*"; empty: not told
  bool operator==(const ExpectedRail&) const = default;
};

struct Expectation {
  std::string source;  ///< the file, "Slurm GRES", "DMI product p5.48xlarge"
  std::optional<int> gpus;
  std::string gpu_model;               ///< glob over NVML's name, "NVIDIA H100 80GB HBM3"
  std::optional<int> nvlinks_per_gpu;  ///< active ones
  std::optional<int> nvlink_islands;   ///< 1: all GPUs reach each other
  std::optional<int> nvswitches;
  std::optional<int> gpu_pcie_width;
  std::optional<double> gpu_pcie_speed_GTps;
  std::string driver_min, driver_max;  ///< both included, compared number by number
  std::vector<ExpectedNics> nics;
  std::vector<ExpectedRail> rails;
  std::optional<bool> virtual_machine;
  bool operator==(const Expectation&) const = default;
};

}  // namespace fabricheck
