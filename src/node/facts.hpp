// What is known of one node when it is judged.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/finding.hpp"
#include "core/node_config.hpp"
#include "core/node_state.hpp"
#include "core/run_record.hpp"
#include "core/topology_record.hpp"

namespace fabricheck::node {

struct FileSystemFact {
  std::string path;
  std::optional<bool> mounted;
  std::optional<bool> read_only;
  std::optional<std::uint64_t> free_bytes;
  std::string write_problem;  ///< what is broken, where no file could be made there; empty: nothing is
  std::string unknown;        ///< why nothing is known, a part of a sentence
  bool stuck{};               ///< a child that looked at it, now or earlier, cannot be killed
  std::string write_unknown;  ///< why none could be made, where that says nothing of the file system
};

struct SharedMemoryFact {
  std::optional<std::uint64_t> bytes;
  std::string unknown;
};

struct ClockFact {
  std::optional<bool> synchronised;
  std::optional<double> error_s;  ///< the kernel's own bound of it
  std::string unknown;
};

/// An XID of a GPU or an SXid of an NVSwitch.
struct KernelEvent {
  std::string kind;  ///< "Xid", "SXid"
  int code{};
  std::string pci_address;  ///< as the line has it, "0000:18:00"
  std::string text;         ///< the line, printable
};

struct KernelLogFact {
  std::optional<std::vector<KernelEvent>> events;  ///< since the last visit
  bool first_visit{};                              ///< of this boot: what is older than it is not told apart
  std::string unknown;
  std::optional<LogPosition> position;
};

/// A counter and how much it moved since the last visit.
struct CounterFact {
  std::string name;  ///< "GPU3 pcie_replays", "mlx5_0 symbol_error"
  std::string kind;  ///< "pcie_replays"
  double value{};
  std::optional<double> per_hour;  ///< none: first visit of this boot, or it was reset
};

struct NodeFacts {
  std::optional<Host> host;     ///< none: it could not be probed
  std::string host_unknown;     ///< why
  std::string hung_device;      ///< "mlx5_3", where the probe hung at one
  bool is_surely_hung{};        ///< it was itself waited for long enough, or its child cannot be killed
  std::string nvml_stuck;       ///< why NVML was not asked again: a process that did cannot be killed
  std::string nvml_stuck_part;  ///< "GPU3", where it is known at which one that process hangs
  bool is_nvml_surely_stuck{};  ///< for longer than a driver needs to start, or this visit saw at which GPU
  bool gpus_skipped{};          ///< the job has none
  std::vector<CheckRecord> topology_checks;
  std::vector<NotTested> topology_not_tested;
  std::vector<Finding> topology_findings;
  std::vector<FileSystemFact> file_systems;
  SharedMemoryFact shared_memory;
  ClockFact clock;
  KernelLogFact kernel_log;
  std::vector<CounterFact> counters;
  double nvml_deadline_s{};
};

}  // namespace fabricheck::node
