// The operating characteristic of the gate: how often it says PASS of what is 5 % over its target, FAIL of
// what is 5 % under it, and INCONCLUSIVE; what it says of what lies exactly at its target, where any verdict
// is luck; and how often a healthy cluster of 2,000 checks is accused of anything.
//
//   bench_gate [--runs N] [--families N] [--threads N] [--stream NAME]
//
// Runs and streams are seeded: the same command prints the same table. Exit 1 when a bound is exceeded: wrong
// PASS or wrong FAIL above 1 % (at the target with ties PASS is no error: over half of the samples are
// within), INCONCLUSIVE above 10 % (of the streams marked *, which promise an effective n of 5,000), a
// healthy family failed in more than 1 % of its runs.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/random.hpp"
#include "core/gate.hpp"

namespace {

using fabricheck::GatePolicy;
using fabricheck::RepeatCount;
using fabricheck::Verdict;
using fabricheck::bench::Random;

constexpr double target_us = 5.0;

/// A stream draws the logarithm of (sample / true median); `at` and `of` tell where in the run it is,
/// `begins` that a repeat does.
using Draw = std::function<double(Random&, std::size_t at, std::size_t of, bool begins)>;

struct Stream {
  std::string name;
  bool promised{};  ///< its effective n is at least 5,000
  std::size_t samples{};
  std::function<Draw()> make;
  bool has_ties{};  ///< many samples equal the limit when the true median does: more than half are within
};

double normal_quantile(double p) {
  double low = -10.0, high = 10.0;
  for (int i = 0; i < 200; ++i) {
    const double middle = (low + high) / 2.0;
    (0.5 * std::erfc(-middle / std::sqrt(2.0)) < p ? low : high) = middle;
  }
  return low;
}

Stream log_normal(double sigma) {
  return {fmt::format("log-normal {}", sigma), true, 5000, [sigma] {
            return
                [sigma](Random& random, std::size_t, std::size_t, bool) { return sigma * random.normal(); };
          }};
}

/// One in ten at four times: the median lies at the 0.5 / 0.9 quantile of the others.
Stream bimodal(double sigma) {
  const double shift = sigma * normal_quantile(0.5 / 0.9);
  return {fmt::format("bimodal {}", sigma), true, 5000, [=] {
            return [=](Random& random, std::size_t, std::size_t, bool) {
              return sigma * random.normal() - shift + (random.uniform() < 0.1 ? std::log(4.0) : 0.0);
            };
          }};
}

/// `length` samples have the share `common` of sigma in common. Indicators at the median are correlated by
/// 2/pi asin(common^2), so one of 1 + (length - 1) times that counts.
Stream bursts(double sigma, std::size_t length, double common) {
  const double r = 2.0 / std::acos(-1.0) * std::asin(common * common);
  const auto samples = static_cast<std::size_t>(5000.0 * (1.0 + static_cast<double>(length - 1) * r));
  return {fmt::format("bursts {} of {}", sigma, length), true, samples, [=] {
            auto shared = std::make_shared<double>(0.0);
            return [=, own = std::sqrt(1.0 - common * common)](Random& random, std::size_t at, std::size_t,
                                                               bool) {
              if (at % length == 0) *shared = common * random.normal();
              return sigma * (*shared + own * random.normal());
            };
          }};
}

Stream drift(double sigma, double whole) {
  return {fmt::format("drift {} % on {}", 100.0 * whole, sigma), true, 5000, [=] {
            return [=](Random& random, std::size_t at, std::size_t of, bool) {
              const double place = (static_cast<double>(at) + 0.5) / static_cast<double>(of) - 0.5;
              return sigma * random.normal() + std::log1p(whole * place);
            };
          }};
}

/// First-order autoregression.
Stream autoregression(double sigma, double r) {
  // Sum over lags of 2/pi asin(r^k), twice, plus one.
  double inflation = 1.0;
  for (double power = r; power > 1e-6; power *= r) inflation += 4.0 / std::acos(-1.0) * std::asin(power);
  return {fmt::format("autoregression {} r {}", sigma, r), true, static_cast<std::size_t>(5000.0 * inflation),
          [=] {
            auto state = std::make_shared<double>(0.0);
            return [=, fresh = std::sqrt(1.0 - r * r)](Random& random, std::size_t at, std::size_t, bool) {
              *state = at == 0 ? random.normal() : r * *state + fresh * random.normal();
              return sigma * *state;
            };
          }};
}

/// Pareto with tail index 1.5 above a floor: no variance.
Stream heavy_tail() {
  return {"Pareto tail 1.5", true, 5000, [] {
            return [](Random& random, std::size_t, std::size_t, bool) {
              return (-std::log(random.uniform()) - std::log(2.0)) / 1.5;
            };
          }};
}

/// A clock with few ticks: many ties, also at the limit.
Stream quantised(double sigma, double tick_us) {
  return {fmt::format("log-normal {}, ticks of {} us", sigma, tick_us), false, 5000,
          [=] {
            return [=](Random& random, std::size_t, std::size_t, bool) {
              const double us = target_us * std::exp(sigma * random.normal());
              return std::log(std::max(1.0, std::round(us / tick_us)) * tick_us / target_us);
            };
          },
          true};
}

/// Each repeat is off by its own amount: what a rerun after a pause sees.
Stream shifted_repeats(double sigma, double between) {
  return {fmt::format("log-normal {}, repeats differ by {} %", sigma, 100.0 * between), false, 5000, [=] {
            auto shift = std::make_shared<double>(0.0);
            return [=](Random& random, std::size_t, std::size_t, bool begins) {
              if (begins) *shift = between * random.normal();
              return sigma * random.normal() + *shift;
            };
          }};
}

/// A noisy neighbour every few thousand samples, for hundreds of them.
Stream neighbour(double sigma) {
  return {fmt::format("log-normal {}, slow spells", sigma), false, 200000, [=] {
            auto left = std::make_shared<long>(0);
            // A tenth of the samples is slow: the median lies where it does for the bimodal stream.
            const double shift = sigma * normal_quantile(0.5 / 0.9);
            return [=](Random& random, std::size_t, std::size_t, bool) {
              if (*left == 0) {
                const bool slow = random.uniform() < 0.5;
                const double length = (slow ? 300.0 : 2700.0) * -std::log(random.uniform());
                *left = (slow ? -1 : 1) * (1 + static_cast<long>(length));
              }
              const bool slow = *left < 0;
              *left += slow ? 1 : -1;
              return sigma * random.normal() - shift + (slow ? std::log(3.0) : 0.0);
            };
          }};
}

std::vector<Stream> streams() {
  return {log_normal(0.1),       log_normal(0.3),       log_normal(0.5),
          bimodal(0.1),          bimodal(0.3),          bursts(0.1, 200, 0.7),
          bursts(0.3, 200, 0.7), bursts(0.5, 200, 0.7), drift(0.1, 0.02),
          drift(0.3, 0.02),      drift(0.5, 0.02),      autoregression(0.3, 0.99),
          heavy_tail(),          quantised(0.3, 0.1),   shifted_repeats(0.1, 0.03),
          neighbour(0.1)};
}

/// Counts at one limit, repeat by repeat.
struct Counter {
  double log_limit{};
  std::vector<RepeatCount> counts;
};

/// The whole procedure on one stream whose true median is `median_us`.
Verdict measure(const Stream& stream, double median_us, const GatePolicy& policy, Random& random) {
  const Draw draw = stream.make();
  const double centre = std::log(median_us);
  // weigh() asks for these three limits; samples at or below them are counted as they come.
  const std::vector<double> limits{target_us, target_us * (1.0 - fabricheck::early_margin),
                                   target_us * (1.0 + fabricheck::early_fail_margin)};
  std::vector<Counter> counters;
  for (const double limit : limits) counters.push_back({std::log(limit) - centre, {}});
  const auto at_limit = [&](double limit) {
    for (std::size_t i = 0; i < limits.size(); ++i)
      if (limits[i] == limit) return counters[i].counts;
    return std::vector<RepeatCount>{};
  };
  const auto repeats = static_cast<std::size_t>(policy.repeats);
  std::vector<double> medians, values;
  for (std::size_t repeat = 0; repeat < repeats; ++repeat) {
    const std::size_t from = repeat * stream.samples / repeats, to = (repeat + 1) * stream.samples / repeats;
    for (Counter& one : counters) one.counts.push_back({to - from, 0});
    values.clear();
    for (std::size_t at = from; at < to; ++at) {
      const double value = draw(random, at, stream.samples, at == from);
      for (Counter& one : counters) one.counts.back().within += value <= one.log_limit ? 1 : 0;
      // Asked for while there are few.
      if (repeat < fabricheck::repeats_that_count) values.push_back(value);
    }
    if (!values.empty()) {
      const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
      std::nth_element(values.begin(), middle, values.end());
      medians.push_back(std::exp(centre + *middle));
    } else {
      medians.push_back(median_us);
    }
    const auto look = fabricheck::look_after(policy, static_cast<int>(repeat) + 1);
    if (!look) continue;
    const Verdict evidence = fabricheck::weigh(at_limit, medians, 0.5, target_us, 0.0, *look);
    if (evidence != Verdict::inconclusive) return evidence;
  }
  return Verdict::inconclusive;
}

struct Tally {
  std::size_t runs{}, pass{}, fail{}, open{};
  void add(Verdict evidence) {
    ++runs;
    ++(evidence == Verdict::pass ? pass : evidence == Verdict::fail ? fail : open);
  }
  void add(const Tally& other) {
    runs += other.runs;
    pass += other.pass;
    fail += other.fail;
    open += other.open;
  }
  double percent(std::size_t count) const {
    return 100.0 * static_cast<double>(count) / static_cast<double>(std::max<std::size_t>(1, runs));
  }
};

/// `work(i, random)` for i in 0..count-1, each with its own seed, over `threads` threads.
template <class Result, class Work>
Result in_parallel(std::size_t count, unsigned threads, const Work& work) {
  std::vector<Result> results(threads);
  std::vector<std::thread> running;
  for (unsigned t = 0; t < threads; ++t)
    running.emplace_back([&, t] {
      for (std::size_t i = t; i < count; i += threads) work(i, results[t]);
    });
  for (std::thread& one : running) one.join();
  Result all;
  for (const Result& one : results) all.add(one);
  return all;
}

std::uint64_t seed_of(const std::string& name, std::size_t run) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash + run * 1000003ULL;
}

