// How single figures and names of a check are written, "-" where there is none. Not sanitised. Private to
// src/report.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/run_record.hpp"
#include "core/text.hpp"

namespace fabricheck::report {

/// Three significant digits.
std::string number(std::optional<double> value);
/// A measured figure in a column keeps its zeros: "6.00" beside "6.12".
std::string figure(std::optional<double> value);

/// At most `most` of the names, then how many more there are.
std::string some_of(const std::vector<std::string>& names, std::size_t most);

/// The check's value, or its median.
std::optional<double> shown_value(const CheckRecord& check);
/// "6.12 [6.01, 6.30] us"
std::string value_cell(const CheckRecord& check);
/// "< 5 us", and the statistic in front where it is not the usual one.
std::string target_cell(const CheckRecord& check);
std::string bytes_cell(const CheckRecord& check);
/// "7 on n2 (81%)"
std::string last_cell(const CheckRecord& check);

/// "between nodes, rail", and ", apart" of a group that was measured while the others rested.
std::string scope_words(const CheckRecord& check);

/// "MPI allreduce latency, between nodes, group 2"
std::string name_of(const CheckRecord& check, const RunRecord& record);
/// The same with its size, and with the hosts that took part where those are not all.
std::string full_name(const CheckRecord& check, const RunRecord& record);

/// "1.23 us", sanitised.
std::string value_text(const CheckRecord& check);
/// A whole-number parameter such as "bytes"; nullopt when it is not there.
std::optional<std::int64_t> integer_parameter(const CheckRecord& check, const std::string& name);

}  // namespace fabricheck::report
