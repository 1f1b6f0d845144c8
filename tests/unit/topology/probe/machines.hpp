// Whole machines for the tests of the probes, written into a SysTree as a kernel would show them.
#pragma once

#include <optional>
#include <string>

#include "unit/topology/probe/sys_tree.hpp"

namespace fabricheck::topology {

/// A PCI Express function's configuration space.
struct ConfigSpace {
  int port_type{};     ///< 0 endpoint, 4 root port, 5 upstream, 6 downstream
  int max_payload{1};  ///< 128 bytes << code
  int max_read_request{2};
  bool relaxed_ordering{true};
  std::optional<int> acs_control;

  std::string bytes() const {
    std::string space(4096, '\0');
    const auto put = [&](std::size_t at, unsigned long number, std::size_t size) {
      for (std::size_t i = 0; i < size; ++i) space[at + i] = static_cast<char>((number >> (8 * i)) & 0xff);
    };
    put(0x06, 0x10, 2);  // there is a list of capabilities
    put(0x34, 0x40, 1);
    put(0x40, 0x6001, 2);  // power management, then 0x60
    put(0x60, 0x10, 2);    // PCI Express, the last
    put(0x62, 2UL | static_cast<unsigned long>(port_type) << 4, 2);
    put(0x68,
        (relaxed_ordering ? 0x10UL : 0UL) | static_cast<unsigned long>(max_payload) << 5 |
            static_cast<unsigned long>(max_read_request) << 12,
        2);
    put(0x100, 0x0001UL | 1UL << 16 | 0x150UL << 20, 4);  // error reporting, then 0x150
    put(0x150, acs_control ? 0x000dUL | 1UL << 16 : 0x0003UL | 1UL << 16, 4);
    put(0x156, static_cast<unsigned long>(acs_control.value_or(0)), 2);
    return space;
  }
};

struct PciFunction {
  std::string vendor, device, class_code;
  std::string driver;
  std::string numa_node{"0"};
  std::string speed{"32.0 GT/s PCIe"}, width{"16"};
  std::string max_speed{"32.0 GT/s PCIe"}, max_width{"16"};
  std::optional<ConfigSpace> config{ConfigSpace{}};  ///< none: a conventional PCI function
  std::size_t config_bytes{4096};                    ///< 64: recorded without root
};

inline PciFunction bridge(int port_type, const std::string& numa_node = "0") {
  PciFunction function{"0x1000", "0xc030", "0x060400", "pcieport", numa_node};
  function.config->port_type = port_type;
  function.config->acs_control = 0;
  return function;
}
inline PciFunction h100(const std::string& numa_node = "0") {
  return {"0x10de", "0x2330", "0x030200", "nvidia", numa_node};
}
inline PciFunction connectx7(const std::string& numa_node = "0") {
  return {"0x15b3", "0x1021", "0x020700", "mlx5_core", numa_node};
}

/// Writes the function below `parent`, a folder that add_function() gave or "pci0000:17"; gives its own
/// folder, relative to sys/devices.
inline std::string add_function(const SysTree& tree, const std::string& parent, const std::string& address,
                                const PciFunction& function) {
  const std::string path = parent + "/" + address;
  const std::string folder = "sys/devices/" + path;
  tree.file(folder + "/vendor", function.vendor + "\n");
  tree.file(folder + "/device", function.device + "\n");
  tree.file(folder + "/class", function.class_code + "\n");
  tree.file(folder + "/numa_node", function.numa_node + "\n");
  if (function.config) {
    tree.file(folder + "/config", function.config->bytes().substr(0, function.config_bytes));
    tree.file(folder + "/current_link_speed", function.speed + "\n");
    tree.file(folder + "/current_link_width", function.width + "\n");
    tree.file(folder + "/max_link_speed", function.max_speed + "\n");
    tree.file(folder + "/max_link_width", function.max_width + "\n");
  } else {
    tree.file(folder + "/config", std::string(256, '\0'));
  }
  if (!function.driver.empty()) tree.link(folder + "/driver", "../../../bus/pci/drivers/" + function.driver);
  tree.link("sys/bus/pci/devices/" + address, "../../../devices/" + path);
  return path;
}

/// "0000:17:02.0"; buses are given as they are.
inline std::string pci_name(int bus, int device, int function = 0) {
  constexpr const char* kDigits = "0123456789abcdef";
  const auto two = [&](int number) { return std::string{kDigits[number / 16], kDigits[number % 16]}; };
  return "0000:" + two(bus) + ":" + two(device) + "." + std::to_string(function);
}

/// An InfiniBand device with one active port on the function in `path`.
inline void add_infiniband(const SysTree& tree, const std::string& path, const std::string& name,
                           const std::string& rate, int lid) {
  const std::string folder = "sys/devices/" + path + "/infiniband/" + name;
  const std::string number = pci_name(lid, 0).substr(5, 2);  // two hexadecimal digits
  tree.link("sys/class/infiniband/" + name, "../../devices/" + path + "/infiniband/" + name);
  tree.link(folder + "/device", "../../../" + path.substr(path.rfind('/') + 1));
  tree.file(folder + "/board_id", "MT_0000000838\n");
  tree.file(folder + "/fw_ver", "28.39.1002\n");
  tree.file(folder + "/node_guid", "0200:0000:0000:00" + number + "\n");
  const std::string port = folder + "/ports/1";
  tree.file(port + "/link_layer", "InfiniBand\n");
  tree.file(port + "/state", "4: ACTIVE\n");
  tree.file(port + "/phys_state", "5: LinkUp\n");
  tree.file(port + "/rate", rate + "\n");
  tree.file(port + "/lid", "0x" + number + "\n");
  tree.file(port + "/gids/0", "fe80:0000:0000:0000:0200:0000:0000:00" + number + "\n");
  tree.file(port + "/gid_attrs/types/0", "IB/RoCE v1\n");
}

/// CPUs, memory, kernel, network and firmware of a machine with two sockets of four cores.
inline void add_host(const SysTree& tree, const std::string& vendor, const std::string& product,
                     bool virtual_machine) {
  tree.file("proc/sys/kernel/hostname", "node7\n");
  tree.file("proc/sys/kernel/osrelease", "6.8.0-45-generic\n");
  tree.file("proc/sys/kernel/numa_balancing", "0\n");
  tree.file("proc/cpuinfo", std::string("processor\t: 0\nmodel name\t: Fast CPU 9000\nflags\t\t: fpu vme") +
                                (virtual_machine ? " hypervisor" : "") + " lahf_lm\n");
  tree.file("proc/cmdline", "BOOT_IMAGE=/vmlinuz ro iommu=pt\n");
  tree.file("proc/self/cgroup", "0::/user.slice\n");
  tree.file("proc/self/limits",
            "Limit Soft Hard Units\nMax locked memory         unlimited  unlimited  bytes\n");
  tree.file("proc/net/route", "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n");
  tree.file("proc/driver/nvidia/version",
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.15\n");
  tree.file("sys/class/dmi/id/sys_vendor", vendor + "\n");
  tree.file("sys/class/dmi/id/product_name", product + "\n");
  tree.file("sys/class/dmi/id/bios_version", "1.6.7\n");
  tree.folder("sys/class/iommu");
  tree.file("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
  tree.file("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "16\n");
  tree.file("sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "2\n");
  tree.file("sys/devices/system/cpu/online", "0-7\n");
  for (int cpu = 0; cpu < 8; ++cpu) {
    const std::string folder = "sys/devices/system/cpu/";
    tree.file(folder + "cpu" + std::to_string(cpu) + "/topology/thread_siblings_list",
              std::to_string(cpu) + "\n");
    tree.file(folder + "cpufreq/policy" + std::to_string(cpu) + "/scaling_governor", "performance\n");
  }
  for (const char* const node : {"0", "1"}) {
    const std::string folder = std::string("sys/devices/system/node/node") + node;
    tree.file(folder + "/cpulist", *node == '0' ? "0-3\n" : "4-7\n");
    tree.file(folder + "/meminfo", std::string("Node ") + node + " MemTotal:       67108864 kB\n");
  }
  tree.file("sys/module/nvidia/version", "550.54.15\n");
  tree.folder("sys/module/nvidia_peermem");
  tree.folder("sys/module/mlx5_ib");
  tree.file("sys/module/mlx5_core/version", "24.04-0.6.6\n");
  tree.file("usr/lib/x86_64-linux-gnu/libnccl.so.2.27.3", "");
  tree.link("usr/lib/x86_64-linux-gnu/libnccl.so.2", "libnccl.so.2.27.3");
  tree.folder("sys/bus/pci/devices");
}

/// The root port on `bus`, a switch below it, and its downstream ports to the buses from bus + 3 on.
struct Switch {
  std::string upstream;
  int bus{};
  std::string port(const SysTree& tree, int index, const std::string& numa_node) const {
    return add_function(tree, upstream, pci_name(bus + 2, index), bridge(6, numa_node));
  }
};
inline Switch add_switch(const SysTree& tree, int bus, const std::string& numa_node) {
  const std::string root = "pci" + pci_name(bus, 0).substr(0, 7);
  const std::string port = add_function(tree, root, pci_name(bus, 1), bridge(4, numa_node));
  return {add_function(tree, port, pci_name(bus + 1, 0), bridge(5, numa_node)), bus};
}

/// 8 GPUs, each below a switch of its own with a 400 Gb/s NIC; 4 NVSwitches; 2 storage NICs at 200 Gb/s, the
/// first with a virtual function that nobody uses; an NVMe disk.
inline void add_dgx_h100(const SysTree& tree) {
  add_host(tree, "NVIDIA", "DGXH100", false);
  tree.folder("sys/class/iommu/dmar0");
  for (int i = 0; i < 8; ++i) {
    const int bus = 0x10 + 0x10 * i;
    const std::string numa_node = i < 4 ? "0" : "1";
    const Switch part = add_switch(tree, bus, numa_node);
    const std::string gpu =
        add_function(tree, part.port(tree, 0, numa_node), pci_name(bus + 3, 0), h100(numa_node));
    tree.file("sys/devices/" + gpu + "/resource",
              "0x00000000c0000000 0x00000000c0ffffff 0x0000000000040200\n"
              "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
              "0x0000200000000000 0x0000201fffffffff 0x000000000014220c\n"
              "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
              "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
              "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
              "0x0000300000000000 0x00003fffffffffff 0x000000000014220c\n");
    tree.link("sys/devices/" + gpu + "/iommu_group",
              "../../../../../../kernel/iommu_groups/" + std::to_string(i));
    tree.file("sys/kernel/iommu_groups/" + std::to_string(i) + "/type", "identity\n");
    const std::string nic =
        add_function(tree, part.port(tree, 1, numa_node), pci_name(bus + 4, 0), connectx7(numa_node));
    add_infiniband(tree, nic, "mlx5_" + std::to_string(i), "400 Gb/sec (4X NDR)", i + 1);
  }
  const Switch switches = add_switch(tree, 0x01, "0");
  for (int i = 0; i < 4; ++i) {
    PciFunction nvswitch{"0x10de", "0x22a3",         "0x068000", "nvidia-nvswitch", "0", "16.0 GT/s PCIe",
                         "2",      "16.0 GT/s PCIe", "2"};
    add_function(tree, switches.port(tree, i, "0"), pci_name(0x05 + i, 0), nvswitch);
  }
  const Switch storage = add_switch(tree, 0xa0, "1");
  for (int i = 0; i < 2; ++i) {
    const std::string port = storage.port(tree, i, "1");
    const std::string nic = add_function(tree, port, pci_name(0xa3 + i, 0), connectx7("1"));
    add_infiniband(tree, nic, "mlx5_" + std::to_string(8 + i), "200 Gb/sec (4X HDR)", 9 + i);
    if (i > 0) continue;
    PciFunction spare = connectx7("1");
    spare.device = "0x101e";
    spare.driver.clear();
    const std::string path = add_function(tree, port, pci_name(0xa3, 0, 1), spare);
    tree.link("sys/devices/" + path + "/physfn", "../" + pci_name(0xa3, 0));
  }
  PciFunction nvme{"0x144d", "0xa824", "0x010802", "nvme", "1", "16.0 GT/s PCIe", "4", "16.0 GT/s PCIe", "4"};
  add_function(tree, storage.port(tree, 2, "1"), pci_name(0xa5, 0), nvme);
  add_function(tree, "pci0000:00", "0000:00:1f.0", {"0x8086", "0x1b81", "0x060100", "", "0"});  // not kept
}

/// A virtual machine with 2 GPUs and a NIC's virtual function on its only bus.
inline void add_flat_vm(const SysTree& tree) {
  add_host(tree, "QEMU", "Standard PC (i440FX + PIIX, 1996)", true);
  for (int i = 0; i < 2; ++i) {
    PciFunction gpu = h100("-1");
    gpu.speed = gpu.max_speed = "Unknown";
    gpu.width = "0";
    gpu.max_width = "255";
    add_function(tree, "pci0000:00", pci_name(0, 5 + i), gpu);
  }
  PciFunction nic = connectx7("-1");
  nic.device = "0x101e";
  add_infiniband(tree, add_function(tree, "pci0000:00", pci_name(0, 7), nic), "mlx5_0", "400 Gb/sec (4X NDR)",
                 1);
  add_function(tree, "pci0000:00", pci_name(0, 3), {"0x1af4", "0x1041", "0x020000", "virtio-pci", "-1"});
}

}  // namespace fabricheck::topology
