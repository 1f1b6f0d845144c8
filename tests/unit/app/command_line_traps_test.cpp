// Command lines that are refused, and what is said of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/glob.hpp"
#include "unit/app/parsed_command.hpp"

namespace fabricheck::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

TEST(CommandLineTraps, ExtraPositionalsAreRefused) {
  EXPECT_EQ(run_error({"quick"}), "run: unexpected argument 'quick'; did you mean --suite quick?");
  EXPECT_EQ(run_error({"--suite", "quick", "full"}),
            "run: unexpected argument 'full'; did you mean --suite full?");
  EXPECT_EQ(run_error({"--", "--suite"}), "run: unexpected argument '--suite'");
  EXPECT_EQ(run_error({""}), "run: unexpected argument ''");
  EXPECT_EQ(run_error({"-"}), "run: unexpected argument '-'");
  EXPECT_EQ(error({"report", "a", "b"}), "report: unexpected argument 'b'");
}

TEST(CommandLineTraps, CommasDoNotSplitGlobs) {
  EXPECT_EQ(run_error({"--only", "mpi.*,topology.*"}),
            "--only: 'mpi.*,topology.*' is several in one; give each its own option: --only 'mpi.*' --only "
            "'topology.*'");
  EXPECT_THAT(run_error({"--skip", "mpi.*,nosuch"}), StartsWith("--skip: 'mpi.*,nosuch' matches no check"));
}

TEST(CommandLineTraps, RepeatedScalarsAreRefused) {
  EXPECT_EQ(run_error({"--budget", "5s", "--budget", "5s"}), "--budget is given twice");
  EXPECT_EQ(run_error({"--out=a", "--out", "b"}), "--out is given twice");
  EXPECT_EQ(run_error({"--allow-subset", "--allow-subset"}), "--allow-subset is given twice");
  EXPECT_EQ(error({"report", "r", "-o", "a", "--output", "b"}), "--output is given twice");
}

TEST(CommandLineTraps, AnOptionIsNoValue) {
  EXPECT_EQ(run_error({"--only", "--allow-subset"}),
            "--only needs a GLOB, but the option '--allow-subset' follows it");
  EXPECT_EQ(run_error({"--out", "--help"}), "--out needs a DIR, but the option '--help' follows it");
  EXPECT_EQ(run_error({"--out=--x"}), "--out needs a DIR, but the option '--x' follows it");
}

TEST(CommandLineTraps, OptionAtTheEndWithoutValue) {
  EXPECT_EQ(run_error({"--allow-subset", "--only"}), "run: '--only' needs a value");
  EXPECT_EQ(error({"report", "r", "-o"}), "report: '-o' needs a value");
  EXPECT_EQ(run_error({"--out", "--"}), "run: '--out' needs a value");
}

TEST(CommandLineTraps, EmptyValues) {
  for (const std::string option :
       {"suite", "budget", "only", "skip", "sizes", "targets", "out", "progress", "deadline"}) {
    EXPECT_THAT(run_error({"--" + option, ""}),
                StartsWith("--" + option + " has an empty value; it needs a "));
    EXPECT_THAT(run_error({"--" + option + "="}), StartsWith("--" + option + " has an empty value"));
  }
}

TEST(CommandLineTraps, FlagsTakeNoValue) {
  EXPECT_EQ(run_error({"--allow-subset=no"}), "--allow-subset takes no value, but has 'no'");
}

TEST(CommandLineTraps, UnknownOptions) {
  EXPECT_EQ(run_error({"--sutie", "quick"}), "run: unknown option '--sutie'; did you mean '--suite'?");
  EXPECT_EQ(run_error({"--sutie=quick"}), "run: unknown option '--sutie'; did you mean '--suite'?");
  EXPECT_THAT(run_error({"-x"}), StartsWith("run: unknown option '-x'"));
  EXPECT_THAT(run_error({"-suite"}), StartsWith("run: unknown option '-"));
  EXPECT_THAT(run_error({"---suite"}), StartsWith("run: unknown option '---suite'; did you mean '--suite'?"));
  EXPECT_THAT(run_error({"--verbose", "x"}), StartsWith("run: unknown option '--verbose'"));
  EXPECT_THAT(error({"list", "--format", "json"}), StartsWith("list: unknown option '--format'"));
}

TEST(CommandLineTraps, EndlessAndUnprintableArguments) {
  const std::string endless(1'000'000, 'a');
  EXPECT_LT(run_error({"--" + endless}).size(), 400U);
  EXPECT_LT(run_error({"--only=" + endless}).size(), 400U);
  EXPECT_LT(run_error({endless}).size(), 400U);
  EXPECT_LT(error({endless}).size(), 400U);
  EXPECT_THAT(run_error({"\x1b[2J"}), HasSubstr("'\\x1b[2J'"));
}

TEST(RunOptionsOf, WrongValues) {
  EXPECT_EQ(run_error({"--suite", "qiuck"}), "--suite: unknown 'qiuck'; did you mean 'quick'?");
  EXPECT_EQ(run_error({"--progress", "yes"}), "--progress: unknown 'yes'; known are auto, on, off");
  EXPECT_EQ(run_error({"--budget", "5"}), "--budget: the duration '5' has no unit; write for example 5s");
  EXPECT_EQ(run_error({"--budget", "-5s"}), "--budget: the duration '-5s' is negative");
  EXPECT_EQ(run_error({"--budget", "99ms"}), "--budget: '99ms' is not between 100 ms and 24 h");
  EXPECT_EQ(run_error({"--budget", "25h"}), "--budget: '25h' is not between 100 ms and 24 h");
  EXPECT_EQ(run_error({"--deadline", "61m"}), "--deadline: '61m' is not between 1.0 s and 1 h");
  EXPECT_EQ(run_error({"--silence", "999ms"}), "--silence: '999ms' is not between 1.0 s and 10 min");
  EXPECT_EQ(run_error({"--silence", "11m"}), "--silence: '11m' is not between 1.0 s and 10 min");
  EXPECT_EQ(run_error({"--sizes", "8,8"}), "--sizes: the list of sizes '8,8' has 8 B twice");
  EXPECT_EQ(run_error({"--sizes", "0"}), "--sizes: 0 B of '0' is not between 1 B and 64 GiB");
  EXPECT_EQ(run_error({"--sizes", "8,65GiB"}), "--sizes: 65 GiB of '8,65GiB' is not between 1 B and 64 GiB");
  EXPECT_EQ(run_error({"--sizes", "8,6"}), "--sizes: 6 B is no whole number of float32 elements of 4 B");
  EXPECT_THAT(run({"--sizes", "64GiB"}).sizes, ElementsAre(std::uint64_t{64} << 30));
}

