// A recorded machine that a test writes down: files, folders and links below a folder of its own.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace fabricheck::topology {

class SysTree {
 public:
  SysTree() {
    // Hundreds of small files: in memory where that is possible.
    const bool in_memory = ::access("/dev/shm", W_OK) == 0;
    const std::filesystem::path parent = in_memory ? "/dev/shm" : std::filesystem::temp_directory_path();
    std::string pattern = (parent / "fabricheck-tree-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp " + pattern);
    root_ = pattern;
  }
  ~SysTree() {
    std::error_code error;
    std::filesystem::remove_all(root_, error);
  }
  SysTree(const SysTree&) = delete;
  SysTree& operator=(const SysTree&) = delete;

  std::string root() const { return root_.string(); }
  std::filesystem::path at(const std::string& path) const { return root_ / path; }

  void file(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories(at(path).parent_path());
    std::ofstream(at(path), std::ios::binary) << text;
  }
  void folder(const std::string& path) const { std::filesystem::create_directories(at(path)); }
  void link(const std::string& path, const std::string& target) const {
    std::filesystem::create_directories(at(path).parent_path());
    std::filesystem::create_symlink(target, at(path));
  }
  void remove(const std::string& path) const { std::filesystem::remove_all(at(path)); }

  /// A PCI function as sysfs shows it; its folder, relative to the root, is `devices/pci…/ADDRESS`.
  void pci(const std::string& address, const std::string& vendor, const std::string& class_code,
           const std::string& numa_node = "0") const {
    const std::string folder = "sys/devices/pci0000:00/" + address;
    file(folder + "/vendor", vendor + "\n");
    file(folder + "/class", class_code + "\n");
    file(folder + "/numa_node", numa_node + "\n");
    file(folder + "/config", std::string(256, '\0'));  // no capabilities
    link("sys/bus/pci/devices/" + address, "../../../devices/pci0000:00/" + address);
  }

  /// A net device with jumbo frames in 10.0.0.0/24.
  void net_device(const std::string& name, int index) const {
    file("sys/class/net/" + name + "/mtu", "9000\n");
    file("sys/class/net/" + name + "/ifindex", std::to_string(index) + "\n");
    file("proc/net/route",
         "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" + name +
             "\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n");
  }

  /// A NIC on Ethernet with one active port at 100 Gb/s and the GIDs a configured interface has.
  void roce_nic(const std::string& name, const std::string& address) const {
    pci(address, "0x15b3", "0x020000", "1");
    const std::string folder = "sys/devices/pci0000:00/" + address + "/infiniband/" + name;
    link("sys/class/infiniband/" + name, "../../devices/pci0000:00/" + address + "/infiniband/" + name);
    link(folder + "/device", "../../../" + address);
    file(folder + "/board_id", "MT_0000000838\n");
    file(folder + "/fw_ver", "28.39.1002\n");
    file("sys/devices/pci0000:00/" + address + "/device", "0x101d\n");
    file(folder + "/node_guid", "b859:9f03:0012:3456\n");
    net_device("ens1np0", 4);
    const std::string port = folder + "/ports/1";
    file(port + "/link_layer", "Ethernet\n");
    file(port + "/state", "4: ACTIVE\n");
    file(port + "/rate", "100 Gb/sec (4X EDR)\n");
    file(port + "/phys_state", "5: LinkUp\n");
    file(port + "/lid", "0x0\n");
    const std::string local = "fe80:0000:0000:0000:ba59:9fff:fe12:3456";
    const std::string mapped = "0000:0000:0000:0000:0000:ffff:0a00:0001";
    const std::string zero = "0000:0000:0000:0000:0000:0000:0000:0000";
    const std::vector<std::string> gids{local, local, mapped, mapped, zero};
    for (std::size_t i = 0; i < gids.size(); ++i) {
      file(port + "/gids/" + std::to_string(i), gids[i] + "\n");
      if (gids[i] == zero) continue;
      file(port + "/gid_attrs/types/" + std::to_string(i), i % 2 == 0 ? "IB/RoCE v1\n" : "RoCE v2\n");
      file(port + "/gid_attrs/ndevs/" + std::to_string(i), "ens1np0\n");
    }
  }

 private:
  std::filesystem::path root_;
};

}  // namespace fabricheck::topology
