// A GPU's clocks, power, temperature and throttle reasons several times a second, by NVML in this process.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "core/topology_record.hpp"

namespace fabricheck::topology {

/// Asks NVML in a thread of its own: whoever wants the answer never waits for NVML. For a process that uses
/// CUDA: it may not fork any more, and where NVML hangs its own calls do, too.
class GpuSampler {
 public:
  /// `pci_address` as in Gpu::pci_address. Nothing is thrown: what cannot be asked has no samples.
  GpuSampler(const std::string& library, const std::string& pci_address, std::chrono::milliseconds interval);
  /// Waits a moment for the thread; one that is inside NVML then is left behind.
  ~GpuSampler();
  GpuSampler(const GpuSampler&) = delete;
  GpuSampler& operator=(const GpuSampler&) = delete;

  /// The newest, if it is not the one that was given before. Only sm_clock_MHz, power_W, temperature_C and
  /// throttle_reasons are filled, each where NVML told it.
  std::optional<GpuHealth> sample();
  /// Why there are no samples, a part of a sentence; empty: there are, or none has come yet.
  std::string problem() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace fabricheck::topology
