#include "app/run_watch.hpp"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "app/environment_variable.hpp"
#include "app/run_parts.hpp"
#include "core/remark.hpp"

namespace fabricheck::app {
namespace {

double seconds(std::chrono::nanoseconds duration) { return std::chrono::duration<double>(duration).count(); }

Finding of_watchdog() {
  Finding finding;
  finding.slug = "rank-not-watched";
  finding.severity = Severity::info;
  finding.component = {"cluster", "watchdog", ""};
  finding.confidence = "certain";
  return finding;
}

void put_log_away(int status) { put_nccl_log_away("", status, early_log_patience_s); }

}  // namespace

RunWatch::RunWatch(const RunOptions& options, const LauncherFacts& launcher, const Places& places,
                   control::MpiSession& session, Progress& progress, OnIncident on_incident)
    : options_(options),
      launcher_(launcher),
      places_(places),
      session_(session),
      progress_(progress),
      on_incident_(std::move(on_incident)) {}

void RunWatch::start_alone() {
  control::LocalWatchOptions watch;
  watch.host = session_.host();
  watch.deadline_s = seconds(options_.deadline);
  watch.on_incident = [this](const control::Incident& incident) {
    const int status = ended_by(incident);
    put_log_away(status);
    return status;
  };
  local_watch_ = std::make_unique<control::LocalWatch>(std::move(watch));
}

std::optional<control::AgreedError> RunWatch::start() {
  Communicator& world = session_.world();
  if (world.size() == 1) {
    start_alone();
    return std::nullopt;
  }
  control::WatchdogOptions watch;
  watch.rank = world.rank();
  watch.size = world.size();
  watch.hosts = places_.rank_hosts;
  watch.silence_s = seconds(options_.silence);
  watch.deadline_s = seconds(options_.deadline);
  watch.put_away = put_log_away;
  watch.end_process = [this](int status) { end_process(status); };
  watch.on_incident = [this](const control::Incident& incident) { return ended_by(incident); };
  watchdog_ = std::make_unique<control::Watchdog>(std::move(watch), progress_);
  std::string contact;
  if (auto failed = control::together(world, session_.host(), [&] {
        if (world.rank() == 0) contact = watchdog_->listen();
      }))
    return failed;
  contact = broadcast_string(world, contact, 0);
  std::string reason;
  bool reached = false;
  if (auto failed =
          control::together(world, session_.host(), [&] { reached = watchdog_->start(contact, reason); }))
    return failed;
  // Not fatal: a firewall between compute nodes leaves each rank its own deadline. But it is said.
  const std::string problem =
      reached ? "" : fmt::format("rank {} on {}: {}", world.rank(), session_.host(), reason);
  for (const std::string& one : gather_strings(world, problem, 0))
    if (!one.empty()) unwatched_.push_back(one);
  return std::nullopt;
}

void RunWatch::begin() {
  if (local_watch_) local_watch_->begin({&progress_});
}

void RunWatch::fail(const std::string& why) {
  if (watchdog_) watchdog_->fail(why);
}

void RunWatch::goodbye() {
  if (watchdog_) watchdog_->goodbye();
  if (local_watch_) local_watch_->goodbye();
}

int RunWatch::ended_by(const control::Incident& incident) {
  IncidentFacts facts;
  facts.launcher = launcher_.name;
  facts.verified = options_.verify_repeat > 0 ? progress_.verified.load() : 0;
  facts.notices_in = launcher_notices_in(environment, options_.silence);
  facts.silence = options_.silence;
  ends_by_dead_link_ =
      incident.kind == control::IncidentKind::silent && is_dead_link(incident, session_.host());
  return on_incident_(incident, facts);
}

void RunWatch::end_process(int status) const {
  const int rank = session_.world().rank();
  // The watchdog's last words speak of the journal of a rank 0 that is gone.
  if (rank != 0 && status == exit_status::rank_lost)
    remark(stderr, "fabricheck: rank {}: the journal is {}/journal.jsonl on {}, where rank 0 ran\n", rank,
           options_.out_directory, places_.rank_hosts.front());
  if (rank != 0 || ends_by_dead_link_) wait_for_launcher();
  ::_exit(status);
}

/// Until mpirun, which may notice a dead link by itself, ends this rank.
void RunWatch::wait_for_launcher() const {
  const timespec patience{launcher_notices_in(environment, options_.silence).count(), 0};
  if (patience.tv_sec == 0) return;
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  ::sigtimedwait(&signals, nullptr, &patience);
}

std::vector<std::string> RunWatch::unheard() const {
  std::vector<std::string> words;
  if (!watchdog_) return words;
  for (const int rank : watchdog_->unheard())
    words.push_back(fmt::format("rank {} on {}", rank, places_.rank_hosts[static_cast<std::size_t>(rank)]));
  return words;
}

Finding not_heard(const std::vector<std::string>& unheard) {
  Finding finding = of_watchdog();
  finding.meaning = fmt::format("The watchdog on rank 0 did not hear {} for a while", unheard.front());
  if (const std::size_t more = unheard.size() - 1; more > 0)
    finding.meaning += fmt::format(", nor {} more rank{}", more, more == 1 ? "" : "s");
  finding.meaning += ", which took part in the checks all the same";
  finding.advice =
      "Look for what drops TCP connections between the hosts (a firewall, lost packets), or keeps one thread "
      "of a process from running; a hang there could not have been found.";
  return finding;
}

Finding not_watched(const std::vector<std::string>& unwatched) {
  Finding finding = of_watchdog();
  finding.meaning = "The watchdog on rank 0 could not be reached by " + unwatched.front();
  if (const std::size_t more = unwatched.size() - 1; more > 0)
    finding.meaning += fmt::format("; nor by {} more rank{}", more, more == 1 ? "" : "s");
  finding.advice =
      "Let the nodes open TCP connections to each other, and rank 0 as many files as there are ranks; until "
      "then a hang there is found by that rank alone.";
  return finding;
}

}  // namespace fabricheck::app
