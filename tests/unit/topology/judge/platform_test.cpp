#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "topology/judge/judge.hpp"
#include "topology/model/merge.hpp"
#include "unit/topology/judge/platform_machines.hpp"

namespace fabricheck::topology {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

using machines::add_nics;
using machines::built_in;
using machines::gpu;
using machines::h100;
using machines::l40s;
using machines::machine;
using machines::pci;

void kill(Host& host, std::size_t gpu_index) {
  Gpu& dead = host.gpus.at(gpu_index);
  dead.status = "not answering";
  dead.name.clear();
  dead.nvlinks.clear();
  dead.pcie = {};
}

Judged judge(const std::vector<Host>& hosts, const std::string& named = "",
             std::span<const Platform> platforms = built_in()) {
  return judge_platform(merge_hosts(hosts), platforms, named);
}

/// A platform of GPUs "X" with this many of them; none: any number.
Platform of_size(const std::string& name, std::optional<int> gpus) {
  Platform platform;
  platform.name = name;
  platform.gpu_names = {"X"};
  platform.expected.gpus = gpus;
  return platform;
}

TEST(JudgePlatform, WholeMachinesPass) {
  const Judged judged = judge({h100("node1"), h100("node2"), h100("node3")});
  EXPECT_EQ(judged.check.id, "topology.platform");
  EXPECT_EQ(judged.check.scope, "inside node");
  EXPECT_EQ(judged.check.verdict, Verdict::pass) << judged.check.reason;
  EXPECT_EQ(judged.check.value, 0);
  EXPECT_EQ(judged.check.participants.size(), 3U);
  EXPECT_THAT(judged.check.reason,
              AllOf(HasSubstr("node[1-3]: dgx-h100 by its GPUs"), HasSubstr("8 x NVIDIA H100 80GB HBM3"),
                    HasSubstr("18 active NVLinks each (900 GB/s both ways by datasheet)")));
  EXPECT_TRUE(judged.findings.empty());
}

TEST(JudgePlatform, AHostThatLostAGpuFails) {
  const Judged judged = judge({h100("node1"), h100("node2", 7), h100("node3", 7)});
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_EQ(judged.check.value, 2);
  EXPECT_THAT(judged.check.reason, HasSubstr("node[2-3]: has 7 of 8 GPUs of dgx-h100"));
  ASSERT_EQ(judged.findings.size(), 1U);
  EXPECT_EQ(judged.findings[0].slug, "platform-gpu-missing");
  EXPECT_EQ(judged.findings[0].component.host, "node[2-3]");
  EXPECT_THAT(judged.findings[0].explains, testing::ElementsAre("topology.platform"));
  EXPECT_THAT(judged.findings[0].advice, HasSubstr("--expect"));
  EXPECT_FALSE(judged.findings[0].confirm.empty());
}

TEST(JudgePlatform, FourOfEightIsNoSmallerPlatform) {
  const Judged judged = judge({h100("node1", 4)});
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_THAT(judged.check.reason, HasSubstr("has 4 of 8 GPUs of dgx-h100"));
}

TEST(JudgePlatform, AGpuThatDoesNotAnswerIsMissing) {
  Host host = h100("node1");
  kill(host, 3);
  const Judged judged = judge({host});
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_THAT(judged.check.reason,
              HasSubstr("has 7 of 8 GPUs of dgx-h100; 1 more on the PCI bus, not answering"));
}

TEST(JudgePlatform, AllOfNvmlLostIsTheWholePlatformLost) {
  Host host = h100("node1");
  for (std::size_t i = 0; i < 8; ++i) kill(host, i);
  const Judged judged = judge({host});
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_THAT(judged.check.reason, HasSubstr("has 0 of 8 GPUs of dgx-h100; 8 more on the PCI bus"));
}

TEST(JudgePlatform, GpusBehindTheOneThatHangsAreNotCountedAsDead) {
  Host host = h100("node1");
  kill(host, 3);
  host.gpus[3].problem = "NVML did not return within 10 s";
  for (std::size_t i = 4; i < 8; ++i) {
    kill(host, i);
    host.gpus[i].problem = "not reached: NVML stopped at GPU 3";
  }
  const Judged judged = judge({host});
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_THAT(judged.check.reason,
              HasSubstr("has 7 of 8 GPUs of dgx-h100; 1 more on the PCI bus, not answering"));
}

TEST(JudgePlatform, HiddenGpusAreNotDecided) {
  Host host = h100("node1");
  for (std::size_t i = 2; i < 8; ++i) host.gpus[i].status = "hidden";
  Judged judged = judge({host});
  EXPECT_EQ(judged.check.verdict, Verdict::inconclusive);
  EXPECT_FALSE(judged.check.value.has_value());
  EXPECT_THAT(judged.check.reason, HasSubstr("6 of 8 GPUs are hidden"));
  host.gpus.pop_back();
  judged = judge({host});
  EXPECT_EQ(judged.check.verdict, Verdict::fail) << "even with the hidden ones there are only 7";
}

TEST(JudgePlatform, InactiveNvLinksFailWithTheDatasheetBeside) {
  Host host = h100("node1");
  host.gpus[2].nvlinks[0].active = false;
  host.gpus[2].nvlinks[1].active = false;
  const Judged judged = judge({h100("node0"), host});
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_EQ(judged.check.value, 1);
  EXPECT_THAT(judged.check.reason,
              HasSubstr("GPU2 of node1: has 16 of 18 active NVLinks of dgx-h100 (400 of 450 "
                        "GB/s each way by datasheet)"));
}

TEST(JudgePlatform, UnknownNvLinksAreNeverHealthy) {
  Host unset = h100("node1");
  unset.gpus[0].nvlinks[5].active.reset();
  Judged judged = judge({unset});
  EXPECT_EQ(judged.check.verdict, Verdict::inconclusive);
  EXPECT_THAT(judged.check.reason, HasSubstr("the NVLinks of GPU0 are not known"));
  Host empty = h100("node1");
  empty.gpus[7].nvlinks.clear();
  EXPECT_EQ(judge({empty}).check.verdict, Verdict::inconclusive);
  empty.gpu_driver = "550.54.15";
  EXPECT_EQ(judge({empty}).check.verdict, Verdict::fail) << "the driver answered and told of none";
  empty.unknown = {"NVLink: the driver does not tell it"};
  EXPECT_EQ(judge({empty}).check.verdict, Verdict::inconclusive);
}

TEST(JudgePlatform, MigUsesNoNvLink) {
  Host host = h100("node1");
  host.gpus[1].mig_enabled = true;
  for (NvLink& link : host.gpus[1].nvlinks) link.active = false;
  const Judged judged = judge({host});
  EXPECT_EQ(judged.check.verdict, Verdict::inconclusive);
  EXPECT_THAT(judged.check.reason, HasSubstr("MIG is on in GPU1"));
}

TEST(JudgePlatform, NvSwitchesOnlyWhereTheyAreSeen) {
  Host lost = h100("node1");
  lost.pci.pop_back();
  const Judged judged = judge({lost});
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_THAT(judged.check.reason, HasSubstr("has 3 of 4 NVSwitches"));
  Host none = h100("node1");
  none.pci.resize(8);
  EXPECT_EQ(judge({none}).check.verdict, Verdict::pass);
}

TEST(JudgePlatform, PcieWidth) {
  Host host = h100("node1");
  host.gpus[6].pcie.width = 8;
  Judged judged = judge({host});
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_THAT(judged.check.reason, HasSubstr("GPU6 of node1: has 8 of 16 PCIe lanes"));
  host.gpus[6].pcie.width.reset();
  host.pci[6].link.width = 4;
  EXPECT_THAT(judge({host}).check.reason, HasSubstr("GPU6 of node1: has 4 of 16 PCIe lanes"));
  host.pci[6].link.width.reset();
  judged = judge({host});
  EXPECT_EQ(judged.check.verdict, Verdict::inconclusive);
  EXPECT_THAT(judged.check.reason, HasSubstr("the PCIe width of GPU6 is not known"));
}

TEST(JudgePlatform, MoreGpusThanThePlatformHas) {
  const Judged judged = judge({h100("node1", 16)});
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_THAT(judged.check.reason, HasSubstr("has 16 GPUs where dgx-h100 has 8"));
}

TEST(JudgePlatform, NamedPlatformIsAskedOfEveryHost) {
  Host login;
  login.name = "login";
  const Judged judged = judge({h100("node1"), login}, "hgx-h100");
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_EQ(judged.check.value, 1);
  EXPECT_THAT(judged.check.reason, HasSubstr("login: has 0 of 8 GPUs of dgx-h100"));
}

TEST(JudgePlatform, NamedPlatformOfAnotherModel) {
  const Judged judged = judge({h100("node1")}, "hgx-b200");
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_THAT(judged.check.reason,
              HasSubstr("GPU[0-7] of node1: is 'NVIDIA H100 80GB HBM3', not the NVIDIA B200 of hgx-b200"));
}

TEST(JudgePlatform, UnknownNameIsAUsageErrorWithTheNearest) {
  try {
    judge({h100("node1")}, "dgx-h10");
    ADD_FAILURE() << "no error";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("--platform: 'dgx-h10' is not known; did you mean 'dgx-h100'?"),
                                    HasSubstr("fabricheck list platforms")));
  }
}

