// What a kind of machine is made of and what good ones were seen to reach.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/expectation.hpp"

namespace fabricheck {

/// One sourced number.
struct Figure {
  std::string key;  ///< "gpu.hbm.bandwidth", "nccl.allreduce.busbw": a check's id where there is one
  double value{};
  std::string unit;  ///< "GB/s"
  std::string kind;  ///< "datasheet", "published", "threshold", "derived"
  std::string source;
  std::string url;
  std::map<std::string, std::string>
      conditions;  ///< what the figure holds for: "nodes": "2", "nvls": "on", …
  bool operator==(const Figure&) const = default;
};

/// What only some products of a platform have, for clouds and vendors build different NICs around one board.
struct PlatformVariant {
  std::vector<std::string> products;  ///< of the platform's name and aliases
  std::optional<int> gpus;            ///< of a platform that comes in any number
  std::vector<ExpectedNics> nics;     ///< at least
  bool operator==(const PlatformVariant&) const = default;
};

struct Platform {
  std::string name;                      ///< "dgx-h100"
  std::vector<std::string> aliases;      ///< "p5.48xlarge": product names of clouds
  std::vector<std::string> gpu_names;    ///< as NVML says them
  std::vector<std::string> gpu_pci_ids;  ///< "10de:2330"
  Expectation expected;                  ///< counts and widths that hold for all its products
  std::vector<PlatformVariant> variants;
  std::vector<Figure> figures;
  bool operator==(const Platform&) const = default;
};

}  // namespace fabricheck
