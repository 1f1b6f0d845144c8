// The stand-in's calls about one GPU.
#include <cstring>

#include "support/nvml/abi.hpp"

using fabricheck::standin::copy_text;
using fabricheck::standin::Device;
using fabricheck::standin::hand_out;
using fabricheck::standin::kInvalidArgument;
using fabricheck::standin::kNotSupported;
using fabricheck::standin::Machine;
using fabricheck::standin::PciInfo;

namespace fabricheck::standin {

int fill_pci(const std::string& bus_id, unsigned ids, PciInfo* info) {
  static_assert(sizeof(PciInfo) == 68);
  std::memset(info, 0, sizeof *info);
  std::snprintf(info->bus_id, sizeof info->bus_id, "%s", bus_id.c_str());
  info->pci_device_id = ids;
  if (std::sscanf(info->bus_id, "%x:%x:%x", &info->domain, &info->bus, &info->device) != 3) return 0;
  std::snprintf(info->legacy_bus_id, sizeof info->legacy_bus_id, "%04X:%02X:%02X.0", info->domain & 0xffffU,
                info->bus & 0xffU, info->device & 0x1fU);
  return 0;
}

}  // namespace fabricheck::standin

namespace {

int text_of(const char* call, const Device* device, const char* pointer, char* buffer, unsigned length) {
  const Machine& machine = Machine::get();
  if (const int status = machine.enter(call, device->index); status != 0) return status;
  const auto text = machine.text(device->index, pointer);
  return text ? copy_text(*text, buffer, length) : kNotSupported;
}

/// "/clocks_MHz/sm" for NVML_CLOCK_SM.
int clock(const char* call, const Device* device, const std::string& group, int kind, unsigned* value) {
  constexpr int kSm = 1;
  constexpr int kMemory = 2;
  if (kind != kSm && kind != kMemory) return kInvalidArgument;
  return hand_out(call, device, group + (kind == kSm ? "/sm" : "/memory"), value);
}

struct Memory {
  std::uint64_t total, free, used;
};

int memory(const char* call, const Device* device, const char* pointer, Memory* memory) {
  memory->free = memory->used = 0;
  return hand_out(call, device, pointer, &memory->total);
}

}  // namespace

STANDIN_NVML_CALL int nvmlDeviceGetName(const Device* device, char* buffer, unsigned length) {
  return text_of(__func__, device, "/name", buffer, length);
}

STANDIN_NVML_CALL int nvmlDeviceGetUUID(const Device* device, char* buffer, unsigned length) {
  return text_of(__func__, device, "/uuid", buffer, length);
}

STANDIN_NVML_CALL int nvmlDeviceGetVbiosVersion(const Device* device, char* buffer, unsigned length) {
  return text_of(__func__, device, "/vbios", buffer, length);
}

STANDIN_NVML_CALL int nvmlDeviceGetPciInfo_v3(const Device* device, PciInfo* info) {
  const Machine& machine = Machine::get();
  if (const int status = machine.enter(__func__, device->index); status != 0) return status;
  const auto bus_id = machine.text(device->index, "/pci");
  const auto ids = machine.number(device->index, "/pci_ids");
  return bus_id ? fill_pci(*bus_id, static_cast<unsigned>(ids.value_or(0x233010de)), info) : kNotSupported;
}

STANDIN_NVML_CALL int nvmlDeviceGetMemoryInfo(const Device* device, Memory* info) {
  return memory(__func__, device, "/memory_bytes", info);
}

STANDIN_NVML_CALL int nvmlDeviceGetBAR1MemoryInfo(const Device* device, Memory* info) {
  return memory(__func__, device, "/bar1_bytes", info);
}

STANDIN_NVML_CALL int nvmlDeviceGetCudaComputeCapability(const Device* device, int* major, int* minor) {
  const int status = hand_out(__func__, device, "/compute_capability/0", major);
  return status != 0 ? status : hand_out(__func__, device, "/compute_capability/1", minor);
}

STANDIN_NVML_CALL int nvmlDeviceGetCurrPcieLinkGeneration(const Device* device, unsigned* value) {
  return hand_out(__func__, device, "/pcie/gen", value);
}

STANDIN_NVML_CALL int nvmlDeviceGetCurrPcieLinkWidth(const Device* device, unsigned* value) {
  return hand_out(__func__, device, "/pcie/width", value);
}

