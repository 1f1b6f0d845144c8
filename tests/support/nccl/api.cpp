// The calls of NCCL that the stand-in has.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>

#include "support/nccl/elements.hpp"
#include "support/nccl/operations.hpp"

using fabricheck::test::Collective;
using fabricheck::test::HostStream;
using fabricheck::test::Kind;
using fabricheck::test::Transfer;

namespace {

struct Grouped {
  ncclComm* comm{};
  HostStream* stream{};
  std::vector<Transfer> transfers;
};

thread_local int group_depth = 0;
thread_local std::vector<Grouped> group;

HostStream& host_stream(cudaStream_t stream) { return *reinterpret_cast<HostStream*>(stream); }

/// A call from its beginning to its end.
class Calling {
 public:
  explicit Calling(ncclComm& comm) : comm_(comm) { ++comm_.calls; }
  ~Calling() { --comm_.calls; }
  Calling(const Calling&) = delete;
  Calling& operator=(const Calling&) = delete;
  /// As the first call does.
  ncclResult_t connect() {
    if (comm_.connected.exchange(true) || !comm_.faults.connect_hang) {
      return ncclSuccess;
    }
    std::this_thread::sleep_for(comm_.faults.timeout_s);
    return ncclSystemError;
  }

 private:
  ncclComm& comm_;
};

ncclResult_t collective(ncclComm_t comm, cudaStream_t stream, const Collective& call) {
  if (comm == nullptr || stream == nullptr || fabricheck::test::element_bytes(call.type) == 0 ||
      call.root < 0 || call.root >= comm->ranks) {
    return ncclInvalidArgument;
  }
  if (comm->state.load() != ncclSuccess) {
    return comm->state.load();
  }
  Calling calling(*comm);
  if (const ncclResult_t connected = calling.connect(); connected != ncclSuccess) {
    return connected;
  }
  fabricheck::test::enqueue(*comm, host_stream(stream), call);
  return ncclSuccess;
}

Collective described(Kind kind, const void* send, void* receive, std::size_t count, ncclDataType_t type,
                     ncclRedOp_t op, int root) {
  return {kind, static_cast<const std::byte*>(send), static_cast<std::byte*>(receive), count, type, op, root};
}

ncclResult_t transfer(ncclComm_t comm, cudaStream_t stream, bool sends, void* data, std::size_t count,
                      ncclDataType_t type, int peer) {
  const std::size_t size = fabricheck::test::element_bytes(type);
  if (comm == nullptr || stream == nullptr || size == 0 || peer < 0 || peer >= comm->ranks) {
    return ncclInvalidArgument;
  }
  if (comm->state.load() != ncclSuccess) {
    return comm->state.load();
  }
  const Transfer one{sends, peer, static_cast<std::byte*>(data), count * size};
  HostStream& on = host_stream(stream);
  if (group_depth == 0) {
    fabricheck::test::enqueue(*comm, on, std::vector{one});
    return ncclSuccess;
  }
  const auto same = [&](const Grouped& other) { return other.comm == comm && other.stream == &on; };
  auto found = std::find_if(group.begin(), group.end(), same);
  if (found == group.end()) {
    found = group.insert(group.end(), Grouped{comm, &on, {}});
  }
  found->transfers.push_back(one);
  return ncclSuccess;
}

ncclResult_t create(ncclComm_t* out, int ranks, const ncclUniqueId& id, int rank, bool blocking) {
  if (out == nullptr || ranks < 1 || rank < 0 || rank >= ranks) {
    return ncclInvalidArgument;
  }
  auto comm = std::make_unique<ncclComm>();
  comm->rank = rank;
  comm->ranks = ranks;
  comm->id = std::string(id.internal, strnlen(id.internal, sizeof(id.internal)));
  comm->faults = fabricheck::test::read_faults(rank, comm->id);
  if (comm->faults.init_error) {
    return ncclSystemError;
  }
  if (comm->faults.init_hang) {
    if (blocking) {
      std::this_thread::sleep_for(comm->faults.timeout_s);
      return ncclSystemError;
    }
    comm->state.store(ncclInProgress);
    *out = comm.release();
    return ncclInProgress;
  }
  ncclResult_t joined = comm->join();
  if (joined == ncclSuccess && blocking) {
    joined = comm->wait_for_all();
  }
  if (joined != ncclSuccess) {
    comm->leave();
    return joined;
  }
  fabricheck::test::forget_log_settings();  // tests change them between communicators
  fabricheck::test::log_line("NCCL version 2.28.3+cuda13.0");
  if (!comm->faults.network.empty()) {
    fabricheck::test::log_line("Using network " + comm->faults.network);
  }
  fabricheck::test::log_line(
      "24 coll channels, 24 collnet channels, 16 nvls channels, 32 p2p channels, 32 p2p channels per peer");
  *out = comm.release();
  // One that does not block is asked how far it is.
  return blocking ? ncclSuccess : ncclInProgress;
}

ncclResult_t destroy(ncclComm_t comm) {
  if (comm == nullptr) {
    return ncclInvalidArgument;
  }
  comm->leave();
  delete comm;
  return ncclSuccess;
}

}  // namespace

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
  *version = fabricheck::test::read_faults(-1, "").version;
  return ncclSuccess;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  static std::atomic<int> made{0};
  const auto now = std::chrono::system_clock::now().time_since_epoch().count();
  *id = {};
  std::snprintf(id->internal, sizeof(id->internal), "/fabricheck_nccl_%d_%d_%lld", static_cast<int>(getpid()),
                made.fetch_add(1), static_cast<long long>(now));
  return ncclSuccess;
}

