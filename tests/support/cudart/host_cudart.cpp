#include "support/cudart/host_cudart.hpp"

#include <cuda.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <optional>

namespace fabricheck::test::cudart {
namespace {

constexpr int host_owner = -1;
constexpr int major_of_all = 9, minor_of_all = 0, multiprocessors = 132;
/// What fresh memory holds: nothing that a test would take for a result.
constexpr int fresh_byte = 0xa5;

struct Memory {
  std::uint64_t bytes;
  int device;
};
using Work = std::function<void()>;

struct Stream {
  int device;
  bool is_capturing{};
  std::vector<Work> captured{};
};
struct Event {
  int device;
  std::chrono::steady_clock::time_point at;
};
struct Graph {
  std::vector<Work> work;
};

struct State {
  std::recursive_mutex mutex;  ///< ranks may be threads
  Machine machine{two_gpus()};
  std::map<const std::byte*, Memory> memory;
  std::map<int, cudaError_t> failed;      ///< contexts, and for what
  std::set<std::pair<int, int>> enabled;  ///< peer access
  std::int64_t objects{};                 ///< streams, events, graphs
};

State& state() {
  static State one;
  return one;
}
thread_local int current = 0;
thread_local cudaError_t last = cudaSuccess;
thread_local int capturing = 0;  ///< streams, in a mode that is this thread's

using Lock = std::lock_guard<std::recursive_mutex>;

cudaError_t tell(cudaError_t error) {
  if (error != cudaSuccess) last = error;
  return error;
}

/// What a call has to fail with before it does anything.
cudaError_t refused(const char* call) {
  State& all = state();
  if (const auto planted = all.machine.next_failure.find(call); planted != all.machine.next_failure.end()) {
    const cudaError_t error = planted->second;
    all.machine.next_failure.erase(planted);
    return tell(error);
  }
  if (const auto broken = all.failed.find(current); broken != all.failed.end()) return tell(broken->second);
  return cudaSuccess;
}

int gpu_count() { return static_cast<int>(state().machine.gpus.size()); }
bool is_gpu(int ordinal) { return ordinal >= 0 && ordinal < gpu_count(); }

std::uint64_t used_by(int device) {
  std::uint64_t bytes = 0;
  for (const auto& [start, one] : state().memory)
    if (one.device == device) bytes += one.bytes;
  return bytes;
}

/// Of which device an address is; none: of no memory of CUDA's.
std::optional<int> owner_of(const void* address) {
  const auto* at = static_cast<const std::byte*>(address);
  auto after = state().memory.upper_bound(at);
  if (after == state().memory.begin()) return std::nullopt;
  --after;
  return at < after->first + after->second.bytes ? std::optional(after->second.device) : std::nullopt;
}

bool can_reach(const void* address) {
  const auto owner = owner_of(address);
  return owner && (*owner == host_owner || *owner == current || state().enabled.contains({current, *owner}));
}

cudaError_t allocate(void** memory, std::uint64_t bytes, int device) {
  auto* start = static_cast<std::byte*>(::operator new[](bytes, std::align_val_t{4096}));
  std::memset(start, fresh_byte, bytes);
  state().memory[start] = {bytes, device};
  *memory = start;
  return cudaSuccess;
}
cudaError_t give_back(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  const auto found = state().memory.find(static_cast<std::byte*>(memory));
  if (found == state().memory.end()) return tell(cudaErrorInvalidValue);
  state().memory.erase(found);
  ::operator delete[](memory, std::align_val_t{4096});
  return cudaSuccess;
}

Stream& of(cudaStream_t stream) { return *reinterpret_cast<Stream*>(stream); }
Event& of(cudaEvent_t event) { return *reinterpret_cast<Event*>(event); }

void run(Stream& stream, Work work) {
  if (stream.is_capturing) {
    stream.captured.push_back(std::move(work));
  } else {
    work();
  }
}

template <class T, class Handle, class... Arguments>
cudaError_t make(Handle* handle, Arguments... arguments) {
  ++state().objects;
  *handle = reinterpret_cast<Handle>(new T{arguments...});
  return cudaSuccess;
}
template <class T, class Handle>
cudaError_t unmake(Handle handle) {
  --state().objects;
  delete reinterpret_cast<T*>(handle);
  return cudaSuccess;
}

CUresult device_get(CUdevice* device, int ordinal) {
  *device = ordinal;
  return CUDA_SUCCESS;
}
CUresult device_attribute(int* value, CUdevice_attribute which, CUdevice device) {
  const Lock lock(state().mutex);
  if (which != CU_DEVICE_ATTRIBUTE_DMA_BUF_SUPPORTED) return CUDA_ERROR_INVALID_VALUE;
  *value = state().machine.gpus[static_cast<std::size_t>(device)].has_dmabuf ? 1 : 0;
  return CUDA_SUCCESS;
}
CUresult export_range(void* descriptor, CUdeviceptr address, std::size_t bytes, CUmemRangeHandleType type,
                      unsigned long long) {
  const Lock lock(state().mutex);
  const auto* memory = reinterpret_cast<const void*>(address);
  if (type != CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD || owner_of(memory) != current)
    return CUDA_ERROR_INVALID_VALUE;
  // The driver exports whole pages of the host's only.
  if (address % 4096 != 0 || bytes % 4096 != 0) return CUDA_ERROR_INVALID_VALUE;
  const int made = ::memfd_create("dmabuf", MFD_CLOEXEC);
  std::memcpy(descriptor, &made, sizeof made);
  return made >= 0 ? CUDA_SUCCESS : CUDA_ERROR_UNKNOWN;
}

cudaError_t entry_point(const char* name, void** found, cudaDriverEntryPointQueryResult* result) {
  const std::map<std::string, void*> known{
      {"cuDeviceGet", reinterpret_cast<void*>(&device_get)},
      {"cuDeviceGetAttribute", reinterpret_cast<void*>(&device_attribute)},
      {"cuMemGetHandleForAddressRange", reinterpret_cast<void*>(&export_range)}};
  const auto one = known.find(name);
  *found = one == known.end() ? nullptr : one->second;
  *result = one == known.end() ? cudaDriverEntryPointSymbolNotFound : cudaDriverEntryPointSuccess;
  return cudaSuccess;
}

}  // namespace

Machine two_gpus() {
  Machine machine;
  machine.gpus = {{.bus = 0x5d}, {.bus = 0xe1}};
  machine.reach = {{0, 1}, {1, 0}};
  return machine;
}

void use_machine(Machine machine) {
  State& all = state();
  const Lock lock(all.mutex);
  for (const auto& [start, one] : all.memory)
    ::operator delete[](const_cast<std::byte*>(start), std::align_val_t{4096});
  all.memory.clear();
  all.failed.clear();
  all.enabled.clear();
  all.objects = 0;
  all.machine = std::move(machine);
  current = 0;
  last = cudaSuccess;
  capturing = 0;
}
Machine& machine() { return state().machine; }

std::uint64_t held() {
  const Lock lock(state().mutex);
  return state().memory.size() + static_cast<std::uint64_t>(state().objects);
}

void enqueue_kernel(cudaStream_t stream, const std::vector<const void*>& pointers,
                    std::function<void()> work) {
  const Lock lock(state().mutex);
  if (refused("kernel") != cudaSuccess) return;
  if (of(stream).device != current) {
    tell(cudaErrorInvalidResourceHandle);
    return;
  }
  if (!std::all_of(pointers.begin(), pointers.end(), can_reach)) {
    // It is told to whoever asks later, and the context is lost.
    state().failed[current] = cudaErrorIllegalAddress;
    return;
  }
  run(of(stream), std::move(work));
}

}  // namespace fabricheck::test::cudart

