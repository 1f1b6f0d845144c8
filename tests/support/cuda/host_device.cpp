#include "support/cuda/host_device.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>

#include <fmt/format.h>

namespace fabricheck::test {
namespace {

using cuda::Access;
using cuda::CudaError;
using cuda::Event;
using cuda::Graph;
using cuda::Stream;

constexpr int illegal_address = 700;
constexpr std::size_t page_bytes = 4096;

struct HostEvent {
  double time_us{};
  const HostStream* stream{};
};

using HostGraph = std::vector<std::function<void(HostStream&)>>;

struct Owner {
  std::uint64_t bytes;
  int ordinal;  ///< -1: pinned host memory
};

/// Of all GPUs of one runtime.
struct Machine {
  std::vector<HostGpu> gpus;
  std::shared_ptr<HostGpuFaults> faults;
  std::shared_ptr<HostAccount> account;
  std::map<const std::byte*, Owner> memory;
  std::vector<std::uint64_t> used;
  std::mutex mutex;  ///< ranks may be threads

  void count(int HostAccount::*of, int more) {
    const std::lock_guard lock(mutex);
    (*account).*of += more;
  }

  int owner_of(const std::byte* address) {
    const std::lock_guard lock(mutex);
    auto after = memory.upper_bound(address);
    if (after == memory.begin()) return -1;
    --after;
    return address < after->first + after->second.bytes ? after->second.ordinal : -1;
  }
};

/// Memory with two addresses, one of which may not be used.
struct Hidden {
  std::byte* view;
  std::uint64_t bytes;
  int descriptor;
};

/// By the address that may not be used; of all runtimes of this process.
class HiddenMemory {
 public:
  std::byte* make(std::uint64_t bytes) {
    Hidden one{nullptr, bytes, ::memfd_create("gpu", MFD_CLOEXEC)};
    if (one.descriptor < 0 || ::ftruncate(one.descriptor, static_cast<off_t>(bytes)) != 0)
      throw std::bad_alloc();
    one.view = map(one, PROT_READ | PROT_WRITE);
    std::byte* const shown = map(one, PROT_NONE);
    const std::lock_guard lock(mutex_);
    all_[shown] = one;
    return shown;
  }
  /// False: it is none of these.
  bool give_back(std::byte* shown) noexcept {
    const std::lock_guard lock(mutex_);
    const auto found = all_.find(shown);
    if (found == all_.end()) return false;
    ::munmap(shown, found->second.bytes);
    ::munmap(found->second.view, found->second.bytes);
    ::close(found->second.descriptor);
    all_.erase(found);
    return true;
  }
  std::byte* view(std::byte* address) {
    const std::lock_guard lock(mutex_);
    auto after = all_.upper_bound(address);
    if (after == all_.begin()) return address;
    --after;
    const std::ptrdiff_t into = address - after->first;
    return into < static_cast<std::ptrdiff_t>(after->second.bytes) ? after->second.view + into : address;
  }
  std::optional<int> share(std::byte* shown) {
    const std::lock_guard lock(mutex_);
    const auto found = all_.find(shown);
    if (found == all_.end()) return std::nullopt;
    return ::fcntl(found->second.descriptor, F_DUPFD_CLOEXEC, 0);
  }

 private:
  static std::byte* map(const Hidden& one, int protection) {
    void* memory = ::mmap(nullptr, one.bytes, protection, MAP_SHARED, one.descriptor, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    return static_cast<std::byte*>(memory);
  }
  std::mutex mutex_;
  std::map<std::byte*, Hidden> all_;
};

HiddenMemory& hidden_memory() {
  static HiddenMemory memory;
  return memory;
}

const std::byte* read_view(const std::byte* address) {
  return hidden_memory().view(const_cast<std::byte*>(address));
}

HostStream& stream_of(Stream stream) { return *reinterpret_cast<HostStream*>(stream); }
HostEvent& event_of(Event event) { return *reinterpret_cast<HostEvent*>(event); }

class HostDevice final : public cuda::Device {
 public:
  HostDevice(std::shared_ptr<Machine> machine, int ordinal, std::optional<int> number)
      : machine_(std::move(machine)), gpu_(machine_->gpus[static_cast<std::size_t>(ordinal)]) {
    gpu_.facts.number = number;
  }

  const cuda::DeviceFacts& facts() const override { return gpu_.facts; }

