#include "app/command_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/glob.hpp"
#include "unit/app/parsed_command.hpp"

namespace fabricheck::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
TEST(CommandLine, Commands) {
  EXPECT_EQ(error({}), "no command is given; fabricheck help lists them");
  EXPECT_EQ(error({"rnu"}), "unknown command 'rnu'; did you mean 'run'?");
  EXPECT_EQ(
      error({""}),
      "unknown command ''; known are run, launch, node, topology, diagnose, report, compare, list, help, "
      "--version");
  EXPECT_EQ(error({"--verson"}), "unknown option '--verson'; did you mean '--version'?");
  EXPECT_THAT(error({"soak"}), StartsWith("unknown command 'soak'"));
  EXPECT_TRUE(std::holds_alternative<VersionRequest>(parse({"--version"})));
  EXPECT_EQ(error({"--version", "now"}), "--version: unexpected argument 'now'");
}

TEST(CommandLine, Help) {
  for (const Words& words : {Words{"help"}, Words{"--help"}, Words{"-h"}, Words{"help", "help"}}) {
    const std::string text = parsed_as<HelpRequest>(words).text;
    EXPECT_THAT(text, HasSubstr("launch"));
    EXPECT_THAT(text, HasSubstr("4  a rank hung or was lost"));
  }
  for (const std::string command : {"run", "launch", "topology", "report", "compare", "list"}) {
    const std::string text = parsed_as<HelpRequest>({command, "--help"}).text;
    EXPECT_THAT(text, StartsWith("Usage: fabricheck " + command));
    EXPECT_THAT(text, HasSubstr("Exit status"));
    EXPECT_THAT(text, HasSubstr("Examples:"));
    EXPECT_EQ(parsed_as<HelpRequest>({"help", command}).text, text);
    EXPECT_EQ(parsed_as<HelpRequest>({command, "-h"}).text, text);
  }
  EXPECT_THAT(parsed_as<HelpRequest>({"run", "--bogus", "--help"}).text, HasSubstr("--bind-numa"));
  EXPECT_THAT(parsed_as<HelpRequest>({"launch", "--", "run", "--help"}).text,
              StartsWith("Usage: fabricheck run"));
  EXPECT_EQ(error({"help", "rnu"}), "unknown command 'rnu'; did you mean 'run'?");
  EXPECT_EQ(error({"help", "run", "list"}), "help: unexpected argument 'list'");
}

TEST(CommandLine, EveryOptionInTheHelpIsTaken) {
  // One table feeds both: an option that the parser did not know would be called unknown here.
  const std::string text = parsed_as<HelpRequest>({"run", "--help"}).text;
  for (std::size_t at = text.find("  --"); at != std::string::npos; at = text.find("  --", at + 1)) {
    const std::string option = text.substr(at + 2, text.find_first_of(" \n", at + 2) - at - 2);
    EXPECT_THAT(run_error({option}), testing::Not(HasSubstr("unknown"))) << option;
  }
}

TEST(CommandLine, HelpFitsATerminal) {
  for (const Words& words : {Words{"help"}, Words{"help", "run"}, Words{"help", "launch"},
                             Words{"help", "report"}, Words{"help", "compare"}}) {
    std::string line;
    for (const char c : parsed_as<HelpRequest>(words).text + "\n") {
      if (c != '\n') {
        line += c;
        continue;
      }
      EXPECT_LE(line.size(), 115U) << line;
      line.clear();
    }
  }
}

TEST(RunOptionsOf, Defaults) {
  const RunOptions options = run({});
  EXPECT_EQ(options.suite, Suite::quick);
  EXPECT_EQ(options.budget, seconds(8));
  EXPECT_EQ(options.deadline, seconds(30));
  EXPECT_EQ(options.silence, seconds(5));
  EXPECT_EQ(options.out_directory, "fabricheck-results");
  EXPECT_EQ(options.progress, ProgressMode::automatic);
  EXPECT_FALSE(options.allow_subset);
  EXPECT_FALSE(options.bind_numa);
  EXPECT_TRUE(options.only.empty());
  EXPECT_TRUE(options.sizes.empty());
  EXPECT_TRUE(options.targets_file.empty());
}

