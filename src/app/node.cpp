#include "app/node.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
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
#include "app/leave_at_sigterm.hpp"
#include "app/node_environment.hpp"
#include "app/node_look.hpp"
#include "app/node_setup.hpp"
#include "app/node_words.hpp"
#include "app/verbs_loopback.hpp"
#include "config/targets_file.hpp"
#include "core/error.hpp"
#include "core/remark.hpp"
#include "core/units.hpp"
#include "node/active.hpp"
#include "node/drain.hpp"
#include "node/probes.hpp"
#include "node/slurm.hpp"
#include "node/state_file.hpp"
#include "report/node_state.hpp"
#include "topology/model/merge.hpp"

namespace fabricheck::app {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

double unix_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
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
    if (options_.slurm && !is_for_us()) {
      const std::string line = fmt::format(
          "{}: nothing was looked at on {}: partition {} is not among the configured `partitions`", head(),
          node_name(), slurm_.partition);
      syslog(LOG_NOTICE, "%s", one_line(line).c_str());
      return exit_status::passed;
    }
    // Slurm ends a prolog or an epilog at PrologEpilogTimeout. By hand SIGTERM is anybody's wish.
    if (options_.slurm) at_sigterm_.emplace([this] { return leave(); });
    read_last_state();
    node::Isolation isolation(last_.stuck, began_unix_s_, whole_);
    look(isolation);
    decide();
    conclude();
    save_state(isolation);
    if (at_sigterm_) at_sigterm_->disarm();
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
    if (at_sigterm_)
      options.before_devices = [&](const node::NodeFacts& facts) {
        const node::Judgement early = node::judge(plan, facts, config_, host_name_);
        meanwhile([&](Progress& progress) {
          progress.doing = "looking at its devices";
          if (!early.faults.empty()) progress.seen = seen_words(early.faults);
        });
      };
    facts_ = look_at_node(options, config_, words_, last_, isolation);
    if (facts_.host) host_name_ = facts_.host->name;
    judgement_ = node::judge(plan, facts_, config_, host_name_);
    note_progress("using its devices", isolation);
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

  /// What the first look found wrong has to be wrong at the second, when a reset or a driver that starts is
  /// through.
  void look_again(LookOptions& options, const std::vector<node::PlannedRow>& plan,
                  node::Isolation& isolation) {
    note_progress("looking a second time", isolation);
    std::this_thread::sleep_for(pause_between_looks(isolation.left(), options.patience));
    const node::Judgement first = std::move(judgement_);
    options.before_devices = nullptr;
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
    const std::string reason = decision_.reason;
    meanwhile([&](Progress& progress) {
      progress.doing = "telling Slurm";
      if (decision_.action == node::DrainAction::drain)
        progress.seen = fmt::format("it was about to be drained for '{}'", reason);
    });
    decision_ = node::carry_out(slurm, question, decision_, config_);
    meanwhile([this](Progress& progress) {
      progress.doing = "writing down what it saw";
      if (!decision_.log.empty()) progress.seen = decision_.log;
      progress.status = status();
    });
  }

  /// What a visit leaves that is told to end.
  struct Progress {
    std::string doing{"reading its last state"};
    std::string seen{"nothing was judged so far"};
    std::optional<std::string> state;  ///< to be written; none: the old one stays
    int status{exit_status::passed};   ///< the job runs, until it is known that it must not
  };

  template <class Change>
  void meanwhile(const Change& change) {
    if (!at_sigterm_) return;
    const auto held = at_sigterm_->hold();
    change(progress_);
  }

  static std::string seen_words(const std::vector<node::Fault>& faults) {
    std::vector<std::string> texts;
    texts.reserve(faults.size());
    for (const node::Fault& fault : faults) texts.push_back(fault.text);
    return fmt::format("seen once so far: {}", fmt::join(texts, "; "));
  }

  void note_progress(const char* doing, const node::Isolation& isolation) {
    if (!at_sigterm_) return;
    std::string words = "nothing wrong was seen so far";
    if (!judgement_.faults.empty()) {
      words = seen_words(judgement_.faults);
    } else if (!judgement_.unclear.empty()) {
      words = fmt::format("not judged so far: {}", fmt::join(judgement_.unclear, "; "));
    }
    // What the kernel's log told is for the next visit to see again.
    std::string state = report::node_state_to_json(state_after(facts_, visit_end(true), isolation));
    meanwhile([&](Progress& progress) {
      progress.doing = doing;
      progress.seen = std::move(words);
      progress.state = std::move(state);
    });
  }

