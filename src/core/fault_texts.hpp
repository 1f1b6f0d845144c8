// The faults that more than one part of the program can find. Advice that names a setting of NCCL's is from
// its documentation (Environment Variables, Troubleshooting) or from its maintainers' answers.
#pragma once

#include "core/fault_text.hpp"

namespace fabricheck::fault {

inline constexpr FaultText fabric_manager_down{
    "fabric-manager-down",
    Severity::fatal,
    "gpu",
    "the NVLink fabric is not initialised (CUDA error 802), so CUDA refuses to start: Fabric Manager is not "
    "running, or "
    "its version is not the driver's",
    "systemctl enable --now nvidia-fabricmanager; install the version that nvidia-smi shows as the driver's; "
    "in a VM "
    "start it on the side that owns the NVSwitches",
    "systemctl status nvidia-fabricmanager; nvidia-smi -q | grep -A4 Fabric (State: Completed)"};
inline constexpr FaultText mnnvl_imex{
    "mnnvl-imex-import-failed",
    Severity::fatal,
    "gpu",
    "GPU memory could not be shared over multi-node NVLink: the IMEX service or channel does not join these "
    "GPUs",
    "run nvidia-imex on all nodes of the domain, give each container the channel "
    "(/dev/nvidia-caps-imex-channels) and "
    "all GPUs of the job on its node; NCCL_MNNVL_ENABLE=0 goes around it at the cost of NVLink between nodes",
    "nvidia-imex-ctl -N; ls /dev/nvidia-caps-imex-channels; run with NCCL_MNNVL_ENABLE=0"};
inline constexpr FaultText nvls_failed{"nvls-failed",
                                       Severity::fatal,
                                       "gpu",
                                       "NVLink SHARP (NVLS) could not set up its multicast memory: the "
                                       "driver, Fabric Manager or NVSwitch does not give it",
                                       "bring driver, Fabric Manager and CUDA to versions that go together "
                                       "and restart Fabric Manager; give the job all GPUs "
                                       "of the partition; until then NCCL_NVLS_ENABLE=0, which is slower",
                                       "run with NCCL_NVLS_ENABLE=0: it starts; nvidia-smi -q | grep -A4 "
                                       "Fabric; journalctl -u nvidia-fabricmanager"};
inline constexpr FaultText shm_too_small{
    "shm-too-small",
    Severity::fatal,
    "host",
    "NCCL could not make its shared memory: /dev/shm is full or too small (Docker gives 64 MB)",
    "docker run --shm-size=1g --ulimit memlock=-1, or --ipc=host; in Kubernetes mount an emptyDir with "
    "medium: Memory "
    "at /dev/shm; remove files that dead jobs left there (rm /dev/shm/nccl-*)",
    "df -h /dev/shm in the container"};
inline constexpr FaultText version_mismatch{
    "version-mismatch",
    Severity::fatal,
    "software",
    "the ranks run different versions of NCCL, which do not work together",
    "install one version everywhere: the same container image, or the same nvidia-nccl package beside "
    "PyTorch; look at "
    "LD_LIBRARY_PATH and LD_PRELOAD",
    "on each node: python -c 'import torch; print(torch.cuda.nccl.version())'; NCCL_DEBUG=VERSION"};
inline constexpr FaultText driver_too_old{
    "driver-too-old",
    Severity::fatal,
    "software",
    "the GPU driver is older than the CUDA that the program was built with, or the program has no code for "
    "this GPU",
    "update the driver, or use a build for an older CUDA (or the cuda-compat package)",
    "nvidia-smi (CUDA Version) against the version that NCCL prints (+cuda…)"};
inline constexpr FaultText duplicate_gpu{"duplicate-gpu",
                                         Severity::fatal,
                                         "rank",
                                         "two ranks were given the same GPU",
                                         "call torch.cuda.set_device(local_rank) before the first "
                                         "communication; start no more ranks on a node than it has GPUs; "
                                         "look at CUDA_VISIBLE_DEVICES",
                                         "print hostname, rank and CUDA_VISIBLE_DEVICES of each rank"};
inline constexpr FaultText rank_count{
    "rank-count-mismatch",
    Severity::fatal,
    "rank",
    "the ranks do not agree on how many they are or which they are: they were not started as one job",
    "give every rank the same world size and each its own number (--nnodes, --node_rank, RANK, WORLD_SIZE); "
    "end what is "
    "left of an earlier job on the same port",
    "print RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT of each rank"};
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
    "the HCA reported a catastrophic error of its own and was reset: hardware, firmware or PCIe",
    "look at the kernel log of this node at that time, update the firmware, reseat or replace the HCA",
    "dmesg -T | grep -i mlx5; mstflint -d DEVICE q"};
