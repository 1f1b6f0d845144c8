#include "topology/probe/gpus.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "topology/probe/nvml.hpp"

namespace fabricheck::topology {
namespace {

using Outcome = NvmlAnswer::Outcome;

constexpr const char* kNotAnswering = "not answering";
constexpr const char* kNotAsked = "not asked";

std::string gpus_on_pci(std::size_t count) {
  return count == 1 ? std::string("the GPU that PCI shows")
                    : fmt::format("the {} GPUs that PCI shows", count);
}

/// One sentence on NVML as a whole; none where there is nothing to miss.
void report_outcome(const NvmlAnswer& answer, std::size_t on_pci, Host& host) {
  const std::string consequence =
      on_pci == 0 ? "so GPUs are not seen"
                  : fmt::format("so {} {} not answering", gpus_on_pci(on_pci), on_pci == 1 ? "is" : "are");
  switch (answer.outcome) {
    case Outcome::answered:
      return;
    case Outcome::no_library:
      if (on_pci == 0) return;
      host.unknown.push_back(
          fmt::format("NVML: {}, {}; install the NVIDIA driver's libraries, or in a container "
                      "start it with the GPUs given to it",
                      answer.reason, consequence));
      return;
    case Outcome::no_driver:
      if (on_pci == 0) return;  // a login node with the driver's packages
      host.unknown.push_back(fmt::format("NVML: {}, {}; load the NVIDIA kernel driver (modprobe nvidia)",
                                         answer.reason, consequence));
      return;
    case Outcome::failed:
      host.unknown.push_back(fmt::format("NVML: {}, {}; does nvidia-smi work?", answer.reason, consequence));
      return;
    case Outcome::hung:
      host.unknown.push_back(
          fmt::format("NVML: {}, {}; look for Xid lines in the kernel log", answer.reason,
                      on_pci == 0 ? consequence : "so GPUs missing here are not answering"));
      return;
  }
}

/// GPUs on PCI that NVML did not list. `lost` are NVML's indices without an address, in PCI order like these.
void add_unanswered(const ProbeOptions& options, std::vector<std::string> addresses, const NvmlAnswer& answer,
                    const char* name, Host& host) {
  // A GPU whose address NVML cannot tell is one of those on PCI, too.
  auto nameless = static_cast<std::size_t>(std::count_if(
      host.gpus.begin(), host.gpus.end(), [](const Gpu& gpu) { return gpu.pci_address.empty(); }));
  nameless = std::min(nameless, addresses.size());
  const std::size_t missing = std::max(addresses.size() - nameless, answer.lost.size());
  if (nameless > 0) addresses.clear();  // which of them is missing is not known
  int next = 0;
  for (const Gpu& gpu : host.gpus) next = std::max(next, gpu.index + 1);
  for (const int index : answer.lost) next = std::max(next, index + 1);
  for (std::size_t i = 0; i < missing; ++i) {
    Gpu gpu;
    gpu.index = i < answer.lost.size() ? answer.lost[i] : next++;
    gpu.name = name;
    if (i < addresses.size()) gpu.pci_address = addresses[i];
    if (answer.outcome == Outcome::answered && !gpu.pci_address.empty()) {
      const std::string driver = pci_driver(options.sysroot, gpu.pci_address);
      host.unknown.push_back(
          fmt::format("NVML: it does not list GPU {} that PCI shows (kernel driver: {}); look for Xid lines "
                      "in the kernel log, "
                      "or whether this process may use it (container, Slurm)",
                      gpu.pci_address, driver.empty() ? "none" : driver));
    }
    host.gpus.push_back(std::move(gpu));
  }
}

bool may_ask(const ProbeOptions& options) {
  if (options.nvml_library.empty()) return false;
  return options.sysroot == "/" || std::filesystem::path(options.nvml_library).is_absolute();
}

}  // namespace

void add_gpus(const ProbeOptions& options, const std::vector<PciDevice>& pci, Host& host) {
  std::vector<std::string> addresses;
  for (const auto& device : pci) {
    if (is_nvidia_gpu(device)) addresses.push_back(device.address);
  }
  NvmlAnswer answer;
  const bool asked = may_ask(options);
  if (!asked) {
    if (!addresses.empty()) {
      host.unknown.push_back(fmt::format("NVML: not asked, so only the PCI address of {} is known",
                                         gpus_on_pci(addresses.size())));
    }
  } else if (addresses.empty() && !nvml_library_exists(options.nvml_library)) {
    return;  // no GPU, and no child for it
  } else {
    answer = ask_nvml(options.nvml_library, options.nvml_deadline);
    report_outcome(answer, addresses.size(), host);
  }
  host.gpu_driver = answer.driver;
  host.unknown.insert(host.unknown.end(), answer.unknown.begin(), answer.unknown.end());
  for (const Gpu& gpu : answer.gpus) {
    host.gpus.push_back(gpu);
    addresses.erase(std::remove(addresses.begin(), addresses.end(), gpu.pci_address), addresses.end());
  }
  add_unanswered(options, std::move(addresses), answer, asked ? kNotAnswering : kNotAsked, host);
  for (Gpu& gpu : host.gpus) {
    if (!gpu.pci_address.empty()) gpu.numa_node = pci_numa_node(options.sysroot, gpu.pci_address);
  }
  std::stable_sort(host.gpus.begin(), host.gpus.end(),
                   [](const Gpu& a, const Gpu& b) { return a.index < b.index; });
}

void probe_gpus(const ProbeOptions& options, Host& host) {
  add_gpus(options, pci_devices(options.sysroot, host.unknown), host);
}

}  // namespace fabricheck::topology
