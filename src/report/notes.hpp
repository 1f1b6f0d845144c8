// What a report says beside its tables: models, matrices, the tool's own cost, what NCCL ran by. Private to
// src/report.
#pragma once

#include <string>
#include <vector>

#include "core/run_record.hpp"

namespace fabricheck::report {

/// One line each, sanitised.
std::vector<std::string> notes_of(const RunRecord& record);

}  // namespace fabricheck::report