  void abandon() noexcept override { abandoned_ = true; }
  bool is_abandoned() const override { return abandoned_; }

  cuda::MemoryLeft memory_left() override {
    return {gpu_.facts.memory_bytes - used(), gpu_.facts.memory_bytes};
  }

  std::byte* allocate(std::uint64_t bytes) override {
    if (bytes > machine_->faults->refuse_above_bytes || used() + bytes > gpu_.facts.memory_bytes)
      throw cuda::OutOfMemory(fmt::format("cudaMalloc of {} bytes was refused on GPU {}, which has {} free",
                                          bytes, gpu_.facts.ordinal, gpu_.facts.memory_bytes - used()));
    std::byte* memory = new_memory(bytes, gpu_.facts.ordinal);
    const std::lock_guard lock(machine_->mutex);
    used() += bytes;
    HostAccount& account = *machine_->account;
    account.allocated_bytes += bytes;
    account.most_allocated_bytes = std::max(account.most_allocated_bytes, account.allocated_bytes);
    return memory;
  }
  void release(std::byte* memory) noexcept override {
    const std::lock_guard lock(machine_->mutex);
    const std::uint64_t bytes = machine_->memory.at(memory).bytes;
    used() -= bytes;
    machine_->account->allocated_bytes -= bytes;
    forget(memory);
  }
  std::byte* allocate_pinned(std::uint64_t bytes) override {
    std::byte* memory = new_memory(bytes, -1);
    const std::lock_guard lock(machine_->mutex);
    machine_->account->pinned_bytes += bytes;
    return memory;
  }
  void release_pinned(std::byte* memory) noexcept override {
    const std::lock_guard lock(machine_->mutex);
    machine_->account->pinned_bytes -= machine_->memory.at(memory).bytes;
    forget(memory);
  }
  std::optional<int> export_dmabuf(std::byte* memory, std::uint64_t) override {
    return gpu_.facts.dmabuf ? hidden_memory().share(memory) : std::nullopt;
  }

  Stream make_stream() override {
    machine_->count(&HostAccount::streams, 1);
    return reinterpret_cast<Stream>(new HostStream);
  }
  void release(Stream stream) noexcept override {
    machine_->count(&HostAccount::streams, -1);
    delete &stream_of(stream);
  }
  Event make_event() override {
    machine_->count(&HostAccount::events, 1);
    return reinterpret_cast<Event>(new HostEvent);
  }
  void release(Event event) noexcept override {
    machine_->count(&HostAccount::events, -1);
    delete &event_of(event);
  }
  void record(Event event, Stream stream) override {
    event_of(event) = {stream_of(stream).time_us, &stream_of(stream)};
  }
  void wait(Stream stream, Event event) override {
    const HostEvent& awaited = event_of(event);
    stream_of(stream).time_us = std::max(stream_of(stream).time_us, awaited.time_us);
    if (awaited.stream && awaited.stream->stuck) stream_of(stream).stuck = true;
  }
  bool is_done(Event event) override {
    const HostStream* stream = event_of(event).stream;
    if (stream && stream->error != 0)
      throw CudaError(fmt::format("cudaEventQuery failed on {}: an illegal memory access was encountered",
                                  cuda::gpu_words(gpu_.facts)),
                      stream->error);
    return !stream || !stream->stuck;
  }
  double elapsed_us(Event from, Event to) override { return event_of(to).time_us - event_of(from).time_us; }

  void begin_capture(Stream stream) override { stream_of(stream).capturing = true; }
  Graph end_capture(Stream stream) override {
    stream_of(stream).capturing = false;
    machine_->count(&HostAccount::graphs, 1);
    auto* graph = new HostGraph(std::move(stream_of(stream).captured));
    stream_of(stream).captured.clear();
    return reinterpret_cast<Graph>(graph);
  }
  void launch(Graph graph, Stream stream) override {
    for (const auto& work : *reinterpret_cast<HostGraph*>(graph)) work(stream_of(stream));
  }
  void release(Graph graph) noexcept override {
    machine_->count(&HostAccount::graphs, -1);
    delete reinterpret_cast<HostGraph*>(graph);
  }

