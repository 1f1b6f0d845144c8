// scripts/capture-node: what it records is the same machine without its serial numbers and addresses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>

#include "topology/probe/lldp.hpp"
#include "topology/probe/probe.hpp"
#include "topology/probe/sysfs.hpp"
#include "unit/topology/probe/machines.hpp"

namespace fabricheck::topology {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kScript = FABRICHECK_FIXTURES_DIR "/../../scripts/capture-node";

int run_script(const std::string& arguments) {
  const int status =
      std::system((std::string("'") + kScript + "' " + arguments + " 2>/dev/null >&2").c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Host probe(const std::string& root) {
  ProbeOptions options;
  options.sysroot = root;
  options.nvml_library.clear();
  return probe_host(options);
}

/// The sentences without the folder they name.
std::vector<std::string> without(const std::string& root, std::vector<std::string> sentences) {
  for (std::string& sentence : sentences) {
    for (std::size_t at = sentence.find(root); at != std::string::npos; at = sentence.find(root)) {
      sentence.erase(at, root.size());
    }
  }
  return sentences;
}

/// All that a capture must keep: addresses, names and numbers that stand for somebody are made equal.
Host comparable(Host host, const std::string& root) {
  host.name = host.source = "";
  host.unknown = without(root, host.unknown);
  for (RdmaDevice& device : host.rdma_devices) {
    device.node_guid = device.node_guid.empty() ? "" : "guid";
    for (RdmaPort& port : device.ports) {
      for (Gid& gid : port.gids) gid.address.resize(4);
      if (port.lid) port.lid = 1;
      for (std::string& subnet : port.subnets) subnet = subnet.substr(subnet.find('/'));
      if (port.neighbour) port.neighbour->switch_name = "switch";
    }
  }
  return host;
}

/// Every file and link of a folder, names and contents, one after the other.
std::string everything_in(const std::filesystem::path& root) {
  std::string all;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    all += entry.path().lexically_relative(root).string() + "\n";
    if (entry.is_symlink()) {
      all += std::filesystem::read_symlink(entry.path()).string() + "\n";
    } else if (entry.is_regular_file()) {
      std::ifstream file(entry.path(), std::ios::binary);
      all.append(std::istreambuf_iterator<char>(file), {});
    }
  }
  return all;
}

/// A frame that names switch and port, both with addresses.
std::string lldp_file() {
  const std::string values = std::string("\x02\x07\x04\x5c\x5c\x5c\x01\x02\x03", 9) + "\x04\x0d\x05" +
                             "Ethernet12/1" + std::string("\x06\x02\x00\x78", 4) + "\x0a\x0a" + "leaf-r3-01" +
                             std::string(2, '\0');
  const std::string frame =
      std::string("\x01\x80\xc2\x00\x00\x0e\x5c\x5c\x5c\x01\x02\x03\x88\xcc", 14) + values;
  return std::string{static_cast<char>(frame.size())} + std::string(7, '\0') + frame;
}

TEST(CaptureNode, KeepsARecordedMachineAndLosesWhatNamesIt) {
  const SysTree tree;
  add_dgx_h100(tree);
  tree.roce_nic("mlx5_10", "0000:00:04.0");
  tree.file("run/systemd/netif/lldp/4", lldp_file());
  tree.file("proc/sys/kernel/hostname", "secret-host-17\n");
  tree.file("proc/cmdline", "root=UUID=0123-4567 ip=10.9.8.7 iommu=pt BOOTIF=01-5c-5c-5c-01-02-03\n");
  tree.file("sys/class/dmi/id/product_serial", "SERIAL12345\n");
  tree.file("sys/class/dmi/id/product_uuid", "deadbeef-0000-1111\n");
  tree.file("sys/class/net/ens1np0/address", "5c:5c:5c:01:02:03\n");
  tree.file("proc/self/cgroup", "0::/kubepods/pod-secret-9/0123456789\n");
  // The device serial number capability holds a MAC address.
  ConfigSpace space;
  std::string bytes = space.bytes();
  bytes.replace(0x150, 12, std::string("\x03\x00\x01\x00\x03\x02\x01\xff\xfe\x5c\x5c\x5c", 12));
  tree.file("sys/bus/pci/devices/0000:14:00.0/config", bytes);

  const SysTree folder;
  const std::string out = folder.at("out").string();
  ASSERT_EQ(run_script("--root " + tree.root() + " " + out), 0);
  const Host before = probe(tree.root());
  const Host after = probe(out);
  EXPECT_TRUE(comparable(before, tree.root()) == comparable(after, out));
  EXPECT_EQ(without(tree.root(), before.unknown), without(out, after.unknown));
  EXPECT_EQ(after.name, "node");
  EXPECT_EQ(after.environment, before.environment);
  EXPECT_EQ(after.pci, before.pci);
  ASSERT_EQ(after.rdma_devices.size(), 11U);
  const RdmaPort& port = after.rdma_devices[10].ports.at(0);
  EXPECT_EQ(port.neighbour, (Neighbour{"switch-1", "Ethernet12/1", "LLDP"}));
  EXPECT_EQ(port.gids.at(0).address.substr(0, 19), "fe80:0000:0000:0000");
  EXPECT_EQ(port.gids.at(0).address, port.gids.at(1).address);
  EXPECT_EQ(port.gids.at(2).address, "0000:0000:0000:0000:0000:ffff:0a00:0001");
  EXPECT_EQ(port.gids.at(3).type, "RoCE v2");

  const std::string all = everything_in(out);
  for (const std::string& secret :
       {std::string("secret"), std::string("SERIAL"), std::string("deadbeef"), std::string("5c:5c:5c"),
        std::string("UUID"), std::string("10.9.8.7"), std::string("ba59:9fff"), std::string("b859:9f03"),
        std::string("0123456789"), std::string("leaf-r3"), std::string("\x5c\x5c\x5c")}) {
    EXPECT_EQ(all.find(secret), std::string::npos) << secret;
  }
}

TEST(CaptureNode, ARecordingWithoutRootIsKeptAsOne) {
  const SysTree tree;
  add_flat_vm(tree);
  tree.file("sys/bus/pci/devices/0000:00:05.0/config", ConfigSpace{}.bytes().substr(0, 64));
  const SysTree folder;
  const std::string out = folder.at("out").string();
  ASSERT_EQ(run_script("--root " + tree.root() + " " + out), 0);
  EXPECT_TRUE(comparable(probe(tree.root()), tree.root()) == comparable(probe(out), out));
  EXPECT_EQ(std::filesystem::file_size(out + "/sys/bus/pci/devices/0000:00:05.0/config"), 64U);
}

TEST(CaptureNode, ThisMachineIsTheSameRecordedAndLive) {
  const SysTree folder;
  const std::string out = folder.at("out").string();
  ASSERT_EQ(run_script(out), 0);
  const Host live = probe("/");
  const Host recorded = probe(out);
  EXPECT_EQ(live.source, "live");
  EXPECT_EQ(recorded.source, "recorded");
  EXPECT_EQ(recorded.kernel, live.kernel);
  EXPECT_EQ(recorded.cpu_model, live.cpu_model);
  EXPECT_EQ(recorded.cores, live.cores);
  EXPECT_EQ(recorded.hardware_threads, live.hardware_threads);
  ASSERT_EQ(recorded.numa_nodes.size(), live.numa_nodes.size());
  for (std::size_t i = 0; i < live.numa_nodes.size(); ++i) {
    EXPECT_EQ(recorded.numa_nodes[i].cpus, live.numa_nodes[i].cpus);
  }
  EXPECT_EQ(recorded.pci, live.pci);
  EXPECT_EQ(recorded.environment.product, live.environment.product);
  EXPECT_EQ(recorded.environment.container, live.environment.container);
  EXPECT_EQ(recorded.environment.iommu, live.environment.iommu);
  EXPECT_EQ(recorded.environment.memlock_bytes, live.environment.memlock_bytes);
  EXPECT_EQ(recorded.environment.modules, live.environment.modules);
  EXPECT_EQ(recorded.environment.software, live.environment.software);
  EXPECT_EQ(recorded.environment.cpu_governor, live.environment.cpu_governor);
  EXPECT_EQ(recorded.environment.hugepages_bytes, live.environment.hugepages_bytes);
  EXPECT_EQ(recorded.environment.passthrough, live.environment.passthrough);
  EXPECT_EQ(comparable(recorded, out).rdma_devices, comparable(live, "/").rdma_devices);

  const std::string all = everything_in(out);
  std::string why;
  for (const std::string& name : folder_entries("/sys/class/net", why).value_or(std::vector<std::string>{})) {
    const auto address = read_text("/sys/class/net/" + name + "/address");
    if (address && address->size() == 17 && *address != "00:00:00:00:00:00") {
      EXPECT_THAT(all, Not(HasSubstr(*address)));
    }
  }
  if (live.name.size() > 6) {
    EXPECT_THAT(all, Not(HasSubstr(live.name)));
  }
}

TEST(CaptureNode, RefusesWhatItCannotMean) {
  const SysTree folder;
  folder.file("full/file", "");
  EXPECT_EQ(run_script(""), 2);
  EXPECT_EQ(run_script("--rooot / " + folder.at("out").string()), 2);
  EXPECT_EQ(run_script("--root /no/such/folder " + folder.at("out").string()), 2);
  EXPECT_EQ(run_script("a b"), 2);
  EXPECT_EQ(run_script(folder.at("full").string()), 3);
  EXPECT_EQ(run_script("--help"), 0);
}

}  // namespace
}  // namespace fabricheck::topology
