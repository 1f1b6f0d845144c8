#include "config/platform_file.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "support/sentence_of.hpp"

namespace fabricheck::config {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

std::string error_of(const std::string& text) {
  return test::sentence_of([&] { parse_platform(text, "p.toml"); });
}

TEST(PlatformFile, EveryKey) {
  const Platform platform = parse_platform(R"(
name = "box"
aliases = ["box.8xlarge"]
gpu_names = ["NVIDIA X1"]
gpu_pci_ids = ["10de:2330"]

[expected]
gpus = 8
nvlinks_per_gpu = 18
nvlink_islands = 1
nvswitches = 4
gpu_pcie_width = 16
gpu_pcie_speed = "32 GT/s"

[[variant]]
products = ["box.8xlarge"]
gpus = 4
nics = [{ count = 8, rate = "400 Gb/s", link_layer = "InfiniBand" }]

[sources]
paper = { name = "A paper", url = "https://example.org" }

[figures]
"gpu.hbm.bandwidth" = [
  { value = 3350, unit = "GB/s", kind = "datasheet", source = "paper" },
  { value = 2.5, unit = "GB/s", kind = "threshold", source = "paper", conditions = { operation = "triad" } },
]
)",
                                           "p.toml");
  Platform expected;
  expected.name = "box";
  expected.aliases = {"box.8xlarge"};
  expected.gpu_names = {"NVIDIA X1"};
  expected.gpu_pci_ids = {"10de:2330"};
  expected.expected.source = "platform box";
  expected.expected.gpus = 8;
  expected.expected.nvlinks_per_gpu = 18;
  expected.expected.nvlink_islands = 1;
  expected.expected.nvswitches = 4;
  expected.expected.gpu_pcie_width = 16;
  expected.expected.gpu_pcie_speed_GTps = 32;
  ExpectedNics nics;
  nics.count = 8;
  nics.rate_Gbps = 400;
  nics.link_layer = "InfiniBand";
  expected.variants = {{{"box.8xlarge"}, 4, {nics}}};
  expected.figures = {{"gpu.hbm.bandwidth", 3350, "GB/s", "datasheet", "A paper", "https://example.org", {}},
                      {"gpu.hbm.bandwidth",
                       2.5,
                       "GB/s",
                       "threshold",
                       "A paper",
                       "https://example.org",
                       {{"operation", "triad"}}}};
  EXPECT_EQ(platform, expected);
}

