// Why checks ended as they did, each reason once. Private to src/report.
#pragma once

#include <string>
#include <vector>

#include "report/summary.hpp"

namespace fabricheck::report {

using Checks = std::vector<const CheckRecord*>;

/// The reason without the rank that said it and without its GPU, so that what a thousand ranks say is one
/// thing: "rank 3 on n1: GPU 2 (0000:3a:00.0) is busy" and "rank 9 on n2: GPU 0 (0000:18:00.0) is busy" are
/// of one kind.
std::string reason_kind(const std::string& reason);

/// The kinds of reasons in the order in which they first appear, in the words of the first, with the names of
/// the checks and of the others that said the same. Sanitised.
std::vector<SummaryReason> reasons_of(const Checks& checks, const RunRecord& record);

}  // namespace fabricheck::report
