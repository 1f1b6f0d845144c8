// NVML's numbers as the units and words of the record. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fabricheck::topology {

/// Transfer rate of one lane of a PCI Express generation: 1 is 2.5 GT/s, 5 is 32, 6 is 64.
std::optional<double> pcie_speed_GTps(std::uint64_t generation);

/// The NVLink generation from what nvmlDeviceGetNvLinkVersion returns. That is an enumerator
/// (nvmlNvlinkVersion_t: 4.0 is 6, 5.0 is 7), though 3 to 5 were also seen used as the plain number; the
/// major compute capability (0: not known) decides, as an architecture has one generation of NVLink.
std::optional<int> nvlink_generation(unsigned version, int compute_major);

/// What a link of this generation carries in one direction, as NVML's speed field tells it and nvidia-smi
/// prints it: the raw line rate from generation 4 on (26.562 for the 25 GB/s of an H100, 53.125 for the 50 of
/// a B200; `nvidia-smi nvlink -s`), 25 for an A100, 25.781 for a V100, 20 for a P100.
std::optional<double> nvlink_speed_GBps(int generation);

/// The words for the bits of nvmlDeviceGetCurrentClocksEventReasons, "gpu-idle" and "applications-clocks"
/// among them; a bit without a name is "bit-9".
std::vector<std::string> throttle_reasons(std::uint64_t bits);

/// "not-supported", "not-started", "in-progress", "completed"; empty for another number.
std::string fabric_state(std::uint64_t state);

/// "1b4e28ba-2fa1-11d2-883f-0016d3cca427"; empty when all bytes are zero, which is no MNNVL domain.
std::string cluster_uuid_text(const std::array<unsigned char, 16>& bytes);

/// "12.4" from 12040.
std::string cuda_version_text(std::uint64_t version);

}  // namespace fabricheck::topology
