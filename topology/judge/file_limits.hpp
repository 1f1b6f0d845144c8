// What a topology file that another program wrote cannot tell. Private to this folder.
#pragma once

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>

#include "core/topology_record.hpp"

namespace fabricheck::topology {

inline bool is_nccl_file(const Host& host) { return host.source == "NCCL XML"; }
inline bool is_smi_matrix(const Host& host) { return host.source == "nvidia-smi topo -m"; }

/// Written by another program: what is not in it is not told.
inline bool is_foreign_file(const Host& host) { return host.source != "live" && host.source != "recorded"; }

/// NCCL writes the GPUs and NICs of one job, and nvidia-smi those that a container was given: as many as a
/// machine is cut into may be no loss. Any other number is what a loss leaves.
inline bool may_be_a_part(const Host& host, int shown, int wanted) {
  if (!is_nccl_file(host) && !is_smi_matrix(host)) return false;
  return shown < wanted && (shown == 0 || wanted % shown == 0);
}

/// nvidia-smi without its legend has numbers for NICs.
inline bool names_no_nics(const Host& host) {
  constexpr std::string_view kFront = "NIC";
  return is_smi_matrix(host) &&
         std::any_of(host.rdma_devices.begin(), host.rdma_devices.end(), [&](const RdmaDevice& nic) {
           const std::string_view name = nic.name;
           return name.size() > kFront.size() && name.substr(0, kFront.size()) == kFront &&
                  std::all_of(name.begin() + kFront.size(), name.end(),
                              [](unsigned char c) { return std::isdigit(c) != 0; });
         });
}

/// Then a GPU of this file without links has none that is up; in a file that tells none of any GPU, nothing
/// is known.
inline bool file_tells_nvlinks(const Host& host) {
  if (!is_foreign_file(host)) return false;
  const auto telling =
      std::count_if(host.gpus.begin(), host.gpus.end(), [](const Gpu& gpu) { return !gpu.nvlinks.empty(); });
  return 2 * static_cast<std::size_t>(telling) > host.gpus.size();
}

}  // namespace fabricheck::topology
