// The child's part: the calls into NVML. There is no nvml.h here; the ABI below is the part that is needed.
#include <dlfcn.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include "topology/probe/nvml.hpp"
#include "topology/probe/pci.hpp"
#include "topology/probe/sysfs.hpp"

namespace fabricheck::topology {
namespace {

using Status = int;  // nvmlReturn_t
constexpr Status kSuccess = 0;
constexpr Status kDriverNotLoaded = 9;
constexpr Status kLibraryNotFound = 12;

struct DeviceTag;
using Device = DeviceTag*;

struct PciInfo {  // nvmlPciInfo_t since version 3 of the call
  std::array<char, 16> legacy_bus_id;
  unsigned domain;
  unsigned bus;
  unsigned device;
  unsigned device_id;
  unsigned subsystem_id;
  std::array<char, 32> bus_id;
};
static_assert(sizeof(PciInfo) == 68);

struct Memory {  // nvmlMemory_t
  unsigned long long total_bytes;
  unsigned long long free_bytes;
  unsigned long long used_bytes;
};

using Init = Status();
using Shutdown = Status();
using GetCount = Status(unsigned*);
using GetHandle = Status(unsigned, Device*);
using GetText = Status(Device, char*, unsigned);
using GetPciInfo = Status(Device, PciInfo*);
using GetMemory = Status(Device, Memory*);
using GetDriver = Status(char*, unsigned);
using ErrorString = const char*(Status);

/// One line per record; text from NVML cannot break the format.
class Records {
 public:
  explicit Records(int descriptor) : descriptor_{descriptor} {}

  void write(std::initializer_list<std::string_view> fields) const {
    std::string line;
    for (const std::string_view field : fields) {
      if (!line.empty()) line += '\t';
      for (const char c : field) line += (c == '\t' || c == '\n' || c == '\r' || c == '\0') ? ' ' : c;
    }
    line += '\n';
    for (std::size_t done = 0; done < line.size();) {
      const ssize_t wrote = ::write(descriptor_, line.data() + done, line.size() - done);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0) return;  // nobody listens any more
      done += static_cast<std::size_t>(wrote);
    }
  }

 private:
  int descriptor_;
};

class Nvml {
 public:
  Nvml(void* library, const Records& records) : library_{library}, records_{records} {
    error_string_ = symbol<ErrorString>("nvmlErrorString");
  }

  template <class Function>
  Function* symbol(const char* name) const {
    return reinterpret_cast<Function*>(::dlsym(library_, name));
  }

  /// "GPU is lost (15)".
  std::string error(Status status) const {
    const char* const text = error_string_ != nullptr ? error_string_(status) : nullptr;
    return fmt::format("{} ({})", text != nullptr ? printable(text) : "error", status);
  }

  /// Calls what the library may lack; true when it answered, else a sentence says what is not known.
  template <class Function, class... Arguments>
  bool ask(const char* name, const std::string& what, Arguments... arguments) const {
    const auto function = symbol<Function>(name);
    if (function == nullptr) {
      records_.write(
          {"unknown", fmt::format("NVML: this driver's library has no {}, so {} is not known", name, what)});
      return false;
    }
    records_.write({"at", fmt::format("{} for {}", name, what)});
    const Status status = function(arguments...);
    if (status == kSuccess) return true;
    records_.write({"unknown", fmt::format("NVML: {} for {}: {}", name, what, error(status))});
    return false;
  }

  /// A text of at most 95 characters from a call such as nvmlDeviceGetName; nothing when it does not answer.
  std::string text(const char* name, const std::string& what, Device device) const {
    std::array<char, 97> buffer{};
    if (!ask<GetText>(name, what, device, buffer.data(), 96U)) return {};
    return printable(buffer.data());
  }

