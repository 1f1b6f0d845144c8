// What one rank's MPI runs on, from MPI's tools interface and from the process itself.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fabricheck::control {

/// Empty or unset is "not known", never "none".
struct MpiTransport {
  std::string library;                           ///< "Open MPI v4.1.4"
  std::string pml;                               ///< the one selected, "ob1", "ucx", "cm"
  std::string mtl;                               ///< below cm: "psm2", "ofi"
  std::optional<std::vector<std::string>> btls;  ///< open, sorted; they carry messages below ob1 only
  /// RDMA devices that this process holds open, sorted: "mlx5_0"; "hfi1_0" of Omni-Path. Who opened them is
  /// not known.
  std::optional<std::vector<std::string>> rdma_devices;
  std::optional<bool> ucx_verbs;  ///< whether UCX's InfiniBand and RoCE transports are loaded
  bool ucx_shared_memory{};       ///< seen; false: not seen
  std::string ucx_version;
  std::string ucx_tls, ucx_net_devices;  ///< as UCX read them: "all", "tcp,self"
  bool operator==(const MpiTransport&) const = default;
};

/// The part that /proc and /sys below `root` tell: rdma_devices, ucx_verbs, ucx_shared_memory.
MpiTransport read_process_transport(const std::string& root);

/// The part that the names of MPI_T's valid control variables tell: pml, mtl, btls.
void read_control_variables(const std::vector<std::string>& names, MpiTransport& transport);

/// UCX_TLS and UCX_NET_DEVICES from what ucp_config_print wrote.
void read_ucx_configuration(std::string_view text, MpiTransport& transport);

/// Everything. Not collective; between MPI_Init and MPI_Finalize, after messages have gone to other ranks.
/// MPI_T opens the components of every framework, which takes a fifth of a second and leaves libraries
/// behind: not before a measurement. Does not throw.
MpiTransport probe_mpi_transport();

/// For the way to rank 0.
std::string pack_transport(const MpiTransport& transport);
/// Throws Error on what pack_transport does not write.
MpiTransport unpack_transport(const std::string& text);

}  // namespace fabricheck::control
