#include "topology/probe/nvml_unlisted.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string_view>
#include <system_error>

#include "core/descriptor.hpp"
#include "process/child.hpp"
#include "topology/probe/environment.hpp"
#include "topology/probe/pci.hpp"
#include "topology/probe/sysfs.hpp"

namespace fabricheck::topology {
namespace {

using Node = UnlistedGpu::Node;

constexpr const char* kHidden = "hidden";
constexpr const char* kNotAnswering = "not answering";

std::string node_name(const UnlistedGpu& gpu) { return fmt::format("/dev/nvidia{}", gpu.minor.value_or(-1)); }

std::filesystem::path node_path(const std::string& sysroot, const UnlistedGpu& gpu) {
  return std::filesystem::path(sysroot) / node_name(gpu).substr(1);
}

bool serves_virtual_machines(const std::string& driver) {
  return driver.find("vfio") != std::string::npos || driver == "pci-stub" || driver == "xen-pciback";
}

/// "3" of a line "Device Minor: \t 3".
std::string value_of(const std::string& information, std::string_view key) {
  std::istringstream lines(information);
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind(key, 0) != 0) continue;
    const std::size_t start = line.find_first_not_of(" \t", key.size());
    const std::size_t end = line.find_last_not_of(" \t\r");
    return start == std::string::npos ? "" : line.substr(start, end - start + 1);
  }
  return {};
}

UnlistedGpu without_node(const std::string& sysroot, const std::string& address) {
  UnlistedGpu gpu;
  gpu.address = address;
  gpu.driver = pci_driver(sysroot, address);
  const auto information =
      read_text(std::filesystem::path(sysroot) / "proc/driver/nvidia/gpus" / address / "information");
  if (!information) return gpu;
  const auto minor = parse_number(value_of(*information, "Device Minor:"));
  constexpr long kMostMinors = 4096;
  if (minor && *minor >= 0 && *minor < kMostMinors) gpu.minor = static_cast<int>(*minor);
  gpu.excluded = value_of(*information, "GPU Excluded:") == "Yes";
  return gpu;
}

void judge_node(UnlistedGpu& gpu, int error) {
  if (error == 0) {
    gpu.node = Node::opens;
  } else if (error == ENOENT) {
    gpu.node = Node::absent;
  } else if (error == EPERM || error == EACCES) {
    gpu.node = Node::forbidden;
  } else {
    gpu.node = Node::fails;
    gpu.node_error = system_reason(error);
  }
}

/// The child's part: one number after each open; the first that is missing is the one that hangs.
void open_nodes(const std::vector<std::string>& paths, int pipe_end) {
  for (const std::string& path : paths) {
    const int descriptor = ::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    const std::string record = std::to_string(descriptor < 0 ? errno : 0) + "\n";
    if (::write(pipe_end, record.data(), record.size()) < 0) return;
    if (descriptor >= 0) ::close(descriptor);
  }
}

/// What open says of each path, in order; short where it did not return.
std::vector<int> open_errors(const std::vector<std::string>& paths, std::chrono::milliseconds deadline) {
  std::string text;
  std::size_t lines = 0;
  process::run_in_child([&](int pipe_end) { open_nodes(paths, pipe_end); }, deadline,
                        [&](std::string_view bytes) {
                          text += bytes;
                          lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
                          return lines < paths.size();
                        });
  std::vector<int> errors;
  std::istringstream numbers(text);
  for (std::string line; std::getline(numbers, line);) {
    errors.push_back(static_cast<int>(parse_number(line).value_or(EIO)));
  }
  return errors;
}

}  // namespace