 private:
  void* library_;
  const Records& records_;
  ErrorString* error_string_{};
};

void write_gpu(const Nvml& nvml, const Records& records, GetHandle* get_handle, unsigned index) {
  Device device = nullptr;
  const std::string number = std::to_string(index);
  records.write({"at", "nvmlDeviceGetHandleByIndex_v2 for GPU " + number});
  if (const Status status = get_handle(index, &device); status != kSuccess) {
    records.write({"unknown", fmt::format("NVML: GPU {}: {}", number, nvml.error(status))});
    records.write({"lost", number});
    return;
  }
  PciInfo pci{};
  std::string address;
  if (nvml.ask<GetPciInfo>("nvmlDeviceGetPciInfo_v3", "the PCI address of GPU " + number, device, &pci)) {
    pci.bus_id.back() = '\0';
    address = pci_address(pci.bus_id.data()).value_or("");
    if (address.empty()) {
      records.write({"unknown", fmt::format("NVML: GPU {}: PCI address {} is none", number,
                                            in_quotes(pci.bus_id.data()))});
    }
  }
  std::string name = "unknown";
  if (nvml.symbol<GetText>("nvmlDeviceGetName") != nullptr) {
    // A GPU that has a handle and no name has fallen off the bus since the driver was loaded.
    name = nvml.text("nvmlDeviceGetName", "the name of GPU " + number, device);
    if (name.empty()) name = "not answering";
  } else {
    records.write({"unknown", "NVML: this driver's library has no nvmlDeviceGetName, so the name of GPU " +
                                  number + " is not known"});
  }
  const std::string uuid = nvml.text("nvmlDeviceGetUUID", "the UUID of GPU " + number, device);
  Memory memory{};
  std::string memory_bytes;
  if (nvml.ask<GetMemory>("nvmlDeviceGetMemoryInfo", "the memory of GPU " + number, device, &memory)) {
    memory_bytes = std::to_string(memory.total_bytes);
  }
  records.write({"gpu", number, name, uuid, address, memory_bytes});
}

}  // namespace

bool nvml_library_exists(const std::string& library) {
  void* const handle = ::dlopen(library.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (handle == nullptr) return false;
  ::dlclose(handle);
  return true;
}

void write_nvml_records(const std::string& library, int descriptor) {
  const Records records(descriptor);
  records.write({"at", "dlopen"});
  void* const handle = ::dlopen(library.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* const text = ::dlerror();
    const std::string_view reason = text != nullptr ? text : "dlopen failed";
    const bool absent =
        reason.find("No such file") != std::string_view::npos && reason.substr(0, library.size()) == library;
    records.write({"problem", absent ? "no_library" : "failed",
                   absent ? library + " is not on this host" : std::string(reason)});
    return;
  }
  const Nvml nvml(handle, records);
  auto init = nvml.symbol<Init>("nvmlInit_v2");
  if (init == nullptr) init = nvml.symbol<Init>("nvmlInit");
  const auto get_count = nvml.symbol<GetCount>("nvmlDeviceGetCount_v2");
  const auto get_handle = nvml.symbol<GetHandle>("nvmlDeviceGetHandleByIndex_v2");
  if (init == nullptr || get_count == nullptr || get_handle == nullptr) {
    const char* const missing = init == nullptr        ? "nvmlInit_v2"
                                : get_count == nullptr ? "nvmlDeviceGetCount_v2"
                                                       : "nvmlDeviceGetHandleByIndex_v2";
    records.write({"problem", "failed", fmt::format("{} has no {}", library, missing)});
    return;
  }
  records.write({"at", "nvmlInit_v2"});
  if (const Status status = init(); status != kSuccess) {
    const bool no_driver = status == kDriverNotLoaded || status == kLibraryNotFound;
    records.write({"problem", no_driver ? "no_driver" : "failed", "nvmlInit_v2: " + nvml.error(status)});
    return;
  }
  std::array<char, 81> driver{};
  if (nvml.ask<GetDriver>("nvmlSystemGetDriverVersion", "the driver version", driver.data(), 80U)) {
    records.write({"driver", printable(driver.data())});
  }
  records.write({"at", "nvmlDeviceGetCount_v2"});
  unsigned count = 0;
  if (const Status status = get_count(&count); status != kSuccess) {
    records.write({"problem", "failed", "nvmlDeviceGetCount_v2: " + nvml.error(status)});
    return;
  }
  for (unsigned index = 0; index < count; ++index) write_gpu(nvml, records, get_handle, index);
  records.write({"end"});
  if (const auto shutdown = nvml.symbol<Shutdown>("nvmlShutdown")) shutdown();
}

}  // namespace fabricheck::topology
