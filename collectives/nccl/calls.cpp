#include "collectives/nccl/calls.hpp"

#include <dlfcn.h>

#include <array>
#include <map>
#include <mutex>
#include <vector>

#include <fmt/format.h>

#include "core/error.hpp"

namespace fabricheck::collectives::nccl {
namespace {

/// ncclCommInitRankConfig with settings that are used here, and FP8 apart all types.
constexpr int least_version = 21800;
constexpr int first_safe_reset = 22700;

template <class Function>
Function find(void* library, const char* name) {
  return reinterpret_cast<Function>(::dlsym(library, name));
}

template <class Function>
void need(Function& into, void* library, const char* name, const std::string& path) {
  into = find<Function>(library, name);
  if (!into)
    throw Error(
        fmt::format("{} has no {}: it is no NCCL of 2.18 or later; name another with --nccl", path, name));
}

std::vector<std::string> candidates(const std::string& path) {
  if (!path.empty()) return {path};
  std::vector<std::string> all{"libnccl.so.2", "libnccl.so"};
  const std::string beside = FABRICHECK_NCCL_FOLDER;
  if (!beside.empty()) {
    all.push_back(beside + "/lib64/libnccl.so.2");
    all.push_back(beside + "/lib/libnccl.so.2");
  }
  return all;
}

/// The file that a function is in.
std::string file_of(const void* function, const std::string& otherwise) {
  Dl_info info{};
  return ::dladdr(function, &info) != 0 && info.dli_fname != nullptr ? info.dli_fname : otherwise;
}

std::shared_ptr<const Calls> open_now(const std::string& path) {
  void* library = nullptr;
  std::string name, why;
  for (const std::string& one : candidates(path)) {
    name = one;
    library = ::dlopen(one.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library) break;
    const char* said = ::dlerror();
    if (why.empty()) why = said ? said : "it cannot be opened";
  }
  if (!library && !path.empty()) throw Error(fmt::format("--nccl: {}", why));
  if (!library) throw Unavailable(fmt::format("NCCL was not found ({}); name it with --nccl", why));
  auto calls = std::make_shared<Calls>();
  need(calls->get_version, library, "ncclGetVersion", name);
  calls->path = file_of(reinterpret_cast<const void*>(calls->get_version), name);
  calls->get_version(&calls->version);
  if (calls->version < least_version)
    throw Error(fmt::format("{} is NCCL {}: 2.18 or later is needed; name another with --nccl", calls->path,
                            calls->version_words()));
  need(calls->get_unique_id, library, "ncclGetUniqueId", name);
  need(calls->init_rank, library, "ncclCommInitRankConfig", name);
  need(calls->finalize, library, "ncclCommFinalize", name);
  need(calls->destroy, library, "ncclCommDestroy", name);
  need(calls->abort, library, "ncclCommAbort", name);
  need(calls->async_error, library, "ncclCommGetAsyncError", name);
  need(calls->count, library, "ncclCommCount", name);
  need(calls->error_string, library, "ncclGetErrorString", name);
  need(calls->last_error, library, "ncclGetLastError", name);
  need(calls->all_reduce, library, "ncclAllReduce", name);
  need(calls->all_gather, library, "ncclAllGather", name);
  need(calls->reduce_scatter, library, "ncclReduceScatter", name);
  need(calls->broadcast, library, "ncclBroadcast", name);
  need(calls->reduce, library, "ncclReduce", name);
  need(calls->send, library, "ncclSend", name);
  need(calls->receive, library, "ncclRecv", name);
  need(calls->group_start, library, "ncclGroupStart", name);
  need(calls->group_end, library, "ncclGroupEnd", name);
  calls->register_buffer = find<decltype(calls->register_buffer)>(library, "ncclCommRegister");
  calls->deregister_buffer = find<decltype(calls->deregister_buffer)>(library, "ncclCommDeregister");
  if (calls->version >= first_safe_reset)
    calls->reset_log = find<decltype(calls->reset_log)>(library, "ncclResetDebugInit");
  return calls;
}

}  // namespace

std::string Calls::version_words() const {
  // NCCL_VERSION: up to 2.8 thousands, then ten thousands.
  constexpr int newer = 10000, older = 1000, hundred = 100;
  const int unit = version < newer ? older : newer;
  return fmt::format("{}.{}.{}", version / unit, version % unit / hundred, version % hundred);
}

std::shared_ptr<const Calls> open_library(const std::string& path) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const Calls>> opened;
  const std::lock_guard lock(mutex);
  auto& known = opened[path];
  if (!known) known = open_now(path);
  return known;
}

}  // namespace fabricheck::collectives::nccl
