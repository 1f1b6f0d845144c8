#include "topology/probe/gpus.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "core/deadline.hpp"
#include "topology/probe/nvml.hpp"
#include "topology/probe/nvml_unlisted.hpp"

namespace fabricheck::topology {
namespace {

using Outcome = NvmlAnswer::Outcome;

constexpr const char* kAnswers = "answers";
constexpr const char* kNotAnswering = "not answering";
constexpr const char* kHidden = "hidden";
constexpr const char* kNotAsked = "not asked";
constexpr const char* kNotKnown = "state not known";

std::string gpus_on_pci(std::size_t count) {
  return count == 1 ? std::string("the GPU that PCI shows")
                    : fmt::format("the {} GPUs that PCI shows", count);
}

/// What it means for the GPUs on PCI that NVML did not answer.
std::string consequence(std::size_t on_pci, const Host& host) {
  if (on_pci == 0) return "so GPUs are not seen";
  const auto any = [&](const char* status) {
    return std::any_of(host.gpus.begin(), host.gpus.end(),
                       [&](const Gpu& gpu) { return gpu.status == status; });
  };
  return fmt::format("so {} {} {}", gpus_on_pci(on_pci), on_pci == 1 ? "is" : "are",
                     any(kNotAnswering) ? kNotAnswering
                     : any(kNotKnown)   ? "not judged"
                                        : "hidden from this process");
}

/// One sentence on NVML as a whole; none where there is nothing to miss.
void report_outcome(const NvmlAnswer& answer, std::size_t on_pci, Host& host) {
  const std::string then = consequence(on_pci, host);
  switch (answer.outcome) {
    case Outcome::answered:
      return;
    case Outcome::no_library:
      if (on_pci == 0) return;
      host.unknown.push_back(
          fmt::format("NVML: {}, {}; install the NVIDIA driver's libraries, or in a container "
                      "start it with the GPUs given to it",
                      answer.reason, then));
      return;
    case Outcome::no_driver:
      if (on_pci == 0) return;  // a login node with the driver's packages
      host.unknown.push_back(
          fmt::format("NVML: {}, {}; load the NVIDIA kernel driver (modprobe nvidia)", answer.reason, then));
      return;
    case Outcome::failed:
      host.unknown.push_back(fmt::format("NVML: {}, {}; does nvidia-smi work?", answer.reason, then));
      return;
    case Outcome::hung:
      host.unknown.push_back(
          fmt::format("NVML: {}, {}; look for Xid lines in the kernel log", answer.reason,
                      host.gpus.empty() ? then : "so GPUs without values here are not answering"));
      return;
  }
}

int next_index(const Host& host) {
  int next = 0;
  for (const Gpu& gpu : host.gpus) next = std::max(next, gpu.index + 1);
  return next;
}

struct Unlisted {
  std::string address;
  GpuStanding standing;
};

/// Takes the address that a GPU of NVML without one has: NVML counts in the order of addresses.
std::string take_address(const Gpu& gpu, const std::vector<Gpu>& known, std::vector<Unlisted>& unlisted) {
  const auto fits = [&](const Unlisted& candidate) {
    if (candidate.standing.status == kHidden && gpu.status != kHidden) return false;
    return std::all_of(known.begin(), known.end(), [&](const Gpu& other) {
      return other.pci_address.empty() || other.index == gpu.index ||
             (other.index < gpu.index) == (other.pci_address < candidate.address);
    });
  };
  const auto found = std::find_if(unlisted.begin(), unlisted.end(), fits);
  if (found == unlisted.end()) return {};
  std::string address = std::move(found->address);
  unlisted.erase(found);
  return address;
}

/// GPUs on PCI that NVML did not list.
void add_unlisted(std::vector<Unlisted> unlisted, Host& host) {
  for (Gpu& gpu : host.gpus) {
    if (gpu.status != kAnswers && gpu.pci_address.empty()) {
      gpu.pci_address = take_address(gpu, host.gpus, unlisted);
    }
  }
  // A GPU whose address NVML cannot tell is one of those on PCI, too; which one is not known then.
  auto nameless = static_cast<std::size_t>(std::count_if(
      host.gpus.begin(), host.gpus.end(), [](const Gpu& gpu) { return gpu.pci_address.empty(); }));
  nameless = std::min(nameless, unlisted.size());
  unlisted.erase(unlisted.begin(), unlisted.begin() + static_cast<std::ptrdiff_t>(nameless));
  int next = next_index(host);
  for (Unlisted& found : unlisted) {
    Gpu gpu;
    gpu.index = next++;
    if (nameless == 0) gpu.pci_address = std::move(found.address);
    gpu.status = std::move(found.standing.status);
    gpu.problem = std::move(found.standing.problem);
    host.gpus.push_back(std::move(gpu));
  }
}

/// Why each GPU that NVML did not list is not there.
std::vector<Unlisted> judge(const ProbeOptions& options, const std::vector<std::string>& addresses,
                            const NvmlAnswer& answer, std::chrono::milliseconds left) {
  const bool answered = answer.outcome == Outcome::answered;
  const ProcessView view = process_view(options.sysroot);
  // A driver in which NVML hangs is not asked again.
  const auto deadline = answer.outcome == Outcome::hung ? std::chrono::milliseconds{0} : left;
  std::vector<Unlisted> unlisted;
  for (const UnlistedGpu& gpu : look_at_unlisted(options.sysroot, addresses, deadline)) {
    Unlisted found{gpu.address, judge_unlisted(gpu, view, answered)};
    if (!answered && found.standing.status == kNotAnswering) {
      const bool driven = gpu.driver == "nvidia";
      // Without a driver for it a GPU is lost to jobs, whatever becomes of NVML; where the library itself
      // lacks or fails, nothing was asked that could tell.
      const bool by_pci =
          !driven && answer.outcome != Outcome::no_library && answer.outcome != Outcome::failed;
      if (!by_pci) found.standing.problem = answer.reason;
      if (!by_pci && answer.outcome != Outcome::hung) found.standing.status = kNotKnown;
    }
    unlisted.push_back(std::move(found));
  }
  return unlisted;
}

/// What is at the other end of NVLinks whose library only tells the address.
void name_remotes(const std::vector<PciDevice>& pci, Host& host) {
  for (Gpu& gpu : host.gpus) {
    for (NvLink& link : gpu.nvlinks) {
      if (!link.remote.empty() || link.remote_pci_address.empty()) continue;
      const auto device = std::find_if(pci.begin(), pci.end(), [&](const PciDevice& candidate) {
        return candidate.address == link.remote_pci_address;
      });
      if (device == pci.end()) continue;
      if (is_nvidia_gpu(*device)) link.remote = "gpu";
      if (is_nvswitch(*device)) link.remote = "switch";
    }
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
  const std::size_t on_pci = addresses.size();
  if (!may_ask(options)) {
    if (on_pci > 0) {
      host.unknown.push_back(
          fmt::format("NVML: not asked, so only the PCI address of {} is known", gpus_on_pci(on_pci)));
    }
    std::vector<Unlisted> unlisted;
    unlisted.reserve(on_pci);
    for (std::string& address : addresses) unlisted.push_back({std::move(address), {kNotAsked, ""}});
    add_unlisted(std::move(unlisted), host);
  } else if (on_pci == 0 && !nvml_library_exists(options.nvml_library)) {
    return;  // no GPU, and no child for it
  } else {
    const Deadline deadline(options.nvml_deadline);
    NvmlAnswer answer =
        ask_nvml(options.nvml_library, {options.nvml_deadline, options.nvml_start, options.nvml_silence},
                 options.brief ? NvmlDetail::brief : NvmlDetail::full, [&](const process::ProcessId& child) {
                   if (options.asking) options.asking(child.pid, child.start_ticks);
                 });
    if (answer.left_behind && options.left_behind)
      options.left_behind(answer.left_behind->pid, answer.left_behind->start_ticks);
    host.gpu_driver = answer.driver;
    host.cuda_version = answer.cuda_version;
    host.gpus = std::move(answer.gpus);
    for (const Gpu& gpu : host.gpus) {
      addresses.erase(std::remove(addresses.begin(), addresses.end(), gpu.pci_address), addresses.end());
    }
    constexpr std::chrono::milliseconds kShortest{200};
    add_unlisted(judge(options, addresses, answer, std::max(deadline.left(), kShortest)), host);
    report_outcome(answer, on_pci, host);
    host.unknown.insert(host.unknown.end(), answer.unknown.begin(), answer.unknown.end());
    name_remotes(pci, host);
  }
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
