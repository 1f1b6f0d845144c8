#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>

#include "unit/topology/probe/nvml_machine.hpp"

namespace fabricheck::topology {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kModel = "NVIDIA H100 80GB HBM3";

/// Two GPUs, and what goes wrong with them.
class Gpus : public NvmlMachine {
 protected:
  void SetUp() override {
    NvmlMachine::SetUp();
    behave("");
  }
  void behave(const std::string& members) {
    replay_text(R"({"base": "h100x8.json", "count": 2, "pci": ["00000000:18:00.0", "00000000:3B:00.0"])" +
                (members.empty() ? "" : ", " + members) + "}");
  }
  void two_gpus_on_pci() {
    gpu_on_pci("0000:18:00.0", "nvidia", "0");
    gpu_on_pci("0000:3b:00.0", "nvidia", "1");
    driver_entry("0000:18:00.0", 0);
    driver_entry("0000:3b:00.0", 1);
  }
};

TEST_F(Gpus, JoinsNvmlAndPci) {
  two_gpus_on_pci();
  const Host host = probe();
  EXPECT_EQ(host.gpu_driver, "550.90.07");
  EXPECT_EQ(host.cuda_version, "12.4");
  EXPECT_THAT(host.unknown, IsEmpty());
  EXPECT_THAT(names(host), ElementsAre(kModel, kModel));
  EXPECT_THAT(states(host), ElementsAre("answers", "answers"));
  EXPECT_THAT(column(host, &Gpu::index), ElementsAre(0, 1));
  EXPECT_THAT(column(host, &Gpu::pci_address), ElementsAre("0000:18:00.0", "0000:3b:00.0"));
  EXPECT_THAT(column(host, &Gpu::numa_node), ElementsAre(0, 1));
  EXPECT_EQ(forks_, 1);
}

TEST_F(Gpus, NoGpuAndNoLibraryAsksNobody) {
  options_.nvml_library = tree_.at("libnvidia-ml.so.1").string();
  const Host host = probe();
  EXPECT_THAT(host.gpus, IsEmpty());
  EXPECT_THAT(host.unknown, IsEmpty());
  EXPECT_EQ(forks_, 0);
}

TEST_F(Gpus, NvmlMayKnowWhatPciDoesNotShow) {
  const Host host = probe();
  EXPECT_THAT(states(host), ElementsAre("answers", "answers"));
  EXPECT_EQ(host.gpus[0].numa_node, std::nullopt);
}

TEST_F(Gpus, LoginNodeWithTheLibraryHasNothingToMiss) {
  for (const char* const behaviour : {R"("returns": {"nvmlInit_v2": 9})", R"("count": 0)"}) {
    behave(behaviour);
    const Host host = probe();
    EXPECT_THAT(host.gpus, IsEmpty());
    EXPECT_THAT(host.unknown, IsEmpty());
  }
}

TEST_F(Gpus, WithoutTheLibraryNothingIsKnownOfPciGpus) {
  two_gpus_on_pci();
  options_.nvml_library = tree_.at("libnvidia-ml.so.1").string();
  const Host host = probe();
  EXPECT_THAT(names(host), ElementsAre("", ""));
  EXPECT_THAT(states(host), ElementsAre("state not known", "state not known"));
  EXPECT_THAT(host.gpus[0].problem, HasSubstr("libnvidia-ml.so.1 is not on this host"));
  EXPECT_EQ(host.gpus[1].pci_address, "0000:3b:00.0");
  EXPECT_EQ(host.gpus[1].numa_node, 1);
  EXPECT_EQ(host.gpus[1].index, 1);
  EXPECT_THAT(host.unknown, ElementsAre(AllOf(HasSubstr("libnvidia-ml.so.1 is not on this host"),
                                              HasSubstr("the 2 GPUs that PCI shows are not judged"))));
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
  behave(R"("returns": {"nvmlInit_v2": 18})");
  Host host = probe();
  EXPECT_THAT(states(host), ElementsAre("state not known", "state not known"));
  EXPECT_THAT(host.gpus[0].problem, HasSubstr("Driver/library version mismatch (18)"));
  EXPECT_EQ(host.gpu_driver, "");
  EXPECT_THAT(host.unknown, ElementsAre(HasSubstr("Driver/library version mismatch (18)")));
  behave(R"("returns": {"nvmlInit_v2": 9})");
  host = probe();
  EXPECT_THAT(states(host), ElementsAre("state not known", "state not known"));
  EXPECT_THAT(host.unknown, ElementsAre(HasSubstr("modprobe nvidia")));
}

TEST_F(Gpus, HangEndsAtTheDeadline) {
  two_gpus_on_pci();
  behave(R"("hang": {"call": "nvmlInit_v2"})");
  options_.nvml_deadline = 3s;
  const auto start = std::chrono::steady_clock::now();
  const Host host = probe();
  const auto took = std::chrono::steady_clock::now() - start;
  EXPECT_GE(took, 3s);
  EXPECT_LT(took, 30s);
  EXPECT_THAT(states(host), ElementsAre("not answering", "not answering"));
  EXPECT_THAT(host.unknown,
              ElementsAre(AllOf(HasSubstr("did not return within 3 s"), HasSubstr("nvmlInit_v2"))));
}

TEST_F(Gpus, HangAtTheHandleKeepsWhatCameBefore) {
  two_gpus_on_pci();
  behave(R"("hang": {"call": "nvmlDeviceGetHandleByIndex_v2", "gpu": 1})");
  options_.nvml_deadline = 4s;
  const Host host = probe();
  EXPECT_THAT(names(host), ElementsAre(kModel, ""));
  EXPECT_THAT(states(host), ElementsAre("answers", "not answering"));
  EXPECT_EQ(host.gpus[1].pci_address, "0000:3b:00.0");
  EXPECT_EQ(host.gpu_driver, "550.90.07");
  EXPECT_THAT(host.unknown, ElementsAre(HasSubstr("for GPU 1")));
}

TEST_F(Gpus, HangInShutdownLosesNothing) {
  two_gpus_on_pci();
  behave(R"("hang": {"call": "nvmlShutdown"})");
  options_.nvml_deadline = 60s;
  const auto start = std::chrono::steady_clock::now();
  const Host host = probe();
  EXPECT_LT(std::chrono::steady_clock::now() - start, 30s);
  EXPECT_THAT(states(host), ElementsAre("answers", "answers"));
  EXPECT_THAT(host.unknown, IsEmpty());
}

TEST_F(Gpus, CrashIsSaid) {
  two_gpus_on_pci();
  behave(R"("crash": {"call": "nvmlInit_v2"})");
  const Host host = probe();
  EXPECT_THAT(states(host), ElementsAre("state not known", "state not known"));
  // A sanitizer's handler makes an exit status of the signal.
  EXPECT_THAT(host.unknown, ElementsAre(AllOf(HasSubstr("NVML ended with"), HasSubstr("nvmlInit_v2"))));
}

TEST_F(Gpus, LostGpuKeepsItsIndexAndAddress) {
  two_gpus_on_pci();
  behave(R"("overrides": {"0": {"returns": {"nvmlDeviceGetHandleByIndex_v2": 15}}})");
  const Host host = probe();
  EXPECT_THAT(names(host), ElementsAre("", kModel));
  EXPECT_THAT(states(host), ElementsAre("not answering", "answers"));
  EXPECT_EQ(host.gpus[0].index, 0);
  EXPECT_EQ(host.gpus[0].pci_address, "0000:18:00.0");
  EXPECT_EQ(host.gpus[0].problem, "nvmlDeviceGetHandleByIndex_v2: GPU is lost (15)");
  EXPECT_EQ(host.gpus[1].index, 1);
}

TEST_F(Gpus, LostGpuGetsTheAddressThatFitsItsIndex) {
  gpu_on_pci("0000:05:00.0", "vfio-pci");
  two_gpus_on_pci();
  behave(R"("overrides": {"0": {"returns": {"nvmlDeviceGetHandleByIndex_v2": 15}}})");
  const Host host = probe();
  EXPECT_THAT(column(host, &Gpu::pci_address), ElementsAre("0000:18:00.0", "0000:3b:00.0", "0000:05:00.0"));
  EXPECT_THAT(states(host), ElementsAre("not answering", "answers", "hidden"));
}

TEST_F(Gpus, LostGpuIsListedEvenWithoutPci) {
  behave(R"("overrides": {"0": {"returns": {"nvmlDeviceGetHandleByIndex_v2": 15}}})");
  const Host host = probe();
  EXPECT_THAT(states(host), ElementsAre("not answering", "answers"));
  EXPECT_EQ(host.gpus[0].pci_address, "");
}

TEST_F(Gpus, GpuThatThisProcessMayNotUseIsHidden) {
  two_gpus_on_pci();
  for (const char* const status : {"4", "17"}) {
    behave(R"("overrides": {"1": {"returns": {"nvmlDeviceGetHandleByIndex_v2": )" + std::string(status) +
           "}}}");
    const Host host = probe();
    EXPECT_THAT(states(host), ElementsAre("answers", "hidden"));
    EXPECT_EQ(host.gpus[1].pci_address, "0000:3b:00.0");
  }
}

TEST_F(Gpus, HandleWithoutNameIsNotKnownToBeWell) {
  two_gpus_on_pci();
  behave(R"("overrides": {"1": {"returns": {"nvmlDeviceGetName": 999}}})");
  const Host host = probe();
  EXPECT_THAT(names(host), ElementsAre(kModel, ""));
  EXPECT_THAT(states(host), ElementsAre("answers", "state not known"));
  EXPECT_EQ(host.gpus[1].problem, "nvmlDeviceGetName: Unknown Error (999)");
  EXPECT_EQ(host.gpus[1].pci_address, "0000:3b:00.0");
  EXPECT_THAT(host.unknown, IsEmpty());
}

TEST_F(Gpus, OnlyWhatMeansALostGpuIsNotAnswering) {
  two_gpus_on_pci();
  for (const int status : {1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 18, 19, 20, 23, 27, 28, 999}) {
    for (const char* const call : {"nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetName"}) {
      if (status == 3 && call == std::string("nvmlDeviceGetName")) continue;  // it has none
      behave(fmt::format(R"("overrides": {{"1": {{"returns": {{"{}": {}}}}}}})", call, status));
      const Host host = probe();
      const bool lost = status == 8 || status == 15 || status == 16;
      EXPECT_THAT(states(host), ElementsAre("answers", lost ? "not answering" : "state not known"))
          << call << status;
      EXPECT_THAT(host.gpus[1].problem, AllOf(HasSubstr(call), HasSubstr(fmt::format("({})", status))));
    }
  }
}

TEST_F(Gpus, ACountThatFailsTellsNothingOfTheGpus) {
  two_gpus_on_pci();
  for (const int status : {4, 9, 18, 999}) {
    behave(fmt::format(R"("returns": {{"nvmlDeviceGetCount_v2": {}}})", status));
    const Host host = probe();
    EXPECT_THAT(states(host), ElementsAre("state not known", "state not known")) << status;
    EXPECT_THAT(host.gpus[0].problem, HasSubstr(fmt::format("({})", status)));
    EXPECT_THAT(host.unknown, ElementsAre(HasSubstr("the 2 GPUs that PCI shows are not judged")));
  }
}

TEST_F(Gpus, ACrashAtAGpuTellsNothingOfIt) {
  two_gpus_on_pci();
  behave(R"("crash": {"call": "nvmlDeviceGetHandleByIndex_v2", "gpu": 1})");
  EXPECT_THAT(states(probe()), ElementsAre("answers", "state not known"));
}

TEST_F(Gpus, GpuThatIsLostWhileItIsAskedIsNotAnswering) {
  two_gpus_on_pci();
  behave(R"("overrides": {"1": {"returns": {"nvmlDeviceGetNvLinkState": 15}}})");
  const Host host = probe();
  EXPECT_THAT(names(host), ElementsAre(kModel, kModel));
  EXPECT_THAT(states(host), ElementsAre("answers", "not answering"));
  EXPECT_EQ(host.gpus[1].problem, "nvmlDeviceGetNvLinkState: GPU is lost (15)");
}

TEST_F(Gpus, GpuGivenToAVirtualMachineIsHidden) {
  two_gpus_on_pci();
  gpu_on_pci("0000:af:00.0", "vfio-pci");
  const Host host = probe();
  EXPECT_THAT(states(host), ElementsAre("answers", "answers", "hidden"));
  EXPECT_EQ(host.gpus[2].index, 2);
  EXPECT_EQ(host.gpus[2].problem, "given to a virtual machine (vfio-pci)");
  EXPECT_THAT(host.unknown, IsEmpty());
}

TEST_F(Gpus, GpuWhoseDeviceNodeIsMissingIsHidden) {
  two_gpus_on_pci();
  gpu_on_pci("0000:af:00.0", "nvidia");
  driver_entry("0000:af:00.0", 2, false);
  const Host host = probe();
  EXPECT_THAT(states(host), ElementsAre("answers", "answers", "hidden"));
  EXPECT_THAT(host.gpus[2].problem, HasSubstr("/dev/nvidia2"));
}

TEST_F(Gpus, GpuWhoseDeviceNodeOpensIsNotAnswering) {
  two_gpus_on_pci();
  gpu_on_pci("0000:af:00.0", "nvidia");
  driver_entry("0000:af:00.0", 2);
  const Host host = probe();
  EXPECT_THAT(states(host), ElementsAre("answers", "answers", "not answering"));
  EXPECT_THAT(host.gpus[2].problem, HasSubstr("/dev/nvidia2 opens"));
  EXPECT_EQ(host.gpus[2].name, "");
}

TEST_F(Gpus, GpuWhoseDeviceNodeDoesNotOpenIsNotAnswering) {
  two_gpus_on_pci();
  gpu_on_pci("0000:af:00.0", "nvidia");
  driver_entry("0000:af:00.0", 2, false);
  tree_.folder("dev/nvidia2");
  const Host host = probe();
  EXPECT_THAT(states(host), ElementsAre("answers", "answers", "not answering"));
  EXPECT_THAT(host.gpus[2].problem, HasSubstr("Is a directory"));
}

TEST_F(Gpus, GpuWithoutDriverIsNotAnswering) {
  two_gpus_on_pci();
  gpu_on_pci("0000:af:00.0");
  const Host host = probe();
  EXPECT_THAT(states(host), ElementsAre("answers", "answers", "not answering"));
  EXPECT_EQ(host.gpus[2].problem, "no kernel driver is bound to it");
}

TEST_F(Gpus, ContainerWithoutGpusHidesAllOfThem) {
  for (const char* const address : {"0000:18:00.0", "0000:3b:00.0"}) gpu_on_pci(address, "nvidia");
  driver_entry("0000:18:00.0", 0, false);
  driver_entry("0000:3b:00.0", 1, false);
  options_.nvml_library = tree_.at("libnvidia-ml.so.1").string();
  EXPECT_THAT(states(probe()), ElementsAre("state not known", "state not known"));
  tree_.file("run/.containerenv", "");
  const Host host = probe();
  EXPECT_THAT(states(host), ElementsAre("hidden", "hidden"));
  EXPECT_THAT(host.unknown, ElementsAre(HasSubstr("are hidden from this process")));
}

TEST_F(Gpus, MaskedDriverFolderIsAContainersView) {
  two_gpus_on_pci();
  gpu_on_pci("0000:af:00.0", "nvidia");
  EXPECT_THAT(states(probe()), ElementsAre("answers", "answers", "not answering"));
  tree_.file("proc/self/mountinfo",
             "22 28 0:21 / /proc rw shared:13 - proc proc rw\n"
             "912 22 0:98 / /proc/driver/nvidia rw,nosuid - tmpfs tmpfs rw,mode=555\n");
  EXPECT_THAT(states(probe()), ElementsAre("answers", "answers", "hidden"));
}

TEST_F(Gpus, WithoutAddressesNoGpuIsCountedTwice) {
  two_gpus_on_pci();
  behave(R"("gpu": {"returns": {"nvmlDeviceGetPciInfo_v3": 3}})");
  EXPECT_THAT(states(probe()), ElementsAre("answers", "answers"));
  gpu_on_pci("0000:af:00.0");
  const Host host = probe();
  EXPECT_THAT(states(host), ElementsAre("answers", "answers", "not answering"));
  EXPECT_EQ(host.gpus[2].pci_address, "");
}

TEST_F(Gpus, GarbageTextCannotBreakTheRecords) {
  two_gpus_on_pci();
  behave(R"("gpu": {"name": "Fake\tGPU\n\u00ff"})");
  EXPECT_THAT(names(probe()), ElementsAre("Fake?GPU???", "Fake?GPU???"));
}

TEST_F(Gpus, GarbageAddressIsNone) {
  behave(R"("overrides": {"1": {"pci": "nowhere"}})");
  const Host host = probe();
  EXPECT_THAT(column(host, &Gpu::pci_address), ElementsAre("0000:18:00.0", ""));
  EXPECT_THAT(host.unknown, ElementsAre(AllOf(HasSubstr("'nowhere' is no PCI address"), HasSubstr("GPU 1"))));
}

TEST_F(Gpus, LibraryWithFewCallsLeavesValuesUnknown) {
  two_gpus_on_pci();
  options_.nvml_library = FAKE_NVML_OLD;
  const Host host = probe();
  EXPECT_THAT(states(host), ElementsAre("answers", "answers"));
  EXPECT_EQ(host.gpus[0], (Gpu{}));
  for (const char* const call :
       {"nvmlSystemGetDriverVersion", "nvmlDeviceGetName", "nvmlDeviceGetUUID", "nvmlDeviceGetPciInfo_v3",
        "nvmlDeviceGetMemoryInfo", "nvmlDeviceGetNvLinkState", "nvmlDeviceGetGpuFabricInfo"}) {
    EXPECT_THAT(host.unknown, Contains(AllOf(HasSubstr("has no"), HasSubstr(call))).Times(1)) << call;
  }
}

TEST_F(Gpus, LibraryThatCannotCountFails) {
  two_gpus_on_pci();
  options_.nvml_library = FAKE_NVML_BARE;
  const Host host = probe();
  EXPECT_THAT(states(host), ElementsAre("state not known", "state not known"));
  EXPECT_THAT(host.unknown, ElementsAre(HasSubstr("has no nvmlDeviceGetCount_v2")));
}

TEST_F(Gpus, RecordedMachineIsNotAskedThroughThisMachinesLibrary) {
  two_gpus_on_pci();
  for (const char* const library : {"libnvidia-ml.so.1", ""}) {
    options_.nvml_library = library;
    const Host host = probe();
    EXPECT_THAT(names(host), ElementsAre("", ""));
    EXPECT_THAT(states(host), ElementsAre("not asked", "not asked"));
    EXPECT_THAT(host.unknown, ElementsAre(HasSubstr("not asked")));
  }
  EXPECT_EQ(forks_, 0);
}

TEST_F(Gpus, IgnoredChildSignalsDoNotMatter) {
  two_gpus_on_pci();
  ::signal(SIGCHLD, SIG_IGN);
  const Host host = probe();
  ::signal(SIGCHLD, SIG_DFL);
  EXPECT_THAT(states(host), ElementsAre("answers", "answers"));
}

}  // namespace
}  // namespace fabricheck::topology
