// NVLinks from hwloc's matrix of bandwidths.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/topology_record.hpp"
#include "topology/readers/xml.hpp"

namespace fabricheck::topology {

/// What an object of the matrix is.
struct NvLinkEnd {
  std::string kind;  ///< "gpu", "switch", "cpu", or "" for anything else
  std::string pci_address;
};

struct BandwidthMatrix {
  std::vector<std::string> objects;  ///< "OSDev:802": type and gp_index
  std::vector<std::uint64_t> MBps;   ///< row by row; the diagonal means nothing
};

/// Of the <distances2> or <distances2hetero> at `index`. UsageError where it is no square of numbers.
BandwidthMatrix bandwidth_matrix(const XmlDocument& document, std::size_t index);

/// Adds the links that the matrix shows; what it does not tell comes back as sentences.
std::vector<std::string> add_nvlinks(std::vector<Gpu>& gpus, const BandwidthMatrix& matrix,
                                     const std::map<std::string, NvLinkEnd>& ends);

}  // namespace fabricheck::topology
