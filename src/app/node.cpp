#include "app/node.hpp"

#include <fmt/format.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <thread>

#include "app/build_identity.hpp"
#include "app/catalogue.hpp"
#include "app/known_words.hpp"
#include "app/node_environment.hpp"
#include "app/node_look.hpp"
#include "app/verbs_loopback.hpp"
#include "config/node_file.hpp"
#include "config/targets_file.hpp"
#include "core/error.hpp"
#include "core/glob.hpp"
#include "core/units.hpp"
#include "node/active.hpp"
#include "node/counter_kinds.hpp"
#include "node/drain.hpp"
#include "node/probes.hpp"
#include "node/slurm.hpp"
#include "node/state_file.hpp"
#include "report/journal.hpp"
#include "report/node_state.hpp"
#include "report/report.hpp"
#include "topology/model/merge.hpp"

namespace fabricheck::app {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

nanoseconds default_budget(node::Profile profile) {
  switch (profile) {
    case node::Profile::prolog:
    case node::Profile::health:
      return std::chrono::seconds(5);
    case node::Profile::epilog:
      return std::chrono::seconds(30);
    case node::Profile::acceptance:
      return std::chrono::minutes(5);
  }
  return std::chrono::seconds(5);
}

double unix_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

NodeConfig configuration(const NodeOptions& options) {
  NodeConfig config;
  if (!options.config_file.empty()) {
    std::vector<std::string> ids;
    for (const node::NodeRow& row : node::catalog()) ids.emplace_back(row.id);
    std::vector<std::string> kinds;
    kinds.reserve(node::kCounterKinds.size());
    for (const node::CounterKind& kind : node::kCounterKinds) kinds.emplace_back(kind.name);
    config = config::read_node_config(options.config_file, ids, kinds);
  }
  if (!options.expect_file.empty()) config.expect_file = options.expect_file;
  if (!options.storage_path.empty())
    config.file_systems.push_back({options.storage_path, true, std::nullopt});
  return config;
}

/// Fit for a line of syslog, whatever is in it.
std::string one_line(const std::string& text) {
  constexpr std::size_t kLongest = 900;
  std::string line = text.substr(0, kLongest);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return line;
}

/// One visit of one node, from the first look to the word to Slurm.
class Visit {
 public:
  Visit(const NodeOptions& options, NodeConfig config, SlurmWords slurm)
      : options_(options),
        config_(std::move(config)),
        slurm_(std::move(slurm)),
        budget_(options.budget.value_or(config_.budget.value_or(default_budget(options.profile)))),
        whole_(budget_),
        slurm_until_(budget_ + kGrace) {
    TopologySources sources;
    sources.expect_file = config_.expect_file;
    sources.platform = config_.platform;
    words_ = read_topology_words(sources);
  }

  int run() {
    if (options_.slurm && !is_for_us()) return exit_status::passed;
    read_last_state();
    node::Isolation isolation(last_.stuck, began_unix_s_, whole_);
    look(isolation);
    decide();
    conclude();
    save_state(isolation);
    say();
    return status();
  }

 private:
  bool is_for_us() {
    const auto& mine = config_.partitions;
    return mine.empty() || slurm_.partition.empty() ||
           std::find(mine.begin(), mine.end(), slurm_.partition) != mine.end();
  }

  std::string node_name() const { return slurm_.node.empty() ? host_name_ : slurm_.node; }

  void read_last_state() {
    boot_ = node::boot_id(options_.sysroot);
    last_ = state_on_disk(notes_);
  }

  NodeState state_on_disk(std::vector<std::string>& notes) const {
    node::StateText text = node::read_state(config_.state_folder);
    if (!text.problem.empty()) notes.push_back(text.problem);
    if (!text.text) return {};
    NodeState state;
    try {
      state = report::node_state_from_json(*text.text, config_.state_folder + "/node.json");
    } catch (const Error& error) {
      notes.emplace_back(error.what());
      return {};
    }
    // After a boot counters begin anew, and no process is the same.
    return boot_.empty() || state.boot_id != boot_ ? NodeState{} : state;
  }

