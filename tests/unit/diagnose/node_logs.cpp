#include "synthetic_logs.hpp"

namespace fabricheck::diagnose {
namespace {

constexpr SyntheticLog kLogs[] = {
    {"fabric-manager-down", "nccl-tests",
     "a1: Test CUDA failure common.cu:1030 'system not yet initialized'\n"},
    {"fabric-manager-down", "2.20 and later",
     "a1:10:20 [0] init.cc:100 NCCL WARN Cuda failure 802 'system not yet initialized'\n"},
    {"mnnvl-imex-import-failed", "2.25 and later",
     "a1:10:20 [0] mnnvl.cc:40 NCCL WARN MNNVL (cliqueSize 8) is available but not working on this system. "
     "Check the IMEX "
     "configuration (nvidia-imex-ctl -N).\n"},
    {"mnnvl-imex-import-failed", "the stack alone",
     "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nRanks 8 nNodes 2 localRanks 4 localRank 0 MNNVL 1\n"
     "a1:10:20 [0] NCCL INFO transport/p2p.cc:352 -> 1\na1:10:20 [0] NCCL INFO transport.cc:197 -> 1\n"},
    {"nvls-failed", "2.17 to 2.26",
     "a1:10:20 [1] transport/nvls.cc:170 NCCL WARN Cuda failure 1 'invalid argument'\n"},
    {"nvls-failed", "2.27 and later",
     "a1:10:20 [1] transport/nvls.cc:250 NCCL WARN Failed to bind NVLink SHARP (NVLS) Multicast memory of "
     "size 2097152 : CUDA "
     "error 401 'the operation cannot be performed in the present state'.\n"},
    {"nvls-failed", "the stack alone",
     "a1:10:20 [1] NCCL INFO transport/nvls.cc:409 -> 1\na1:10:20 [1] NCCL INFO init.cc:1157 -> 1\n"},
    {"shm-too-small", "2.7",
     "a1:10:20 [1] include/shm.h:28 NCCL WARN Call to posix_fallocate failed : No space left on device\n"},
    {"shm-too-small", "2.16 to 2.21",
     "a1:10:20 [1] misc/shmutils.cc:71 NCCL WARN Error: failed to extend /dev/shm/nccl-abcdef to 5967876 "
     "bytes\n"},
    {"shm-too-small", "2.22 and later",
     "a1:10:20 [1] misc/shmutils.cc:87 NCCL WARN Error: failed to extend /dev/shm/nccl-abcdef to 33030532 "
     "bytes, error: No "
     "space left on device (28)\n"},
    {"shm-too-small", "2.3 to 2.6",
     "a1:10:20 [1] include/shm.h:28 NCCL WARN Call to ftruncate failed : No space left on device\n"},
    {"shm-attach-failed", "2.22 and later",
     "a1:10:20 [0] misc/shmutils.cc:129 NCCL WARN Error while attaching to shared memory segment "
     "/dev/shm/nccl-abc (size 14156), "
     "error: No such file or directory (2)\n"},
    {"iommu-not-passthrough", "RCCL",
     "a1:10:20 [0] src/init.cc:179 NCCL WARN Missing \"iommu=pt\" from kernel command line which can lead to "
     "instability\n"},
    {"p2p-failed-container", "by the file that warned",
     "a1:10:20 [0] transport/p2p.cc:260 NCCL WARN Cuda failure 1 'invalid argument'\n"},
    {"nccl-call-failed", "PyTorch",
     "ncclSystemError: System call (e.g. socket, malloc) or external library call failed.\n"},
    {"version-mismatch", "2.23 and later",
     "a1:10:20 [0] init.cc:729 NCCL WARN Mismatched NCCL version detected : rank 1 version 22705 rank 0 "
     "version 22703\n"},
    {"version-mismatch", "by what the ranks say",
     "a1:10:20 [0] NCCL INFO NCCL version 2.27.3+cuda12.8\n"
     "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nranks 2 cudaDev 0 nvmlDev 0 busId 1c000 commId 0x65 - Init "
     "START\n"
     "b1:10:20 [0] NCCL INFO NCCL version 2.26.2+cuda12.8\n"
     "b1:10:20 [0] NCCL INFO comm 0x6 rank 1 nranks 2 cudaDev 0 nvmlDev 0 busId 1c000 commId 0x65 - Init "
     "START\n"},
    {"driver-too-old", "all",
     "a1:10:20 [0] init.cc:30 NCCL WARN Cuda failure 'CUDA driver version is insufficient for CUDA runtime "
     "version'\n"},
    {"duplicate-gpu", "2.10 to 2.28",
     "a1:10:20 [0] init.cc:497 NCCL WARN Duplicate GPU detected : rank 2 and rank 0 both on CUDA device "
     "1000\n"},
    {"duplicate-gpu", "2.29 and later",
     "a1:10:20 [0] init.cc:800 NCCL WARN Multiple Ranks are using the same GPU/Partition. Set "
     "NCCL_MULTI_RANK_GPU_ENABLE=1\n"},
    {"rank-count-mismatch", "2.4 to 2.22",
     "a1:10:20 [0] bootstrap.cc:140 NCCL WARN Bootstrap Root : rank 1 of 4 ranks has already checked in\n"},
    {"rank-count-mismatch", "2.23 and later",
     "a1:10:20 [0] bootstrap.cc:300 NCCL WARN Bootstrap Root : mismatch in info from procs, nranks 8 vs 16, "
     "nroots 1 vs 1, "
     "iroot 0 vs 0\n"},
    {"nvlink-p2p-broken", "2.12 and later",
     "a1:10:20 [0] graph/paths.cc:300 NCCL WARN P2P is disabled between NVLINK connected GPUs 1 and 0. This "
     "should not be the "
     "case given their connectivity, and is probably due to a hardware issue.\n"},
    {"p2p-access-failed", "all",
     "a1:10:20 [0] transport/p2p.cc:130 NCCL WARN failed to peer with device 1(=2000): 217 peer access is "
     "not supported between "
     "these two devices\n"},
    {"p2p-failed-container", "2.7 to 2.18",
     "a1:10:20 [0] transport/p2p.cc:230 NCCL WARN cudaIpcGetMemHandle failed : invalid argument\n"},
    {"p2p-failed-container", "the stack alone",
     "a1:10:20 [0] NCCL INFO transport/p2p.cc:300 -> 1\na1:10:20 [0] NCCL INFO transport.cc:150 -> 1\n"},
    {"no-transport", "2.12 and later",
     "a1:10:20 [0] transport.cc:50 NCCL WARN No transport found for rank 0[1000] -> rank 1[2000]\n"},
    {"nccl-too-old", "2.14",
     "NCCL version 2.14.3+cuda11.7\na1:10:20 [0] graph/paths.cc:60 NCCL WARN Failed to find reverse path "
     "from remNode 0/5f000 "
     "nlinks 4 to node 0/cb000\n"},
    {"nccl-bug-upgrade", "2.22 to 2.26",
     "a1:10:20 [0] graph/topo.h:230 NCCL WARN Could not find NET with id 0\n"},
    {"nccl-bug-upgrade", "a new one",
     "a1:10:20 [0] NCCL INFO NCCL version 2.27.3+cuda12.8\na1:10:20 [0] graph/paths.cc:60 NCCL WARN Failed "
     "to find reverse path "
     "from remNode 0/5f000 nlinks 4 to node 0/cb000\n"},
    {"topology-file-unreadable", "all",
     "a1:10:20 [0] NCCL INFO NCCL_TOPO_FILE set by environment to /opt/topo.xml\n"
     "a1:10:20 [0] graph/xml.cc:600 NCCL WARN Could not open XML topology file /opt/topo.xml : No such file "
     "or directory\n"},
    {"collective-mismatch", "2.7 to 2.8",
     "a1:10:20 [0] transport/net_ib.cc:900 NCCL WARN NET/IB : collective mismatch error local size 32 remote "
     "64 addr 1 rkey 2 "
     "seq 1/1\n"},
    {"collective-mismatch", "2.12 to 2.19",
     "a1:10:20 [0] transport/net_ib.cc:1038 NCCL WARN NET/IB : req 0/1 tag 0 peer 10.1.1.2<58683> collective "
     "mismatch error, "
     "local size 496640 remote size 65536\n"},
    {"collective-mismatch", "2.7 to 2.8, sockets",
     "a1:10:20 [0] transport/net_socket.cc:400 NCCL WARN NET/Socket : message truncated : receiving 8 bytes "
     "instead of 4\n"},
    {"gpu-out-of-memory", "all",
     "a1:10:20 [0] include/alloc.h:100 NCCL WARN Cuda failure 2 'out of memory'\n"},
    {"gpu-out-of-memory", "2.18 and later",
     "a1:10:20 [0] include/alloc.h:190 NCCL WARN Failed to CUDA calloc async 4194304 bytes\n"},
    {"cuda-error", "all", "a1:10:20 [0] enqueue.cc:54 NCCL WARN Cuda failure 999 'unknown error'\n"},
    {"file-limit", "all",
     "a1:10:20 [0] misc/socket.cc:300 NCCL WARN Call to accept failed : Too many open files\n"},
    {"thread-limit", "all",
     "a1:10:20 [0] proxy.cc:900 NCCL WARN Call to pthread_create failed : Resource temporarily "
     "unavailable\n"},
    {"p2p-disabled-by-env", "all", "a1:10:20 [0] NCCL INFO NCCL_P2P_DISABLE set by environment to 1.\n"},
    {"p2p-disabled-by-env", "2.7 and later",
     "a1:10:20 [0] NCCL INFO NCCL_P2P_LEVEL set by environment to LOC\n"},
    {"p2p-disabled-by-env", "a command", "mpirun -np 8 -x NCCL_P2P_DISABLE=1 ./all_reduce_perf -b 8 -e 1G\n"},
    {"vm-topology", "2.5 and later",
     "a1:10:20 [0] NCCL INFO Topology detection : could not read "
     "/sys/devices/pci0000:00/0000:00:05.0/../max_link_speed, "
     "ignoring\na1:10:20 [0] NCCL INFO KV Convert to int : could not find value of '' in dictionary, falling "
     "back to 60\n"},
    {"vm-ats-acs", "in a VM",
     "a1:10:20 [0] NCCL INFO Topology detection : could not read "
     "/sys/devices/pci0000:00/0000:00:05.0/../max_link_speed, "
     "ignoring\na1:10:20 [0] NCCL INFO KV Convert to int : could not find value of '' in dictionary, falling "
     "back to 60\n"
     "a1:10:20 [0] misc/ibvwrap.cc:150 NCCL WARN Call to ibv_reg_mr failed with error Bad address\n",
     false},
    {"pcie-acs", "lspci -vvv",
     "\t\tACSCtl:\tSrcValid+ TransBlk- ReqRedir+ CmpltRedir+ UpstreamFwd+ EgressCtrl- DirectTrans-\n"},
    {"iommu-fault", "kernel log",
     "[ 10.0] DMAR: [DMA Write NO_PASID] Request device [18:00.0] fault addr 0x7000 [fault reason 0x05]\n"},
    {"gpu-xid", "kernel log",
     "[ 10.0] NVRM: Xid (PCI:0000:86:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the "
     "bus.\n"},
    {"pcie-fatal-error", "kernel log to 6.9",
     "[ 9.1] pcieport 0000:64:01.0: AER: Uncorrected (Fatal) error received: 0000:65:00.0\n"
     "[ 9.1] mlx5_core 0000:65:00.0: PCIe Bus Error: severity=Uncorrected (Fatal), type=Transaction Layer, "
     "(Receiver ID)\n"},
    {"pcie-fatal-error", "kernel log from 6.10",
     "[ 9.1] nvidia 0000:18:00.0: PCIe Bus Error: severity=Uncorrectable (Fatal), type=Inaccessible, "
     "(Unregistered Agent ID)\n"},
    {"nic-tx-timeout", "kernel log, mlx5", "[ 9.1] mlx5_core 0000:65:00.0 ens1np0: TX timeout detected\n"},
    {"nic-tx-timeout", "kernel log, any driver",
     "[ 9.1] NETDEV WATCHDOG: ens1np0 (bnxt_en): transmit queue 23 timed out\n"},
    {"host-memory-error", "kernel log, EDAC",
     "[ 9.1] EDAC MC1: 1 UE memory read error on CPU_SrcID#0_MC#1_Chan#0_DIMM#0 (channel:0 slot:0 "
     "page:0x1 offset:0x0 grain:32)\n"},
    {"host-memory-error", "kernel log, who used it",
     "[ 9.1] Memory failure: 0x4d1f: Sending SIGBUS to python3:8123 due to hardware memory corruption\n"},
    {"kernel-panic", "kernel log", "[ 9.1] Kernel panic - not syncing: Fatal machine check\n"},
    {"cpu-stuck", "kernel log", "[ 9.1] watchdog: BUG: soft lockup - CPU#98 stuck for 22s! [python3:8123]\n"},
    {"cpu-stuck", "kernel log, RCU", "[ 9.1] rcu: INFO: rcu_sched self-detected stall on CPU\n"},
    {"task-blocked", "kernel log", "[ 9.1] INFO: task python3:8123 blocked for more than 120 seconds.\n"},
    {"nvswitch-sxid", "kernel log",
     "[ 10.0] nvidia-nvswitch3: SXid (PCI:0000:c1:00.0): 20034, Fatal, Link 30 LTSSM Fault Up\n"},
    {"nvlink-down", "nvidia-smi nvlink -s",
     "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1)\n\t Link 0: 26.562 GB/s\n\t Link 1: <inactive>\n"},
    {"ras-mismatch-straggler", "ncclras",
     "#0-0 (fa93) MISMATCH\n  Communicator ranks have different AllReduce operation counts\n  30 ranks have "
     "launched up to "
     "operation 640\n"},
    {"p2p-disabled", "2.12 and later",
     "a1:10:20 [0] NCCL INFO P2P is disabled between connected GPUs 6 and 7. You can repress this message "
     "with "
     "NCCL_IGNORE_DISABLED_P2P=1.\n"},
    {"p2p-not-supported-gpu", "GeForce",
     "#  Rank  0 Group  0 Pid  100 on a1 device  0 [0x01] NVIDIA GeForce RTX 4090\n"
     "a1:10:20 [0] NCCL INFO P2P is disabled between connected GPUs 0 and 1. You can repress this message "
     "with "
     "NCCL_IGNORE_DISABLED_P2P=1.\n"},
    {"p2p-not-used-shm", "2.14 and later",
     "a1:10:20 [0] NCCL INFO Channel 00 : 0[0] -> 1[1] via SHM/direct/direct\n"},
    {"p2p-not-used-shm", "to 2.12",
     "a1:10:20 [0] NCCL INFO Channel 00 : 0[1000] -> 1[2000] via direct shared memory\n"},
    {"nvls-not-used", "2.17 to 2.19",
     "#  Rank  0 Group  0 Pid  100 on a1 device  0 [0x01] NVIDIA H100 80GB HBM3\n"
     "#  Rank  1 Group  0 Pid  100 on a1 device  1 [0x02] NVIDIA H100 80GB HBM3\n"
     "a1:10:20 [0] NCCL INFO 16 coll channels, 0 nvls channels, 16 p2p channels, 16 p2p channels per peer\n"},
    {"nvls-not-used", "2.20 and later",
     "a1:10:20 [0] NCCL INFO NVLS multicast support is available on dev 0 (NVLS_NCHANNELS 16)\n"
     "a1:10:20 [0] NCCL INFO 24 coll channels, 0 collnet channels, 0 nvls channels, 32 p2p channels, 32 p2p "
     "channels per peer\n"},
    {"sharp-not-used", "all",
     "a1:10:20 [0] init.cc:700 NCCL WARN Cannot initialize CollNet, using point-to-point network instead\n"},
    {"collective-timeout", "PyTorch",
     "[rank1]:[E ProcessGroupNCCL.cpp:616] [Rank 1] Watchdog caught collective operation timeout: "
     "WorkNCCL(SeqNum=12, "
     "OpType=ALLREDUCE, Timeout(ms)=600000) ran for 600012 milliseconds before timing out.\n"},
    {"collective-not-called", "PyTorch 2.5 and later",
     "[rank0]:[E1128 10:00:00.1 ProcessGroupNCCL.cpp:632] [Rank 0] Watchdog caught collective operation "
     "timeout: "
     "WorkNCCL(SeqNum=12, OpType=ALLREDUCE, NumelIn=8, NumelOut=8, Timeout(ms)=600000) ran for 600012 "
     "milliseconds before timing out.\n"
     "[rank0]:[E1128 10:00:00.2 ProcessGroupNCCL.cpp:2268] [PG ID 0 PG GUID 0(default_pg) Rank 0]  failure "
     "detected by watchdog at work sequence id: 12 PG status: last enqueued work: 12, last completed work: "
     "11\n"
     "[rank1]:[E1128 10:00:01.2 ProcessGroupNCCL.cpp:1685] [PG ID 0 PG GUID 0(default_pg) Rank 1] Received a "
     "dump signal due to a collective timeout from  rank 0 and we will try our best to dump the debug info. "
     "Last enqueued NCCL work: 11, last completed NCCL work: 11.\n"},
    {"nccl-call-failed", "the end of a stack", "a1:10:20 [0] NCCL INFO group.cc:70 -> 3 [Async thread]\n"},
    {"nccl-call-failed", "nccl-tests",
     "n1: Test NCCL failure common.cu:961 'internal error - please report this issue to the NCCL developers "
     "/ '\n"},
    {"fabric-manager-down", "nvidia-smi -q",
     "GPU 00000000:1B:00.0\n    Fabric\n        State                 : In Progress\n        Status          "
     "      : "
     "N/A\n"},
    {"fabric-registration-failed", "nvidia-smi -q",
     "GPU 00000008:01:00.0\n    Fabric\n        State             : Completed\n        Status            : "
     "Insufficient Resources\n"},
    {"gpu-remap-failed", "nvidia-smi -q",
     "GPU 00000000:1B:00.0\n    Remapped Rows\n        Pending                   : No\n"
     "        Remapping Failure Occurred         : Yes\n"},
    {"gpu-remap-pending", "nvidia-smi -q",
     "GPU 00000000:1B:00.0\n    Remapped Rows\n        Pending                   : Yes\n"
     "        Remapping Failure Occurred         : No\n"},
    {"gpu-page-retirement-pending", "nvidia-smi -q",
     "GPU 00000001:00:00.0\n    Retired Pages\n        Pending Page Blacklist            : Yes\n"},
    {"gpu-ecc-uncorrected", "nvidia-smi -q",
     "GPU 00000000:1B:00.0\n    ECC Errors\n        Volatile\n            SRAM Uncorrectable Parity         "
     ": 2\n"},
    {"gpu-hardware-throttle", "nvidia-smi -q",
     "GPU 00000000:1B:00.0\n    Clocks Event Reasons\n        HW Thermal Slowdown           : Active\n"},
    {"nvlink-errors", "nvidia-smi nvlink -e",
     "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-0)\n\t Link 0: Recovery Errors: 3\n"},
    {"port-errors", "ethtool -S",
     "NIC statistics:\n     rx_prio3_pause: 9123\n     rx_discards_phy: 8812345\n"},
    {"port-errors", "perfquery",
     "# Port extended counters: Lid 40 port 1 (CapMask: 0x5300)\nSymbolErrorCounter:..............1234\n"},
    {"port-down", "mlxlink",
     "Operational Info\n----------------\nState                              : Polling\n"},
    {"cable-fault", "mlxlink",
     "Troubleshooting Info\n--------------------\nStatus Opcode : 1032\nRecommendation                     : "
     "Bad signal "
     "integrity, check cable\n"},
    {"mr-registration-failed", "perftest",
     "allocated GPU buffer\nCouldn't allocate MR\nfailed to create mr\n"},
    {"ib-retry-exceeded", "perftest",
     " Completion with error at client\n Failed status 12: wr_id 0 syndrom 0x81\n"},
    {"nvlink-down", "nvidia-smi nvlink -s",
     "GPU 6: NVIDIA A100-SXM4-80GB (UUID: GPU-9)\nNVML: Unable to retrieve NVLink information as all links "
     "are "
     "inactive\n"},
    {"host-out-of-memory", "kernel log",
     "[ 100.1] Out of memory: Killed process 4321 (python) total-vm:1kB, anon-rss:1kB\n"},
    {"host-out-of-memory", "Slurm",
     "slurmstepd: error: Detected 1 oom_kill event in StepId=7.0. Some of the step "
     "tasks have been OOM Killed.\n"},
    {"gpu-lost", "nvidia-smi",
     "Unable to determine the device handle for GPU0000:18:00.0: GPU is lost.  Reboot the "
     "system to recover this GPU\n"},
    {"gpu-lost", "kernel log", "[ 100.1] NVRM: GPU at PCI:0000:18:00: GPU has fallen off the bus.\n"},
    {"gpu-hardware-error", "PyTorch",
     "RuntimeError: CUDA error: uncorrectable NVLink error detected during the "
     "execution\n"},
    {"gpu-out-of-memory", "PyTorch",
     "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB\n"},
    {"driver-library-mismatch", "nvidia-smi", "Failed to initialize NVML: Driver/library version mismatch\n"},
    {"process-killed", "mpirun",
     "mpirun noticed that process rank 3 with PID 0 on node n1 exited on signal 9 (Killed).\n"},
    {"process-killed", "torchrun",
     "api.py:869] failed (exitcode: -9) local_rank: 5 (pid: 26) of binary: python\n"},
    {"process-crashed", "mpirun",
     "mpirun noticed that process rank 3 with PID 0 on node n1 exited on signal 11 (Segmentation fault).\n"},
    {"process-crashed", "UCX",
     "[n1:9192 :0:9218] Caught signal 11 (Segmentation fault: address not mapped to object at address "
     "0x8)\n"},
    {"process-crashed", "Python", "Fatal Python error: Segmentation fault\n"},
    {"shm-too-small", "PyTorch's data loader",
     "RuntimeError: DataLoader worker (pid 37) is killed by signal: Bus error. It is possible that "
     "dataloader's "
     "workers are out of shared memory.\n"},
    {"preempted", "Slurm",
     "slurmstepd: error: *** JOB 37 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO PREEMPTION ***\n"},
    {"job-cancelled", "Slurm",
     "slurmstepd: error: *** STEP 5.0 ON n1 CANCELLED AT 2026-01-01T00:00:00 ***\n"},
    {"container-not-started", "pyxis",
     "slurmstepd: error: pyxis: container start failed with error code: 1\n"},
    {"container-not-started", "the container toolkit",
     "nvidia-container-cli: container error: file lookup failed: permission denied\n"},
    {"gpu-access-lost", "nvidia-smi", "Failed to initialize NVML: Unknown Error\n"},
    {"mpi-job-not-started", "mpirun, slots",
     "There are not enough slots available in the system to satisfy the 16\n"},
    {"mpi-job-not-started", "mpirun, ssh", "ORTE was unable to reliably start one or more daemons.\n"},
    {"mpi-job-not-started", "Intel MPI",
     "[mpiexec@n1] check_exit_codes (hydra_demux_poll.c:117): unable to run bstrap_proxy on n2 (pid 12, exit "
     "code "
     "256)\n"},
    {"mpi-launch-failed", "srun", "but OMPI was not built with SLURM's PMI support and therefore cannot\n"},
    {"mpi-daemon-lost", "Open MPI 4", " ORTE has lost communication with a remote daemon.\n"},
    {"gpu-gsp-timeout", "kernel log", "[ 84.3] NVRM: GPU6 _kgspLogRpcTimeout: **** GSP Timeout ****\n"},
    {"fabric-manager-no-nvswitch", "Fabric Manager",
     "nv-fabricmanager[41]: request to query NVSwitch device information from NVSwitch driver failed with "
     "error:WARNING Nothing to do [NV_WARN_NOTHING_TO_DO]\n"},
    {"rdma-core-mismatch", "libibverbs",
     "libibverbs: Warning: Driver bnxt_re does not support the kernel ABI of 6 (supports 1 to 1) for device "
     "/sys/class/infiniband/bnxt_re2\n"},
    {"job-failed", "Slurm", "srun: error: n1: task 3: Exited with exit code 1\n"},
    {"job-failed", "torchelastic", "torch.distributed.elastic.multiprocessing.errors.ChildFailedError:\n"},
    {"unexplained-failure", "NCCL",
     "a1:10:20 [0] graph/xml.h:101 NCCL WARN Attribute arch of node cpu not found\n"},
    {"node-refused-job", "srun",
     "srun: Prolog failure on node node3\nsrun: error: Nodes node[2-3] are still not ready\n"
     "srun: error: Something is wrong with the boot of the nodes.\n"},
    {"node-refused-job", "slurmd",
     "[2026-11-28T10:00:00.123] error: prolog failed: rc:1 output:fabricheck: draining node3: fabricheck: "
     "nvlink: GPU3 has 2 of 4 links\n"},
    {"program-exception", "PyTorch", "[rank2]: KeyError: 'input_ids'\n"},
    {"start-not-completed", "2.21",
     "n1:1:2 [0] NCCL INFO ncclCommInitRank comm 0x5 rank 0 nranks 2 cudaDev 0 busId 1000 commId 0x7 - Init "
     "START\n"
     "n2:3:4 [0] NCCL INFO ncclCommInitRank comm 0x6 rank 1 nranks 2 cudaDev 0 busId 1000 commId 0x7 - Init "
     "START\n"
     "n1:1:2 [0] NCCL INFO ncclCommInitRank comm 0x5 rank 0 nranks 2 cudaDev 0 busId 1000 commId 0x7 - Init "
     "COMPLETE\n"},
    {"time-limit", "Slurm",
     "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO TIME LIMIT ***\n"},
    {"errors-before-boot", "journal",
     "Oct  1 03:00:00 n1 kernel: NVRM: Xid (PCI:0000:1b:00): 79, pid=1, GPU has fallen off the bus.\n"
     "Oct  1 03:30:00 n1 kernel: Linux version 5.15.0-100-generic (buildd@lcy02)\n"},
    {"pcie-width-reduced", "lspci",
     "1b:00.0 3D controller: NVIDIA Corporation GH100 [H100 SXM5 80GB] (rev a1)\n"
     "\t\tLnkCap:\tPort #0, Speed 32GT/s, Width x16, ASPM L1\n\t\tLnkSta:\tSpeed 32GT/s, Width x8 "
     "(downgraded)\n"},
    {"pcie-width-reduced", "nvidia-smi -q",
     "GPU 00000000:1B:00.0\n        GPU Link Info\n            Link Width\n                Max      : 16x\n"
     "                Current  : 8x\n"},
    {"pcie-speed-reduced", "lspci",
     "18:00.0 Infiniband controller: Mellanox Technologies MT2910 Family [ConnectX-7]\n"
     "\t\tLnkCap:\tPort #0, Speed 32GT/s, Width x16\n\t\tLnkSta:\tSpeed 8GT/s (downgraded), Width x16\n"},
    {"gpu-recovery-needed", "nvidia-smi -q",
     "GPU 00000000:1B:00.0\n    GPU Recovery Action                   : Reset\n"},
    {"gpu-sram-errors", "nvidia-smi -q",
     "GPU 00000000:1B:00.0\n    ECC Errors\n        Aggregate\n            SRAM Threshold Exceeded       : "
     "Yes\n"},
    {"fabric-unhealthy", "nvidia-smi -q",
     "GPU 00000000:1B:00.0\n    Fabric\n        State : Completed\n        Health\n            Bandwidth : "
     "Degraded\n"},
    {"job-recovered", "torchelastic",
     "torch.distributed.elastic.multiprocessing.errors.ChildFailedError:\nINFO: worker group restarted\n"},
    {"node-failed", "Slurm",
     "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO NODE FAILURE "
     "***\n"},
    {"process-crashed", "Open MPI", "[n1:4321] Signal: Segmentation fault (11)\n"},
    {"process-crashed", "before what its peers say",
     "[n1:4321] Signal: Segmentation fault (11)\n"
     "b1:10:20 [0] misc/socket.cc:49 NCCL WARN socketProgress: Connection closed by remote peer n1<41109>\n"},
    {"program-fault", "PyTorch", "RuntimeError: CUDA error: device-side assert triggered\n"},
    {"program-fault", "PyTorch, by its watchdog",
     "[rank3]: ProcessGroupNCCL watchdog thread terminated with exception: CUDA error: an illegal memory "
     "access was "
     "encountered\n"},
    {"gpu-driver-down", "nvidia-smi",
     "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n"},
    {"gpu-driver-down", "kernel log",
     "[ 10.0] NVRM: GPU 0000:86:00.0: RmInitAdapter failed! (0x25:0x65:1457)\n"},
    {"collective-mismatch", "PyTorch",
     "RuntimeError: Detected mismatch between collectives on ranks. Rank 0 is running "
     "collective: ...\n"},
    {"rendezvous-unreachable", "torchelastic",
     "torch.distributed.elastic.rendezvous.api.RendezvousTimeoutError\n"},
    {"driver-too-old", "nccl-tests",
     "n1: Test CUDA failure common.cu:1050 'system has unsupported display driver / cuda "
     "driver combination'\n"},
    {"cuda-error", "nccl-tests", "n1: Test CUDA failure common.cu:1050 'invalid device ordinal'\n"},
    {"nvlink-errors", "nvidia-smi nvlink -e of Blackwell",
     "GPU 0: NVIDIA B200 (UUID: GPU-0)\n\t Link 0: Link recovery failed events: 4\n"},
    {"gpu-ecc-uncorrected", "nvidia-smi -q of Volta",
     "GPU 00000000:1B:00.0\n    ECC Errors\n        Volatile\n            Double Bit\n                Device "
     "Memory   : "
     "3\n"},
    {"env-mismatch-between-ranks", "all",
     "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nranks 2 cudaDev 0 nvmlDev 0 busId 1c000 commId 0x65 - Init "
     "START\n"
     "a1:10:20 [0] NCCL INFO NCCL_ALGO set by environment to Ring\n"
     "b1:10:20 [0] NCCL INFO comm 0x6 rank 1 nranks 2 cudaDev 0 nvmlDev 0 busId 1c000 commId 0x65 - Init "
     "START\n"
     "b1:10:20 [0] NCCL INFO NCCL_ALGO set by environment to Tree\n"},
    {"env-unknown-variable", "a command", "export NCCL_SOCKET_IFNAMES=eth0\n"},
    {"env-deprecated-variable", "all", "a1:10:20 [0] NCCL INFO NCCL_MAX_NRINGS set by environment to 16.\n"},
    {"env-harmful-variable", "all", "a1:10:20 [0] NCCL INFO NCCL_SHM_DISABLE set by environment to 1.\n"},
    {"healthy", "2.20 and later",
     "a1:10:20 [0] NCCL INFO NET/IB : Using [0]mlx5_0:1/IB [1]mlx5_1:1/IB [RO]; OOB eth0:10.1.1.1<0>\n"
     "a1:10:20 [0] NCCL INFO Using network IB\n"
     "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nRanks 16 nNodes 2 localRanks 8 localRank 0 MNNVL 0\n"
     "a1:10:20 [0] NCCL INFO Channel 00/0 : 8[0] -> 0[0] [receive] via NET/IB/0/GDRDMA\n"
     "a1:10:20 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM\n"},
    {"healthy", "one node",
     "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nRanks 2 nNodes 1 localRanks 2 localRank 0 MNNVL 0\n"
     "a1:10:20 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/IPC\n"
     "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nranks 2 cudaDev 0 nvmlDev 0 busId 1c000 commId 0x65 - Init "
     "COMPLETE\n"},
    {"healthy-init", "2.27 and later",
     "a1:10:20 [0] NCCL INFO Initialized NET plugin IB\na1:10:20 [0] NCCL INFO Assigned NET plugin IB to "
     "comm\n"},
};

}  // namespace

std::span<const SyntheticLog> node_logs() { return kLogs; }

}  // namespace fabricheck::diagnose
