#include "app/result_file.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "config/targets_file.hpp"
#include "core/error.hpp"
#include "report/journal.hpp"
#include "report/report.hpp"

namespace fabricheck::app {
namespace {

RunRecord read_file(const std::filesystem::path& file) {
  return report::from_json(config::read_text_file(file.string(), max_result_bytes, "result"), file.string());
}

}  // namespace

RunRecord read_result(const std::string& path) {
  std::filesystem::path file = path;
  std::error_code unreadable;  // whoever opens the file says why
  if (std::filesystem::is_directory(file, unreadable)) {
    const std::filesystem::path result = file / "result.json", journal = file / "journal.jsonl";
    if (!std::filesystem::exists(result, unreadable) && !std::filesystem::exists(journal, unreadable))
      throw UsageError(path + ": this folder holds neither result.json nor journal.jsonl");
    // A run that did not come to its end leaves what an earlier one wrote beside its own journal.
    if (std::filesystem::exists(result, unreadable)) {
      RunRecord whole = read_file(result);
      const auto started = report::started_of(journal.string());
      if (!started || *started == whole.started) return whole;
    }
    file = journal;
  }
  if (file.extension() == ".jsonl") return report::rebuild(file.string());
  return read_file(file);
}

RunRecord read_result_argument(const std::string& front, const std::string& path) {
  try {
    return read_result(path);
  } catch (const Error& error) {
    throw UsageError(front + error.what());
  }
}

void refuse_own_input(const std::string& input, const std::string& output, const char* option) {
  if (output.empty() || output == "-") return;
  const std::filesystem::path read(input);
  for (const std::filesystem::path& one : {read, read / "result.json", read / "journal.jsonl"}) {
    std::error_code not_there;
    if (std::filesystem::equivalent(one, output, not_there))
      throw UsageError(fmt::format("{} {}: that is what is read here, and would be lost; name another file",
                                   option, output));
  }
}

}  // namespace fabricheck::app
