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
  std::string key;  ///< "hbm.bandwidth", "nccl.allreduce.busbw"
  double value{};
  std::string unit;  ///< "GB/s"
  std::string kind;  ///< "datasheet", "published", "threshold", "derived"
  std::string source;
  std::string url;
  std::map<std::string, std::string>
      conditions;  ///< what the figure holds for: "nodes": "2", "nvls": "on", …
  bool operator==(const Figure&) const = default;
};

struct Platform {
  std::string name;                      ///< "dgx-h100"
  std::vector<std::string> aliases;      ///< "p5.48xlarge": product names of clouds
  std::vector<std::string> gpu_names;    ///< as NVML says them
  std::vector<std::string> gpu_pci_ids;  ///< "10de:2330"
  Expectation expected;                  ///< counts and widths
  std::vector<Figure> figures;
  bool operator==(const Platform&) const = default;
};

}  // namespace fabricheck
