// A result of an earlier run, in whatever form it was kept.
#pragma once

#include <cstddef>
#include <string>

#include "core/run_record.hpp"

namespace fabricheck::app {

inline constexpr std::size_t max_result_bytes = std::size_t{1} << 30;

/// From a result.json, a journal.jsonl, or the folder that holds them. Throws Error with one sentence that
/// names the file and what is wrong with it.
RunRecord read_result(const std::string& path);

/// The same of a command's argument: one that cannot be read is a wrong argument. Throws UsageError with
/// `front` before the sentence.
RunRecord read_result_argument(const std::string& front, const std::string& path);

/// Throws UsageError where what `option` names is the file that is read, or the result or journal in the
/// folder that is: what was measured can be drawn again, what was drawn cannot be measured again.
void refuse_own_input(const std::string& input, const std::string& output, const char* option);

}  // namespace fabricheck::app
