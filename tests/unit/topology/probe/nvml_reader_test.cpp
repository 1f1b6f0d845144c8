#include "topology/probe/nvml_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace fabricheck::topology {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Outcome = NvmlAnswer::Outcome;

TEST(NvmlRecords, OneGpu) {
  const NvmlAnswer answer = parse_nvml_records(
      "driver\t550.90.07\ncuda\t12040\ncount\t1\ngpu\t0\nset\t0\tname\tNVIDIA H100\nset\t0\tpower\t71213\n"
      "link\t0\t3\t1\t4\t26562\tswitch\t0000:07:00.0\nerrors\t0\t3\t5\t0\t-\t9\ndone\t0\nend\n");
  EXPECT_EQ(answer.outcome, Outcome::answered);
  EXPECT_EQ(answer.reason, "");
  EXPECT_EQ(answer.cuda_version, "12.4");
  ASSERT_THAT(answer.gpus, SizeIs(1));
  const Gpu& gpu = answer.gpus[0];
  EXPECT_EQ(gpu.status, "answers");
  EXPECT_EQ(gpu.name, "NVIDIA H100");
  EXPECT_EQ(gpu.health->power_W, 71.213);
  EXPECT_THAT(gpu.nvlinks, ElementsAre(NvLink{3, true, 4, 26.562, "switch", "0000:07:00.0"}));
  EXPECT_THAT(gpu.health->nvlink_errors, ElementsAre(NvLinkErrors{3, 5, 0, std::nullopt, 9}));
}

TEST(NvmlRecords, NothingAtAll) {
  const NvmlAnswer answer = parse_nvml_records("");
  EXPECT_EQ(answer.outcome, Outcome::failed);
  EXPECT_EQ(answer.reason, "NVML ended early (last call: start)");
  EXPECT_THAT(answer.gpus, IsEmpty());
}

TEST(NvmlRecords, BrokenOffInAGpu) {
  const NvmlAnswer answer = parse_nvml_records(
      "count\t3\ngpu\t0\ndone\t0\ngpu\t1\nset\t1\tpci\t0000:2a:00."
      "0\nat\tnvmlDeviceGetName\t1\nset\t1\tname\tcut");
  EXPECT_EQ(answer.reason, "NVML ended early (last call: nvmlDeviceGetName for GPU 1)");
  ASSERT_THAT(answer.gpus, SizeIs(3));
  EXPECT_EQ(answer.gpus[0].status, "answers");
  EXPECT_EQ(answer.gpus[1].status, "state not known");
  EXPECT_EQ(answer.gpus[1].problem, "NVML ended early (nvmlDeviceGetName)");
  EXPECT_EQ(answer.gpus[1].pci_address, "0000:2a:00.0");
  EXPECT_EQ(answer.gpus[1].name, "") << "a line without end is no record";
  EXPECT_EQ(answer.gpus[2].status, "state not known");
  EXPECT_THAT(answer.gpus[2].problem, HasSubstr("not reached"));
}

TEST(NvmlRecords, AnEndInTheMiddleOfAGpuDoesNotMakeItWell) {
  const NvmlAnswer answer = parse_nvml_records("count\t1\ngpu\t0\nend\n");
  ASSERT_THAT(answer.gpus, SizeIs(1));
  EXPECT_EQ(answer.gpus[0].status, "state not known");
}

TEST(NvmlRecords, InPiecesAsInOne) {
  const std::string text = "driver\t550\ncount\t1\ngpu\t0\nset\t0\tname\tA\ndone\t0\nend\n";
  NvmlReader reader;
  for (const char c : text) reader.take({&c, 1});
  EXPECT_TRUE(reader.complete());
  const NvmlAnswer pieces = std::move(reader).finish(Outcome::hung, "no");
  EXPECT_EQ(pieces.outcome, Outcome::answered);
  EXPECT_EQ(pieces.gpus, parse_nvml_records(text).gpus);
}

TEST(NvmlRecords, ErrorsAreOneSentenceForAllGpus) {
  const NvmlAnswer answer = parse_nvml_records(
      "gpu\t0\nerror\tnvmlDeviceGetPowerUsage\t999\tUnknown Error\t0\ndone\t0\n"
      "gpu\t2\nerror\tnvmlDeviceGetPowerUsage\t999\tUnknown Error\t2\n"
      "error\tnvmlDeviceGetPowerUsage\t999\tUnknown Error\t2\ndone\t2\nend\n");
  EXPECT_THAT(answer.unknown,
              ElementsAre("NVML: nvmlDeviceGetPowerUsage: Unknown Error (999) for GPUs 0, 2"));
}

