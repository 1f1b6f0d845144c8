// The runtime over cudart, which is linked statically and opens the driver's libcuda by itself.
#include <cuda.h>
#include <cuda_runtime_api.h>

#include <array>
#include <cstdlib>

#include <fmt/format.h>

#include "core/units.hpp"
#include "device/cuda/cudart/kernels.hpp"
#include "device/cuda/device.hpp"

namespace fabricheck::cuda {
namespace {

constexpr std::uint64_t page_bytes = 4096;

cudaStream_t raw(Stream stream) { return reinterpret_cast<cudaStream_t>(stream); }
cudaEvent_t raw(Event event) { return reinterpret_cast<cudaEvent_t>(event); }
cudaGraphExec_t raw(Graph graph) { return reinterpret_cast<cudaGraphExec_t>(graph); }

/// A function of the driver's own interface; null where it has none.
template <class Function>
Function driver_function(const char* name) {
  void* found = nullptr;
  cudaDriverEntryPointQueryResult state{};
#if CUDART_VERSION >= 12050
  constexpr unsigned int since = 12000;
  const cudaError_t failed = cudaGetDriverEntryPointByVersion(name, &found, since, cudaEnableDefault, &state);
#else
  const cudaError_t failed = cudaGetDriverEntryPoint(name, &found, cudaEnableDefault, &state);
#endif
  if (failed != cudaSuccess || state != cudaDriverEntryPointSuccess) return nullptr;
  return reinterpret_cast<Function>(found);
}

int attribute(int ordinal, cudaDeviceAttr which) {
  int value = 0;
  return cudaDeviceGetAttribute(&value, which, ordinal) == cudaSuccess ? value : 0;
}

std::string compute_mode_name(int mode) {
  switch (mode) {
    case cudaComputeModeExclusive:
    case cudaComputeModeExclusiveProcess:
      return "exclusive";
    case cudaComputeModeProhibited:
      return "prohibited";
    default:
      return "default";
  }
}

DeviceFacts facts_of(int ordinal) {
  DeviceFacts facts;
  facts.ordinal = ordinal;
  cudaDeviceProp properties{};
  if (cudaGetDeviceProperties(&properties, ordinal) == cudaSuccess) {
    facts.name = properties.name;
    facts.memory_bytes = properties.totalGlobalMem;
  }
  facts.pci_address =
      fmt::format("{:04x}:{:02x}:{:02x}.0", attribute(ordinal, cudaDevAttrPciDomainId),
                  attribute(ordinal, cudaDevAttrPciBusId), attribute(ordinal, cudaDevAttrPciDeviceId));
  facts.major = attribute(ordinal, cudaDevAttrComputeCapabilityMajor);
  facts.minor = attribute(ordinal, cudaDevAttrComputeCapabilityMinor);
  facts.multiprocessors = attribute(ordinal, cudaDevAttrMultiProcessorCount);
  facts.l2_bytes = static_cast<std::uint64_t>(attribute(ordinal, cudaDevAttrL2CacheSize));
  facts.compute_mode = compute_mode_name(attribute(ordinal, cudaDevAttrComputeMode));
  return facts;
}

/// Only of a GPU that is the thread's own: the runtime may make a context to look the functions up.
bool exports_dmabuf(int ordinal) {
  using DeviceGet = CUresult (*)(CUdevice*, int);
  using DeviceGetAttribute = CUresult (*)(int*, CUdevice_attribute, CUdevice);
  const auto get = driver_function<DeviceGet>("cuDeviceGet");
  const auto ask = driver_function<DeviceGetAttribute>("cuDeviceGetAttribute");
  CUdevice device{};
  int can = 0;
  return get && ask && get(&device, ordinal) == CUDA_SUCCESS &&
         ask(&can, CU_DEVICE_ATTRIBUTE_DMA_BUF_SUPPORTED, device) == CUDA_SUCCESS && can != 0;
}

class CudartDevice final : public Device {
 public:
  explicit CudartDevice(DeviceFacts facts) : facts_(std::move(facts)) {
    must(cudaSetDevice(facts_.ordinal), "cudaSetDevice");
    must(cudaFree(nullptr), "making a context");
    facts_.dmabuf = exports_dmabuf(facts_.ordinal);
  }

