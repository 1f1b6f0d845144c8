// Topology files of other programs, read into the model. The text may come from anyone: whatever is wrong
// with it is one UsageError "FILE:LINE: …", never a crash. What a file cannot tell stays unset and is said in
// Host::unknown.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/topology_record.hpp"
#include "topology/model/cable.hpp"

namespace fabricheck::topology {

/// Largest file that any reader takes; real ones have some 100 KiB.
inline constexpr std::size_t kLargestTopologyFile = std::size_t{16} << 20;

/// NCCL_TOPO_DUMP_FILE (root <system>), NVIDIA's and, best effort, RCCL's. A graph file (root <graphs>) is
/// refused by name.
Host read_nccl_xml(std::string_view text, const std::string& file);

/// `lstopo --of xml`, hwloc 1.x to 3.x (root <topology>).
Host read_hwloc_xml(std::string_view text, const std::string& file);

/// `nvidia-smi topo -m`, also when pasted: terminal escape codes, mpirun tags, glued cells, cut-off rows, NIC
/// legend.
Host read_smi_matrix(std::string_view text, const std::string& file);

/// The same of a part of a file, which begins at `first_line`.
Host read_smi_matrix_part(std::string_view text, const std::string& file, int first_line);

/// Whether the line is the header of such a matrix or the row of a GPU.
bool is_smi_matrix_line(std::string_view line);

enum class TopologyFileKind { nccl_xml, hwloc_xml, smi_matrix, json, unknown };

/// By content, never by the file's name.
TopologyFileKind topology_file_kind(std::string_view text);

/// `ibnetdiscover` output, `lldpctl -f keyvalue` of one or several hosts (lines may begin "HOST: "), or
/// Slurm's topology.conf (hosts by switch, no ports). UsageError "FILE:LINE: …" as above.
std::vector<Cable> read_switch_topology(std::string_view text, const std::string& file);

}  // namespace fabricheck::topology
