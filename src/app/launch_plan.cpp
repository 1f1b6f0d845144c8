#include "app/launch_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>
#include <set>
#include <string_view>

#include "core/error.hpp"
#include "core/text.hpp"
#include "core/verdict.hpp"

namespace fabricheck::app {
namespace {

/// Linux takes at most 128 KiB in one argument.
constexpr std::size_t longest_argument = 131'000;
constexpr int ranks_without_gpu = 2;

std::string text_of(const Environment& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

/// How many of `gpus` CUDA will show; none where CUDA_VISIBLE_DEVICES is not set. An entry that is no GPU
/// hides all after it (CUDA Programming Guide, environment variables).
std::optional<int> shown_gpus(const Environment& environment, int gpus) {
  const auto found = environment.find("CUDA_VISIBLE_DEVICES");
  if (found == environment.end()) return std::nullopt;
  int shown = 0;
  std::string_view rest = found->second;
  while (!rest.empty() && shown < gpus) {
    std::string_view entry = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(entry.size() + 1, rest.size()));
    entry.remove_prefix(std::min(entry.find_first_not_of(' '), entry.size()));
    int index = -1;
    const auto [end, error] = std::from_chars(entry.data(), entry.data() + entry.size(), index);
    const bool is_index = error == std::errc{} && end == entry.data() + entry.size();
    if (is_index ? index < 0 || index >= gpus : !entry.starts_with("GPU-") && !entry.starts_with("MIG-"))
      break;
    ++shown;
  }
  return shown;
}

/// The name up to its domain: an allocation may say `node1` where a host list says `node1.cluster`.
std::string short_name(const std::string& name) {
  const bool is_address =
      std::all_of(name.begin(), name.end(), [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
  return lowered(is_address ? name : name.substr(0, name.find('.')));
}

bool is_here(const std::string& host, const LaunchFacts& facts) {
  return lowered(host) == "localhost" || host == "127.0.0.1" ||
         short_name(host) == short_name(facts.host_name) ||
         std::find(facts.addresses.begin(), facts.addresses.end(), host) != facts.addresses.end();
}

std::vector<LaunchHost> given_hosts(const LaunchOptions& options, const LaunchFacts& facts) {
  if (!options.hosts.empty() && !options.hostfile.empty()) {
    throw UsageError("--hosts and --hostfile are both given; give one of them");
  }
  if (!options.hostfile.empty()) return parse_hostfile(facts.hostfile_text, options.hostfile);
  return parse_host_words(options.hosts, "--hosts");
}

std::vector<std::string> allocation_of(const Environment& environment) {
  const std::string list = text_of(environment, "SLURM_JOB_NODELIST");
  if (list.empty()) return {};
  std::vector<std::string> nodes;
  try {
    nodes = expand_node_list(list);
  } catch (const UsageError& error) {
    throw UsageError(fmt::format("SLURM_JOB_NODELIST: {}", error.what()));
  }
  const std::string count = text_of(environment, "SLURM_JOB_NUM_NODES");
  if (!count.empty() && count != std::to_string(nodes.size())) {
    throw UsageError(
        fmt::format("SLURM_JOB_NODELIST names {} hosts, but SLURM_JOB_NUM_NODES is {}; unset both to launch "
                    "without the allocation",
                    nodes.size(), quoted_text(count)));
  }
  return nodes;
}

class Planner {
 public:
  Planner(const LaunchOptions& options, const Environment& environment, const LaunchFacts& facts)
      : options_(options), environment_(environment), facts_(facts) {}

  LaunchPlan plan() {
    refuse_nesting();
    plan_.hosts = given_hosts(options_, facts_);
    allocation_ = allocation_of(environment_);
    choose_hosts();
    put_this_machine_first();
    choose_ranks();
    if (!plan_.first_host_is_here) {
      say("rank 0 runs on {}: results are written there, and {} has to exist on every host",
          plan_.hosts.front().name, facts_.program);
    }
    set_timeout();
    write_command();
    plan_.environment["FABRICHECK_LAUNCHED"] = "1";
    // Open MPI gives each rank a terminal of its own, so that a rank cannot see whether there is one.
    plan_.environment["FABRICHECK_TERMINAL"] = facts_.stdout_is_terminal ? "1" : "0";
    return plan_;
  }

 private:
  template <typename... Arguments>
  void say(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    plan_.explanation.push_back(fmt::format(format, std::forward<Arguments>(arguments)...));
  }

  void add(std::initializer_list<std::string> words) { plan_.argv.insert(plan_.argv.end(), words); }

  void refuse_nesting() const {
    // Each rank would launch a job of its own, and each rank of that again.
    if (!text_of(environment_, "FABRICHECK_LAUNCHED").empty()) {
      throw UsageError(
          "this was started by fabricheck launch, but not as a rank of its job: is the mpirun in PATH the "
          "one "
          "that fabricheck was built with?");
    }
    const std::string ranks = text_of(environment_, "OMPI_COMM_WORLD_SIZE");
    if (!ranks.empty()) {
      throw UsageError(
          fmt::format("launch was itself started by mpirun with {} ranks; start it without mpirun, or let "
                      "mpirun start 'fabricheck run'",
                      ranks));
    }
  }

  void choose_hosts() {
    given_ = !plan_.hosts.empty();
    if (given_ && !allocation_.empty()) {
      std::set<std::string> allocated;
      for (const std::string& node : allocation_) allocated.insert(short_name(node));
      for (const LaunchHost& host : plan_.hosts) {
        if (allocated.count(short_name(host.name)) == 0 &&
            !(is_here(host.name, facts_) && here_is_allocated())) {
          throw UsageError(fmt::format("the host {} is not in the Slurm allocation ({})",
                                       quoted_text(host.name), first_few(allocation_, 8)));
        }
      }
    }
    if (given_) return;
    for (const std::string& node : allocation_) plan_.hosts.push_back({node, 0});
    if (plan_.hosts.empty()) {
      plan_.hosts.push_back({facts_.host_name, 0});
      say("no hosts are given and there is no Slurm allocation: this machine alone");
    } else {
      say("no hosts are given: the {} of the Slurm allocation ({})",
          plan_.hosts.size() == 1 ? "host" : fmt::format("{} hosts", plan_.hosts.size()),
          first_few(allocation_, 8));
    }
  }

  bool here_is_allocated() const {
    return std::any_of(allocation_.begin(), allocation_.end(), [&](const std::string& node) {
      return short_name(node) == short_name(facts_.host_name);
    });
  }

  /// As mpirun does with the host it runs on, whatever the order it is given: rank 0 is there.
  void put_this_machine_first() {
    const auto here = std::find_if(plan_.hosts.begin(), plan_.hosts.end(),
                                   [&](const LaunchHost& host) { return is_here(host.name, facts_); });
    plan_.first_host_is_here = here != plan_.hosts.end();
    if (plan_.first_host_is_here) std::rotate(plan_.hosts.begin(), here, here + 1);
  }

  /// The only host is this machine.
  bool is_alone() const { return plan_.hosts.size() == 1 && plan_.first_host_is_here; }

  void choose_ranks() {
    const bool all_given = std::all_of(plan_.hosts.begin(), plan_.hosts.end(),
                                       [](const LaunchHost& host) { return host.ranks > 0; });
    if (!all_given) {
      const int ranks = default_ranks();
      for (LaunchHost& host : plan_.hosts) {
        if (host.ranks == 0) host.ranks = ranks;
      }
    }
    equal_ = std::all_of(plan_.hosts.begin(), plan_.hosts.end(),
                         [&](const LaunchHost& host) { return host.ranks == plan_.hosts.front().ranks; });
    if (!equal_) say("the hosts have different numbers of ranks, as the host list says");
    if (!equal_ && !allocation_.empty()) {
      throw UsageError(
          "inside a Slurm allocation every host has to have the same number of ranks; give "
          "--ranks-per-node instead of host:N or slots=N");
    }
  }

  int default_ranks() {
    if (options_.ranks_per_node) {
      say("{}{}: --ranks-per-node", count_of_ranks(*options_.ranks_per_node),
          is_alone() ? "" : " on each host");
      return *options_.ranks_per_node;
    }
    const std::string slurm_gpus = text_of(environment_, "SLURM_GPUS_ON_NODE");
    if (!allocation_.empty() && !slurm_gpus.empty() && slurm_gpus != "0") {
      const int gpus = parse_ranks(slurm_gpus, "Slurm", "SLURM_GPUS_ON_NODE");
      say("{} on each host: one per GPU that Slurm gave", count_of_ranks(gpus));
      return gpus;
    }
    const std::optional<int> shown = shown_gpus(environment_, facts_.gpus);
    if (const int gpus = shown.value_or(facts_.gpus); gpus > 0) {
      say("{}: one per GPU {}{}", count_of_ranks(gpus),
          shown ? "that CUDA_VISIBLE_DEVICES leaves" : "of this machine",
          is_alone() ? "" : "; the other hosts are assumed to have as many, else give --ranks-per-node");
      return std::min(gpus, most_ranks_per_node);
    }
    say("{} ranks{} in host memory: {}{}", ranks_without_gpu, is_alone() ? "" : " on each host",
        facts_.gpus > 0 ? "CUDA_VISIBLE_DEVICES leaves no GPU" : "there is no GPU on this machine",
        is_alone() ? "" : "; where the others have some, give --ranks-per-node");
    return ranks_without_gpu;
  }

  static std::string count_of_ranks(int ranks) {
    return ranks == 1 ? "1 rank" : fmt::format("{} ranks", ranks);
  }

  void set_timeout() {
    using std::chrono::ceil;
    using std::chrono::seconds;
    if (options_.timeout.count() > 0) {
      plan_.timeout = ceil<seconds>(options_.timeout);
    } else if (options_.run.verify_repeat == 0) {
      // How long a hunt for corruption takes is known to nobody; the ranks' own deadlines hold there, too.
      plan_.timeout =
          ceil<seconds>(options_.run.budget * 3 + options_.run.gpu.burn) + std::chrono::minutes(5);
    }
  }

  void write_command() {
    add({"mpirun"});
    int total = 0;
    for (const LaunchHost& host : plan_.hosts) total += host.ranks;
    const bool is_local = !given_ && allocation_.empty();
    if (given_) add({"--host", host_argument()});
    if (is_local || !equal_) {
      add({"-np", std::to_string(total)});
      // Fills each host's slots before it goes on to the next.
      if (!is_local) add({"--map-by", "slot"});
    } else {
      add({"--map-by", fmt::format("ppr:{}:node", plan_.hosts.front().ranks)});
    }
    add({"--bind-to", "none"});
    add_oversubscription(is_local);
    // Without keepalive mpirun does not notice a link that goes down until the timeout.
    const std::vector<std::string> keepalive = keepalive_words(options_.run.silence);
    plan_.argv.insert(plan_.argv.end(), keepalive.begin(), keepalive.end());
    if (plan_.timeout) add({"--timeout", std::to_string(plan_.timeout->count())});
    if (facts_.is_root) add({"--allow-run-as-root"});
    add({facts_.program});
    plan_.argv.insert(plan_.argv.end(), options_.run_arguments.begin(), options_.run_arguments.end());
    if (!options_.run.bind_numa) add({"--bind-numa"});
  }

  std::string host_argument() const {
    std::string list;
    for (const LaunchHost& host : plan_.hosts) {
      list += fmt::format("{}{}:{}", list.empty() ? "" : ",", host.name, host.ranks);
    }
    if (list.size() > longest_argument) {
      throw UsageError(
          fmt::format("the list of {} hosts is longer than one command can hold; launch from inside a Slurm "
                      "allocation, or give fewer hosts",
                      plan_.hosts.size()));
    }
    return list;
  }

  void add_oversubscription(bool is_local) {
    // Slots are cores here and tasks in Slurm, neither of which is the number of ranks that is wanted.
    const bool slots_are_foreign = is_local || !allocation_.empty();
    if (slots_are_foreign) add({"--oversubscribe"});
    const int most =
        std::max_element(plan_.hosts.begin(), plan_.hosts.end(), [](const auto& a, const auto& b) {
          return a.ranks < b.ranks;
        })->ranks;
    // What other hosts have is not known here; ranks that share cores there say so in the result.
    if (is_alone() && most > facts_.cpus) {
      say("{} share {}: they yield while they wait, and latencies are not those of the network",
          count_of_ranks(most), facts_.cpus == 1 ? "1 CPU" : fmt::format("{} CPUs", facts_.cpus));
      add({"--mca", "mpi_yield_when_idle", "1"});
    } else if (slots_are_foreign && text_of(environment_, "OMPI_MCA_mpi_yield_when_idle").empty()) {
      // Open MPI would yield as soon as there are more ranks than slots, which costs latency.
      add({"--mca", "mpi_yield_when_idle", "0"});
    }
  }

  const LaunchOptions& options_;
  const Environment& environment_;
  const LaunchFacts& facts_;
  std::vector<std::string> allocation_;
  bool given_{};
  bool equal_{};
  LaunchPlan plan_;
};

}  // namespace

std::string shell_command(const std::vector<std::string>& argv) {
  constexpr std::string_view plain = "_@%+=:,./-";
  std::string command;
  for (const std::string& word : argv) {
    if (!command.empty()) command += ' ';
    const bool is_plain = !word.empty() && std::all_of(word.begin(), word.end(), [plain](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || plain.find(c) != std::string_view::npos;
    });
    if (is_plain) {
      command += word;
      continue;
    }
    command += '\'';
    for (const char c : word) {
      if (c == '\'') {
        command += "'\\''";
      } else {
        command += c;
      }
    }
    command += '\'';
  }
  return command;
}

std::vector<std::string> keepalive_words(std::chrono::nanoseconds silence) {
  using std::chrono::seconds;
  // The ranks' watchdog is to name the silent host before mpirun ends the job because of it. A link may die
  // right before a probe, so that the probes alone have to take longer than it does.
  constexpr int probes = 4;
  const auto least = std::chrono::ceil<seconds>(silence) + seconds(2);
  const auto between = (least.count() + probes - 1) / probes;
  return {"--mca", "oob_tcp_keepalive_time",   "2",
          "--mca", "oob_tcp_keepalive_intvl",  std::to_string(between),
          "--mca", "oob_tcp_keepalive_probes", std::to_string(probes)};
}

LaunchPlan plan_launch(const LaunchOptions& options, const Environment& environment,
                       const LaunchFacts& facts) {
  return Planner(options, environment, facts).plan();
}

JobOutcome job_outcome(const JobEnding& ending) {
  using namespace exit_status;
  // Open MPI's own: could not execute the program; a daemon was lost; a host was lost; timed out.
  constexpr int could_not_execute = 132;
  constexpr int daemon_lost = 205;
  constexpr int host_lost = 213;
  constexpr int mpirun_timed_out = 110;
  const bool is_designed = !ending.killed && ending.code >= passed && ending.code <= rank_lost;
  if (ending.timed_out || (!ending.killed && ending.code == mpirun_timed_out)) {
    return {rank_lost, "the job did not end in its time and was ended"};
  }
  if (ending.interrupted) {
    // A finished result says more than "interrupted", but success has to be mpirun's word too.
    const int status = ending.recorded.value_or(broken);
    const bool contradicts = status == passed && (ending.killed || ending.code != passed);
    const bool nothing_yet = !ending.wrote_result && ending.result_is_here;
    return {contradicts ? broken : status,
            nothing_yet ? "the run was interrupted before anything was measured"
                        : "the run was interrupted; what was measured until then is kept"};
  }
  if (ending.wrote_result) {
    // 1 is mpirun's own failure, too, as where nobody reads what it writes.
    if (!ending.killed && ending.code == target_missed && ending.recorded &&
        *ending.recorded != target_missed)
      return {*ending.recorded == passed ? broken : *ending.recorded,
              "mpirun itself failed after the result was written"};
    if (is_designed) return {ending.code, ""};
    if (ending.killed) return {rank_lost, "mpirun was killed while the job ran"};
    const bool lost_host = ending.code == daemon_lost || ending.code == host_lost;
    return {rank_lost, fmt::format("a rank was lost: mpirun ended with {}{}", ending.code,
                                   lost_host ? ", for it has lost a host; its message above names it" : "")};
  }
  if (ending.killed) return {broken, "mpirun was killed before the job had begun to write"};
  if (is_designed) {
    // 2, 3 and 4 are never mpirun's own; 0 and 1 from a host whose files are not seen here have to be
    // believed.
    if (ending.code >= usage || !ending.result_is_here) return {ending.code, ""};
    if (ending.code == passed)
      return {broken, "the job ended with 0 but wrote no result, so that nothing was judged"};
    return {broken, "mpirun itself failed before the job had begun to write; its message is above"};
  }
  const bool was_running = ending.code == daemon_lost || ending.code == host_lost ||
                           (ending.code > 128 && ending.code < 160 && ending.code != could_not_execute);
  if (was_running)
    return {rank_lost,
            fmt::format("a rank was lost before anything was written: mpirun ended with {}", ending.code)};
  return {broken, fmt::format("mpirun could not start the job (it ended with {}); its message is above",
                              ending.code)};
}

}  // namespace fabricheck::app
