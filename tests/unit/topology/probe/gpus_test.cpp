#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>

#include "topology/probe/nvml.hpp"
#include "topology/probe/probe.hpp"
#include "unit/topology/probe/sys_tree.hpp"

namespace fabricheck::topology {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

int forks = 0;

class Gpus : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ::pthread_atfork([] { ++forks; }, nullptr, nullptr);
  }
  void SetUp() override {
    forks = 0;
    behave("");
    options_.sysroot = tree_.root();
    options_.nvml_library = FAKE_NVML_WHOLE;
    tree_.folder("sys/bus/pci/devices");
  }
  void TearDown() override {
    // No child is left behind, dead or alive.
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
  }
  static void behave(const char* what) { ::setenv("FAKE_NVML", what, 1); }
  void two_gpus_on_pci() {
    tree_.pci("0000:18:00.0", "0x10de", "0x030200", "0");
    tree_.pci("0000:3b:00.0", "0x10de", "0x030200", "1");
  }
  Host probe() {
    Host host;
    probe_gpus(options_, host);
    return host;
  }
  static std::vector<std::string> names(const Host& host) {
    std::vector<std::string> result;
    for (const auto& gpu : host.gpus) result.push_back(gpu.name);
    return result;
  }

  SysTree tree_;
  ProbeOptions options_;
};

TEST_F(Gpus, JoinsNvmlAndPci) {
  two_gpus_on_pci();
  const Host host = probe();
  EXPECT_EQ(host.gpu_driver, "550.90.07");
  EXPECT_THAT(host.unknown, IsEmpty());
  const Gpu first{0, "Fake GPU 80GB", "GPU-00000000", "0000:18:00.0", 0, std::uint64_t{80} << 30};
  const Gpu second{1, "Fake GPU 80GB", "GPU-00000001", "0000:3b:00.0", 1, std::uint64_t{80} << 30};
  EXPECT_THAT(host.gpus, ElementsAre(first, second));
  EXPECT_EQ(forks, 1);
}

TEST_F(Gpus, NoGpuAndNoLibraryAsksNobody) {
  options_.nvml_library = tree_.at("libnvidia-ml.so.1").string();
  const Host host = probe();
  EXPECT_THAT(host.gpus, IsEmpty());
  EXPECT_THAT(host.unknown, IsEmpty());
  EXPECT_EQ(forks, 0);
}

TEST_F(Gpus, NvmlMayKnowWhatPciDoesNotShow) {
  const Host host = probe();
  EXPECT_THAT(names(host), ElementsAre("Fake GPU 80GB", "Fake GPU 80GB"));
  EXPECT_EQ(host.gpus[0].numa_node, std::nullopt);
}

TEST_F(Gpus, LoginNodeWithTheLibraryHasNothingToMiss) {
  for (const char* const behaviour : {"no driver", "no GPU"}) {
    behave(behaviour);
    const Host host = probe();
    EXPECT_THAT(host.gpus, IsEmpty());
    EXPECT_THAT(host.unknown, IsEmpty());
  }
}

TEST_F(Gpus, WithoutTheLibraryPciGpusDoNotAnswer) {
  two_gpus_on_pci();
  options_.nvml_library = tree_.at("libnvidia-ml.so.1").string();
  const Host host = probe();
  EXPECT_THAT(names(host), ElementsAre("not answering", "not answering"));
  EXPECT_EQ(host.gpus[1].pci_address, "0000:3b:00.0");
  EXPECT_EQ(host.gpus[1].numa_node, 1);
  EXPECT_EQ(host.gpus[1].index, 1);
  EXPECT_THAT(host.unknown, ElementsAre(AllOf(HasSubstr("libnvidia-ml.so.1 is not on this host"),
                                              HasSubstr("the 2 GPUs that PCI shows"))));
}

