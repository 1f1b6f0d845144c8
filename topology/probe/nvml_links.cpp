// The child's part: NVLink.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "topology/probe/nvml_calls.hpp"
#include "topology/probe/nvml_values.hpp"
#include "topology/probe/pci.hpp"

namespace fabricheck::topology::nvml {
namespace {

using GetFields = Status(Device, int, FieldValue*);
using GetOfLink = Status(Device, unsigned, unsigned*);
using GetRemotePci = Status(Device, unsigned, PciInfo*);
using GetCounter = Status(Device, unsigned, int, unsigned long long*);

std::optional<std::uint64_t> value_of(const FieldValue& field) {
  if (field.status != kSuccess) return std::nullopt;
  enum Type { real, uint32, uint64_long, uint64, int64, int32, uint16 };  // nvmlValueType_t
  switch (field.type) {
    case uint32:
      return field.value.uint32;
    case uint64_long:
    case uint64:
      return field.value.uint64;
    case int64:
      if (field.value.int64 >= 0) return static_cast<std::uint64_t>(field.value.int64);
      return std::nullopt;
    case int32:
      if (field.value.int32 >= 0) return static_cast<std::uint64_t>(field.value.int32);
      return std::nullopt;
    case uint16:
      return field.value.uint16;
    default:
      return std::nullopt;
  }
}

/// Field values of one GPU, asked for in as few calls as can be.
class Fields {
 public:
  Fields(Calls& calls, Device device) : calls_{calls}, device_{device} {}

  void want(unsigned field, unsigned scope = 0) {
    FieldValue value{};
    value.field = field;
    value.scope = scope;
    value.status = kNotSupported;
    values_.push_back(value);
  }

  void fetch() {
    if (values_.size() == fetched_) return;
    const auto count = static_cast<int>(values_.size() - fetched_);
    const bool answered = calls_.ask<GetFields>({"nvmlDeviceGetFieldValues"}, "the speed that NVLinks run at",
                                                device_, count, values_.data() + fetched_);
    if (!answered) values_.resize(fetched_);
    fetched_ = values_.size();
  }

  std::optional<std::uint64_t> get(unsigned field, unsigned scope = 0) const {
    const auto found = std::find_if(values_.begin(), values_.end(), [&](const FieldValue& value) {
      return value.field == field && value.scope == scope;
    });
    return found == values_.end() ? std::nullopt : value_of(*found);
  }

 private:
  Calls& calls_;
  Device device_;
  std::vector<FieldValue> values_;
  std::size_t fetched_{};
};

struct Link {
  unsigned index{};
  std::optional<bool> active;
};

/// The links that the GPU has: NVML says "not supported" or "invalid argument" for others.
std::vector<Link> find_links(Calls& calls, Device device, unsigned count) {
  std::vector<Link> links;
  for (unsigned index = 0; index < count; ++index) {
    unsigned active = 0;
    const Status status =
        calls.ask_link<GetOfLink>("nvmlDeviceGetNvLinkState", "the state of NVLinks", device, index, &active);
    if (status == kInvalidArgument || status == kFunctionNotFound) break;
    if (status == kSuccess) {
      links.push_back({index, active != 0});
    } else if (status != kNotSupported && status != kNotFound) {
      links.push_back({index, std::nullopt});
    }
  }
  return links;
}

std::optional<std::uint64_t> speed_MBps(const Fields& fields, const Link& link,
                                        std::optional<int> generation) {
  constexpr unsigned kFirstBlock = 6;
  constexpr unsigned kSecondBlock = 12;
  std::vector<std::optional<std::uint64_t>> told{fields.get(kFieldSpeed, link.index)};
  if (link.index < kFirstBlock) {
    told.push_back(fields.get(kFieldLinkSpeed0 + link.index));
  } else if (link.index < kSecondBlock) {
    told.push_back(fields.get(kFieldLinkSpeed6 + link.index - kFirstBlock));
  }
  if (link.active == true) told.push_back(fields.get(kFieldCommonSpeed));
  for (const auto& speed : told) {
    if (speed && *speed > 0) return speed;
  }
  if (link.active != true || !generation) return std::nullopt;
  const auto table = nvlink_speed_GBps(*generation);
  return table ? std::optional<std::uint64_t>(static_cast<std::uint64_t>(std::lround(*table * 1000)))
               : std::nullopt;
}

struct Remote {
  std::string kind{"-"};
  std::string address{"-"};
};

constexpr const char* kWhatRemote = "what NVLinks lead to";

/// "gpu", "cpu", "switch", or "-".
std::string remote_kind(Calls& calls, Device device, unsigned link) {
  unsigned type = 0;
  if (calls.ask_link<GetOfLink>("nvmlDeviceGetNvLinkRemoteDeviceType", kWhatRemote, device, link, &type) !=
      kSuccess) {
    return "-";
  }
  if (type == kRemoteGpu) return "gpu";
  if (type == kRemoteIbmNpu) return "cpu";
  return type == kRemoteSwitch ? "switch" : "-";
}

Remote remote_of(Calls& calls, Device device, unsigned link) {
  Remote remote;
  remote.kind = remote_kind(calls, device, link);
  PciInfo pci{};
  if (calls.ask_link<GetRemotePci>("nvmlDeviceGetNvLinkRemotePciInfo_v2", kWhatRemote, device, link, &pci) !=
      kSuccess) {
    return remote;
  }
  pci.bus_id.back() = '\0';
  const std::string bus_id = pci.bus_id.data();
  remote.address = pci_address(bus_id).value_or("-");
  if (remote.address == "0000:00:00.0") remote.address = "-";  // NVLink 5 switches are not on this PCI bus
  if (remote.kind != "-") return remote;
  constexpr unsigned kVendorMask = 0xffff;
  constexpr unsigned kVendorIbm = 0x1014;
  if ((pci.device_id & kVendorMask) == kVendorIbm) remote.kind = "cpu";
  // In a virtual machine that was given no switch its address is all f; NCCL takes it for a switch, too.
  if (!bus_id.empty() && bus_id.find_first_not_of("fF:.") == std::string::npos) remote.kind = "switch";
  return remote;
}

std::string text_of(const std::optional<std::uint64_t>& value) {
  return value ? std::to_string(*value) : "-";
}

/// Error counters of the links, those of a link where all are zero left out.
class ErrorCounters {
 public:
  ErrorCounters(Calls& calls, Device device, const Fields& fields)
      : calls_{calls}, device_{device}, fields_{fields} {}