TEST(RunOptionsOf, EveryOption) {
  const RunOptions options =
      run({"--suite",         "acceptance", "--budget=90s", "--only",     "mpi.*",      "--only",
           "topology.[a-d]*", "--skip",     "*.bcast.*",    "--sizes",    "8,64KiB",    "--targets",
           "t.toml",          "--out",      "a b",          "--progress", "off",        "--allow-subset",
           "--deadline",      "2s",         "--silence",    "1m",         "--bind-numa"});
  EXPECT_EQ(options.suite, Suite::acceptance);
  EXPECT_EQ(options.budget, seconds(90));
  EXPECT_THAT(options.only, ElementsAre("mpi.*", "topology.[a-d]*"));
  EXPECT_THAT(options.skip, ElementsAre("*.bcast.*"));
  EXPECT_THAT(options.sizes, ElementsAre(8U, 65536U));
  EXPECT_EQ(options.targets_file, "t.toml");
  EXPECT_EQ(options.out_directory, "a b");
  EXPECT_EQ(options.progress, ProgressMode::off);
  EXPECT_TRUE(options.allow_subset);
  EXPECT_EQ(options.deadline, seconds(2));
  EXPECT_EQ(options.silence, minutes(1));
  EXPECT_TRUE(options.bind_numa);
}

TEST(RunOptionsOf, BudgetBySuite) {
  EXPECT_EQ(run({"--suite", "quick"}).budget, seconds(8));
  EXPECT_EQ(run({"--suite", "acceptance"}).budget, minutes(10));
  EXPECT_EQ(run({"--suite", "full"}).budget, minutes(30));
  EXPECT_EQ(run({"--suite", "diagnose"}).budget, minutes(2));
  EXPECT_EQ(run({"--suite", "full", "--budget", "100ms"}).budget, milliseconds(100));
}

TEST(LaunchOptionsOf, EveryOption) {
  const auto launch =
      parsed_as<LaunchOptions>({"launch", "--hosts", "a:2,b", "--ranks-per-node", "4", "--timeout", "2h",
                                "--dry-run", "--", "run", "--suite", "full", "--out", "d"});
  EXPECT_THAT(launch.hosts, ElementsAre("a:2", "b"));
  EXPECT_EQ(launch.ranks_per_node, 4);
  EXPECT_EQ(launch.timeout, std::chrono::hours(2));
  EXPECT_TRUE(launch.dry_run);
  EXPECT_THAT(launch.run_arguments, ElementsAre("run", "--suite", "full", "--out", "d"));
  EXPECT_EQ(launch.run.suite, Suite::full);
  EXPECT_EQ(launch.run.out_directory, "d");
}

TEST(LaunchOptionsOf, Defaults) {
  const auto launch = parsed_as<LaunchOptions>({"launch"});
  EXPECT_THAT(launch.run_arguments, ElementsAre("run"));
  EXPECT_EQ(launch.run.budget, seconds(8));
  EXPECT_EQ(launch.timeout, seconds(0));
  EXPECT_EQ(launch.ranks_per_node, std::nullopt);
  EXPECT_TRUE(launch.hosts.empty());
  EXPECT_EQ(parsed_as<LaunchOptions>({"launch", "--hostfile", "h"}).hostfile, "h");
}

TEST(LaunchOptionsOf, WrongValues) {
  EXPECT_THAT(error({"launch", "run"}), HasSubstr("unexpected argument 'run'; what to run follows --"));
  EXPECT_THAT(error({"launch", "--hosts", "a", "run", "--dry-run"}), HasSubstr("what to run follows --"));
  EXPECT_EQ(error({"launch", "--suite", "full"}),
            "launch: '--suite' is an option of run; write it behind -- run");
  EXPECT_EQ(error({"launch", "--"}), "launch: nothing follows --; write -- run");
  EXPECT_EQ(error({"launch", "--", "topology"}),
            "launch: what follows -- has to begin with run, not 'topology'");
  EXPECT_EQ(error({"launch", "--", "run", "--suite", "fulll"}),
            "--suite: unknown 'fulll'; did you mean 'full'?");
  EXPECT_EQ(error({"launch", "--", "run", "--", "x"}), "run: unexpected argument 'x'");
  EXPECT_EQ(error({"launch", "--hosts", "a,,b"}), "--hosts: 'a,,b' has an empty host name");
  EXPECT_EQ(error({"launch", "--hosts", "a,"}), "--hosts: 'a,' has an empty host name");
  EXPECT_EQ(error({"launch", "--hosts", "a", "--hosts", "b"}), "--hosts is given twice");
  EXPECT_EQ(error({"launch", "--hosts", "a", "--hostfile", "b"}),
            "--hosts and --hostfile are both given; give one of them");
  EXPECT_EQ(error({"launch", "--ranks-per-node", "0"}),
            "launch: --ranks-per-node is '0'; it has to be a number from 1 to 1024");
  EXPECT_THAT(error({"launch", "--ranks-per-node", "8x"}), HasSubstr("--ranks-per-node is '8x'"));
  EXPECT_THAT(error({"launch", "--ranks-per-node", "-1"}), HasSubstr("--ranks-per-node is '-1'"));
  EXPECT_THAT(error({"launch", "--ranks-per-node", "99999999999999"}), HasSubstr("from 1 to 1024"));
  EXPECT_THAT(error({"launch", "--timeout", "500ms"}),
              HasSubstr("--timeout: '500ms' is not between 1.0 s and 168 h"));
}

