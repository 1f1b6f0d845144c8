// Made-up records for the report tests.
#pragma once

#include <string>

#include "core/run_record.hpp"

namespace fabricheck::report_test {

/// Every field of every struct differs from its default, so that a field that is not written is seen.
RunRecord full_record();

/// A latency check at 8 bytes between nodes with plausible figures.
CheckRecord latency_check(const std::string& operation, Verdict verdict, double median_us);

/// Two nodes, four ranks, all verdicts, concluded.
RunRecord mixed_record();

}  // namespace fabricheck::report_test
