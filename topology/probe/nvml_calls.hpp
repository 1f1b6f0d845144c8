// The child's way to call NVML: symbols by dlsym, every call announced before it is made, what is missing or
// fails said once.
#pragma once

#include <dlfcn.h>

#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "topology/probe/nvml_abi.hpp"

namespace fabricheck::topology::nvml {

/// Writes one line per record; text from NVML cannot break the format. Lines are kept back until the next
/// call is announced, so that they cost one write together.
class Records {
 public:
  explicit Records(int descriptor) : descriptor_{descriptor} {}
  void add(std::initializer_list<std::string_view> fields);
  void flush();

 private:
  int descriptor_;
  std::string text_;
};

/// A GPU that is there and does not work, or of which that is not known: the rest of its calls is left out.
struct GpuStopped {
  std::string problem;  ///< "nvmlDeviceGetName: GPU is lost (15)"
  bool is_lost{};       ///< NVML's answer means that it cannot be used
};

class Calls {
 public:
  using Names = std::initializer_list<const char*>;

  Calls(void* library, Records& records) : library_{library}, records_{records} {}

  template <class Function>
  Function* symbol(const char* name) const {
    return reinterpret_cast<Function*>(::dlsym(library_, name));
  }

  /// The GPU that the next calls are about; none: the host.
  void about_gpu(std::optional<unsigned> index) { gpu_ = index; }

  /// "GPU is lost (15)" in NVML's words.
  std::string error_text(Status status) const;

  /// Writes down which call comes now, so that the parent knows where NVML hung.
  void announce(const char* name);

  /// Calls the first function of `names` that the library has and that answers; the rest are older or newer
  /// ways to the same value. False when none does: `what` is then said to be unknown where the library lacks
  /// the function, nothing is said where the device does not have it, and other errors are noted.
  /// Throws GpuStopped where the GPU is lost.
  template <class Function, class... Arguments>
  bool ask(Names names, const char* what, Arguments... arguments) {
    return judge(names, what, [&](const char* name) -> std::optional<Status> {
      const auto function = symbol<Function>(name);
      if (function == nullptr) return std::nullopt;
      announce(name);
      return function(arguments...);
    });
  }

  /// The same for a function that answers "invalid argument" or "not found" for a link that is not there;
  /// these are returned in place of a note.
  template <class Function, class... Arguments>
  Status ask_link(const char* name, const char* what, Arguments... arguments) {
    const auto function = symbol<Function>(name);
    if (function == nullptr) {
      note_missing(name, what);
      return kFunctionNotFound;
    }
    announce(name);
    const Status status = function(arguments...);
    if (status != kInvalidArgument && status != kNotFound) note(name, what, status);
    return status;
  }

  void note_missing(const char* name, const char* what);

 private:
  template <class Call>
  bool judge(Names names, const char* what, const Call& call) {
    const char* missing = nullptr;
    bool present = false;
    for (const char* const name : names) {
      const std::optional<Status> status = call(name);
      if (status == kSuccess) return true;
      if (!status || is_old(*status)) {
        if (missing == nullptr) missing = name;
        continue;
      }
      present = true;
      note(name, what, *status);
    }
    if (!present && missing != nullptr) note_missing(missing, what);
    return false;
  }

  /// Whether the library has the function, and only to say that it has not.
  static bool is_old(Status status) {
    return status == kFunctionNotFound || status == kVersionMismatch || status == kDeprecated;
  }
  void note(const char* name, const char* what, Status status);

  void* library_;
  Records& records_;
  std::optional<unsigned> gpu_;
  std::set<std::string> said_missing_;
};

/// Writes the links of a GPU, their state, speed, other end and error counters.
void write_links(Calls& calls, Records& records, Device device, unsigned index, int compute_major);

/// The same by as few calls as can be: states and errors of all links at once, the other end of the first
/// active one for all. False, and nothing is written, where this driver cannot tell it so.
bool write_links_briefly(Calls& calls, Records& records, Device device, unsigned index);

}  // namespace fabricheck::topology::nvml