TEST(OtherCommands, Topology) {
  const auto options =
      parsed_as<TopologyOptions>({"topology", "--format", "json", "--save", "f", "--sysroot", "/x"});
  EXPECT_EQ(options.format, TopologyFormat::json);
  EXPECT_EQ(options.save_file, "f");
  EXPECT_EQ(options.sysroot, "/x");
  EXPECT_EQ(parsed_as<TopologyOptions>({"topology"}).sysroot, "/");
  EXPECT_EQ(error({"topology", "--format", "tre"}), "--format: unknown 'tre'; did you mean 'tree'?");
}

TEST(OtherCommands, TopologyTakesTheFormatFromTheFileWhereNoneIsGiven) {
  const auto format_of = [](const Words& words) { return parsed_as<TopologyOptions>(words).format; };
  EXPECT_EQ(format_of({"topology"}), TopologyFormat::tree);
  EXPECT_EQ(format_of({"topology", "--save", "node.json"}), TopologyFormat::json);
  EXPECT_EQ(format_of({"topology", "--save", "node.svg"}), TopologyFormat::svg);
  EXPECT_EQ(format_of({"topology", "--save", "node.dot"}), TopologyFormat::dot);
  EXPECT_EQ(format_of({"topology", "--save", "node.txt"}), TopologyFormat::tree);
  EXPECT_EQ(format_of({"topology", "--save", "a.b/node7"}), TopologyFormat::tree);
  EXPECT_EQ(format_of({"topology", "--save", "node.json", "--format", "matrix"}), TopologyFormat::matrix);
  EXPECT_EQ(format_of({"topology", "--save", "node.png", "--format", "svg"}), TopologyFormat::svg);
  EXPECT_EQ(error({"topology", "--save", "node.png"}),
            "--save: the ending of 'node.png' is none of .txt, .json, .dot, .svg; say --format too");
  EXPECT_EQ(error({"topology", "--save", "node.7"}).substr(0, 7), "--save:");
}

TEST(OtherCommands, TopologyJudgesOnlyWhenItIsToldByWhat) {
  EXPECT_FALSE(parsed_as<TopologyOptions>({"topology", "--load", "f"}).judges);
  const auto options = parsed_as<TopologyOptions>({"topology", "--load", "f", "--expect", "good.toml",
                                                   "--platform", "dgx-h100", "--switch-topology", "ib"});
  EXPECT_TRUE(options.judges);
  EXPECT_EQ(options.load_file, "f");
  EXPECT_EQ(options.judge_by.expect_file, "good.toml");
  EXPECT_EQ(options.judge_by.platform, "dgx-h100");
  EXPECT_EQ(options.judge_by.switch_topology_file, "ib");
  EXPECT_THAT(error({"topology", "--load", "f", "--sysroot", "/x"}), HasSubstr("give one of them"));
}

TEST(OtherCommands, RunIsToldWhatShouldBeThere) {
  const auto options = parsed_as<RunOptions>(
      {"run", "--expect", "good.toml", "--platform", "auto", "--switch-topology", "ib.txt"});
  EXPECT_EQ(options.topology.expect_file, "good.toml");
  EXPECT_EQ(options.topology.platform, "auto");
  EXPECT_EQ(options.topology.switch_topology_file, "ib.txt");
}

TEST(OtherCommands, Report) {
  const auto options = parsed_as<ReportOptions>({"report", "dir/journal.jsonl", "--format", "md", "-o", "-"});
  EXPECT_EQ(options.path, "dir/journal.jsonl");
  EXPECT_EQ(options.format, ReportFormat::markdown);
  EXPECT_EQ(options.output_file, "-");
  EXPECT_EQ(parsed_as<ReportOptions>({"report", "-ofile", "r"}).output_file, "file");
  EXPECT_EQ(parsed_as<ReportOptions>({"report", "--", "-r"}).path, "-r");
  EXPECT_EQ(error({"report"}), "report: no result is named; write fabricheck report RESULT");
  EXPECT_EQ(error({"report", ""}), "report: the name of the result is empty");
  EXPECT_EQ(error({"report", "r", "--format", "html"}),
            "--format: unknown 'html'; known are console, json, md, csv");
}

