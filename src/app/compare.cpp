#include "app/compare.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "app/result_file.hpp"
#include "core/comparison.hpp"
#include "core/error.hpp"

namespace fabricheck::app {
namespace {

ComparisonPolicy policy_of(double tolerance_percent) {
  ComparisonPolicy policy;
  policy.tolerance_percent = tolerance_percent;
  return policy;
}

}  // namespace

int compare_results(const CompareOptions& options) {
  const RunRecord before = read_result_argument("OLD: ", options.before);
  const RunRecord after = read_result_argument("NEW: ", options.after);
  const RunComparison comparison = compare_runs(before, after, policy_of(options.tolerance_percent));
  report::ConsoleStyle style;
  style.colour = ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  const std::string text =
      report::console_comparison(comparison, before, after, {options.before, options.after}, style);
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
    throw Error("standard output cannot be written");
  return comparison_status(comparison);
}

Baseline::Baseline(const std::string& path, double tolerance_percent)
    : path_(path),
      policy_(policy_of(tolerance_percent)),
      before_(read_result_argument("--baseline: ", path)) {}

std::vector<Finding> Baseline::findings(const RunRecord& record) const {
  return regressions(compare_runs(before_, record, policy_));
}

std::string Baseline::text(const RunRecord& record, const report::ConsoleStyle& style) const {
  return report::console_comparison(compare_runs(before_, record, policy_), before_, record,
                                    {path_, "this run"}, style);
}

}  // namespace fabricheck::app
