// NCCL's functions, opened at run time: the job's own library is measured, and a program without it starts.
// Private to this folder.
#pragma once

#include <nccl.h>

#include <memory>
#include <string>

#include "collectives/nccl/since_2_18.hpp"

namespace fabricheck::collectives::nccl {

struct Calls {
  decltype(&::ncclGetVersion) get_version{};
  decltype(&::ncclGetUniqueId) get_unique_id{};
  decltype(&::ncclCommInitRankConfig) init_rank{};
  decltype(&::ncclCommFinalize) finalize{};
  decltype(&::ncclCommDestroy) destroy{};
  decltype(&::ncclCommAbort) abort{};
  decltype(&::ncclCommGetAsyncError) async_error{};
  decltype(&::ncclCommCount) count{};
  decltype(&::ncclGetErrorString) error_string{};
  decltype(&::ncclGetLastError) last_error{};
  decltype(&::ncclAllReduce) all_reduce{};
  decltype(&::ncclAllGather) all_gather{};
  decltype(&::ncclReduceScatter) reduce_scatter{};
  decltype(&::ncclBroadcast) broadcast{};
  decltype(&::ncclReduce) reduce{};
  decltype(&::ncclSend) send{};
  decltype(&::ncclRecv) receive{};
  decltype(&::ncclGroupStart) group_start{};
  decltype(&::ncclGroupEnd) group_end{};
  CommRegister* register_buffer{};      ///< from 2.19 on; else null
  CommDeregister* deregister_buffer{};  ///< the same
  /// Has NCCL read NCCL_DEBUG and what belongs to it again; null before 2.27: in 2.24 to 2.26 it closes the
  /// log under other threads (ncclResetDebugInit in debug.cc).
  void (*reset_log)(){};

  int version{};     ///< 22809 for 2.28.9
  std::string path;  ///< of the library that was found

  std::string version_words() const;  ///< "2.28.9"
};

/// Opens the library; empty: libnccl.so.2 as the dynamic linker finds it, then beside the CUDA toolkit. It
/// stays open to the end of the process. Throws Unavailable where there is none, and Error for one that is
/// older than 2.18 or lacks a function.
std::shared_ptr<const Calls> open_library(const std::string& path);

}  // namespace fabricheck::collectives::nccl
