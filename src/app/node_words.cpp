#include "app/node_words.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <exception>
#include <system_error>

#include "core/descriptor.hpp"
#include "core/remark.hpp"
#include "report/journal.hpp"
#include "report/report.hpp"

namespace fabricheck::app {

std::string node_summary(const RunRecord& record, double seconds) {
  const auto count = [&](Verdict verdict) {
    return std::count_if(record.checks.begin(), record.checks.end(),
                         [&](const CheckRecord& check) { return check.verdict == verdict; });
  };
  return fmt::format("{} pass, {} fail, {} not decided, {} without target, {} skipped, {:.0f} ms",
                     count(Verdict::pass), count(Verdict::fail),
                     count(Verdict::inconclusive) + count(Verdict::error), count(Verdict::unchecked),
                     record.not_tested.size(), seconds * 1000);
}

void print_node(std::FILE* out, const RunRecord& record, const std::string& summary) {
  for (const CheckRecord& check : record.checks)
    remark(out, "{:<13} {:<22} {}\n", verdict_name(check.verdict), check.id,
           check.reason.empty() ? check.title : check.reason);
  for (const NotTested& skip : record.not_tested)
    remark(out, "{:<13} {:<22} {}\n", "SKIPPED", skip.id, skip.reason);
  remark(out, "\n{}: {}; {}\n", verdict_name(record.verdict), record.verdict_reason, summary);
}

std::string write_node_json(const std::string& file, const RunRecord& record) {
  try {
    const std::string text = report::to_json(record) + "\n";
    if (file != "-") {
      report::write_file(file, text);
    } else if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
      return fmt::format("the result was not written to standard output: {}", system_reason(errno));
    }
  } catch (const std::exception& error) {
    return error.what();
  }
  return {};
}

std::string one_line(const std::string& text) {
  constexpr std::size_t kLongest = 900;
  std::string line = text.substr(0, kLongest);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return line;
}

std::string utc_text(double unix_s) {
  const auto seconds = static_cast<std::time_t>(unix_s);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

}  // namespace fabricheck::app