TEST(PlatformFile, BadFilesAreNamedByLineAndColumn) {
  const std::string with_source = "name = \"box\"\n[sources]\npaper = { name = \"A paper\" }\n[figures]\n";
  const auto figure = [&](const std::string& body) {
    return with_source + "\"gpu.power\" = [" + body + "]\n";
  };
  const auto of_allreduce = [&](const std::string& unit, const std::string& conditions) {
    return with_source + "\"nccl.allreduce.busbw\" = [{ value = 1, unit = \"" + unit +
           "\", kind = \"derived\", source = \"paper\", conditions = { " + conditions + " } }]\n";
  };
  struct Bad {
    std::string text;
    const char* where;
    const char* sentence;
  };
  const Bad files[] = {
      {"", "p.toml:1:1: ", "this platform has no name"},
      {"name = 4\n", "p.toml:1:8: ", "name is an integer"},
      {"name = \"box\"\naliasses = [\"a\"]\n", "p.toml:2:1: ", "did you mean 'aliases'?"},
      {"name = \"box\"\naliases = \"a\"\n", "p.toml:2:11: ", "it has to be a list of texts"},
      {"name = \"box\"\ngpu_pci_ids = [\"2330\"]\n", "p.toml:2:15: ", "'2330' is no PCI id"},
      {"name = \"box\"\n[expected]\ngpu = 8\n", "p.toml:3:1: ", "did you mean 'gpus'?"},
      {"name = \"box\"\n[expected]\ngpus = -8\n", "p.toml:3:8: ", "gpus is -8"},
      {"name = \"box\"\n[expected]\ngpu_pcie_width = 3\n", "p.toml:3:18: ", "a PCIe link has"},
      {"name = \"box\"\n[[variant]]\ngpus = 4\n", "p.toml:2:1: ", "has no products"},
      {"name = \"box\"\n[[variant]]\nproducts = [\"bax\"]\n", "p.toml:3:12: ", "did you mean 'box'?"},
      {"name = \"box\"\n[[variant]]\nproducts = [\"box\"]\nnics = [{ rate = \"1 Gb/s\" }]\n",
       "p.toml:4:9: ", "these NICs have no count"},
      {"name = \"box\"\n[sources]\npaper = { url = \"x\" }\n", "p.toml:3:9: ", "source 'paper' has no name"},
      {"name = \"box\"\n[sources]\npaper = 4\n", "p.toml:3:9: ", "source 'paper' is an integer"},
      {"name = \"box\"\n[figures]\na.b = [{ value = 1 }]\n", "p.toml:3:1: ", "a key with points in quotes"},
      {figure("4"), "p.toml:5:16: ", "a figure of 'gpu.power' is an integer"},
      {figure("{ unit = \"W\", kind = \"datasheet\", source = \"paper\" }"), "p.toml:5:16: ", "has no value"},
      {figure("{ value = 1, kind = \"datasheet\", source = \"paper\" }"), "p.toml:5:16: ", "has no unit"},
      {figure("{ value = 1, unit = \"W\", source = \"paper\" }"), "p.toml:5:16: ", "has no kind"},
      {figure("{ value = 1, unit = \"W\", kind = \"datasheet\" }"), "p.toml:5:16: ", "has no source"},
      {figure("{ value = 1, unit = \"W\", kind = \"datasheets\", source = \"paper\" }"),
       "p.toml:5:48: ", "unknown kind 'datasheets'; did you mean 'datasheet'?"},
      {figure("{ value = 1, unit = \"W\", kind = \"derived\", source = \"papers\" }"),
       "p.toml:5:68: ", "source 'papers' is not among [sources]; did you mean 'paper'?"},
      {figure("{ value = -1, unit = \"W\", kind = \"derived\", source = \"paper\" }"),
       "p.toml:5:26: ", "has to be a number from 0"},
      {figure("{ value = inf, unit = \"W\", kind = \"derived\", source = \"paper\" }"),
       "p.toml:5:26: ", "has to be a number from 0"},
      {figure("{ value = \"1\", unit = \"W\", kind = \"derived\", source = \"paper\" }"),
       "p.toml:5:26: ", "has to be a number from 0"},
      {figure(
           "{ value = 1, unit = \"W\", kind = \"derived\", source = \"paper\", conditions = { test = 2 } }"),
       "p.toml:5:", "test is an integer"},
      {figure("{ value = 1, unit = \"W\", kind = \"derived\", source = \"paper\", quote = \"x\" }"),
       "p.toml:5:", "unknown key 'quote'"},
      {with_source + "\"nccl.alreduce.busbw\" = []\n",
       "p.toml:5:1: ", "no figure is called 'nccl.alreduce.busbw'; did you mean 'nccl.allreduce.busbw'?"},
      {of_allreduce("GBps", ""), "p.toml:5:47: ", "'nccl.allreduce.busbw' is in GB/s, not in 'GBps'"},
      {of_allreduce("GB/s", "node = \"1\""), "p.toml:5:", "has no condition 'node'; did you mean 'nodes'?"},
      {of_allreduce("GB/s", "sparsity = \"none\""), "p.toml:5:",
       "a figure of 'nccl.allreduce.busbw' has no condition 'sparsity'; known are nodes, gpus_per_node"},
      {of_allreduce("GB/s", "nvls = \"auto\""),
       "p.toml:5:", "nvls of 'nccl.allreduce.busbw' is 'auto'; known are on, off"},
      {of_allreduce("GB/s", "gpus_per_node = \"eight\""),
       "p.toml:5:", "gpus_per_node of 'nccl.allreduce.busbw' is 'eight'; it has to begin with a number"},
      {"name = [\n", "p.toml:", "this is not TOML"},
  };
  for (const Bad& bad : files)
    EXPECT_THAT(error_of(bad.text), AllOf(StartsWith(bad.where), HasSubstr(bad.sentence))) << bad.text;
}

TEST(BuiltInPlatforms, AreSortedAndAliasesAreFew) {
  const auto& platforms = built_in_platforms();
  ASSERT_EQ(platforms.size(), 19U);
  std::multiset<std::string> aliases;
  for (std::size_t i = 0; i < platforms.size(); ++i) {
    if (i > 0) {
      EXPECT_LT(platforms[i - 1].name, platforms[i].name);
    }
    EXPECT_FALSE(platforms[i].figures.empty()) << platforms[i].name;
    aliases.insert(platforms[i].aliases.begin(), platforms[i].aliases.end());
    aliases.insert(platforms[i].name);
  }
  // DMI says DGXA100 for both sizes of memory; the GPU tells which.
  for (const std::string& alias : aliases)
    EXPECT_EQ(aliases.count(alias), alias == "DGXA100" ? 2U : 1U) << alias;
}

TEST(BuiltInPlatforms, NoTwoHaveTheSameGpu) {
  std::set<std::string> names;
  for (const Platform& platform : built_in_platforms()) {
    for (const std::string& name : platform.gpu_names) EXPECT_TRUE(names.insert(name).second) << name;
    for (const std::string& id : platform.gpu_pci_ids) EXPECT_TRUE(names.insert(id).second) << id;
  }
}

