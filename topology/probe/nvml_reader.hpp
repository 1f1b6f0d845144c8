// Reads the records that the child writes (see nvml.hpp). Pure.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "topology/probe/nvml.hpp"

namespace fabricheck::topology {

/// Takes the records in as they come.
class NvmlReader {
 public:
  void take(std::string_view bytes);

  /// Whether NVML is through, well or not.
  bool complete() const { return complete_; }

  /// Whether a GPU is done: NVML has started.
  bool has_started() const;

  /// The answer. Where the records broke off it has `outcome`, and GPUs that were not finished do not answer,
  /// `why` and the last call being their problem.
  NvmlAnswer finish(NvmlAnswer::Outcome outcome, const std::string& why) &&;

  /// "nvmlDeviceGetName for GPU 3".
  std::string position() const;

 private:
  struct Entry {
    Gpu gpu;
    bool done{};
  };
  struct Error {
    std::string text;
    std::set<int> gpus;
  };

  void record(std::string_view line);
  void gpu_record(const std::vector<std::string_view>& fields);
  static void add_link(Gpu& gpu, const std::vector<std::string_view>& fields);
  void note_error(const std::vector<std::string_view>& fields);
  std::vector<std::string> error_sentences() const;

  NvmlAnswer answer_;
  std::map<int, Entry> gpus_;
  std::vector<std::pair<std::string, Error>> errors_;  ///< "CALL: TEXT (CODE)" in order of coming
  std::string pending_;
  std::string call_{"start"};
  std::optional<int> call_gpu_;
  int count_{};
  bool complete_{};
};

}  // namespace fabricheck::topology
