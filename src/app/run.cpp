#include "app/run.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>

#include <fmt/format.h>

#include "app/build_identity.hpp"
#include "app/catalogue.hpp"
#include "app/compare.hpp"
#include "app/counter_watch.hpp"
#include "app/environment_variable.hpp"
#include "app/fits.hpp"
#include "app/gpu_pairs.hpp"
#include "app/gpu_world.hpp"
#include "app/host_exchange.hpp"
#include "app/host_networks.hpp"
#include "app/incident.hpp"
#include "app/job_network.hpp"
#include "app/mpi_facts.hpp"
#include "app/pair_matrices.hpp"
#include "app/places.hpp"
#include "app/probe_host.hpp"
#include "app/rank_devices.hpp"
#include "app/run_log.hpp"
#include "app/run_parts.hpp"
#include "app/run_watch.hpp"
#include "app/topology_checks.hpp"
#include "app/verbs_findings.hpp"
#include "app/verbs_world.hpp"
#include "app/world_check.hpp"
#include "app/wrong_results.hpp"
#include "collectives/mpi/catalog.hpp"
#include "collectives/nccl/nvls.hpp"
#include "config/platform_file.hpp"
#include "control/agreement.hpp"
#include "control/deadline_guard.hpp"
#include "control/mpi_session.hpp"
#include "control/watchdog.hpp"
#include "core/error.hpp"
#include "core/remark.hpp"
#include "core/sampler.hpp"
#include "core/text.hpp"
#include "report/progress.hpp"
#include "topology/judge/judge.hpp"
#include "topology/probe/probe.hpp"

namespace fabricheck::app {
namespace {

using control::AgreedError;
using control::together;

/// Without the persistence daemon CUDA starts all GPUs of a node, and each rank waits for all of them.
constexpr double start_s = 120.0;

/// What NVML may take, and a moment.
double nvml_limit_s() {
  return std::chrono::duration<double>(topology::ProbeOptions{}.nvml_deadline).count() + 10.0;
}

/// The others wait in MPI_Init for those who ask NVML before it. Rank 0 speaks first: its end releases them.
control::GuardedCall start_of_mpi(const LauncherFacts& launcher) {
  const int rank = launcher.rank.value_or(0);
  control::GuardedCall call;
  call.what = "MPI_Init";
  call.seconds = nvml_limit_s() + 60.0 + (rank == 0 ? 0.0 : 2.0 + 0.1 * std::min(rank, 50));
  call.why = why_init_waits(host_networks(), environment);
  call.remark_after_s = rank == 0 ? 15.0 : 0.0;
  return call;
}
constexpr double finish_deadline_s = 30.0;

/// Open MPI gives every rank a terminal of its own, whatever the output goes to; `launch` tells what it
/// really is.
bool on_terminal(const LauncherFacts& launcher, int descriptor) {
  if (const auto told = environment("FABRICHECK_TERMINAL")) return *told == "1";
  return launcher.name != "mpirun" && ::isatty(descriptor) == 1;
}

class Job {
 public:
  Job(const RunOptions& options, std::vector<std::string> command, const Hooks& hooks)
      : options_(options),
        command_(std::move(command)),
        hooks_(hooks),
        clock_(hooks.clock ? hooks.clock : &steady_),
        begun_ns_(clock_->now_ns()),
        launcher_(launcher_facts(environment)) {}

  int run(int argc, char** argv) {
    if (const auto wrong = without_pmi(launcher_, environment)) {
      if (launcher_.rank.value_or(0) == 0) remark(stderr, "fabricheck: {}\n", *wrong);
      return exit_status::usage;
    }
    control::Watchdog::block_signals();
    // NVML may hang and is asked in a child; that fork belongs before MPI. Only the rank that will speak for
    // its host asks.
    if (launcher_.local_rank.value_or(0) == 0) probed_ = probe_this_host({});
    // NCCL and UCX read it when they start; what is wrong is said when all ranks can.
    try {
      hand_on_traffic_class(options_.links);
    } catch (const UsageError& error) {
      wrong_class_ = error.what();
    }
    std::unique_ptr<control::MpiSession> session;
    {
      const control::DeadlineGuard guard(start_of_mpi(launcher_));
      session = std::make_unique<control::MpiSession>(argc, argv);
    }
    session_ = session.get();
    world_ = &session_->world();
    rank_ = world_->rank();
    int status = exit_status::passed;
    try {
      status = in_world();
    } catch (const std::exception& error) {
      // Out of step with the others: only ending the job releases them.
      const std::string text = fmt::format("rank {} on {}: {}", rank_, session_->host(), error.what());
      if (run_watch_) run_watch_->fail(dynamic_cast<const OutOfStep*>(&error) ? error.what() : text);
      remark(stderr, "fabricheck: {}\n", text);
      put_nccl_log_away("", exit_status::broken, early_log_patience_s);
      ::_exit(exit_status::broken);
    }
    world_->idle_barrier();
    if (run_watch_) run_watch_->goodbye();
    {
      const control::DeadlineGuard guard(
          {.what = "MPI_Finalize", .seconds = finish_deadline_s, .status = status});
      collectives::nccl::release_communicators(*clock_, nccl_end_ns);
      collectives::nccl::put_log_away("");  // where there was a report, rank 0 has kept its own
      collectives::mpi::release_communicators();
      session_->finish();
    }
    const int mine = rank_ == 0 ? status : exit_status::passed;
    if (devices_.gpu) end_now_if_stuck({devices_.gpu.get()}, mine);
    return mine;
  }

