// Evidence that is read as a whole, not line by line: results and topologies.
#pragma once

#include <string>

#include "app/line_source.hpp"
#include "diagnose/observations.hpp"

namespace fabricheck::app {

/// Whether the source holds a result of fabricheck, its journal, or a topology in JSON or XML; then it was
/// read. Throws Error where it is one and damaged. Of JSON that is none of them the lines are left to be
/// read.
bool read_whole(LineSource& source, const std::string& file, diagnose::Observations& into);

/// The result in a file or folder of fabricheck's.
void take_result(const std::string& path, diagnose::Observations& into);

}  // namespace fabricheck::app