  /// On a thread of its own, which holds the progress.
  int leave() const {
    const std::string line = fmt::format(
        "{}: ended by SIGTERM after {:.1f} s on {} while {}; {}; give PrologEpilogTimeout two "
        "seconds more than `budget` ({:g} s)",
        head(), unix_now() - began_unix_s_, slurm_.node.empty() ? "this node" : slurm_.node, progress_.doing,
        progress_.seen, std::chrono::duration<double>(budget_).count());
    syslog(LOG_ERR, "%s", one_line(line).c_str());
    if (progress_.state) {
      const node::StateLock lock(config_.state_folder);
      node::write_state(config_.state_folder, *progress_.state);
    }
    return progress_.status;
  }

  VisitEnd visit_end(bool keeps) const {
    VisitEnd end;
    std::vector<std::string> said_before;
    end.last = last_;
    end.now = state_on_disk(said_before);
    end.boot = boot_;
    end.unix_s = began_unix_s_;
    end.is_by_hand = !options_.slurm;
    end.keeps_events = keeps;
    return end;
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

  /// Whether an XID was seen of which nothing came: neither a drain (one that is out already counts) nor, in
  /// mode observe, the word that there would be one.
  bool keeps_events() const {
    using node::DrainAction;
    const DrainAction action = decision_.action;
    for (const DrainAction done :
         {DrainAction::drain, DrainAction::already, DrainAction::left_alone, DrainAction::observe})
      if (action == done) return false;
    return std::any_of(judgement_.faults.begin(), judgement_.faults.end(),
                       [](const node::Fault& fault) { return fault.topic == "xid" && fault.deterministic; });
  }

  void save_state(const node::Isolation& isolation) {
    // By hand only a child that cannot be killed is anything to remember.
    if (!options_.slurm && isolation.stuck() == last_.stuck) return;
    meanwhile([](Progress& progress) { progress.state.reset(); });
    const node::StateLock lock(config_.state_folder);
    // Where the old one is kept by somebody else, or the folder cannot be written, the next visit says so
    // again.
    const std::string problem = node::write_state(
        config_.state_folder,
        report::node_state_to_json(state_after(facts_, visit_end(keeps_events()), isolation)));
    if (!problem.empty() && std::find(notes_.begin(), notes_.end(), problem) == notes_.end())
      notes_.push_back(problem);
  }

  std::string summary() const { return node_summary(record_, unix_now() - began_unix_s_); }

  /// "prolog of job 7".
  std::string head() const {
    return fmt::format("{}{}{}", node::profile_name(options_.profile), slurm_.job.empty() ? "" : " of job ",
                       slurm_.job);
  }

  void say() {
    if (options_.slurm) {
      const std::string line =
          fmt::format("{}: {} ({})", head(),
                      decision_.log.empty() ? "nothing to do on " + node_name() : decision_.log, summary());
      syslog(decision_.is_loud ? LOG_ERR : LOG_NOTICE, "%s", one_line(line).c_str());
      if (decision_.is_loud) remark(stderr, "fabricheck: {}\n", line);
    }
    // What was judged and done stands, whether or not it can be written down here.
    if (!options_.json_file.empty()) json_problem_ = write_node_json(options_.json_file, record_);
    if (!json_problem_.empty()) notes_.push_back(json_problem_);
    if (options_.slurm) {
      for (const std::string& note : notes_) syslog(LOG_WARNING, "%s", one_line(note).c_str());
      return;
    }
    std::FILE* const out = options_.json_file == "-" ? stderr : stdout;
    print_node(out, record_, summary());
    if (!decision_.log.empty()) remark(out, "{}\n", decision_.log);
    for (const std::string& note : notes_) remark(stderr, "fabricheck: {}\n", note);
  }

  int status() const {
    if (!options_.slurm)
      return record_.exit_status == exit_status::passed && !json_problem_.empty() ? exit_status::broken
                                                                                  : record_.exit_status;
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
  std::string json_problem_;
  Progress progress_;
  std::optional<LeaveAtSigterm> at_sigterm_;  ///< last: it ends before what it tells of
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
    return Visit(options, node_configuration(options), slurm).run();
  } catch (const std::exception& error) {
    // Whoever is at fault, it is not the node: the sentence is logged and the job runs.
    if (options.slurm) syslog(LOG_ERR, "%s", one_line(error.what()).c_str());
    throw;
  }
}

}  // namespace fabricheck::app
