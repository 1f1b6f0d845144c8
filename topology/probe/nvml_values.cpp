#include "topology/probe/nvml_values.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace fabricheck::topology {

std::optional<double> pcie_speed_GTps(std::uint64_t generation) {
  constexpr std::array<double, 6> kSpeeds{2.5, 5, 8, 16, 32, 64};
  if (generation < 1 || generation > kSpeeds.size()) return std::nullopt;
  return kSpeeds.at(generation - 1);
}

std::optional<int> nvlink_generation(unsigned version, int compute_major) {
  if (version == 0) return std::nullopt;
  constexpr int kPascal = 6;
  constexpr int kHopper = 9;
  if (compute_major >= kPascal && compute_major <= kHopper) return compute_major - kPascal + 1;
  if (compute_major > kHopper && (version == 5 || version == 6)) return static_cast<int>(version);
  constexpr std::array<int, 9> kGenerations{0, 1, 2, 2, 3, 3, 4, 5, 6};
  if (version >= kGenerations.size()) return std::nullopt;
  return kGenerations.at(version);
}

std::optional<double> nvlink_speed_GBps(int generation) {
  constexpr std::array<double, 6> kSpeeds{0, 20, 25.781, 25, 26.562, 53.125};
  if (generation < 1 || generation >= static_cast<int>(kSpeeds.size())) return std::nullopt;
  return kSpeeds.at(static_cast<std::size_t>(generation));
}

std::vector<std::string> throttle_reasons(std::uint64_t bits) {
  constexpr std::array<const char*, 9> kNames{
      "gpu-idle",     "applications-clocks", "sw-power-cap",        "hw-slowdown",
      "sync-boost",   "sw-thermal-slowdown", "hw-thermal-slowdown", "hw-power-brake-slowdown",
      "display-clock"};
  std::vector<std::string> reasons;
  for (std::size_t bit = 0; bit < 64; ++bit) {
    if ((bits >> bit & 1) == 0) continue;
    reasons.push_back(bit < kNames.size() ? kNames.at(bit) : fmt::format("bit-{}", bit));
  }
  return reasons;
}

std::string fabric_state(std::uint64_t state) {
  constexpr std::array<const char*, 4> kNames{"not-supported", "not-started", "in-progress", "completed"};
  return state < kNames.size() ? kNames.at(state) : "";
}

std::string cluster_uuid_text(const std::array<unsigned char, 16>& bytes) {
  if (std::all_of(bytes.begin(), bytes.end(), [](unsigned char byte) { return byte == 0; })) return {};
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", bytes.at(i));
  }
  return text;
}

std::string cuda_version_text(std::uint64_t version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

}  // namespace fabricheck::topology
