#include "app/topology_file.hpp"

#include <filesystem>

#include "app/result_file.hpp"
#include "config/targets_file.hpp"
#include "core/error.hpp"
#include "report/journal.hpp"
#include "report/report.hpp"
#include "topology/model/merge.hpp"
#include "topology/readers/readers.hpp"

namespace fabricheck::app {
namespace {

/// A host that its file gives no name has the file's.
ClusterTopology one_host(Host host, const std::string& file) {
  if (host.name.empty()) host.name = std::filesystem::path(file).filename().string();
  return topology::merge_hosts({std::move(host)});
}

}  // namespace

ClusterTopology parse_topology_text(std::string_view text, const std::string& file) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) throw UsageError(file + ": is empty");
  switch (topology::topology_file_kind(text)) {
    case topology::TopologyFileKind::nccl_xml:
      return one_host(topology::read_nccl_xml(text, file), file);
    case topology::TopologyFileKind::hwloc_xml:
      return one_host(topology::read_hwloc_xml(text, file), file);
    case topology::TopologyFileKind::smi_matrix:
      return one_host(topology::read_smi_matrix(text, file), file);
    case topology::TopologyFileKind::json:
      try {
        return report::topology_from_json(text, file);
      } catch (const UsageError&) {
        throw;
      } catch (const Error& error) {
        throw UsageError(error.what());
      }
    case topology::TopologyFileKind::unknown:
      break;
  }
  throw UsageError(
      file +
      ": is none of: our topology.json or result.json, an NCCL topology file (<system>), hwloc's XML "
      "(<topology>), the output of nvidia-smi topo -m");
}

ClusterTopology parse_matrix(std::string_view part, const std::string& file, int first_line) {
  return one_host(topology::read_smi_matrix_part(part, file, first_line), file);
}

ClusterTopology load_topology(const std::string& file) {
  std::error_code unreadable;  // read_text_file() will say why
  if (std::filesystem::is_directory(file, unreadable)) {
    try {
      return read_result(file).topology;
    } catch (const std::exception& error) {
      throw UsageError(error.what());
    }
  }
  return parse_topology_text(config::read_text_file(file, max_result_bytes, "topology file"), file);
}

}  // namespace fabricheck::app
