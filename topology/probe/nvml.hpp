// NVML behind a deadline. NVML can hang in a broken driver, where no thread can be stopped: a child asks it.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "core/topology_record.hpp"

namespace fabricheck::topology {

struct NvmlAnswer {
  enum class Outcome {
    answered,    ///< the list of GPUs is NVML's
    no_library,  ///< the library is not on this host
    no_driver,   ///< the library is there, the kernel driver is not loaded
    failed,      ///< anything else, also a crash
    hung,        ///< nothing more came before the deadline; `gpus` holds what came until then
  };
  Outcome outcome{Outcome::failed};
  std::string reason;     ///< why it is not `answered`, a part of a sentence
  std::string driver;     ///< driver version
  std::vector<Gpu> gpus;  ///< without numa_node; pci_address in the form of sysfs, empty when not known
  std::vector<int> lost;  ///< indices NVML counts but does not answer for
  std::vector<std::string> unknown;  ///< sentences on single values
};

/// Whether dlopen finds the library; asks nothing of it.
bool nvml_library_exists(const std::string& library);

/// Opens the library in a forked child, asks it, and comes back at the deadline whatever happens.
NvmlAnswer ask_nvml(const std::string& library, std::chrono::milliseconds deadline);

/// What the child runs: writes records to `descriptor`, one a line, fields apart by tabs:
///   at WHERE · problem OUTCOME REASON · driver VERSION · gpu INDEX NAME UUID PCI BYTES · lost INDEX ·
///   unknown SENTENCE · end
void write_nvml_records(const std::string& library, int descriptor);

}  // namespace fabricheck::topology