 private:
  int refuse(const std::string& why, int status) {
    if (rank_ == 0) remark(stderr, "fabricheck: {}\n", why);
    return status;
  }
  int refuse(const AgreedError& error) {
    return refuse(error.text,
                  error.kind == AgreedError::Kind::usage ? exit_status::usage : exit_status::broken);
  }

  int in_world() {
    if (const auto wrong = singletons(launcher_, world_->size())) {
      // Each of them is rank 0 of its own world; one of them speaks.
      if (launcher_.rank.value_or(0) != 0) return exit_status::usage;
      return refuse(*wrong, exit_status::usage);
    }
    places_ = find_places(*world_, session_->host());
    if (!places_.wrong.empty()) return refuse(places_.wrong, exit_status::usage);
    run_watch_.emplace(options_, launcher_, places_, *session_, progress_,
                       [this](const control::Incident& incident, const IncidentFacts& facts) {
                         return on_incident(incident, facts);
                       });
    if (const auto failed = run_watch_->start()) return refuse(*failed);
    progress_.enter_phase();
    if (const auto failed = together(*world_, session_->host(), [&] {
          if (wrong_class_) throw UsageError(*wrong_class_);
          job_ = job_network(options_.links, environment);
        }))
      return refuse(*failed);
    if (const auto failed = discover()) return refuse(*failed);
    if (const auto failed = read_targets()) return refuse(*failed);
    if (const auto failed = read_baseline()) return refuse(*failed);

    progress_.enter_phase();
    const double overhead_ns = sampling_overhead_p50_ns(*clock_);
    const std::vector<CheckRow> rows = catalogue(devices_.backends());
    plan::Request request = request_of(options_, targets_);
    not_paired_ = plan_pairs(devices_.ports, places_.topology, options_.verbs, options_.suite, request);
    if (needs_gpus(options_)) {
      const auto left_out = plan_gpus(devices_.gpus, places_.topology, platform_, whole_platform_,
                                      may_use_nvls_, rows, request);
      share_pair_targets(request);
      not_paired_.insert(not_paired_.end(), left_out.begin(), left_out.end());
    }
    const plan::TestPlan plan = plan::make_plan(places_.topology, rows, request);
    if (const auto failed = together(*world_, session_->host(), [&] {
          refuse_unknown_wish(plan, request);
          if (rank_ != 0) return;
          open_log(plan, overhead_ns);
          note_wishes(*log_, plan, request, rows);
          if (needs_gpus(options_)) note_failed_gpus(*log_, devices_.gpus, places_.topology);
        }))
      return refuse(*failed);
    run_watch_->begin();
    execute(plan);
    return finish();
  }

  /// Where the launcher did not say which rank speaks for its host, NVML is asked after MPI has started.
  std::optional<AgreedError> probe_late() {
    const bool is_late = places_.leader && !probed_;
    std::vector<double> late{is_late ? 1.0 : 0.0};
    world_->allreduce(late, ReduceOp::max);
    if (late[0] == 0.0) return std::nullopt;
    const control::Patience patience(run_watch_->over_all(), nvml_limit_s());
    return together(*world_, session_->host(), [&] {
      if (is_late) probed_ = probe_this_host({});
    });
  }