  void copy(std::byte* to, const std::byte* from, std::uint64_t bytes, Stream stream) override {
    put(stream, to, bytes, transfer_us(to, from, bytes),
        [=] { std::memmove(test::device_view(to), read_view(from), bytes); });
  }
  void set(std::byte* to, std::uint8_t value, std::uint64_t bytes, Stream stream) override {
    put(stream, to, bytes, hbm_us(bytes), [=] { std::memset(test::device_view(to), value, bytes); });
  }
  void access(Access access, std::byte* a, const std::byte* b, const std::byte* c, std::uint64_t bytes,
              Stream stream) override {
    const bool is_remote = b && machine_->owner_of(a) != machine_->owner_of(b);
    const double us =
        is_remote
            ? transfer_us(a, b, bytes)
            : hbm_us(static_cast<std::uint64_t>(cuda::bytes_moved(access) * static_cast<double>(bytes)));
    put(stream, access == Access::read ? nullptr : a, bytes, us, [=] {
      if (access == Access::copy) std::memmove(a, b, bytes);
      if (access == Access::write) std::memset(a, 0, bytes);
      if (access == Access::triad)
        for (std::uint64_t at = 0; at < bytes; at += sizeof(float)) {
          float x{}, y{};
          std::memcpy(&x, b + at, sizeof x);
          std::memcpy(&y, c + at, sizeof y);
          x += 3.0F * y;
          std::memcpy(a + at, &x, sizeof x);
        }
    });
  }
  void make_ring(std::byte* at, std::uint64_t count, std::uint64_t stride, Stream stream) override {
    put(stream, at, count * 8, hbm_us(count * 8), [=] {
      for (std::uint64_t i = 0; i < count; ++i) {
        const std::uint64_t next = (i + stride) % count;
        std::memcpy(at + i * sizeof next, &next, sizeof next);
      }
    });
  }
  void chase(const std::byte* ring, std::uint64_t hops, std::byte* sink, Stream stream) override {
    const double each_us = machine_->owner_of(ring) == gpu_.facts.ordinal ? gpu_.hop_us : 2.0 * gpu_.hop_us;
    put(stream, sink, sizeof(std::uint64_t), static_cast<double>(hops) * each_us, [=] {
      std::uint64_t at = 0;
      for (std::uint64_t i = 0; i < hops; ++i) std::memcpy(&at, ring + at * sizeof at, sizeof at);
      std::memcpy(sink, &at, sizeof at);
    });
  }
  void fill(std::byte* to, std::uint64_t bytes, const device::Pattern& pattern, Stream stream) override {
    put(stream, to, bytes, hbm_us(bytes), [=] {
      for (std::uint64_t i = 0; i < bytes / pattern.element_bytes; ++i)
        std::memcpy(to + i * pattern.element_bytes, &pattern.bits[device::place_of(pattern.first + i)],
                    pattern.element_bytes);
    });
  }
  void compare(const std::byte* data, std::uint64_t bytes, const device::Pattern& pattern, std::byte* found,
               Stream stream) override {
    put(stream, nullptr, 0, hbm_us(bytes), [=] {
      device::Difference difference;
      for (std::uint64_t i = 0; i < bytes / pattern.element_bytes; ++i) {
        const std::byte* one = data + i * pattern.element_bytes;
        if (std::memcmp(one, &pattern.bits[device::place_of(pattern.first + i)], pattern.element_bytes) == 0)
          continue;
        if (difference.wrong++ == 0) {
          difference.first_index = i;
          std::memcpy(&difference.got_bits, one, pattern.element_bytes);
        }
      }
      std::memcpy(found, &difference, sizeof difference);
    });
  }
  void fill_random(std::byte* to, std::uint64_t elements, DataType type, std::uint64_t seed,
                   Stream stream) override {
    const std::uint64_t bytes = elements * type_bytes(type);
    put(stream, to, bytes, hbm_us(bytes), [=] {
      for (std::uint64_t i = 0; i < bytes; ++i)
        to[i] = static_cast<std::byte>(device::mix(seed * 1000003 + i + 1) & 0x3f);
    });
  }
  void digest(const std::byte* data, std::uint64_t bytes, std::byte* digest, Stream stream) override {
    put(stream, nullptr, 0, hbm_us(bytes), [=] {
      std::uint64_t sum = 0;
      for (std::uint64_t i = 0; i < bytes; ++i)
        sum += device::mix((i << 8) + std::to_integer<std::uint64_t>(data[i]) + 1);
      std::memcpy(digest, &sum, sizeof sum);
    });
  }
  bool allow_access_to(const Device&) override { return gpu_.peers_reach; }

 private:
  std::uint64_t& used() { return machine_->used[static_cast<std::size_t>(gpu_.facts.ordinal)]; }

