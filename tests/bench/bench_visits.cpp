// How often the gate errs where whole visits are disturbed: a neighbour that comes and goes, clocks that
// change between visits, spells that cover several visits in a row. Within a visit nothing tells of them.
//
//   bench_visits [--trials N] [--model NAME]
//
// Each trial is one check of a family of 200, measured as Executor measures it: visits of 20 samples, looks
// of its policy, and, where it is planned with fewer than 16 visits and undecided, twice as many while there
// is time. "healthy" is 5 % better than its floor, "bad" 10 % worse; "below" is 2 % worse. Seeded. Exit 1
// where a healthy check fails or one that is not passes more often than its bound.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "bench/random.hpp"
#include "core/gate.hpp"

namespace {

using fabricheck::GatePolicy;
using fabricheck::RepeatCount;
using fabricheck::Verdict;
using fabricheck::bench::Random;

constexpr int family = 200;
constexpr std::size_t samples_of_a_visit = 20;
constexpr double spread_within = 0.005;

/// Logarithm of (time of a visit / true time), visit by visit; with a gap the fifth is of another time.
using Visits = std::function<std::vector<double>(Random&, bool has_gap)>;

struct Model {
  std::string name;
  Visits visits;
  double most_failed;  ///< of healthy ones
};

Visits independent(std::function<double(Random&)> draw) {
  return [draw](Random& random, bool) {
    std::vector<double> shifts(fabricheck::max_repeats);
    for (double& shift : shifts) shift = draw(random);
    return shifts;
  };
}

Visits scatter(double sigma) {
  return independent([sigma](Random& random) { return sigma * random.normal(); });
}

/// That share of visits takes 1.3 times as long.
Visits slow(double share) {
  return independent([share](Random& random) { return random.uniform() < share ? std::log(1.3) : 0.0; });
}

/// That share of visits takes `times` as long, in spells of `length` visits in the mean. What points to a
/// FAIL after four visits goes on when all other checks are done, so the fifth is of another time.
Visits spells(double share, double length, double times) {
  return [=](Random& random, bool has_gap) {
    const double out = 1.0 / length, in = out * share / (1.0 - share);
    bool is_slow = random.uniform() < share;
    std::vector<double> shifts(fabricheck::max_repeats);
    for (std::size_t i = 0; i < shifts.size(); ++i) {
      if (has_gap && i == static_cast<std::size_t>(fabricheck::min_repeats))
        is_slow = random.uniform() < share;
      double& shift = shifts[i];
      shift = is_slow ? std::log(times) : 0.0;
      is_slow = is_slow ? random.uniform() >= out : random.uniform() < in;
    }
    return shifts;
  };
}

std::vector<Model> models() {
  constexpr double one_in_1000 = 0.001;
  return {{"visits scatter 2 %", scatter(0.02), one_in_1000},
          {"visits scatter 5 %", scatter(0.05), one_in_1000},
          {"two clocks, 3 % apart",
           independent([](Random& random) { return random.uniform() < 0.5 ? 0.015 : -0.015; }), one_in_1000},
          {"1 visit of 20 takes 1.3 times", slow(0.05), one_in_1000},
          {"1 visit of 10 takes 1.3 times", slow(0.1), one_in_1000},
          {"1 visit of 4 takes 1.3 times", slow(0.25), one_in_1000},
          {"1 of 20, 1.3 times, in spells of 5", spells(0.05, 5.0, 1.3), 0.005},
          {"1 of 20, twice, in spells of 5", spells(0.05, 5.0, 2.0), 0.005}};
}

enum class Time {
  none,  ///< ends with its planned visits
  more,  ///< goes on where undecided, as in suite quick
  all    ///< takes all its visits one after another, whatever a look says, as in suite acceptance
};

/// Of a check whose true time is `times` its limit.
Verdict measure(const Model& model, double times, int planned, Time time, Random& random) {
  const std::vector<double> shifts = model.visits(random, time != Time::all);
  std::vector<double> values;
  std::vector<std::size_t> begins;
  GatePolicy policy;
  policy.family = family;
  policy.planned = policy.repeats = planned;
  Verdict given = Verdict::inconclusive;
  for (int visit = 1; visit <= policy.repeats; ++visit) {
    begins.push_back(values.size());
    const double centre = std::log(times) + shifts[static_cast<std::size_t>(visit) - 1];
    for (std::size_t i = 0; i < samples_of_a_visit; ++i)
      values.push_back(std::exp(centre + spread_within * random.normal()));
    const auto look = fabricheck::look_after(policy, visit);
    if (!look) continue;
    const fabricheck::Repeats repeats(values, begins);
    const Verdict verdict = fabricheck::weigh([&](double limit) { return repeats.within(limit, false); },
                                              repeats.quantiles(0.5), 0.5, 1.0, 0.0, *look);
    if (time == Time::all) {
      if (given == Verdict::inconclusive) given = verdict;
      if (visit < policy.repeats) continue;
      std::sort(values.begin(), values.end());
      const bool beyond = values[values.size() / 2] > 1.0;
      const bool stands = given == Verdict::pass ? verdict != Verdict::fail && !beyond : verdict == given;
      return stands ? given : Verdict::inconclusive;
    }
    if (verdict != Verdict::inconclusive) return verdict;
    if (time == Time::more && visit == policy.repeats && policy.repeats < fabricheck::max_repeats)
      policy.repeats *= 2;
  }
  return Verdict::inconclusive;
}

struct Tally {
  std::size_t runs{}, pass{}, fail{};
};

Tally tally(const Model& model, double times, int planned, Time time, std::size_t trials) {
  Tally all;
  for (std::size_t trial = 0; trial < trials; ++trial) {
    Random random(1'000'003 * trial + static_cast<std::uint64_t>(planned));
    const Verdict verdict = measure(model, times, planned, time, random);
    ++all.runs;
    all.pass += verdict == Verdict::pass ? 1 : 0;
    all.fail += verdict == Verdict::fail ? 1 : 0;
  }
  return all;
}

double percent(std::size_t count, std::size_t of) {
  return 100.0 * static_cast<double>(count) / static_cast<double>(of);
}

/// By more than the chance of a count at the bound (3 sigma).
bool exceeds(std::size_t count, std::size_t of, double bound) {
  const double n = static_cast<double>(of);
  return static_cast<double>(count) > n * bound + 3.0 * std::sqrt(n * bound * (1.0 - bound));
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t trials = 2000;
  std::string only;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string(argv[i]) == "--trials") trials = std::stoul(argv[i + 1]);
    if (std::string(argv[i]) == "--model") only = argv[i + 1];
  }
  constexpr double healthy = 1.0 / 1.05, just_below = 1.0 / 0.98, bad = 1.0 / 0.9, most_passed = 0.005;
  fmt::print("{} trials each, in %\n{:<36}{:>8}{:>6}{:>16}{:>8}{:>14}{:>12}{:>12}\n", trials, "model",
             "planned", "time", "healthy: FAIL", "PASS", "below: PASS", "bad: FAIL", "PASS");
  bool good = true;
  for (const Model& model : models()) {
    if (!only.empty() && model.name != only) continue;
    for (const int planned : {4, 8, 16})
      for (const Time time : {Time::none, Time::more, Time::all}) {
        const bool is_most = planned == fabricheck::max_repeats;
        if ((time == Time::more && is_most) || (time == Time::all && !is_most)) continue;
        const Tally well = tally(model, healthy, planned, time, trials);
        const Tally below = tally(model, just_below, planned, time, trials);
        const Tally ill = tally(model, bad, planned, time, trials);
        const bool too_often = exceeds(well.fail, well.runs, model.most_failed) ||
                               exceeds(below.pass, below.runs, most_passed) ||
                               exceeds(ill.pass, ill.runs, most_passed);
        good = good && !too_often;
        fmt::print("{:<36}{:>8}{:>6}{:>16.3f}{:>8.1f}{:>14.3f}{:>12.1f}{:>12.3f}{}\n", model.name, planned,
                   time == Time::more  ? "more"
                   : time == Time::all ? "all"
                                       : "-",
                   percent(well.fail, well.runs), percent(well.pass, well.runs),
                   percent(below.pass, below.runs), percent(ill.fail, ill.runs), percent(ill.pass, ill.runs),
                   too_often ? "  too often" : "");
      }
  }
  return good ? 0 : 1;
}