GpuStanding judge_unlisted(const UnlistedGpu& gpu, const ProcessView& view, bool nvml_answered) {
  if (serves_virtual_machines(gpu.driver)) {
    return {kHidden, fmt::format("given to a virtual machine ({})", gpu.driver)};
  }
  if (gpu.driver.empty()) return {kNotAnswering, "no kernel driver is bound to it"};
  if (gpu.driver != "nvidia") {
    return {kNotAnswering, fmt::format("the kernel driver {} is bound to it, not nvidia", gpu.driver)};
  }
  if (gpu.excluded) return {kNotAnswering, "the driver's options exclude it (NVreg_ExcludeDevices)"};
  switch (gpu.node) {
    case Node::forbidden:
      return {kHidden,
              fmt::format("this process may not open {} (control group or file mode)", node_name(gpu))};
    case Node::absent:
      // Without a container, and with an NVML that lists nothing, nobody may have made the nodes at all.
      if (!nvml_answered && !view.container && !view.masked && !view.restricted) {
        return {kNotAnswering, fmt::format("{} does not exist", node_name(gpu))};
      }
      return {kHidden, fmt::format("this process was not given {}", node_name(gpu))};
    case Node::opens:
      return {kNotAnswering, fmt::format("{} opens, but NVML does not list it", node_name(gpu))};
    case Node::fails:
      return {kNotAnswering, fmt::format("opening {}: {}", node_name(gpu), gpu.node_error)};
    case Node::hangs:
      return {kNotAnswering, fmt::format("opening {} does not return", node_name(gpu))};
    case Node::unknown:
      break;
  }
  if (gpu.minor) return {kNotAnswering, fmt::format("{} was not tried", node_name(gpu))};
  if (view.masked) return {kHidden, "this container was not given it"};
  if (view.restricted) return {kHidden, "NVIDIA_VISIBLE_DEVICES leaves it out"};
  return {kNotAnswering, "its driver has no entry for it in /proc/driver/nvidia/gpus"};
}

bool leaves_gpus_out(const char* nvidia_visible_devices) {
  if (nvidia_visible_devices == nullptr) return false;
  const std::string_view value = nvidia_visible_devices;
  return !value.empty() && value != "all";
}

ProcessView process_view(const std::string& sysroot) {
  const std::filesystem::path root(sysroot);
  ProcessView view;
  const std::string kind = container(sysroot);
  view.container = !kind.empty() && kind != "none";
  constexpr std::size_t kLongestTable = 4U << 20U;
  std::string why;
  std::istringstream mounts(read_text(root / "proc/self/mountinfo", why, kLongestTable).value_or(""));
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string place;
    for (int field = 0; field < 5; ++field) fields >> place;
    if (place.rfind("/proc/driver/nvidia", 0) == 0) view.masked = true;
  }
  if (sysroot == "/") view.restricted = leaves_gpus_out(std::getenv("NVIDIA_VISIBLE_DEVICES"));
  return view;
}

std::vector<UnlistedGpu> look_at_unlisted(const std::string& sysroot,
                                          const std::vector<std::string>& addresses,
                                          std::chrono::milliseconds deadline) {
  std::vector<UnlistedGpu> gpus;
  gpus.reserve(addresses.size());
  for (const std::string& address : addresses) gpus.push_back(without_node(sysroot, address));
  std::vector<UnlistedGpu*> tried;
  std::vector<std::string> paths;
  for (UnlistedGpu& gpu : gpus) {
    if (gpu.driver != "nvidia" || !gpu.minor) continue;
    const auto path = node_path(sysroot, gpu);
    std::error_code error;
    if (std::filesystem::symlink_status(path, error).type() == std::filesystem::file_type::not_found) {
      gpu.node = Node::absent;
    } else if (deadline.count() > 0) {
      tried.push_back(&gpu);
      paths.push_back(path.string());
    }
  }
  if (paths.empty()) return gpus;
  const auto errors = open_errors(paths, deadline);
  for (std::size_t i = 0; i < tried.size() && i < errors.size(); ++i) judge_node(*tried[i], errors[i]);
  if (errors.size() < tried.size()) tried[errors.size()]->node = Node::hangs;
  return gpus;
}

}  // namespace fabricheck::topology