TEST(JudgePlatform, NicsOfTheNamedProduct) {
  Host whole = h100("node1");
  add_nics(whole, 8, 400);
  add_nics(whole, 2, 200);
  EXPECT_EQ(judge({whole}, "dgx-h100").check.verdict, Verdict::pass);
  Host slow = h100("node2");
  add_nics(slow, 7, 400);
  add_nics(slow, 3, 200);
  const Judged judged = judge({whole, slow}, "dgx-h100");
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_EQ(judged.check.value, 1);
  EXPECT_THAT(judged.check.reason, HasSubstr("node2: has 7 of the 8 NIC ports of 400 Gb/s of dgx-h100"));
  EXPECT_EQ(judge({slow}, "hgx-h100").check.verdict, Verdict::pass)
      << "others build other NICs around the board";
  EXPECT_EQ(judge({slow}).check.verdict, Verdict::pass) << "GPUs do not tell the NICs";
  slow.rdma_devices[8].ports[0].rate_Gbps.reset();
  EXPECT_EQ(judge({slow}, "dgx-h100").check.verdict, Verdict::inconclusive);
  slow.rdma_devices[8].ports[0].rate_Gbps = 400;
  slow.rdma_devices[8].virtual_function = true;
  EXPECT_EQ(judge({slow}, "dgx-h100").check.verdict, Verdict::fail) << "a virtual function is no NIC";
}