  std::optional<AgreedError> discover() {
    if (auto failed = probe_late()) return failed;
    PackedHost mine;
    if (auto failed = together(*world_, session_->host(), [&] {
          if (!places_.leader) return;
          probed_->name = session_->host();
          mine = pack_host(*probed_);
        }))
      return failed;
    const GatheredHosts gathered = gather_hosts(*world_, mine);
    WorldFacts facts;
    facts.size = world_->size();
    facts.nodes = static_cast<int>(places_.hosts.size());
    facts.rank_hosts = places_.rank_hosts;
    std::vector<std::string> arguments(command_.begin() + (command_.empty() ? 0 : 1), command_.end());
    facts.rank_commands = gather_strings(*world_, "fabricheck " + joined(arguments, " "), 0);
    facts.rank_builds = gather_strings(*world_, build_identity(), 0);
    if (auto failed = together(*world_, session_->host(), [&] {
          if (rank_ != 0) return;
          ClusterTopology found = unpack_hosts(gathered);
          places_.topology.kinds = std::move(found.kinds);
          places_.topology.hosts = std::move(found.hosts);
          for (const HostEntry& host : places_.topology.hosts) {
            // Those that do not answer, too: the rank that was meant for one of them says so. And the hidden
            // ones: Slurm can give each task its own.
            const std::size_t gpus = places_.topology.kinds[static_cast<std::size_t>(host.kind)].gpus.size();
            if (gpus > 0 && !options_.gpu.share) facts.gpus_on_host[host.name] = static_cast<int>(gpus);
          }
          if (const auto wrong = wrong_world(launcher_, facts, options_.allow_subset))
            throw UsageError(*wrong);
          require_links(places_.topology, options_.links);
          judge_what_was_found();
        }))
      return failed;
    tell_platform();
    // Its end is a vote of all ranks, so that rank 0 waits for the last.
    const control::Patience patience(needs_gpus(options_) ? run_watch_->over_all() : nullptr, start_s);
    return open_devices(*world_, session_->host(), probed_, options_, hooks_, places_, devices_);
  }

  /// Rank 0 knows what the hosts are; the platforms themselves are in every rank's program.
  void tell_platform() {
    std::string told;
    if (rank_ == 0) {
      const topology::PlatformOfGpus found =
          topology::platform_of_gpus(places_.topology, config::built_in_platforms(),
                                     options_.topology.platform == "auto" ? "" : options_.topology.platform);
      // A launcher need not hand these variables to all hosts, and all ranks must plan alike.
      told = collectives::nccl::may_use_nvls(environment) ? "y" : "n";
      if (found.platform) told += (found.whole ? "+" : "-") + found.platform->name;
    }
    told = broadcast_string(*world_, told, 0);
    may_use_nvls_ = told.front() == 'y';
    told.erase(0, 1);
    if (told.empty()) return;
    whole_platform_ = told.front() == '+';
    for (const Platform& one : config::built_in_platforms())
      if (one.name == told.substr(1)) platform_ = &one;
  }

  /// Ranks that share a GPU are judged by nothing.
  void share_pair_targets(plan::Request& request) {
    std::string text;
    if (rank_ == 0) text = pair_targets_to_text(gpu_pair_targets(devices_.gpus, places_.topology, platform_));
    text = broadcast_string(*world_, text, 0);
    if (!request.platform_target) return;
    use_pair_targets(pair_targets_from_text(text), request);
  }

  /// Rank 0: nothing is measured before the files that say what should be there are read.
  void judge_what_was_found() {
    TopologyWords words = read_topology_words(options_.topology);
    words.job = job_;
    verdicts_ =
        judge_topology(places_.topology, words, slurm_gres(environment), options_.only, options_.skip);
  }

  /// Rank 0 reads the file, every rank parses the same text: a file that only some nodes have must not split
  /// them.
  std::optional<AgreedError> read_targets() {
    std::string text;
    if (auto failed = together(*world_, session_->host(), [&] {
          if (rank_ == 0) text = targets_text(options_);
        }))
      return failed;
    text = broadcast_string(*world_, text, 0);
    return together(*world_, session_->host(), [&] { targets_ = all_targets(text, options_); });
  }

  /// Only rank 0 compares, and before anything is measured: --out may be the folder the baseline is in.
  std::optional<AgreedError> read_baseline() {
    return together(*world_, session_->host(), [&] {
      if (rank_ == 0 && !options_.baseline.empty())
        baseline_.emplace(options_.baseline, options_.tolerance_percent);
    });
  }

  void open_log(const plan::TestPlan& plan, double overhead_ns) {
    RunRecord header = begun_record(command_, places_.topology);
    header.world.ranks = world_->size();
    header.world.nodes = static_cast<int>(places_.hosts.size());
    header.world.launcher = launcher_.name;
    header.world.hosts = places_.hosts;
    header.world.mpi = session_->description();
    for (const char* name : {"OMPI_MCA_pml", "OMPI_MCA_btl", "UCX_TLS", "UCX_NET_DEVICES"})
      if (const auto value = environment(name)) header.world.mpi[name] = *value;
    log_ = std::make_unique<RunLog>(std::move(header), options_.out_directory, *clock_);
    log_->add_last_findings(wrong_results);
    is_log_open_ = true;
    log_->set_overhead("sampling_p50_ns", overhead_ns);
    if (baseline_)
      log_->add_last_findings([this](const RunRecord& record) { return baseline_->findings(record); });
    note_opening(*log_, {verdicts_, plan, places_.topology, not_paired_, devices_.nccl_log});
    if (!run_watch_->unwatched().empty()) log_->add(not_watched(run_watch_->unwatched()));
    printer_ = std::make_unique<report::ProgressPrinter>(
        progress_mode(options_, on_terminal(launcher_, STDERR_FILENO)), stderr);
  }

