#include "topology/probe/environment.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/resource.h>

#include <algorithm>

#include "unit/topology/probe/machines.hpp"

namespace fabricheck::topology {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

class Environment : public ::testing::Test {
 protected:
  Environment() { add_host(tree_, "Supermicro", "SYS-821GE", false); }
  HostEnvironment probe() {
    unknown_.clear();
    return probe_environment(tree_.root(), unknown_);
  }
  void dmi(const std::string& vendor, const std::string& product) {
    tree_.file("sys/class/dmi/id/sys_vendor", vendor + "\n");
    tree_.file("sys/class/dmi/id/product_name", product + "\n");
  }
  void flags(const std::string& flags) {
    tree_.file("proc/cpuinfo", "model name\t: CPU\nflags\t\t: " + flags + "\n");
  }

  SysTree tree_;
  std::vector<std::string> unknown_;
};

TEST_F(Environment, ReadsARecordedMachine) {
  const HostEnvironment found = probe();
  EXPECT_EQ(found.product, "Supermicro SYS-821GE");
  EXPECT_EQ(found.bios, "1.6.7");
  EXPECT_EQ(found.hypervisor, "none");
  EXPECT_EQ(found.container, "none");
  EXPECT_EQ(found.cpu_governor, "performance");
  EXPECT_EQ(found.transparent_hugepages, "madvise");
  EXPECT_EQ(found.hugepages_bytes, (std::uint64_t{2} << 30) + (std::uint64_t{32} << 20));
  EXPECT_EQ(found.memlock_bytes, std::uint64_t{0x7fffffffffffffff});
  EXPECT_EQ(found.numa_balancing, false);
  EXPECT_THAT(found.modules, ElementsAre(Pair("mlx5_core", "24.04-0.6.6"), Pair("mlx5_ib", ""),
                                         Pair("nvidia", "550.54.15"), Pair("nvidia_peermem", "")));
  EXPECT_THAT(found.software, ElementsAre(Pair("nccl", "2.27.3")));
  EXPECT_THAT(unknown_, IsEmpty());
}

TEST_F(Environment, ProductsOfCloudsAreTheInstanceType) {
  dmi("Amazon EC2", "p5.48xlarge");
  EXPECT_EQ(probe().product, "p5.48xlarge");
  dmi("NVIDIA", "NVIDIA DGX GB200");
  EXPECT_EQ(probe().product, "NVIDIA DGX GB200");
  tree_.remove("sys/class/dmi");
  EXPECT_EQ(probe().product, "");
}

TEST_F(Environment, HypervisorsAreNamed) {
  flags("fpu hypervisor");
  EXPECT_EQ(hypervisor(tree_.root()), "of unknown kind");
  for (const auto& [vendor, product, name] :
       {std::tuple{"QEMU", "Standard PC", "QEMU"},
        {"Red Hat", "KVM", "KVM"},
        {"OpenStack Foundation", "OpenStack Nova", "KVM"},
        {"Google", "Google Compute Engine", "KVM"},
        {"Amazon EC2", "p5.48xlarge", "KVM"},
        {"Microsoft Corporation", "Virtual Machine", "Microsoft Hyper-V"},
        {"VMware, Inc.", "VMware7,1", "VMware"}}) {
    dmi(vendor, product);
    EXPECT_EQ(hypervisor(tree_.root()), name);
  }
  flags("fpu");  // the processor's word counts before the firmware's
  dmi("Amazon EC2", "p4d.metal");
  EXPECT_EQ(hypervisor(tree_.root()), "none");
}

TEST_F(Environment, WithoutCpuidTheFirmwareTells) {
  tree_.file("proc/cpuinfo", "processor\t: 0\nCPU implementer\t: 0x41\n");
  dmi("Amazon EC2", "c7gn.16xlarge");
  EXPECT_EQ(hypervisor(tree_.root()), "KVM");
  dmi("Amazon EC2", "c7gn.metal");
  EXPECT_EQ(hypervisor(tree_.root()), "none");
  dmi("NVIDIA", "GB200 NVL72");
  EXPECT_EQ(hypervisor(tree_.root()), "none");
  tree_.remove("sys/class/dmi");
  EXPECT_EQ(probe().hypervisor, "");
  EXPECT_THAT(unknown_, Contains(HasSubstr("virtual machine:")));
}

TEST_F(Environment, XenTellsItselfBySysfs) {
  flags("fpu hypervisor");
  tree_.file("sys/hypervisor/type", "xen\n");
  EXPECT_EQ(hypervisor(tree_.root()), "Xen");
}

TEST_F(Environment, ACaptureTellsWhatNoFileDoes) {
  tree_.file("fabricheck-capture", "version 1\nhypervisor Microsoft Hyper-V\ncontainer kubernetes\n");
  EXPECT_EQ(hypervisor(tree_.root()), "Microsoft Hyper-V");
  EXPECT_EQ(container(tree_.root()), "kubernetes");
}

TEST(HypervisorSignature, IsNamed) {
  EXPECT_EQ(hypervisor_of_signature(std::string("KVMKVMKVM\0\0\0", 12)), "KVM");
  EXPECT_EQ(hypervisor_of_signature("Microsoft Hv"), "Microsoft Hyper-V");
  EXPECT_EQ(hypervisor_of_signature("VMwareVMware"), "VMware");
  EXPECT_EQ(hypervisor_of_signature("NewMachine1\x01"), "NewMachine1?");
  EXPECT_EQ(hypervisor_of_signature(std::string(12, '\0')), "of unknown kind");
}

TEST_F(Environment, ContainersAreNamed) {
  const std::string root = tree_.root();
  for (const auto& [group, name] : {std::pair{"0::/kubepods.slice/kubepods-pod1.slice\n", "kubernetes"},
                                    {"4:memory:/docker/0123\n", "docker"},
                                    {"0::/system.slice/docker-0123.scope\n", "docker"},
                                    {"0::/lxc/one\n", "lxc"},
                                    {"0::/machine.slice/libpod-0123.scope\n", "podman"},
                                    {"0::/\n", "none"}}) {
    tree_.file("proc/self/cgroup", group);
    EXPECT_EQ(container(root), name) << group;
  }
  tree_.file(".dockerenv", "");
  EXPECT_EQ(container(root), "docker");
  tree_.file("run/.containerenv", "");
  EXPECT_EQ(container(root), "podman");
  tree_.folder(".singularity.d");
  EXPECT_EQ(container(root), "apptainer");
  tree_.file("run/systemd/container", "systemd-nspawn\n");
  EXPECT_EQ(container(root), "systemd-nspawn");
}

TEST_F(Environment, TheFirstProcessNamesTheContainer) {
  tree_.file("proc/1/environ", std::string("PATH=/bin\0container=lxc\0", 24));
  EXPECT_EQ(container(tree_.root()), "lxc");
}

TEST_F(Environment, GovernorsThatDifferAreCounted) {
  tree_.file("sys/devices/system/cpu/cpufreq/policy3/scaling_governor", "powersave\n");
  EXPECT_EQ(probe().cpu_governor, "mixed: 7 performance, 1 powersave");
  tree_.remove("sys/devices/system/cpu/cpufreq");
  EXPECT_EQ(probe().cpu_governor, "none");
}

TEST_F(Environment, GarbageIsSentences) {
  tree_.file("sys/kernel/mm/transparent_hugepage/enabled", "always madvise never\n");
  tree_.file("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "99999999999999999\n");
  tree_.file("proc/self/limits", "Max locked memory   much\n");
  tree_.file("proc/sys/kernel/numa_balancing", "on\n");
  tree_.file("sys/class/dmi/id/product_name", "\xff\xfe\x1b[2J");
  for (int cpu = 0; cpu < 8; ++cpu) {
    tree_.remove("sys/devices/system/cpu/cpufreq/policy" + std::to_string(cpu) + "/scaling_governor");
  }
  const HostEnvironment found = probe();
  EXPECT_EQ(found.transparent_hugepages, "");
  EXPECT_EQ(found.hugepages_bytes, std::nullopt);
  EXPECT_EQ(found.memlock_bytes, std::nullopt);
  EXPECT_EQ(found.numa_balancing, std::nullopt);
  EXPECT_EQ(found.cpu_governor, "");
  EXPECT_EQ(found.product, "Supermicro ???[2J");
  for (const char* const part : {"transparent_hugepage", "nr_hugepages", "memlock", "CPU governor"}) {
    EXPECT_THAT(unknown_, Contains(HasSubstr(part)));
  }
}

TEST_F(Environment, LibrariesAreToldByTheirFilesNames) {
  const std::string root = tree_.root();
  const std::string folder = "usr/lib/x86_64-linux-gnu/";
  tree_.link(folder + "libibverbs.so.1", "libibverbs.so.1.14.44.0");
  EXPECT_THAT(libraries(root), ElementsAre(Pair("libibverbs", "1.14.44.0"), Pair("nccl", "2.27.3")));
  tree_.file("usr/local/lib/libnccl.so.2", "");  // found first, tells nothing
  EXPECT_THAT(libraries(root), ElementsAre(Pair("libibverbs", "1.14.44.0")));
  tree_.remove("usr/local/lib");
  tree_.remove(folder + "libnccl.so.2");
  tree_.link(folder + "libnccl.so.2", "libnccl.so.2");  // a loop
  EXPECT_THAT(libraries(root), ElementsAre(Pair("libibverbs", "1.14.44.0")));
}

TEST_F(Environment, ALimitDoesNotHoldForWhoMayLockAll) {
  const auto memlock = [&](const std::string& capabilities, const std::string& map) {
    tree_.file("proc/self/limits", "Max locked memory   65536   65536   bytes\n");
    tree_.file("proc/self/status", "Name:\tcat\nCapEff:\t" + capabilities + "\n");
    tree_.file("proc/self/uid_map", map);
    std::vector<std::string> unknown;
    return probe_environment(tree_.root(), unknown).memlock_bytes;
  };
  constexpr std::uint64_t kUnlimited = 0x7fffffffffffffff;
  const std::string whole = "         0          0 4294967295\n";
  EXPECT_EQ(memlock("0000000000004000", whole), kUnlimited);
  EXPECT_EQ(memlock("0000000000000000", whole), 65536U);
  EXPECT_EQ(memlock("000001ffffffffff", "         0       1000          1\n"),
            65536U);  // root of a user namespace
}

TEST(EnvironmentLive, KnowsThisMachine) {
  std::vector<std::string> unknown;
  const HostEnvironment found = probe_environment("/", unknown);
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_MEMLOCK, &limit), 0);
  ASSERT_TRUE(found.memlock_bytes);
  constexpr std::uint64_t kUnlimited = 0x7fffffffffffffff;
  // Root may lock more than its limit.
  EXPECT_GE(*found.memlock_bytes, std::min<std::uint64_t>(limit.rlim_cur, kUnlimited));
#if defined(__x86_64__)
  EXPECT_FALSE(found.hypervisor.empty());
#endif
  EXPECT_FALSE(found.container.empty());
}

