#include "app/command_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "app/choice_words.hpp"
#include "core/variant.hpp"

namespace fabricheck::app {
namespace {

constexpr const char* expect_help =
    "what each host should have, in TOML, as topology --save-expectation writes it";
constexpr const char* platform_help =
    "what kind of machine the hosts are (fabricheck list platforms), or auto (default)";
constexpr const char* switches_help =
    "which leaf switch each NIC is cabled to: ibnetdiscover, lldpctl -f keyvalue or Slurm's topology.conf";

constexpr const char* tolerance_help =
    "how much a figure may change without being worse or better, such as 5 (default) or 2.5%";

/// "sum (default), max, min, prod, and NCCL's avg"
template <class Known, class Host, class Value>
std::string listed(const Known& known, const Host& host, std::string_view (*name_of)(Value)) {
  std::string text;
  for (const Value one : host)
    text += fmt::format("{}{}{}", text.empty() ? "" : ", ", name_of(one),
                        one == known.front() ? " (default)" : "");
  const char* before = ", and NCCL's ";
  for (const Value one : known) {
    if (std::find(host.begin(), host.end(), one) != host.end()) continue;
    text += fmt::format("{}{}", std::exchange(before, ", "), name_of(one));
  }
  return text;
}

std::string listed_types() { return listed(known_types, host_types, type_name); }
std::string listed_reductions() { return listed(known_reductions, host_reductions, reduction_name); }

constexpr auto suite_choices = words_of(suite_words);
constexpr auto progress_choices = words_of(progress_words);
constexpr auto profile_choices = words_of(profile_words);
constexpr auto topology_format_choices = words_of(topology_format_words);
constexpr auto report_format_choices = words_of(report_format_words);
constexpr auto pairs_choices = words_of(pairs_words);
constexpr auto in_place_choices = words_of(in_place_words);
constexpr auto list_subject_choices = words_of(list_subject_words);

constexpr std::array<OptionRow, 36> run_options{{
    {"suite", 0, "NAME", "", false, Names::nothing, suite_choices},
    {"budget", 0, "DURATION",
     "time for all checks together, 100ms to 24h (default by suite: quick 8s, acceptance 10m, full 30m, "
     "diagnose 2m); a missed target is measured longer, to be sure of it; what does not begin within 3 x "
     "that and "
     "20 s is not measured",
     false},
    {"only", 0, "GLOB", "run only the checks whose id matches, such as 'mpi.*'; may be repeated", true,
     Names::check},
    {"skip", 0, "GLOB", "leave out the checks whose id matches; may be repeated", true, Names::check},
    {"sizes", 0, "LIST",
     "message sizes instead of each check's own, such as 8,64KiB,1MiB; each at most 64GiB", false},
    {"types", 0, "LIST", "element types of collectives: ", false, Names::nothing, {}, listed_types},
    {"reductions", 0, "LIST", "reductions of collectives: ", false, Names::nothing, {}, listed_reductions},
    {"in-place", 0, "MODE", "whether collectives work with MPI_IN_PLACE, where that means something", false,
     Names::nothing, in_place_choices},
    {"verify-repeat", 0, "N",
     "so many iterations more of each check, every one verified: a hunt for rare corruption", false},
    {"queue-pairs", 0, "N", "queue pairs of verbs bandwidth and message rate, 1 (default) to 1024", false},
    {"depth", 0, "N", "verbs messages on their way in each queue pair, 1 to 8192 (default 128)", false},
    {"pairs", 0, "CHOICE",
     "which ports verbs join: each host with a neighbour by rail, across rails, or every host with every "
     "other",
     false, Names::nothing, pairs_choices},
    {"loopback", 0, "", "join the ranks of each host instead: tests its NICs and no network", false},
    {"nccl", 0, "FILE", "the NCCL library to use, such as the job's own libnccl.so.2", false, Names::file},
    {"gpu-memory", 0, "SIZE",
     "the most GPU memory to allocate, such as 16GiB, or a share of what is free (default 80%)", false},
    {"share-gpus", 0, "",
     "let several ranks drive one GPU: to try things out, nothing on GPUs is judged then", false},
    {"single-process", 0, "", "this node's GPUs alone, a thread for each, without MPI and without a network",
     false},
    {"cuda-graph", 0, "", "capture NCCL's operations in a CUDA graph and launch that", false},
    {"register-buffers", 0, "", "register the buffers of collectives with NCCL (2.19 and later)", false},
    {"burn", 0, "DURATION",
     "multiply matrices on every GPU for so long, 1s to 30 days, and watch clocks, power and throttling",
     false},
    {"targets", 0, "FILE", "targets in TOML; they override the built-in ones", false, Names::file},
    {"expect", 0, "FILE", expect_help, false, Names::file},
    {"platform", 0, "NAME", platform_help, false, Names::platform},
    {"switch-topology", 0, "FILE", switches_help, false, Names::file},
    {"device", 0, "LIST",
     "RDMA devices that the ranks of each host use in turn, such as mlx5_0 or mlx5_0:1,mlx5_1, instead of "
     "the nearest "
     "to their GPUs",
     false},
    {"gid-index", 0, "N",
     "the entry of the GID table that both ends of a pair use, instead of the best that they share", false},
    {"traffic-class", 0, "N",
     "traffic class of RDMA packets, 0 to 255, for verbs, NCCL and UCX (default: NCCL_IB_TC, else 0)", false},
    {"sl", 0, "N", "service level of RDMA packets, 0 to 15, as above (default: NCCL_IB_SL, else 0)", false},
    {"baseline", 0, "FILE",
     "compare with an earlier result, as compare does; what became worse is a finding and exit status 1",
     false, Names::file},
    {"tolerance", 0, "PERCENT", tolerance_help, false},
    {"out", 0, "DIR", "folder for result.json and journal.jsonl (default fabricheck-results)", false,
     Names::folder},
    {"progress", 0, "MODE",
     "what runs, on standard error: auto rewrites one line on a terminal, on writes a line for each", false,
     Names::nothing, progress_choices},
    {"allow-subset", 0, "", "accept fewer hosts than the allocation has", false},
    {"deadline", 0, "DURATION", "give a check up in which nothing moves for so long, 1s to 1h (default 30s)",
     false},
    {"silence", 0, "DURATION", "call a rank hung that is silent for so long, 1s to 10m (default 5s)", false},
    {"bind-numa", 0, "", "each rank binds itself to the NUMA node of its GPU; added by launch", false},
}};

constexpr std::array<OptionRow, 5> launch_options{{
    {"hosts", 0, "LIST", "hosts, such as a,b or a:4,b:4 for 4 ranks on each", false},
    {"hostfile", 0, "FILE", "one host per line: HOST, HOST:N or HOST slots=N; # begins a comment", false,
     Names::file},
    {"ranks-per-node", 0, "N", "ranks on each host that names no number itself, 1 to 1024", false},
    {"timeout", 0, "DURATION",
     "end the whole job after so long, 1s to 7 days (default: 3 x the budget + --burn + 5 min; none with "
     "--verify-repeat)",
     false},
    {"dry-run", 0, "", "show the mpirun command and why, and start nothing", false},
}};

constexpr std::array<OptionRow, 9> node_options{{
    {"profile", 0, "NAME",
     "prolog and health look and touch nothing; the others use devices that nobody else does", false,
     Names::nothing, profile_choices},
    {"budget", 0, "DURATION",
     "the whole ends within it and a second, 100ms to 1h (default by profile: prolog, epilog and health 5s, "
     "acceptance 5m)",
     false},
    {"config", 0, "FILE", "the site's fabricheck.toml; without one nothing is ever drained", false,
     Names::file},
    {"expect", 0, "FILE", expect_help, false, Names::file},
    {"targets", 0, "FILE", "targets in TOML; they override the built-in ones", false, Names::file},
    {"storage-path", 0, "DIR", "a folder that has to be mounted and writable", false, Names::folder},
    {"json", 0, "FILE", "write the result to FILE, or to standard output (-)", false, Names::file},
    {"sysroot", 0, "DIR",
     "look for sys and proc in DIR instead of / (a machine recorded by scripts/capture-node)", false,
     Names::folder},
    {"slurm", 0, "",
     "act on Slurm as the configuration says; exit with 1 only when the job must not run here", false},
}};

constexpr std::array<OptionRow, 8> topology_options{{
    {"format", 0, "FORMAT", "without it the ending of --save's FILE decides", false, Names::nothing,
     topology_format_choices},
    {"save", 0, "FILE", "write to FILE instead of standard output", false, Names::file},
    {"load", 0, "FILE",
     "show what FILE holds: our topology.json or result.json, an NCCL topology file, hwloc's XML or the "
     "output of "
     "nvidia-smi topo -m",
     false, Names::file},
    {"sysroot", 0, "DIR",
     "look for sys and proc in DIR instead of / (a machine recorded by scripts/capture-node)", false,
     Names::folder},
    {"save-expectation", 0, "FILE", "write what this good host has as what every host should have", false,
     Names::file},
    {"expect", 0, "FILE", expect_help, false, Names::file},
    {"platform", 0, "NAME", platform_help, false, Names::platform},
    {"switch-topology", 0, "FILE", switches_help, false, Names::file},
}};

constexpr std::array<OptionRow, 4> diagnose_options{{
    {"nccl-log", 0, "FILE",
     "a log of NCCL's (NCCL_DEBUG=INFO or WARN), as FILE without the option; may be repeated", true,
     Names::file},
    {"topology", 0, "FILE", "what topology --load takes: what speed to expect, and what is wrong there",
     false, Names::file},
    {"result", 0, "FILE", "a result of fabricheck run", false, Names::file},
    {"json", 0, "FILE", "write the findings as JSON, - for standard output", false, Names::file},
}};

constexpr std::array<OptionRow, 1> compare_options{{
    {"tolerance", 0, "PERCENT", tolerance_help, false},
}};

constexpr std::array<OptionRow, 2> report_options{{
    {"format", 0, "FORMAT", "", false, Names::nothing, report_format_choices},
    {"output", 'o', "FILE", "write to FILE instead of standard output (-)", false, Names::file},
}};

constexpr std::array<const char*, 5> run_examples{
    "fabricheck run", "mpirun --host a:8,b:8 fabricheck run --suite acceptance --out results",
    "srun --mpi=pmix -N 16 --ntasks-per-node 8 fabricheck run",
    "fabricheck run --only 'mpi.allreduce.*' --sizes 8,1MiB --budget 30s",
    "fabricheck run --baseline last-week/result.json --out today"};
constexpr std::array<const char*, 3> launch_examples{
    "fabricheck launch --hosts node1,node2 -- run --suite acceptance",
    "fabricheck launch --hostfile hosts.txt --dry-run -- run", "salloc -N 4 fabricheck launch -- run"};
constexpr std::array<const char*, 4> node_examples{
    "fabricheck node", "fabricheck node --profile health --json -",
    "fabricheck node --config /etc/fabricheck/fabricheck.toml --slurm",
    "fabricheck node --expect good.toml --budget 2s"};
constexpr std::array<const char*, 5> topology_examples{
    "fabricheck topology", "fabricheck topology --format matrix", "fabricheck topology --save node7.svg",
    "fabricheck topology --save-expectation good.toml",
    "fabricheck topology --load topology.json --expect good.toml"};
constexpr std::array<const char*, 2> report_examples{
    "fabricheck report fabricheck-results --format md -o report.md",
    "fabricheck report fabricheck-results/journal.jsonl"};
constexpr std::array<const char*, 2> compare_examples{
    "fabricheck compare before/result.json after/result.json",
    "fabricheck compare last-week today --tolerance 10"};
constexpr std::array<const char*, 4> diagnose_examples{
    "fabricheck diagnose job.log", "NCCL_DEBUG=INFO mpirun ./train 2>&1 | fabricheck diagnose -",
    "fabricheck diagnose rank*.log.gz dmesg.txt --topology topology.json",
    "fabricheck diagnose job.log --json -"};
constexpr std::array<const char*, 3> list_examples{"fabricheck list checks", "fabricheck list platforms",
                                                   "fabricheck list findings"};

const std::array<CommandRow, 8>& rows() {
  static const std::array<CommandRow, 8> table{{
      {"run", "", "measure, judge and report",
       "Started by mpirun, mpiexec or srun it uses that world; started by hand it goes through launch: on "
       "the hosts of\n"
       "the Slurm allocation, else on this machine; one rank per GPU, or two in host memory where there is "
       "none.",
       run_options, run_examples, true},
      {"launch", " [-- run RUN-OPTION...]", "start run on several hosts with mpirun",
       "One rank per GPU on each host, bound to the GPU's NUMA node. Hosts come from --hosts, --hostfile or "
       "the Slurm\n"
       "allocation, else it is this machine alone. What follows -- is the run; without it, plain run.",
       launch_options, launch_examples, true},
      {"node", "", "check this node alone, as around a job of Slurm",
       "Whether its devices answer and are whole, and what jobs need is there; no MPI is started. In slurm/ "
       "are a "
       "prolog,\n"
       "an epilog and a health check that call it with --slurm. No check of this version uses a GPU.",
       node_options, node_examples, true},
      {"topology", "", "show what this machine has",
       "Hosts, NUMA nodes, PCI switches, GPUs, NVLink, RDMA devices and how they are joined; with --expect, "
       "--platform "
       "or\n--switch-topology also whether it is what should be there, and the exit status says so.",
       topology_options, topology_examples, true},
      {"diagnose", " [FILE...]", "find the cause in logs and the output of tools",
       "Each FILE (- for standard input, .gz too; a folder stands for the files in it) may be a log with "
       "NCCL's lines of any number of ranks, the "
       "output of "
       "nccl-tests,\n"
       "perftest, ibstat, ibv_devinfo, show_gids, lspci -vvv, dmesg or nvidia-smi, a topology or a result. "
       "The root "
       "cause comes\n"
       "first, with the lines that show it, what to do and what would confirm it.",
       diagnose_options, diagnose_examples, false, Names::file},
      {"report", " RESULT", "show a result again, in any format",
       "RESULT is a result.json, a journal.jsonl (the result is rebuilt from it), or the folder that holds "
       "them.",
       report_options, report_examples, false, Names::file},
      {"compare", " OLD NEW", "hold a result against an earlier one",
       "Check by check: worse, better, unchanged, or not comparable and why; what else changed (hosts, "
       "versions, settings)\n"
       "is told apart from what became slower. OLD and NEW are each what report takes.",
       compare_options, compare_examples, false, Names::file},
      {"list",
       "",
       "list what can be checked, the built-in targets, the known platforms or what diagnose can find",
       "Check ids are what --only and --skip match, and what targets name; platforms are what --platform "
       "names;\nfindings are what diagnose and its JSON call a cause.",
       {},
       list_examples,
       false,
       Names::nothing,
       list_subject_choices},
  }};
  return table;
}

constexpr std::array<ExitStatusRow, 5> judging_statuses{
    {{2, "a wrong option, file or launch; nothing was measured"},
     {4, "a rank hung or was lost"},
     {1, "a target was missed, or something is worse than --baseline"},
     {3, "the tool or its environment is broken, or nothing conclusive was measured"},
     {0, "everything that was asked passed"}}};
constexpr std::array<ExitStatusRow, 4> compare_statuses{
    {{2, "a wrong option or file"},
     {3, "nothing could be compared"},
     {1, "something became worse by more than the tolerance"},
     {0, "nothing became worse"}}};
constexpr std::array<ExitStatusRow, 4> diagnose_statuses{
    {{2, "a wrong option or file"},
     {1, "a finding that is bad or fatal"},
     {3, "nothing could be read, or what was read tells too little"},
     {0, "nothing wrong in what was given"}}};
constexpr std::array<ExitStatusRow, 3> plain_statuses{
    {{2, "a wrong option or file"}, {3, "the tool or its environment is broken"}, {0, "done"}}};

std::string exit_statuses(std::span<const ExitStatusRow> statuses) {
  std::string text = "Exit status, the first that applies:\n";
  for (const ExitStatusRow& row : statuses) text += fmt::format("  {}  {}\n", row.status, row.meaning);
  return text;
}

/// Appends `text` after `indent` columns, broken between words before column 100.
void append_wrapped(std::string& out, std::string_view text, std::size_t indent) {
  constexpr std::size_t width = 100;
  std::size_t column = indent;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (column > indent && column + 1 + end > width) {
      out += '\n' + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += text.substr(0, end);
    column += end;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  out += '\n';
}

}  // namespace

std::span<const CommandRow> command_rows() { return rows(); }

const CommandRow* find_command(std::string_view name) {
  for (const CommandRow& row : rows()) {
    if (name == row.name) return &row;
  }
  return nullptr;
}

std::vector<std::string> command_names() {
  std::vector<std::string> names;
  for (const CommandRow& row : rows()) names.emplace_back(row.name);
  return names;
}

const char* const program_description =
    "fabricheck finds out what the hosts of a GPU cluster are made of, measures what runs between them, "
    "holds both "
    "against targets with an honest interval, and names the part to fix. Started by mpirun or srun it is one "
    "rank per GPU; started by hand it starts its ranks itself.";

const char* const units_help = "Sizes are written 8, 64KiB, 1GiB; durations 500ms, 5s, 10m.";

std::string alternatives(std::span<const char* const> words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

std::string option_help(const OptionRow& option) {
  if (option.listed) return option.help + option.listed();
  if (option.choices.empty()) return option.help;
  std::string text = alternatives(option.choices);
  text.insert(std::string_view(option.choices.front()).size(), " (default)");
  if (*option.help != '\0') text += fmt::format("; {}", option.help);
  return text;
}

std::string usage(const CommandRow& command) {
  std::string text = command.name;
  if (!command.options.empty()) text += " [OPTION...]";
  text += command.arguments;
  for (const char* word : command.choices) {
    text += word == command.choices.front() ? ' ' : '|';
    text += word;
  }
  return text;
}

std::span<const ExitStatusRow> exit_status_rows() { return judging_statuses; }

std::span<const ExitStatusRow> exit_status_rows(const CommandRow& command) {
  if (command.judges) return judging_statuses;
  if (command.options.data() == compare_options.data()) return compare_statuses;
  if (command.options.data() == diagnose_options.data()) return diagnose_statuses;
  return plain_statuses;
}

std::string program_help() {
  std::string text = fmt::format("fabricheck {}.\n\n", program_purpose);
  text += "Usage: fabricheck COMMAND [OPTION...]\n\nCommands:\n";
  for (const CommandRow& row : rows()) text += fmt::format("  {:<10}{}\n", row.name, row.summary);
  text += fmt::format("  {:<10}{}\n\n", "help", "this text, or that of a command: fabricheck help run");
  text += "Options:\n  -h, --help      this text\n  --version       version and what it was built with\n\n";
  text += "Examples:\n";
  for (const CommandRow& row : rows()) text += fmt::format("  {}\n", row.examples.front());
  text += fmt::format("\n{}\n\n", units_help);
  return text + exit_statuses(judging_statuses);
}

std::string command_help(const CommandRow& command) {
  std::string text = fmt::format("Usage: fabricheck {}\n\n{}\n\nOptions:\n", usage(command), command.details);
  constexpr std::size_t column = 27;
  for (const OptionRow& option : command.options) {
    std::string left = option.letter == 0 ? "  " : fmt::format("  -{}, ", option.letter);
    left += fmt::format("--{}{}{}", option.name, option.is_flag() ? "" : " ", option.value);
    text += fmt::format("{:<{}}", left, column);
    append_wrapped(text, option_help(option), column);
  }
  text += fmt::format("{:<{}}this text\n\nExamples:\n", "  -h, --help", column);
  for (const char* example : command.examples) text += fmt::format("  {}\n", example);
  text += '\n';
  const bool has_units =
      std::any_of(command.options.begin(), command.options.end(),
                  [](const OptionRow& row) { return std::string_view(row.value) == "DURATION"; });
  if (has_units) text += fmt::format("{}\n\n", units_help);
  return text + exit_statuses(exit_status_rows(command));
}

}  // namespace fabricheck::app
