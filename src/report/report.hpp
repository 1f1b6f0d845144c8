// Writers and readers of a RunRecord. Each reads the record and nothing else.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/comparison.hpp"
#include "core/run_record.hpp"

namespace fabricheck::report {

/// result.json as text, valid against schema_text(). Unset optionals are `null`; no NaN or infinity is
/// written.
std::string to_json(const RunRecord& record);
/// Throws Error naming `source` and the JSON path when the text is not a result of this schema.
RunRecord from_json(std::string_view text, std::string_view source);

std::string check_to_json(const CheckRecord& check);
CheckRecord check_from_json(std::string_view text, std::string_view source);
std::string host_to_json(const Host& host);
Host host_from_json(std::string_view text, std::string_view source);
std::string particulars_to_json(const HostParticulars& own);
HostParticulars particulars_from_json(std::string_view text, std::string_view source);
std::string topology_to_json(const ClusterTopology& topology);
/// Of a topology.json, or of the result.json that holds one.
ClusterTopology topology_from_json(std::string_view text, std::string_view source);

/// The JSON Schema (draft 7) of result.json.
std::string_view schema_text();

struct ConsoleStyle {
  bool colour{};
  int width{100};
};
/// The report a tired person can read: verdict first, FAIL rows first, then what to do, then what was not
/// tested.
std::string console(const RunRecord& record, const ConsoleStyle& style);
/// The verdicts, their reasons and the findings alone, for a command that measures nothing.
std::string console_verdicts(const RunRecord& record, const ConsoleStyle& style);
/// What `compare` says: how many of which, what changed besides the figures, then the checks, worse ones
/// first. `names` are what OLD and NEW were called by.
std::string console_comparison(const RunComparison& comparison, const RunRecord& before,
                               const RunRecord& after, const std::pair<std::string, std::string>& names,
                               const ConsoleStyle& style);
/// What stands in a diagnosis beside its record.
struct DiagnosisNotes {
  std::string read;                   ///< "2 files read, 900 lines"
  std::vector<std::string> seen;      ///< facts
  std::vector<std::string> not_read;  ///< inputs, or their rest, and why
};
/// What `diagnose` says: causes with evidence and mend, their consequences, what was seen and what was not.
std::string console_diagnosis(const RunRecord& record, const DiagnosisNotes& notes,
                              const ConsoleStyle& style);
std::string markdown(const RunRecord& record);
/// One line per check, RFC 4180.
std::string csv(const RunRecord& record);

}  // namespace fabricheck::report