  /// The rank that probed the host reads the counters of its NICs.
  std::unique_ptr<counters::Reader> counter_reader() {
    if (!places_.leader || !probed_) return nullptr;
    counters::ReaderOptions options;
    options.ports = watched_ports(*probed_, job_);
    if (options.ports.empty()) return nullptr;
    options.statistics = counters::live_nic_statistics();
    return std::make_unique<counters::Reader>(std::move(options));
  }

  void execute(const plan::TestPlan& plan) {
    watch_ = std::make_unique<CounterWatch>(*world_, session_->host(), *clock_, counter_reader(),
                                            job_.traffic_class.has_value());
    if (log_) {
      log_->add_last_findings([this](const RunRecord&) { return watch_->findings(); });
      log_->add_last_findings(verbs_findings);
    }
    ExecutorWorld world;
    world.counters = watch_.get();
    world.world = world_;
    world.host = session_->host();
    world.rank_hosts = places_.rank_hosts;
    world.clock = clock_;
    world.progress = &progress_;
    // Who tells Open MPI to yield knows that ranks share cores, also where each host believes to have its
    // own.
    world.yield = places_.oversubscribed || environment("OMPI_MCA_mpi_yield_when_idle").value_or("0") == "1";
    world.hooks = &hooks_;
    world.verify_repeat = options_.verify_repeat;
    world.log = log_.get();
    world.printer = printer_.get();
    world.first_sample = [this] {
      if (log_)
        log_->set_overhead("start_to_first_sample_s",
                           static_cast<double>(clock_->now_ns() - begun_ns_) / 1e9);
    };
    Executor(std::move(world), plan).run();
    progress_.enter_phase();
  }

  int finish() {
    const MpiFacts mpi = collect_mpi_facts(*world_, places_.topology);
    if (rank_ != 0) return exit_status::passed;
    if (const auto unheard = run_watch_->unheard(); !unheard.empty()) log_->add(not_heard(unheard));
    log_->add_mpi(mpi.words);
    for (const Finding& one : mpi.findings) log_->add(one);
    if (!devices_.gpus.empty()) add_gpu_results(*log_, places_.topology, platform_, may_use_nvls_);
    for (const Fit& one : alpha_beta_fits(log_->checks())) log_->add(one);
    for (const Matrix& one : pair_matrices(log_->checks())) log_->add(one);
    log_->set_remaining({});
    return print_report(concluded(*log_, options_.out_directory));
  }

  int print_report(const RunRecord& record, double log_patience_s = Screen{}.log_patience_s) {
    return app::print_report(
        *log_, record, options_.out_directory,
        {on_terminal(launcher_, STDOUT_FILENO), baseline_ ? &*baseline_ : nullptr, log_patience_s});
  }

  /// On the watchdog's thread of rank 0.
  int on_incident(const control::Incident& incident, const IncidentFacts& facts) {
    const EarlyEnd end =
        end_early(incident, facts, is_log_open_ ? log_.get() : nullptr, options_.out_directory);
    if (!end.record) return end.status;
    const int status = print_report(*end.record, early_log_patience_s);
    if (const std::string words = launcher_words(incident, facts, session_->host()); !words.empty()) {
      remark(stdout, "{}\n", words);
      std::fflush(stdout);
    }
    return status;
  }

  const RunOptions& options_;
  std::vector<std::string> command_;
  const Hooks& hooks_;
  SteadyClock steady_;
  const Clock* clock_;
  std::int64_t begun_ns_;
  LauncherFacts launcher_;
  std::optional<Host> probed_;
  control::MpiSession* session_{};
  Communicator* world_{};
  int rank_{};
  Places places_;
  Progress progress_;
  std::optional<RunWatch> run_watch_;
  TopologyVerdicts verdicts_;  ///< rank 0 only
  topology::JobNetwork job_;
  std::optional<std::string> wrong_class_;  ///< what is wrong with the traffic class that was told
  std::unique_ptr<CounterWatch> watch_;
  std::vector<Target> targets_;
  RankDevices devices_;
  const Platform* platform_{};  ///< of the GPUs, where all are of one
  bool whole_platform_{}, may_use_nvls_{};
  std::vector<NotTested> not_paired_;
  std::optional<Baseline> baseline_;  ///< rank 0 only
  std::unique_ptr<RunLog> log_;
  std::atomic<bool> is_log_open_{};  ///< for the watchdog's thread
  std::unique_ptr<report::ProgressPrinter> printer_;
};

}  // namespace

int run(const RunOptions& options, const std::vector<std::string>& command, int argc, char** argv,
        const Hooks& hooks) {
  return Job(options, command, hooks).run(argc, argv);
}

}  // namespace fabricheck::app
