#include "synthetic_logs.hpp"

namespace fabricheck::diagnose {
namespace {

constexpr SyntheticLog kLogs[] = {
    {"ib-retry-exceeded", "2.7 to 2.8",
     "a1:10:20 [0] transport/net_ib.cc:700 NCCL WARN NET/IB : Got completion with error 12, opcode 0, len 0, "
     "vendor err 129\n"},
    {"ib-retry-exceeded", "2.10 to 2.17",
     "a1:10:20 [0] transport/net_ib.cc:1100 NCCL WARN NET/IB : Got completion from peer 10.1.1.2<4000> with "
     "error 12, opcode "
     "0, len 0, vendor err 129\n"},
    {"ib-retry-exceeded", "2.20 to 2.27",
     "a1:10:20 [0] transport/net_ib.cc:1700 NCCL WARN NET/IB: Got completion from peer 10.1.1.2<4000> with "
     "status=12 opcode=0 "
     "len=0 vendor err 129 (Recv) localGid ::ffff:10.1.1.1 remoteGids::ffff:10.1.1.2 hca mlx5_0\n"},
    {"ib-retry-exceeded", "2.28",
     "[2026-01-01 10:00:00] a1:10:20 [0] transport/net_ib.cc:2500 NCCL WARN NET/IB: Got completion from peer "
     "10.1.1.2<4000> "
     "with status=IBV_WC_RETRY_EXC_ERR(12) opcode=IBV_WC_SEND(0) reqSize=0 vendor_err=129 req_type=Recv hca "
     "mlx5_0\n"},
    {"ib-retry-exceeded", "2.29 and later",
     "a1:10:20 [0] transport/net_ib/p2p.cc:90 NCCL WARN NET/IB: ncclIbTest: Got completion with error "
     "(devIndex=0, "
     "wc->status=(IBV_WC_RETRY_EXC_ERR)12, wc->opcode=(IBV_WC_SEND)0, wc->wr_id=7, wc->qp_num=9, "
     "wc->byte_len=0)\n"},
    {"ib-local-protection-error", "2.18",
     "a1:10:20 [1] transport/net_ib.cc:1295 NCCL WARN NET/IB : Got completion from peer 10.1.1.2<4000> with "
     "error 4, opcode "
     "32, len 32, vendor err 81 (Send)\n"},
    {"ib-rnr-retry-exceeded", "2.22",
     "a1:10:20 [1] transport/net_ib.cc:1700 NCCL WARN NET/IB: Got completion from peer 10.1.1.2<4000> with "
     "status=13 opcode=0 "
     "len=0 vendor err 135 (Send) hca mlx5_3\n"},
    {"ib-remote-access-error", "2.22",
     "a1:10:20 [1] transport/net_ib.cc:1700 NCCL WARN NET/IB: Got completion from peer 10.1.1.2<4000> with "
     "status=10 opcode=0 "
     "len=0 vendor err 136 (Send) hca mlx5_3\n"},
    {"ib-work-request-error", "2.22",
     "a1:10:20 [1] transport/net_ib.cc:1700 NCCL WARN NET/IB: Got completion from peer 10.1.1.2<4000> with "
     "status=5 opcode=0 "
     "len=0 vendor err 249 (Recv) hca mlx5_3\n"},
    {"ib-device-fatal", "2.7 to 2.19",
     "a1:10:20 [0] transport/net_ib.cc:80 NCCL WARN NET/IB : Got async event : local catastrophic error\n"},
    {"ib-device-fatal", "2.23 and later",
     "a1:10:20 [0] transport/net_ib.cc:140 NCCL WARN NET/IB : mlx5_0:1 async fatal event: local catastrophic "
     "error\n"},
    {"ib-device-fatal", "kernel log",
     "[Thu Jan  1 10:00:00 2026] mlx5_core 0000:18:00.0: print_health_info:420:(pid 0): assert_var[0] "
     "0x00000000\n"},
    {"ib-port-error", "2.20 to 2.22",
     "a1:10:20 [0] transport/net_ib.cc:130 NCCL WARN NET/IB : mlx5_2:1 Got async event : port error\n"},
    {"ib-port-error", "2.28 and later",
     "a1:10:20 [0] transport/net_ib.cc:130 NCCL WARN NET/IB : mlx5_2:1 Got non-fatal async event: port "
     "error(10)\n"},
    {"link-flap", "kernel log",
     "[ 10.1] mlx5_core 0000:18:00.0 ens1np0: Link up\n[ 99.1] mlx5_core 0000:18:00.0 ens1np0: Link down\n"},
    {"ib-port-error", "kernel log, beside an error of the job",
     "[ 99.1] mlx5_core 0000:18:00.0 ens1np0: Link down\n"
     "a1:10:20 [0] transport/net_ib.cc:816 NCCL WARN NET/IB : Got completion with error 12, opcode 0, len 3, "
     "vendor err 129\n"},
    {"roce-gid-table-change", "2.7 to 2.22",
     "a1:10:20 [0] transport/net_ib.cc:73 NCCL WARN NET/IB : Got async event : GID table change\n"
     "a1:10:21 [0] transport/net_ib.cc:816 NCCL WARN NET/IB : Got completion with error 12, opcode 0, len 3, "
     "vendor err 129\n"},
    {"roce-gid-table-change", "2.30",
     "a1:10:20 [0] transport/net_ib/common.cc:73 NCCL WARN NET/IB : mlx5_0:1 GID table changed\n"},
    {"ib-pkey", "sysfs",
     "a1:10:20 [0] transport/net_ib.cc:1700 NCCL WARN NET/IB: Got completion from peer 10.1.1.2<4000> with "
     "status=12 opcode=0 "
     "len=0 vendor err 129 (Recv) hca mlx5_0\n"
     "/sys/class/infiniband/mlx5_0/ports/1/pkeys/0: 0x7fff\n/sys/class/infiniband/mlx5_0/ports/1/pkeys/1: "
     "0x8001\n"},
    {"memlock", "2.19 to 2.21",
     "a1:10:20 [7] misc/ibvwrap.cc:190 NCCL WARN Call to ibv_create_cq failed with error Cannot allocate "
     "memory\n"},
    {"memlock", "2.24 and later",
     "a1:10:20 [7] misc/ibvwrap.cc:190 NCCL WARN Call to ibv_reg_mr failed with error Cannot allocate memory "
     "errno 12\n"},
    {"mr-registration-failed", "2.16 and later",
     "a1:10:20 [0] misc/ibvwrap.cc:170 NCCL WARN Call to ibv_reg_mr_iova2 failed with error Invalid "
     "argument\n"},
    {"mr-registration-failed", "before 2.16",
     "a1:10:20 [0] misc/ibvwrap.cc:150 NCCL WARN Call to ibv_reg_mr failed with error Bad address\n"},
    {"roce-wrong-gid", "2.8",
     "a1:10:20 [0] misc/ibvwrap.cc:284 NCCL WARN Call to ibv_modify_qp failed with error Invalid argument\n"},
    {"roce-wrong-gid", "2.24 and later",
     "a1:10:20 [0] misc/ibvwrap.cc:262 NCCL WARN Call to ibv_modify_qp failed with 61 No data available, on "
     "dev mlx5_1:1, curr "
     "state INIT, next state RTR, local GID index 9, local GID ::, remote GID ::ffff:10.1.1.2\n"},
    {"roce-wrong-gid", "link-local",
     "a1:10:20 [0] transport/net_ib.cc:1700 NCCL WARN NET/IB: Got completion from peer 10.1.1.2<4000> with "
     "status=12 opcode=0 "
     "len=0 vendor err 129 (Recv) localGid fe80::a288:c2ff:fe5b:3ec remoteGidsfe80::a288:c2ff:fe5b:374 hca "
     "mlx5_0\n"},
    {"roce-unreachable", "2.18",
     "a1:10:20 [0] misc/ibvwrap.cc:187 NCCL WARN Call to ibv_modify_qp failed with error Network is "
     "unreachable\n"},
    {"cross-nic-rail-mismatch", "2.24 and later",
     "a1:10:20 [0] NCCL INFO NET/IB : There are mismatched physical devices between local (mlx5_0) and "
     "remote (mlx5_3). To "
     "disable this warning, set NCCL_IB_WARN_RAIL_LOCAL=0\n"
     "a1:10:20 [0] misc/ibvwrap.cc:262 NCCL WARN Call to ibv_modify_qp failed with 110 Connection timed out, "
     "on dev mlx5_0:1, "
     "curr state INIT, next state RTR, local GID index 3, local GID ::ffff:10.1.1.1, remote GID "
     "::ffff:10.4.1.2\n"},
    {"ib-qp-connect-timeout", "2.18",
     "a1:10:20 [0] misc/ibvwrap.cc:187 NCCL WARN Call to ibv_modify_qp failed with error Connection timed "
     "out\n"},
    {"mtu-mismatch", "2.5 to 2.30",
     "a1:10:20 [0] NCCL INFO NET/IB: Dev 0 Port 1 qpn 4729 mtu 5 LID 53\nb1:11:21 [0] NCCL INFO NET/IB: Dev "
     "0 Port 1 qpn 6242 "
     "mtu 3 LID 129\na1:10:20 [0] transport/net_ib.cc:816 NCCL WARN NET/IB : Got completion with error 12, "
     "opcode 0, len 3, "
     "vendor err 129\n"},
    {"link-layers-mixed", "2.26 and later",
     "a1:10:20 [0] transport/net_ib.cc:500 NCCL WARN NET/IB : Attempted to merge incompatible devices: "
     "[0]mlx5_0:1/IB and "
     "[1]mlx5_1:1/RoCE. Try selecting NICs of only one link type using NCCL_IB_HCA\n"},
    {"hca-mismatch-between-ranks", "2.30",
     "a1:10:20 [0] init.cc:900 NCCL WARN Detected mixed local Net device counts across ranks (min 1, max 2). "
     "Set "
     "NCCL_IGNORE_NET_MISMATCH=1 to\n"},
    {"hca-mismatch-between-ranks", "any, by the lists of devices",
     "a1:10:20 [0] NCCL INFO NET/IB : Using [0]mlx5_0:1/RoCE [1]mlx5_1:1/RoCE [RO]; OOB eth0:10.1.1.1<0>\n"
     "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nranks 2 cudaDev 0 nvmlDev 0 busId 1c000 commId 0x65 - Init "
     "START\n"
     "b1:11:21 [0] NCCL INFO NET/IB : Using [0]mlx5_0:1/RoCE [RO]; OOB eth0:10.1.1.2<0>\n"
     "b1:11:21 [0] NCCL INFO comm 0x6 rank 1 nranks 2 cudaDev 0 nvmlDev 0 busId 1c000 commId 0x65 - Init "
     "START\n"},
    {"rendezvous-unreachable", "PyTorch, a wrong address",
     "[W socket.cpp:697] [c10d] The client socket cannot be initialized to connect to [n1]:29500 (errno: 97 "
     "- "
     "Address family not supported by protocol).\n"
     "[E socket.cpp:753] [c10d] The client socket has failed to connect to any network address of (n1, "
     "29500).\n"},
    {"rendezvous-unreachable", "PyTorch, a port in use",
     "[W socket.cpp:464] [c10d] The server socket has failed to bind to [::]:29500 (errno: 98 - Address "
     "already in "
     "use).\n[E socket.cpp:500] [c10d] The server socket has failed to listen on any local network "
     "address.\n"},
    {"wrong-interface", "all",
     "a1:10:20 [0] bootstrap.cc:37 NCCL WARN Bootstrap : no socket interface found\n"},
    {"wrong-interface", "2.30",
     "a1:10:20 [0] os/linux.cc:700 NCCL WARN no device found matching eth7, verify NCCL_OOB_NET_IFNAME\n"},
    {"wrong-interface", "2.12 to 2.14",
     "a1:10:20 [0] misc/socket.cc:400 NCCL WARN Net : Connect to 10.9.9.9<4000> failed : No route to host\n"},
    {"wrong-interface", "2.22",
     "a1:10:20 [0] misc/socket.cc:533 NCCL WARN socketPollConnect: Connect to 10.9.9.9<4000> returned 113(No "
     "route to host) "
     "errno 115(Operation now in progress)\n"},
    {"wrong-interface", "a bridge of Docker's",
     "a1:10:20 [0] NCCL INFO Bootstrap : Using docker0:172.17.0.1<0>\n"
     "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nRanks 2 nNodes 2 localRanks 1 localRank 0 MNNVL 0\n"},
    {"net-plugin-failed", "2.10 to 2.26",
     "a1:10:20 [0] net.cc:50 NCCL WARN Error: network AWS Libfabric not found.\n"},
    {"net-plugin-failed", "2.27 and later",
     "a1:10:20 [0] plugin/net.cc:50 NCCL WARN Failed to initialize any NET plugin\n"},
    {"ofi-provider-missing", "aws-ofi-nccl 1.2",
     "a1:10:20 [0] find_ofi_provider:543 NCCL WARN NET/OFI Couldn't find any optimal provider\n"},
    {"ofi-provider-missing", "aws-ofi-nccl 1.14",
     "a1:10:20 [0] nccl_net_ofi_rdma_init:7978 NCCL WARN NET/OFI OFI fi_getinfo() call failed: No data "
     "available\n"},
    {"ofi-provider-tcp", "aws-ofi-nccl",
     "a1:10:20 [0] NCCL INFO NET/OFI Selected Provider is tcp;ofi_rxm (found 1 nics)\n"},
    {"ofi-peer-unreachable", "aws-ofi-nccl",
     "a1:10:20 [0] ofi_process_cq:200 NCCL WARN NET/OFI Request completed with error. RC: 4122. Error: "
     "Unresponsive receiver "
     "(reachable by EFA device but handshake failed)\n"},
    {"ofi-peer-unreachable", "aws-ofi-nccl 1.4",
     "a1:10:20 [0] ofi_process_cq:1039 NCCL WARN NET/OFI Request 0x7 completed with error. RC: 20. Error: "
     "unknown error.\n"},
    {"ofi-call-failed", "aws-ofi-nccl",
     "a1:10:20 [0] create_nccl_ofi_component:459 NCCL WARN NET/OFI Couldn't open AV. RC: -22, ERROR: Invalid "
     "argument\n"},
    {"ib-device-open-failed", "all",
     "a1:10:20 [0] transport/net_ib.cc:148 NCCL WARN NET/IB : Unable to open device mlx5_0\n"
     "a1:10:20 [0] NCCL INFO NET/IB : No device found.\na1:10:20 [0] NCCL INFO Using network Socket\n"},
    {"missing-libibverbs", "to 2.17",
     "a1:10:20 [0] misc/ibvwrap.cc:63 NCCL WARN Failed to open libibverbs.so[.1]\n"},
    {"missing-libibverbs", "2.18 to 2.29",
     "a1:10:20 [0] NCCL INFO Failed to open libibverbs.so[.1]\na1:10:20 [0] NCCL INFO NET/Socket : Using "
     "[0]eth0:10.1.1.1<0>\n"
     "a1:10:20 [0] NCCL INFO Using network Socket\n"},
    {"net-socket-fallback", "2.3 to 2.4", "a1:10:20 [0] NCCL INFO Using internal Network Socket\n"},
    {"net-socket-fallback", "2.18 and later",
     "a1:10:20 [0] NCCL INFO NET/IB : No device found.\na1:10:20 [0] NCCL INFO NET/IB : Using [RO]; OOB "
     "eth0:10.1.1.1<0>\n"
     "a1:10:20 [0] NCCL INFO NET/Socket : Using [0]eth0:10.1.1.1<0>\na1:10:20 [0] NCCL INFO Using network "
     "Socket\n"},
    {"net-socket-fallback", "channels",
     "a1:10:20 [0] NCCL INFO Channel 00/0 : 0[0] -> 8[0] [send] via NET/Socket/0\n"},
    {"ib-disabled-by-env", "all",
     "a1:10:20 [0] NCCL INFO NCCL_IB_DISABLE set by environment to 1.\na1:10:20 [0] NCCL INFO Using network "
     "Socket\n"},
    {"gdr-disabled-by-env", "all",
     "a1:10:20 [0] NCCL INFO NCCL_NET_GDR_LEVEL set by environment to LOC\n"
     "a1:10:20 [0] NCCL INFO Channel 00/0 : 8[0] -> 0[0] [receive] via NET/IB/0\n"},
    {"gdr-disabled", "2.7 to 2.12",
     "a1:10:20 [0] NCCL INFO NET/IB : GPU Direct RDMA Disabled for HCA 0 'mlx5_0' (no module)\n"},
    {"gdr-disabled", "2.14 and later",
     "a1:10:20 [0] NCCL INFO NET/IB : GPU Direct RDMA Disabled for HCA 1 'mlx5_1'\n"},
    {"gdr-distance-too-large", "2.7 to 2.20",
     "a1:10:20 [0] NCCL INFO GPU Direct RDMA Disabled for GPU ca000 / HCA 0 (distance 7 > 4)\n"},
    {"gdr-distance-too-large", "2.24 to 2.28",
     "a1:10:20 [0] NCCL INFO GPU Direct RDMA Disabled for GPU 3 / HCA 1a (distance 7 > 5)\n"},
    {"gdr-not-used", "2.12 and later",
     "a1:10:20 [0] NCCL INFO Using network IB\na1:10:20 [0] NCCL INFO Channel 00/0 : 8[0] -> 0[0] [receive] "
     "via NET/IB/0\n"},
    {"gdr-not-used", "2.5", "a1:10:20 [0] NCCL INFO Ring 00 : 1[5000] -> 0[5000] [receive] via NET/IB/0\n"},
    {"cable-fault", "kernel log",
     "[ 100.1] mlx5_core 0000:18:00.0: Port module event[error]: module 0, Cable error, Bus stuck(I2C or "
     "data shorted)\n"},
    {"port-down", "ibstat",
     "CA 'mlx5_1'\n\tPort 1:\n\t\tState: Down\n\t\tPhysical state: Polling\n\t\tRate: 40\n"},
    {"port-down", "ibv_devinfo", "hca_id:\tmlx5_3\n\t\tport:\t1\n\t\t\tstate:\t\t\tPORT_DOWN (1)\n"},
    {"ib-no-subnet-manager", "ibstat",
     "CA 'mlx5_1'\n\tPort 1:\n\t\tState: Initializing\n\t\tPhysical state: LinkUp\n\t\tLink layer: "
     "InfiniBand\n"},
    {"ib-width-reduced", "ibstatus",
     "Infiniband device 'mlx5_1' port 1 status:\n\tstate:\t\t 4: ACTIVE\n\trate:\t\t 50 Gb/sec (1X HDR)\n"
     "\tlink_layer:\t InfiniBand\n"},
    {"ib-width-reduced", "ibv_devinfo",
     "hca_id:\tmlx5_0\n\t\tport:\t1\n\t\t\tstate:\t\t\tPORT_ACTIVE (4)\n\t\t\tlink_layer:\t\tInfiniBand\n"
     "\t\t\tactive_width:\t\t1X (1)\n"},
    {"nic-rate-reduced", "ibstat",
     "CA 'mlx5_0'\n\tCA type: MT4129\n\tPort 1:\n\t\tState: Active\n\t\tRate: 400\n"
     "CA 'mlx5_1'\n\tCA type: MT4129\n\tPort 1:\n\t\tState: Active\n\t\tRate: 100\n"
     "CA 'mlx5_2'\n\tCA type: MT4129\n\tPort 1:\n\t\tState: Active\n\t\tRate: 400\n"},
    {"mtu-low", "ibv_devinfo",
     "hca_id:\tmlx5_3\n\t\t\tstate:\t\t\tPORT_ACTIVE (4)\n\t\t\tmax_mtu:\t\t4096 "
     "(5)\n\t\t\tactive_mtu:\t\t1024 (3)\n"},
    {"mtu-low", "perftest",
     "                    RDMA_Write BW Test\n Dual-port       : OFF\t\tDevice         : mlx5_2\n Mtu        "
     "     : 1024[B]\n"},
    {"fabric-side", "nccl-tests",
     "#  Rank  0 Group  0 Pid   6287 on  a1 device  0 [0x18] NVIDIA H100\n#  Rank  1 Group  0 Pid   6287 on  "
     "b1 device  0 [0x18] "
     "NVIDIA H100\n"
     "  8388608  2097152  float  sum  -1   992.6    8.45   16.20      0   986.0    8.51   16.31      0\n"
     " 16777216  4194304  float  sum  -1  1334.9   12.57   24.09      0  1336.5   12.55   24.06      0\n"
     " 33554432  8388608  float  sum  -1  2180.1   15.39   29.50      0  2285.2   14.68   28.14      0\n"
     " 67108864 16777216  float  sum  -1   24410    2.75    5.27      0   24425    2.75    5.27      0\n"
     "134217728 33554432  float  sum  -1   49264    2.72    5.22      0   48558    2.76    5.30      0\n"},
    {"wrong-results", "nccl-tests",
     "  8388608  2097152  float  sum  -1   992.6    8.45   16.20     17   986.0    8.51   16.31      0\n"
     "# Out of bounds values : 1 FAILED\n"},
    {"few-channels", "2.20 and later",
     "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nRanks 16 nNodes 2 localRanks 8 localRank 0 MNNVL 0\n"
     "a1:10:20 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM\n"
     "a1:10:20 [0] NCCL INFO Channel 00/0 : 8[0] -> 0[0] [receive] via NET/IB/0/GDRDMA\n"
     "a1:10:20 [0] NCCL INFO 2 coll channels, 0 collnet channels, 0 nvls channels, 2 p2p channels, 1 p2p "
     "channels per peer\n"},
    {"single-nic", "2.20 and later",
     "a1:10:20 [0] NCCL INFO NET/IB : Using [0]mlx5_0:1/IB [RO]; OOB eth0:10.1.1.1<0>\n"
     "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nRanks 16 nNodes 2 localRanks 8 localRank 0 MNNVL 0\n",
     false},
    {"remote-peer-lost", "2.7 to 2.8",
     "a1:10:20 [0] include/socket.h:400 NCCL WARN Net : Connection closed by remote peer\n"},
    {"remote-peer-lost", "2.16 and later",
     "a1:10:20 [0] misc/socket.cc:49 NCCL WARN socketProgress: Connection closed by remote peer b1<41109>\n"},
    {"remote-peer-lost", "PyTorch",
     "[rank3]: ncclRemoteError: A call failed possibly due to a network error or a remote process exiting "
     "prematurely.\n"
     "Last error:\nsocketProgressOpt: Call to recv from 10.1.1.2<33759> failed : Connection reset by peer\n"},
    {"verbs-call-failed", "2.19 and later",
     "a1:10:20 [0] misc/ibvwrap.cc:120 NCCL WARN Call to ibv_create_qp failed with error Operation not "
     "permitted errno 1\n"},
};

}  // namespace

std::span<const SyntheticLog> network_logs() { return kLogs; }

}  // namespace fabricheck::diagnose
