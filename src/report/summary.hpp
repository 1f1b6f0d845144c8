// What the console and the ticket say, decided once: which rows, in which order, in which words. Private to
// src/report.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/run_record.hpp"

namespace fabricheck::report {

/// One row of a table of measurements; "-" where there is no figure. All text is sanitised.
struct SummaryRow {
  Verdict verdict{};
  std::string check;  ///< "MPI allreduce latency, between nodes, group 2"
  std::string bytes, value, target, p99, samples, last;
};

/// One reason and everything it is the reason for.
struct SummaryReason {
  Verdict verdict{};
  std::string checks;  ///< "MPI allreduce latency, 8 B, between nodes, group 2 (n9, n10)"
  std::string reason;
};

struct SummaryFinding {
  Severity severity{};
  std::string title;                                         ///< component and meaning
  std::vector<std::pair<std::string, std::string>> details;  ///< "do", "confirm", "evidence", …
};

/// "nic mlx5_3 on n2", "rank 1 on n1", "host n3": nothing twice. Not sanitised.
std::string component_words(const Component& component);

struct Summary {
  Verdict verdict{};
  std::string headline;            ///< without the verdict's name
  std::vector<std::string> facts;  ///< what ran, where, for how long
  std::vector<SummaryReason>
      found;                       ///< checks of what is there, not of how fast it is: verdict, title, reason
  std::vector<SummaryRow> judged;  ///< FAIL, ERROR, INCONCLUSIVE, PASS
  std::vector<SummaryReason> reasons;
  std::vector<SummaryRow> unjudged;  ///< measured without a target
  std::vector<SummaryReason> skipped;
  std::vector<SummaryFinding> findings;
  std::vector<std::string> notes;
  std::vector<std::pair<std::string, std::string>> not_tested;  ///< id, reason
  std::string legend;
};

/// PASS, ERROR and UNCHECKED rows beyond this many are folded, one row per check, and errors by their reason;
/// a row with a figure that asks for action never is.
inline constexpr std::size_t max_plain_rows = 40;

Summary summarise(const RunRecord& record);

}  // namespace fabricheck::report
