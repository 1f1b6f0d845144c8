// The JSON members of the topology record, named once for the reader and the writer. Private to src/report.
#pragma once

#include <concepts>
#include <type_traits>

#include "core/topology_record.hpp"

namespace fabricheck::report {

template <class Record, class Named>
concept Is = std::same_as<std::remove_const_t<Record>, Named>;

// members(visit, record) calls visit("key", record.field) for each member, in the order in which they are
// written.

template <class Visit, Is<PcieLink> Record>
void members(Visit& visit, Record& link) {
  visit("speed_GTps", link.speed_GTps);
  visit("width", link.width);
  visit("max_speed_GTps", link.max_speed_GTps);
  visit("max_width", link.max_width);
}

template <class Visit, Is<PciNode> Record>
void members(Visit& visit, Record& node) {
  visit("address", node.address);
  visit("parent", node.parent);
  visit("root", node.root);
  visit("kind", node.kind);
  visit("ids", node.ids);
  visit("driver", node.driver);
  visit("numa_node", node.numa_node);
  visit("link", node.link);
  visit("virtual_function", node.virtual_function);
  visit("acs", node.acs);
  visit("max_payload_bytes", node.max_payload_bytes);
  visit("max_read_request_bytes", node.max_read_request_bytes);
  visit("relaxed_ordering", node.relaxed_ordering);
  visit("largest_bar_bytes", node.largest_bar_bytes);
}

template <class Visit, Is<Gid> Record>
void members(Visit& visit, Record& gid) {
  visit("index", gid.index);
  visit("address", gid.address);
  visit("type", gid.type);
  visit("net_device", gid.net_device);
}

template <class Visit, Is<Neighbour> Record>
void members(Visit& visit, Record& neighbour) {
  visit("switch_name", neighbour.switch_name);
  visit("switch_port", neighbour.switch_port);
  visit("source", neighbour.source);
}

template <class Visit, Is<PortClasses> Record>
void members(Visit& visit, Record& classes) {
  visit("trust", classes.trust);
  visit("pfc", classes.pfc);
  visit("dscp_priority", classes.dscp_priority);
  visit("ecn_answers", classes.ecn_answers);
  visit("ecn_slows", classes.ecn_slows);
  visit("pause_receive", classes.pause_receive);
  visit("pause_send", classes.pause_send);
  visit("forced_traffic_class", classes.forced_traffic_class);
}

template <class Visit, Is<RdmaPort> Record>
void members(Visit& visit, Record& port) {
  visit("number", port.number);
  visit("link_layer", port.link_layer);
  visit("state", port.state);
  visit("rate_Gbps", port.rate_Gbps);
  visit("gids", port.gids);
  visit("physical_state", port.physical_state);
  visit("active_mtu_bytes", port.active_mtu_bytes);
  visit("max_mtu_bytes", port.max_mtu_bytes);
  visit("net_device", port.net_device);
  visit("net_mtu_bytes", port.net_mtu_bytes);
  visit("lid", port.lid);
  visit("subnets", port.subnets);
  visit("neighbour", port.neighbour);
  visit("link_width", port.link_width);
  visit("max_rate_Gbps", port.max_rate_Gbps);
  visit("sm_lid", port.sm_lid);
  visit("pkeys", port.pkeys);
  visit("classes", port.classes);
}

template <class Visit, Is<RdmaDevice> Record>
void members(Visit& visit, Record& device) {
  visit("name", device.name);
  visit("board", device.board);
  visit("firmware", device.firmware);
  visit("pci_address", device.pci_address);
  visit("numa_node", device.numa_node);
  visit("ports", device.ports);
  visit("status", device.status);
  visit("ids", device.ids);
  visit("node_guid", device.node_guid);
  visit("virtual_function", device.virtual_function);
}

template <class Visit, Is<NvLink> Record>
void members(Visit& visit, Record& link) {
  visit("index", link.index);
  visit("active", link.active);
  visit("version", link.version);
  visit("speed_GBps", link.speed_GBps);
  visit("remote", link.remote);
  visit("remote_pci_address", link.remote_pci_address);
}

template <class Visit, Is<NvLinkErrors> Record>
void members(Visit& visit, Record& errors) {
  visit("index", errors.index);
  visit("replay", errors.replay);
  visit("recovery", errors.recovery);
  visit("crc_flit", errors.crc_flit);
  visit("crc_data", errors.crc_data);
}

template <class Visit, Is<GpuHealth> Record>
void members(Visit& visit, Record& health) {
  visit("ecc_corrected", health.ecc_corrected);
  visit("ecc_uncorrected", health.ecc_uncorrected);
  visit("ecc_corrected_lifetime", health.ecc_corrected_lifetime);
  visit("ecc_uncorrected_lifetime", health.ecc_uncorrected_lifetime);
  visit("remapped_rows_corrected", health.remapped_rows_corrected);
  visit("remapped_rows_uncorrected", health.remapped_rows_uncorrected);
  visit("remap_pending", health.remap_pending);
  visit("remap_failed", health.remap_failed);
  visit("page_retirement_pending", health.page_retirement_pending);
  visit("throttle_reasons", health.throttle_reasons);
  visit("sm_clock_MHz", health.sm_clock_MHz);
  visit("memory_clock_MHz", health.memory_clock_MHz);
  visit("temperature_C", health.temperature_C);
  visit("power_W", health.power_W);
  visit("pcie_replays", health.pcie_replays);
  visit("nvlink_errors", health.nvlink_errors);
}

template <class Visit, Is<GpuFabric> Record>
void members(Visit& visit, Record& fabric) {
  visit("state", fabric.state);
  visit("status", fabric.status);
  visit("cluster_uuid", fabric.cluster_uuid);
  visit("clique_id", fabric.clique_id);
  visit("health_mask", fabric.health_mask);
}

template <class Visit, Is<Gpu> Record>
void members(Visit& visit, Record& gpu) {
  visit("index", gpu.index);
  visit("name", gpu.name);
  visit("uuid", gpu.uuid);
  visit("pci_address", gpu.pci_address);
  visit("numa_node", gpu.numa_node);
  visit("memory_bytes", gpu.memory_bytes);
  visit("status", gpu.status);
  visit("problem", gpu.problem);
  visit("compute_capability", gpu.compute_capability);
  visit("vbios", gpu.vbios);
  visit("pcie", gpu.pcie);
  visit("nvlinks", gpu.nvlinks);
  visit("fabric", gpu.fabric);
  visit("ecc_enabled", gpu.ecc_enabled);
  visit("mig_enabled", gpu.mig_enabled);
  visit("persistence_mode", gpu.persistence_mode);
  visit("power_limit_W", gpu.power_limit_W);
  visit("default_power_limit_W", gpu.default_power_limit_W);
  visit("max_sm_clock_MHz", gpu.max_sm_clock_MHz);
  visit("max_memory_clock_MHz", gpu.max_memory_clock_MHz);
  visit("bar1_bytes", gpu.bar1_bytes);
  visit("health", gpu.health);
}

template <class Visit, Is<NumaNode> Record>
void members(Visit& visit, Record& node) {
  visit("index", node.index);
  visit("cpus", node.cpus);
  visit("memory_bytes", node.memory_bytes);
}

template <class Visit, Is<HostEnvironment> Record>
void members(Visit& visit, Record& environment) {
  visit("product", environment.product);
  visit("bios", environment.bios);
  visit("hypervisor", environment.hypervisor);
  visit("container", environment.container);
  visit("passthrough", environment.passthrough);
  visit("flat_pci_tree", environment.flat_pci_tree);
  visit("iommu", environment.iommu);
  visit("cpu_governor", environment.cpu_governor);
  visit("transparent_hugepages", environment.transparent_hugepages);
  visit("hugepages_bytes", environment.hugepages_bytes);
  visit("memlock_bytes", environment.memlock_bytes);
  visit("numa_balancing", environment.numa_balancing);
  visit("dmabuf", environment.dmabuf);
  visit("modules", environment.modules);
  visit("software", environment.software);
}

template <class Visit, Is<GivenPaths> Record>
void members(Visit& visit, Record& paths) {
  visit("names", paths.names);
  visit("cells", paths.cells);
}

template <class Visit, Is<Host> Record>
void members(Visit& visit, Record& host) {
  visit("name", host.name);
  visit("source", host.source);
  visit("kernel", host.kernel);
  visit("cpu_model", host.cpu_model);
  visit("cores", host.cores);
  visit("hardware_threads", host.hardware_threads);
  visit("numa_nodes", host.numa_nodes);
  visit("gpus", host.gpus);
  visit("gpu_driver", host.gpu_driver);
  visit("cuda_version", host.cuda_version);
  visit("rdma_devices", host.rdma_devices);
  visit("pci", host.pci);
  visit("environment", host.environment);
  visit("given_paths", host.given_paths);
  visit("unknown", host.unknown);
}

template <class Visit, Is<GpuParticulars> Record>
void members(Visit& visit, Record& own) {
  visit("uuid", own.uuid);
  visit("cluster_uuid", own.cluster_uuid);
  visit("clique_id", own.clique_id);
  visit("health", own.health);
}

template <class Visit, Is<PortParticulars> Record>
void members(Visit& visit, Record& own) {
  visit("gid_addresses", own.gid_addresses);
  visit("subnets", own.subnets);
  visit("lid", own.lid);
  visit("neighbour", own.neighbour);
}

template <class Visit, Is<HostParticulars> Record>
void members(Visit& visit, Record& own) {
  visit("gpus", own.gpus);
  visit("ports", own.ports);
  visit("node_guids", own.node_guids);
  visit("numa_memory_bytes", own.numa_memory_bytes);
}

template <class Visit, Is<HostEntry> Record>
void members(Visit& visit, Record& host) {
  visit("name", host.name);
  visit("kind", host.kind);
  visit("own", host.own);
}

template <class Visit, Is<RankPlace> Record>
void members(Visit& visit, Record& place) {
  visit("rank", place.rank);
  visit("host", place.host);
  visit("local_rank", place.local_rank);
  visit("cpus", place.cpus);
  visit("gpu", place.gpu);
}

template <class Visit, Is<ClusterTopology> Record>
void members(Visit& visit, Record& cluster) {
  visit("kinds", cluster.kinds);
  visit("hosts", cluster.hosts);
  visit("ranks", cluster.ranks);
}

}  // namespace fabricheck::report