  const DeviceFacts& facts() const override { return facts_; }

  void abandon() noexcept override { abandoned_ = true; }
  bool is_abandoned() const override { return abandoned_; }

  MemoryLeft memory_left() override {
    select();
    std::size_t free_bytes = 0, total_bytes = 0;
    must(cudaMemGetInfo(&free_bytes, &total_bytes), "cudaMemGetInfo");
    return {free_bytes, total_bytes};
  }

  std::byte* allocate(std::uint64_t bytes) override {
    select();
    void* memory = nullptr;
    const cudaError_t failed = cudaMalloc(&memory, bytes);
    if (failed == cudaErrorMemoryAllocation) {
      static_cast<void>(cudaGetLastError());  // it would be told to the next call
      throw OutOfMemory(fmt::format("cudaMalloc of {} was refused on {}, which has {} free",
                                    format_bytes(bytes), words(), format_bytes(memory_left().free_bytes)));
    }
    must(failed, "cudaMalloc");
    return static_cast<std::byte*>(memory);
  }
  void release(std::byte* memory) noexcept override {
    if (!abandoned_) quietly(cudaFree(memory));
  }

  std::byte* allocate_pinned(std::uint64_t bytes) override {
    select();
    void* memory = nullptr;
    const cudaError_t failed = cudaHostAlloc(&memory, bytes, cudaHostAllocPortable);
    if (failed == cudaErrorMemoryAllocation) {
      static_cast<void>(cudaGetLastError());
      throw OutOfMemory(fmt::format("cudaHostAlloc of {} was refused: that much memory could not be locked",
                                    format_bytes(bytes)));
    }
    must(failed, "cudaHostAlloc");
    auto* start = static_cast<std::byte*>(memory);
    for (std::uint64_t at = 0; at < bytes; at += page_bytes) start[at] = std::byte{};
    return start;
  }
  void release_pinned(std::byte* memory) noexcept override {
    if (!abandoned_) quietly(cudaFreeHost(memory));
  }

  std::optional<int> export_dmabuf(std::byte* memory, std::uint64_t bytes) override {
    select();
    using Export = CUresult (*)(void*, CUdeviceptr, std::size_t, CUmemRangeHandleType, unsigned long long);
    const auto export_range = driver_function<Export>("cuMemGetHandleForAddressRange");
    int descriptor = -1;
    if (!facts_.dmabuf || !export_range ||
        export_range(&descriptor, reinterpret_cast<CUdeviceptr>(memory), bytes,
                     CU_MEM_RANGE_HANDLE_TYPE_DMA_BUF_FD, 0) != CUDA_SUCCESS)
      return std::nullopt;
    return descriptor;
  }

