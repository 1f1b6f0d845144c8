// How NCCL is used in this run. No header of NCCL's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "device/cuda/setup.hpp"

namespace fabricheck::collectives::nccl {

struct Settings {
  std::string library;                     ///< a path; empty: what the dynamic linker finds
  bool cuda_graph{};                       ///< each operation captured once, and the graph launched
  bool register_buffers{};                 ///< with ncclCommRegister, where the library has it
  std::shared_ptr<const cuda::Setup> gpu;  ///< this rank's
  std::string log_file;                    ///< what NCCL says, of this process; empty: not captured
};

struct LogCapture {
  std::string file;       ///< what NCCL says goes there; empty: nothing is captured
  std::string set_aside;  ///< "NCCL_DEBUG=WARN": the user's own choice, not followed while measuring
  std::string why_not;    ///< one sentence, where nothing is captured
};

/// Tells NCCL, before it is opened, to write what it does into a file in a new folder of this process. Lines
/// in every call cost time in every call, so those of NCCL's choice of algorithm are asked for only with
/// `cuda_graph`, where a call is made once, and else for the first call of each operation, by NCCL 2.27 and
/// later. Only a user's NCCL_DEBUG_FILE is left as it is.
LogCapture capture_log(const std::string& folder, const std::string& host, bool cuda_graph);

/// Removes what capture_log() gave in this process; with `keep_in`, a folder, it stays there as nccl.log.
/// Does nothing a second time. From any thread. Whether it could be kept whole; nothing where there is none
/// to keep.
std::optional<bool> put_log_away(const std::string& keep_in);

/// "built without NCCL", "built without CUDA", or empty.
const char* unavailable_reason();

/// Ends all communicators of this process. Every rank calls it at the end, before MPI ends; waits at most
/// `deadline_ns` on the clock for each.
void release_communicators(const Clock& clock, std::int64_t deadline_ns);

/// Whether NCCL is still in a call that was left behind: the process then has to end without waiting.
bool is_call_under_way();

}  // namespace fabricheck::collectives::nccl
