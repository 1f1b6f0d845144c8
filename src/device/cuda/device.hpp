// One GPU as this program uses it, and the CUDA runtime that opens it. No header of CUDA's: the
// implementation over cudart is in cudart/, and tests have one over host memory (tests/support/cuda).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/variant.hpp"
#include "device/pattern.hpp"

namespace fabricheck::cuda {

/// A call of CUDA failed: "cudaMemcpyAsync failed on GPU 3 (0000:5d:00.0): an illegal memory access …".
class CudaError : public Error {
 public:
  CudaError(const std::string& text, int code) : Error(text), code_(code) {}
  int code() const { return code_; }  ///< cudaError_t

 private:
  int code_;
};

/// The GPU has no such memory left; asking for less may help.
class OutOfMemory : public Unavailable {
 public:
  using Unavailable::Unavailable;
};

struct StreamTag;
struct EventTag;
struct GraphTag;
using Stream = StreamTag*;  ///< cudaStream_t
using Event = EventTag*;    ///< cudaEvent_t
using Graph = GraphTag*;    ///< cudaGraphExec_t

/// What the driver says of a GPU before it is opened.
struct DeviceFacts {
  int ordinal{};                ///< CUDA's number, among those this process may see
  std::optional<int> number{};  ///< the driver's number of it on its node, where that was told to open()
  std::string name;             ///< "NVIDIA H100 80GB HBM3"
  std::string pci_address;      ///< "0000:5d:00.0"
  int major{}, minor{};         ///< compute capability
  int multiprocessors{};
  std::uint64_t memory_bytes{};
  std::uint64_t l2_bytes{};
  std::string compute_mode{"default"};  ///< "default", "exclusive", "prohibited"
  bool dmabuf{};                        ///< and that it can be exported as a dmabuf; of an open device
};

/// "GPU 3 (0000:5d:00.0)", by its number on the node; by CUDA's where that is not known.
std::string gpu_words(const DeviceFacts& facts);

struct MemoryLeft {
  std::uint64_t free_bytes{};
  std::uint64_t total_bytes{};
};

/// What memory is read and written for by a kernel of ours; bytes moved over bytes of one array.
enum class Access { copy, read, write, triad };

/// Names, in the order of Access: "copy", "read", "write", "triad".
const char* access_name(Access access);
/// How many bytes one pass over arrays of one byte moves: copy 2, read 1, write 1, triad 3 (STREAM).
double bytes_moved(Access access);

/// An opened GPU. Work goes into streams; only wait() and what says so waits. Calls throw CudaError.
/// A Device may be used by one thread at a time; several may be open in one process.
class Device {
 public:
  virtual ~Device() = default;
  virtual const DeviceFacts& facts() const = 0;

  /// To be called where work on it does not end: from here on nothing is given back, for that would wait for
  /// the work, and every other call throws.
  virtual void abandon() noexcept = 0;
  virtual bool is_abandoned() const = 0;

  virtual MemoryLeft memory_left() = 0;
  /// Throws OutOfMemory with what was asked and what is free.
  virtual std::byte* allocate(std::uint64_t bytes) = 0;
  virtual void release(std::byte* memory) noexcept = 0;
  /// Host memory that the GPU reads and writes by itself, on the NUMA node that the kernel chooses for the
  /// calling thread. Each page is touched.
  virtual std::byte* allocate_pinned(std::uint64_t bytes) = 0;
  virtual void release_pinned(std::byte* memory) noexcept = 0;
  /// A descriptor for the memory that allocate() gave, to be registered with a NIC; the caller closes it.
  /// Nothing where the driver cannot. Whole pages of 64 KiB are exported.
  virtual std::optional<int> export_dmabuf(std::byte* memory, std::uint64_t bytes) = 0;

  virtual Stream make_stream() = 0;
  virtual void release(Stream stream) noexcept = 0;
  virtual Event make_event() = 0;
  virtual void release(Event event) noexcept = 0;

