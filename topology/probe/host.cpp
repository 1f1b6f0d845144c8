#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>

#include "core/descriptor.hpp"
#include "topology/probe/environment.hpp"
#include "topology/probe/gpus.hpp"
#include "topology/probe/link_settings.hpp"
#include "topology/probe/machine.hpp"
#include "topology/probe/nics.hpp"
#include "topology/probe/nvswitch_managers.hpp"
#include "topology/probe/pci.hpp"
#include "topology/probe/pci_nodes.hpp"
#include "topology/probe/probe.hpp"
#include "topology/probe/sysfs.hpp"

namespace fabricheck::topology {
namespace {

bool is_live(const std::string& sysroot) { return sysroot == "/"; }

std::string host_name(const ProbeOptions& options, std::vector<std::string>& unknown) {
  if (!options.host_name.empty()) return options.host_name;
  if (!is_live(options.sysroot)) {
    for (const char* const file : {"proc/sys/kernel/hostname", "etc/hostname"}) {
      const auto name = read_text(std::filesystem::path(options.sysroot) / file);
      if (name && !name->empty()) return printable(*name);
    }
    unknown.push_back("host name: the recording holds none");
    return "recorded";
  }
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) == 0) return name.data();
  unknown.push_back("host name: gethostname: " + system_reason(errno));
  return "unknown";
}

std::string kernel_release(const std::string& sysroot, std::vector<std::string>& unknown) {
  if (is_live(sysroot)) {
    utsname names{};
    if (::uname(&names) == 0) return names.release;
    unknown.push_back("kernel: uname: " + system_reason(errno));
    return {};
  }
  const auto file = std::filesystem::path(sysroot) / "proc/sys/kernel/osrelease";
  std::string why;
  const auto release = read_text(file, why);
  if (!release) unknown.push_back(fmt::format("kernel: {} cannot be read ({})", file.string(), why));
  return printable(release.value_or(""));
}

Machine machine(const std::string& sysroot, std::vector<std::string>& unknown) {
  if (!is_live(sysroot)) return machine_from_sysfs(sysroot, unknown);
  std::string why;
  if (const auto live = machine_from_hwloc(why)) return *live;
  unknown.push_back(fmt::format("hwloc: {}; CPUs and memory are from sysfs instead", why));
  return machine_from_sysfs(sysroot, unknown);
}

std::vector<PciDevice> without(std::vector<PciDevice> devices, const std::vector<std::string>& addresses) {
  std::erase_if(devices, [&](const PciDevice& device) {
    return std::find(addresses.begin(), addresses.end(), device.address) != addresses.end();
  });
  return devices;
}

}  // namespace

Host probe_host(const ProbeOptions& options) {
  Host host;
  host.source = is_live(options.sysroot) ? "live" : "recorded";
  host.name = host_name(options, host.unknown);
  host.kernel = kernel_release(options.sysroot, host.unknown);
  host.cpu_model = cpu_model(options.sysroot, host.unknown);
  Machine found = machine(options.sysroot, host.unknown);
  host.cores = found.cores;
  host.hardware_threads = found.hardware_threads;
  host.numa_nodes = std::move(found.numa_nodes);
  const auto pci = pci_devices(options.sysroot, host.unknown);
  add_gpus(options, pci, host);
  host.pci = pci_nodes(options.sysroot, pci, host.unknown);
  host.environment = probe_environment(options.sysroot, host.unknown);
  host.rdma_devices = probe_rdma(options.sysroot, host.unknown, options.at);
  const auto managers = leave_out_nvswitch_managers(options.sysroot, pci, options.at, host);
  if (options.at) options.at("");  // what follows is of no one device
  const auto queries = is_live(options.sysroot) ? live_link_queries() : nullptr;
  add_link_settings(options.sysroot, queries.get(), host.rdma_devices, host.unknown);
  add_unanswered_nics(options.sysroot, without(pci, managers), host);
  add_facts_of_devices(options.sysroot, host);
  return host;
}

}  // namespace fabricheck::topology
