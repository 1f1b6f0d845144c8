#include "topology/probe/gpu_sampler.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <utility>

#include "topology/probe/nvml_abi.hpp"
#include "topology/probe/nvml_values.hpp"
#include "topology/probe/pci.hpp"

namespace fabricheck::topology {
namespace {

using namespace nvml;

using Init = Status();
using GetCount = Status(unsigned*);
using GetHandle = Status(unsigned, Device*);
using GetPciInfo = Status(Device, PciInfo*);
using GetNumber = Status(Device, unsigned*);
using GetOfKind = Status(Device, int, unsigned*);
using GetBits = Status(Device, unsigned long long*);

/// A call that NVML is inside of takes some milliseconds on a busy machine.
constexpr std::chrono::milliseconds end_patience{500};

class Nvml {
 public:
  /// Empty: it is open.
  std::string open(const std::string& file, const std::string& pci_address) {
    library_ = ::dlopen(file.c_str(), RTLD_LAZY | RTLD_LOCAL);
    if (!library_) return file + " is not on this host";
    const auto init = find<Init>("nvmlInit_v2");
    const auto count_of = find<GetCount>("nvmlDeviceGetCount_v2");
    const auto handle_of = find<GetHandle>("nvmlDeviceGetHandleByIndex_v2");
    const auto pci_of = find<GetPciInfo>("nvmlDeviceGetPciInfo_v3");
    if (!init || !count_of || !handle_of || !pci_of) return file + " is too old";
    if (const Status status = init(); status != kSuccess)
      return fmt::format("nvmlInit_v2 failed with status {}", status);
    is_begun_ = true;
    unsigned count = 0;
    if (const Status status = count_of(&count); status != kSuccess)
      return fmt::format("nvmlDeviceGetCount_v2 failed with status {}", status);
    for (unsigned i = 0; i < count; ++i) {
      Device device = nullptr;
      PciInfo info{};
      if (handle_of(i, &device) != kSuccess || pci_of(device, &info) != kSuccess) continue;
      info.bus_id.back() = '\0';
      if (topology::pci_address(info.bus_id.data()) != pci_address) continue;
      device_ = device;
      return {};
    }
    return fmt::format("NVML shows no GPU at {}", pci_address);
  }

  ~Nvml() {
    if (!is_begun_) return;
    if (const auto shutdown = find<Init>("nvmlShutdown")) shutdown();
  }

  GpuHealth ask() {
    GpuHealth health;
    unsigned value = 0;
    if (of_kind("nvmlDeviceGetClockInfo", kClockSm, value)) health.sm_clock_MHz = static_cast<int>(value);
    if (of_kind("nvmlDeviceGetTemperature", kGpuTemperature, value))
      health.temperature_C = static_cast<int>(value);
    const auto power = find<GetNumber>("nvmlDeviceGetPowerUsage");
    if (power && power(device_, &value) == kSuccess) health.power_W = value / 1000.0;
    for (const char* name :
         {"nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"}) {
      unsigned long long bits = 0;
      const auto reasons = find<GetBits>(name);
      if (!reasons || reasons(device_, &bits) != kSuccess) continue;
      health.throttle_reasons = throttle_reasons(bits);
      break;
    }
    return health;
  }

 private:
  template <class Function>
  Function* find(const char* name) const {
    return reinterpret_cast<Function*>(::dlsym(library_, name));
  }
  bool of_kind(const char* name, int kind, unsigned& value) const {
    const auto get = find<GetOfKind>(name);
    return get && get(device_, kind, &value) == kSuccess;
  }

  void* library_{};
  Device device_{};
  bool is_begun_{};
};

}  // namespace

struct GpuSampler::State {
  std::mutex mutex;
  std::condition_variable changed;
  bool must_end{}, has_ended{};
  std::string problem;
  std::optional<GpuHealth> newest;

  void work(const std::string& library, const std::string& pci_address, std::chrono::milliseconds interval) {
    {
      Nvml nvml;
      const std::string trouble = nvml.open(library, pci_address);
      std::unique_lock lock(mutex);
      problem = trouble;
      while (trouble.empty() && !must_end) {
        lock.unlock();
        GpuHealth health = nvml.ask();
        lock.lock();
        newest = std::move(health);
        changed.wait_for(lock, interval, [this] { return must_end; });
      }
    }
    const std::lock_guard lock(mutex);
    has_ended = true;
    changed.notify_all();
  }
};

GpuSampler::GpuSampler(const std::string& library, const std::string& pci_address,
                       std::chrono::milliseconds interval)
    : state_(std::make_shared<State>()) {
  // The thread has its own hold on what it writes to, for it may be left behind.
  std::thread([state = state_, library, pci_address, interval] {
    state->work(library, pci_address, interval);
  }).detach();
}

GpuSampler::~GpuSampler() {
  std::unique_lock lock(state_->mutex);
  state_->must_end = true;
  state_->changed.notify_all();
  state_->changed.wait_for(lock, end_patience, [this] { return state_->has_ended; });
}

std::optional<GpuHealth> GpuSampler::sample() {
  const std::lock_guard lock(state_->mutex);
  return std::exchange(state_->newest, std::nullopt);
}

std::string GpuSampler::problem() const {
  const std::lock_guard lock(state_->mutex);
  return state_->problem;
}

}  // namespace fabricheck::topology