/// GPU i is below the bridge parents[i]; "" is the root bus.
Host with_gpus(const std::vector<std::string>& parents, const std::string& hypervisor) {
  Host host;
  host.environment.hypervisor = hypervisor;
  for (std::size_t i = 0; i < parents.size(); ++i) {
    PciNode gpu;
    gpu.address = "0000:2" + std::to_string(i) + ":00.0";
    gpu.parent = parents[i];
    gpu.root = "0000:00";
    gpu.kind = "gpu";
    host.pci.push_back(gpu);
    if (parents[i].empty()) continue;
    PciNode port;
    port.address = parents[i];
    port.root = "0000:00";
    port.kind = "root-port";
    host.pci.push_back(port);
  }
  return host;
}

TEST(FlatPciTree, IsToldFromRealOnes) {
  EXPECT_EQ(is_flat_pci_tree(with_gpus({}, "KVM")), false);
  EXPECT_EQ(is_flat_pci_tree(with_gpus({""}, "KVM")), false);
  EXPECT_EQ(is_flat_pci_tree(with_gpus({"", ""}, "KVM")), true);
  EXPECT_EQ(is_flat_pci_tree(with_gpus({"", ""}, "none")), true);
  EXPECT_EQ(is_flat_pci_tree(with_gpus({"0000:00:01.0", "0000:00:02.0"}, "KVM")), true);
  EXPECT_EQ(is_flat_pci_tree(with_gpus({"0000:00:01.0", "0000:00:02.0"}, "none")), false);
  EXPECT_EQ(is_flat_pci_tree(with_gpus({"0000:00:01.0", "0000:00:02.0"}, "")), std::nullopt);
  EXPECT_EQ(is_flat_pci_tree(with_gpus({"0000:00:01.0", "0000:00:01.0"}, "KVM")), false);
  Host unknown_place = with_gpus({"", ""}, "KVM");
  unknown_place.pci[0].root.clear();
  EXPECT_EQ(is_flat_pci_tree(unknown_place), std::nullopt);
}

}  // namespace
}  // namespace fabricheck::topology
