// The stand-in's calls about the host.
#include <array>
#include <utility>

#include "support/nvml/abi.hpp"

using fabricheck::standin::copy_text;
using fabricheck::standin::Device;
using fabricheck::standin::Machine;

STANDIN_NVML_CALL const char* nvmlErrorString(int status) {
  if (status == fabricheck::standin::kUnknownError && !Machine::get().fault().empty()) {
    return Machine::get().fault().c_str();
  }
  constexpr std::array<std::pair<int, const char*>, 12> kTexts{{
      {0, "Success"},
      {2, "Invalid Argument"},
      {3, "Not Supported"},
      {4, "Insufficient Permissions"},
      {9, "Driver Not Loaded"},
      {10, "Timeout"},
      {13, "Function Not Found"},
      {15, "GPU is lost"},
      {16, "GPU requires restart"},
      {18, "Driver/library version mismatch"},
      {25, "Argument version mismatch"},
      {999, "Unknown Error"},
  }};
  for (const auto& [code, text] : kTexts) {
    if (code == status) return text;
  }
  return "Unknown Error";
}

STANDIN_NVML_CALL int nvmlInit_v2() {
  const Machine& machine = Machine::get();
  return machine.fault().empty() ? machine.enter("nvmlInit_v2") : fabricheck::standin::kUnknownError;
}

STANDIN_NVML_CALL int nvmlShutdown() { return Machine::get().enter("nvmlShutdown"); }

STANDIN_NVML_CALL int nvmlSystemGetDriverVersion(char* version, unsigned length) {
  const Machine& machine = Machine::get();
  if (const int status = machine.enter("nvmlSystemGetDriverVersion"); status != 0) return status;
  return copy_text(machine.text(Machine::kHost, "/driver").value_or(""), version, length);
}

STANDIN_NVML_CALL int nvmlSystemGetCudaDriverVersion_v2(int* version) {
  const Machine& machine = Machine::get();
  if (const int status = machine.enter("nvmlSystemGetCudaDriverVersion_v2"); status != 0) return status;
  *version = static_cast<int>(machine.number(Machine::kHost, "/cuda").value_or(0));
  return 0;
}

STANDIN_NVML_CALL int nvmlDeviceGetCount_v2(unsigned* count) {
  const Machine& machine = Machine::get();
  *count = machine.count();
  return machine.enter("nvmlDeviceGetCount_v2");
}

STANDIN_NVML_CALL int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device** device) {
  static std::array<Device, 64> devices{};
  const Machine& machine = Machine::get();
  if (index >= machine.count() || index >= devices.size()) return fabricheck::standin::kInvalidArgument;
  if (const int status = machine.enter("nvmlDeviceGetHandleByIndex_v2", static_cast<int>(index));
      status != 0) {
    return status;
  }
  devices.at(index).index = static_cast<int>(index);
  *device = &devices.at(index);
  return 0;
}