inline constexpr FaultText gpu_xid{"gpu-xid",
                                   Severity::bad,
                                   "gpu",
                                   "the driver reported an error of a GPU (XID)",
                                   "look the number up in NVIDIA's XID catalogue; drain the node, reset the "
                                   "GPU (nvidia-smi -r), and send it in where it "
                                   "comes again",
                                   "dmesg -T | grep -i xid; dcgmi diag -r 3"};
inline constexpr FaultText nvswitch_sxid{
    "nvswitch-sxid",
    Severity::bad,
    "nvswitch",
    "an NVSwitch reported an error (SXid)",
    "look the number up in the Fabric Manager guide; restart Fabric Manager and the GPUs after a fatal one",
    "dmesg -T | grep -i sxid; nvidia-smi nvlink -e"};
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
    "(NCCL_IB_GID_INDEX), MTU, P_Key, link errors, PFC and the switch; NCCL_IB_TIMEOUT=22 only rides out "
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
    "see whether ibv_devinfo and ib_write_bw work in the same environment, as the same user",
    "ibv_devinfo -v; ib_write_bw"};
inline constexpr FaultText wrong_interface{
    "wrong-interface",
    Severity::fatal,
    "host",
    "NCCL's control connections use an interface that does not lead to the other ranks, or that is not there",
    "NCCL_SOCKET_IFNAME=NAME of the interface that the nodes share (a prefix; ^docker,lo,veth leaves some "
    "out); let the "
    "firewall pass TCP between the nodes",
    "ip -br address on each node; nc -z from one node to the address in the log"};
inline constexpr FaultText nvlink_p2p_broken{
    "nvlink-p2p-broken",
    Severity::fatal,
    "gpu",
    "GPUs that are joined by NVLink cannot access each other: NVLink or the driver is at fault",
    "reset the GPUs or reboot, look at NVLink's state and errors; a driver and Fabric Manager of one version",
    "nvidia-smi topo -p2p r; nvidia-smi nvlink -s; nvidia-smi nvlink -e"};
inline constexpr FaultText p2p_failed_container{
    "p2p-failed-container",
    Severity::fatal,
    "gpu",
    "GPU memory could not be shared between the processes of a node: they are in containers or namespaces "
    "that are apart, or "
    "do not see each other's GPUs",
    "run the ranks of a node in one container, or with --ipc=host and --pid=host and all its GPUs visible; "
    "else "
    "NCCL_P2P_DISABLE=1, which is slower",
    "run with NCCL_P2P_DISABLE=1: it starts; nvidia-smi -L in each container"};
inline constexpr FaultText peer_access{
    "p2p-access-failed",
    Severity::fatal,
    "gpu",
    "CUDA refused peer access between two GPUs",
    "NCCL_P2P_DISABLE=1 or NCCL_P2P_LEVEL=NVL; look at ACS and IOMMU of the host",
    "nvidia-smi topo -p2p r"};
inline constexpr FaultText no_transport{
    "no-transport",
    Severity::fatal,
    "software",
    "NCCL found no way at all between two ranks",
    "take back what switches paths off: NCCL_P2P_DISABLE, NCCL_SHM_DISABLE, NCCL_NET, NCCL_NET_DISABLE_INTRA",
    "env | grep NCCL"};
inline constexpr FaultText nccl_too_old{
    "nccl-too-old",
    Severity::fatal,
    "software",
    "this NCCL is older than the GPUs or NVSwitches and does not understand how they are joined",
    "update NCCL: Hopper needs 2.15.1 or later, Blackwell 2.25 or later",
    "NCCL_DEBUG=VERSION"};
inline constexpr FaultText nccl_bug{"nccl-bug-upgrade",
                                    Severity::fatal,
                                    "software",
                                    "NCCL's own search of the topology failed: it does not find a network "
                                    "device or a path that it has to have",
                                    "update NCCL; take back NCCL_TOPO_FILE, NCCL_GRAPH_FILE and "
                                    "CUDA_VISIBLE_DEVICES that leave out what it looks for",
                                    "run with another NCCL version; NCCL_TOPO_DUMP_FILE=topo.xml"};
inline constexpr FaultText topology_file{"topology-file-unreadable",
                                         Severity::bad,
                                         "software",
                                         "the file of NCCL_TOPO_FILE cannot be read, so NCCL goes without it",
                                         "give a path that is there in the container, on every node",
                                         "ls -l $NCCL_TOPO_FILE in the job"};
inline constexpr FaultText collective_mismatch{
    "collective-mismatch",
    Severity::fatal,
    "rank",
    "the ranks did not call the same collective with the same size, or have other settings of NCCL",
    "the same environment on all ranks (env | grep NCCL); look at what the ranks call around that point",
    "NCCL_DEBUG_SUBSYS=COLL; TORCH_DISTRIBUTED_DEBUG=DETAIL"};
