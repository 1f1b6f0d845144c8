#include "config/expectation_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "core/error.hpp"
#include "support/sentence_of.hpp"

namespace fabricheck::config {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

Expectation parse(const std::string& text) { return parse_expectation(text, "good.toml"); }

std::string error_of(const std::string& text) {
  return test::sentence_of([&] { parse(text); });
}

Expectation everything() {
  Expectation all;
  all.source = "good.toml";
  all.gpus = 8;
  all.gpu_model = "NVIDIA H100 80GB HBM3";
  all.nvlinks_per_gpu = 18;
  all.nvlink_islands = 1;
  all.nvswitches = 4;
  all.gpu_pcie_width = 16;
  all.gpu_pcie_speed_GTps = 32;
  all.driver_min = "535.54.03";
  all.driver_max = "580.999";
  ExpectedNics compute;
  compute.count = 2;
  compute.names = {"mlx5_0", "mlx5_10"};
  compute.link_layer = "InfiniBand";
  compute.rate_Gbps = 400;
  compute.firmware = "28.39.2048";
  compute.pcie_width = 16;
  compute.pcie_speed_GTps = 32;
  ExpectedNics storage;
  storage.count = 1;
  storage.rate_Gbps = 53.125;
  storage.pcie_speed_GTps = 2.5;
  all.nics = {compute, storage};
  all.rails = {{0, "mlx5_0", "leaf-r0-*"}, {1, "mlx5_10", ""}};
  all.virtual_machine = false;
  return all;
}

TEST(ExpectationFile, EveryKey) {
  const Expectation read = parse(R"(
[gpu]
count = 8
model = "NVIDIA H100 80GB HBM3"
nvlinks = 18
nvlink_islands = 1
nvswitches = 4
pcie_width = 16
pcie_speed = "32 GT/s"
driver_min = "535.54.03"
driver_max = "580.999"

[[nic]]
count = 2
names = ["mlx5_0", "mlx5_10"]
link_layer = "InfiniBand"
rate = "400 Gb/s"
firmware = "28.39.2048"
pcie_width = 16
pcie_speed = "32GT/s"

[[nic]]
count = 1
rate = "53.125 Gb/s"
pcie_speed = "2.5 GT/s"

[[rail]]
rail = 0
nic = "mlx5_0"
leaf = "leaf-r0-*"

[[rail]]
rail = 1
nic = "mlx5_10"

[host]
virtual_machine = false
)");
  EXPECT_EQ(read, everything());
}

TEST(ExpectationFile, WhatIsLeftOutIsNotAskedFor) {
  const Expectation read = parse("[gpu]\ncount = 4\n");
  Expectation only;
  only.source = "good.toml";
  only.gpus = 4;
  EXPECT_EQ(read, only);
}

TEST(ExpectationFile, NamesGiveTheCount) {
  EXPECT_EQ(parse("[[nic]]\nnames = [\"mlx5_0\", \"mlx5_1\"]\n").nics.at(0).count, 2);
}

TEST(ExpectationFile, OtherUnitsOfARateAreConverted) {
  EXPECT_EQ(parse("[[nic]]\ncount = 1\nrate = \"50 GB/s\"\n").nics.at(0).rate_Gbps, 400);
}

TEST(ExpectationFile, RoundTrip) {
  const std::string text = format_expectation(everything(), "node7");
  EXPECT_THAT(text, AllOf(StartsWith("# "), HasSubstr("node7"), HasSubstr("rate = \"400 Gb/s\"")));
  EXPECT_EQ(parse(text), everything());
  EXPECT_EQ(format_expectation(parse(text), "node7"), text);
}

TEST(ExpectationFile, RoundTripOfHostileText) {
  Expectation expectation;
  expectation.source = "good.toml";
  expectation.gpu_model = "a \"quoted\\\" # = [model] \xC3\xA9";
  expectation.gpus = 0;
  const std::string text = format_expectation(expectation, "node\n[gpu]\nnvlinks = 3\x1b[31m");
  EXPECT_EQ(parse(text), expectation);
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(ExpectationFile, NoLineIsTooLongToBeReadBack) {
  Expectation expectation;
  expectation.source = "good.toml";
  ExpectedNics nics;
  for (int i = 0; i < 600; ++i) nics.names.push_back("mlx5_" + std::to_string(i));
  nics.count = 600;
  expectation.nics = {nics};
  EXPECT_EQ(parse(format_expectation(expectation, "node7")), expectation);
}

struct BadFile {
  const char* text;
  const char* where;
  const char* sentence;
};

TEST(ExpectationFile, BadFilesAreNamedByLineAndColumn) {
  const BadFile files[] = {
      {"[gpus]\ncount = 8\n", "good.toml:1:2: ", "unknown key 'gpus'; did you mean 'gpu'?"},
      {"[gpu]\ncount = 8\nnvlink = 18\n", "good.toml:3:1: ", "did you mean 'nvlinks'?"},
      {"[[nic]]\ncount = 8\nspeed = 4\n", "good.toml:3:1: ", "unknown key 'speed'"},
      {"[host]\nvm = true\n", "good.toml:2:1: ", "unknown key 'vm'"},
      {"[[rail]]\nrail = 0\nnic = \"a\"\nswitch = \"b\"\n", "good.toml:4:1: ", "unknown key 'switch'"},
      {"[gpu]\ncount = \"8\"\n", "good.toml:2:9: ", "count is text; it has to be an integer"},
      {"[gpu]\ncount = 8.0\n", "good.toml:2:9: ", "count is a number with a point"},
      {"[gpu]\ncount = -1\n", "good.toml:2:9: ", "count is -1; it has to be from 0 to 1024"},
      {"[gpu]\ncount = 99999999999\n", "good.toml:2:9: ", "it has to be from 0 to 1024"},
      {"[gpu]\nmodel = 100\n", "good.toml:2:9: ", "model is an integer; it has to be text"},
      {"[gpu]\nmodel = \"\"\n", "good.toml:2:9: ", "model is empty"},
      {"[gpu]\nmodel = \"a\\u001b[31m\"\n", "good.toml:2:9: ", "control character"},
      {"[gpu]\nnvlinks = -2\n", "good.toml:2:11: ", "nvlinks is -2"},
      {"[gpu]\nnvlink_islands = 0\n", "good.toml:2:18: ", "nvlink_islands is 0"},
      {"[gpu]\ncount = 2\nnvlink_islands = 4\n", "good.toml:3:18: ", "2 GPUs cannot be 4 islands"},
      {"[gpu]\npcie_width = 3\n",
       "good.toml:2:14: ", "pcie_width is 3; a PCIe link has 1, 2, 4, 8, 12, 16 or 32"},
      {"[gpu]\npcie_speed = 32\n", "good.toml:2:14: ", "pcie_speed is a bare number"},
      {"[gpu]\npcie_speed = \"32\"\n", "good.toml:2:14: ", "pcie_speed is '32'"},
      {"[gpu]\npcie_speed = \"32 GB/s\"\n", "good.toml:2:14: ", "pcie_speed is '32 GB/s'"},
      {"[gpu]\npcie_speed = \"33 GT/s\"\n", "good.toml:2:14: ", "pcie_speed is '33 GT/s'"},
      {"[gpu]\ndriver_min = \"R550\"\n",
       "good.toml:2:14: ", "driver_min is 'R550'; write numbers and points"},
      {"[gpu]\ndriver_min = \"550.\"\n", "good.toml:2:14: ", "driver_min is '550.'"},
      {"[gpu]\ndriver_min = \"99999999999\"\n", "good.toml:2:14: ", "driver_min is"},
      {"[gpu]\ndriver_min = 550\n", "good.toml:2:14: ", "driver_min is an integer"},
      {"[gpu]\ndriver_min = \"550.54\"\ndriver_max = \"550.9\"\n",
       "good.toml:3:14: ", "driver_max 550.9 is below driver_min 550.54"},
      {"[[nic]]\nrate = \"400 Gb/s\"\n", "good.toml:1:1: ", "this [[nic]] has no count"},
      {"[[nic]]\ncount = 0\n", "good.toml:2:9: ", "count is 0"},
      {"[[nic]]\ncount = 8\nrate = \"400\"\n", "good.toml:3:8: ", "has no unit; write it in Gb/s"},
      {"[[nic]]\ncount = 8\nrate = 400\n", "good.toml:3:8: ", "rate is a bare number"},
      {"[[nic]]\ncount = 8\nrate = \"400 GHz\"\n", "good.toml:3:8: ", "unit 'GHz'"},
      {"[[nic]]\ncount = 8\nrate = \"400 us\"\n", "good.toml:3:8: ", "does not fit"},
      {"[[nic]]\ncount = 8\nrate = \"-400 Gb/s\"\n", "good.toml:3:8: ", "negative"},
      {"[[nic]]\ncount = 8\nrate = \"400 Tb/s\"\n", "good.toml:3:8: ", "no NIC is like that"},
      {"[[nic]]\ncount = 8\nlink_layer = \"Infiniband\"\n", "good.toml:3:14: ", "did you mean 'InfiniBand'?"},
      {"[[nic]]\ncount = 8\nnames = [\"a\", \"b\"]\n", "good.toml:2:9: ", "count is 8 and names has 2"},
      {"[[nic]]\nnames = [\"a\", \"a\"]\n", "good.toml:2:15: ", "names has 'a' twice"},
      {"[[nic]]\nnames = [\"a\", 1]\n", "good.toml:2:15: ", "an entry of names is an integer"},
      {"[[nic]]\nnames = []\n", "good.toml:2:9: ", "names is an empty list"},
      {"[[nic]]\nnames = [\"a\"]\n[[nic]]\nnames = [\"a\"]\n",
       "good.toml:4:9: ", "'a' is in two [[nic]] tables"},
      {"[nic]\ncount = 8\n", "good.toml:1:1: ", "write each nic as a [[nic]] table"},
      {"[[gpu]]\ncount = 8\n", "good.toml:1:1: ", "write it as a [gpu] table"},
      {"nic = [3]\n", "good.toml:1:8: ", "a nic is an integer"},
      {"nic = []\n", "good.toml:1:7: ", "the list of nics is empty"},
      {"[[rail]]\nnic = \"mlx5_0\"\n", "good.toml:1:1: ", "this [[rail]] has no number"},
      {"[[rail]]\nrail = 0\n", "good.toml:1:1: ", "this [[rail]] names no NIC"},
      {"[[rail]]\nrail = -1\nnic = \"a\"\n", "good.toml:2:8: ", "rail is -1"},
      {"[[rail]]\nrail = 0\nnic = \"a\"\n[[rail]]\nrail = 0\nnic = \"b\"\n",
       "good.toml:5:8: ", "rail 0 is there twice"},
      {"[[rail]]\nrail = 0\nnic = \"a\"\n[[rail]]\nrail = 1\nnic = \"a\"\n",
       "good.toml:6:7: ", "'a' is rail 0 and rail 1"},
      {"[host]\nvirtual_machine = \"no\"\n", "good.toml:2:19: ", "it has to be true or false"},
      {"", "good.toml:1:1: ", "this file asks for nothing"},
      {"# nothing\n[gpu]\n", "good.toml:1:1: ", "this file asks for nothing"},
      {"[gpu]\ncount = 8\ncount = 9\n", "good.toml:3:", "this is not TOML"},
      {"[gpu\n", "good.toml:1:", "this is not TOML"},
  };
  for (const BadFile& file : files) {
    const std::string error = error_of(file.text);
    EXPECT_THAT(error, AllOf(StartsWith(file.where), HasSubstr(file.sentence))) << file.text;
    EXPECT_THAT(error, Not(HasSubstr("\n"))) << file.text;
  }
}

TEST(ExpectationFile, HostileText) {
  std::string binary;
  for (int i = 0; i < 4000; ++i) binary += static_cast<char>(i * 37 % 256);
  const std::string deep_list = "nic = " + std::string(4000, '[') + std::string(50, ']') + "\n";
  std::string dotted = "gpu";
  for (int i = 0; i < 100'000; ++i) dotted += ".a";
  std::string many_lists;
  for (int i = 0; i < 2000; ++i) many_lists += "nic = [\n";
  for (const std::string& text :
       {binary, deep_list, dotted + " = 1\n", many_lists, std::string("\0\0", 2),
        std::string("\xff\xfe[\0g\0", 6), std::string("[gpu]\nmodel = \"\xff\"\n")}) {
    const std::string error = error_of(text);
    EXPECT_THAT(error, StartsWith("good.toml:")) << text.substr(0, 40);
    EXPECT_LT(error.size(), 600U);
  }
  EXPECT_THAT(error_of(std::string(std::size_t{100} << 20, '\n')),
              StartsWith("good.toml:1:1: the text is over"));
}

TEST(ExpectationFile, FilesThatCannotBeRead) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("fabricheck-expect-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const std::string good = folder / "good.toml";
  std::ofstream(good) << "[gpu]\ncount = 8\n";
  EXPECT_EQ(read_expectation(good).gpus, 8);
  EXPECT_EQ(read_expectation(good).source, good);
  const std::string huge = folder / "huge.toml";
  std::ofstream(huge).close();
  std::filesystem::resize_file(huge, std::uintmax_t{100} << 20);
  for (const std::string& file : {huge, folder.string(), (folder / "none.toml").string()}) {
    try {
      read_expectation(file);
      ADD_FAILURE() << file << " was read";
    } catch (const UsageError& error) {
      EXPECT_THAT(error.what(), AllOf(StartsWith("cannot read the expectation file"), HasSubstr(file)));
    }
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace fabricheck::config
