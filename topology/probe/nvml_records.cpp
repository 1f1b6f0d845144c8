// The child's part: the calls into NVML that tell of the host and of each GPU.
#include <dlfcn.h>
#include <fmt/format.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "topology/probe/nvml.hpp"
#include "topology/probe/nvml_calls.hpp"
#include "topology/probe/nvml_values.hpp"
#include "topology/probe/pci.hpp"

namespace fabricheck::topology {
namespace {

using namespace nvml;

using Init = Status();
using GetCount = Status(unsigned*);
using GetHandle = Status(unsigned, Device*);
using GetText = Status(Device, char*, unsigned);
using GetNumber = Status(Device, unsigned*);
using GetBits = Status(Device, unsigned long long*);
using GetTwo = Status(Device, unsigned*, unsigned*);
using GetPciInfo = Status(Device, PciInfo*);
using GetMemory = Status(Device, Memory*);
using GetOfKind = Status(Device, int, unsigned*);
using GetEcc = Status(Device, int, int, unsigned long long*);
using GetRows = Status(Device, unsigned*, unsigned*, unsigned*, unsigned*);
using GetCapability = Status(Device, int*, int*);

/// What is asked of one GPU, written as records as it comes.
class GpuWriter {
 public:
  GpuWriter(Calls& calls, Records& records, Device device, unsigned index)
      : calls_{calls}, records_{records}, device_{device}, index_{index}, number_{std::to_string(index)} {}

  /// Whether it works and is whole, by about twenty calls: what nobody judges it by is left out.
  void write_briefly() {
    pci();
    name();
    link_to_host_briefly();
    mig();
    ecc("ecc_corrected", kCorrected, kVolatile);
    ecc("ecc_uncorrected", kUncorrected, kVolatile);
    // A GPU that remaps rows retires no pages.
    if (!remapped_rows()) retired_pages();
    throttle();
    fabric();
    if (!write_links_briefly(calls_, records_, device_, index_))
      write_links(calls_, records_, device_, index_, capability());
  }

  void write() {
    identity();
    const int compute_major = capability();
    link_to_host();
    modes();
    health();
    fabric();
    write_links(calls_, records_, device_, index_, compute_major);
  }

 private:
  void set(const char* key, const std::string& value) { records_.add({"set", number_, key, value}); }
  void set(const char* key, unsigned long long value) { set(key, std::to_string(value)); }

  std::optional<unsigned> number(const char* key, Calls::Names names, const char* what) {
    unsigned value = 0;
    if (!calls_.ask<GetNumber>(names, what, device_, &value)) return std::nullopt;
    set(key, value);
    return value;
  }

  void of_kind(const char* key, const char* name, int kind, const char* what) {
    unsigned value = 0;
    if (calls_.ask<GetOfKind>({name}, what, device_, kind, &value)) set(key, value);
  }

  void pci() {
    PciInfo info{};
    if (!calls_.ask<GetPciInfo>({"nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetPciInfo_v2"},
                                "the PCI address of GPUs", device_, &info))
      return;
    info.bus_id.back() = '\0';
    info.legacy_bus_id.back() = '\0';
    auto address = pci_address(info.bus_id.data());
    if (!address) address = pci_address(info.legacy_bus_id.data());
    set("pci", address.value_or("-"));
    if (!address) {
      records_.add({"error", "nvmlDeviceGetPciInfo_v3", "0",
                    fmt::format("'{}' is no PCI address", info.bus_id.data()), number_});
    }
  }

  void identity() {
    pci();
    text("uuid", "nvmlDeviceGetUUID", "the UUID of GPUs");
    name();
    text("vbios", "nvmlDeviceGetVbiosVersion", "the VBIOS version of GPUs");
    Memory memory{};
    if (calls_.ask<GetMemory>({"nvmlDeviceGetMemoryInfo"}, "the memory of GPUs", device_, &memory)) {
      set("memory", memory.total_bytes);
    }
    Memory bar1{};
    if (calls_.ask<GetMemory>({"nvmlDeviceGetBAR1MemoryInfo"}, "the BAR1 size of GPUs", device_, &bar1)) {
      set("bar1", bar1.total_bytes);
    }
  }