using namespace fabricheck::test::cudart;  // NOLINT(google-build-using-namespace): of this file's own names

extern "C" {

cudaError_t CUDARTAPI cudaDriverGetVersion(int* version) {
  *version = machine().driver_version;
  return cudaSuccess;
}
cudaError_t CUDARTAPI cudaGetDeviceCount(int* count) {
  const Lock lock(state().mutex);
  if (const cudaError_t error = refused("cudaGetDeviceCount"); error != cudaSuccess) return error;
  if (machine().count_error != cudaSuccess) return tell(machine().count_error);
  *count = gpu_count();
  return cudaSuccess;
}
cudaError_t CUDARTAPI cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  const Lock lock(state().mutex);
  if (!is_gpu(device)) return tell(cudaErrorInvalidDevice);
  const GpuModel& gpu = machine().gpus[static_cast<std::size_t>(device)];
  *properties = {};
  std::strncpy(properties->name, gpu.name.c_str(), sizeof properties->name - 1);
  properties->totalGlobalMem = gpu.memory_bytes;
  return cudaSuccess;
}
cudaError_t CUDARTAPI cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int device) {
  const Lock lock(state().mutex);
  if (!is_gpu(device)) return tell(cudaErrorInvalidDevice);
  const GpuModel& gpu = machine().gpus[static_cast<std::size_t>(device)];
  const std::map<cudaDeviceAttr, int> known{{cudaDevAttrPciDomainId, 0},
                                            {cudaDevAttrPciBusId, gpu.bus},
                                            {cudaDevAttrPciDeviceId, 0},
                                            {cudaDevAttrComputeCapabilityMajor, major_of_all},
                                            {cudaDevAttrComputeCapabilityMinor, minor_of_all},
                                            {cudaDevAttrMultiProcessorCount, multiprocessors},
                                            {cudaDevAttrL2CacheSize, gpu.l2_bytes},
                                            {cudaDevAttrComputeMode, gpu.compute_mode},
                                            {cudaDevAttrGPUDirectRDMASupported, 1}};
  const auto found = known.find(which);
  if (found == known.end()) return tell(cudaErrorInvalidValue);
  *value = found->second;
  return cudaSuccess;
}
#if CUDART_VERSION >= 12050
cudaError_t CUDARTAPI cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned int,
                                                       unsigned long long,
                                                       cudaDriverEntryPointQueryResult* result) {
  return entry_point(symbol, function, result);
}
#else
cudaError_t CUDARTAPI cudaGetDriverEntryPoint(const char* symbol, void** function, unsigned long long,
                                              cudaDriverEntryPointQueryResult* result) {
  return entry_point(symbol, function, result);
}
#endif

