// What was read, as facts: from NCCL logs and from what else was given. Every list is bounded, so that the
// memory does not grow with the length of a log.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/run_record.hpp"

namespace fabricheck::diagnose {

/// A line that was read, kept as evidence.
struct Quote {
  int file{};  ///< index into Observations::files
  std::uint64_t line{};
  std::string text;
};

/// Names that come again and again, each kept once. Id 0 is the empty name.
class Names {
 public:
  static constexpr std::size_t kMost = 8192;

  /// The id of `name`; of a new one beyond kMost that of "(more)".
  int id(std::string_view name);
  const std::string& text(int id) const { return texts_[static_cast<std::size_t>(id)]; }

 private:
  std::vector<std::string> texts_{"", "(more)"};
  std::map<std::string, int, std::less<>> ids_{{"", 0}};
};

/// What can be seen in a line besides the facts of a rank. `code` and `detail` of a group say more.
enum class Event : std::uint8_t {
  completion_error,    ///< code: ibv_wc_status; detail: HCA
  async_event,         ///< detail: libibverbs' or NCCL's word for the event
  modify_qp_failed,    ///< code: errno, 0 where not told; detail: error text
  mr_failed,           ///< memory registration; code: errno; detail: error text
  verbs_no_memory,     ///< CQ, QP or PD could not be made: ENOMEM
  verbs_failed,        ///< another verbs call; code: errno; detail: the call
  device_open_failed,  ///< detail: HCA
  no_ib_device,        ///< NET/IB looked and found none
  no_libibverbs,
  socket_listed,  ///< NET/Socket said which interfaces it has
  plugin_not_found,
  net_init_failed,    ///< no network at all
  network_not_found,  ///< detail: the network that NCCL_NET names
  net_count_mismatch,
  link_layers_mixed,
  no_interface,       ///< no interface for the bootstrap
  connect_failed,     ///< code: errno; detail: peer
  connect_retried,    ///< it timed out and was tried again
  connection_closed,  ///< detail: peer
  remote_error,       ///< ncclRemoteError and its like
  proxy_error,
  collective_mismatch,
  message_truncated,
  rendezvous_failed,  ///< PyTorch's store at rank 0 is not reached, or cannot listen
  rank_check_in,      ///< ranks that do not agree on how many they are
  version_mismatch,   ///< detail: "A B"
  topology_net_missing,
  reverse_path_missing,
  topology_file_failed,
  gdr_hca_enabled,  ///< detail: HCA
  gdr_hca_disabled,
  gdr_distance_enabled,
  gdr_distance_disabled,  ///< detail: "distance A > B"
  p2p_disabled_nvlink,
  p2p_disabled_pcie,
  peer_access_failed,
  ipc_failed,            ///< CUDA IPC or cuMem import and export
  fabric_handle_failed,  ///< MNNVL: fabric handles, IMEX
  multi_cast_failed,     ///< NVLS
  fabric_not_ready,      ///< CUDA 802
  shm_failed,
  shm_attach_failed,  ///< a segment that another rank made is not there
  no_space,           ///< ENOSPC beside shared memory
  file_limit,
  thread_limit,
  cuda_failure,  ///< code: cudaError; detail: text
  gpu_memory,
  driver_too_old,
  duplicate_gpu,
  invalid_usage,
  no_transport,
  collnet_failed,
  ofi_no_provider,
  ofi_provider,  ///< detail: the provider that was chosen; code: number of NICs
  ofi_error,     ///< a warning of the libfabric plugin that no other kind says
  iommu_not_passthrough,
  ofi_failed,
  collective_timeout,
  data_direct_missing,
  pci_link_unreadable,  ///< topology detection could not read a PCI link
  error_stack,          ///< detail: source file without line; code: ncclResult_t
  limited_pkey,
  full_pkey,
  xid,  ///< code: number
  sxid,
  sxid_minor,      ///< the driver called it non-fatal
  nic_fatal,       ///< kernel log: firmware or health of a NIC
  nic_tx_timeout,  ///< kernel log: what was to be sent was not; detail: net device or PCI address
  pcie_fatal,      ///< kernel log, AER: an uncorrected fatal error; detail: PCI address
  link_down,       ///< kernel log; detail: PCI address
  link_up,
  module_event,  ///< kernel log: cable or transceiver
  iommu_fault,   ///< detail: "18:00.0" of the device whose access was refused
  acs_redirect,  ///< detail: first and last bus behind the bridge; empty: not told
  acs_clean,
  pcie_narrow,  ///< detail: device; fewer lanes than it has; code: kGpu or kNic
  pcie_slow,    ///< lower speed than it has; code: kGpu or kNic, + kFarBelow
  pcie_full,    ///< all its lanes; code: kGpu or kNic
  pci_end,      ///< lspci: a GPU or RDMA NIC; code: its bus
  port_down,    ///< detail: device
  port_active,
  port_layer,  ///< detail: device; code: 1 InfiniBand, 2 Ethernet
  mtu_small,   ///< detail: device; code: active MTU in bytes
  gid_v2,      ///< show_gids: a RoCE v2 entry with an IPv4 address; code: index
  ras_mismatch,
  ras_dead,
  link_mtu,         ///< NCCL's word on a connection; code: ibv_mtu
  gid_link_local,   ///< a failing RoCE connection used such a GID
  rails_crossed,    ///< NCCL said that a connection joins different devices of two nodes
  gids_apart,       ///< the two GIDs of a failing connection are of different /24 networks
  nvlink_inactive,  ///< detail: GPU
  nvlink_active,
  nvlink_missing,    ///< detail: GPU or pair unlike the others of its host; code: kAlone, kFewer or kPair
  peers_ok,          ///< nvidia-smi topo -p2p: all GPUs may access each other; code: how many they are
  peers_refused,     ///< not all may; code: kAllPeers or 0; detail: why, "GNS"
  peer_left_out,     ///< all may but this one; detail: "GPU2"
  nvlink_errors,     ///< detail: GPU
  manager_failed,    ///< systemd could not start Fabric Manager
  manager_started,   ///< it did
  fabric_waiting,    ///< nvidia-smi -q: not registered yet; detail: PCI address
  fabric_refused,    ///< the fabric came up and did not take this GPU; detail: its PCI address
  fabric_unhealthy,  ///< its way through the NVSwitch fabric is impaired; detail: as above
  recovery_needed,   ///< nvidia-smi -q names an action; detail: as above
  sram_errors,       ///< its SRAM met more errors than its maker allows; detail: as above
  remap_pending,     ///< detail: as above
  remap_failed,
  retirement_pending,
  ecc_uncorrected,
  gpu_throttled,
  port_errors,  ///< detail: the counter
  wrong_results,
  killed,          ///< SIGKILL from outside
  launcher_kills,  ///< the launcher killed who was left
  cancelled,       ///< somebody or Slurm ended the job
  preempted,
  container_failed,
  gpu_access_lost,  ///< NVML: unknown error
  launch_failed,    ///< PMI, PMIx
  not_started,      ///< mpirun did not start the processes of the job
  daemon_lost,      ///< of mpirun
  gsp_timeout,      ///< detail: "GPU6"
  no_nvswitch,
  rdma_abi,         ///< detail: device
  host_memory,      ///< the kernel or Slurm killed a process for memory; code: kOomInvoker
  memory_error,     ///< ECC of the host could not correct it; detail: the memory module
  kernel_panic,     ///< detail: why
  cpu_stuck,        ///< kernel log: lockup or stall; detail: who ran there
  task_blocked,     ///< kernel log: who waited in it for minutes
  gpu_lost,         ///< it does not answer any more
  gpu_hardware,     ///< CUDA met an error that the GPU or its NVLink could not correct
  program_memory,   ///< the program's own allocation of GPU memory failed
  driver_mismatch,  ///< kernel module and libraries of the driver are of two versions
  program_fault,    ///< the program did on the GPU what it must not
  driver_down,      ///< the driver does not run, or did not start a GPU
  crashed,          ///< a process of the job ended by a signal of its own; code: kAborted
  job_failed,       ///< a process of the job ended by a failure; code: of its end
  node_failed,      ///< Slurm lost the node
  prolog_failed,    ///< Slurm's prolog on a node refused the job; detail: the node
  time_limit,       ///< Slurm ended the job at its time limit
  job_cut,          ///< it may have ended by a failure: a traceback, another program's error
  complaint,        ///< a logger's error that nothing went on after; detail: number of the file
  job_went_on,      ///< code kStartedAgain, kMayGoOn, or 0: it came to its end
  shut_down,        ///< the machine was
  unknown_warning,  ///< NCCL warned in words that no phrase has; detail: source file
  count_            ///< how many kinds there are
};

/// The detail of a step's end as srun tells it, which is kept apart from other ends.
inline constexpr const char* kStepAborted = "Job step aborted";

/// Codes of what a job goes on after, or may: of another job's requeue, of Ray's worker that is replaced.
inline constexpr int kStartedAgain = 1, kMayGoOn = 2;

/// The code of a process that gave itself up (SIGABRT), as where a library of it found an error.
inline constexpr int kAborted = 6;

/// The code of a line that tells who met the lack of memory, and not who was killed.
inline constexpr int kOomInvoker = 1;

/// Codes of a device's PCIe link: what it is, and whether it is two generations or more below what it can do.
inline constexpr int kGpu = 1, kNic = 2, kFarBelow = 4, kUnlikePeers = 8;
/// Of nvlink_missing: no link, fewer links to all others, fewer or none between two.
inline constexpr int kAlone = 0, kFewer = 1, kPair = 2;

/// No GPU of the host may access another one.
inline constexpr int kAllPeers = 1;

/// The code of a warning while NCCL frees a communicator.
inline constexpr int kTeardown = 1;

/// The detail of a lack of memory in the step of Slurm's that holds logins and daemons beside the job.
inline constexpr const char* kExternStep = "the extern step";

/// What was seen of one kind with one code and detail.
struct EventGroup {
  Event kind{};
  int code{};
  std::string detail;
  std::uint64_t count{};  ///< 0: all that was seen of it was gone on after
  int last_file{};
  std::uint64_t last_line{};  ///< where it was seen last
  bool as_warning{};          ///< at least once as NCCL WARN, or outside NCCL's own lines
  std::vector<Quote> quotes;
  std::vector<int> hosts;  ///< ids of Observations::names, the first kMostHosts
  static constexpr std::size_t kMostQuotes = 3;
  static constexpr std::size_t kMostHosts = 64;
};

/// Channels of one kind, as many as 64 by number.
struct ChannelUse {
  std::uint32_t lines{};
  std::uint64_t channels{};
  bool any() const { return lines != 0; }
};

/// One communicator as one rank sees it.
struct CommFacts {
  std::uint64_t pointer{};  ///< 0: lines without communicator
  std::uint64_t comm_id{};
  int rank{-1}, ranks{-1}, nodes{-1}, local_ranks{-1}, cuda_device{-1};
  std::uint64_t bus_id{};
  bool started{}, complete{}, mnnvl{};
  std::uint64_t start_line{};  ///< of the last "Init START"
  int start_file{};
  std::string start_text;  ///< as it stands; empty where it was completed, or of many ranks
  int coll_channels{-1}, nvls_channels{-1}, p2p_channels{-1};
  ChannelUse p2p, shm, net_send, net_receive, net_socket, collnet;  ///< net_socket: both directions
  ChannelUse send_gdr, receive_gdr;  ///< those of the network with GPUDirect RDMA
  std::uint64_t net_devices{};       ///< bit i: NET/…/i was used
  int p2p_kinds{};                   ///< bits of P2pKind
  bool rings{}, trees{};
};

enum P2pKind : int { p2p_ipc = 1, p2p_cumem = 2, p2p_pointer = 4, p2p_indirect = 8, p2p_mnnvl = 16 };

/// One process on one GPU, as the front of a line tells it. What a line has no front for is in one that has
/// no host.
struct RankFacts {
  int host{};  ///< id of Observations::names
  long pid{};
  int device{-1};
  int version{};                   ///< id: "2.21.5+cuda12.4"
  int network{};                   ///< id: "IB", "IBext_v8", "Socket", "AWS Libfabric"
  int hcas{};                      ///< id: "[0]mlx5_0:1/RoCE [1]…"
  int out_of_band{}, bootstrap{};  ///< ids: "eth0:10.0.0.1<0>"
  int affinity{};                  ///< id: mask of the CPUs
  bool dma_buf{}, nvls_available{}, nvls_unavailable{};
  bool topology_file{};
  std::vector<std::pair<int, int>> environment;  ///< ids of name and value, the first kMostVariables
  std::vector<CommFacts> comms;                  ///< the last kMostComms
  static constexpr std::size_t kMostVariables = 96;
  static constexpr std::size_t kMostComms = 8;
  static constexpr std::size_t kMostQuotedStarts = 4096;  ///< ranks
};

/// A value of an NCCL_ variable that was seen.
struct VariableUse {
  std::string value;
  bool by_command{};  ///< seen as NAME=VALUE in a command or script, not said by NCCL
  Quote quote;
  std::vector<int> hosts;
};

/// How far one rank was in a process group of PyTorch's when a watchdog spoke. Collectives are numbered in
/// their group, from 1.
struct CollectiveWait {
  std::string group;         ///< "0(default_pg)"; empty: of an attempt that was given up
  bool is_global_name{};     ///< the same on all ranks; else the name counts the groups of its rank
  int rank{}, group_rank{};  ///< of the job, within the group
  std::optional<std::int64_t> waits_for;            ///< what did not end in time; unset: it did not wait
  bool timed_out_elsewhere{};                       ///< it waited in another group
  std::optional<std::int64_t> enqueued, completed;  ///< the last that it called, that ended; -1: none
  std::string operation;                            ///< that it waited in: "ALLREDUCE"; empty: not told
  std::int64_t elements{-1};                        ///< its own input; -1: not told
  std::int64_t time_s{-1};                          ///< from a start of no meaning; -1: not told
  std::string process;                              ///< what a launcher's tag calls it; empty: no tag
  bool is_mixed{};                                  ///< two processes were called so
  Quote quote, operation_quote;
};

/// What else the ranks of PyTorch said.
struct RankWords {
  /// The last of a rank before the first time-out of its file.
  struct Exception {
    std::string name;  ///< "ValueError"
    std::string process;
    bool follows{};  ///< it comes of the end of another rank, or of the job
    Quote quote;
  };
  std::set<int> heard;  ///< ranks with a line of their own
  std::map<int, Exception> exceptions;
  bool are_left_out{};  ///< Ray showed one line in place of several ranks'
  static constexpr std::size_t kMostRanks = 65536;
  static constexpr std::size_t kMostExceptions = 1024;
};

/// One row of nccl-tests' table.
struct BenchmarkRow {
  double bytes{}, busbw_GBps{};
  Quote quote;
};

struct BenchmarkRun {
  std::string operation;  ///< "all_reduce", empty where the output does not tell
  int ranks{};
  std::map<std::string, int> gpus_of_host;
  std::map<std::string, int> gpu_names;
  std::vector<BenchmarkRow> rows;
  static constexpr std::size_t kMostRows = 256;
};

/// perftest's figures.
struct PerftestRun {
  std::string operation, device, link_type;
  int mtu_bytes{};
  double best_Gbps{};
  bool cuda{};
  Quote quote;
};

enum class PortState : std::uint8_t { active, waits, down };  ///< waits: for a subnet manager

/// A port of an RDMA device, as ibstat, ibstatus or ibv_devinfo tells of it.
struct PortFacts {
  int host{};                            ///< counts what was given of one host each
  std::string device, type, image_guid;  ///< "mlx5_0", "MT4129"; ports of a card have one GUID
  int ports{};                           ///< of the device; 0: not told
  PortState state{};
  bool is_disabled{};  ///< switched off, or without an address: nobody may have meant to use it
  int layer{};         ///< 1 InfiniBand, 2 Ethernet; 0: not told
  int max_mtu{}, lanes{};
  double rate_Gbps{};  ///< 0: not told
  Quote quote, rate_quote, lanes_quote;
};

struct InputFile {
  std::string name;
  std::uint64_t lines{}, nccl_lines{};
  std::vector<std::string> kinds;  ///< what was recognised in it: "NCCL log", "ibstat", …
  std::string problem;             ///< why it, or its rest, could not be read; empty: all was read
  std::string folder{};            ///< that was named instead of it; empty: the file was
  bool is_foreign{};               ///< of a folder, and nothing that is known here
  std::string note{};              ///< what of it was left out, and harms no verdict
};

struct Observations {
  Names names;
  std::vector<InputFile> files;
  std::vector<RankFacts> ranks;
  std::uint64_t ranks_left_out{};
  std::set<int> kernel_hosts;  ///< ids of those that a kernel's log with a finding names
  /// By file, where NCCL last began or completed a communicator.
  std::map<int, std::uint64_t> last_start;
  /// By file, of each rank (of how many, which): where it first and last completed a communicator.
  std::map<int, std::map<std::pair<int, int>, std::pair<std::uint64_t, std::uint64_t>>> completions;
  std::map<int, std::uint64_t> last_progress;  ///< by file, where training last told a step and its loss
  /// By file and host (id), where a kernel's log tells that the kernel was started last.
  std::map<std::pair<int, int>, std::uint64_t> last_boot;
  std::vector<EventGroup>
      before_boot;  ///< what a kernel's log told before that; see set_earlier_boots_apart()
  std::vector<EventGroup> events;
  std::vector<EventGroup> recovered;  ///< ends of the job that it went on after; see set_recovered_apart()
  bool recovered_by_word{};     ///< of some only a line tells that it "finished", which scripts print anyway
  std::uint64_t events_seen{};  ///< of all groups, also where they were known before
  std::map<std::string, std::vector<VariableUse>> variables;
  std::map<std::string, Quote> fact_quotes;  ///< a line for each kind of fact: "network", "hcas", …
  std::vector<BenchmarkRun> benchmarks;
  std::vector<PerftestRun> perftests;
  std::vector<PortFacts> ports;
  std::vector<CollectiveWait> waits;
  RankWords rank_words;
  /// Collectives that timed out in lines without a group, as PyTorch before 2.3 writes them: ranks, within
  /// their group, by operation and number.
  std::map<std::pair<std::string, std::int64_t>, std::set<int>> timed_out;
  static constexpr std::size_t kMostTimedOut = 256;
  std::map<std::string, int> gpu_names;  ///< "NVIDIA H100 80GB HBM3" -> how often
  std::optional<ClusterTopology> topology;
  std::string topology_file;
  std::optional<RunRecord> result;
  std::string result_file;

  /// All groups of a kind.
  std::vector<const EventGroup*> of(Event kind) const;
  bool has(Event kind) const;
};

/// Moves errors of a host's devices to `before_boot` where the host was started again after the last of them,
/// unless a job is seen to have failed, as one may that ran before.
void set_earlier_boots_apart(Observations& seen);

/// Moves ends of a job, and errors that end one, to `recovered` where a later line of the same file says that
/// the job was started again, or that it finished after NCCL had started anew. Scripts say "finished"
/// whatever came of it: without a new start that clears only what is not known to be a failure. So does
/// NCCL, without a word, where all ranks complete anew, and training that goes on after a lack of GPU memory.
void set_recovered_apart(Observations& seen);

}  // namespace fabricheck::diagnose
