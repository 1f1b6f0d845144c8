// Whether this is a virtual machine, and whether it is a container.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "topology/probe/environment.hpp"
#include "topology/probe/sysfs.hpp"

namespace fabricheck::topology {
namespace {

namespace fs = std::filesystem;

struct Word {
  std::string_view key;
  std::string_view name;
};

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

std::string text_of(const std::string& sysroot, const char* file) {
  return printable(read_text(fs::path(sysroot) / file).value_or(""));
}

#if defined(__x86_64__)
std::string signature_of_leaf(unsigned leaf) {
  std::array<unsigned, 4> registers{};
  __cpuid(leaf, registers[0], registers[1], registers[2], registers[3]);
  std::string letters;
  for (std::size_t i = 1; i < registers.size(); ++i) {
    for (unsigned shift = 0; shift < 32; shift += 8)
      letters += static_cast<char>((registers[i] >> shift) & 0xff);
  }
  return letters;
}

std::string hypervisor_of_cpu() {
  std::array<unsigned, 4> registers{};
  if (__get_cpuid(1, &registers[0], &registers[1], &registers[2], &registers[3]) == 0) return {};
  constexpr unsigned kHypervisorPresent = 1U << 31;
  if ((registers[2] & kHypervisorPresent) == 0) return "none";
  std::string first = hypervisor_of_signature(signature_of_leaf(0x40000000));
  // KVM that pretends to be Hyper-V for Windows guests names itself second.
  if (first == "Microsoft Hyper-V" && hypervisor_of_signature(signature_of_leaf(0x40000100)) == "KVM")
    return "KVM";
  return first;
}
#else
std::string hypervisor_of_cpu() { return {}; }
#endif

/// The first flags line of /proc/cpuinfo of an x86 processor; the kernel shows the CPUID bit there.
std::optional<bool> flag_of_cpuinfo(const std::string& sysroot) {
  std::string why;
  const auto text = read_text(fs::path(sysroot) / "proc/cpuinfo", why, 16384);
  if (!text) return std::nullopt;
  for (const std::string_view line : lines_of(*text)) {
    if (line.substr(0, 5) != "flags") continue;
    const auto flags = words_of(line);
    return std::find(flags.begin(), flags.end(), "hypervisor") != flags.end();
  }
  return std::nullopt;
}

/// Vendors of firmware that only virtual machines have.
std::string hypervisor_of_firmware(const std::string& sysroot) {
  constexpr std::array kWords{Word{"KVM", "KVM"},
                              Word{"OpenStack", "KVM"},
                              Word{"KubeVirt", "KVM"},
                              Word{"Google Compute Engine", "KVM"},
                              Word{"Nutanix", "KVM"},
                              Word{"QEMU", "QEMU"},
                              Word{"VMware", "VMware"},
                              Word{"VMW", "VMware"},
                              Word{"innotek GmbH", "VirtualBox"},
                              Word{"VirtualBox", "VirtualBox"},
                              Word{"Xen", "Xen"},
                              Word{"Bochs", "Bochs"},
                              Word{"Parallels", "Parallels"},
                              Word{"BHYVE", "bhyve"},
                              Word{"Hyper-V", "Microsoft Hyper-V"}};
  for (const char* const file : {"product_name", "sys_vendor", "board_vendor", "bios_vendor"}) {
    const std::string text = text_of(sysroot, (std::string("sys/class/dmi/id/") + file).c_str());
    for (const Word& word : kWords) {
      if (text.substr(0, word.key.size()) == word.key) return std::string(word.name);
    }
  }
  const std::string product = text_of(sysroot, "sys/class/dmi/id/product_name");
  const std::string vendor = text_of(sysroot, "sys/class/dmi/id/sys_vendor");
  if (vendor == "Microsoft Corporation" && product == "Virtual Machine") return "Microsoft Hyper-V";
  // Amazon's bare metal says the same but for the end of the instance type.
  if (vendor == "Amazon EC2" && product.find(".metal") == std::string::npos) return "KVM";
  return {};
}

}  // namespace

std::string hypervisor_of_signature(std::string_view signature) {
  constexpr std::array kWords{Word{"KVMKVMKVM", "KVM"},
                              Word{"Microsoft Hv", "Microsoft Hyper-V"},
                              Word{"VMwareVMware", "VMware"},
                              Word{"XenVMMXenVMM", "Xen"},
                              Word{"TCGTCGTCGTCG", "QEMU"},
                              Word{" KVMKVMKVM", "KVM"},
                              Word{"Linux KVM Hv", "KVM"},
                              Word{"VBoxVBoxVBox", "VirtualBox"},
                              Word{"bhyve bhyve ", "bhyve"},
                              Word{" lrpepyh  vr", "Parallels"},
                              Word{"prl hyperv  ", "Parallels"},
                              Word{"ACRNACRNACRN", "ACRN"},
                              Word{"OpenBSDVMM58", "OpenBSD vmm"},
                              Word{"SRESRESRESRE", "LMHS"}};
  for (const Word& word : kWords) {
    if (signature.substr(0, word.key.size()) == word.key) return std::string(word.name);
  }
  std::string letters;
  for (const char c : signature) {
    if (c != '\0') letters += c;
  }
  return letters.empty() ? "of unknown kind" : printable(letters);
}

std::string hypervisor(const std::string& sysroot) {
  if (std::string told = captured_fact(sysroot, "hypervisor"); !told.empty()) return told;
  if (sysroot == "/") {
    if (std::string told = hypervisor_of_cpu(); !told.empty()) return told;
  }
  const auto flag = flag_of_cpuinfo(sysroot);
  if (flag == false) return "none";
  if (text_of(sysroot, "sys/hypervisor/type") == "xen") return "Xen";
  if (std::string told = hypervisor_of_firmware(sysroot); !told.empty()) return told;
  if (const std::string device_tree = text_of(sysroot, "proc/device-tree/hypervisor/compatible");
      !device_tree.empty()) {
    return device_tree.find("kvm") != std::string::npos ? "KVM" : device_tree;
  }
  if (flag == true) return "of unknown kind";
  // Processors without CPUID: firmware that names a maker of machines.
  return text_of(sysroot, "sys/class/dmi/id/sys_vendor").empty() ? std::string{} : std::string("none");
}

std::string container(const std::string& sysroot) {
  const fs::path root(sysroot);
  if (std::string told = captured_fact(sysroot, "container"); !told.empty()) return told;
  const bool live = sysroot == "/";
  const std::string groups = read_text(root / "proc/self/cgroup").value_or("");
  const auto in_group = [&](const char* word) { return groups.find(word) != std::string::npos; };
  if ((live && std::getenv("KUBERNETES_SERVICE_HOST") != nullptr) || in_group("kubepods"))
    return "kubernetes";
  for (const char* const file : {"run/systemd/container", "run/host/container-manager"}) {
    if (std::string told = text_of(sysroot, file); !told.empty()) return told;
  }
  if (is_there(root / ".singularity.d")) return "apptainer";
  if (is_there(root / "run/.containerenv") || in_group("libpod")) return "podman";
  if (is_there(root / ".dockerenv") || in_group("/docker")) return "docker";
  if (in_group("/lxc")) return "lxc";
  // Others name themselves in the first process's environment, which only root can read.
  std::string why;
  std::string variables = read_bytes(root / "proc/1/environ", why).value_or("");
  std::replace(variables.begin(), variables.end(), '\0', '\n');
  for (const std::string_view variable : lines_of(variables)) {
    constexpr std::string_view kName = "container=";
    if (variable.substr(0, kName.size()) == kName && variable.size() > kName.size()) {
      return printable(variable.substr(kName.size()));
    }
  }
  return "none";
}

std::string captured_fact(const std::string& sysroot, std::string_view key) {
  if (sysroot == "/") return {};
  const auto text = read_text(fs::path(sysroot) / "fabricheck-capture");
  if (!text) return {};
  for (const std::string_view line : lines_of(*text)) {
    if (line.size() > key.size() && line.substr(0, key.size()) == key && line[key.size()] == ' ') {
      return printable(line.substr(key.size() + 1));
    }
  }
  return {};
}

}  // namespace fabricheck::topology
