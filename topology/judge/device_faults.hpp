// What is wrong with the devices of one host, by its own word. Private to this folder.
#pragma once

#include <string>
#include <vector>

#include "core/topology_record.hpp"
#include "topology/judge/faults.hpp"

namespace fabricheck::topology {

struct DeviceFault {
  const FaultKind* kind{};
  std::string part;  ///< "GPU3"
  std::string what;
  std::string detail;
};

/// What could not be judged.
struct DeviceGap {
  std::string part;
  std::string why;  ///< "hidden from this process"
  bool open{};      ///< without knowing it there is no PASS
};

struct DeviceFaults {
  std::vector<DeviceFault> faults;
  std::vector<DeviceGap> gaps;
  int judged{};  ///< devices that something was known of
};

/// All but the health of its GPUs, which is not part of a kind.
DeviceFaults device_faults(const Host& kind);

/// Health of the GPUs, in the order of Host::gpus.
DeviceFaults health_faults(const Host& kind, const std::vector<GpuParticulars>& own);

}  // namespace fabricheck::topology
