#include "config/node_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "core/error.hpp"
#include "support/sentence_of.hpp"

namespace fabricheck::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<std::string> kIds{"node.gpus", "node.clock"};
const std::vector<std::string> kKinds{"symbol_error", "link_downed"};

NodeConfig parse(const std::string& text) { return parse_node_config(text, "f.toml", kIds, kKinds); }

std::string problem(const std::string& text) {
  return test::sentence_of([&] { parse(text); });
}

TEST(NodeFile, NothingIsTheDefaultWhichObserves) {
  EXPECT_EQ(parse(""), NodeConfig{});
  EXPECT_EQ(parse("").mode, DrainMode::observe);
  EXPECT_EQ(parse("").on_error, OnError::log);
}

TEST(NodeFile, Everything) {
  const NodeConfig config = parse(R"(
mode = "drain"
on_error = "drain"
budget = "2s"
partitions = ["a", "b"]
max_drain_percent = 25
max_drain_per_hour = 0
resume = true
skip = ["node.cl*"]
state_folder = "/s"
nvml_library = "/lib/x.so"
expect = "/e"
platform = "p"
gres = "gpu:8"
shm_min = "1GiB"
memlock_min = "unlimited"
gpudirect = true
fatal_xids = [79]
[slurm]
scontrol = "/opt/scontrol"
conf = "/c"
[clock]
synchronised = true
error_max = "50ms"
[[file_system]]
path = "/scratch"
writable = true
free_min = "10GiB"
[counters_per_hour]
symbol_error = 120
)");
  EXPECT_EQ(config.mode, DrainMode::drain);
  EXPECT_EQ(config.on_error, OnError::drain);
  EXPECT_EQ(config.budget, std::chrono::seconds(2));
  EXPECT_THAT(config.partitions, ElementsAre("a", "b"));
  EXPECT_EQ(config.max_drain_percent, 25);
  EXPECT_EQ(config.max_drain_per_hour, 0);
  EXPECT_TRUE(config.resume);
  EXPECT_EQ(config.scontrol, "/opt/scontrol");
  EXPECT_EQ(config.memlock_bytes_min, static_cast<std::uint64_t>(INT64_MAX));
  EXPECT_EQ(config.shm_bytes_min, std::uint64_t{1} << 30U);
  EXPECT_THAT(config.fatal_xids, ElementsAre(79));
  EXPECT_THAT(config.file_systems, ElementsAre(FileSystemRule{"/scratch", true, std::uint64_t{10} << 30U}));
  EXPECT_EQ(config.counters_per_hour_max.at("symbol_error"), 120);
  EXPECT_EQ(config.clock_error_max, std::chrono::milliseconds(50));
}

TEST(NodeFile, EveryErrorSaysWhere) {
  EXPECT_THAT(problem("\n  mod = 'drain'"), HasSubstr("f.toml:2:3: unknown key 'mod'; did you mean 'mode'?"));
  EXPECT_THAT(problem("mode = 'Drain'"), HasSubstr("f.toml:1:8"));
  EXPECT_THAT(problem("mode = true"), HasSubstr("f.toml:1:8"));
  EXPECT_THAT(problem("budget = '0s'"), HasSubstr("f.toml:1:10: budget"));
  EXPECT_THAT(problem("budget = '10ms'"), HasSubstr("between 100ms and 1h"));
  EXPECT_THAT(problem("max_drain_percent = 101"), HasSubstr("f.toml:1:21"));
  EXPECT_THAT(problem("skip = ['node.clok']"), HasSubstr("matches no check"));
  EXPECT_THAT(problem("[slurm]\nscontrol = 'scontrol'"),
              HasSubstr("f.toml:2:12: scontrol is 'scontrol'; write an absolute"));
  EXPECT_THAT(problem("nvml_library = 'evil.so'"), HasSubstr("absolute path"));
  EXPECT_THAT(problem("[[file_system]]\nwritable = true"), HasSubstr("has no path"));
  EXPECT_THAT(problem("[counters_per_hour]\nsymbol_eror = 1"), HasSubstr("did you mean 'symbol_error'?"));
  EXPECT_THAT(problem("fatal_xids = ['79']"), HasSubstr("f.toml:1:15"));
  EXPECT_THAT(problem("[slurm"), HasSubstr("this is not TOML"));
}

TEST(NodeFile, TheOneThatShipsIsTheDefault) {
  std::ifstream in(FABRICHECK_FIXTURES_DIR "/../../slurm/fabricheck.toml");
  std::stringstream text;
  text << in.rdbuf();
  ASSERT_FALSE(text.str().empty());
  EXPECT_EQ(parse(text.str()), NodeConfig{});
}

}  // namespace
}  // namespace fabricheck::config
