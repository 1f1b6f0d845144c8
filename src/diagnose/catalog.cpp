#include "diagnose/catalog.hpp"

#include "core/fault_texts.hpp"
#include "diagnose/rules.hpp"

namespace fabricheck::diagnose {
namespace {

using E = Event;

CatalogRow row(const FaultText& text, Rule rule, std::initializer_list<const FaultText*> causes = {}) {
  CatalogRow made{&text, rule};
  std::size_t i = 0;
  for (const FaultText* cause : causes) made.causes.at(i++) = cause;
  return made;
}

CatalogRow row(const FaultText& text, Rule rule, Event event,
               std::initializer_list<const FaultText*> causes = {}, int code = 0) {
  CatalogRow made = row(text, rule, causes);
  made.event = event;
  made.code = code;
  return made;
}

/// What is an echo of whatever else went wrong.
CatalogRow echo(const FaultText& text, Rule rule, Event event = Event::count_) {
  CatalogRow made = row(text, rule, event);
  made.follows_anything = true;
  return made;
}

const std::vector<CatalogRow>& rows() {
  using namespace fault;
  static const std::vector<CatalogRow> table{
      // What stops a job, the deeper cause before the more general one.
      row(fabric_manager_down, rules::fabric_manager),
      row(mnnvl_imex, rules::mnnvl),
      row(nvls_failed, rules::nvls_failed, {&fabric_manager_down}),
      row(shm_too_small, rules::shm_too_small, E::shm_failed),
      row(shm_attach, on_warning, E::shm_attach_failed, {&shm_too_small}),
      row(version_mismatch, rules::version_mismatch),
      row(driver_too_old, rules::driver_too_old),
      row(duplicate_gpu, on_event, E::duplicate_gpu),
      row(rank_count, on_event, E::rank_check_in),
      row(link_layers_mixed, on_event, E::link_layers_mixed),
      row(hca_mismatch, rules::hca_mismatch),
      row(ib_device_fatal, rules::async_event),
      row(roce_gid_table_change, rules::async_event),
      row(ib_port_error, rules::async_event, {&ib_device_fatal}),
      row(ib_pkey, rules::pkey),
      row(memlock, rules::memlock),
      row(mr_registration, rules::mr_registration, {&memlock}),
      row(pcie_acs, rules::pcie_acs),
      row(local_protection, on_event, E::completion_error, {&mr_registration, &pcie_acs}, 4),
      row(roce_wrong_gid, rules::wrong_gid, {&roce_gid_table_change}),
      row(roce_unreachable, rules::roce_unreachable, {&roce_wrong_gid}),
      row(cross_nic_rail, rules::cross_nic),
      row(mtu_mismatch, rules::mtu_mismatch),
      row(qp_timeout, rules::qp_timeout, {&cross_nic_rail, &roce_wrong_gid, &ib_port_error}),
      row(retry_exceeded, on_event, E::completion_error,
          {&roce_gid_table_change, &ib_device_fatal, &ib_port_error, &ib_pkey, &roce_wrong_gid,
           &mtu_mismatch},
          12),
      row(rnr_exceeded, on_event, E::completion_error, {}, 13),
      row(remote_access, rules::remote_access),
      row(work_request, rules::work_request,
          {&retry_exceeded, &local_protection, &remote_access, &ib_device_fatal, &ib_port_error}),
      row(rendezvous_unreachable, rules::rendezvous, E::rendezvous_failed),
      row(wrong_interface, rules::wrong_interface),
      row(nvlink_p2p_broken, on_event, E::p2p_disabled_nvlink),
      row(peer_access, rules::peer_access, E::peer_access_failed, {&nvlink_p2p_broken}),
      row(p2p_failed_container, rules::p2p_failed, {&mnnvl_imex, &nvlink_p2p_broken, &peer_access}),
      row(no_transport, on_event, E::no_transport, {&net_plugin_failed}),
      row(nccl_too_old, rules::too_old),
      row(nccl_bug, rules::bug_upgrade, {&nccl_too_old}),
      row(collective_mismatch, rules::collective_mismatch, E::collective_mismatch,
          {&env_mismatch, &version_mismatch}),
      row(gpu_memory, rules::gpu_memory),
      row(node_failed, on_event, E::node_failed),
      row(prolog_failed, rules::prolog_failed, E::prolog_failed),
      row(host_memory, rules::host_memory, E::host_memory),
      row(host_memory_error, on_event, E::memory_error),
      row(kernel_panic, on_event, E::kernel_panic, {&host_memory_error}),
      row(driver_mismatch, on_event, E::driver_mismatch),
      row(container_failed, on_event, E::container_failed, {&driver_mismatch}),
      row(mpi_launch_failed, on_event, E::launch_failed),
      row(mpi_not_started, rules::not_started, E::not_started, {&mpi_launch_failed}),
      row(mpi_daemon_lost, rules::mpi_daemon_lost, E::daemon_lost, {&node_failed, &kernel_panic}),
      row(gpu_access_lost, on_likely, E::gpu_access_lost),
      row(driver_down, on_event, E::driver_down),
      row(program_fault, rules::program_fault, E::program_fault, {&gpu_xid, &gpu_hardware, &gpu_lost}),
      row(gpu_lost, on_event, E::gpu_lost),
      row(fabric_registration_failed, on_event, E::fabric_refused),
      row(gpu_recovery, on_event, E::recovery_needed),
      row(sram_errors, on_event, E::sram_errors),
      row(fabric_unhealthy, on_event, E::fabric_unhealthy),
      row(remap_failed, on_event, E::remap_failed),
      row(remap_pending, rules::remap_pending, E::remap_pending),
      row(page_retirement_pending, on_event, E::retirement_pending),
      row(ecc_uncorrected, on_event, E::ecc_uncorrected),
      row(hardware_throttle, on_likely, E::gpu_throttled),
      row(nvlink_errors, on_likely, E::nvlink_errors),
      row(port_errors, rules::port_errors),
      row(gpu_hardware, rules::gpu_hardware, E::gpu_hardware, {&gpu_lost, &gpu_xid}),
      row(net_plugin_failed, rules::net_plugin),
      row(file_limit, on_event, E::file_limit),
      row(thread_limit, on_event, E::thread_limit),
      row(ofi_unreachable, on_likely, E::ofi_failed),
      row(ofi_call_failed, rules::ofi_call_failed),
      row(wrong_results, on_event, E::wrong_results),
      echo(verbs_call_failed, on_warning, E::verbs_failed),
      echo(cuda_error, rules::cuda_error),
      // What makes a job slow.
      row(ib_disabled_by_env, rules::ib_by_env),
      row(ofi_missing, rules::ofi_missing, E::ofi_no_provider),
      row(ofi_tcp, rules::ofi_tcp, {&ofi_missing}),
      row(ib_open_failed, rules::ib_open_failed, {&hca_mismatch}),
      row(no_libibverbs, rules::no_libibverbs),
      row(p2p_disabled_by_env, rules::p2p_by_env),
      row(gdr_disabled_by_env, rules::gdr_by_env),
      row(gdr_disabled, rules::gdr_disabled, {&gdr_disabled_by_env}),
      row(vm_topology, rules::vm_topology),
      row(vm_ats_acs, rules::vm_ats_acs),
      row(iommu_fault, rules::iommu_fault),
      row(iommu_not_passthrough, rules::iommu_not_passthrough, E::iommu_not_passthrough),
      row(pcie_fatal, rules::pcie_fatal),
      row(gpu_xid, rules::gpu_xid),
      row(gsp_timeout, on_event, E::gsp_timeout, {&gpu_xid}),
      row(rdma_abi, rules::rdma_abi, E::rdma_abi),
      row(nvswitch_sxid, rules::nvswitch_sxid),
      row(nic_tx_timeout, on_event, E::nic_tx_timeout, {&ib_device_fatal, &pcie_fatal}),
      row(cable_fault, rules::cable_fault, E::module_event),
      row(link_flap, rules::link_flap, {&cable_fault}),
      row(pcie_width_reduced, rules::pcie_width, E::pcie_narrow),
      row(pcie_speed_reduced, rules::pcie_speed, E::pcie_slow),
      row(port_down, rules::port_down),
      row(no_subnet_manager, rules::no_subnet_manager),
      row(link_width_reduced, rules::link_width),
      row(link_rate_reduced, rules::link_rate),
      row(nvlink_down, rules::nvlink_down, {&fabric_manager_down}),
      row(cpu_stuck, on_likely, E::cpu_stuck, {&gpu_xid}),
      row(task_blocked, rules::task_blocked, E::task_blocked, {&gpu_xid, &cpu_stuck}),
      row(few_channels, rules::few_channels, {&vm_topology, &topology_file}),
      row(socket_fallback, rules::socket_fallback,
          {&ib_disabled_by_env, &ofi_missing, &ofi_tcp, &ib_open_failed, &no_libibverbs, &net_plugin_failed}),
      row(topology_file, on_event, E::topology_file_failed),
      row(mtu_low, rules::mtu_low, {&mtu_mismatch}),
      row(ras_straggler, on_event, E::ras_mismatch),
      row(fabric_side, rules::fabric_side),
      row(slower_than_topology, rules::slower_than_topology,
          {&socket_fallback, &gdr_disabled, &vm_topology, &p2p_disabled_by_env, &few_channels, &fabric_side}),
      row(env_mismatch, rules::env_mismatch),
      row(gdr_distance, rules::gdr_distance, {&vm_topology}),
      row(p2p_not_supported, rules::p2p_disabled),
      row(p2p_disabled, rules::p2p_disabled),
      row(gdr_not_used, rules::gdr_not_used, {&gdr_disabled, &gdr_disabled_by_env, &gdr_distance}),
      row(nvls_not_used, rules::nvls_not_used),
      row(collnet_failed, on_warning, E::collnet_failed),
      row(p2p_not_used, rules::p2p_not_used,
          {&p2p_disabled_by_env, &p2p_not_supported, &p2p_disabled, &nvlink_p2p_broken}),
      row(program_exception, rules::program_exception),
      // What only saw it.
      echo(crashed, rules::crashed, E::crashed),
      echo(process_killed, rules::process_killed, E::killed),
      echo(collective_not_called, rules::collective_not_called),
      echo(remote_peer_lost, rules::remote_peer_lost),
      echo(collective_timeout, rules::collective_timeout, E::collective_timeout),
      echo(call_failed, rules::call_failed),
      echo(job_failed, rules::job_failed, E::job_failed),
      // Nothing to mend, and remarks.
      row(healthy, rules::healthy),
      row(healthy_init, rules::healthy_init),
      row(unexplained, rules::unexplained),
      row(start_not_completed, rules::start_not_completed),
      row(job_recovered, rules::job_recovered),
      row(before_boot, rules::before_boot),
      row(time_limit, on_event, E::time_limit),
      row(preempted, on_event, E::preempted),
      row(job_cancelled, rules::job_cancelled, E::cancelled),
      row(no_nvswitch, on_event, E::no_nvswitch),
      row(env_unknown, rules::env_unknown),
      row(env_deprecated, rules::env_deprecated),
      row(env_harmful, rules::env_harmful),
      row(single_nic, rules::single_nic),
  };
  return table;
}

}  // namespace

std::span<const CatalogRow> catalog() { return rows(); }

}  // namespace fabricheck::diagnose