  bool text(const char* key, const char* name, const char* what) {
    std::array<char, 97> buffer{};
    if (!calls_.ask<GetText>({name}, what, device_, buffer.data(), 96U)) return false;
    set(key, buffer.data());
    return true;
  }

  /// What gives no name has fallen off the bus since the driver was loaded, or is not known to be well.
  void name() {
    constexpr const char* kCall = "nvmlDeviceGetName";
    const auto function = calls_.symbol<GetText>(kCall);
    if (function == nullptr) {
      calls_.note_missing(kCall, "the name of GPUs");
      return;
    }
    std::array<char, 97> buffer{};
    calls_.announce(kCall);
    const Status status = function(device_, buffer.data(), 96U);
    if (status == kSuccess) {
      set("name", buffer.data());
    } else if (status != kNotSupported) {
      throw GpuStopped{fmt::format("{}: {} ({})", kCall, calls_.error_text(status), status),
                       means_no_use(status)};
    }
  }

  int capability() {
    int major = 0;
    int minor = 0;
    if (calls_.ask<GetCapability>({"nvmlDeviceGetCudaComputeCapability"}, "the compute capability of GPUs",
                                  device_, &major, &minor)) {
      set("compute", fmt::format("{}.{}", major, minor));
    }
    return major;
  }

  void link_to_host() {
    constexpr const char* kWhat = "the PCIe link of GPUs";
    number("pcie_gen", {"nvmlDeviceGetCurrPcieLinkGeneration"}, kWhat);
    number("pcie_width", {"nvmlDeviceGetCurrPcieLinkWidth"}, kWhat);
    number("pcie_max_gen", {"nvmlDeviceGetMaxPcieLinkGeneration"}, kWhat);
    number("pcie_max_width", {"nvmlDeviceGetMaxPcieLinkWidth"}, kWhat);
    number("pcie_replays", {"nvmlDeviceGetPcieReplayCounter"}, "the PCIe replays of GPUs");
  }

  void link_to_host_briefly() {
    constexpr const char* kWhat = "the PCIe link of GPUs";
    constexpr unsigned kMostLanes = 16;
    number("pcie_gen", {"nvmlDeviceGetCurrPcieLinkGeneration"}, kWhat);
    number("pcie_max_gen", {"nvmlDeviceGetMaxPcieLinkGeneration"}, kWhat);
    if (number("pcie_width", {"nvmlDeviceGetCurrPcieLinkWidth"}, kWhat) != kMostLanes)
      number("pcie_max_width", {"nvmlDeviceGetMaxPcieLinkWidth"}, kWhat);
    number("pcie_replays", {"nvmlDeviceGetPcieReplayCounter"}, "the PCIe replays of GPUs");
  }

  void ecc_mode() {
    unsigned now = 0;
    unsigned pending = 0;
    if (calls_.ask<GetTwo>({"nvmlDeviceGetEccMode"}, "whether ECC is on", device_, &now, &pending)) {
      set("ecc", now);
    }
  }

  void mig() {
    unsigned now = 0;
    unsigned pending = 0;
    if (calls_.ask<GetTwo>({"nvmlDeviceGetMigMode"}, "whether MIG is on", device_, &now, &pending)) {
      set("mig", now);
    }
  }

  void modes() {
    ecc_mode();
    mig();
    number("persistence", {"nvmlDeviceGetPersistenceMode"}, "the persistence mode");
    number("power_limit", {"nvmlDeviceGetEnforcedPowerLimit", "nvmlDeviceGetPowerManagementLimit"},
           "the power limit of GPUs");
    number("default_power_limit", {"nvmlDeviceGetPowerManagementDefaultLimit"},
           "the default power limit of GPUs");
    of_kind("max_sm_clock", "nvmlDeviceGetMaxClockInfo", kClockSm, "the highest clock of GPUs");
    of_kind("max_memory_clock", "nvmlDeviceGetMaxClockInfo", kClockMemory, "the highest clock of GPUs");
  }