cudaError_t CUDARTAPI cudaSetDevice(int device) {
  const Lock lock(state().mutex);
  if (!is_gpu(device)) return tell(cudaErrorInvalidDevice);
  current = device;
  return cudaSuccess;
}
cudaError_t CUDARTAPI cudaGetLastError() { return std::exchange(last, cudaSuccess); }
const char* CUDARTAPI cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    case cudaErrorInvalidResourceHandle:
      return "cudaErrorInvalidResourceHandle";
    case cudaErrorECCUncorrectable:
      return "cudaErrorECCUncorrectable";
    default:
      return "cudaErrorOfSomeKind";
  }
}
const char* CUDARTAPI cudaGetErrorString(cudaError_t error) {
  return error == cudaErrorIllegalAddress ? "an illegal memory access was encountered" : "an error";
}

cudaError_t CUDARTAPI cudaMemGetInfo(std::size_t* free_bytes, std::size_t* total_bytes) {
  const Lock lock(state().mutex);
  if (const cudaError_t error = refused("cudaMemGetInfo"); error != cudaSuccess) return error;
  *total_bytes = machine().gpus[static_cast<std::size_t>(current)].memory_bytes;
  *free_bytes = *total_bytes - used_by(current);
  return cudaSuccess;
}
cudaError_t CUDARTAPI cudaMalloc(void** memory, std::size_t bytes) {
  const Lock lock(state().mutex);
  if (const cudaError_t error = refused("cudaMalloc"); error != cudaSuccess) return error;
  if (capturing > 0) return tell(cudaErrorStreamCaptureUnsupported);
  if (used_by(current) + bytes > machine().gpus[static_cast<std::size_t>(current)].memory_bytes)
    return tell(cudaErrorMemoryAllocation);
  return allocate(memory, bytes, current);
}
cudaError_t CUDARTAPI cudaFree(void* memory) {
  const Lock lock(state().mutex);
  if (const cudaError_t error = refused("cudaFree"); error != cudaSuccess) return error;
  return give_back(memory);
}
cudaError_t CUDARTAPI cudaHostAlloc(void** memory, std::size_t bytes, unsigned int) {
  const Lock lock(state().mutex);
  if (const cudaError_t error = refused("cudaHostAlloc"); error != cudaSuccess) return error;
  return allocate(memory, bytes, host_owner);
}
cudaError_t CUDARTAPI cudaFreeHost(void* memory) {
  const Lock lock(state().mutex);
  return give_back(memory);
}

