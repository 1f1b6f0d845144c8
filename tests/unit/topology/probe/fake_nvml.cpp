// A library with NVML's calls: two GPUs, and what FAKE_NVML in the environment says goes wrong.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

struct Device {
  unsigned index;
};

struct PciInfo {
  char legacy_bus_id[16];
  unsigned numbers[5];
  char bus_id[32];
};

struct Memory {
  unsigned long long total, free, used;
};

bool told(std::string_view what) {
  const char* const behaviour = std::getenv("FAKE_NVML");
  return behaviour != nullptr && what == behaviour;
}

[[noreturn]] void hang() {
  for (;;) ::pause();
}

Device devices[] = {{0}, {1}};

}  // namespace

extern "C" {

#ifdef FAKE_NVML_OLD
int nvmlInit() { return 0; }
#else
int nvmlInit_v2() {
  if (told("hang")) hang();
  if (told("crash")) std::raise(SIGKILL);
  if (told("mismatch")) return 18;
  if (told("no driver")) return 9;
  return 0;
}
#endif

int nvmlShutdown() {
  if (told("hang in shutdown")) hang();
  return 0;
}

#ifndef FAKE_NVML_BARE
int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = told("no GPU") ? 0 : 2;
  return 0;
}
#endif

int nvmlDeviceGetHandleByIndex_v2(unsigned index, Device** device) {
  if (index > 1) return 2;
  if (index == 1 && told("hang at GPU 1")) hang();
  if (index == 0 && told("GPU 0 lost")) return 15;
  *device = &devices[index];
  return 0;
}

#ifdef FAKE_NVML_WHOLE
const char* nvmlErrorString(int status) {
  switch (status) {
    case 9:
      return "Driver Not Loaded";
    case 15:
      return "GPU is lost";
    case 18:
      return "Driver/library version mismatch";
    default:
      return nullptr;
  }
}

int nvmlSystemGetDriverVersion(char* version, unsigned length) {
  std::snprintf(version, length, "550.90.07");
  return 0;
}

int nvmlDeviceGetName(Device* device, char* name, unsigned length) {
  if (device->index == 1 && told("GPU 1 nameless")) return 15;
  std::snprintf(name, length, told("garbage") ? "Fake\tGPU\n\xff" : "Fake GPU 80GB");
  return 0;
}

int nvmlDeviceGetUUID(Device* device, char* uuid, unsigned length) {
  std::snprintf(uuid, length, "GPU-0000000%u", device->index);
  return 0;
}

int nvmlDeviceGetPciInfo_v3(Device* device, PciInfo* info) {
  if (told("no address")) return 3;
  std::memset(info, 0, sizeof *info);
  std::snprintf(info->bus_id, sizeof info->bus_id,
                device->index == 0 ? "00000000:18:00.0" : "00000000:3B:00.0");
  return 0;
}

int nvmlDeviceGetMemoryInfo(Device*, Memory* memory) {
  memory->total = 80ULL << 30;
  return 0;
}
#endif

}  // extern "C"
