// What stands between a GPU's memory and a NIC on one host. Pure.
#pragma once

#include <string>
#include <vector>

#include "core/topology_record.hpp"

namespace fabricheck::verbs {

/// Each a part of a sentence, the likeliest first; empty: nothing that shows. Looked at: nvidia_peermem and
/// dmabuf, of which one is needed; ACS on the bridges above GPUs and NICs; an IOMMU that translates; a GPU
/// whose BAR holds less than its memory.
std::vector<std::string> gdr_obstacles(const Host& host);

}  // namespace fabricheck::verbs