cudaError_t CUDARTAPI cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int) {
  const Lock lock(state().mutex);
  if (const cudaError_t error = refused("cudaStreamCreateWithFlags"); error != cudaSuccess) return error;
  return make<Stream>(stream, current);
}
cudaError_t CUDARTAPI cudaStreamDestroy(cudaStream_t stream) {
  const Lock lock(state().mutex);
  return unmake<Stream>(stream);
}
cudaError_t CUDARTAPI cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned int) {
  const Lock lock(state().mutex);
  return refused("cudaStreamWaitEvent");  // what was put in before has run
}
cudaError_t CUDARTAPI cudaEventCreate(cudaEvent_t* event) {
  const Lock lock(state().mutex);
  if (const cudaError_t error = refused("cudaEventCreate"); error != cudaSuccess) return error;
  return make<Event>(event, current, std::chrono::steady_clock::time_point{});
}
cudaError_t CUDARTAPI cudaEventDestroy(cudaEvent_t event) {
  const Lock lock(state().mutex);
  return unmake<Event>(event);
}
cudaError_t CUDARTAPI cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const Lock lock(state().mutex);
  if (const cudaError_t error = refused("cudaEventRecord"); error != cudaSuccess) return error;
  if (of(event).device != of(stream).device) return tell(cudaErrorInvalidResourceHandle);
  run(of(stream), [event] { of(event).at = std::chrono::steady_clock::now(); });
  return cudaSuccess;
}
cudaError_t CUDARTAPI cudaEventQuery(cudaEvent_t event) {
  const Lock lock(state().mutex);
  if (const cudaError_t error = refused("cudaEventQuery"); error != cudaSuccess) return error;
  const auto broken = state().failed.find(of(event).device);
  return broken == state().failed.end() ? cudaSuccess : tell(broken->second);
}
cudaError_t CUDARTAPI cudaEventElapsedTime(float* ms, cudaEvent_t from, cudaEvent_t to) {
  const Lock lock(state().mutex);
  if (of(from).device != of(to).device) return tell(cudaErrorInvalidResourceHandle);
  *ms = std::chrono::duration<float, std::milli>(of(to).at - of(from).at).count();
  return cudaSuccess;
}

cudaError_t CUDARTAPI cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const Lock lock(state().mutex);
  of(stream).is_capturing = true;
  ++capturing;
  return cudaSuccess;
}
cudaError_t CUDARTAPI cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const Lock lock(state().mutex);
  of(stream).is_capturing = false;
  --capturing;
  return make<Graph>(graph, std::exchange(of(stream).captured, {}));
}
cudaError_t CUDARTAPI cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t graph, unsigned long long) {
  const Lock lock(state().mutex);
  if (const cudaError_t error = refused("cudaGraphInstantiate"); error != cudaSuccess) return error;
  return make<Graph>(made, reinterpret_cast<Graph*>(graph)->work);
}
cudaError_t CUDARTAPI cudaGraphDestroy(cudaGraph_t graph) {
  const Lock lock(state().mutex);
  return unmake<Graph>(graph);
}
cudaError_t CUDARTAPI cudaGraphExecDestroy(cudaGraphExec_t graph) {
  const Lock lock(state().mutex);
  return unmake<Graph>(graph);
}
cudaError_t CUDARTAPI cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
  const Lock lock(state().mutex);
  if (const cudaError_t error = refused("cudaGraphLaunch"); error != cudaSuccess) return error;
  for (const Work& work : reinterpret_cast<Graph*>(graph)->work) run(of(stream), work);
  return cudaSuccess;
}

cudaError_t CUDARTAPI cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                                      cudaStream_t stream) {
  const Lock lock(state().mutex);
  if (const cudaError_t error = refused("cudaMemcpyAsync"); error != cudaSuccess) return error;
  if (!owner_of(to) || !owner_of(from)) return tell(cudaErrorInvalidValue);
  run(of(stream), [=] { std::memmove(to, from, bytes); });
  return cudaSuccess;
}
cudaError_t CUDARTAPI cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  const Lock lock(state().mutex);
  if (const cudaError_t error = refused("cudaMemsetAsync"); error != cudaSuccess) return error;
  if (!can_reach(to)) return tell(cudaErrorInvalidValue);
  run(of(stream), [=] { std::memset(to, value, bytes); });
  return cudaSuccess;
}

cudaError_t CUDARTAPI cudaDeviceCanAccessPeer(int* can, int device, int peer) {
  const Lock lock(state().mutex);
  if (!is_gpu(device) || !is_gpu(peer)) return tell(cudaErrorInvalidDevice);
  *can = machine().reach.contains({device, peer}) ? 1 : 0;
  return cudaSuccess;
}
cudaError_t CUDARTAPI cudaDeviceEnablePeerAccess(int peer, unsigned int) {
  const Lock lock(state().mutex);
  if (const cudaError_t error = refused("cudaDeviceEnablePeerAccess"); error != cudaSuccess) return error;
  if (!machine().reach.contains({current, peer})) return tell(cudaErrorPeerAccessUnsupported);
  return state().enabled.emplace(current, peer).second ? cudaSuccess
                                                       : tell(cudaErrorPeerAccessAlreadyEnabled);
}

}  // extern "C"
