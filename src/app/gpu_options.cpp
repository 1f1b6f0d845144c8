#include "app/gpu_options.hpp"

#include <charconv>
#include <chrono>
#include <string_view>

#include <fmt/format.h>

#include "core/error.hpp"
#include "core/units.hpp"

namespace fabricheck::app {
namespace {

constexpr std::chrono::hours longest_burn{24 * 30};

/// A whole part of what is free, 1 to 95 percent: the driver and NCCL need the rest.
std::optional<int> percent_of(std::string_view text) {
  if (!text.ends_with('%')) return std::nullopt;
  text.remove_suffix(1);
  int percent = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), percent);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return percent;
}

void read_memory(const std::string& text, GpuOptions& options) {
  if (text.ends_with('%')) {
    const auto percent = percent_of(text);
    if (!percent || *percent < 1 || *percent > 95)
      throw UsageError(fmt::format(
          "--gpu-memory: '{}' is no whole share between 1% and 95% of what is free, such as 80%", text));
    options.memory_percent = *percent;
    return;
  }
  try {
    options.memory_bytes = parse_bytes(text);
  } catch (const UsageError& error) {
    throw UsageError(fmt::format("--gpu-memory: {}; a share of what is free is written 80%", error.what()));
  }
  if (options.memory_bytes == 0) throw UsageError("--gpu-memory: 0 leaves nothing to measure with");
}

}  // namespace

GpuOptions gpu_options(const OptionLookup& value, const std::function<bool(const std::string&)>& has) {
  GpuOptions options;
  if (const std::string* path = value("nccl")) {
    if (path->empty()) throw UsageError("--nccl: the path of the library is empty");
    options.nccl_library = *path;
  }
  if (const std::string* memory = value("gpu-memory")) read_memory(*memory, options);
  options.share = has("share-gpus");
  options.cuda_graph = has("cuda-graph");
  options.register_buffers = has("register-buffers");
  if (const std::string* burn = value("burn")) {
    try {
      options.burn = parse_duration(*burn);
    } catch (const UsageError& error) {
      throw UsageError(fmt::format("--burn: {}", error.what()));
    }
    if (options.burn < std::chrono::seconds(1) || options.burn > longest_burn)
      throw UsageError(fmt::format("--burn: '{}' is not between 1s and 30 days", *burn));
  }
  return options;
}

}  // namespace fabricheck::app