const Platform& built_in(const std::string& name) {
  for (const Platform& platform : built_in_platforms()) {
    if (platform.name == name) return platform;
  }
  throw std::runtime_error("no platform " + name);
}

TEST(BuiltInPlatforms, HeadOfAnH100) {
  const Platform& h100 = built_in("dgx-h100");
  EXPECT_EQ(h100.expected.gpus, 8);
  EXPECT_EQ(h100.expected.nvlinks_per_gpu, 18);
  EXPECT_EQ(h100.expected.nvswitches, 4);
  EXPECT_EQ(h100.expected.gpu_pcie_width, 16);
  EXPECT_EQ(h100.expected.gpu_pcie_speed_GTps, 32);
  EXPECT_THAT(h100.aliases, testing::Contains("p5.48xlarge"));
  EXPECT_THAT(h100.gpu_names, testing::ElementsAre("NVIDIA H100 80GB HBM3"));
  EXPECT_FALSE(built_in("l40s").expected.gpus.has_value());
}

/// What platforms.json says, in the program's words.
struct Sourced {
  double value{};
  std::string unit;
  std::string source;
  std::string url;
  std::string up_to;  ///< upper end of a range
};

std::string unit_of(const std::string& text) {
  const std::pair<const char*, const char*> units[] = {
      {"GB/s", "GB/s"},   {"Gb/s", "Gb/s"}, {"GB", "GB"}, {"TFLOPS", "TFLOP/s"},           {"links", "links"},
      {"chips", "chips"}, {"us", "us"},     {"W", "W"},   {"NVLink switch trays", "trays"}};
  for (const auto& [prefix, unit] : units) {
    if (text.rfind(prefix, 0) == 0) return unit;
  }
  return "unknown unit " + text;
}

std::vector<Sourced> in_our_words(const json& entry) {
  const json& value = entry["value"];
  const std::string unit = entry.value("unit", "");
  const std::string source = entry["source"] == "memory" ? "recalled, not seen" : entry.value("source", "");
  const std::string url =
      entry.contains("url") && entry["url"].is_string() ? entry["url"].get<std::string>() : "";
  const auto with = [&](const json& number, const std::string& in) {
    return Sourced{number.get<double>(), in, source, url, ""};
  };
  if (value.is_number()) return {with(value, unit_of(unit))};
  if (!value.is_array()) return {};
  if (unit == "ports, Gb/s") return {with(value[0], "ports"), with(value[1], "Gb/s")};
  if (unit.rfind("PCIe gen, width", 0) == 0) return {with(value[0], "generation"), with(value[1], "lanes")};
  if (unit.find("8 / 4 GPUs") != std::string::npos) return {with(value[0], "GB/s"), with(value[1], "GB/s")};
  Sourced range = with(value[0], unit_of(unit));
  range.up_to = fmt::format("{:g} {}", value[1].get<double>(), range.unit);
  return {range};
}

/// Calls `with(entry)` for every object that has a value.
template <class With>
void for_each_figure(const json& node, const With& with) {
  if (node.is_object() && node.contains("value")) return with(node);
  if (node.is_structured()) {
    for (const json& child : node) for_each_figure(child, with);
  }
}

/// Our sources leave out remarks in brackets that are no part of a name.
bool same(const Figure& figure, const Sourced& sourced) {
  const auto up_to = figure.conditions.find("up_to");
  return figure.value == sourced.value && figure.unit == sourced.unit && !figure.source.empty() &&
         sourced.source.rfind(figure.source, 0) == 0 && figure.url == sourced.url &&
         (up_to == figure.conditions.end() ? "" : up_to->second) == sourced.up_to;
}

std::size_t count_of(const Platform& platform, const Sourced& sourced) {
  return static_cast<std::size_t>(std::count_if(platform.figures.begin(), platform.figures.end(),
                                                [&](const Figure& figure) { return same(figure, sourced); }));
}

/// Published figures that were looked up after the data base was made, and the platforms they are of.
const std::vector<std::pair<std::string, Sourced>>& looked_up_later() {
  static const std::vector<std::pair<std::string, Sourced>> all{
      {"dgx-h100",
       {2474.76, "GB/s", "NVIDIA/nccl issue #1264", "https://github.com/NVIDIA/nccl/issues/1264",
        "2514.71 GB/s"}}};
  return all;
}

