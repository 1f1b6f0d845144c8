// `fabricheck compare`, and what `run --baseline` does with the same means.
#pragma once

#include <string>
#include <vector>

#include "app/options.hpp"
#include "core/finding.hpp"
#include "core/run_record.hpp"
#include "report/report.hpp"

namespace fabricheck::app {

/// Prints the comparison; returns the exit status. Throws UsageError for a file that is no result.
int compare_results(const CompareOptions& options);

/// An earlier result that a run is held against.
class Baseline {
 public:
  /// Throws UsageError with one sentence that names the file and what is wrong with it.
  Baseline(const std::string& path, double tolerance_percent);

  /// What the comparison adds to the findings of `record`.
  std::vector<Finding> findings(const RunRecord& record) const;
  /// The comparison as text, to stand behind the report.
  std::string text(const RunRecord& record, const report::ConsoleStyle& style) const;

 private:
  std::string path_;
  ComparisonPolicy policy_;
  RunRecord before_;
};

}  // namespace fabricheck::app
