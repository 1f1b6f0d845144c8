// The stand-in's calls about NVLink and its fabric.
#include <cstring>

#include "support/nvml/abi.hpp"

using fabricheck::standin::Device;
using fabricheck::standin::kInvalidArgument;
using fabricheck::standin::kNotSupported;
using fabricheck::standin::kVersionMismatch;
using fabricheck::standin::Machine;
using fabricheck::standin::PciInfo;

namespace {

/// The status that the machine gives the call, or that a link has which is not there.
int enter(const char* call, const Device* device, unsigned link) {
  const Machine& machine = Machine::get();
  const int status = machine.enter(call, device->index, static_cast<int>(link));
  if (status != 0) return status;
  const auto count = machine.number(device->index, "/nvlinks/count");
  if (!count) return kNotSupported;
  return link < *count ? 0 : kInvalidArgument;
}

bool active(const Device* device, unsigned link) {
  return !Machine::get().holds(device->index, "/nvlinks/inactive", static_cast<int>(link));
}

/// REPLAY, RECOVERY, FLIT, DATA of a link; zero where the machine lists none.
long long errors(const Device* device, unsigned link, int counter) {
  const std::string place = "/nvlinks/errors/" + std::to_string(link) + "/" + std::to_string(counter);
  return Machine::get().number(device->index, place).value_or(0);
}

struct FieldValue {
  std::uint32_t field, scope;
  std::int64_t timestamp, latency;
  std::int32_t type, status;
  std::uint64_t value;
};
static_assert(sizeof(FieldValue) == 40);

struct Told {
  int status;
  long long value;
};

Told number(const Device* device, const char* pointer) {
  const auto value = Machine::get().number(device->index, pointer);
  return value ? Told{0, *value} : Told{kNotSupported, 0};
}

Told field(const Device* device, unsigned id, unsigned link) {
  constexpr unsigned kCommonSpeed = 90;
  constexpr unsigned kCount = 91;
  constexpr unsigned kReplay = 161;
  constexpr unsigned kRecovery = 162;
  constexpr unsigned kSpeed = 164;
  constexpr unsigned kState = 165;
  constexpr unsigned kRecoveryEvents = 215;
  constexpr long long kVersion5 = 7;
  if (!Machine::get().number(device->index, "/nvlinks/count")) return {kNotSupported, 0};
  if (id >= kReplay && STANDIN_DRIVER < 535) return {kInvalidArgument, 0};
  const bool blackwell = number(device, "/nvlinks/version").value >= kVersion5;
  switch (id) {
    case kCount:
      return number(device, "/nvlinks/count");
    case kCommonSpeed:
      return number(device, "/nvlinks/common_speed_MBps");
    case kSpeed:
      return active(device, link) ? number(device, "/nvlinks/speed_MBps") : Told{kNotSupported, 0};
    case kState:
      return {0, active(device, link) ? 1 : 0};
    case kReplay:
    case kRecovery:
      if (blackwell) return {kNotSupported, 0};
      return {0, errors(device, link, static_cast<int>(id - kReplay))};
    case kRecoveryEvents:
      if (!blackwell) return {kNotSupported, 0};
      return {0, errors(device, link, 1)};
    default:
      return {kNotSupported, 0};
  }
}

struct FabricInfo {
  unsigned char cluster_uuid[16];
  std::int32_t status;
  std::uint32_t clique;
  unsigned char state;
};

struct FabricInfoV2 {
  std::uint32_t version;
  unsigned char cluster_uuid[16];
  std::int32_t status;
  std::uint32_t clique;
  unsigned char state;
  std::uint32_t health_mask;
};

template <class Info>
int fill_fabric(const char* call, const Device* device, Info* info) {
  const Machine& machine = Machine::get();
  if (const int status = machine.enter(call, device->index); status != 0) return status;
  const auto state = machine.number(device->index, "/fabric/state");
  if (!state) return kNotSupported;
  info->state = static_cast<unsigned char>(*state);
  info->status = static_cast<int>(machine.number(device->index, "/fabric/status").value_or(0));
  info->clique = static_cast<unsigned>(machine.number(device->index, "/fabric/clique").value_or(0));
  const std::string cluster = machine.text(device->index, "/fabric/cluster").value_or(std::string(32, '0'));
  for (std::size_t i = 0; i < sizeof info->cluster_uuid; ++i) {
    info->cluster_uuid[i] = static_cast<unsigned char>(std::stoul(cluster.substr(2 * i, 2), nullptr, 16));
  }
  return 0;
}

}  // namespace