TEST(OtherCommands, Compare) {
  const auto options = parsed_as<CompareOptions>({"compare", "old", "new/result.json"});
  EXPECT_EQ(options.before, "old");
  EXPECT_EQ(options.after, "new/result.json");
  EXPECT_EQ(options.tolerance_percent, 5.0);
  const auto tolerance = [](const std::string& text) {
    return parsed_as<CompareOptions>({"compare", "a", "b", "--tolerance", text}).tolerance_percent;
  };
  EXPECT_EQ(tolerance("2.5"), 2.5);
  EXPECT_EQ(tolerance("7%"), 7.0);
  EXPECT_EQ(tolerance("7 %"), 7.0);
  EXPECT_EQ(tolerance("0"), 0.0);
  EXPECT_EQ(tolerance("100"), 100.0);
  for (const std::string wrong : {"101", "-1", "five", "5x", "%", "nan", "inf", "1e1", "0x5", "5 5", "5%%"})
    EXPECT_EQ(error({"compare", "a", "b", "--tolerance", wrong}),
              "--tolerance: '" + wrong + "' is no percentage from 0 to 100, such as 5 or 2.5%");
  EXPECT_EQ(error({"compare"}), "compare: no result is named; write fabricheck compare OLD NEW");
  EXPECT_EQ(error({"compare", "a"}), "compare: only one result is named; write fabricheck compare OLD NEW");
  EXPECT_EQ(error({"compare", "a", "b", "c"}), "compare: unexpected argument 'c'");
  EXPECT_EQ(error({"compare", "a", ""}), "compare: the name of a result is empty");
  EXPECT_EQ(error({"compare", "a", "b", "--tolerence", "5"}),
            "compare: unknown option '--tolerence'; did you mean '--tolerance'?");
  EXPECT_EQ(error({"comapre", "a", "b"}), "unknown command 'comapre'; did you mean 'compare'?");
}

TEST(RunOptionsOf, Baseline) {
  EXPECT_EQ(run({}).baseline, "");
  const RunOptions options = run({"--baseline", "old.json", "--tolerance", "3%"});
  EXPECT_EQ(options.baseline, "old.json");
  EXPECT_EQ(options.tolerance_percent, 3.0);
  EXPECT_EQ(run_error({"--tolerance", "3"}),
            "--tolerance is given without --baseline: there is nothing to compare with");
  EXPECT_EQ(run_error({"--basline", "x"}), "run: unknown option '--basline'; did you mean '--baseline'?");
}

TEST(OtherCommands, List) {
  EXPECT_EQ(parsed_as<ListOptions>({"list", "checks"}).subject, ListSubject::checks);
  EXPECT_EQ(parsed_as<ListOptions>({"list", "targets"}).subject, ListSubject::targets);
  EXPECT_EQ(error({"list"}), "list: write what to list: checks, targets, platforms or findings");
  EXPECT_EQ(error({"list", "chekcs"}), "list: cannot list 'chekcs'; did you mean 'checks'?");
  EXPECT_EQ(parsed_as<ListOptions>({"list", "platforms"}).subject, ListSubject::platforms);
  EXPECT_EQ(parsed_as<ListOptions>({"list", "findings"}).subject, ListSubject::findings);
  EXPECT_THAT(error({"list", "xyz"}), HasSubstr("known are checks, targets, platforms, findings"));
}

