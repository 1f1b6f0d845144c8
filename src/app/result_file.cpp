#include "app/result_file.hpp"

#include <filesystem>

#include "config/targets_file.hpp"
#include "core/error.hpp"
#include "report/journal.hpp"
#include "report/report.hpp"

namespace fabricheck::app {

RunRecord read_result(const std::string& path) {
  std::filesystem::path file = path;
  std::error_code unreadable;  // whoever opens the file says why
  if (std::filesystem::is_directory(file, unreadable)) {
    const std::filesystem::path result = file / "result.json", journal = file / "journal.jsonl";
    if (!std::filesystem::exists(result, unreadable) && !std::filesystem::exists(journal, unreadable))
      throw UsageError(path + ": this folder holds neither result.json nor journal.jsonl");
    file = std::filesystem::exists(result, unreadable) ? result : journal;
  }
  if (file.extension() == ".jsonl") return report::rebuild(file.string());
  return report::from_json(config::read_text_file(file.string(), max_result_bytes, "result"), file.string());
}

}  // namespace fabricheck::app
