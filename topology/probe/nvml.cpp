// The parent's part: the child, its deadline, and what becomes of a broken answer.
#include "topology/probe/nvml.hpp"

#include <fmt/format.h>

#include <utility>

#include "topology/probe/nvml_reader.hpp"

namespace fabricheck::topology {

NvmlAnswer ask_nvml(const std::string& library, const NvmlPatience& patience, NvmlDetail detail,
                    const std::function<void(const process::ProcessId&)>& started) {
  using Outcome = NvmlAnswer::Outcome;
  NvmlReader reader;
  const process::ChildEnd end = process::run_in_child(
      [&](int descriptor) { write_nvml_records(library, descriptor, detail); }, patience.deadline,
      [&](std::string_view bytes) {
        reader.take(bytes);
        return !reader.complete();
      },
      started, [&] { return reader.has_started() ? patience.silence : patience.start; });
  if (!end.failure.empty()) {
    NvmlAnswer answer;
    answer.reason = end.failure;
    return answer;
  }
  if (!end.in_time) {
    const double seconds = std::chrono::duration<double>(end.silence.value_or(patience.deadline)).count();
    NvmlAnswer answer =
        std::move(reader).finish(Outcome::hung, fmt::format("NVML did not return within {:g} s", seconds));
    answer.left_behind = end.left_behind;
    return answer;
  }
  return std::move(reader).finish(Outcome::failed, "NVML " + process::how_it_ended(end.status));
}

}  // namespace fabricheck::topology