TEST(CommandLine, VariantsOfCollectives) {
  EXPECT_TRUE(run({}).types.empty());
  EXPECT_EQ(run({"--types", "int64,float32"}).types, (std::vector{DataType::int64, DataType::float32}));
  EXPECT_EQ(run({"--reductions=prod"}).reductions, std::vector{Reduction::prod});
  EXPECT_EQ(run({"--in-place", "both"}).in_place, InPlace::both);
  EXPECT_EQ(run({"--verify-repeat", "1000"}).verify_repeat, 1000u);
  const auto refusal = [](const Words& words) { return run_error(words, {"mpi.allreduce.latency"}); };
  EXPECT_THAT(refusal({"--types", "flaot32"}), HasSubstr("did you mean 'float32'?"));
  EXPECT_THAT(refusal({"--types", ""}), HasSubstr("--types"));
  EXPECT_EQ(refusal({"--types", "int64,float32,int64"}),
            "--types: int64 is named twice in 'int64,float32,int64'");
  EXPECT_THAT(refusal({"--reductions", "sum,sum"}), HasSubstr("sum is named twice"));
  EXPECT_THAT(refusal({"--reductions", "som"}), HasSubstr("did you mean 'sum'?"));
  EXPECT_THAT(refusal({"--in-place", "yes"}), HasSubstr("--in-place"));
  EXPECT_THAT(refusal({"--verify-repeat", "0"}), HasSubstr("--verify-repeat"));
  EXPECT_THAT(refusal({"--verify-repeat", "12x"}), HasSubstr("--verify-repeat"));
  EXPECT_THAT(refusal({"--sizes", "12", "--types", "float64"}), HasSubstr("float64"));
  EXPECT_EQ(refusal({"--sizes", "12", "--types", "int32"}), "no error");
}

TEST(CommandLine, ABurnThatIsAskedForByNameNeedsItsTime) {
  const auto refusal = [](const Words& words) { return run_error(words, {"gpu.burn.rate", "gpu.hbm.copy"}); };
  EXPECT_THAT(refusal({"--only", "gpu.burn.rate"}), HasSubstr("--burn 10s"));
  EXPECT_THAT(refusal({"--only", "gpu.*", "--skip", "gpu.hbm.*"}), HasSubstr("--burn 10s"));
  EXPECT_EQ(refusal({"--only", "gpu.burn.rate", "--burn", "10s"}), "no error");
  EXPECT_THAT(refusal({"--only", "gpu.hbm.*", "--burn", "10s"}), HasSubstr("--burn: --only"));
  EXPECT_EQ(refusal({"--only", "gpu.*"}), "no error");
}

DiagnoseOptions diagnose(Words words) {
  words.insert(words.begin(), "diagnose");
  return parsed_as<DiagnoseOptions>(words);
}

TEST(DiagnoseCommand, TakesFilesWithAndWithoutTheOption) {
  const DiagnoseOptions options = diagnose({"--nccl-log", "a.log", "--nccl-log", "b.log.gz", "dmesg.txt", "-",
                                            "--topology", "t.json", "--result", "r", "--json", "-"});
  EXPECT_THAT(options.files, ElementsAre("a.log", "b.log.gz", "dmesg.txt", "-"));
  EXPECT_EQ(options.topology_file, "t.json");
  EXPECT_EQ(options.result_file, "r");
  EXPECT_EQ(options.json_file, "-");
}

TEST(DiagnoseCommand, WantsAFile) {
  EXPECT_THAT(error({"diagnose"}), HasSubstr("no file is named"));
  EXPECT_THAT(error({"diagnose", "-", "-"}), HasSubstr("named twice"));
  EXPECT_THAT(error({"diagnose", "--ncl-log", "a"}), HasSubstr("--nccl-log"));
  EXPECT_THAT(error({"diagnose", "--json"}), HasSubstr("needs a value"));
}

TEST(RunOptionsOfLinks, AreNumbersInTheirRanges) {
  const auto links = [](const Words& words) {
    Words all{"run"};
    all.insert(all.end(), words.begin(), words.end());
    return std::get<RunOptions>(parse(all)).links;
  };
  EXPECT_EQ(links({}).device, "");
  EXPECT_EQ(links({}).traffic_class, std::nullopt);
  const LinkOptions all =
      links({"--device", "mlx5_0", "--gid-index", "3", "--traffic-class", "106", "--sl", "0"});
  EXPECT_EQ(all.device, "mlx5_0");
  EXPECT_EQ(all.gid_index, 3);
  EXPECT_EQ(all.traffic_class, 106);
  EXPECT_EQ(all.service_level, 0);
  EXPECT_THAT(error({"run", "--traffic-class", "256"}),
              AllOf(HasSubstr("--traffic-class"), HasSubstr("255")));
  EXPECT_THAT(error({"run", "--sl", "16"}), AllOf(HasSubstr("--sl"), HasSubstr("15")));
  EXPECT_THAT(error({"run", "--gid-index", "first"}), AllOf(HasSubstr("--gid-index"), HasSubstr("first")));
  EXPECT_THAT(error({"run", "--gid-index=-1"}), HasSubstr("--gid-index"));
}

}  // namespace
}  // namespace fabricheck::app