TEST(JudgePlatform, NicsOfTheOtherLinkLayerDoNotCount) {
  Host host = h100("node1");
  add_nics(host, 8, 400);
  EXPECT_EQ(judge({host}, "Standard_ND96isr_H100_v5").check.verdict, Verdict::pass);
  for (RdmaDevice& device : host.rdma_devices) device.ports[0].link_layer = "Ethernet";
  const Judged judged = judge({host}, "Standard_ND96isr_H100_v5");
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_THAT(judged.check.reason, HasSubstr("0 of the 8 InfiniBand NIC ports"));
}

TEST(JudgePlatform, TheProductNameTellsThePlatform) {
  Host host;
  host.name = "node1";
  host.environment.product = "p5.48xlarge";
  Judged judged = judge({host});
  EXPECT_EQ(judged.check.verdict, Verdict::fail) << "an instance without any GPU is not without platform";
  EXPECT_THAT(judged.check.reason, HasSubstr("has 0 of 8 GPUs of dgx-h100"));
  for (const char* product : {"NVIDIA DGXH100", "NVIDIA DGX H100", "DGXH100"}) {
    Host dgx = h100("node1");
    add_nics(dgx, 8, 400);
    dgx.environment.product = product;
    judged = judge({dgx});
    EXPECT_EQ(judged.check.verdict, Verdict::pass) << judged.check.reason;
    EXPECT_THAT(judged.check.reason, HasSubstr("by DMI product DGXH100")) << product;
  }
}