TEST_F(Gpus, AFileThatIsNoLibraryIsNotAnAbsentOne) {
  two_gpus_on_pci();
  tree_.file("libnvidia-ml.so.1", "no ELF");
  options_.nvml_library = tree_.at("libnvidia-ml.so.1").string();
  EXPECT_THAT(probe().unknown,
              ElementsAre(AllOf(HasSubstr("libnvidia-ml.so.1"), Not(HasSubstr("not on this host")))));
}

TEST_F(Gpus, InitFails) {
  two_gpus_on_pci();
  behave("mismatch");
  Host host = probe();
  EXPECT_THAT(names(host), ElementsAre("not answering", "not answering"));
  EXPECT_EQ(host.gpu_driver, "");
  EXPECT_THAT(host.unknown, ElementsAre(HasSubstr("Driver/library version mismatch (18)")));
  behave("no driver");
  host = probe();
  EXPECT_THAT(names(host), ElementsAre("not answering", "not answering"));
  EXPECT_THAT(host.unknown, ElementsAre(HasSubstr("modprobe nvidia")));
}

TEST_F(Gpus, HangEndsAtTheDeadline) {
  two_gpus_on_pci();
  behave("hang");
  options_.nvml_deadline = 300ms;
  const auto start = std::chrono::steady_clock::now();
  const Host host = probe();
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_GE(took, 300ms);
  EXPECT_LT(took, 3s);
  EXPECT_THAT(names(host), ElementsAre("not answering", "not answering"));
  EXPECT_THAT(host.unknown,
              ElementsAre(AllOf(HasSubstr("did not return within 0.3 s"), HasSubstr("nvmlInit_v2"))));
}

TEST_F(Gpus, HangAtOneGpuKeepsWhatCameBefore) {
  two_gpus_on_pci();
  behave("hang at GPU 1");
  options_.nvml_deadline = 1500ms;
  const Host host = probe();
  EXPECT_THAT(names(host), ElementsAre("Fake GPU 80GB", "not answering"));
  EXPECT_EQ(host.gpus[1].pci_address, "0000:3b:00.0");
  EXPECT_EQ(host.gpu_driver, "550.90.07");
  EXPECT_THAT(host.unknown, ElementsAre(HasSubstr("for GPU 1")));
}

TEST_F(Gpus, HangInShutdownLosesNothing) {
  two_gpus_on_pci();
  behave("hang in shutdown");
  const auto start = std::chrono::steady_clock::now();
  const Host host = probe();
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
  EXPECT_THAT(names(host), ElementsAre("Fake GPU 80GB", "Fake GPU 80GB"));
  EXPECT_THAT(host.unknown, IsEmpty());
}

TEST_F(Gpus, CrashIsSaid) {
  two_gpus_on_pci();
  behave("crash");
  const Host host = probe();
  EXPECT_THAT(names(host), ElementsAre("not answering", "not answering"));
  EXPECT_THAT(host.unknown, ElementsAre(HasSubstr("ended with signal 9")));
}

TEST_F(Gpus, LostGpuKeepsItsIndexAndAddress) {
  two_gpus_on_pci();
  behave("GPU 0 lost");
  const Host host = probe();
  EXPECT_THAT(names(host), ElementsAre("not answering", "Fake GPU 80GB"));
  EXPECT_EQ(host.gpus[0].index, 0);
  EXPECT_EQ(host.gpus[0].pci_address, "0000:18:00.0");
  EXPECT_EQ(host.gpus[1].index, 1);
  EXPECT_THAT(host.unknown, Contains(HasSubstr("GPU 0: GPU is lost (15)")));
}

TEST_F(Gpus, LostGpuIsListedEvenWithoutPci) {
  behave("GPU 0 lost");
  const Host host = probe();
  EXPECT_THAT(names(host), ElementsAre("not answering", "Fake GPU 80GB"));
  EXPECT_EQ(host.gpus[0].pci_address, "");
}

