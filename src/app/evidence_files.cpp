#include "app/evidence_files.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "topology/model/text.hpp"

namespace fabricheck::app {
namespace {

namespace fs = std::filesystem;

bool is_there(const fs::path& file) {
  std::error_code error;
  return fs::is_regular_file(file, error);
}

void add_folder(const std::string& folder, std::vector<EvidenceFile>& files) {
  const fs::path path = folder;
  if (is_there(path / "result.json") || is_there(path / "journal.jsonl")) {
    files.push_back({folder, folder, true});
    if (is_there(path / "nccl.log")) files.push_back({(path / "nccl.log").string(), folder});
    return;
  }
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
    std::string name = entry->path().filename().string();
    if (!name.starts_with('.') && is_there(entry->path())) names.push_back(std::move(name));
  }
  if (error)
    files.push_back({folder, folder, false, folder + ": cannot be read: " + error.message()});
  else if (names.empty())
    files.push_back({folder, folder, false, folder + ": is a folder without files"});
  std::sort(names.begin(), names.end(), topology::natural_less);
  for (const std::string& name : names) files.push_back({(path / name).string(), folder});
}

}  // namespace

std::vector<EvidenceFile> evidence_files(const std::vector<std::string>& named) {
  std::vector<EvidenceFile> files;
  for (const std::string& name : named) {
    std::error_code error;
    if (fs::is_directory(name, error))
      add_folder(name, files);
    else
      files.push_back({name, ""});
  }
  return files;
}

}  // namespace fabricheck::app
