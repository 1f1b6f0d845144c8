#include "topology/probe/nvml_calls.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace fabricheck::topology::nvml {

void Records::add(std::initializer_list<std::string_view> fields) {
  constexpr std::size_t kLongest = 400;
  const char* separator = "";
  for (const std::string_view field : fields) {
    text_ += separator;
    separator = "\t";
    for (const char c : field.substr(0, kLongest)) text_ += (c >= ' ' && c <= '~') ? c : '?';
  }
  text_ += '\n';
}

void Records::flush() {
  for (std::size_t done = 0; done < text_.size();) {
    const ssize_t wrote = ::write(descriptor_, text_.data() + done, text_.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) break;  // nobody listens any more
    done += static_cast<std::size_t>(wrote);
  }
  text_.clear();
}

std::string Calls::error_text(Status status) const {
  using ErrorString = const char*(Status);
  const auto function = symbol<ErrorString>("nvmlErrorString");
  const char* const text = function != nullptr ? function(status) : nullptr;
  return text != nullptr ? text : "error";
}

void Calls::announce(const char* name) {
  if (gpu_) {
    records_.add({"at", name, std::to_string(*gpu_)});
  } else {
    records_.add({"at", name});
  }
  records_.flush();
}

void Calls::note_missing(const char* name, const char* what) {
  if (said_missing_.insert(name).second) records_.add({"missing", name, what});
}

void Calls::note(const char* name, const char* what, Status status) {
  if (status == kSuccess || status == kNotSupported) return;
  if (is_old(status)) {
    note_missing(name, what);
    return;
  }
  const std::string text = error_text(status);
  if (gpu_ && means_no_use(status)) {
    throw GpuStopped{fmt::format("{}: {} ({})", name, text, status), true};
  }
  records_.add({"error", name, std::to_string(status), text, gpu_ ? std::to_string(*gpu_) : "-"});
}

}  // namespace fabricheck::topology::nvml
