#include "config/targets_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "core/error.hpp"
#include "support/own_folder.hpp"
#include "support/sentence_of.hpp"

namespace fabricheck::config {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const std::vector<KnownCheck> known{{"mpi.barrier.latency", "us"},    {"mpi.bcast.latency", "us"},
                                    {"mpi.allreduce.latency", "us"},  {"verbs.write.latency", "us"},
                                    {"verbs.send.latency", "us"},     {"verbs.read.latency", "us"},
                                    {"nvlink.pair.bandwidth", "GB/s"}};

std::vector<Target> parse(const std::string& text) { return parse_targets(text, "t.toml", known); }

std::string error_of(const std::string& text) {
  return test::sentence_of([&] { parse(text); });
}
/// The error of a target for the allreduce with these further lines, which begin at line 3.
std::string error_with(const std::string& lines) {
  return error_of("[[target]]\ncheck = \"mpi.allreduce.latency\"\n" + lines);
}

TEST(ParseTargets, EveryKey) {
  const auto targets = parse(
      "[[target]]\ncheck = \"mpi.allreduce.latency\"\nbytes = \"64KiB\"\nranks_per_node = 2\ngroup_nodes = "
      "4\n"
      "statistic = \"p99\"\nat_most = \"40000 ns\"\nsource = \"a page\"\n"
      "[[target]]\ncheck = \"nvlink.pair.bandwidth\"\nbytes = 8\nat_least = \"2 TB/s\"\n");
  ASSERT_EQ(targets.size(), 2U);
  Target first;
  first.check = "mpi.allreduce.latency";
  first.bytes = 65536;
  first.ranks_per_node = 2;
  first.group_nodes = 4;
  first.statistic = "p99";
  first.comparison = Comparison::at_most;
  first.value = 40;
  first.unit = "us";
  first.source = "a page";
  first.origin = "t.toml:1";
  EXPECT_EQ(targets[0], first);
  EXPECT_EQ(targets[1].bytes, 8U);
  EXPECT_EQ(targets[1].comparison, Comparison::at_least);
  EXPECT_EQ(targets[1].value, 2000);
  EXPECT_EQ(targets[1].unit, "GB/s");
  EXPECT_EQ(targets[1].statistic, "median");
  EXPECT_EQ(targets[1].ranks_per_node, std::nullopt);
  EXPECT_EQ(targets[1].source, "t.toml:9") << "without a source the file itself is it";
}

TEST(ParseTargets, AllComparisons) {
  const auto comparison = [](const std::string& key) {
    return parse("[[target]]\ncheck = \"mpi.bcast.latency\"\n" + key + " = \"5 us\"\n").at(0).comparison;
  };
  EXPECT_EQ(comparison("at_most"), Comparison::at_most);
  EXPECT_EQ(comparison("below"), Comparison::below);
  EXPECT_EQ(comparison("at_least"), Comparison::at_least);
  EXPECT_EQ(comparison("above"), Comparison::above);
}

TEST(ParseTargets, AStatisticThatIsNotJudgedIsRefused) {
  // A bus bandwidth is a check of its own; a minimum or maximum has no interval.
  for (const char* statistic : {"busbw", "min", "max"})
    EXPECT_THAT(error_with(std::string("statistic = \"") + statistic + "\"\nat_most = \"5 us\"\n"),
                HasSubstr("statistic"))
        << statistic;
}

TEST(ParseTargets, SyntaxErrorsCarryLineAndColumn) {
  EXPECT_THAT(error_of("[[target]]\ncheck = \n"), StartsWith("t.toml:2:"));
  EXPECT_THAT(error_of("[[target]]\ncheck = \n"), HasSubstr("not TOML"));
  EXPECT_THAT(error_of("[[target\n"), StartsWith("t.toml:1:"));
  EXPECT_THAT(error_of("[[target]]\ncheck = \"\xff\xfe\"\n"), StartsWith("t.toml:2:"));
  EXPECT_THAT(error_with("below = \"5 us\"\nbelow = \"6 us\"\n"), StartsWith("t.toml:4:"));
}

TEST(ParseTargets, UnknownKeys) {
  EXPECT_EQ(error_with("belw = \"5 us\"\n"), "t.toml:3:1: unknown key 'belw'; did you mean 'below'?");
  EXPECT_EQ(error_of("[[targets]]\ncheck = \"x\"\n"),
            "t.toml:1:3: unknown key 'targets'; did you mean 'target'?");
  EXPECT_THAT(error_of("title = \"x\"\n"), StartsWith("t.toml:1:1: unknown key 'title'; known are target"));
  EXPECT_THAT(error_with("\"\\u001b[2J\" = 1\n"), HasSubstr("'\\x1b[2J'"))
      << "no escape reaches the terminal";
}

TEST(ParseTargets, Checks) {
  EXPECT_EQ(error_of("[[target]]\n  check = \"mpi.alreduce.latency\"\nbelow = \"5 us\"\n"),
            "t.toml:2:11: unknown check 'mpi.alreduce.latency'; did you mean 'mpi.allreduce.latency'?");
  EXPECT_EQ(error_of("[[target]]\nbelow = \"5 us\"\n"),
            "t.toml:1:1: this target names no check; add check = \"mpi.allreduce.latency\"");
  EXPECT_THAT(error_of("[[target]]\ncheck = 5\n"), HasSubstr("2:9: check is an integer; it has to be text"));
  EXPECT_THAT(error_of("[[target]]\ncheck = \"\"\n"), HasSubstr("check is empty"));
}

TEST(ParseTargets, LimitsMustBeOne) {
  EXPECT_THAT(error_with(""), HasSubstr("1:1: this target has no limit"));
  EXPECT_EQ(error_with("below = \"5 us\"\nat_most = \"5 us\"\n"),
            "t.toml:4:11: this target has both at_most and below; give one limit per target");
  EXPECT_EQ(error_with("below = 5\n"),
            "t.toml:3:9: below is a bare number; write it with its unit, such as \"5 us\"");
  EXPECT_THAT(error_with("below = 5.5\n"), HasSubstr("bare number"));
  EXPECT_THAT(error_with("below = true\n"), HasSubstr("below is true or false; it has to be text"));
  EXPECT_THAT(error_with("below = \"5 GB/s\"\n"), HasSubstr("3:9: below: the unit of '5 GB/s' does not fit"));
  EXPECT_THAT(error_with("below = \"5\"\n"), HasSubstr("no unit"));
  EXPECT_THAT(error_with("below = \"-5 us\"\n"), HasSubstr("negative"));
  EXPECT_THAT(error_with("below = \"0 us\"\n"), HasSubstr("not above zero"));
  EXPECT_THAT(error_with("below = \"\"\n"), HasSubstr("below is empty"));
  EXPECT_THAT(error_with("below = [\"5 us\"]\n"), HasSubstr("below is a list"));
}

TEST(ParseTargets, ImpossibleValues) {
  EXPECT_THAT(error_with("bytes = -1\nbelow = \"5 us\"\n"),
              HasSubstr("3:9: bytes is -1; it has to be from 0 to"));
  EXPECT_THAT(error_with("bytes = \"8 \"\n"),
              HasSubstr("3:9: bytes: the size '8 ' begins or ends with a blank"));
  EXPECT_THAT(error_with("bytes = 8.0\n"), HasSubstr("bytes is a number with a point"));
  EXPECT_THAT(error_with("bytes = \"\"\n"), HasSubstr("3:9: bytes is empty"));
  EXPECT_THAT(error_with("bytes = 99999999999999999999\n"), StartsWith("t.toml:3:"));
  EXPECT_THAT(error_with("ranks_per_node = 0\n"), HasSubstr("ranks_per_node is 0; it has to be from 1"));
  EXPECT_THAT(error_with("ranks_per_node = \"1\"\n"), HasSubstr("ranks_per_node is text"));
  EXPECT_THAT(error_with("group_nodes = 1\n"), HasSubstr("group_nodes is 1; it has to be from 2"));
  EXPECT_THAT(error_with("group_nodes = 9999999999\n"), HasSubstr("group_nodes is 9999999999"));
  EXPECT_THAT(error_with("statistic = \"medain\"\n"), HasSubstr("did you mean 'median'?"));
  EXPECT_THAT(error_with("statistic = 1979-05-27\n"), HasSubstr("statistic is a date or time"));
  EXPECT_THAT(error_with("source = \"\"\n"), HasSubstr("source is empty"));
  EXPECT_THAT(error_with("source = \"a\\u001bb\"\n"), HasSubstr("control character"));
  EXPECT_THAT(error_with("source = \"" + std::string(1001, 'x') + "\"\n"), HasSubstr("longer than 1000"));
}

TEST(ParseTargets, DuplicateKeys) {
  const std::string one =
      "[[target]]\ncheck = \"mpi.bcast.latency\"\nbytes = 8\nranks_per_node = 1\nbelow = \"5 us\"\n";
  EXPECT_EQ(error_of(one + one),
            "t.toml:6:1: line 1 already has a target for mpi.bcast.latency at 8 B with ranks_per_node 1; one "
            "is applied "
            "per check, bytes and ranks_per_node");
  const std::string other_size = "[[target]]\ncheck = \"mpi.bcast.latency\"\nbytes = 16\nbelow = \"5 us\"\n";
  const std::string any_size = "[[target]]\ncheck = \"mpi.bcast.latency\"\nbelow = \"5 us\"\n";
  EXPECT_EQ(parse(one + other_size + any_size).size(), 3U);
}

TEST(ParseTargets, ShapeOfTheFile) {
  EXPECT_EQ(error_of(""), "t.toml:1:1: there is no [[target]] table in this file");
  EXPECT_THAT(error_of("# nothing\n"), HasSubstr("no [[target]]"));
  EXPECT_THAT(error_of("[target]\ncheck = \"x\"\n"),
              HasSubstr("'target' is a table; write each target as a [[target]]"));
  EXPECT_THAT(error_of("target = 5\n"), HasSubstr("1:10: 'target' is an integer"));
  EXPECT_THAT(error_of("target = []\n"), HasSubstr("list of targets is empty"));
  EXPECT_THAT(error_of("target = [1, 2]\n"), HasSubstr("1:11: a target is an integer"));
  EXPECT_EQ(parse("target = [{check = \"mpi.bcast.latency\", below = \"5 us\"}]\n").size(), 1U);
}

TEST(ParseTargets, HostileInput) {
  EXPECT_THAT(error_of(std::string(100'000, '[')), HasSubstr("1:4097: the line is longer than 4096"));
  EXPECT_THAT(error_of("target = " + std::string(4000, '[')), StartsWith("t.toml:1:"));
  std::string dots = "a";
  for (int i = 0; i < 2'000; ++i) dots += ".a";
  EXPECT_THAT(error_of("[" + dots + "]\n"), HasSubstr("unknown key 'a'"));
  std::string nested;
  for (int i = 0; i < 100'000; ++i) nested += "[\n";
  EXPECT_THAT(error_of("target = " + nested), StartsWith("t.toml:"));
  std::string many;
  for (int i = 0; i < 10'001; ++i) many += "[[target]]\n";
  EXPECT_THAT(error_of(many), HasSubstr("over 10000 targets"));
  EXPECT_THAT(error_of(std::string((4 << 20) + 1, '\n')), HasSubstr("over 4 MiB"));
  EXPECT_THAT(error_of(std::string("a = 1\0b", 7)), StartsWith("t.toml:1:"));
}

TEST(ReadTargets, ReadsAFile) {
  const test::OwnFolder folder;
  const std::string file = folder / "site.toml";
  std::ofstream(file) << "[[target]]\ncheck = \"mpi.bcast.latency\"\nbelow = \"7 us\"\n";
  const auto targets = read_targets(file, known);
  ASSERT_EQ(targets.size(), 1U);
  EXPECT_EQ(targets[0].value, 7);
  EXPECT_EQ(targets[0].origin, file + ":1");
}

TEST(ReadTargets, NamesTheReason) {
  const test::OwnFolder folder;
  const auto error = [](const std::string& file) {
    return test::sentence_of([&] { read_targets(file, known); });
  };
  EXPECT_THAT(error(folder / "none.toml"), HasSubstr("none.toml': No such file or directory"));
  EXPECT_THAT(error(folder.path()), HasSubstr("it is a folder"));
  EXPECT_THAT(error("/dev/zero"), HasSubstr("not a regular file"));
  EXPECT_THAT(error(""), HasSubstr("No such file"));
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(error(folder / "pipe"), HasSubstr("not a regular file")) << "and does not hang";
  std::ofstream(folder / "huge.toml") << std::string((4 << 20) + 1, '#');
  EXPECT_THAT(error(folder / "huge.toml"), HasSubstr("over 4 MiB"));
}

TEST(ReadTargets, UnreadableFile) {
  const test::OwnFolder folder;
  std::ofstream(folder / "secret.toml") << "x";
  ASSERT_EQ(::chmod((folder / "secret.toml").c_str(), 0), 0);
  // Root reads every file: be somebody else meanwhile.
  const bool was_root = ::geteuid() == 0;
  ASSERT_TRUE(!was_root || ::seteuid(65534) == 0);
  const std::string sentence = test::sentence_of([&] { read_targets(folder / "secret.toml", known); });
  ASSERT_TRUE(!was_root || ::seteuid(0) == 0);
  EXPECT_THAT(sentence, HasSubstr("Permission denied"));
}

TEST(DefaultTargets, TheSubFiveMicrosecondTarget) {
  const auto targets = default_targets(known);
  ASSERT_EQ(targets.size(), 6U);
  for (const std::string operation : {"barrier", "bcast", "allreduce"}) {
    const std::string check = "mpi." + operation + ".latency";
    const std::uint64_t bytes = operation == "barrier" ? 0 : 8;
    const Target* target = find_target(targets, check, bytes, 1);
    ASSERT_NE(target, nullptr) << check;
    EXPECT_EQ(target->comparison, Comparison::below);
    EXPECT_EQ(target->value, 5.0);
    EXPECT_EQ(target->unit, "us");
    EXPECT_EQ(target->statistic, "median");
    EXPECT_EQ(target->group_nodes, 8);
    EXPECT_EQ(target->origin, "built in");
    EXPECT_THAT(target->source, HasSubstr("project target"));
    EXPECT_THAT(target->source, HasSubstr("openucx/ucc PR #"));
    EXPECT_EQ(find_target(targets, check, bytes, 2), nullptr) << "full nodes are not held to it";
  }
  EXPECT_EQ(find_target(targets, "mpi.allreduce.latency", 64, 1), nullptr);
}

TEST(DefaultTargets, VerbsOfAnEightByteMessage) {
  const auto targets = default_targets(known);
  for (const auto& [operation, limit_us] :
       std::vector<std::pair<std::string, double>>{{"write", 5.0}, {"send", 5.0}, {"read", 6.0}}) {
    const Target* target = find_target(targets, "verbs." + operation + ".latency", 8, 1);
    ASSERT_NE(target, nullptr) << operation;
    EXPECT_EQ(target->comparison, Comparison::at_most);
    EXPECT_EQ(target->value, limit_us);
    EXPECT_FALSE(target->source.empty());
  }
}

TEST(DefaultTargets, AUserFileOverridesThem) {
  auto targets = default_targets(known);
  for (const Target& target : parse("[[target]]\ncheck = \"mpi.bcast.latency\"\nbelow = \"9 us\"\n")) {
    targets.push_back(target);
  }
  EXPECT_EQ(find_target(targets, "mpi.bcast.latency", 8, 1)->value, 9);
  EXPECT_EQ(find_target(targets, "mpi.allreduce.latency", 8, 1)->value, 5);
}

TEST(DefaultTargets, FailLoudlyWhenTheCatalogueLacksTheirCheck) {
  EXPECT_THAT(test::sentence_of([] {
                default_targets({{"mpi.barrier.latency", "us"}});
              }),
              HasSubstr("unknown check"));
}

}  // namespace
}  // namespace fabricheck::config
