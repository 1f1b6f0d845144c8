#include "app/single_process.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <optional>

#include <fmt/format.h>

#include "app/catalogue.hpp"
#include "app/environment_variable.hpp"
#include "app/gpu_pairs.hpp"
#include "app/gpu_world.hpp"
#include "app/probe_host.hpp"
#include "app/rank_devices.hpp"
#include "app/run_log.hpp"
#include "app/run_parts.hpp"
#include "app/wrong_results.hpp"
#include "collectives/nccl/catalog.hpp"
#include "collectives/nccl/nvls.hpp"
#include "config/platform_file.hpp"
#include "control/local_watch.hpp"
#include "control/watchdog.hpp"
#include "core/error.hpp"
#include "core/progress.hpp"
#include "core/remark.hpp"
#include "core/thread_communicator.hpp"
#include "topology/judge/judge.hpp"
#include "topology/model/merge.hpp"

namespace fabricheck::app {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

/// What one thread measures with.
struct Seat {
  std::shared_ptr<cuda::Setup> gpu;
  std::shared_ptr<node::gpu::Settings> settings;
  std::shared_ptr<collectives::nccl::Settings> nccl;
  std::shared_ptr<Progress> progress = std::make_shared<Progress>();
};

/// What runs on GPUs and needs neither MPI nor a NIC of its own.
std::vector<CheckRow> rows_of(const Seat& seat) {
  std::vector<CheckRow> rows = catalogue({nullptr, seat.gpu, seat.settings, seat.nccl});
  std::erase_if(rows, [](const CheckRow& row) { return !row.needs_gpu || row.backend == "verbs"; });
  return rows;
}

class SingleProcess {
 public:
  SingleProcess(const RunOptions& options, std::vector<std::string> command, const Hooks& hooks)
      : options_(options),
        command_(std::move(command)),
        hooks_(hooks),
        clock_(hooks.clock ? hooks.clock : &steady_) {}

  int run() {
    // Before CUDA begins threads of its own, which would be ended by them.
    control::Watchdog::block_signals();
    // NVML is asked in a child, before anything of CUDA's is opened.
    host_ = probe_this_host({});
    host_.name = host_name();
    start_watch();
    open_gpus();
    targets_ = all_targets(targets_text(options_), options_);
    TopologyVerdicts verdicts = judge();
    plan::Request request = request_of(options_, targets_);
    const std::vector<NotTested> left_out = plan(request);
    const std::vector<CheckRow> rows = rows_of(seats_.front());
    const plan::TestPlan first = plan::make_plan(topology_, rows, request);
    refuse_unknown_wish(first, request);
    open_log(verdicts, first, left_out);
    note_wishes(*log_, first, request, rows);
    note_failed_gpus(*log_, gpus_, topology_);
    std::vector<const Progress*> watched;
    for (const Seat& seat : seats_) watched.push_back(seat.progress.get());
    watch_->begin(std::move(watched));
    try {
      run_ranks(static_cast<int>(seats_.size()), [&](Communicator& world) { measure(world, request); });
    } catch (const std::exception&) {
      if (!failure_) throw;
      // What was measured before is a result, too.
      ::_exit(on_incident(*failure_));
    }
    return finish();
  }

 private:
  void start_watch() {
    control::LocalWatchOptions watch;
    watch.host = host_.name;
    watch.deadline_s = std::chrono::duration<double>(options_.deadline).count();
    watch.on_incident = [this](const control::Incident& incident) { return on_incident(incident); };
    watch_ = std::make_unique<control::LocalWatch>(std::move(watch));
  }

  /// On the watch's thread; the process ends with the status.
  int on_incident(const control::Incident& incident) {
    const EarlyEnd end = end_early(incident, {}, is_log_open_ ? log_.get() : nullptr, options_.out_directory);
    if (end.record) return print_report(*end.record, early_log_patience_s);
    put_nccl_log_away("", end.status, early_log_patience_s);
    return end.status;
  }

