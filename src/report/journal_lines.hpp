// The lines of a journal as text, so that journal.cpp needs no JSON library. Private to src/report.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "core/run_record.hpp"

namespace fabricheck::report {

/// {"type":"header", …} and so on: the record's members beside the type, on one line, without the newline.
std::string header_line(const RunRecord& header);
std::string journal_line(const CheckRecord& check);
std::string journal_line(const Finding& finding);
std::string journal_line(const Fit& fit);
std::string journal_line(const Matrix& matrix);
std::string journal_line(const NotTested& not_tested);
/// Everything but the checks and the topology, which earlier lines hold.
std::string end_line(const RunRecord& record);

struct HeaderLine {
  RunRecord record;
};
struct EndLine {
  RunRecord record;
};
using JournalLine = std::variant<HeaderLine, CheckRecord, Finding, Fit, Matrix, NotTested, EndLine>;

/// Throws Error naming `source` and the JSON path.
JournalLine parse_journal_line(std::string_view text, std::string_view source);

/// Whether the text is whole: a line that a crash tore in two is not.
bool is_json(std::string_view text);

}  // namespace fabricheck::report
