// NVML's binary interface as the stand-in offers it; written apart from the one under test, so that both can
// disagree.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include "support/nvml/machine.hpp"

#ifndef STANDIN_DRIVER
#define STANDIN_DRIVER 580
#endif

#define STANDIN_NVML_CALL extern "C" __attribute__((visibility("default")))

namespace fabricheck::standin {

constexpr int kInvalidArgument = 2;
constexpr int kNotSupported = 3;
constexpr int kInsufficientSize = 7;
constexpr int kVersionMismatch = 25;
constexpr int kUnknownError = 999;

/// What nvmlDevice_t points at.
struct Device {
  int index;
};

/// Status of a call that hands out one number of the machine.
template <class Value>
int hand_out(const char* call, const Device* device, const std::string& pointer, Value* value) {
  const Machine& machine = Machine::get();
  if (device == nullptr || value == nullptr) return kInvalidArgument;
  if (const int status = machine.enter(call, device->index); status != 0) return status;
  const auto found = machine.number(device->index, pointer);
  if (!found) return kNotSupported;
  *value = static_cast<Value>(*found);
  return 0;
}

inline int copy_text(const std::string& text, char* buffer, unsigned length) {
  if (buffer == nullptr) return kInvalidArgument;
  if (text.size() >= length) return kInsufficientSize;
  std::snprintf(buffer, length, "%s", text.c_str());
  return 0;
}

struct PciInfo {
  char legacy_bus_id[16];
  std::uint32_t domain, bus, device, pci_device_id, pci_subsystem_id;
  char bus_id[32];
};

/// "00000000:18:00.0" with the ids of the device.
int fill_pci(const std::string& bus_id, unsigned ids, PciInfo* info);

}  // namespace fabricheck::standin
