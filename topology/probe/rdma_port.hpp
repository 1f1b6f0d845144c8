// The ports of an RDMA device, from sysfs.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/topology_record.hpp"
#include "topology/probe/net.hpp"

namespace fabricheck::topology {

/// What ports need to know of the kernel's network, read once.
struct NetFacts {
  std::string sysroot;
  std::map<std::string, std::vector<std::string>> subnets;
  std::vector<std::string> hidden;  ///< net devices that GIDs name and that are not there
};

/// Reads one attribute; a missing one is a sentence, and an empty text.
std::string rdma_attribute(const std::filesystem::path& file, std::vector<std::string>& unknown);

/// Of sys/class/infiniband/NAME.
std::vector<RdmaPort> rdma_ports(const std::filesystem::path& device, NetFacts& net,
                                 std::vector<std::string>& unknown);

}  // namespace fabricheck::topology