  void open_gpus() {
    const std::shared_ptr<cuda::Runtime> runtime =
        hooks_.cuda_runtime ? hooks_.cuda_runtime(host_.name) : cuda::open_runtime(host_.name);
    Host usable = host_;
    usable.gpus.clear();
    for (const std::size_t index : usable_gpus(host_)) usable.gpus.push_back(host_.gpus[index]);
    if (std::getenv("CUDA_VISIBLE_DEVICES") != nullptr) keep_shown(*runtime, usable.gpus);
    const std::size_t count = usable.gpus.empty() ? runtime->devices().size() : usable.gpus.size();
    if (count == 0) throw Error(fmt::format("--single-process: no CUDA device on {}", host_.name));
    nccl_log_ = capture_nccl_log(host_.name, options_.gpu);
    const BusyGpus busy = std::filesystem::exists("/dev/nvidiactl") ? busy_gpus("/") : BusyGpus{};
    topology_ = topology::merge_hosts({host_});
    for (std::size_t i = 0; i < count; ++i) {
      const auto rank = static_cast<int>(i);
      Seat seat;
      seat.gpu = open_gpu(runtime, usable, rank, static_cast<int>(count), busy, options_.gpu,
                          gpu_deadline_ns(options_));
      seat.settings = gpu_settings(host_, *seat.gpu, options_.gpu);
      seat.nccl = nccl_settings(seat.gpu, options_.gpu, nccl_log_.file);
      RankPlace place;
      place.rank = place.local_rank = rank;
      place.gpu = usable.gpus.empty() ? rank : usable.gpus[i].index;
      topology_.ranks.push_back(place);
      gpus_.push_back(rank_gpu_of(*seat.gpu));
      seats_.push_back(std::move(seat));
    }
    const bool any =
        std::any_of(seats_.begin(), seats_.end(), [](const Seat& seat) { return seat.gpu->device; });
    if (any) return;
    const cuda::Setup& first = *seats_.front().gpu;
    throw Error("--single-process: " + (first.problem.empty() ? first.unavailable : first.problem));
  }

  /// Others were hidden on purpose. Where CUDA does not start, each says so by itself.
  static void keep_shown(cuda::Runtime& runtime, std::vector<Gpu>& gpus) {
    std::vector<cuda::DeviceFacts> devices;
    try {
      devices = runtime.devices();
    } catch (const Error&) {
      return;
    }
    std::erase_if(gpus, [&](const Gpu& gpu) {
      return std::none_of(devices.begin(), devices.end(),
                          [&](const cuda::DeviceFacts& one) { return one.pci_address == gpu.pci_address; });
    });
  }

  TopologyVerdicts judge() {
    const TopologyWords words = read_topology_words(options_.topology);
    const topology::PlatformOfGpus found =
        topology::platform_of_gpus(topology_, config::built_in_platforms(), words.platform);
    platform_ = found.platform;
    whole_ = found.whole;
    return judge_topology(topology_, words, "", options_.only, options_.skip);
  }

  std::vector<NotTested> plan(plan::Request& request) {
    auto left_out =
        plan_gpus(gpus_, topology_, platform_, whole_, may_use_nvls_, rows_of(seats_.front()), request);
    if (request.platform_target) use_pair_targets(gpu_pair_targets(gpus_, topology_, platform_), request);
    left_out.push_back({"mpi", "--single-process measures GPUs alone: no MPI, no verbs, no network"});
    return left_out;
  }

  void open_log(const TopologyVerdicts& verdicts, const plan::TestPlan& plan,
                const std::vector<NotTested>& left_out) {
    RunRecord header = begun_record(command_, topology_);
    header.world.ranks = static_cast<int>(seats_.size());
    header.world.nodes = 1;
    header.world.launcher = "one process";
    header.world.hosts = {host_.name};
    log_ = std::make_unique<RunLog>(std::move(header), options_.out_directory, *clock_);
    log_->add_last_findings(wrong_results);
    is_log_open_ = true;
    note_opening(*log_, {verdicts, plan, topology_, left_out, nccl_log_});
    printer_ = std::make_unique<report::ProgressPrinter>(
        progress_mode(options_, ::isatty(STDERR_FILENO) == 1), stderr);
  }