TEST(JudgePlatform, TheGpuTellsWhichOfOneProduct) {
  Host host = machine("node1", "NVIDIA A100-SXM4-80GB", 8, 12, "10de:20b2");
  host.environment.product = "NVIDIA DGXA100 920-23687-2530-000";
  add_nics(host, 8, 200);
  Judged judged = judge({host});
  EXPECT_EQ(judged.check.verdict, Verdict::pass) << judged.check.reason;
  EXPECT_THAT(judged.check.reason, HasSubstr("hgx-a100-80"));
  for (Gpu& one : host.gpus) one.name = "NVIDIA A100-SXM4-40GB";
  judged = judge({host});
  EXPECT_THAT(judged.check.reason, HasSubstr("hgx-a100-40"));
}

TEST(JudgePlatform, AnUnknownInstanceTypeIsNoWholePlatform) {
  Host host = h100("node1", 1);
  host.environment.product = "p5.4xlarge";
  const Judged judged = judge({host});
  EXPECT_EQ(judged.check.verdict, Verdict::skipped);
  EXPECT_THAT(judged.check.reason,
              HasSubstr("no platform is known for 'p5.4xlarge'; pass --platform or --expect"));
}

TEST(JudgePlatform, AFamilyOfInstanceTypesIsNoModelOfAServer) {
  Host host = machine("node1", "NVIDIA A10G", 4, 0, "10de:2237");
  host.environment.product = "g5.12xlarge";
  EXPECT_THAT(judge({host}).check.reason, HasSubstr("a10g comes with any number"));
  Host server = h100("node1");
  server.environment.product = "HPE ProLiant DL380 G5";
  EXPECT_EQ(judge({server}).check.verdict, Verdict::pass);
}

TEST(JudgePlatform, CardsOfAnyNumberNeverPass) {
  Judged judged = judge({l40s("node1", 4)});
  EXPECT_EQ(judged.check.verdict, Verdict::skipped);
  EXPECT_THAT(judged.check.reason, HasSubstr("l40s comes with any number of GPUs: pass --expect"));
  judged = judge({l40s("node1", 4)}, "l40s");
  EXPECT_EQ(judged.check.verdict, Verdict::inconclusive) << "asked for and not decided";
  EXPECT_EQ(judge({l40s("node1", 4)}, "BM.GPU.L40S-NC.4").check.verdict, Verdict::pass);
  EXPECT_EQ(judge({l40s("node1", 3)}, "BM.GPU.L40S-NC.4").check.verdict, Verdict::fail);
  Host narrow = l40s("node1", 4);
  narrow.gpus[1].pcie.width = 4;
  judged = judge({narrow});
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_THAT(judged.check.reason, HasSubstr("GPU1 of node1: has 4 of 8 PCIe lanes of l40s"));
}

TEST(JudgePlatform, OfTwoSizesTheSmallerIsNeverGuessed) {
  const std::vector<Platform> sizes{of_size("box-4", 4), of_size("box-8", 8)};
  const auto with = [&](int gpus, const std::string& named = "") {
    return judge({machine("node1", "X", gpus, 0, "")}, named, sizes).check;
  };
  EXPECT_EQ(with(8).verdict, Verdict::pass);
  EXPECT_EQ(with(4).verdict, Verdict::inconclusive);
  EXPECT_THAT(with(4).reason,
              HasSubstr("4 GPUs may be all of box-4 (4 GPUs) or box-8 (8 GPUs) or what is left of "
                        "more: pass --platform or --expect"));
  EXPECT_EQ(with(4, "box-4").verdict, Verdict::pass);
  EXPECT_EQ(with(4, "box-8").verdict, Verdict::fail);
  EXPECT_EQ(with(7).verdict, Verdict::fail);
  EXPECT_THAT(with(7).reason, HasSubstr("7 of 8 GPUs of box-8"));
  EXPECT_EQ(with(3).verdict, Verdict::fail);
  EXPECT_EQ(with(9).verdict, Verdict::fail);
  const std::vector<Platform> cards{of_size("box-4", 4), of_size("card", std::nullopt)};
  EXPECT_EQ(judge({machine("node1", "X", 4, 0, "")}, "", cards).check.verdict, Verdict::inconclusive);
  EXPECT_EQ(judge({machine("node1", "X", 3, 0, "")}, "", cards).check.verdict, Verdict::inconclusive);
}

