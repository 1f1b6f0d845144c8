// The strings that stand for a kind of event wherever they occur in a line, and a machine that finds all of
// them in one pass.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "diagnose/observations.hpp"

namespace fabricheck::diagnose {

/// What is to be read from the line behind a phrase.
enum class Detail : std::uint8_t {
  none,
  completion,       ///< "error 12", "status=12", "status=IBV_WC_RETRY_EXC_ERR(12)"
  wc_name,          ///< the phrase is "IBV_WC_": its name
  event_word,       ///< the word for an asynchronous event
  error_text,       ///< "failed with error TEXT", "failed : TEXT", "failed with 110 TEXT, …"
  verbs_call,       ///< the same; the name of the call is the detail
  device,           ///< the name of a device
  quoted,           ///< what stands in quotes
  peer,             ///< a socket address, and an error text
  cuda,             ///< "failure 802 'system not yet initialized'"
  cuda_words,       ///< of another program: what stands behind "CUDA error: "
  whole_line,       ///< nothing else stands in the line
  switch_error,     ///< "20034 on fid 0 on NVSwitch pci bus id 00000000:86:00.0 …"
  gpu_verdict,      ///< "GPU 1: FAULTY", of gpu-burn
  versions,         ///< "rank 1 version 22705 rank 0 version 22703"
  distance,         ///< "(distance 7 > 4)"
  provider,         ///< "Selected Provider is efa (found 4 nics)"
  variable,         ///< the phrase is "NCCL_"
  perftest_status,  ///< "12: wr_id 0 syndrom 0x81"
  killed_process,   ///< "12345 (python)": who the kernel killed
  memory_module,    ///< EDAC's line of an error that was not corrected: the label of the module
  panic,            ///< why the kernel stopped
  stuck_process,    ///< "[python:1234]" behind a lockup, where it stands
  blocked_task,     ///< "task python:1234" before the phrase
  oom_step,         ///< "=812.extern": of no step of the job's own
  oom_invoker,      ///< who stands before the phrase
  gsp_gpu,          ///< "NVRM: GPU6 " before the phrase
  k8s_xid,          ///< "69 on Device=GPU-…"
  worker_count,     ///< only where more came than there are to be: "8, worker_count=16"
  last_word,        ///< of a path at the end of the line
  node_word,        ///< the node's name
  drained_node,     ///< "node3: REASON", where this program drains it
  on_node,          ///< "[[53923,0],14] on node b4124"
  python_fatal,     ///< not where Python is only ending; kAborted where it did
  kernel_fault,     ///< only in a kernel's log, and of processes of jobs
  foreign_error,    ///< not where somebody ended the job
  slurm,            ///< only where Slurm says it
  error_line,       ///< only where it was thrown or printed, not where code or prose speaks of it
  nvrm,             ///< only where the kernel module or nvidia-smi says it
  signal,           ///< the signal's number; 15 is how jobs are ended on purpose
  exit_code,        ///< 143 and 130 are signals 15 and 2
  timeout,          ///< not where another error follows
  ucx_device,       ///< "mlx5_0:1/IB" behind UCX's words
  version,          ///< a version of NCCL's stands there
  number,           ///< a number
  mtu,              ///< "qpn 472981 mtu 5"
  kernel,           ///< only where a NIC's driver said it
  netdev,           ///< "ens1np0 (mlx5_core): …": only of a NIC that RDMA goes through
  health,           ///< only where mlx5 calls it fatal
  command,          ///< only while the driver works
  aer,              ///< the PCI address before or behind the phrase
  pci_device,       ///< "Request device [18:00.0]", "device=03:00.3"
  shm,              ///< where a segment was made, not attached to
  result,           ///< where a ncclResult_t is an error that somebody got, not one that is spoken of
  gpus,             ///< two GPU numbers; the larger one is the code
  whole,            ///< the phrase itself
};

struct Phrase {
  std::string_view text;
  Event event;
  Detail detail{Detail::none};
  int code{};        ///< of the group, where the line tells none
  bool is_common{};  ///< other programs say it, too: it counts only where NCCL or its caller says it
};

std::span<const Phrase> phrases();

/// Aho and Corasick, "Efficient string matching" (1975), with a full transition table over the characters
/// that the phrases have.
class PhraseFinder {
 public:
  explicit PhraseFinder(std::span<const Phrase> phrases);

  /// Calls found(phrase, position behind it) for each occurrence, in order of their ends.
  template <typename Found>
  void find(std::string_view text, const Found& found) const {
    std::uint32_t state = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      state = next_[state + classes_[static_cast<unsigned char>(text[i])]];
      if (hits_[state] == kNone) continue;
      for (std::uint32_t hit = state; hit != kNone; hit = shorter_[hit])
        if (ends_[hit] != kNone) found(phrases_[ends_[hit]], i + 1);
    }
  }

 private:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  std::span<const Phrase> phrases_;
  std::array<std::uint8_t, 256> classes_{};
  std::uint32_t width_{};
  std::vector<std::uint32_t> next_;     ///< by state (a multiple of width_) + class
  std::vector<std::uint32_t> ends_;     ///< phrase that ends in a state
  std::vector<std::uint32_t> shorter_;  ///< the next state, by suffix, in which a phrase ends
  std::vector<std::uint32_t> hits_;     ///< whether a phrase or a shorter one ends here
};

/// The finder of phrases(), made once.
const PhraseFinder& all_phrases();

}  // namespace fabricheck::diagnose