  virtual void record(Event event, Stream stream) = 0;
  /// What is put into the stream from here on begins once `event` is done, which may be another GPU's.
  virtual void wait(Stream stream, Event event) = 0;
  /// False while it is still to come. Throws what the work before it failed with.
  virtual bool is_done(Event event) = 0;
  /// Between two that are done, by the GPU's clock.
  virtual double elapsed_us(Event from, Event to) = 0;

  /// What is put into the stream from here on is kept, not run.
  virtual void begin_capture(Stream stream) = 0;
  virtual Graph end_capture(Stream stream) = 0;
  virtual void launch(Graph graph, Stream stream) = 0;
  virtual void release(Graph graph) noexcept = 0;

  /// Copies between this GPU, another one and pinned host memory by a copy engine.
  virtual void copy(std::byte* to, const std::byte* from, std::uint64_t bytes, Stream stream) = 0;
  virtual void set(std::byte* to, std::uint8_t value, std::uint64_t bytes, Stream stream) = 0;
  /// By a kernel of ours on all multiprocessors. `a` is written by all but read; copy reads b, triad
  /// a = b + 3 c in float32, read reads a. `bytes` of each array, a multiple of 16. Pointers may be another
  /// GPU's that allow_access_to() was called for.
  virtual void access(Access access, std::byte* a, const std::byte* b, const std::byte* c,
                      std::uint64_t bytes, Stream stream) = 0;
  /// Writes into `at` (`count` 8-byte words, here or on another GPU) a ring of indices for chase().
  virtual void make_ring(std::byte* at, std::uint64_t count, std::uint64_t stride, Stream stream) = 0;
  /// One thread follows `hops` links of the ring, each read waiting for the one before.
  virtual void chase(const std::byte* ring, std::uint64_t hops, std::byte* sink, Stream stream) = 0;

  virtual void fill(std::byte* to, std::uint64_t bytes, const device::Pattern& pattern, Stream stream) = 0;
  /// Compares and leaves a device::Difference at `found`, which is on this GPU.
  virtual void compare(const std::byte* data, std::uint64_t bytes, const device::Pattern& pattern,
                       std::byte* found, Stream stream) = 0;
  /// Uniform in [-1, 1), rounded to `type`; the same numbers for the same seed on every GPU.
  virtual void fill_random(std::byte* to, std::uint64_t elements, DataType type, std::uint64_t seed,
                           Stream stream) = 0;
  /// Leaves 8 bytes at `digest`, on this GPU: equal for equal bytes, whatever the order of its threads.
  virtual void digest(const std::byte* data, std::uint64_t bytes, std::byte* digest, Stream stream) = 0;

  /// From here on kernels and copies of this GPU may use the memory of `other`. False: the two cannot reach
  /// each other, and copies between them go through the host.
  virtual bool allow_access_to(const Device& other) = 0;
};

/// The CUDA runtime of this process.
class Runtime {
 public:
  virtual ~Runtime() = default;
  virtual int version() const = 0;  ///< CUDA's, 13000 for 13.0
  /// The GPUs this process may see. Throws Unavailable: "no CUDA device on node7 (driver not loaded)".
  virtual std::vector<DeviceFacts> devices() = 0;
  /// Makes a context on it. Throws Unavailable where it must be left alone: exclusive or prohibited. `number`
  /// is what the GPU is called by in words, for CUDA counts only those that it may see.
  std::unique_ptr<Device> open(int ordinal, std::optional<int> number = std::nullopt) {
    return make_device(ordinal, number);
  }

 private:
  virtual std::unique_ptr<Device> make_device(int ordinal, std::optional<int> number) = 0;
};

/// The runtime this build has. Throws Unavailable "built without CUDA".
std::unique_ptr<Runtime> open_runtime(const std::string& host);
/// Empty, or "built without CUDA".
const char* missing_runtime();

/// Waits until `event` is done or `deadline_ns` on the clock has passed. True: it is done. `meanwhile` is
/// called between looks and may throw; looking sleeps 20 us at a time after the first 200 us.
bool wait_for(Device& device, Event event, const Clock& clock, std::int64_t deadline_ns,
              const std::function<void()>& meanwhile = {});

}  // namespace fabricheck::cuda