TEST(RunOptionsOf, GlobsMustMatch) {
  EXPECT_EQ(run_error({"--only", "mpi.alreduce.latency"}),
            "--only: 'mpi.alreduce.latency' matches no check; did you mean 'mpi.allreduce.latency'?");
  EXPECT_THAT(run_error({"--skip", "nccl.*"}),
              StartsWith("--skip: 'nccl.*' matches no check; known are mpi.barrier"));
  EXPECT_EQ(run_error({"--only", "mpi.*", "--skip", "mpi*"}), "--skip: 'mpi*' leaves no check to run");
  EXPECT_EQ(run_error({"--skip", "*"}), "--skip: '*' leaves no check to run");
  EXPECT_TRUE(glob_matches("mpi.*.latency", "mpi.bcast.latency"));
  EXPECT_TRUE(glob_matches("mpi.?cast.latency", "mpi.bcast.latency"));
  EXPECT_FALSE(glob_matches("mpi", "mpi.bcast.latency")) << "the whole id has to match";
}

TEST(NearMisses, Globs) {
  EXPECT_EQ(run_error({"--only", "mpi.alreduce.*"}),
            "--only: 'mpi.alreduce.*' matches no check; did you mean 'mpi.allreduce.*'?");
  EXPECT_EQ(run_error({"--only", "mip.*"}), "--only: 'mip.*' matches no check; did you mean 'mpi.*'?");
  EXPECT_EQ(run_error({"--skip", "*.latncy"}),
            "--skip: '*.latncy' matches no check; did you mean '*.latency'?");
  EXPECT_EQ(run_error({"--skip", "*.barier.*"}),
            "--skip: '*.barier.*' matches no check; did you mean '*.barrier.*'?");
  EXPECT_EQ(run_error({"--only", "mpi.*.latncy"}),
            "--only: 'mpi.*.latncy' matches no check; did you mean 'mpi.*.latency'?");
  EXPECT_EQ(run_error({"--only", "topolgy.*"}),
            "--only: 'topolgy.*' matches no check; did you mean 'topology.*'?");
}

TEST(NearMisses, CommandsAndOptions) {
  EXPECT_EQ(error({"Run"}), "unknown command 'Run'; did you mean 'run'?");
  EXPECT_EQ(error({"topolgy"}), "unknown command 'topolgy'; did you mean 'topology'?");
  EXPECT_EQ(error({"help", "lunch"}), "unknown command 'lunch'; did you mean 'launch'?");
  EXPECT_EQ(run_error({"--bugdet", "5s"}), "run: unknown option '--bugdet'; did you mean '--budget'?");
  EXPECT_EQ(run_error({"--expct=good.toml"}), "run: unknown option '--expct'; did you mean '--expect'?");
  EXPECT_EQ(error({"launch", "--host", "a"}), "launch: unknown option '--host'; did you mean '--hosts'?");
  EXPECT_EQ(error({"topology", "--svae", "f"}), "topology: unknown option '--svae'; did you mean '--save'?");
  EXPECT_EQ(error({"report", "--ouput", "f"}), "report: unknown option '--ouput'; did you mean '--output'?");
  EXPECT_EQ(error({"launch", "--", "run", "--sutie", "full"}),
            "run: unknown option '--sutie'; did you mean '--suite'?");
}

TEST(NearMisses, OneDashBeforeALongOption) {
  EXPECT_EQ(run_error({"-suite", "full"}), "run: unknown option '-suite'; did you mean '--suite'?");
  EXPECT_EQ(run_error({"-bugdet=5s"}), "run: unknown option '-bugdet'; did you mean '--budget'?");
  EXPECT_EQ(error({"topology", "-format", "json"}),
            "topology: unknown option '-format'; did you mean '--format'?");
  EXPECT_THAT(run_error({"--out", "-x", "-z"}), StartsWith("run: unknown option '-z'"));
}

TEST(NearMisses, AnOptionOfAnotherCommandIsNamed) {
  EXPECT_EQ(run_error({"--hosts", "a,b"}), "run: unknown option '--hosts'; launch has it");
  EXPECT_EQ(error({"topology", "--budget", "5s"}), "topology: unknown option '--budget'; run has it");
}

TEST(NearMisses, Words) {
  EXPECT_EQ(run_error({"--progress", "of"}), "--progress: unknown 'of'; did you mean 'on'?");
  EXPECT_EQ(error({"report", "r", "--format", "cvs"}), "--format: unknown 'cvs'; did you mean 'csv'?");
  EXPECT_EQ(error({"topology", "matrix"}),
            "topology: unexpected argument 'matrix'; did you mean --format matrix?");
  EXPECT_EQ(error({"list", "platform"}), "list: cannot list 'platform'; did you mean 'platforms'?");
}

}  // namespace
}  // namespace fabricheck::app
