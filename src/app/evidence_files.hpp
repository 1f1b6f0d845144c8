// What `fabricheck diagnose` is to read: files that were named, and those in folders that were.
#pragma once

#include <string>
#include <vector>

namespace fabricheck::app {

struct EvidenceFile {
  std::string name;
  std::string folder;     ///< that was named; empty: the file itself was
  bool is_result{};       ///< `name` is a folder of a run, for read_result()
  std::string problem{};  ///< why a folder has nothing to read
};

/// A folder stands for the files directly in it, in natural order, without hidden ones; one with a result or
/// a journal of a run for that and its nccl.log. Anything else stands for itself.
std::vector<EvidenceFile> evidence_files(const std::vector<std::string>& named);

}  // namespace fabricheck::app
