// GPUs that PCI shows and NVML does not list: broken, or not given to this process? A container or a Slurm
// job sees all of PCI and only its own GPUs in NVML, and must not be called broken for it.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace fabricheck::topology {

/// What tells a broken GPU from one that belongs to somebody else.
struct UnlistedGpu {
  enum class Node {
    unknown,    ///< its number is not known, or it was not tried
    absent,     ///< there is no such file
    forbidden,  ///< this process may not open it: control group or file mode
    opens,
    fails,  ///< with `node_error`
    hangs,  ///< open does not return
  };
  std::string address;
  std::string driver;        ///< kernel driver bound to it, empty: none
  bool excluded{};           ///< by the driver's options
  std::optional<int> minor;  ///< N of /dev/nvidiaN
  Node node{Node::unknown};
  std::string node_error;
};

/// How much of the machine this process sees.
struct ProcessView {
  bool container{};   ///< runs in a container
  bool masked{};      ///< something is mounted over /proc/driver/nvidia, as NVIDIA's container runtime does
  bool restricted{};  ///< NVIDIA_VISIBLE_DEVICES names some GPUs or none
};

struct GpuStanding {
  std::string status;   ///< "hidden" or "not answering", as in Gpu
  std::string problem;  ///< why, a part of a sentence
};

/// Pure. `nvml_answered`: NVML listed other GPUs, or said that there are none.
GpuStanding judge_unlisted(const UnlistedGpu& gpu, const ProcessView& view, bool nvml_answered);

/// Whether this value of NVIDIA_VISIBLE_DEVICES (null: not set) leaves GPUs out.
bool leaves_gpus_out(const char* nvidia_visible_devices);

ProcessView process_view(const std::string& sysroot);

/// Driver and device node of each address. The nodes are opened in a child, as open may hang in a broken
/// driver; with a deadline of 0 they are not opened.
std::vector<UnlistedGpu> look_at_unlisted(const std::string& sysroot,
                                          const std::vector<std::string>& addresses,
                                          std::chrono::milliseconds deadline);

}  // namespace fabricheck::topology
