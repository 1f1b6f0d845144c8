#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <link.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "topology/probe/machine.hpp"
#include "topology/probe/probe.hpp"
#include "unit/topology/probe/sys_tree.hpp"

namespace fabricheck::topology {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// Two sockets with two cores of two threads each, 64 GiB a node.
void write_machine(const SysTree& tree) {
  tree.file("proc/sys/kernel/hostname", "node7\n");
  tree.file("proc/sys/kernel/osrelease", "6.8.0-45-generic\n");
  tree.file("proc/cpuinfo",
            "processor\t: 0\nmodel\t\t: 143\nmodel name\t: Fast CPU 9000\n"
            "flags\t\t: fpu\n");
  tree.file("sys/devices/system/cpu/online", "0-7\n");
  for (int cpu = 0; cpu < 8; ++cpu) {
    const std::string siblings = std::to_string(cpu % 4) + "," + std::to_string(cpu % 4 + 4);
    tree.file("sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list",
              siblings + "\n");
  }
  for (const char* const node : {"0", "1"}) {
    const std::string folder = std::string("sys/devices/system/node/node") + node;
    tree.file(folder + "/cpulist", *node == '0' ? "0-1,4-5\n" : "2-3,6-7\n");
    tree.file(folder + "/meminfo", std::string("Node ") + node + " MemTotal:       67108864 kB\nNode " +
                                       node + " MemFree:        1 kB\n");
  }
  tree.file("sys/class/dmi/id/sys_vendor", "Supermicro\n");
  tree.file("proc/driver/nvidia/version",
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.15\n");
  tree.folder("sys/bus/pci/devices");
}

ProbeOptions recorded(const SysTree& tree) {
  ProbeOptions options;
  options.sysroot = tree.root();
  return options;
}

TEST(ProbeHost, ReadsARecordedMachine) {
  const SysTree tree;
  write_machine(tree);
  tree.roce_nic("mlx5_0", "0000:18:00.0");
  tree.pci("0000:3b:00.0", "0x10de", "0x030200", "1");
  const Host host = probe_host(recorded(tree));
  EXPECT_EQ(host.name, "node7");
  EXPECT_EQ(host.source, "recorded");
  EXPECT_EQ(host.kernel, "6.8.0-45-generic");
  EXPECT_EQ(host.cpu_model, "Fast CPU 9000");
  EXPECT_EQ(host.cores, 4);
  EXPECT_EQ(host.hardware_threads, 8);
  EXPECT_THAT(host.numa_nodes, ElementsAre(NumaNode{0, "0-1,4-5", std::uint64_t{64} << 30},
                                           NumaNode{1, "2-3,6-7", std::uint64_t{64} << 30}));
  ASSERT_THAT(host.rdma_devices, SizeIs(1));
  ASSERT_THAT(host.gpus, SizeIs(1));
  EXPECT_EQ(host.gpus[0].numa_node, 1);
  EXPECT_THAT(host.unknown, ElementsAre(HasSubstr("NVML: not asked")));
}

TEST(ProbeHost, TheGivenNameWins) {
  const SysTree tree;
  write_machine(tree);
  ProbeOptions options = recorded(tree);
  options.host_name = "given";
  EXPECT_EQ(probe_host(options).name, "given");
  options.host_name.clear();
  tree.remove("proc/sys/kernel/hostname");
  tree.file("etc/hostname", "from-etc\n");
  EXPECT_EQ(probe_host(options).name, "from-etc");
}

TEST(ProbeHost, AnEmptyRootIsSentencesNotAFailure) {
  const SysTree tree;
  const Host host = probe_host(recorded(tree));
  EXPECT_EQ(host.cores, 0);
  EXPECT_EQ(host.hardware_threads, 0);
  EXPECT_THAT(host.numa_nodes, IsEmpty());
  EXPECT_EQ(host.name, "recorded");  // not this machine's
  for (const char* const part :
       {"kernel:", "CPU model:", "CPUs:", "memory:", "PCI:", "host name:", "virtual machine:"}) {
    EXPECT_THAT(host.unknown, Contains(HasSubstr(part)));
  }
}

TEST(ProbeHost, GarbageIsSentencesNotAFailure) {
  const SysTree tree;
  write_machine(tree);
  tree.file("proc/cpuinfo", std::string("\0\xff\n: :\n", 7));
  tree.file("sys/devices/system/cpu/online", "all\n");
  tree.file("sys/devices/system/node/node0/cpulist", "0-\n");
  tree.file("sys/devices/system/node/node0/meminfo", "Node 0 MemTotal: much kB\n");
  tree.file("sys/devices/system/node/node1/meminfo", "Node 1 MemTotal: 99999999999999999999 kB\n");
  tree.file("sys/devices/system/node/nodeX/cpulist", "0\n");
  const Host host = probe_host(recorded(tree));
  EXPECT_EQ(host.hardware_threads, 0);
  EXPECT_THAT(host.numa_nodes, ElementsAre(NumaNode{0, "", 0}, NumaNode{1, "2-3,6-7", 0}));
  EXPECT_THAT(host.unknown, Contains(AllOf(HasSubstr("online"), HasSubstr("'all'"))));
  EXPECT_THAT(host.unknown, Contains(AllOf(HasSubstr("node0/cpulist"), HasSubstr("'0-'"))));
  EXPECT_THAT(host.unknown, Contains(HasSubstr("node0/meminfo has no line")));
  EXPECT_THAT(host.unknown, Contains(HasSubstr("node1/meminfo has no line")));
  EXPECT_THAT(host.unknown, Contains(HasSubstr("names none")));
}

TEST(ProbeHost, MissingSiblingsLeaveTheCoresUnknown) {
  const SysTree tree;
  write_machine(tree);
  tree.remove("sys/devices/system/cpu/cpu5");
  const Host host = probe_host(recorded(tree));
  EXPECT_EQ(host.cores, 0);
  EXPECT_EQ(host.hardware_threads, 8);
  EXPECT_THAT(host.unknown, ElementsAre(AllOf(HasSubstr("CPU cores"), HasSubstr("cpu5"))));
}

TEST(ProbeHost, NodesWithoutCpusStayAndEmptyOnesGo) {
  const SysTree tree;
  write_machine(tree);
  tree.file("sys/devices/system/node/node2/cpulist", "\n");
  tree.file("sys/devices/system/node/node2/meminfo", "Node 2 MemTotal: 1024 kB\n");
  tree.file("sys/devices/system/node/node10/cpulist", "\n");
  tree.file("sys/devices/system/node/node10/meminfo", "Node 10 MemTotal: 0 kB\n");
  const Host host = probe_host(recorded(tree));
  ASSERT_THAT(host.numa_nodes, SizeIs(3));
  EXPECT_EQ(host.numa_nodes[2], (NumaNode{2, "", 1024 * 1024}));
  EXPECT_THAT(host.unknown, IsEmpty());
}

TEST(ProbeHost, KernelWithoutNumaIsOneNode) {
  const SysTree tree;
  write_machine(tree);
  tree.remove("sys/devices/system/node");
  tree.file("proc/meminfo", "MemTotal:       1048576 kB\nMemFree: 1 kB\n");
  EXPECT_THAT(probe_host(recorded(tree)).numa_nodes, ElementsAre(NumaNode{0, "0-7", std::uint64_t{1} << 30}));
}

TEST(ProbeHost, NamesArmCores) {
  const SysTree tree;
  write_machine(tree);
  tree.file("proc/cpuinfo", "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd4f\n");
  EXPECT_EQ(probe_host(recorded(tree)).cpu_model, "Arm Neoverse-V2");
  tree.file("proc/cpuinfo", "processor\t: 0\nCPU implementer\t: 0x42\nCPU part\t: 0xd4f\n");
  EXPECT_EQ(probe_host(recorded(tree)).cpu_model, "CPU implementer 0x42 part 0xd4f");
}

TEST(ProbeHost, TheLiveMachineIsRead) {
  ProbeOptions options;
  options.nvml_library.clear();
  const Host host = probe_host(options);
  std::array<char, 256> name{};
  ASSERT_EQ(::gethostname(name.data(), name.size() - 1), 0);
  EXPECT_EQ(host.name, name.data());
  EXPECT_EQ(host.source, "live");
  utsname names{};
  ASSERT_EQ(::uname(&names), 0);
  EXPECT_EQ(host.kernel, names.release);
  EXPECT_GE(host.cores, 1);
  EXPECT_GE(host.hardware_threads, host.cores);
  EXPECT_EQ(host.hardware_threads, ::sysconf(_SC_NPROCESSORS_ONLN));
  ASSERT_FALSE(host.numa_nodes.empty());
  EXPECT_GT(host.numa_nodes[0].memory_bytes, 0U);
}

TEST(ProbeHost, HwlocAndSysfsAgreeOnTheLiveMachine) {
  std::vector<std::string> unknown;
  machine_from_sysfs("/", unknown);
  if (!unknown.empty()) GTEST_SKIP() << unknown.front();
  // A virtual machine's memory can change between two readings.
  for (int attempt = 0; attempt < 5; ++attempt) {
    std::string why;
    const auto hwloc = machine_from_hwloc(why);
    ASSERT_TRUE(hwloc) << why;
    if (*hwloc == machine_from_sysfs("/", unknown)) return;
  }
  FAIL() << "five times different";
}

TEST(ProbeHost, HwlocToldOfAnotherMachineIsNotBelieved) {
  ::setenv("HWLOC_SYNTHETIC", "numa:2 core:4 pu:2", 1);
  std::string why;
  const auto machine = machine_from_hwloc(why);
  const Host host = probe_host({});
  ::unsetenv("HWLOC_SYNTHETIC");
  EXPECT_FALSE(machine);
  EXPECT_THAT(why, HasSubstr("another machine"));
  EXPECT_EQ(host.hardware_threads, ::sysconf(_SC_NPROCESSORS_ONLN));
  EXPECT_THAT(host.unknown, Contains(HasSubstr("from sysfs instead")));
}

/// How many shared objects this process has ever loaded, those unloaded since included.
unsigned long long objects_ever_loaded() {
  unsigned long long count = 0;
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* result) {
        *static_cast<unsigned long long*>(result) = info->dlpi_adds;
        return 1;
      },
      &count);
  return count;
}

TEST(ProbeHost, LoadsNoPluginOfHwloc) {
  ProbeOptions options;
  options.nvml_library.clear();
  const auto before = objects_ever_loaded();
  ASSERT_GT(before, 0U);
  probe_host(options);
  EXPECT_EQ(objects_ever_loaded(), before);
}

TEST(ProbeHost, WaitsForNothingWithoutGpu) {
  ProbeOptions options;
  options.nvml_library.clear();
  auto best = std::chrono::nanoseconds::max();
  for (int i = 0; i < 5; ++i) {
    const auto start = std::chrono::steady_clock::now();
    probe_host(options);
    best = std::min<std::chrono::nanoseconds>(best, std::chrono::steady_clock::now() - start);
  }
  RecordProperty("best_us", static_cast<int>(best.count() / 1000));
  EXPECT_LT(best, std::chrono::seconds(5));
}

}  // namespace
}  // namespace fabricheck::topology