inline constexpr FaultText gpu_memory{"gpu-out-of-memory",
                                      Severity::fatal,
                                      "gpu",
                                      "GPU memory did not suffice for NCCL's buffers",
                                      "leave NCCL some memory (a smaller model share; fewer communicators), "
                                      "or NCCL_BUFFSIZE and NCCL_MAX_NCHANNELS smaller",
                                      "nvidia-smi on that node: whose memory it is"};
inline constexpr FaultText cuda_error{"cuda-error",
                                      Severity::fatal,
                                      "gpu",
                                      "a CUDA call failed inside NCCL",
                                      "the first error counts: look for an earlier error of the program or, "
                                      "in the kernel log, of the GPU (XID)",
                                      "dmesg -T | grep -i xid; compute-sanitizer; CUDA_LAUNCH_BLOCKING=1"};
inline constexpr FaultText net_plugin_failed{
    "net-plugin-failed",
    Severity::fatal,
    "software",
    "the network that NCCL was told to use is not there or does not start",
    "NCCL_NET and NCCL_NET_PLUGIN must name a network that is installed; unset them to let NCCL choose",
    "env | grep NCCL_NET; ldconfig -p | grep nccl-net"};
inline constexpr FaultText file_limit{"file-limit",
                                      Severity::fatal,
                                      "host",
                                      "the process ran out of open files",
                                      "ulimit -n 65536 or more for the job",
                                      "ulimit -n in the job"};
inline constexpr FaultText thread_limit{"thread-limit",
                                        Severity::fatal,
                                        "host",
                                        "no thread could be started",
                                        "ulimit -u and the cgroup's pids.max higher",
                                        "ulimit -u; cat pids.max"};
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
inline constexpr FaultText p2p_disabled_by_env{
    "p2p-disabled-by-env",
    Severity::bad,
    "software",
    "a variable keeps GPUs of a node from talking to each other directly, NVLink included",
    "unset NCCL_P2P_DISABLE and NCCL_P2P_LEVEL",
    "env | grep NCCL_P2P; NCCL_DEBUG=INFO: 'via P2P'"};
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
inline constexpr FaultText vm_topology{
    "vm-topology",
    Severity::bad,
    "host",
    "this is a virtual PCI tree that hides which GPU is near which NIC, so NCCL chooses paths blindly",
    "give NCCL the real one: NCCL_TOPO_FILE of the provider for this machine type; expose NUMA nodes and PCI "
    "switches to the VM, "
    "pin its vCPUs",
    "nvidia-smi topo -m; lspci -tv; NCCL_TOPO_DUMP_FILE"};
inline constexpr FaultText vm_ats_acs{
    "vm-ats-acs",
    Severity::bad,
    "host",
    "in this VM the PCIe settings ACS and ATS of the host decide over GPUDirect RDMA, and they do not go "
    "together",
    "on the host: ATS on in the NIC and direct translated P2P on in the switches' ACS control",
    "lspci -vvv on the host: ACSCtl, ATSCtl"};
inline constexpr FaultText pcie_acs{"pcie-acs",
                                    Severity::bad,
                                    "host",
                                    "ACS on PCIe bridges sends traffic between GPUs and NICs up to the CPU: "
                                    "GPUDirect is slow, hangs or corrupts data",
                                    "switch ACS off in the BIOS, or setpci -s BRIDGE ECAP_ACS+0x6.w=0000 on "
                                    "each bridge after boot; not where VMs need it",
                                    "lspci -vvv | grep ACSCtl: ReqRedir-, CmpltRedir-, UpstreamFwd-"};
inline constexpr FaultText iommu_fault{"iommu-fault",
                                       Severity::bad,
                                       "host",
                                       "the IOMMU refused accesses of a device",
                                       "iommu=pt on the kernel's command line, or the IOMMU off in the BIOS",
                                       "dmesg -T | grep -e DMAR -e AMD-Vi"};
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
inline constexpr FaultText wrong_results{
    "wrong-results",
    Severity::fatal,
    "cluster",
    "the benchmark found wrong results: data was corrupted on the way or in a GPU",
    "take the nodes out; test each alone and each pair; look at ECC errors, ACS and IOMMU",
    "nccl-tests with -c 1 on single nodes, then pairs"};
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
inline constexpr FaultText nvlink_down{"nvlink-down",
                                       Severity::bad,
                                       "gpu",
                                       "NVLinks of a GPU are not active",
                                       "look at Fabric Manager; reset the GPUs or reboot; reseat the bridge",
                                       "nvidia-smi nvlink -s; nvidia-smi nvlink -e"};
