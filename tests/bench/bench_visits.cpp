// How often the gate errs where whole visits are disturbed: a neighbour that comes and goes, clocks that
// change between visits, spells that cover several visits in a row. Within a visit nothing tells of them.
//
//   bench_visits [--trials N] [--model NAME]
//
// Each trial is one check of a family of 200, measured as Executor measures it: visits of 20 samples, looks
// of its policy, and, where it is planned with fewer than 16 visits and undecided, twice as many while there
// is time. "healthy" is 5 % better than its floor, "bad" 10 % worse; "below" is 2 % worse. Seeded. Exit 1
// where a healthy check fails or a bad one passes more often than its bound.
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

/// Logarithm of (time of a visit / true time), visit by visit.
using Visits = std::function<std::vector<double>(Random&)>;

struct Model {
  std::string name;
  Visits visits;
  double most_failed;  ///< of healthy ones
};

Visits independent(std::function<double(Random&)> draw) {
  return [draw](Random& random) {
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

/// The same, in spells of `length` visits in the mean.
Visits spells(double share, double length) {
  return [=](Random& random) {
    const double out = 1.0 / length, in = out * share / (1.0 - share);
    bool is_slow = random.uniform() < share;
    std::vector<double> shifts(fabricheck::max_repeats);
    for (double& shift : shifts) {
      shift = is_slow ? std::log(1.3) : 0.0;
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
          {"the same, 1 of 20, in spells of 5", spells(0.05, 5.0), 0.005}};
}

/// Of a check whose true time is `times` its limit.
Verdict measure(const Model& model, double times, int planned, bool has_time, Random& random) {
  const std::vector<double> shifts = model.visits(random);
  std::vector<double> values;
  std::vector<std::size_t> begins;
  GatePolicy policy;
  policy.family = family;
  policy.planned = policy.repeats = planned;
  for (int visit = 1; visit <= policy.repeats; ++visit) {
    begins.push_back(values.size());
    const double centre = std::log(times) + shifts[static_cast<std::size_t>(visit) - 1];
    for (std::size_t i = 0; i < samples_of_a_visit; ++i)
      values.push_back(std::exp(centre + spread_within * random.normal()));
    const auto look = fabricheck::look_after(policy, visit);
    if (!look) continue;
    const fabricheck::Repeats repeats(values, begins);
    const Verdict verdict =
        fabricheck::weigh([&](double limit) { return repeats.within(limit, false); }, 0.5, 1.0, 0.0, *look);
    if (verdict != Verdict::inconclusive) return verdict;
    if (has_time && visit == policy.repeats && policy.repeats < fabricheck::max_repeats) policy.repeats *= 2;
  }
  return Verdict::inconclusive;
}

struct Tally {
  std::size_t runs{}, pass{}, fail{};
};

Tally tally(const Model& model, double times, int planned, bool has_time, std::size_t trials) {
  Tally all;
  for (std::size_t trial = 0; trial < trials; ++trial) {
    Random random(1'000'003 * trial + static_cast<std::uint64_t>(planned));
    const Verdict verdict = measure(model, times, planned, has_time, random);
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
      for (const bool has_time : {false, true}) {
        if (planned == fabricheck::max_repeats && has_time) continue;
        const Tally well = tally(model, healthy, planned, has_time, trials);
        const Tally below = tally(model, just_below, planned, has_time, trials);
        const Tally ill = tally(model, bad, planned, has_time, trials);
        const bool too_often =
            exceeds(well.fail, well.runs, model.most_failed) || exceeds(ill.pass, ill.runs, most_passed);
        good = good && !too_often;
        fmt::print("{:<36}{:>8}{:>6}{:>16.3f}{:>8.1f}{:>14.3f}{:>12.1f}{:>12.3f}{}\n", model.name, planned,
                   has_time ? "more" : "-", percent(well.fail, well.runs), percent(well.pass, well.runs),
                   percent(below.pass, below.runs), percent(ill.fail, ill.runs), percent(ill.pass, ill.runs),
                   too_often ? "  too often" : "");
      }
  }
  return good ? 0 : 1;
}
