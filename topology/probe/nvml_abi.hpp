// The part of NVML's binary interface that is used: there is no nvml.h here. Layouts and numbers as in NVML
// 11.0 (R450) to 13.x (R580); functions are named where they are called.
#pragma once

#include <array>

namespace fabricheck::topology::nvml {

using Status = int;  // nvmlReturn_t
constexpr Status kSuccess = 0;
constexpr Status kInvalidArgument = 2;
constexpr Status kNotSupported = 3;
constexpr Status kNoPermission = 4;
constexpr Status kNotFound = 6;
constexpr Status kInsufficientPower = 8;
constexpr Status kDriverNotLoaded = 9;
constexpr Status kLibraryNotFound = 12;
constexpr Status kFunctionNotFound = 13;
constexpr Status kGpuIsLost = 15;
constexpr Status kResetRequired = 16;
constexpr Status kOperatingSystem = 17;  // a control group keeps this process from the device
constexpr Status kVersionMismatch = 25;
constexpr Status kDeprecated = 26;

/// What NVML says only of a GPU that cannot be used as it is: it is lost, waits for a reset, or lacks its
/// power cable. All else (no memory, in use, unknown error, …) may be the moment's, the library's or this
/// process's.
constexpr bool means_no_use(Status status) {
  return status == kGpuIsLost || status == kResetRequired || status == kInsufficientPower;
}

struct DeviceTag;
using Device = DeviceTag*;

struct PciInfo {  // nvmlPciInfo_t since version 3 of the call
  std::array<char, 16> legacy_bus_id;
  unsigned domain;
  unsigned bus;
  unsigned device;
  unsigned device_id;  // device << 16 | vendor
  unsigned subsystem_id;
  std::array<char, 32> bus_id;
};
static_assert(sizeof(PciInfo) == 68);

struct Memory {  // nvmlMemory_t and nvmlBAR1Memory_t; only the total is looked at
  unsigned long long total_bytes;
  std::array<unsigned long long, 2> free_and_used;
};
static_assert(sizeof(Memory) == 24);

struct FieldValue {  // nvmlFieldValue_t
  unsigned field;
  unsigned scope;
  long long timestamp;
  long long latency_us;
  int type;
  Status status;
  union {
    double real;
    int int32;
    unsigned uint32;
    unsigned long long uint64;
    long long int64;
    unsigned short uint16;
  } value;
};
static_assert(sizeof(FieldValue) == 40);

struct FabricInfo {  // nvmlGpuFabricInfo_t
  std::array<unsigned char, 16> cluster_uuid;
  Status status;
  unsigned clique;
  unsigned char state;
};
static_assert(sizeof(FabricInfo) == 28);

struct FabricInfoV2 {  // nvmlGpuFabricInfo_v2_t
  unsigned version;
  std::array<unsigned char, 16> cluster_uuid;
  Status status;
  unsigned clique;
  unsigned char state;
  unsigned health_mask;
};
static_assert(sizeof(FabricInfoV2) == 36);
constexpr unsigned kFabricInfoV2 = sizeof(FabricInfoV2) | 2U << 24U;

constexpr int kClockSm = 1;
constexpr int kClockMemory = 2;
constexpr int kCorrected = 0;
constexpr int kUncorrected = 1;
constexpr int kVolatile = 0;
constexpr int kAggregate = 1;
constexpr int kGpuTemperature = 0;

constexpr unsigned kMaxLinks = 36;          // NVML_NVLINK_MAX_LINKS: 6, 12, 18 and 36 in the course of time
constexpr unsigned kFieldLinkSpeed0 = 84;   // links 0 to 5, MB/s
constexpr unsigned kFieldLinkSpeed6 = 132;  // links 6 to 11
constexpr unsigned kFieldCommonSpeed = 90;
constexpr unsigned kFieldLinkCount = 91;
constexpr unsigned kFieldReplay = 161;  // these with the link as scope
constexpr unsigned kFieldRecovery = 162;
constexpr unsigned kFieldSpeed = 164;
constexpr unsigned kFieldState = 165;           // NVML_FI_DEV_NVLINK_GET_STATE, 1: active
constexpr unsigned kFieldRecoveryEvents = 215;  // Blackwell, in place of 162
constexpr int kRemoteGpu = 0;
constexpr int kRemoteIbmNpu = 1;
constexpr int kRemoteSwitch = 2;

}  // namespace fabricheck::topology::nvml
