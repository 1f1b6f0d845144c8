// `fabricheck diagnose`: files in, the cause and the mend out.
#pragma once

#include <string>
#include <vector>

#include "app/options.hpp"
#include "core/run_record.hpp"
#include "diagnose/diagnose.hpp"

namespace fabricheck::app {

/// Reads files of any kind that diagnose knows: logs, output of tools, topologies, results. One that cannot
/// be read is said in its InputFile::problem.
diagnose::Observations read_evidence(const DiagnoseOptions& options);

/// The record of a diagnosis: verdict and exit status by design section 2.
RunRecord record_of(const diagnose::Diagnosis& diagnosis, const diagnose::Observations& seen);

/// Returns the exit status.
int diagnose_files(const DiagnoseOptions& options, const std::vector<std::string>& command);

/// The text of `fabricheck list findings`.
std::string findings_text();

}  // namespace fabricheck::app
