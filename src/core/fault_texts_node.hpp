// Faults of GPUs, of what joins them, of hosts and of settings. Advice that names a setting of NCCL's is from
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
inline constexpr FaultText nvls_failed{
    "nvls-failed",
    Severity::fatal,
    "gpu",
    "NVLink SHARP (NVLS) could not set up its multicast memory: the "
    "driver, Fabric Manager or NVSwitch does not give it",
    "bring driver, Fabric Manager and CUDA to versions that go together; "
    "where Fabric Manager was restarted since, reset the GPUs (nvidia-smi "
    "-r) or reboot; give the job all GPUs of the partition; until then NCCL_NVLS_ENABLE=0, which is slower",
    "run with NCCL_NVLS_ENABLE=0: it starts; nvidia-smi -q | grep -A4 "
    "Fabric; journalctl -u nvidia-fabricmanager"};
inline constexpr FaultText shm_too_small{
    "shm-too-small",
    Severity::fatal,
    "host",
    "shared memory could not be made or used: /dev/shm is full or too small (Docker gives 64 MB)",
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
inline constexpr FaultText gpu_xid{"gpu-xid",
                                   Severity::bad,
                                   "gpu",
                                   "the driver reported an error of a GPU (XID)",
                                   "look the number up in NVIDIA's XID catalogue; drain the node, reset the "
                                   "GPU (nvidia-smi -r), and send it in where it "
                                   "comes again",
                                   "dmesg -T | grep -i xid; dcgmi diag -r 3"};
inline constexpr FaultText gsp_timeout{"gpu-gsp-timeout",
                                       Severity::bad,
                                       "gpu",
                                       "a GPU's system processor (GSP) did not answer the driver",
                                       "power the node off and on; update the driver where it comes again, "
                                       "and have the GPU looked at where it stays "
                                       "with the same one",
                                       "dmesg -T | grep -i -e GSP -e xid; nvidia-smi"};
inline constexpr FaultText no_nvswitch{"fabric-manager-no-nvswitch",
                                       Severity::info,
                                       "gpu",
                                       "Fabric Manager found no NVSwitch of its driver and ended",
                                       "where this machine has no NVSwitch, switch the service off "
                                       "(systemctl disable nvidia-fabricmanager); where "
                                       "the switches are NVLink 5 (B200), it needs NVLSM beside it",
                                       "lspci | grep -i nvswitch; systemctl status nvidia-fabricmanager"};
inline constexpr FaultText nvswitch_sxid{
    "nvswitch-sxid",
    Severity::bad,
    "nvswitch",
    "an NVSwitch reported an error (SXid)",
    "look the number up in the Fabric Manager guide; restart Fabric Manager and the GPUs after a fatal one",
    "dmesg -T | grep -i sxid; nvidia-smi nvlink -e"};
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
inline constexpr FaultText fabric_registration_failed{
    "fabric-registration-failed",
    Severity::fatal,
    "gpu",
    "the fabric manager ran and could not bring this GPU into the NVSwitch fabric",
    "read the fabric manager's log, reset the GPU, restart nvidia-fabricmanager; replace the GPU board if it "
    "stays",
    "journalctl -u nvidia-fabricmanager; nvidia-smi -q | grep -A3 Fabric"};
inline constexpr FaultText ecc_uncorrected{
    "gpu-ecc-uncorrected",
    Severity::bad,
    "gpu",
    "data in the memory of this GPU was lost since its driver was loaded: jobs on it were ended or are at "
    "risk",
    "drain the host and reset the GPU; if errors come back, run the vendor's field diagnosis and replace it",
    "nvidia-smi -q -d ECC"};
inline constexpr FaultText gpu_recovery{
    "gpu-recovery-needed",
    Severity::bad,
    "gpu",
    "the driver says that this GPU has to be recovered before jobs can rely on it",
    "drain the host and do what stands there: reset the GPU (nvidia-smi -r), drain it first, or reboot",
    "nvidia-smi -q | grep 'GPU Recovery Action'; dmesg -T | grep -i xid"};
inline constexpr FaultText sram_errors{
    "gpu-sram-errors",
    Severity::bad,
    "gpu",
    "the SRAM of this GPU met more uncorrectable errors than its maker allows",
    "replace the GPU",
    "nvidia-smi -q -d ECC"};
inline constexpr FaultText remap_failed{"gpu-remap-failed",
                                        Severity::fatal,
                                        "gpu",
                                        "the GPU has no spare rows left for a faulty one",
                                        "replace the GPU",
                                        "nvidia-smi -q -d ROW_REMAPPER"};
inline constexpr FaultText remap_pending{
    "gpu-remap-pending",
    Severity::bad,
    "gpu",
    "a faulty memory row is set aside, and a reset of the GPU puts a spare one in its place",
    "drain the host and reset the GPU (nvidia-smi -r)",
    "nvidia-smi -q -d ROW_REMAPPER"};
inline constexpr FaultText page_retirement_pending{"gpu-page-retirement-pending",
                                                   Severity::bad,
                                                   "gpu",
                                                   "a faulty page is still in use until the GPU is reset",
                                                   "drain the host and reset the GPU (nvidia-smi -r)",
                                                   "nvidia-smi -q -d PAGE_RETIREMENT"};
inline constexpr FaultText hardware_throttle{
    "gpu-hardware-throttle",
    Severity::bad,
    "gpu",
    "the GPU protects itself from heat or from a weak power supply and is far slower than its siblings",
    "look at fans, coolant, inlet temperature and power supplies of the host",
    "nvidia-smi -q -d PERFORMANCE,TEMPERATURE,POWER"};
inline constexpr FaultText nvlink_errors{
    "nvlink-errors",
    Severity::bad,
    "gpu",
    "NVLinks of a GPU were lost and trained again, or met errors that they had to send again for",
    "reset the counters (nvidia-smi nvlink -r), run a job and look again; where they grow, reset the GPUs "
    "and reseat "
    "or replace the board or bridge",
    "nvidia-smi nvlink -e; dmesg -T | grep -i -e xid -e sxid"};
inline constexpr FaultText gpu_lost{
    "gpu-lost",
    Severity::fatal,
    "gpu",
    "a GPU does not answer its driver any more: it fell off the PCIe bus",
    "drain the node and power it off and on; a GPU that is lost again has to be reseated or replaced, with "
    "its "
    "riser and power looked at",
    "dmesg -T | grep -i -e 'fallen off' -e 'xid.*79'; lspci | grep -i nvidia"};
inline constexpr FaultText gpu_hardware{
    "gpu-hardware-error",
    Severity::fatal,
    "gpu",
    "CUDA met an error of a GPU's memory or NVLink that could not be corrected",
    "drain the node, look for the XID of that time in its kernel log, reset the GPU; send it in where it "
    "comes "
    "again",
    "dmesg -T | grep -i xid; nvidia-smi -q -d ECC,ROW_REMAPPER; nvidia-smi nvlink -e"};
inline constexpr FaultText driver_mismatch{
    "driver-library-mismatch",
    Severity::fatal,
    "software",
    "the NVIDIA kernel module and the driver's libraries are of different versions: the driver was updated "
    "under "
    "a running system",
    "reboot the node, or unload the modules (nvidia_uvm, nvidia_drm, nvidia) and load them again",
    "cat /proc/driver/nvidia/version; nvidia-smi"};
inline constexpr FaultText driver_down{
    "gpu-driver-down",
    Severity::fatal,
    "host",
    "the NVIDIA driver does not run on this node, or could not start a GPU",
    "look at the kernel log (NVRM); load the module (modprobe nvidia) or install the driver for this kernel; "
    "where one "
    "GPU does not start, power the node off and on, then have that GPU looked at",
    "nvidia-smi; dmesg -T | grep -i nvrm; lsmod | grep nvidia"};
inline constexpr FaultText cuda_error{"cuda-error",
                                      Severity::fatal,
                                      "gpu",
                                      "a CUDA call failed inside NCCL",
                                      "the first error counts: look for an earlier error of the program or, "
                                      "in the kernel log, of the GPU (XID)",
                                      "dmesg -T | grep -i xid; compute-sanitizer; CUDA_LAUNCH_BLOCKING=1"};
inline constexpr FaultText p2p_disabled_by_env{
    "p2p-disabled-by-env",
    Severity::bad,
    "software",
    "a variable keeps GPUs of a node from talking to each other directly, NVLink included",
    "unset NCCL_P2P_DISABLE and NCCL_P2P_LEVEL",
    "env | grep NCCL_P2P; NCCL_DEBUG=INFO: 'via P2P'"};
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
inline constexpr FaultText pcie_fatal{
    "pcie-fatal-error",
    Severity::bad,
    "pcie",
    "a device reported a fatal error of PCIe that was not corrected: device, slot, riser or its power",
    "reseat the device and its riser or cable, update its firmware; where it comes back, replace it",
    "dmesg -T | grep -e AER -e 'PCIe Bus Error'; lspci -vvv -s DEVICE: UESta, LnkSta"};
inline constexpr FaultText iommu_fault{"iommu-fault",
                                       Severity::bad,
                                       "host",
                                       "the IOMMU refused accesses of a device",
                                       "iommu=pt on the kernel's command line, or the IOMMU off in the BIOS",
                                       "dmesg -T | grep -e DMAR -e AMD-Vi"};
inline constexpr FaultText wrong_results{
    "wrong-results",
    Severity::fatal,
    "cluster",
    "the benchmark found wrong results: data was corrupted on the way or in a GPU",
    "take the nodes out; test each alone and each pair; look at ECC errors, ACS and IOMMU",
    "nccl-tests with -c 1 on single nodes, then pairs"};
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
inline constexpr FaultText collective_not_called{
    "collective-not-called",
    Severity::fatal,
    "rank",
    "some ranks waited in a collective that others had not called",
    "look at what the ranks named did meanwhile: data loading, a checkpoint, an exception, a branch that "
    "only some ranks take; where they were inside NCCL, at their node",
    "py-spy dump --pid PID on the ranks named, when it hangs again; TORCH_NCCL_TRACE_BUFFER_SIZE and its "
    "dumps"};
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
inline constexpr FaultText shm_attach{
    "shm-attach-failed",
    Severity::fatal,
    "host",
    "a shared memory segment that another rank of this node made is not there for this one: the ranks do not "
    "share /dev/shm, or "
    "NCCL mixed up what it was handed",
    "run the ranks of a node in one container or with --ipc=host; where they are, another NCCL version or "
    "NCCL_CUMEM_HOST_ENABLE=0",
    "ls -l /dev/shm in each rank's container; run with NCCL_CUMEM_HOST_ENABLE=0"};
inline constexpr FaultText iommu_not_passthrough{
    "iommu-not-passthrough",
    Severity::bad,
    "host",
    "the IOMMU translates what GPUs and NICs send each other, which makes it slow or hang",
    "iommu=pt on the kernel's command line",
    "cat /proc/cmdline; run with NCCL_P2P_DISABLE=1: it no longer hangs"};

}  // namespace fabricheck::fault