STANDIN_NVML_CALL int nvmlDeviceGetNvLinkState(const Device* device, unsigned link, unsigned* state) {
  if (const int status = enter(__func__, device, link); status != 0) return status;
  *state = active(device, link) ? 1 : 0;
  return 0;
}

STANDIN_NVML_CALL int nvmlDeviceGetNvLinkVersion(const Device* device, unsigned link, unsigned* version) {
  if (const int status = enter(__func__, device, link); status != 0) return status;
  const Told told = number(device, "/nvlinks/version");
  *version = static_cast<unsigned>(told.value);
  return told.status;
}

#if STANDIN_DRIVER >= 535
STANDIN_NVML_CALL int nvmlDeviceGetNvLinkRemoteDeviceType(const Device* device, unsigned link,
                                                          unsigned* type) {
  if (const int status = enter(__func__, device, link); status != 0) return status;
  if (!active(device, link)) return kNotSupported;
  const Told told = number(device, "/nvlinks/remote_type");
  *type = static_cast<unsigned>(told.value);
  return told.status;
}
#endif

STANDIN_NVML_CALL int nvmlDeviceGetNvLinkRemotePciInfo_v2(const Device* device, unsigned link,
                                                          PciInfo* info) {
  if (const int status = enter(__func__, device, link); status != 0) return status;
  const Machine& machine = Machine::get();
  const auto ends = machine.size(device->index, "/nvlinks/remote_pci");
  if (ends == 0 || !active(device, link)) return kNotSupported;
  // The list goes round: link 5 of a list of 4 is its second.
  const std::string place = "/nvlinks/remote_pci/" + std::to_string(link % ends);
  const std::string bus_id = machine.text(device->index, place).value_or("");
  return fabricheck::standin::fill_pci(
      bus_id, static_cast<unsigned>(number(device, "/nvlinks/remote_ids").value), info);
}

STANDIN_NVML_CALL int nvmlDeviceGetNvLinkErrorCounter(const Device* device, unsigned link, int counter,
                                                      unsigned long long* count) {
  if (const int status = enter(__func__, device, link); status != 0) return status;
  if (counter < 0 || counter > 4) return kInvalidArgument;
  *count = static_cast<unsigned long long>(errors(device, link, counter));
  return 0;
}

STANDIN_NVML_CALL int nvmlDeviceGetFieldValues(const Device* device, int count, FieldValue* values) {
  if (const int status = Machine::get().enter(__func__, device->index); status != 0) return status;
  constexpr int kUnsignedInt = 1;
  for (int i = 0; i < count; ++i) {
    const Told told = field(device, values[i].field, values[i].scope);
    values[i].type = kUnsignedInt;
    values[i].status = told.status;
    const auto value = static_cast<std::uint32_t>(told.value);
    std::memcpy(&values[i].value, &value, sizeof value);
  }
  return 0;
}

#if STANDIN_DRIVER >= 535
STANDIN_NVML_CALL int nvmlDeviceGetGpuFabricInfo(const Device* device, FabricInfo* info) {
  static_assert(sizeof(FabricInfo) == 28);
  return fill_fabric(__func__, device, info);
}
#endif

#if STANDIN_DRIVER >= 550
STANDIN_NVML_CALL int nvmlDeviceGetGpuFabricInfoV(const Device* device, FabricInfoV2* info) {
  static_assert(sizeof(FabricInfoV2) == 36);
  constexpr unsigned kVersion2 = 36U | 2U << 24U;
  if (info->version != kVersion2) return kVersionMismatch;
  info->health_mask =
      static_cast<unsigned>(Machine::get().number(device->index, "/fabric/health_mask").value_or(0));
  return fill_fabric(__func__, device, info);
}
#endif
