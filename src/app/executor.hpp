// Carries out a plan: every rank the same control calls, check by check.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/counter_watch.hpp"
#include "app/run_log.hpp"
#include "control/agreement.hpp"
#include "control/clock_sync.hpp"
#include "core/clock.hpp"
#include "core/communicator.hpp"
#include "core/judge.hpp"
#include "core/progress.hpp"
#include "core/sampler.hpp"
#include "core/timed_sampler.hpp"
#include "device/cuda/device.hpp"
#include "plan/plan.hpp"
#include "plan/time_left.hpp"
#include "report/progress.hpp"

namespace fabricheck::app {

/// Seams for tests: a wrapper around every operation, another clock, other GPUs.
struct Hooks {
  std::function<std::unique_ptr<Operation>(std::unique_ptr<Operation>, const std::string& check_id,
                                           int world_rank)>
      wrap;
  std::function<std::unique_ptr<TimedOperation>(std::unique_ptr<TimedOperation>, const std::string& check_id,
                                                int world_rank)>
      wrap_timed;
  const Clock* clock{};
  std::function<std::unique_ptr<cuda::Runtime>(const std::string& host)> cuda_runtime;
};

struct ExecutorWorld {
  Communicator* world{};
  std::string host;
  std::vector<std::string> rank_hosts;  ///< of every rank, on every rank
  const Clock* clock{};
  Progress* progress{};
  bool yield{};
  std::uint64_t verify_repeat{};  ///< verified iterations beside the measurement of each check
  const Hooks* hooks{};
  CounterWatch* counters{};            ///< nullptr, on every rank, where nobody watches
  RunLog* log{};                       ///< rank 0 only
  report::ProgressPrinter* printer{};  ///< rank 0 only
  std::function<void()> first_sample;  ///< called once before the first measurement
};

class Executor {
 public:
  Executor(ExecutorWorld world, const plan::TestPlan& plan);
  /// Throws OutOfStep when the ranks cannot be kept together any longer.
  void run();

