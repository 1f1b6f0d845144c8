// What one visit of a node prints.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "core/run_record.hpp"

namespace fabricheck::app {

/// "20 pass, 0 fail, 1 not decided, …, 132 ms".
std::string node_summary(const RunRecord& record, double seconds);

/// A line for each check, what was not tested, and the verdict.
void print_node(std::FILE* out, const RunRecord& record, const std::string& summary);

/// Writes the result to a file, or to standard output where that is "-". Why it could not, a sentence; empty:
/// it did.
std::string write_node_json(const std::string& file, const RunRecord& record);

/// Fit for a line of syslog, whatever is in it.
std::string one_line(const std::string& text);

/// "2026-11-27T00:40:00".
std::string utc_text(double unix_s);

}  // namespace fabricheck::app
