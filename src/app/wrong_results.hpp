// What wrong results of checks say together. Pure.
#pragma once

#include <vector>

#include "core/finding.hpp"
#include "core/run_record.hpp"

namespace fabricheck::app {

/// "wrong-result": one finding for each rank on which results were wrong, with the GPU that it drives where a
/// GPU had a part in them.
std::vector<Finding> wrong_results(const RunRecord& record);

}  // namespace fabricheck::app
