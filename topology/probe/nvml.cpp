// The parent's part: the child, its deadline, and what becomes of a broken answer.
#include "topology/probe/nvml.hpp"

#include <fmt/format.h>

#include <utility>

#include "topology/probe/child.hpp"
#include "topology/probe/nvml_reader.hpp"

namespace fabricheck::topology {

NvmlAnswer ask_nvml(const std::string& library, std::chrono::milliseconds deadline) {
  using Outcome = NvmlAnswer::Outcome;
  NvmlReader reader;
  const ChildEnd end =
      run_in_child([&](int descriptor) { write_nvml_records(library, descriptor); }, deadline,
                   [&](std::string_view bytes) {
                     reader.take(bytes);
                     return !reader.complete();
                   });
  if (!end.failure.empty()) {
    NvmlAnswer answer;
    answer.reason = end.failure;
    return answer;
  }
  if (!end.in_time) {
    const double seconds = std::chrono::duration<double>(deadline).count();
    return std::move(reader).finish(Outcome::hung, fmt::format("NVML did not return within {:g} s", seconds));
  }
  return std::move(reader).finish(Outcome::failed, "NVML " + how_it_ended(end.status));
}

}  // namespace fabricheck::topology
