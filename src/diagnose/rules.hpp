// The rules behind the rows of the catalogue. Private to this folder.
#pragma once

#include "diagnose/catalog.hpp"

namespace fabricheck::diagnose {

/// Adds a finding with the row's words and returns it.
Found& add(Findings& found, const CatalogRow& row, const char* confidence = "certain");
const Finding* find(const Findings& found, const FaultText& text);
/// Evidence, host and device of a group.
void cite(const Context& context, Found& finding, const EventGroup& group);
void cite(const Context& context, Found& finding, const Quote* quote);

/// Whether anything tells that a process of the job failed.
bool has_failed(const Context& context);
/// Whether the driver reported an error that is a GPU's own (XID), and no program's.
bool has_gpu_fault(const Context& context);

/// Whether all lines that are quoted hold the words.
bool says(const EventGroup& group, std::string_view words);
bool says(const Finding& finding, std::string_view words);

/// Whether somebody, or Slurm, ended the job before the first line of the group, in the same file.
bool was_ended_before(const Context& context, const EventGroup& group);

/// The row's event was seen, with its code where it has one.
void on_event(const Context& context, const CatalogRow& row, Findings& found);
/// The same, but only where NCCL warned of it or it is of another tool.
void on_warning(const Context& context, const CatalogRow& row, Findings& found);
/// The same, and not sure.
void on_likely(const Context& context, const CatalogRow& row, Findings& found);

namespace rules {
/// Whether the device is of another link layer than most ports that are up: a management or storage network's
/// beside the fabric.
bool is_beside_the_fabric(const Context& context, const std::string& device);

// Network.
void hca_mismatch(const Context&, const CatalogRow&, Findings&);
void async_event(const Context&, const CatalogRow&, Findings&);
void pkey(const Context&, const CatalogRow&, Findings&);
void wrong_gid(const Context&, const CatalogRow&, Findings&);
void roce_unreachable(const Context&, const CatalogRow&, Findings&);
void cross_nic(const Context&, const CatalogRow&, Findings&);
void qp_timeout(const Context&, const CatalogRow&, Findings&);
void mtu_mismatch(const Context&, const CatalogRow&, Findings&);
void remote_access(const Context&, const CatalogRow&, Findings&);
void work_request(const Context&, const CatalogRow&, Findings&);
void memlock(const Context&, const CatalogRow&, Findings&);
void mr_registration(const Context&, const CatalogRow&, Findings&);
void wrong_interface(const Context&, const CatalogRow&, Findings&);
void rdma_abi(const Context&, const CatalogRow&, Findings&);
void no_libibverbs(const Context&, const CatalogRow&, Findings&);
void ib_open_failed(const Context&, const CatalogRow&, Findings&);
void mtu_low(const Context&, const CatalogRow&, Findings&);
void port_errors(const Context&, const CatalogRow&, Findings&);
void remap_pending(const Context&, const CatalogRow&, Findings&);
void rendezvous(const Context&, const CatalogRow&, Findings&);
void job_recovered(const Context&, const CatalogRow&, Findings&);
void gpu_xid(const Context&, const CatalogRow&, Findings&);
void nvswitch_sxid(const Context&, const CatalogRow&, Findings&);
void link_flap(const Context&, const CatalogRow&, Findings&);
void iommu_fault(const Context&, const CatalogRow&, Findings&);
void iommu_not_passthrough(const Context&, const CatalogRow&, Findings&);
void pcie_fatal(const Context&, const CatalogRow&, Findings&);
void pcie_acs(const Context&, const CatalogRow&, Findings&);
void nvlink_down(const Context&, const CatalogRow&, Findings&);
void prolog_failed(const Context&, const CatalogRow&, Findings&);
void not_started(const Context&, const CatalogRow&, Findings&);
void start_not_completed(const Context&, const CatalogRow&, Findings&);
void unexplained(const Context&, const CatalogRow&, Findings&);
void socket_fallback(const Context&, const CatalogRow&, Findings&);
void gdr_disabled(const Context&, const CatalogRow&, Findings&);
void gdr_distance(const Context&, const CatalogRow&, Findings&);
void gdr_not_used(const Context&, const CatalogRow&, Findings&);
void no_subnet_manager(const Context&, const CatalogRow&, Findings&);
void link_width(const Context&, const CatalogRow&, Findings&);
void cable_fault(const Context&, const CatalogRow&, Findings&);
void link_rate(const Context&, const CatalogRow&, Findings&);
void pcie_width(const Context&, const CatalogRow&, Findings&);
void pcie_speed(const Context&, const CatalogRow&, Findings&);
void port_down(const Context&, const CatalogRow&, Findings&);
void single_nic(const Context&, const CatalogRow&, Findings&);
void few_channels(const Context&, const CatalogRow&, Findings&);
void remote_peer_lost(const Context&, const CatalogRow&, Findings&);
// Plugins for the network.
void net_plugin(const Context&, const CatalogRow&, Findings&);
void ofi_call_failed(const Context&, const CatalogRow&, Findings&);
void ofi_missing(const Context&, const CatalogRow&, Findings&);
void ofi_tcp(const Context&, const CatalogRow&, Findings&);
// Collectives that did not end.
void collective_mismatch(const Context&, const CatalogRow&, Findings&);
void program_exception(const Context&, const CatalogRow&, Findings&);
void collective_not_called(const Context&, const CatalogRow&, Findings&);
void collective_timeout(const Context&, const CatalogRow&, Findings&);
// Inside a node.
void fabric_manager(const Context&, const CatalogRow&, Findings&);
void mnnvl(const Context&, const CatalogRow&, Findings&);
void nvls_failed(const Context&, const CatalogRow&, Findings&);
void peer_access(const Context&, const CatalogRow&, Findings&);
void p2p_failed(const Context&, const CatalogRow&, Findings&);
void too_old(const Context&, const CatalogRow&, Findings&);
void bug_upgrade(const Context&, const CatalogRow&, Findings&);
void gpu_memory(const Context&, const CatalogRow&, Findings&);
void program_fault(const Context&, const CatalogRow&, Findings&);
void gpu_hardware(const Context&, const CatalogRow&, Findings&);
void cuda_error(const Context&, const CatalogRow&, Findings&);
void driver_too_old(const Context&, const CatalogRow&, Findings&);
void vm_topology(const Context&, const CatalogRow&, Findings&);
void vm_ats_acs(const Context&, const CatalogRow&, Findings&);
void p2p_disabled(const Context&, const CatalogRow&, Findings&);
void p2p_not_used(const Context&, const CatalogRow&, Findings&);
void nvls_not_used(const Context&, const CatalogRow&, Findings&);
void call_failed(const Context&, const CatalogRow&, Findings&);
// Versions and variables.
void version_mismatch(const Context&, const CatalogRow&, Findings&);
void p2p_by_env(const Context&, const CatalogRow&, Findings&);
void ib_by_env(const Context&, const CatalogRow&, Findings&);
void gdr_by_env(const Context&, const CatalogRow&, Findings&);
void env_mismatch(const Context&, const CatalogRow&, Findings&);
void env_unknown(const Context&, const CatalogRow&, Findings&);
void env_deprecated(const Context&, const CatalogRow&, Findings&);
void env_harmful(const Context&, const CatalogRow&, Findings&);
// The host itself.
void host_memory(const Context&, const CatalogRow&, Findings&);
void before_boot(const Context&, const CatalogRow&, Findings&);
void task_blocked(const Context&, const CatalogRow&, Findings&);
void mpi_daemon_lost(const Context&, const CatalogRow&, Findings&);
void shm_too_small(const Context&, const CatalogRow&, Findings&);
void crashed(const Context&, const CatalogRow&, Findings&);
void job_failed(const Context&, const CatalogRow&, Findings&);
void job_cancelled(const Context&, const CatalogRow&, Findings&);
void process_killed(const Context&, const CatalogRow&, Findings&);
// Speed.
void fabric_side(const Context&, const CatalogRow&, Findings&);
void slower_than_topology(const Context&, const CatalogRow&, Findings&);
// Nothing to mend.
void healthy(const Context&, const CatalogRow&, Findings&);
void healthy_init(const Context&, const CatalogRow&, Findings&);
}  // namespace rules

}  // namespace fabricheck::diagnose