  std::byte* new_memory(std::uint64_t bytes, int ordinal) {
    const bool is_hidden = gpu_.is_hidden && ordinal >= 0;
    auto* memory = is_hidden
                       ? hidden_memory().make(bytes)
                       : static_cast<std::byte*>(::operator new[](bytes + 1, std::align_val_t{page_bytes}));
    std::memset(test::device_view(memory), 0xa5, bytes);
    const std::lock_guard lock(machine_->mutex);
    machine_->memory[memory] = {bytes, ordinal};
    return memory;
  }
  /// With the lock held.
  void forget(std::byte* memory) noexcept {
    machine_->memory.erase(memory);
    if (hidden_memory().give_back(memory)) return;
    ::operator delete[](memory, std::align_val_t{page_bytes});
  }

  double hbm_us(std::uint64_t bytes) const { return static_cast<double>(bytes) / gpu_.hbm_GBps / 1e3; }
  double transfer_us(const std::byte* to, const std::byte* from, std::uint64_t bytes) const {
    const int a = machine_->owner_of(to), b = machine_->owner_of(from);
    if (a == b && a >= 0) return 2.0 * hbm_us(bytes);
    const double rate = a < 0 || b < 0 ? gpu_.host_GBps : gpu_.peer_GBps;
    return static_cast<double>(bytes) / rate / 1e3;
  }

  template <class Work>
  void put(Stream stream, std::byte* written, std::uint64_t bytes, double us, Work work) {
    auto machine = machine_;
    const double whole_us = us + gpu_.operation_us;
    stream_of(stream).enqueue([=](HostStream& on) {
      HostGpuFaults& faults = *machine->faults;
      const std::lock_guard lock(machine->mutex);
      const std::uint64_t number = std::atomic_ref(faults.operations).fetch_add(1);
      if (on.stuck || number == faults.stuck_at) {
        on.stuck = true;
        return;
      }
      if (number == faults.fail_at) on.error = illegal_address;
      work();
      if (number == faults.flip_at && written && bytes > 0)
        test::device_view(written)[bytes / 2] ^= std::byte{0x10};
      on.time_us += whole_us;
    });
  }

  std::shared_ptr<Machine> machine_;
  HostGpu gpu_;
  bool abandoned_{};  ///< what is given back is given back all the same: here it waits for nothing
};

class HostRuntime final : public cuda::Runtime {
 public:
  explicit HostRuntime(std::shared_ptr<Machine> machine) : machine_(std::move(machine)) {}
  int version() const override { return 13000; }
  std::vector<cuda::DeviceFacts> devices() override {
    std::vector<cuda::DeviceFacts> all;
    for (const HostGpu& gpu : machine_->gpus) all.push_back(gpu.facts);
    if (all.empty()) throw Unavailable("no CUDA device on node7 (driver not loaded)");
    return all;
  }

 private:
  std::unique_ptr<cuda::Device> make_device(int ordinal, std::optional<int> number) override {
    if (machine_->faults->open_error)
      throw CudaError(fmt::format("cudaSetDevice failed on GPU {}: planted", ordinal),
                      *machine_->faults->open_error);
    const std::string& mode = machine_->gpus[static_cast<std::size_t>(ordinal)].facts.compute_mode;
    if (mode != "default")
      throw Unavailable(fmt::format("GPU {} is in {} mode and left alone", ordinal, mode));
    return std::make_unique<HostDevice>(machine_, ordinal, number);
  }

  std::shared_ptr<Machine> machine_;
};

}  // namespace

std::byte* device_view(std::byte* address) { return hidden_memory().view(address); }

std::unique_ptr<cuda::Runtime> make_host_runtime(std::vector<HostGpu> gpus,
                                                 std::shared_ptr<HostGpuFaults> faults,
                                                 std::shared_ptr<HostAccount> account) {
  auto machine = std::make_shared<Machine>();
  for (std::size_t i = 0; i < gpus.size(); ++i) gpus[i].facts.ordinal = static_cast<int>(i);
  machine->used.resize(gpus.size());
  machine->gpus = std::move(gpus);
  machine->faults = faults ? std::move(faults) : std::make_shared<HostGpuFaults>();
  machine->account = account ? std::move(account) : std::make_shared<HostAccount>();
  return std::make_unique<HostRuntime>(std::move(machine));
}

}  // namespace fabricheck::test