  void health() {
    ecc("ecc_corrected", kCorrected, kVolatile);
    ecc("ecc_uncorrected", kUncorrected, kVolatile);
    ecc("ecc_corrected_lifetime", kCorrected, kAggregate);
    ecc("ecc_uncorrected_lifetime", kUncorrected, kAggregate);
    remapped_rows();
    retired_pages();
    throttle();
    of_kind("sm_clock", "nvmlDeviceGetClockInfo", kClockSm, "the clocks of GPUs");
    of_kind("memory_clock", "nvmlDeviceGetClockInfo", kClockMemory, "the clocks of GPUs");
    of_kind("temperature", "nvmlDeviceGetTemperature", kGpuTemperature, "the temperature of GPUs");
    number("power", {"nvmlDeviceGetPowerUsage"}, "the power that GPUs draw");
  }

  /// Whether the GPU has them.
  bool remapped_rows() {
    std::array<unsigned, 4> rows{};
    if (!calls_.ask<GetRows>({"nvmlDeviceGetRemappedRows"}, "the remapped rows of GPUs", device_, &rows[0],
                             &rows[1], &rows[2], &rows[3]))
      return false;
    set("rows_corrected", rows[0]);
    set("rows_uncorrected", rows[1]);
    set("remap_pending", rows[2]);
    set("remap_failed", rows[3]);
    return true;
  }

  void retired_pages() {
    number("retirement_pending", {"nvmlDeviceGetRetiredPagesPendingStatus"},
           "whether memory pages wait to be retired");
  }

  void throttle() {
    unsigned long long reasons = 0;
    if (calls_.ask<GetBits>(
            {"nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"},
            "why clocks are throttled", device_, &reasons)) {
      set("throttle", reasons);
    }
  }

  void ecc(const char* key, int type, int counter) {
    unsigned long long count = 0;
    if (calls_.ask<GetEcc>({"nvmlDeviceGetTotalEccErrors"}, "the ECC errors of GPUs", device_, type, counter,
                           &count)) {
      set(key, count);
    }
  }

  void fabric() {
    using GetFabric = Status(Device, FabricInfo*);
    using GetFabricV = Status(Device, FabricInfoV2*);
    constexpr const char* kNewer = "nvmlDeviceGetGpuFabricInfoV";
    constexpr const char* kOlder = "nvmlDeviceGetGpuFabricInfo";
    FabricInfoV2 info{};
    info.version = kFabricInfoV2;
    if (const auto newer = calls_.symbol<GetFabricV>(kNewer); newer != nullptr) {
      calls_.announce(kNewer);
      const Status status = newer(device_, &info);
      if (status == kSuccess) {
        fabric({info.cluster_uuid, info.status, info.clique, info.state});
        set("fabric_health", info.health_mask);
        return;
      }
      if (status == kNotSupported) return;
    }
    FabricInfo older{};
    if (!calls_.ask<GetFabric>({kOlder}, "the state of the NVLink fabric", device_, &older)) return;
    fabric(older);
    if (older.state != 0) calls_.note_missing(kNewer, "the health of the NVLink fabric");
  }

  void fabric(const FabricInfo& info) {
    constexpr unsigned char kCompleted = 3;
    set("fabric_state", info.state);
    if (info.state != kCompleted) return;
    set("fabric_status", calls_.error_text(info.status));
    const std::string cluster = cluster_uuid_text(info.cluster_uuid);
    if (cluster.empty()) return;
    set("fabric_cluster", cluster);
    set("fabric_clique", info.clique);
  }