  void write(Records& records, unsigned index, const Link& link) {
    std::array<std::optional<std::uint64_t>, 4> counts{};
    counts[0] = fields_.get(kFieldReplay, link.index);
    counts[1] = fields_.get(kFieldRecovery, link.index);
    if (!counts[1]) counts[1] = fields_.get(kFieldRecoveryEvents, link.index);
    for (std::size_t counter = 0; counter < counts.size(); ++counter) {
      if (!counts.at(counter)) counts.at(counter) = ask(counter, link);
    }
    if (std::none_of(counts.begin(), counts.end(), [](const auto& count) { return count.value_or(0) > 0; })) {
      return;
    }
    records.add({"errors", std::to_string(index), std::to_string(link.index), text_of(counts[0]),
                 text_of(counts[1]), text_of(counts[2]), text_of(counts[3])});
  }

 private:
  std::optional<std::uint64_t> ask(std::size_t counter, const Link& link) {
    if (!answers_.at(counter)) return std::nullopt;
    unsigned long long count = 0;
    const Status status =
        calls_.ask_link<GetCounter>("nvmlDeviceGetNvLinkErrorCounter", "the error counts of NVLinks", device_,
                                    link.index, static_cast<int>(counter), &count);
    if (status == kSuccess) return count;
    // What one working link does not have the others do not have either.
    if (status == kNotSupported && link.active == true) answers_.at(counter) = false;
    return std::nullopt;
  }

  Calls& calls_;
  Device device_;
  const Fields& fields_;
  std::array<bool, 4> answers_{true, true, true, true};
};

}  // namespace

void write_links(Calls& calls, Records& records, Device device, unsigned index, int compute_major) {
  Fields fields(calls, device);
  fields.want(kFieldLinkCount);
  fields.want(kFieldCommonSpeed);
  for (unsigned i = 0; i < 6; ++i) fields.want(kFieldLinkSpeed0 + i);
  for (unsigned i = 0; i < 6; ++i) fields.want(kFieldLinkSpeed6 + i);
  fields.fetch();
  const auto count = fields.get(kFieldLinkCount);
  const auto links =
      find_links(calls, device, std::min(static_cast<unsigned>(count.value_or(kMaxLinks)), kMaxLinks));
  for (const Link& link : links) {
    for (const unsigned field : {kFieldSpeed, kFieldReplay, kFieldRecovery, kFieldRecoveryEvents}) {
      fields.want(field, link.index);
    }
  }
  fields.fetch();
  ErrorCounters counters(calls, device, fields);
  for (const Link& link : links) {
    unsigned version = 0;
    std::optional<int> generation;
    if (calls.ask_link<GetOfLink>("nvmlDeviceGetNvLinkVersion", "the version of NVLinks", device, link.index,
                                  &version) == kSuccess) {
      generation = nvlink_generation(version, compute_major);
    }
    const Remote remote = remote_of(calls, device, link.index);
    const char* const active = !link.active ? "-" : *link.active ? "1" : "0";
    records.add({"link", std::to_string(index), std::to_string(link.index), active,
                 generation ? std::to_string(*generation) : "-",
                 text_of(speed_MBps(fields, link, generation)), remote.kind, remote.address});
    counters.write(records, index, link);
  }
}

bool write_links_briefly(Calls& calls, Records& records, Device device, unsigned index) {
  Fields fields(calls, device);
  fields.want(kFieldLinkCount);
  fields.fetch();
  const auto count = fields.get(kFieldLinkCount);
  if (!count || *count > kMaxLinks) return false;
  const auto links = static_cast<unsigned>(*count);
  for (unsigned link = 0; link < links; ++link) {
    for (const unsigned field : {kFieldState, kFieldReplay, kFieldRecovery, kFieldRecoveryEvents}) {
      fields.want(field, link);
    }
  }
  fields.fetch();
  for (unsigned link = 0; link < links; ++link)
    if (!fields.get(kFieldState, link)) return false;
  std::string kind = "-";
  for (unsigned link = 0; link < links && kind == "-"; ++link) {
    if (fields.get(kFieldState, link) == 0) continue;
    kind = remote_kind(calls, device, link);
    break;
  }
  const std::string gpu = std::to_string(index);
  for (unsigned link = 0; link < links; ++link) {
    const bool active = fields.get(kFieldState, link) != 0;
    const std::string number = std::to_string(link);
    records.add({"link", gpu, number, active ? "1" : "0", "-", "-", kind, "-"});
    const auto replay = fields.get(kFieldReplay, link);
    auto recovery = fields.get(kFieldRecovery, link);
    if (!recovery) recovery = fields.get(kFieldRecoveryEvents, link);
    // What is not known is no zero.
    if (replay.value_or(1) > 0 || recovery.value_or(1) > 0)
      records.add({"errors", gpu, number, text_of(replay), text_of(recovery), "-", "-"});
  }
  return true;
}

}  // namespace fabricheck::topology::nvml