 private:
  /// The communicators of one set of groups; made once, for groups come again with every size.
  struct Party {
    std::unique_ptr<Communicator>
        everyone;                         ///< all groups, which vote together; nullptr where each votes alone
    std::unique_ptr<Communicator> group;  ///< nullptr on ranks that do not take part
    std::unique_ptr<control::HierarchicalClock> clock;  ///< nullptr of what times itself
    int index{};                                        ///< of this rank's group
  };
  /// A check between its first repeat and its verdict.
  struct Ongoing {
    bool finished{};  ///< the same on every rank
    bool broken{};    ///< on this rank: an error or a wrong result ended it
    int repeats_done{};
    int planned{};  ///< the same on every rank: repeats by the plan, or fewer where those would take too long
    int repeats{};  ///< the same on every rank: as planned, or more for want of a verdict
    std::uint64_t next_iteration{};
    std::int64_t spent_ns{};    ///< rank 0: on all its repeats
    SampleSet samples;          ///< of this rank's group, at its root
    bool has_verdict{};         ///< at the root of a group
    bool points_to_fail{};      ///< at the root of a group: more repeats of the same would be a FAIL
    bool any_points_to_fail{};  ///< rank 0: at any
    bool parked{};              ///< the same on every rank: undecided, and goes on after all others if at all
    bool resumed{};             ///< the same on every rank: it did
    bool learned{};             ///< rank 0: others know its figures
    std::int64_t last_visit_ns{};    ///< rank 0
    std::vector<double> compute_us;  ///< by group; see computing_times()
    std::optional<Target> target;
    std::vector<CheckRecord> decided;       ///< at the root of a group: what has its verdict keeps it
    std::map<std::string, Parameter> path;  ///< at the root of what times itself
    bool has_other_size{};                  ///< this repeat
    int other_size{};  ///< repeats with another size than the first, for want of memory: they do not count
  };
  using Sample =
      std::function<SamplingResult(const SamplingPlan&, const SamplingWorld&, const EnoughSamples&)>;
  Party& party_of(const plan::PlannedCheck& check);
  Party new_party(const plan::PlannedCheck& check);
  /// Once each of `checks` that still wants a verdict, `repeats` times over; `after_least` once in between.
  void run_repeats(const std::vector<std::size_t>& checks, std::vector<std::size_t>& meanwhile,
                   const std::function<void()>& after_least = {});
  /// What all ranks know of a check after a visit.
  struct Vote {
    bool open{};            ///< a group still wants its verdict
    bool broken{};          ///< it goes on nowhere
    bool breaks{};          ///< a group broke in this visit
    bool points_to_fail{};  ///< of a sound group
  };
  /// What rank 0 says: whether to come back, and whether the records are wanted, for a large cluster has
  /// thousands of them.
  struct Order {
    bool again{}, tells{}, overtime{}, ends_run{}, parks{};
    int repeats{};
  };
  /// Which checks are visited how, by their indices in the plan.
  struct Visits {
    std::vector<std::size_t> judged, by_model, others, judged_computing, computing;
  };
  /// What all of them take by the plan, and how often each comes.
  void expect_times(const std::vector<std::size_t>& kinds);
  Visits sorted_visits() const;
  /// Without a verdict to wait for: every repeat of everything, round by round.
  std::vector<std::size_t> rounds_of(const std::vector<std::size_t>& checks) const;
  void note_overhead();
  void visit(std::size_t index);
  /// Before any rank begins; collective.
  void begin_visit(const plan::PlannedCheck& check, Ongoing& ongoing);
  /// Collective.
  Vote vote(const plan::PlannedCheck& check, const Party& party, const Ongoing& ongoing, bool was_broken,
            bool is_open);
  /// Rank 0.
  Order order_after(std::size_t index, const Vote& vote, std::int64_t spent_ns);
  /// Collective: rank 0's to all.
  Order shared(const Order& order);
  void close(std::size_t index, bool is_overtime);
  /// Collective: the records of all ranks go to rank 0's log.
  void tell(std::size_t index, std::vector<CheckRecord> records, bool is_overtime);
  /// Of a check whose turn did not come.
  std::vector<CheckRecord> unmeasured_records(const plan::PlannedCheck& check) const;
  void announce(std::size_t index);
  void note_estimate();
  /// All checks together take no longer than this, but for time that has no budget.
  std::int64_t longest_ns() const;
  /// What begins after this is not measured at all.
  std::int64_t last_ns() const;
  std::optional<std::chrono::nanoseconds> left() const;
  std::unique_ptr<Operation> make_operation(const plan::PlannedCheck& check, const Party& party,
                                            const std::vector<double>& compute_us);
  /// Per group, what an operation computes meanwhile: the time that its counterpart took. Collective.
  std::vector<double> computing_times(const plan::PlannedCheck& check);
  /// One repeat. Where not everybody can make the operation, nobody measures; of what times itself, nobody
  /// of that group.
  std::vector<CheckRecord> repeat(const plan::PlannedCheck& check, Ongoing& ongoing, Party& party);
  std::vector<CheckRecord> repeat_timed(const plan::PlannedCheck& check, Ongoing& ongoing, Party& party);
  std::vector<CheckRecord> measure(const plan::PlannedCheck& check, Ongoing& ongoing, Party& party,
                                   const Sample& sample, const std::vector<double>& compute_us);
  SamplingPlan sampling_of(const plan::PlannedCheck& check, const Ongoing& ongoing) const;
  SamplingWorld sampling_world(Party& party) const;
  /// Of the root of a group.
  void keep(const plan::PlannedCheck& check, Ongoing& ongoing, const SampleSet& samples);
  std::uint64_t memory_share() const;
  std::vector<CheckRecord> describe_so_far(const plan::PlannedCheck& check, Ongoing& ongoing, int group,
                                           const std::vector<double>& compute_us) const;
  /// The same with verdicts, each kept from the look that gave it.
  std::vector<CheckRecord> judged_so_far(const plan::PlannedCheck& check, Ongoing& ongoing, int group,
                                         const std::vector<double>& compute_us) const;
  /// The family is the plan's.
  GatePolicy policy_of(const Ongoing& ongoing) const;
  /// All repeats of a check take no longer than this.
  static std::int64_t longest_of(const plan::PlannedCheck& check, const Ongoing& ongoing);
  std::int64_t spent_so_far_ns() const;
  /// Rank 0: it, or the run, took longer than the budget gives.
  bool is_overtime(const plan::PlannedCheck& check, const Ongoing& ongoing) const;
  /// Rank 0: an undecided check is left for the end of the run: after its planned repeats, or where four of
  /// them point to a FAIL, which a spell of noise may have made, or where the time ended before it had enough
  /// for one.
  bool has_to_wait(const plan::PlannedCheck& check, const Ongoing& ongoing, int repeats, bool overtime) const;
  /// Goes on with what waits, to 8 and then 16 repeats, while the run has time: as much as its budget, and
  /// more before a FAIL is given up. Collective.
  void finish_parked();
  /// Rank 0: to how many repeats each goes on; 0: not at all.
  std::vector<double> resumed_repeats(const std::vector<std::size_t>& waiting) const;
  /// Rank 0: how often a judged check is measured, once it is known how long a visit takes.
  int repeats_for(const plan::PlannedCheck& check, const Ongoing& ongoing, std::int64_t last_ns) const;
  /// What the root of a group tells of a check that an error or a wrong result ended.
  std::vector<CheckRecord> stopped_records(const plan::PlannedCheck& check, int group,
                                           const SamplingResult& result) const;
  /// Keeps the path of the repeats that count.
  static void note_path(Ongoing& ongoing, std::map<std::string, Parameter> path);
  CheckRecord failed_record(const plan::PlannedCheck& check, std::size_t group,
                            const control::AgreedError& error) const;
  /// Of all ranks, at rank 0. Collective.
  std::vector<CheckRecord> gathered(const std::vector<CheckRecord>& mine);
  bool is_judged(std::size_t index) const;
  bool is_computed_for(const std::string& id) const;
  std::optional<Target> target_for(const plan::PlannedCheck& check);
  void learn_from(const CheckRecord& record);