  void look(node::Isolation& isolation) {
    LookOptions options;
    options.sysroot = options_.sysroot;
    options.skip_gpus = options_.slurm && !slurm_.job.empty() && slurm_.gpus && slurm_.gpus->empty();
    // Two looks, and what is left for Slurm.
    constexpr double kShare = 0.4;
    options.patience = milliseconds(static_cast<std::int64_t>(
        kShare * static_cast<double>(duration_cast<milliseconds>(budget_).count())));
    options.now_unix_s = began_unix_s_;
    const auto plan = node::plan(options_.profile, budget_, config_.skip);
    facts_ = look_at_node(options, config_, words_, last_, isolation);
    if (facts_.host) host_name_ = facts_.host->name;
    judgement_ = node::judge(plan, facts_, config_, host_name_);
    take_active(plan, isolation);
    const bool any_certain = std::any_of(judgement_.faults.begin(), judgement_.faults.end(),
                                         [](const node::Fault& fault) { return fault.deterministic; });
    const bool may_matter = !judgement_.unclear.empty() && config_.on_error == OnError::drain;
    if (!any_certain && !may_matter) {
      unclear_ = judgement_.unclear.empty() ? "" : judgement_.unclear.front();
      return;
    }
    look_again(options, plan, isolation);
  }

  /// What the first look found wrong has to be wrong at the second, a moment later.
  void look_again(const LookOptions& options, const std::vector<node::PlannedRow>& plan,
                  node::Isolation& isolation) {
    constexpr milliseconds kPause{100};
    std::this_thread::sleep_for(std::min(kPause, isolation.left()));
    const node::Judgement first = std::move(judgement_);
    facts_ = look_at_node(options, config_, words_, last_, isolation);
    judgement_ = node::judge(plan, facts_, config_, host_name_);
    take_active(plan, isolation);
    confirmed_ = node::seen_twice(first.faults, judgement_.faults);
    // The same row twice: its words may differ.
    const auto row_of = [](const std::string& sentence) { return sentence.substr(0, sentence.find(": ")); };
    for (const std::string& now : judgement_.unclear) {
      const bool before = std::any_of(first.unclear.begin(), first.unclear.end(),
                                      [&](const std::string& other) { return row_of(other) == row_of(now); });
      if (before && unclear_.empty()) unclear_ = now;
    }
    for (CheckRecord& check : judgement_.checks) {
      const bool is_confirmed =
          std::any_of(confirmed_.begin(), confirmed_.end(),
                      [&](const node::Fault& fault) { return fault.check == check.id; });
      if (check.verdict != Verdict::fail || is_confirmed) continue;
      check.verdict = Verdict::inconclusive;
      check.reason += "; the look before it did not see that";
    }
  }

  node::DeviceChecks device_checks() const {
    node::DeviceChecks checks;
    if (options_.sysroot != "/") {
      checks.no_verbs = "a recorded machine has no devices to use";
    } else if (const std::string reason = verbs::unavailable_reason(); !reason.empty()) {
      checks.no_verbs = reason;
    } else {
      checks.verbs_loopback = [this](node::Isolation& isolation, milliseconds budget) {
        return check_loopback(*facts_.host, isolation, budget);
      };
    }
    return checks;
  }

  void take_active(const std::vector<node::PlannedRow>& plan, node::Isolation& isolation) {
    node::Judgement active =
        node::run_active(plan, options_.sysroot, facts_.host, device_checks(), isolation, host_name_);
    const auto append = [](auto& to, auto& from) {
      to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
    };
    append(judgement_.checks, active.checks);
    append(judgement_.not_tested, active.not_tested);
    append(judgement_.faults, active.faults);
    append(judgement_.unclear, active.unclear);
  }

