// NVML behind a deadline. NVML can hang in a broken driver, where no thread can be stopped: a child asks it.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/topology_record.hpp"
#include "process/child.hpp"

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
  std::string reason;        ///< why it is not `answered`, a part of a sentence
  std::string driver;        ///< driver version
  std::string cuda_version;  ///< "12.4"
  /// In order of index, without numa_node; pci_address in the form of sysfs, empty when not known. All that
  /// NVML counts: those that have no handle, or at which NVML stopped, have status and problem. "not
  /// answering" are those at which it hung or that it says to be lost, "state not known" all others of these.
  std::vector<Gpu> gpus;
  std::vector<std::string> unknown;               ///< sentences on single values
  std::optional<process::ProcessId> left_behind;  ///< the child, where it could not be killed
};

/// How much is asked of each GPU: `brief` is whether it works and is whole, by about twenty calls.
enum class NvmlDetail { full, brief };

/// Whether dlopen finds the library; asks nothing of it.
bool nvml_library_exists(const std::string& library);

struct NvmlPatience {
  std::chrono::milliseconds deadline;  ///< for all
  std::chrono::milliseconds start;     ///< for one call, until NVML has started and a GPU is done
  std::chrono::milliseconds silence;   ///< for one call after that
};

/// Opens the library in a forked child, asks it, and comes back at the deadline whatever happens.
NvmlAnswer ask_nvml(const std::string& library, const NvmlPatience& patience,
                    NvmlDetail detail = NvmlDetail::full,
                    const std::function<void(const process::ProcessId&)>& started = {});

/// What the records of one child say. Any text will do: what is no record is passed over.
NvmlAnswer parse_nvml_records(std::string_view text);

/// What the child runs: writes records to `descriptor`, one a line, fields apart by tabs; "-" is not known.
/// I is NVML's index of a GPU, L of a link.
///   at CALL [I] · problem OUTCOME REASON · driver VERSION · cuda VERSION · count N · end ·
///   gpu I (has a handle) · set I KEY VALUE · done I · failed I STATUS PROBLEM ·
///   link I L ACTIVE GENERATION SPEED_MBps REMOTE PCI · errors I L REPLAY RECOVERY FLIT DATA ·
///   missing CALL WHAT · error CALL CODE TEXT I
void write_nvml_records(const std::string& library, int descriptor, NvmlDetail detail = NvmlDetail::full);

}  // namespace fabricheck::topology
