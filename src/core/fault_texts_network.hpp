// Faults of NICs and of the network between nodes. Advice that names a setting of NCCL's is from its
// documentation (Environment Variables, Troubleshooting) or from its maintainers' answers.
#pragma once

#include "core/fault_text.hpp"

namespace fabricheck::fault {

inline constexpr FaultText hca_mismatch{
    "hca-mismatch-between-ranks",
    Severity::fatal,
    "nic",
    "the ranks do not have the same network devices: channels on a device that others lack have no peer, and "
    "the job "
    "hangs or fails",
    "name in NCCL_IB_HCA only the devices that every node has and may open; mend the node that lacks one",
    "ibv_devinfo -l on each node, inside the container"};
inline constexpr FaultText link_layers_mixed{
    "link-layers-mixed",
    Severity::fatal,
    "nic",
    "InfiniBand and Ethernet (RoCE) devices are to work with each other, which they cannot",
    "choose those of one kind: NCCL_IB_HCA=^mlx5_bond_0, for example",
    "ibstat | grep -e CA -e 'Link layer'"};
inline constexpr FaultText ib_device_fatal{
    "ib-device-fatal",
    Severity::fatal,
    "nic",
    "the HCA reported a catastrophic error of its own, or its firmware answered its driver no more: "
    "hardware, firmware or PCIe",
    "look at the kernel log of this node at that time, update the firmware, reseat or replace the HCA",
    "dmesg -T | grep -i mlx5; mstflint -d DEVICE q"};
inline constexpr FaultText nic_tx_timeout{
    "nic-tx-timeout",
    Severity::bad,
    "nic",
    "the NIC did not send what its driver gave it: its firmware or PCIe link hung, pause frames held it, or "
    "its interrupts were not served",
    "update the NIC's firmware; look at its PCIe errors, and at pause frames (PFC) of its port and the "
    "switch's",
    "dmesg -T | grep -i -e 'tx timeout' -e 'netdev watchdog'; ethtool -S NETDEV | grep -e pause -e discard"};
inline constexpr FaultText ib_port_error{
    "ib-port-error",
    Severity::fatal,
    "nic",
    "a port of the HCA lost its link while the job ran",
    "look at the cable, the transceiver and the switch port; NCCL_IB_TIMEOUT=22 rides out a short flap",
    "ibstat; mlxlink -d DEVICE -m -c -e; the switch's log of that time"};
inline constexpr FaultText cable_fault{
    "cable-fault",
    Severity::bad,
    "nic",
    "the NIC's driver reported a fault of the cable or transceiver, or lost the link",
    "reseat or replace the cable or transceiver",
    "mlxlink -d DEVICE -m -c; dmesg -T | grep -i 'port module'"};
inline constexpr FaultText port_errors{
    "port-errors",
    Severity::info,
    "nic",
    "a NIC's port counted errors or lost packets; since when, the counters do not say",
    "read them twice, a minute of the job apart: where they grow, look at the cable and transceiver (symbol "
    "and CRC "
    "errors, link down) or at PFC, ECN and buffers (discards)",
    "mlxlink -d DEVICE -m -c -e; ethtool -S NETDEV; perfquery -x; the switch's counters of that port"};
inline constexpr FaultText link_flap{
    "link-flap",
    Severity::bad,
    "nic",
    "the link of a NIC is down; whether it should be up is not told here",
    "look at the cable, the transceiver and the switch port, where the job uses this NIC",
    "ibstat; ethtool NETDEV; mlxlink -d DEVICE -m -c; the switch's log of that time"};
inline constexpr FaultText roce_gid_table_change{"roce-gid-table-change",
                                                 Severity::fatal,
                                                 "nic",
                                                 "the table of GIDs changed while the job ran: an address of "
                                                 "the interface came, went or was renewed, and connections "
                                                 "that used the old entry are dead",
                                                 "keep the addresses of RoCE interfaces fixed during jobs "
                                                 "(no DHCP renewal, no NetworkManager, no pod that moves the "
                                                 "interface)",
                                                 "show_gids before and after; journalctl -u NetworkManager"};
inline constexpr FaultText ib_pkey{
    "ib-pkey",
    Severity::fatal,
    "cluster",
    "the P_Key at index 0 makes this port a limited member; two limited members may not talk to each other, "
    "and their "
    "packets are dropped",
    "make the ports full members in the subnet manager's partitions.conf, or NCCL_IB_PKEY=INDEX of a key "
    "with bit 15 set",
    "cat /sys/class/infiniband/*/ports/1/pkeys/0 (0xffff, not 0x7fff); ib_write_bw --pkey_index=INDEX"};
inline constexpr FaultText memlock{
    "memlock",
    Severity::fatal,
    "host",
    "the HCA was refused memory (ENOMEM): the limit on locked memory is too low, or its queues ran out",
    "ulimit -l unlimited: LimitMEMLOCK=infinity for slurmd, containerd and sshd, docker run --ulimit "
    "memlock=-1",
    "ulimit -l inside the job"};
inline constexpr FaultText mr_registration{
    "mr-registration-failed",
    Severity::fatal,
    "nic",
    "memory could not be registered with the HCA: for GPU memory that is GPUDirect RDMA, which needs "
    "nvidia_peermem or "
    "DMA-BUF, and an IOMMU and ACS that let it through",
    "load nvidia_peermem (modprobe nvidia_peermem) or use a driver and kernel with DMA-BUF; in a VM look at "
    "ACS and ATS of "
    "the host; NCCL_NET_GDR_LEVEL=LOC goes around it, slower",
    "lsmod | grep peermem; ulimit -l; dmesg -T | grep -i -e iommu -e mlx5; run with NCCL_NET_GDR_LEVEL=LOC"};
inline constexpr FaultText local_protection{
    "ib-local-protection-error",
    Severity::fatal,
    "nic",
    "the HCA may not touch the memory that it was told to send from or receive into (local protection "
    "error): a fault of "
    "memory registration or GPUDirect RDMA, not of the network",
    "NCCL_NET_GDR_LEVEL=LOC or NCCL_DMABUF_ENABLE=0 to see whether it is GPUDirect; then mend "
    "nvidia_peermem, switch off ACS "
    "on the PCIe switches, set the IOMMU to passthrough; update NCCL",
    "run with NCCL_NET_GDR_LEVEL=LOC; ib_write_bw --use_cuda=0 between the two nodes"};
inline constexpr FaultText roce_wrong_gid{"roce-wrong-gid",
                                          Severity::fatal,
                                          "nic",
                                          "the GID that was used does not reach the peer: the index is that "
                                          "of RoCE v1, of a link-local address or of an empty "
                                          "entry, or it differs between nodes",
                                          "NCCL_IB_GID_INDEX=N of the RoCE v2 entry with the interface's "
                                          "IPv4 address (often 3), or unset it and let NCCL 2.21 "
                                          "or later choose; in a container use the host's network namespace",
                                          "show_gids on both nodes; ib_write_bw -x N between them"};
inline constexpr FaultText roce_unreachable{
    "roce-unreachable",
    Severity::fatal,
    "nic",
    "there is no route from this RoCE interface to the peer's address",
    "give the RoCE interfaces addresses that are routed to each other (one subnet per rail, or a route per "
    "interface)",
    "ping -I NETDEV PEER; ip route get PEER oif NETDEV; ib_write_bw -x INDEX"};
inline constexpr FaultText cross_nic_rail{
    "cross-nic-rail-mismatch",
    Severity::fatal,
    "cluster",
    "NICs of different rails were to talk to each other on a network in which only those of one rail can",
    "NCCL_CROSS_NIC=0; the same order of NICs on all nodes",
    "ib_write_bw between NICs of two rails fails, within one it works"};
inline constexpr FaultText qp_timeout{
    "ib-qp-connect-timeout",
    Severity::fatal,
    "nic",
    "the connection of two NICs timed out while it was set up: the peer's address was not resolved, the NICs "
    "cannot reach "
    "each other",
    "look whether these two NICs can talk: on a rail-optimised network NCCL_CROSS_NIC=0, on RoCE the right "
    "GID index, "
    "VLAN, routes and rp_filter=2; in Kubernetes give the pods the RoCE interfaces",
    "ping -I NETDEV PEER; ib_write_bw -d HCA -x INDEX between the same two NICs"};
inline constexpr FaultText mtu_mismatch{
    "mtu-mismatch",
    Severity::fatal,
    "cluster",
    "the MTU is not the same along the path, and large packets are lost",
    "one MTU on NICs and switch ports (9000 on Ethernet, which gives RoCE 4096)",
    "ping -M do -s 8972 PEER; ibv_devinfo | grep active_mtu on each node"};
inline constexpr FaultText retry_exceeded{
    "ib-retry-exceeded",
    Severity::fatal,
    "cluster",
    "the peer's NIC did not acknowledge in time and the HCA gave up (completion error 12): packets do not "
    "get through, or "
    "the peer is gone",
    "find where they are lost: ib_write_bw between the same two NICs with the same GID index; look at the "
    "GID index "
    "(NCCL_IB_GID_INDEX, UCX_IB_GID_INDEX), MTU, P_Key, link errors, PFC and the switch; NCCL_IB_TIMEOUT=22 "
    "only rides out "
    "short congestion",
    "ib_write_bw -d HCA -x INDEX; ethtool -S NETDEV | grep -e discard -e out_of_sequence; perfquery -x"};
inline constexpr FaultText rnr_exceeded{
    "ib-rnr-retry-exceeded",
    Severity::fatal,
    "rank",
    "the peer had no receive buffer ready for too long (completion error 13): its process is stuck or gone",
    "look at the log and the state of the peer's process",
    "the log of the peer at that time"};
inline constexpr FaultText remote_access{
    "ib-remote-access-error",
    Severity::fatal,
    "nic",
    "the peer's HCA refused the access (completion error 9, 10 or 11): the memory there was freed, or "
    "registered wrongly",
    "look at the peer's log; see whether it goes away with NCCL_NET_GDR_LEVEL=LOC; update NCCL",
    "the log of the peer at that time"};
inline constexpr FaultText work_request{
    "ib-work-request-error",
    Severity::fatal,
    "nic",
    "the HCA ended a transfer with an error",
    "the first error on any rank counts: flushed requests (5) only follow it",
    "the log of the peer at that time"};
inline constexpr FaultText verbs_call_failed{
    "verbs-call-failed",
    Severity::fatal,
    "nic",
    "a call of the RDMA library failed",
    "see whether ibv_devinfo and ib_write_bw work in the same environment, as the same user; a call that "
    "makes "
    "something (ibv_create_cq, ibv_create_qp) most often lacks locked memory (ulimit -l unlimited)",
    "ibv_devinfo -v; ib_write_bw; ulimit -l"};
inline constexpr FaultText rendezvous_unreachable{
    "rendezvous-unreachable",
    Severity::fatal,
    "host",
    "the ranks did not meet: PyTorch's store at MASTER_ADDR and MASTER_PORT was not reached, or could not "
    "listen "
    "there; NCCL had not begun",
    "MASTER_ADDR an address of rank 0's node that the others resolve and reach, MASTER_PORT free there and "
    "let "
    "through by the firewall; rank 0 must have started",
    "on another node: nc -vz $MASTER_ADDR $MASTER_PORT while rank 0 waits; on rank 0's: ss -ltnp"};
inline constexpr FaultText wrong_interface{
    "wrong-interface",
    Severity::fatal,
    "host",
    "NCCL's control connections use an interface that does not lead to the other ranks, or that is not there",
    "NCCL_SOCKET_IFNAME=NAME of the interface that the nodes share (a prefix; ^docker,lo,veth leaves some "
    "out); let the "
    "firewall pass TCP between the nodes",
    "ip -br address on each node; nc -z from one node to the address in the log"};
inline constexpr FaultText net_plugin_failed{
    "net-plugin-failed",
    Severity::fatal,
    "software",
    "the network that NCCL was told to use is not there or does not start",
    "NCCL_NET and NCCL_NET_PLUGIN must name a network that is installed; unset them to let NCCL choose",
    "env | grep NCCL_NET; ldconfig -p | grep nccl-net"};
inline constexpr FaultText ofi_missing{"ofi-provider-missing",
                                       Severity::bad,
                                       "nic",
                                       "libfabric finds no provider for the fast network (EFA): the device "
                                       "is not visible here, or libfabric lacks it",
                                       "give the container /dev/infiniband (--device /dev/infiniband/uverbs0 "
                                       "…, vpc.amazonaws.com/efa in Kubernetes), install "
                                       "the EFA installer's libfabric",
                                       "fi_info -p efa in the same container; ls /dev/infiniband"};
inline constexpr FaultText ofi_tcp{
    "ofi-provider-tcp",
    Severity::bad,
    "nic",
    "libfabric took a socket provider instead of the fast network",
    "give the container the EFA devices (/dev/infiniband), install libfabric with efa, FI_PROVIDER=efa",
    "fi_info -p efa in the same container"};
inline constexpr FaultText ofi_unreachable{"ofi-peer-unreachable",
                                           Severity::fatal,
                                           "cluster",
                                           "libfabric cannot reach the peer, or gave up",
                                           "a security group that lets all traffic to and from itself pass; "
                                           "one placement group; the same EFA software everywhere",
                                           "fi_pingpong -p efa between the nodes"};
inline constexpr FaultText ib_open_failed{
    "ib-device-open-failed",
    Severity::bad,
    "nic",
    "an RDMA device is there but cannot be opened: its /dev/infiniband file is missing or forbidden",
    "docker run --device=/dev/infiniband --cap-add=IPC_LOCK, or the RDMA device plugin in Kubernetes; the "
    "cgroup must admit "
    "each uverbs device",
    "ls -l /dev/infiniband; ibv_devinfo, in the container"};
inline constexpr FaultText no_libibverbs{
    "missing-libibverbs",
    Severity::bad,
    "software",
    "libibverbs is not installed here, so NCCL cannot use InfiniBand or RoCE",
    "apt-get install libibverbs1 ibverbs-providers (dnf install libibverbs) in the image",
    "ldconfig -p | grep libibverbs"};
inline constexpr FaultText ib_disabled_by_env{"ib-disabled-by-env",
                                              Severity::bad,
                                              "software",
                                              "a variable keeps NCCL from using InfiniBand or RoCE",
                                              "unset NCCL_IB_DISABLE and NCCL_NET=Socket",
                                              "env | grep -e NCCL_IB_DISABLE -e NCCL_NET"};
inline constexpr FaultText socket_fallback{
    "net-socket-fallback",
    Severity::bad,
    "nic",
    "NCCL talks between nodes over TCP sockets: several times slower than RDMA",
    "make the RDMA devices visible to the job (ibv_devinfo must list them), look at NCCL_IB_HCA and "
    "NCCL_IB_DISABLE; where "
    "there is no RDMA, NCCL_SOCKET_IFNAME of the fastest interface",
    "ibv_devinfo in the job; NCCL_DEBUG=INFO: 'NET/IB : Using'"};
inline constexpr FaultText gdr_disabled_by_env{"gdr-disabled-by-env",
                                               Severity::bad,
                                               "software",
                                               "a variable keeps NCCL from using GPUDirect RDMA",
                                               "unset it (NCCL_NET_GDR_LEVEL, NCCL_IB_CUDA_SUPPORT)",
                                               "env | grep -e GDR -e CUDA_SUPPORT"};
inline constexpr FaultText gdr_disabled{
    "gdr-disabled",
    Severity::bad,
    "nic",
    "GPUDirect RDMA is off for this HCA: data goes through host memory, several times slower",
    "modprobe nvidia_peermem on the host; NCCL up to 2.22 does not see that module where only "
    "/sys/module/nvidia_peermem has "
    "it: update NCCL, or use a kernel and driver with DMA-BUF",
    "lsmod | grep peermem; NCCL_DEBUG=INFO: 'GPU Direct RDMA Enabled', '/GDRDMA' on channels"};
inline constexpr FaultText gdr_distance{
    "gdr-distance-too-large",
    Severity::info,
    "nic",
    "GPU and NIC are too far apart for GPUDirect RDMA by NCCL's rule, so data goes through host memory",
    "let each GPU use a NIC of its own PCIe switch; NCCL_NET_GDR_LEVEL=SYS forces it, which need not be "
    "faster",
    "nvidia-smi topo -m"};
inline constexpr FaultText gdr_not_used{
    "gdr-not-used",
    Severity::info,
    "nic",
    "channels between nodes go without GPUDirect RDMA",
    "look why: nvidia_peermem or DMA-BUF, the distance of GPU and NIC, NCCL_NET_GDR_LEVEL; GPUs that share "
    "memory with the CPU "
    "(GB10) have no use for it",
    "NCCL_DEBUG=INFO NCCL_DEBUG_SUBSYS=INIT,NET,GRAPH: 'GPU Direct RDMA'"};
inline constexpr FaultText few_channels{"few-channels",
                                        Severity::bad,
                                        "software",
                                        "NCCL uses only one or two channels between nodes full of GPUs: one "
                                        "NIC, or a path that it takes for slow",
                                        "let it see all NICs (NCCL_IB_HCA, the plugin's topology file, "
                                        "NCCL_TOPO_FILE); take back NCCL_MAX_NCHANNELS",
                                        "NCCL_DEBUG_SUBSYS=INIT,GRAPH; NCCL_TOPO_DUMP_FILE"};
inline constexpr FaultText fabric_side{
    "fabric-side",
    Severity::bad,
    "cluster",
    "the bandwidth collapses for large messages: congestion or lost packets in the network, not a fault of "
    "NCCL's set-up",
    "look at PFC, ECN and drops on NICs and switches, at adaptive routing, and at single slow links",
    "ethtool -S NETDEV | grep -e pause -e discard -e cnp before and after; ib_write_bw --run_infinitely on "
    "all pairs"};
inline constexpr FaultText port_down{
    "port-down",
    Severity::bad,
    "nic",
    "a port of an RDMA device is down",
    "cable it, or leave it out by NCCL_IB_HCA; where the state is Initializing, look at the subnet manager",
    "ibstat; rdma link; ethtool NETDEV"};
inline constexpr FaultText mtu_low{
    "mtu-low",
    Severity::bad,
    "nic",
    "RDMA packets are small here (an Ethernet MTU of 1500 gives 1024): more packets, less bandwidth",
    "ip link set NETDEV mtu 9000 on the NICs and jumbo frames on the switch ports",
    "ibv_devinfo | grep active_mtu"};
inline constexpr FaultText collnet_failed{"sharp-not-used",
                                          Severity::info,
                                          "cluster",
                                          "SHARP (CollNet) could not be started; NCCL goes on without it",
                                          "look at sharp_am and the plugin's log, or NCCL_COLLNET_ENABLE=0",
                                          "sharp_hello"};
inline constexpr FaultText remote_peer_lost{
    "remote-peer-lost",
    Severity::fatal,
    "rank",
    "the peer's process or its node went away: this rank only saw the connection close",
    "the cause is in the log of the peer that went first; look at its node (out of memory, XID, link)",
    "the logs of all ranks: which ended first"};
inline constexpr FaultText single_nic{"single-nic",
                                      Severity::info,
                                      "nic",
                                      "all GPUs of a node share one NIC for traffic between nodes",
                                      "where the node has more NICs, let NCCL see them (NCCL_IB_HCA)",
                                      "ibv_devinfo -l"};
inline constexpr FaultText ofi_call_failed{"ofi-call-failed",
                                           Severity::fatal,
                                           "nic",
                                           "a call of libfabric failed in NCCL's plugin for it",
                                           "see whether fi_pingpong works in the same environment; bring "
                                           "libfabric, plugin and kernel driver to versions that go together",
                                           "FI_LOG_LEVEL=warn; fi_info -p efa; dmesg -T | grep -i efa"};

inline constexpr FaultText rdma_abi{
    "rdma-core-mismatch",
    Severity::bad,
    "nic",
    "the user part of the NIC's driver (rdma-core) does not fit the kernel's, so verbs cannot use this NIC",
    "install the rdma-core that belongs to the kernel's driver, in the container too (the vendor's package "
    "with the "
    "vendor's driver)",
    "ibv_devinfo; modinfo of the driver against the package of rdma-core"};

}  // namespace fabricheck::fault