  void decide() {
    node::DrainQuestion question;
    question.node = node_name();
    question.partition = slurm_.partition;
    question.faults = confirmed_;
    question.unclear = unclear_;
    question.now_unix_s = began_unix_s_;
    if (!slurm_.job.empty()) question.job_gpus = slurm_.gpus;
    const bool any_wrong = !judgement_.faults.empty() || !judgement_.unclear.empty();
    for (const CheckRecord& check : judgement_.checks)
      if (check.verdict == Verdict::pass) question.passed_topics.emplace_back(node::topic_of_check(check.id));
    question.may_resume = options_.profile == node::Profile::health && config_.resume && !any_wrong;
    if (!options_.slurm) {
      // Whoever looks by hand is told, and Slurm is not.
      NodeConfig only_told = config_;
      only_told.mode = DrainMode::observe;
      decision_ = node::decide(question, only_told);
      return;
    }
    // Slurm is asked only where something may come of it.
    const bool may_drain = !node::wanted_reason(question, config_).empty();
    const bool may_act = config_.mode == DrainMode::drain ? question.may_resume || may_drain
                                                          : may_drain && !config_.partitions.empty();
    if (!may_act) {
      decision_ = node::decide(question, config_);
      return;
    }
    node::Scontrol slurm(config_.scontrol, config_.slurm_conf.empty() ? slurm_.conf : config_.slurm_conf,
                         slurm_until_);
    ask(slurm, question);
    decision_ = node::decide(question, config_);
    if (decision_.action == node::DrainAction::drain) {
      std::this_thread::sleep_for(std::min(node::turn_of(question), whole_.left() / 2));
      ask(slurm, question);
      decision_ = node::decide(question, config_);
    }
    decision_ = node::carry_out(slurm, question, decision_, config_);
  }

  static void ask(node::SlurmControl& slurm, node::DrainQuestion& question) {
    node::SlurmControl::Nodes answer = slurm.nodes();
    question.nodes = std::move(answer.nodes);
    question.slurm_problem = std::move(answer.problem);
  }

  void conclude() {
    record_.tool = tool_info();
    record_.duration_s = unix_now() - began_unix_s_;
    record_.started = fmt::format("{}Z", started_);
    record_.command = {"fabricheck", "node", "--profile", node::profile_name(options_.profile)};
    record_.world.ranks = 1;
    record_.world.nodes = 1;
    record_.world.launcher = options_.slurm ? "slurmd" : "";
    record_.world.hosts = {host_name_};
    record_.checks = judgement_.checks;
    record_.not_tested = judgement_.not_tested;
    for (const Finding& finding : facts_.topology_findings) {
      Finding shown = finding;
      record_.findings.push_back(std::move(shown));
    }
    for (const std::string& note : notes_)
      add_finding("node-state", note, "it is not used, and the next visit begins anew");
    if (facts_.host) record_.topology = topology::merge_hosts({*facts_.host});
    fabricheck::conclude(record_);
    if (!decision_.log.empty())
      add_finding("drain-decision", decision_.log, "see slurm/README.md for how it is decided");
  }

  void add_finding(const char* slug, const std::string& meaning, const char* advice) {
    Finding finding;
    finding.slug = slug;
    finding.severity = Severity::info;
    finding.component = {"host", host_name_, host_name_};
    finding.meaning = meaning;
    finding.advice = advice;
    finding.confirm = "fabricheck node";
    finding.confidence = "certain";
    record_.findings.push_back(std::move(finding));
  }

  /// Whether an XID was seen that drained nobody, nor would have drained one that is out already.
  bool keeps_events() const {
    using node::DrainAction;
    const DrainAction action = decision_.action;
    if (action == DrainAction::drain || action == DrainAction::already || action == DrainAction::left_alone)
      return false;
    return std::any_of(judgement_.faults.begin(), judgement_.faults.end(),
                       [](const node::Fault& fault) { return fault.topic == "xid" && fault.deterministic; });
  }

  void save_state(const node::Isolation& isolation) {
    // By hand only a child that cannot be killed is anything to remember.
    if (!options_.slurm && isolation.stuck() == last_.stuck) return;
    const node::StateLock lock(config_.state_folder);
    VisitEnd end;
    std::vector<std::string> said_before;
    end.last = last_;
    end.now = state_on_disk(said_before);
    end.boot = boot_;
    end.unix_s = began_unix_s_;
    end.is_by_hand = !options_.slurm;
    end.keeps_events = keeps_events();
    // Where the old one is kept by somebody else, or the folder cannot be written, the next visit says so
    // again.
    const std::string problem = node::write_state(
        config_.state_folder, report::node_state_to_json(state_after(facts_, end, isolation)));
    if (!problem.empty()) notes_.push_back(problem);
  }