TEST(NvmlRecords, ValuesThatAreNoneStayUnknown) {
  const NvmlAnswer answer = parse_nvml_records(
      "gpu\t0\nset\t0\tmemory\t-1\nset\t0\tpcie_gen\t77\nset\t0\tpcie_width\t0\nset\t0\tpci\tnowhere\n"
      "set\t0\ttemperature\t99999999999999999999\nset\t0\tecc\tyes\nset\t0\tnonsense\t1\nset\t0\n"
      "link\t0\t1\t-\t-\t-\t-\t-\nlink\t0\n"
      "done\t0\nend\n");
  ASSERT_THAT(answer.gpus, SizeIs(1));
  const Gpu& gpu = answer.gpus[0];
  EXPECT_EQ(gpu.memory_bytes, std::nullopt);
  EXPECT_EQ(gpu.pcie, PcieLink{});
  EXPECT_EQ(gpu.pci_address, "");
  EXPECT_EQ(gpu.health->temperature_C, std::nullopt);
  EXPECT_EQ(gpu.ecc_enabled, std::nullopt);
  EXPECT_THAT(gpu.nvlinks, ElementsAre(NvLink{1, std::nullopt, std::nullopt, std::nullopt, "", ""}));
}

TEST(NvmlRecords, NumbersBeyondReasonAreNoGpus) {
  const NvmlAnswer answer = parse_nvml_records(
      "count\t4000000000\ngpu\t-1\ngpu\t99999\ngpu\tx\ngpu\nfailed\nset\t7\tname\tnobody\ndone\t7\nend\n");
  EXPECT_THAT(answer.gpus, IsEmpty());
}

TEST(NvmlRecords, GarbageIsBounded) {
  std::string text = "gpu\t0\n" + std::string(200'000, 'x') + "\n";
  for (int i = 0; i < 5000; ++i) {
    text += "missing\tcall" + std::to_string(i) + "\twhat\nerror\tcall" + std::to_string(i) + "\t1\tx\t0\n";
    text += "link\t0\t1\t1\t1\t1\tgpu\t-\nerrors\t0\t1\t1\t1\t1\t1\n";
  }
  const NvmlAnswer answer = parse_nvml_records(text);
  EXPECT_LE(answer.unknown.size(), 128U);
  ASSERT_THAT(answer.gpus, SizeIs(1));
  EXPECT_LE(answer.gpus[0].nvlinks.size(), 64U);
  EXPECT_LE(answer.gpus[0].health->nvlink_errors.size(), 64U);
}

TEST(NvmlRecords, TextIsPrintable) {
  constexpr std::string_view kText{"gpu\t0\nset\t0\tname\t\xff\x01\0z\ndone\t0\nproblem\tfailed\t\xc3\n", 46};
  static_assert(kText.back() == '\n');
  const NvmlAnswer answer = parse_nvml_records(kText);
  EXPECT_EQ(answer.gpus.at(0).name, "???z");
  EXPECT_EQ(answer.reason, "?");
}

TEST(NvmlRecords, RandomChangesNeverBreakIt) {
  const std::string good =
      "at\tnvmlDeviceGetName\t1\ncount\t2\ngpu\t0\nset\t0\tthrottle\t5\nset\t0\tfabric_state\t3\n"
      "link\t0\t3\t1\t4\t26562\tswitch\t0000:07:00.0\nerrors\t0\t3\t5\t0\t-"
      "\t9\ndone\t0\nfailed\t1\thidden\tno\nend\n";
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string text = good;
    for (int change = 0; change < 4; ++change) {
      text[random() % text.size()] = static_cast<char>(random() % 256);
    }
    const NvmlAnswer answer = parse_nvml_records(text.substr(0, random() % (text.size() + 1)));
    for (const Gpu& gpu : answer.gpus) {
      EXPECT_TRUE(gpu.status == "answers" || gpu.status == "not answering" || gpu.status == "hidden" ||
                  gpu.status == "state not known");
    }
  }
}

}  // namespace
}  // namespace fabricheck::topology