  Calls& calls_;
  Records& records_;
  Device device_;
  unsigned index_;
  std::string number_;
};

const char* standing(bool is_lost) { return is_lost ? "not answering" : "state not known"; }

void write_gpu(Calls& calls, Records& records, GetHandle* get_handle, unsigned index, NvmlDetail detail) {
  constexpr const char* kCall = "nvmlDeviceGetHandleByIndex_v2";
  const std::string number = std::to_string(index);
  Device device = nullptr;
  calls.about_gpu(index);
  calls.announce(kCall);
  if (const Status status = get_handle(index, &device); status != kSuccess) {
    const bool hidden = status == kNoPermission || status == kOperatingSystem;
    records.add({"failed", number, hidden ? "hidden" : standing(means_no_use(status)),
                 fmt::format("{}: {} ({})", kCall, calls.error_text(status), status)});
    return;
  }
  records.add({"gpu", number});
  try {
    GpuWriter writer(calls, records, device, index);
    detail == NvmlDetail::brief ? writer.write_briefly() : writer.write();
    records.add({"done", number});
  } catch (const GpuStopped& stopped) {
    records.add({"failed", number, standing(stopped.is_lost), stopped.problem});
  }
}

void write_host(Calls& calls, Records& records) {
  using GetDriver = Status(char*, unsigned);
  using GetVersion = Status(int*);
  std::array<char, 81> driver{};
  if (calls.ask<GetDriver>({"nvmlSystemGetDriverVersion"}, "the driver version", driver.data(), 80U)) {
    records.add({"driver", driver.data()});
  }
  int cuda = 0;
  if (calls.ask<GetVersion>({"nvmlSystemGetCudaDriverVersion_v2", "nvmlSystemGetCudaDriverVersion"},
                            "the CUDA version of the driver", &cuda)) {
    records.add({"cuda", std::to_string(cuda)});
  }
}

/// Everything between dlopen and the end; what goes wrong as a whole is one record.
void write_all(const std::string& library, void* handle, Records& records, NvmlDetail detail) {
  Calls calls(handle, records);
  const bool new_init = calls.symbol<Init>("nvmlInit_v2") != nullptr;
  const char* const init_name = new_init ? "nvmlInit_v2" : "nvmlInit";
  const auto init = calls.symbol<Init>(init_name);
  const auto get_count = calls.symbol<GetCount>("nvmlDeviceGetCount_v2");
  const auto get_handle = calls.symbol<GetHandle>("nvmlDeviceGetHandleByIndex_v2");
  if (init == nullptr || get_count == nullptr || get_handle == nullptr) {
    const char* const missing = init == nullptr        ? "nvmlInit_v2"
                                : get_count == nullptr ? "nvmlDeviceGetCount_v2"
                                                       : "nvmlDeviceGetHandleByIndex_v2";
    records.add({"problem", "failed", fmt::format("{} has no {}", library, missing)});
    return;
  }
  calls.announce(init_name);
  if (const Status status = init(); status != kSuccess) {
    const bool no_driver = status == kDriverNotLoaded || status == kLibraryNotFound;
    records.add({"problem", no_driver ? "no_driver" : "failed",
                 fmt::format("{}: {} ({})", init_name, calls.error_text(status), status)});
    return;
  }
  write_host(calls, records);
  calls.announce("nvmlDeviceGetCount_v2");
  unsigned count = 0;
  if (const Status status = get_count(&count); status != kSuccess) {
    records.add({"problem", "failed",
                 fmt::format("nvmlDeviceGetCount_v2: {} ({})", calls.error_text(status), status)});
    return;
  }
  records.add({"count", std::to_string(count)});
  for (unsigned index = 0; index < count; ++index) write_gpu(calls, records, get_handle, index, detail);
  records.add({"end"});
  records.flush();
  if (const auto shutdown = calls.symbol<Init>("nvmlShutdown")) shutdown();
}

}  // namespace

bool nvml_library_exists(const std::string& library) {
  void* const handle = ::dlopen(library.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (handle == nullptr) return false;
  ::dlclose(handle);
  return true;
}

void write_nvml_records(const std::string& library, int descriptor, NvmlDetail detail) {
  Records records(descriptor);
  records.add({"at", "dlopen"});
  records.flush();
  void* const handle = ::dlopen(library.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* const text = ::dlerror();
    const std::string_view reason = text != nullptr ? text : "dlopen failed";
    const bool absent =
        reason.find("No such file") != std::string_view::npos && reason.substr(0, library.size()) == library;
    records.add({"problem", absent ? "no_library" : "failed",
                 absent ? library + " is not on this host" : std::string(reason)});
  } else {
    write_all(library, handle, records, detail);
  }
  records.flush();
}

}  // namespace fabricheck::topology