constexpr int family_size = 2000;

/// A healthy cluster: every check 5 % under its target, of four kinds of streams.
std::vector<Stream> healthy() {
  return {log_normal(0.1), log_normal(0.3), bimodal(0.1), bursts(0.3, 20, 0.7)};
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t runs = 1000, families = 50;
  unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  std::string only;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    const std::size_t number = std::strtoull(value, nullptr, 10);
    if (name == "--runs") {
      runs = number;
    } else if (name == "--families") {
      families = number;
    } else if (name == "--threads" && number > 0) {
      threads = static_cast<unsigned>(number);
    } else if (name == "--stream" && *value != 0) {
      only = value;
    } else {
      fmt::print(stderr, "bench_gate [--runs N] [--families N] [--threads N] [--stream NAME]\n");
      return 2;
    }
  }
  bool good = true;
  // A bound is exceeded when the count is above it by more than the chance of a count at the bound (3 sigma).
  const auto exceeds = [](const Tally& tally, std::size_t count, double bound) {
    const double n = static_cast<double>(tally.runs);
    return static_cast<double>(count) > n * bound + 3.0 * std::sqrt(n * bound * (1.0 - bound));
  };
  fmt::print("{} runs of each stream, true median 5 % above or below the target; {} repeats at most\n", runs,
             fabricheck::max_repeats);
  const auto line = [](const auto&... cells) {
    fmt::print("{:<44}{:>8}{:>12}{:>12}{:>14}{:>14}{:>11}{:>11}", cells...);
  };
  line("stream", "samples", "wrong PASS", "wrong FAIL", "INCONCLUSIVE", "INCONCLUSIVE", "PASS", "FAIL");
  fmt::print("\n");
  line("", "", "5 % above", "5 % below", "5 % above", "5 % below", "at target", "at target");
  fmt::print("\n");
  for (const Stream& stream : streams()) {
    if (!only.empty() && stream.name.find(only) == std::string::npos) continue;
    const auto side = [&](double median_us, std::size_t salt) {
      return in_parallel<Tally>(runs, threads, [&](std::size_t run, Tally& tally) {
        Random random(seed_of(stream.name, 3 * run + salt));
        tally.add(measure(stream, median_us, {}, random));
      });
    };
    const Tally above = side(1.05 * target_us, 0), below = side(0.95 * target_us, 1), at = side(target_us, 2);
    const bool bad =
        exceeds(above, above.pass, 0.01) || exceeds(below, below.fail, 0.01) || exceeds(at, at.fail, 0.01) ||
        (!stream.has_ties && exceeds(at, at.pass, 0.01)) ||
        (stream.promised && (exceeds(above, above.open, 0.1) || exceeds(below, below.open, 0.1)));
    good = good && !bad;
    const auto share = [](const Tally& tally, std::size_t count) {
      return fmt::format("{:.2f} %", tally.percent(count));
    };
    line((stream.promised ? "* " : "  ") + stream.name, stream.samples, share(above, above.pass),
         share(below, below.fail), share(above, above.open), share(below, below.open), share(at, at.pass),
         share(at, at.fail));
    fmt::print("{}\n", bad ? "  too often" : "");
    std::fflush(stdout);
  }
  if (families > 0 && only.empty()) {
    GatePolicy policy;
    policy.family = family_size;
    const std::vector<Stream> kinds = healthy();
    struct Families {
      Tally families, checks;
      void add(const Families& other) {
        families.add(other.families);
        checks.add(other.checks);
      }
    };
    const auto all = in_parallel<Families>(families, threads, [&](std::size_t run, Families& tally) {
      bool failed = false;
      for (int check = 0; check < family_size; ++check) {
        const Stream& stream = kinds[static_cast<std::size_t>(check) % kinds.size()];
        Random random(seed_of("family", run * family_size + static_cast<std::size_t>(check)));
        const Verdict evidence = measure(stream, 0.95 * target_us, policy, random);
        tally.checks.add(evidence);
        failed = failed || evidence == Verdict::fail;
      }
      tally.families.add(failed ? Verdict::fail : Verdict::pass);
    });
    const bool bad = exceeds(all.families, all.families.fail, 0.01);
    good = good && !bad;
    fmt::print(
        "\na healthy family of {} checks, each 5 % below its target: accused in {} of {} runs; of its checks "
        "{:.2f} % PASS, {:.4f} % FAIL, {:.2f} % INCONCLUSIVE{}\n",
        family_size, all.families.fail, all.families.runs, all.checks.percent(all.checks.pass),
        all.checks.percent(all.checks.fail), all.checks.percent(all.checks.open), bad ? "  too often" : "");
  }
  return good ? 0 : 1;
}