TEST(JudgePlatform, DeadGpusDoNotMakeThePlatformSmaller) {
  const std::vector<Platform> sizes{of_size("box-4", 4), of_size("box-8", 8)};
  Host host = machine("node1", "X", 8, 0, "");
  for (std::size_t i = 4; i < 8; ++i) kill(host, i);
  const Judged judged = judge({host}, "", sizes);
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_THAT(judged.check.reason, HasSubstr("has 4 of 8 GPUs of box-8; 4 more on the PCI bus"));
}

TEST(JudgePlatform, ThePciIdTellsWhatTheDriverDoesNotKnow) {
  Host host = machine("node1", "NVIDIA Graphics Device", 4, 18, "10de:2941");
  EXPECT_THAT(judge({host}).check.reason, HasSubstr("gb200-nvl72"));
  for (PciNode& node : host.pci) node.ids = "10de:ffff";
  EXPECT_EQ(judge({host}).check.verdict, Verdict::skipped);
}

TEST(JudgePlatform, UnknownGpusAndNoGpusAreSkipped) {
  Judged judged = judge({machine("node1", "NVIDIA GeForce\x1b RTX 4090", 2, 0, "10de:2684")});
  EXPECT_EQ(judged.check.verdict, Verdict::skipped);
  EXPECT_THAT(judged.check.reason,
              HasSubstr("no platform is known for 'NVIDIA GeForce? RTX 4090'; pass --platform or --expect"));
  EXPECT_FALSE(judged.check.value.has_value());
  Host login;
  login.name = "login";
  judged = judge({login});
  EXPECT_EQ(judged.check.verdict, Verdict::skipped);
  EXPECT_THAT(judged.check.reason, HasSubstr("login: there is no GPU"));
  EXPECT_EQ(judge({}).check.verdict, Verdict::skipped);
}

TEST(JudgePlatform, DisplayCardsDoNotCount) {
  Host host = h100("node1");
  host.gpus.push_back(gpu(8, "NVIDIA T400", 0));
  host.pci.push_back(pci(host.gpus.back().pci_address, "gpu", "10de:1fb2"));
  EXPECT_EQ(judge({host}).check.verdict, Verdict::pass);
  EXPECT_EQ(judge({host}, "dgx-h200").check.verdict, Verdict::fail);
}

TEST(JudgePlatform, GpusOfTwoPlatformsInOneHost) {
  Host host = l40s("node1", 2);
  host.gpus.push_back(gpu(2, "NVIDIA L4", 0));
  const Judged judged = judge({host});
  EXPECT_EQ(judged.check.verdict, Verdict::inconclusive);
  EXPECT_THAT(judged.check.reason, HasSubstr("GPUs of several platforms ('NVIDIA L4', 'NVIDIA L40S')"));
}

TEST(JudgePlatform, EachKindOfAMixedClusterByItself) {
  const Host b200 = machine("big1", "NVIDIA B200", 8, 18, "10de:2901");
  Host login;
  login.name = "login";
  Judged judged = judge({h100("node1"), h100("node2"), b200, login});
  EXPECT_EQ(judged.check.verdict, Verdict::pass);
  EXPECT_THAT(judged.check.reason, AllOf(HasSubstr("big1: hgx-b200"), HasSubstr("node[1-2]: dgx-h100"),
                                         HasSubstr("not compared: login: there is no GPU")));
  Host broken = b200;
  broken.name = "big2";
  broken.gpus.pop_back();
  judged = judge({h100("node1"), b200, broken});
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_EQ(judged.check.value, 1);
  EXPECT_THAT(judged.check.reason,
              AllOf(HasSubstr("big2: has 7 of 8 GPUs of hgx-b200"), Not(HasSubstr("node1"))));
}

TEST(JudgePlatform, FaultsFoldOverHosts) {
  std::vector<Host> hosts;
  for (int i = 1; i <= 64; ++i) hosts.push_back(h100("node" + std::to_string(i), i > 60 ? 7 : 8));
  const Judged judged = judge(hosts);
  EXPECT_EQ(judged.check.value, 4);
  EXPECT_THAT(judged.check.reason, HasSubstr("node[61-64]: has 7 of 8 GPUs"));
  EXPECT_EQ(judged.findings.size(), 1U);
}

}  // namespace
}  // namespace fabricheck::topology