inline constexpr FaultText ras_straggler{
    "ras-mismatch-straggler",
    Severity::bad,
    "rank",
    "some ranks have started other operations than the rest: they do not do the same, or hang",
    "look at what the ranks named there are doing (py-spy dump --pid PID)",
    "ncclras again: whether the counts move"};
inline constexpr FaultText slower_than_topology{
    "slower-than-topology",
    Severity::bad,
    "cluster",
    "the all-reduce reaches less than half of what NICs and NVLink of this topology allow",
    "look at the findings about GPUDirect, paths and channels; measure pairs of nodes",
    "fabricheck run --suite diagnose"};
inline constexpr FaultText p2p_not_supported{
    "p2p-not-supported-gpu",
    Severity::info,
    "gpu",
    "these GPUs have no peer-to-peer over PCIe (GeForce): NCCL goes through host memory",
    "nothing to mend: use GPUs with NVLink or PCIe P2P where it matters",
    "nvidia-smi topo -p2p r"};
inline constexpr FaultText p2p_disabled{
    "p2p-disabled",
    Severity::info,
    "gpu",
    "GPUs of this node cannot access each other over PCIe, so NCCL goes through host memory",
    "where the GPUs can do it: ACS and IOMMU off on the host, in a VM passthrough with P2P; GeForce cards "
    "cannot",
    "nvidia-smi topo -p2p r"};
inline constexpr FaultText p2p_not_used{
    "p2p-not-used-shm",
    Severity::info,
    "gpu",
    "GPUs of one node talk through shared host memory instead of directly",
    "look why: nvidia-smi topo -m and topo -p2p r; NCCL_P2P_LEVEL=SYS allows it between CPU sockets",
    "NCCL_DEBUG=INFO: 'via P2P' on channels"};
inline constexpr FaultText nvls_not_used{
    "nvls-not-used",
    Severity::info,
    "gpu",
    "NVLink SHARP (NVLS) is not used, although it was asked for or these GPUs have it",
    "NCCL 2.18 or later, Fabric Manager with multicast, all GPUs of the node in the job; a list in NCCL_ALGO "
    "must be without empty elements",
    "NCCL_DEBUG=INFO: 'NVLS multicast support is available'"};
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
inline constexpr FaultText collective_timeout{
    "collective-timeout",
    Severity::fatal,
    "rank",
    "a collective did not end in time: a rank is stuck, gone, or did not call it",
    "find the rank that did not arrive (TORCH_NCCL_TRACE_BUFFER_SIZE and its dumps, ncclras); look at its "
    "node",
    "NCCL_DEBUG=INFO on all ranks; py-spy dump"};
inline constexpr FaultText call_failed{
    "nccl-call-failed",
    Severity::fatal,
    "software",
    "NCCL handed an error up, and the line that says why is not in what was given",
    "run again with NCCL_DEBUG=INFO and give the whole log of all ranks",
    "NCCL_DEBUG=INFO"};
inline constexpr FaultText env_mismatch{
    "env-mismatch-between-ranks",
    Severity::bad,
    "software",
    "NCCL's variables differ between ranks",
    "the same environment on all ranks: mpirun -x, srun --export, or one /etc/nccl.conf",
    "env | grep NCCL on each node"};
inline constexpr FaultText healthy{
    "healthy",
    Severity::info,
    "cluster",
    "nothing to mend: network, GPUDirect and paths between GPUs are as they should be in what this log shows",
    "",
    ""};
inline constexpr FaultText healthy_init{
    "healthy-init",
    Severity::info,
    "cluster",
    "what this log shows of NCCL's start is as it should be; it does not show all",
    "",
    ""};
inline constexpr FaultText single_nic{"single-nic",
                                      Severity::info,
                                      "nic",
                                      "all GPUs of a node share one NIC for traffic between nodes",
                                      "where the node has more NICs, let NCCL see them (NCCL_IB_HCA)",
                                      "ibv_devinfo -l"};
inline constexpr FaultText env_unknown{"env-unknown-variable",
                                       Severity::info,
                                       "software",
                                       "this variable is none of NCCL's, so setting it does nothing",
                                       "correct its name",
                                       "NCCL's documentation, Environment Variables"};
inline constexpr FaultText env_deprecated{"env-deprecated-variable",
                                          Severity::info,
                                          "software",
                                          "this variable is out of use",
                                          "set what took its place",
                                          "NCCL's documentation, Environment Variables"};
inline constexpr FaultText env_harmful{
    "env-harmful-variable",
    Severity::info,
    "software",
    "this variable takes away speed or hides faults, and is for debugging only",
    "unset it",
    "env | grep NCCL"};

}  // namespace fabricheck::fault
