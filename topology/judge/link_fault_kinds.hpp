// What can be wrong with the setting of an RDMA port: the one table of roce.config and ib.config, beside what
// attribute_table.hpp has of differences between hosts. Private to this folder.
//
// bad: a job that was started as this one is loses bandwidth, packets or its connections. info: it is worth
// knowing, and may be meant.
#pragma once

#include "topology/judge/attributes.hpp"
#include "topology/judge/device_fault_kinds.hpp"

namespace fabricheck::topology::link {

inline constexpr FaultKind gid_wrong{
    "roce-wrong-gid",
    Severity::bad,
    "nic",
    "NCCL_IB_GID_INDEX",
    "NCCL was told a GID index that is no RoCE v2 entry with an address on this port, which has one "
    "elsewhere: "
    "connections time out, or stay inside one VLAN",
    "unset NCCL_IB_GID_INDEX (NCCL 2.21 and later find the entry), or set it to the index that is named here",
    "show_gids; grep . /sys/class/infiniband/DEVICE/ports/PORT/gid_attrs/types/*",
    "likely"};
inline constexpr FaultKind gid_link_local{
    "roce-link-local",
    Severity::info,
    "nic",
    "has no GID with an address, only",
    "the port's net device has no address: RDMA works inside one VLAN at most, and NCCL uses it all the same",
    "give the net device an address (ip addr add ADDRESS/LENGTH dev NETDEV), or keep the port out of "
    "NCCL_IB_HCA and "
    "UCX_NET_DEVICES",
    "ip addr show dev NETDEV; show_gids",
    "certain"};
inline constexpr FaultKind only_version_1{
    "roce-v1-only",
    Severity::info,
    "nic",
    "has no RoCE v2 GID, only",
    "RoCE v1 packets are not routed and have no DSCP: they stay inside one VLAN and in no class of their own",
    "load the driver with RoCE v2 (cma_roce_mode -d DEVICE -p PORT -m 2; firmware setting ROCE_CONTROL)",
    "show_gids",
    "certain"};
inline constexpr FaultKind class_lossy{
    "roce-class-not-lossless",
    Severity::bad,
    "nic",
    "the job's traffic class",
    "the job sends in a priority without PFC while another one has it: its packets are dropped where they "
    "should "
    "wait, and each loss stalls a connection",
    "set NCCL_IB_TC (and UCX_IB_TRAFFIC_CLASS, --traffic-class) to the DSCP of the lossless priority times "
    "4, or turn on "
    "PFC for the priority that is used: mlnx_qos -i NETDEV --pfc 0,0,0,1,0,0,0,0",
    "mlnx_qos -i NETDEV; dcb pfc show dev NETDEV; ethtool -S NETDEV | grep prio",
    "likely"};
inline constexpr FaultKind class_lossy_by_default{"roce-class-not-lossless",
                                                  Severity::info,
                                                  "nic",
                                                  "traffic class 0, for none was told:",
                                                  "without NCCL_IB_TC NCCL sends in a priority without PFC "
                                                  "while another one has it; jobs that set it do not",
                                                  "set NCCL_IB_TC for jobs to the DSCP of the lossless "
                                                  "priority times 4, and run with it or --traffic-class",
                                                  "mlnx_qos -i NETDEV; dcb pfc show dev NETDEV",
                                                  "possible"};
inline constexpr FaultKind trust_pcp{
    "roce-trust-not-dscp",
    Severity::info,
    "nic",
    "sorts packets by VLAN priority, not by DSCP:",
    "a traffic class of the job is not looked at: without a VLAN all its packets are of priority 0",
    "mlnx_qos -i NETDEV --trust dscp, on the switch ports, too; or send in a VLAN with the priority wanted",
    "mlnx_qos -i NETDEV | grep -i trust",
    "likely"};
inline constexpr FaultKind nothing_lossless{"roce-pfc-off",
                                            Severity::info,
                                            "nic",
                                            "is lossy:",
                                            "neither PFC nor flow control of the link is on: RDMA relies on "
                                            "congestion control alone, and loses packets in "
                                            "bursts",
                                            "unless that is meant, turn on PFC for RDMA's priority on NICs "
                                            "and switches: mlnx_qos -i NETDEV --pfc 0,0,0,1,0,0,0,0",
                                            "mlnx_qos -i NETDEV; dcb pfc show dev NETDEV; ethtool -a NETDEV",
                                            "certain"};
inline constexpr FaultKind ecn_off{
    "roce-ecn-off",
    Severity::info,
    "nic",
    "ECN is off in the job's priority",
    "senders do not slow down when switches mark their packets: queues fill until PFC stops whole ports",
    "echo 1 to /sys/class/net/NETDEV/ecn/roce_np/enable/PRIORITY and roce_rp/enable/PRIORITY, and turn ECN "
    "on in the "
    "switches",
    "grep . /sys/class/net/NETDEV/ecn/roce_*/enable/*",
    "likely"};
inline constexpr FaultKind rate_reduced = fault::kind_of(fabricheck::fault::link_rate_reduced, "rate");
inline constexpr FaultKind width_reduced =
    fault::kind_of(fabricheck::fault::link_width_reduced, "link width");
inline constexpr FaultKind mtu_small{
    "rdma-mtu-small",
    Severity::info,
    "nic",
    "RDMA MTU",
    "packets are smaller than the port can send: more of them, more headers, less bandwidth",
    "set the net device's MTU to 4200 or more (ip link set dev NETDEV mtu 9000) on all hosts and switch "
    "ports, or on "
    "InfiniBand the partition's MTU in the subnet manager",
    "ibv_devinfo | grep mtu; ip link show NETDEV",
    "certain"};
inline constexpr FaultKind no_subnet_manager =
    fault::kind_of(fabricheck::fault::no_subnet_manager, "has no subnet manager:");
inline constexpr FaultKind partition_limited{
    "ib-pkey",
    Severity::bad,
    "nic",
    "partition key",
    "the port is a limited member of the partition that jobs use: limited members cannot reach each other",
    "make it a full member in the subnet manager's partitions.conf, or tell jobs the index of a full one "
    "(NCCL_IB_PKEY, "
    "UCX_IB_PKEY)",
    "grep . /sys/class/infiniband/DEVICE/ports/PORT/pkeys/*",
    "likely"};
inline constexpr FaultKind memlock{
    "memlock",
    Severity::bad,
    "host",
    "lockable memory",
    "RDMA needs memory that may be locked: registration of buffers fails with ENOMEM",
    "ulimit -l unlimited in the job; '* soft memlock unlimited' and '* hard memlock unlimited' in "
    "/etc/security/limits.conf; LimitMEMLOCK=infinity for slurmd or the container runtime",
    "ulimit -l",
    "certain"};

// What hosts are compared by, beside the attributes of topology.consistency.
inline constexpr const char* differs = "the port is set up differently from the same port of the other hosts";
inline constexpr Attribute trust{{"roce-trust-mismatch", Severity::bad, "nic", "trust", differs,
                                  "mlnx_qos -i NETDEV --trust dscp, as on the others", "mlnx_qos -i NETDEV",
                                  "certain"}};
inline constexpr Attribute pfc{
    {"roce-pfc-mismatch", Severity::bad, "nic", "lossless priorities:",
     "packets that wait on the other hosts are dropped on this one, or the other way round",
     "mlnx_qos -i NETDEV --pfc 0,0,0,1,0,0,0,0, as on the others",
     "mlnx_qos -i NETDEV; dcb pfc show dev NETDEV", "certain"}};
inline constexpr Attribute dscp_map{
    {"roce-dscp-map-mismatch", Severity::bad, "nic",
     "priorities of DSCPs:", "a job's packets are of another priority on this host than on the others",
     "mlnx_qos -i NETDEV --dscp2prio set,DSCP,PRIORITY, as on the others",
     "mlnx_qos -i NETDEV; dcb app show dev NETDEV", "certain"}};
inline constexpr Attribute ecn{
    {"roce-ecn-mismatch", Severity::bad, "nic", "ECN:",
     "this host answers congestion in another way than the others, and takes or loses "
     "bandwidth at their cost",
     "write the others' values to /sys/class/net/NETDEV/ecn/roce_np/enable/* and "
     "roce_rp/enable/*",
     "grep . /sys/class/net/NETDEV/ecn/roce_*/enable/*", "certain"}};
inline constexpr Attribute pause{
    {"roce-pause-mismatch", Severity::bad, "nic", "flow control of the link:", differs,
     "ethtool -A NETDEV rx off tx off, where PFC is used", "ethtool -a NETDEV", "certain"}};
inline constexpr Attribute forced_class{
    {"roce-forced-class-mismatch", Severity::bad, "nic", "traffic class that the NIC gives to all:", differs,
     "echo 106 > /sys/class/infiniband/DEVICE/tc/PORT/traffic_class with the others' value",
     "grep . /sys/class/infiniband/DEVICE/tc/*/traffic_class", "certain"}};
inline constexpr Attribute partitions{{"ib-pkey-mismatch", Severity::bad, "nic", "partition keys", differs,
                                       "mend the subnet manager's partitions.conf",
                                       "grep . /sys/class/infiniband/DEVICE/ports/PORT/pkeys/*", "certain"}};
inline constexpr Attribute subnet_manager{
    {"ib-sm-mismatch", Severity::bad, "nic", "subnet manager's LID",
     "the port is in another subnet than the same port of "
     "the others, or two subnet managers are at work",
     "compare the cabling with the plan; look for a second subnet manager", "sminfo; ibstat", "likely"}};
inline constexpr Attribute width{{"ib-width-mismatch", Severity::bad, "link", "link width",
                                  "the slowest link sets the "
                                  "pace of a job, and this one has fewer lanes than the others",
                                  "reseat or replace the cable and its transceivers", "ibstat; iblinkinfo",
                                  "certain"}};

}  // namespace fabricheck::topology::link