  /// On a thread of its own. The plan is the same on all; its rows are this rank's.
  void measure(Communicator& world, const plan::Request& request) {
    const std::vector<CheckRow> rows = rows_of(seats_[static_cast<std::size_t>(world.rank())]);
    const plan::TestPlan plan = plan::make_plan(topology_, rows, request);
    ExecutorWorld around;
    around.world = &world;
    around.host = host_.name;
    around.rank_hosts.assign(seats_.size(), host_.name);
    around.clock = clock_;
    around.progress = seats_[static_cast<std::size_t>(world.rank())].progress.get();
    around.hooks = &hooks_;
    around.verify_repeat = options_.verify_repeat;
    around.log = world.rank() == 0 ? log_.get() : nullptr;
    around.printer = world.rank() == 0 ? printer_.get() : nullptr;
    try {
      Executor(std::move(around), plan).run();
    } catch (const std::exception& error) {
      note_failure(world.rank(), error.what());
      throw;
    }
  }

  /// The others fail because the first one did.
  void note_failure(int rank, const std::string& words) {
    const std::lock_guard lock(failure_mutex_);
    if (failure_) return;
    const Progress& progress = *seats_[static_cast<std::size_t>(rank)].progress;
    failure_.emplace();
    failure_->kind = control::IncidentKind::failed;
    failure_->culprits = {{rank, host_.name, progress.phase.load(), progress.step.load(), 0.0}};
    failure_->phase = seats_.front().progress->phase.load();
    failure_->text = words;
  }

  int print_report(const RunRecord& record, double log_patience_s = Screen{}.log_patience_s) {
    return app::print_report(*log_, record, options_.out_directory,
                             {::isatty(STDOUT_FILENO) == 1, nullptr, log_patience_s});
  }

  int finish() {
    add_gpu_results(*log_, topology_, platform_, may_use_nvls_);
    log_->set_remaining({});
    const int status = print_report(concluded(*log_, options_.out_directory));
    watch_->goodbye();
    collectives::nccl::release_communicators(*clock_, nccl_end_ns);
    std::vector<const cuda::Setup*> gpus;
    for (const Seat& seat : seats_) gpus.push_back(seat.gpu.get());
    end_now_if_stuck(gpus, status);
    return status;
  }

  const RunOptions& options_;
  std::vector<std::string> command_;
  const Hooks& hooks_;
  SteadyClock steady_;
  const Clock* clock_;
  Host host_;
  ClusterTopology topology_;
  collectives::nccl::LogCapture nccl_log_;
  std::vector<Seat> seats_;
  std::vector<RankGpu> gpus_;
  const Platform* platform_{};
  bool whole_{};
  bool may_use_nvls_{collectives::nccl::may_use_nvls(environment)};
  std::vector<Target> targets_;
  std::unique_ptr<RunLog> log_;
  std::atomic<bool> is_log_open_{};
  std::unique_ptr<report::ProgressPrinter> printer_;
  std::unique_ptr<control::LocalWatch> watch_;
  std::mutex failure_mutex_;
  std::optional<control::Incident> failure_;  ///< of the first rank that could not go on
};

}  // namespace

int run_single_process(const RunOptions& options, const std::vector<std::string>& command,
                       const Hooks& hooks) {
  try {
    return SingleProcess(options, command, hooks).run();
  } catch (const std::exception& error) {
    collectives::nccl::put_log_away("");
    if (!collectives::nccl::is_call_under_way()) throw;
    // The end of the process would pull NCCL away under that call.
    remark(stderr, "fabricheck: {}\n", error.what());
    std::fflush(nullptr);
    ::_exit(exit_status::broken);
  }
}

}  // namespace fabricheck::app