ncclResult_t ncclCommInitRank(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank) {
  return create(comm, ranks, id, rank, true);
}

#ifndef STANDIN_OLD
ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  return create(comm, ranks, id, rank, config == nullptr || config->blocking != 0);
}

ncclResult_t ncclCommAbort(ncclComm_t comm) {
  if (comm == nullptr) {
    return ncclInvalidArgument;
  }
  if (comm->calls.load() > 0) {
    std::fprintf(stderr, "stand-in NCCL: ncclCommAbort frees a communicator under a call on it\n");
    std::abort();
  }
  if (comm->shared != nullptr) {
    comm->shared->broken.store(true);
  }
  while (comm->busy.load()) {
    std::this_thread::yield();
  }
  {
    const std::lock_guard lock(comm->streams_mutex);
    for (HostStream* stream : comm->streams) {
      stream->stuck = false;
    }
  }
  return destroy(comm);
}
#endif

ncclResult_t ncclCommFinalize(ncclComm_t comm) { return comm == nullptr ? ncclInvalidArgument : ncclSuccess; }

ncclResult_t ncclCommDestroy(ncclComm_t comm) { return destroy(comm); }

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* error) {
  *error = comm->state.load();
  if (*error == ncclSuccess && !comm->has_all()) {
    *error = ncclInProgress;
  }
  return ncclSuccess;
}

ncclResult_t ncclCommCount(const ncclComm_t comm, int* count) {
  *count = comm->ranks;
  return ncclSuccess;
}

ncclResult_t ncclCommUserRank(const ncclComm_t comm, int* rank) {
  *rank = comm->rank;
  return ncclSuccess;
}

ncclResult_t ncclCommCuDevice(const ncclComm_t comm, int* device) {
  *device = comm->rank;
  return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess:
      return "no error";
    case ncclUnhandledCudaError:
      return "unhandled cuda error (run with NCCL_DEBUG=INFO for details)";
    case ncclSystemError:
      return "unhandled system error (run with NCCL_DEBUG=INFO for details)";
    case ncclInternalError:
      return "internal error - please report this issue to the NCCL developers";
    case ncclInvalidArgument:
      return "invalid argument (run with NCCL_DEBUG=WARN for details)";
    case ncclInvalidUsage:
      return "invalid usage (run with NCCL_DEBUG=WARN for details)";
    case ncclRemoteError:
      return "remote process exited or there was a network error";
    case ncclInProgress:
      return "NCCL operation in progress";
    default:
      return "unknown result code";
  }
}

const char* ncclGetLastError(ncclComm_t comm) {
  return comm != nullptr && comm->state.load() == ncclRemoteError ? "the stand-in was told to fail" : "";
}

ncclResult_t ncclAllReduce(const void* send, void* receive, size_t count, ncclDataType_t type, ncclRedOp_t op,
                           ncclComm_t comm, cudaStream_t stream) {
  return collective(comm, stream, described(Kind::AllReduce, send, receive, count, type, op, 0));
}

ncclResult_t ncclAllGather(const void* send, void* receive, size_t count, ncclDataType_t type,
                           ncclComm_t comm, cudaStream_t stream) {
  return collective(comm, stream, described(Kind::AllGather, send, receive, count, type, ncclSum, 0));
}

ncclResult_t ncclReduceScatter(const void* send, void* receive, size_t count, ncclDataType_t type,
                               ncclRedOp_t op, ncclComm_t comm, cudaStream_t stream) {
  return collective(comm, stream, described(Kind::ReduceScatter, send, receive, count, type, op, 0));
}

ncclResult_t ncclBroadcast(const void* send, void* receive, size_t count, ncclDataType_t type, int root,
                           ncclComm_t comm, cudaStream_t stream) {
  return collective(comm, stream, described(Kind::Broadcast, send, receive, count, type, ncclSum, root));
}

ncclResult_t ncclReduce(const void* send, void* receive, size_t count, ncclDataType_t type, ncclRedOp_t op,
                        int root, ncclComm_t comm, cudaStream_t stream) {
  return collective(comm, stream, described(Kind::Reduce, send, receive, count, type, op, root));
}

ncclResult_t ncclSend(const void* data, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return transfer(comm, stream, true, const_cast<void*>(data), count, type, peer);
}

ncclResult_t ncclRecv(void* data, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return transfer(comm, stream, false, data, count, type, peer);
}

ncclResult_t ncclGroupStart() {
  ++group_depth;
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
  if (group_depth == 0) {
    return ncclInvalidUsage;
  }
  if (--group_depth == 0) {
    for (const Grouped& one : std::exchange(group, {})) {
      fabricheck::test::enqueue(*one.comm, *one.stream, one.transfers);
    }
  }
  return ncclSuccess;
}

ncclResult_t ncclCommRegister(const ncclComm_t comm, void* data, size_t /*bytes*/, void** handle) {
  *handle = comm->faults.null_handle ? nullptr : data;
  return comm->faults.no_register ? ncclInvalidUsage : ncclSuccess;
}

// A macro in some headers.
void(ncclResetDebugInit)() { fabricheck::test::forget_log_settings(); }

ncclResult_t ncclCommDeregister(const ncclComm_t /*comm*/, void* /*handle*/) { return ncclSuccess; }

ncclResult_t ncclMemAlloc(void** data, size_t bytes) {
  *data = std::malloc(bytes);
  return *data == nullptr ? ncclUnhandledCudaError : ncclSuccess;
}

ncclResult_t ncclMemFree(void* data) {
  std::free(data);
  return ncclSuccess;
}

}  // extern "C"