  ExecutorWorld world_;
  const plan::TestPlan& plan_;
  std::vector<std::string> words_;         ///< rank 0: what each check of the plan is called
  std::uint64_t memory_left_{};            ///< bytes of this host, before the check that now begins took any
  std::int64_t excused_ns_{};              ///< rank 0: time that has no budget
  std::int64_t begun_ns_{}, budget_ns_{};  ///< of all checks
  plan::TimeLeft time_left_{{}};           ///< rank 0
  bool all_kinds_seen_{};                  ///< one check of each kind was visited
  bool estimate_told_{};                   ///< rank 0
  bool is_over_{};                         ///< the same on every rank: no check begins any more
  std::vector<Ongoing> ongoing_;           ///< by index of the plan
  std::map<std::pair<bool, std::vector<std::vector<int>>>, Party> parties_;  ///< by whether each votes alone
  std::map<std::string, std::vector<double>>
      alphas_us_;                              ///< rank 0: per check id, median / rounds of each group
  double verification_us_{}, measuring_us_{};  ///< rank 0: time beside and in the measuring
  std::vector<CheckRecord> measured_;          ///< rank 0: finished checks that other checks compute for
};

/// A healthy tree's upper rounds cross more switches than the groups, which sit close together: by how much
/// the world may be slower than alpha * ceil(log2 N) before that is called a fault. Our own choice: two
/// switch hops of 0.25 us on each 1 us round.
inline constexpr double model_tolerance = 1.5;

}  // namespace fabricheck::app