  Stream make_stream() override {
    select();
    cudaStream_t stream{};
    must(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
    return reinterpret_cast<Stream>(stream);
  }
  void release(Stream stream) noexcept override {
    if (!abandoned_) quietly(cudaStreamDestroy(raw(stream)));
  }
  Event make_event() override {
    select();
    cudaEvent_t event{};
    must(cudaEventCreate(&event), "cudaEventCreate");
    return reinterpret_cast<Event>(event);
  }
  void release(Event event) noexcept override {
    if (!abandoned_) quietly(cudaEventDestroy(raw(event)));
  }

  void record(Event event, Stream stream) override {
    select();
    must(cudaEventRecord(raw(event), raw(stream)), "cudaEventRecord");
  }
  void wait(Stream stream, Event event) override {
    select();
    must(cudaStreamWaitEvent(raw(stream), raw(event), 0), "cudaStreamWaitEvent");
  }
  bool is_done(Event event) override {
    const cudaError_t state = cudaEventQuery(raw(event));
    if (state == cudaErrorNotReady) {
      static_cast<void>(cudaGetLastError());
      return false;
    }
    must(state, "work on the GPU");
    return true;
  }
  double elapsed_us(Event from, Event to) override {
    float ms = 0.0F;
    must(cudaEventElapsedTime(&ms, raw(from), raw(to)), "cudaEventElapsedTime");
    return 1000.0 * static_cast<double>(ms);
  }

  void begin_capture(Stream stream) override {
    select();
    must(cudaStreamBeginCapture(raw(stream), cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  }
  Graph end_capture(Stream stream) override {
    select();
    cudaGraph_t graph{};
    must(cudaStreamEndCapture(raw(stream), &graph), "cudaStreamEndCapture");
    cudaGraphExec_t made{};
    const cudaError_t failed = cudaGraphInstantiate(&made, graph, 0);
    quietly(cudaGraphDestroy(graph));
    must(failed, "cudaGraphInstantiate");
    return reinterpret_cast<Graph>(made);
  }
  void launch(Graph graph, Stream stream) override {
    select();
    must(cudaGraphLaunch(raw(graph), raw(stream)), "cudaGraphLaunch");
  }
  void release(Graph graph) noexcept override {
    if (!abandoned_) quietly(cudaGraphExecDestroy(raw(graph)));
  }

  void copy(std::byte* to, const std::byte* from, std::uint64_t bytes, Stream stream) override {
    select();
    must(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, raw(stream)), "cudaMemcpyAsync");
  }
  void set(std::byte* to, std::uint8_t value, std::uint64_t bytes, Stream stream) override {
    select();
    must(cudaMemsetAsync(to, value, bytes, raw(stream)), "cudaMemsetAsync");
  }
  void access(Access access, std::byte* a, const std::byte* b, const std::byte* c, std::uint64_t bytes,
              Stream stream) override {
    select();
    must(kernels::access(access, a, b, c, bytes, raw(stream)), access_name(access));
  }
  void make_ring(std::byte* at, std::uint64_t count, std::uint64_t stride, Stream stream) override {
    select();
    must(kernels::make_ring(at, count, stride, raw(stream)), "the kernel make_ring");
  }
  void chase(const std::byte* ring, std::uint64_t hops, std::byte* sink, Stream stream) override {
    select();
    must(kernels::chase(ring, hops, sink, raw(stream)), "the kernel chase");
  }
  void fill(std::byte* to, std::uint64_t bytes, const device::Pattern& pattern, Stream stream) override {
    select();
    must(kernels::fill(to, bytes, pattern, raw(stream)), "the kernel fill");
  }
  void compare(const std::byte* data, std::uint64_t bytes, const device::Pattern& pattern, std::byte* found,
               Stream stream) override {
    select();
    must(kernels::compare(data, bytes, pattern, found, raw(stream)), "the kernel compare");
  }
  void fill_random(std::byte* to, std::uint64_t elements, DataType type, std::uint64_t seed,
                   Stream stream) override {
    select();
    must(kernels::fill_random(to, elements, type, seed, raw(stream)), "the kernel fill_random");
  }
  void digest(const std::byte* data, std::uint64_t bytes, std::byte* digest, Stream stream) override {
    select();
    must(kernels::digest(data, bytes, digest, raw(stream)), "the kernel digest");
  }

  bool allow_access_to(const Device& other) override {
    select();
    int can = 0;
    must(cudaDeviceCanAccessPeer(&can, facts_.ordinal, other.facts().ordinal), "cudaDeviceCanAccessPeer");
    if (can == 0) return false;
    const cudaError_t state = cudaDeviceEnablePeerAccess(other.facts().ordinal, 0);
    if (state == cudaErrorPeerAccessAlreadyEnabled) {
      static_cast<void>(cudaGetLastError());
      return true;
    }
    if (state == cudaErrorTooManyPeers) {
      static_cast<void>(cudaGetLastError());
      throw Unavailable(
          fmt::format("{} reaches as many other GPUs as CUDA allows at once, and {} is one more", words(),
                      other.facts().pci_address));
    }
    must(state, "cudaDeviceEnablePeerAccess");
    return true;
  }

 private:
  std::string words() const { return gpu_words(facts_); }
  /// CUDA keeps the current device per thread, and a process may have several open.
  void select() {
    if (abandoned_)
      throw CudaError(fmt::format("{} was given up: earlier work on it did not end", words()),
                      cudaErrorUnknown);
    must(cudaSetDevice(facts_.ordinal), "cudaSetDevice");
  }
  void must(cudaError_t state, const char* call) const {
    if (state == cudaSuccess) return;
    static_cast<void>(cudaGetLastError());
    throw CudaError(fmt::format("{} failed on {}: {} ({})", call, words(), cudaGetErrorString(state),
                                cudaGetErrorName(state)),
                    state);
  }
  /// Giving back fails only where the context has already failed, which was told then.
  static void quietly(cudaError_t) noexcept { static_cast<void>(cudaGetLastError()); }

  DeviceFacts facts_;
  bool abandoned_{};
};

class CudartRuntime final : public Runtime {
 public:
  explicit CudartRuntime(std::string host) : host_(std::move(host)) {}

  int version() const override { return CUDART_VERSION; }

  std::vector<DeviceFacts> devices() override {
    int count = 0;
    const cudaError_t state = cudaGetDeviceCount(&count);
    if (state != cudaSuccess) {
      static_cast<void>(cudaGetLastError());
      throw Unavailable(fmt::format("no CUDA device on {} ({})", host_, why_none(state)));
    }
    if (count == 0) throw Unavailable(fmt::format("no CUDA device on {} (the driver shows none)", host_));
    std::vector<DeviceFacts> all;
    all.reserve(static_cast<std::size_t>(count));
    for (int ordinal = 0; ordinal < count; ++ordinal) all.push_back(facts_of(ordinal));
    return all;
  }

 private:
  std::unique_ptr<Device> make_device(int ordinal, std::optional<int> number) override {
    DeviceFacts facts = facts_of(ordinal);
    facts.number = number;
    if (facts.compute_mode != "default")
      throw Unavailable(
          fmt::format("{} is in {} compute mode and was left alone; nvidia-smi -c 0 allows several processes",
                      gpu_words(facts), facts.compute_mode));
    return std::make_unique<CudartDevice>(std::move(facts));
  }

  static std::string why_none(cudaError_t state) {
    int driver = 0;
    static_cast<void>(cudaDriverGetVersion(&driver));
    const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
    if (driver == 0) return "driver not loaded";
    if (state == cudaErrorInsufficientDriver)
      return fmt::format("the driver can do CUDA {}.{}, and this was built with {}.{}: update the driver",
                         driver / 1000, driver % 1000 / 10, CUDART_VERSION / 1000,
                         CUDART_VERSION % 1000 / 10);
    if (state == cudaErrorSystemNotReady) return "the system is not ready: is nvidia-fabricmanager running?";
    if (state == cudaErrorNoDevice && visible)
      return fmt::format("the driver shows none; CUDA_VISIBLE_DEVICES={}", visible);
    if (state == cudaErrorNoDevice) return "the driver shows none";
    return fmt::format("{}, {}", cudaGetErrorString(state), cudaGetErrorName(state));
  }

  std::string host_;
};

}  // namespace

std::unique_ptr<Runtime> open_runtime(const std::string& host) {
  return std::make_unique<CudartRuntime>(host);
}

const char* missing_runtime() { return ""; }

}  // namespace fabricheck::cuda