  std::string summary() const {
    const auto count = [&](Verdict verdict) {
      return std::count_if(record_.checks.begin(), record_.checks.end(),
                           [&](const CheckRecord& check) { return check.verdict == verdict; });
    };
    return fmt::format("{} pass, {} fail, {} not decided, {} without target, {} skipped, {:.0f} ms",
                       count(Verdict::pass), count(Verdict::fail),
                       count(Verdict::inconclusive) + count(Verdict::error), count(Verdict::unchecked),
                       record_.not_tested.size(), (unix_now() - began_unix_s_) * 1000);
  }

  void say() const {
    if (options_.slurm) {
      const std::string line = fmt::format(
          "{}{}{}: {} ({})", node::profile_name(options_.profile), slurm_.job.empty() ? "" : " of job ",
          slurm_.job, decision_.log.empty() ? "nothing to do on " + node_name() : decision_.log, summary());
      syslog(decision_.is_loud ? LOG_ERR : LOG_NOTICE, "%s", one_line(line).c_str());
      if (decision_.is_loud) fmt::print(stderr, "fabricheck: {}\n", line);
      for (const std::string& note : notes_) syslog(LOG_WARNING, "%s", one_line(note).c_str());
    }
    const bool json_on_output = options_.json_file == "-";
    if (!options_.json_file.empty()) {
      const std::string text = report::to_json(record_) + "\n";
      if (json_on_output) {
        std::fputs(text.c_str(), stdout);
      } else {
        report::write_file(options_.json_file, text);
      }
    }
    if (options_.slurm) return;
    std::FILE* const out = json_on_output ? stderr : stdout;
    for (const CheckRecord& check : record_.checks)
      fmt::print(out, "{:<13} {:<22} {}\n", verdict_name(check.verdict), check.id,
                 check.reason.empty() ? check.title : check.reason);
    for (const NotTested& skip : record_.not_tested)
      fmt::print(out, "{:<13} {:<22} {}\n", "SKIPPED", skip.id, skip.reason);
    for (const std::string& note : notes_) fmt::print(stderr, "fabricheck: {}\n", note);
    fmt::print(out, "\n{}: {}; {}\n", verdict_name(record_.verdict), record_.verdict_reason, summary());
    if (!decision_.log.empty()) fmt::print(out, "{}\n", decision_.log);
  }

  int status() const {
    if (!options_.slurm) return record_.exit_status;
    return decision_.refuses_job && options_.profile == node::Profile::prolog ? exit_status::target_missed
                                                                              : exit_status::passed;
  }

  const NodeOptions& options_;
  NodeConfig config_;
  SlurmWords slurm_;
  nanoseconds budget_;
  static constexpr milliseconds kGrace{700};
  Deadline whole_;
  Deadline slurm_until_;
  TopologyWords words_;
  std::string host_name_{"this node"};
  std::string boot_;
  double began_unix_s_{unix_now()};
  std::string started_{utc_text(began_unix_s_)};
  NodeState last_;
  node::NodeFacts facts_;
  node::Judgement judgement_;
  std::vector<node::Fault> confirmed_;
  std::string unclear_;
  std::vector<std::string> notes_;
  node::Decision decision_;
  RunRecord record_;

  static std::string utc_text(double unix_s) {
    const auto seconds = static_cast<std::time_t>(unix_s);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", parts.tm_year + 1900, parts.tm_mon + 1,
                       parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
  }
};

const char* variable(const char* name) { return std::getenv(name); }

}  // namespace

int check_node(const NodeOptions& options, char** argv) {
  const SlurmWords slurm = slurm_words(variable);
  leave_environment(argv);
  if (options.slurm) ::openlog("fabricheck", LOG_PID | LOG_NDELAY, LOG_DAEMON);
  try {
    if (!std::filesystem::is_directory(options.sysroot))
      throw UsageError("--sysroot '" + options.sysroot +
                       "' is no folder: give the root of a recorded machine");
    if (!options.targets_file.empty()) {
      std::vector<config::KnownCheck> known;
      for (const CheckRow& row : catalogue()) known.push_back({row.id, row.unit});
      config::read_targets(options.targets_file, known);
    }
    return Visit(options, configuration(options), slurm).run();
  } catch (const std::exception& error) {
    // Whoever is at fault, it is not the node: the sentence is logged and the job runs.
    if (options.slurm) syslog(LOG_ERR, "%s", one_line(error.what()).c_str());
    throw;
  }
}

}  // namespace fabricheck::app