STANDIN_NVML_CALL int nvmlDeviceGetMaxPcieLinkGeneration(const Device* device, unsigned* value) {
  return hand_out(__func__, device, "/pcie/max_gen", value);
}

STANDIN_NVML_CALL int nvmlDeviceGetMaxPcieLinkWidth(const Device* device, unsigned* value) {
  return hand_out(__func__, device, "/pcie/max_width", value);
}

STANDIN_NVML_CALL int nvmlDeviceGetPcieReplayCounter(const Device* device, unsigned* value) {
  return hand_out(__func__, device, "/pcie/replays", value);
}

STANDIN_NVML_CALL int nvmlDeviceGetEccMode(const Device* device, unsigned* now, unsigned* pending) {
  *pending = 0;
  return hand_out(__func__, device, "/ecc/enabled", now);
}

STANDIN_NVML_CALL int nvmlDeviceGetTotalEccErrors(const Device* device, int type, int counter,
                                                  unsigned long long* count) {
  if (type < 0 || type > 1 || counter < 0 || counter > 1) return kInvalidArgument;
  const std::string since = counter == 0 ? "/ecc/volatile/" : "/ecc/aggregate/";
  return hand_out(__func__, device, since + (type == 0 ? "corrected" : "uncorrected"), count);
}

STANDIN_NVML_CALL int nvmlDeviceGetRemappedRows(const Device* device, unsigned* corrected,
                                                unsigned* uncorrected, unsigned* pending, unsigned* failed) {
  for (const auto& [pointer, value] :
       {std::pair{"/remapped_rows/corrected", corrected},
        std::pair{"/remapped_rows/uncorrected", uncorrected}, std::pair{"/remapped_rows/pending", pending},
        std::pair{"/remapped_rows/failed", failed}}) {
    if (const int status = hand_out(__func__, device, pointer, value); status != 0) return status;
  }
  return 0;
}

STANDIN_NVML_CALL int nvmlDeviceGetRetiredPagesPendingStatus(const Device* device, unsigned* pending) {
  return hand_out(__func__, device, "/retired_pages_pending", pending);
}

STANDIN_NVML_CALL int nvmlDeviceGetMigMode(const Device* device, unsigned* now, unsigned* pending) {
  *pending = 0;
  return hand_out(__func__, device, "/mig", now);
}

STANDIN_NVML_CALL int nvmlDeviceGetPersistenceMode(const Device* device, unsigned* mode) {
  return hand_out(__func__, device, "/persistence", mode);
}

STANDIN_NVML_CALL int nvmlDeviceGetEnforcedPowerLimit(const Device* device, unsigned* milliwatts) {
  return hand_out(__func__, device, "/power_mW/limit", milliwatts);
}

STANDIN_NVML_CALL int nvmlDeviceGetPowerManagementDefaultLimit(const Device* device, unsigned* milliwatts) {
  return hand_out(__func__, device, "/power_mW/default_limit", milliwatts);
}

STANDIN_NVML_CALL int nvmlDeviceGetPowerUsage(const Device* device, unsigned* milliwatts) {
  return hand_out(__func__, device, "/power_mW/now", milliwatts);
}

STANDIN_NVML_CALL int nvmlDeviceGetClockInfo(const Device* device, int kind, unsigned* value) {
  return clock(__func__, device, "/clocks_MHz", kind, value);
}

STANDIN_NVML_CALL int nvmlDeviceGetMaxClockInfo(const Device* device, int kind, unsigned* value) {
  return clock(__func__, device, "/max_clocks_MHz", kind, value);
}

STANDIN_NVML_CALL int nvmlDeviceGetTemperature(const Device* device, int sensor, unsigned* value) {
  return sensor == 0 ? hand_out(__func__, device, "/temperature_C", value) : kInvalidArgument;
}

#if STANDIN_DRIVER >= 535
STANDIN_NVML_CALL int nvmlDeviceGetCurrentClocksEventReasons(const Device* device, unsigned long long* bits) {
  return hand_out(__func__, device, "/throttle", bits);
}
#endif

STANDIN_NVML_CALL int nvmlDeviceGetCurrentClocksThrottleReasons(const Device* device,
                                                                unsigned long long* bits) {
  return hand_out(__func__, device, "/throttle", bits);
}