class PlatformData : public testing::Test {
 protected:
  void SetUp() override {
    const std::string cases = FABRICHECK_CASES_DIR;
    const std::filesystem::path folder = std::filesystem::path(cases) / ".." / "platforms";
    if (cases.empty() || !std::filesystem::exists(folder / "platforms.json"))
      GTEST_SKIP() << "no platforms.json beside FABRICHECK_CASES_DIR '" << cases
                   << "': the figures were NOT compared with their data base";
    std::ifstream(folder / "platforms.json") >> platforms_;
    std::ifstream(folder / "storage.json") >> storage_;
  }
  json platforms_, storage_;
};

TEST_F(PlatformData, EveryFigureIsThereAndNoSuspectOne) {
  ASSERT_EQ(platforms_.size(), 19U);
  std::size_t figures = 0;
  std::size_t suspects = 0;
  for (const json& entry : platforms_) {
    const Platform& platform = built_in(entry["platform"]);
    std::vector<Sourced> wanted;
    std::vector<Sourced> unwanted;
    for_each_figure(entry, [&](const json& figure) {
      const auto ours = in_our_words(figure);
      auto& into = figure.value("suspect", false) ? unwanted : wanted;
      into.insert(into.end(), ours.begin(), ours.end());
    });
    for (const Sourced& sourced : wanted) {
      const auto times =
          static_cast<std::size_t>(std::count_if(wanted.begin(), wanted.end(), [&](const Sourced& other) {
            return other.value == sourced.value && other.unit == sourced.unit &&
                   other.source == sourced.source && other.url == sourced.url && other.up_to == sourced.up_to;
          }));
      EXPECT_EQ(count_of(platform, sourced), times)
          << platform.name << ": " << sourced.value << " " << sourced.unit << " by " << sourced.source;
    }
    for (const Sourced& sourced : unwanted) {
      EXPECT_EQ(count_of(platform, sourced), 0U)
          << platform.name << ": " << sourced.value << " " << sourced.unit << " by " << sourced.source;
    }
    figures += wanted.size();
    suspects += unwanted.size();
  }
  EXPECT_GT(figures, 400U);
  EXPECT_EQ(suspects, 8U);
}

TEST_F(PlatformData, NoFigureIsOurOwn) {
  std::vector<Sourced> told;
  const auto take = [&](const json& entry) {
    const auto ours = in_our_words(entry);
    told.insert(told.end(), ours.begin(), ours.end());
  };
  for_each_figure(platforms_, take);
  for_each_figure(storage_, [&](const json& entry) {
    if (!entry["value"].is_number()) return;
    for (const char* unit : {"GB/s", "drives"})
      told.push_back(
          {entry["value"].get<double>(), unit, entry.value("source", ""), entry.value("url", ""), ""});
  });
  for (const auto& [platform, figure] : looked_up_later()) told.push_back(figure);
  for (const Platform& platform : built_in_platforms()) {
    for (const Figure& figure : platform.figures) {
      EXPECT_TRUE(
          std::any_of(told.begin(), told.end(), [&](const Sourced& one) { return same(figure, one); }))
          << platform.name << ": " << figure.key << " " << figure.value << " " << figure.unit << " by "
          << figure.source;
    }
  }
}

TEST_F(PlatformData, KindsAndHeads) {
  for (const json& entry : platforms_) {
    const Platform& platform = built_in(entry["platform"]);
    if (entry.contains("gpus_per_node") && entry["gpus_per_node"].is_number() && platform.name != "gh200") {
      EXPECT_EQ(platform.expected.gpus, entry["gpus_per_node"].get<int>()) << platform.name;
    }
    for (const json& alias : entry.value("aliases", json::array())) {
      if (alias == "CSCS Alps (4x GH200)") continue;
      EXPECT_THAT(platform.aliases, testing::Contains(alias.get<std::string>())) << platform.name;
    }
    std::map<std::string, int> kinds;
    for_each_figure(entry, [&](const json& figure) {
      const std::string kind = figure.value("kind", "");
      if (!figure.value("suspect", false)) kinds[kind] += static_cast<int>(in_our_words(figure).size());
    });
    for (const auto& [name, figure] : looked_up_later()) {
      if (name == platform.name) ++kinds["published-achieved"];
    }
    const auto ours = [&](const std::string& kind) {
      return static_cast<int>(
          std::count_if(platform.figures.begin(), platform.figures.end(),
                        [&](const Figure& f) { return f.kind == kind && f.key.rfind("storage.", 0) != 0; }));
    };
    EXPECT_EQ(ours("datasheet"), kinds["datasheet"]) << platform.name;
    EXPECT_EQ(ours("threshold"), kinds["health-check-threshold"]) << platform.name;
    // What the data base itself calls derived in a note is derived here.
    EXPECT_EQ(ours("published") + ours("derived"), kinds["published-achieved"]) << platform.name;
  }
}

}  // namespace
}  // namespace fabricheck::config
