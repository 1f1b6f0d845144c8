// What is said of the parts of a host, the same in every drawing. Private to this folder.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/topology_record.hpp"
#include "topology/model/paths.hpp"

namespace fabricheck::topology {

std::string plural(std::size_t count, std::string_view what);

/// "80.0 GiB".
std::string gibibytes(std::uint64_t bytes);

/// "a; b; c".
std::string join(const std::vector<std::string>& parts, std::string_view between);

/// "NVIDIA DGXH100, bare metal"; empty: nothing is known.
std::string machine_words(const Host& host);

/// "Linux 6.8.0, NVIDIA driver 550.90.07 (CUDA up to 12.4)".
std::string software_words(const Host& host);

/// The link of the device at this PCI address, and NVML's word where it has more to say.
PcieLink link_of(const Host& host, const std::string& pci_address, const PcieLink& told = {});

bool narrow(const PcieLink& link);
bool slow(const PcieLink& link);

/// "32 GT/s x16", "16 of 32 GT/s x8 of x16 (!)"; empty: not known. A GPU that is idle lowers its speed, which
/// is said instead of marked.
std::string link_words(const PcieLink& link, bool is_gpu);

/// "18 of 18 NVLinks active, 478 GB/s one way"; empty: it tells of no NVLink.
std::string nvlink_words(const Gpu& gpu);
std::size_t active_nvlinks(const Gpu& gpu);

/// Fewer NVLinks are active than the host's other GPUs show to be possible, or than lead to NVSwitches.
bool nvlinks_missing(const Host& host, const Gpu& gpu);

/// Said of a virtual machine that shows no switches; empty: it is none.
std::string flat_words(const Host& host);

/// "4 NVSwitches"; empty: PCI shows none.
std::string nvswitch_words(const Host& host);

/// The host was read from a file that was not written by looking at the machine with this tool: what is not
/// in it is not told, rather than not there.
bool from_file(const Host& host);

/// "not started".
std::string fabric_state_words(const GpuFabric& fabric);

/// "NOT ANSWERING: fell off the bus"; empty when the device answers, and where a file tells no state.
std::string status_words(const Host& host, const Gpu& gpu);
std::string status_words(const RdmaDevice& nic);

/// What is wrong with the GPU's health, most serious first. Empty: nothing that is known.
std::vector<std::string> health_words(const GpuHealth& health);

/// "1 usable RoCE v2 GID (index 3)". Usable between hosts as NCCL sees it: not link-local. Empty:
/// nothing is known of the port, or of which kind its GIDs are.
std::string roce_words(const RdmaPort& port);

/// Everything that is wrong with a device of the host, in a few words each.
std::vector<std::string> gpu_problems(const Host& host, const Gpu& gpu);
std::vector<std::string> nic_problems(const Host& host, const RdmaDevice& nic);

/// The same for the whole host, devices with the same folded: "GPU0-7: PCIe x8 of x16".
std::vector<std::string> host_problems(const Host& host);

/// "GPU3: PCIe x8, 7 others x16" of parts that differ from their peers; equal words are folded.
std::vector<std::string> odd_words(const Host& host, const PathMatrix& paths);

/// "mlx5_[0-3]: x" of pairs of a NIC's name and words; equal words are folded.
std::vector<std::string> folded(const std::vector<std::pair<std::string, std::string>>& nic_words);

/// What a GPU and a NIC need to reach each other without the CPU; empty: nothing is known, or not both are
/// there.
std::string gpudirect_words(const Host& host);

/// "all 8 GPUs (NV18)"; "GPU0-3 (NV1 to NV2, not every pair directly); GPU4-7 (NV2); alone: GPU8". Empty: no
/// NVLink between GPUs.
std::string island_words(const Host& host, const PathMatrix& paths);

/// What is to be said where island_words() is empty: that there is none, or why it cannot be told.
std::string no_island_words(const Host& host, const PathMatrix& paths);

/// "no GPU", "no RDMA NIC told by the file", "GPUs not known": of the devices of which there are none.
std::vector<std::string> missing_words(const Host& host);

/// The same in one: "no GPU and no RDMA NIC".
std::string missing_sentence(const Host& host);

/// Whether NVLinks lead from GPU to GPU. Of a matrix, which does not say what is between: pairs that are not
/// joined, or differently, have no switch.
bool nvlinks_are_direct(const Host& host, const PathMatrix& paths);

/// "GPU0-1, GPU0 only over SYS"; over NODE and PHB, too, where most GPUs have a NIC behind their own switch.
std::string rail_gpu_words(const Host& host, const PathMatrix& paths, const Rail& rail);

/// "rail 0 = mlx5_0 (GPU0), rail 1 = mlx5_1 (GPU1, DOWN), …; no rail: mlx5_4 (…)"; empty: no rail.
std::string rail_words(const Host& host, const PathMatrix& paths, const std::vector<Rail>& rails);

/// "mlx5_4 (serves no GPU best: management or storage?), mlx5_5 (port is DOWN)"; empty: every NIC is a rail.
std::string railless_words(const Host& host, const PathMatrix& paths, const std::vector<Rail>& rails);

/// The number of the rail that this NIC is.
std::optional<std::size_t> rail_number(const std::vector<Rail>& rails, std::size_t nic);

/// "GPU0,2" of indices into Host::gpus.
std::string gpu_names(const Host& host, const std::vector<std::size_t>& gpus);

}  // namespace fabricheck::topology