TEST_F(Gpus, HandleWithoutNameIsNotAnswering) {
  two_gpus_on_pci();
  behave("GPU 1 nameless");
  const Host host = probe();
  EXPECT_THAT(names(host), ElementsAre("Fake GPU 80GB", "not answering"));
  EXPECT_THAT(host.unknown, ElementsAre(AllOf(HasSubstr("the name of GPU 1"), HasSubstr("GPU is lost"))));
}

TEST_F(Gpus, GpuThatNvmlDoesNotListIsNotAnswering) {
  two_gpus_on_pci();
  tree_.pci("0000:af:00.0", "0x10de", "0x030200");
  tree_.link("sys/devices/pci0000:00/0000:af:00.0/driver", "../../../bus/pci/drivers/vfio-pci");
  const Host host = probe();
  EXPECT_THAT(names(host), ElementsAre("Fake GPU 80GB", "Fake GPU 80GB", "not answering"));
  EXPECT_EQ(host.gpus[2].index, 2);
  EXPECT_THAT(host.unknown, ElementsAre(AllOf(HasSubstr("0000:af:00.0"), HasSubstr("vfio-pci"))));
}

TEST_F(Gpus, WithoutAddressesNoGpuIsCountedTwice) {
  two_gpus_on_pci();
  behave("no address");
  EXPECT_THAT(names(probe()), ElementsAre("Fake GPU 80GB", "Fake GPU 80GB"));
  tree_.pci("0000:af:00.0", "0x10de", "0x030200");
  const Host host = probe();
  EXPECT_THAT(names(host), ElementsAre("Fake GPU 80GB", "Fake GPU 80GB", "not answering"));
  EXPECT_EQ(host.gpus[2].pci_address, "");
}

TEST_F(Gpus, GarbageTextCannotBreakTheRecords) {
  two_gpus_on_pci();
  behave("garbage");
  EXPECT_THAT(names(probe()), ElementsAre("Fake?GPU??", "Fake?GPU??"));
}

TEST_F(Gpus, OldLibraryLeavesValuesUnknown) {
  two_gpus_on_pci();
  options_.nvml_library = FAKE_NVML_OLD;
  const Host host = probe();
  EXPECT_THAT(names(host), ElementsAre("unknown", "unknown"));
  EXPECT_EQ(host.gpus[0].uuid, "");
  EXPECT_EQ(host.gpus[0].memory_bytes, std::nullopt);
  for (const char* const call : {"nvmlSystemGetDriverVersion", "nvmlDeviceGetName", "nvmlDeviceGetUUID",
                                 "nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetMemoryInfo"}) {
    EXPECT_THAT(host.unknown, Contains(HasSubstr(call)));
  }
}

TEST_F(Gpus, LibraryThatCannotCountFails) {
  two_gpus_on_pci();
  options_.nvml_library = FAKE_NVML_BARE;
  const Host host = probe();
  EXPECT_THAT(names(host), ElementsAre("not answering", "not answering"));
  EXPECT_THAT(host.unknown, ElementsAre(HasSubstr("has no nvmlDeviceGetCount_v2")));
}

TEST_F(Gpus, RecordedMachineIsNotAskedThroughThisMachinesLibrary) {
  two_gpus_on_pci();
  for (const char* const library : {"libnvidia-ml.so.1", ""}) {
    options_.nvml_library = library;
    const Host host = probe();
    EXPECT_THAT(names(host), ElementsAre("not asked", "not asked"));
    EXPECT_THAT(host.unknown, ElementsAre(HasSubstr("not asked")));
  }
  EXPECT_EQ(forks, 0);
}

TEST_F(Gpus, IgnoredChildSignalsDoNotMatter) {
  two_gpus_on_pci();
  ::signal(SIGCHLD, SIG_IGN);
  const Host host = probe();
  ::signal(SIGCHLD, SIG_DFL);
  EXPECT_THAT(names(host), ElementsAre("Fake GPU 80GB", "Fake GPU 80GB"));
}

}  // namespace
}  // namespace fabricheck::topology
