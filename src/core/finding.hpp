// A finding: something the tool noticed, the part it is about, the evidence and the mend.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace fabricheck {

enum class Severity { info, bad, fatal };

struct Component {
  /// "host", "rank", "gpu", "nic", "link", "nvswitch", "pcie", "memory", "cluster", "software"
  std::string kind;
  std::string name;
  std::string host;
  bool operator==(const Component&) const = default;
};

struct Evidence {
  std::string file;  ///< empty when the evidence is a measurement
  int line{};
  std::string text;
  bool operator==(const Evidence&) const = default;
};

struct Finding {
  std::string slug;  ///< "rank-hung", "rank-lost", "driver-mismatch"
  Severity severity{Severity::info};
  Component component;
  std::string meaning;  ///< one sentence: what it means for the user
  std::vector<Evidence> evidence;
  std::string advice;                 ///< what to do
  std::string confirm;                ///< a command or look that confirms it
  std::string confidence;             ///< "certain", "likely", "possible"
  std::vector<std::string> explains;  ///< check ids
  /// Slug of the finding, before this one, that it follows from; unset: nothing that was found explains it.
  std::optional<std::string> caused_by;
  bool operator==(const Finding&) const = default;
};

inline const char* severity_name(Severity severity) {
  return severity == Severity::fatal ? "fatal" : severity == Severity::bad ? "bad" : "info";
}

}  // namespace fabricheck
