#include <fmt/format.h>

#include <algorithm>

#include "topology/judge/link_config.hpp"
#include "topology/judge/link_fault_kinds.hpp"
#include "topology/model/gid_address.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::topology {
namespace {

constexpr const char* version_2 = "RoCE v2";

bool has(const std::vector<int>& list, int number) {
  return std::find(list.begin(), list.end(), number) != list.end();
}

std::string list_of(const std::vector<int>& numbers) {
  return numbers.empty() ? "none" : fmt::format("{}", fmt::join(numbers, " and "));
}

/// An address that can be routed, in packets that can.
bool is_usable(const Gid& gid) {
  const auto address = parse_gid(gid.address);
  return gid.type == version_2 && address && address->family() != GidFamily::link_local;
}

class PortJudge {
 public:
  PortJudge(const RdmaPort& port, std::string part, const JobNetwork& job, std::vector<LinkFault>& faults)
      : port_(port), part_(std::move(part)), job_(job), faults_(faults) {}

  void judge() {
    if (port_.link_layer == "InfiniBand") {
      judge_infiniband();
    } else {
      judge_gids();
      if (port_.classes) judge_classes(*port_.classes);
      judge_rate();
    }
    judge_mtu();
  }

 private:
  void add(const FaultKind& kind, std::string what) { faults_.push_back({&kind, part_, std::move(what)}); }

  void judge_infiniband() {
    if (port_.sm_lid == 0) add(link::no_subnet_manager, "its LID is 0");
    if (port_.link_width == "1X") add(link::width_reduced, "1X");
    if (!port_.pkeys) return;
    const auto index = static_cast<std::size_t>(job_.pkey_index.value_or(0));
    const std::string key = index < port_.pkeys->size() ? (*port_.pkeys)[index] : "0x0000";
    const auto value = parse_number(key, 16).value_or(0);
    constexpr long full_member = 0x8000;
    if ((value & full_member) == 0)
      add(link::partition_limited,
          value == 0 ? fmt::format("at index {} is none", index) : fmt::format("{} at index {}", key, index));
  }

  void judge_gids() {
    if (port_.gids.empty()) return;
    const auto usable = std::find_if(port_.gids.begin(), port_.gids.end(), is_usable);
    const bool types_known = std::none_of(port_.gids.begin(), port_.gids.end(),
                                          [](const Gid& gid) { return gid.type == "unknown"; });
    if (usable != port_.gids.end()) {
      judge_wished_gid(*usable);
    } else if (types_known) {
      const bool any_version_2 = std::any_of(port_.gids.begin(), port_.gids.end(),
                                             [](const Gid& gid) { return gid.type == version_2; });
      add(any_version_2 ? link::gid_link_local : link::only_version_1,
          any_version_2 ? "link-local ones" : "v1");
    }
  }

  void judge_wished_gid(const Gid& usable) {
    if (!job_.gid_index || *job_.gid_index < 0) return;
    const auto wished = std::find_if(port_.gids.begin(), port_.gids.end(),
                                     [&](const Gid& gid) { return gid.index == *job_.gid_index; });
    if (wished == port_.gids.end()) {
      add(link::gid_wrong,
          fmt::format("is {} and there is no such entry; {} would do", *job_.gid_index, usable.index));
    } else if (!is_usable(*wished) && wished->type != "unknown") {
      add(link::gid_wrong,
          fmt::format("is {}, which is {}; {} would do", *job_.gid_index,
                      wished->type == version_2 ? "link-local" : wished->type, usable.index));
    }
  }

  void judge_classes(const PortClasses& classes) {
    const auto priority = priority_of(port_, job_);
    const bool some_lossless = classes.pfc && !classes.pfc->empty();
    if (some_lossless && priority && !has(*classes.pfc, *priority)) {
      const bool told = job_.traffic_class.has_value() || classes.forced_traffic_class.has_value();
      add(told ? link::class_lossy : link::class_lossy_by_default,
          fmt::format("is sent in priority {}, and PFC is on for {}", *priority, list_of(*classes.pfc)));
    }
    if (some_lossless && classes.trust == "pcp")
      add(link::trust_pcp, "PFC is on for " + list_of(*classes.pfc));
    if (classes.pfc && classes.pfc->empty() && classes.pause_receive == false && classes.pause_send == false)
      add(link::nothing_lossless, "PFC and pause frames are off");
    if (!priority) return;
    for (const auto& [side, list] : {std::pair{"answering (roce_np)", &classes.ecn_answers},
                                     std::pair{"slowing down (roce_rp)", &classes.ecn_slows}})
      if (*list && !has(**list, *priority)) add(link::ecn_off, fmt::format("{} for {}", *priority, side));
  }

  void judge_rate() {
    if (port_.rate_Gbps && port_.max_rate_Gbps && *port_.rate_Gbps < *port_.max_rate_Gbps)
      add(link::rate_reduced, fmt::format("{:g} of {:g} Gb/s", *port_.rate_Gbps, *port_.max_rate_Gbps));
  }

  void judge_mtu() {
    if (!port_.active_mtu_bytes || !port_.max_mtu_bytes || *port_.active_mtu_bytes >= *port_.max_mtu_bytes)
      return;
    std::string what = fmt::format("{} of {} bytes", *port_.active_mtu_bytes, *port_.max_mtu_bytes);
    if (port_.link_layer == "Ethernet" && port_.net_mtu_bytes)
      what += fmt::format(", the net device has {}", *port_.net_mtu_bytes);
    add(link::mtu_small, std::move(what));
  }

  const RdmaPort& port_;
  const std::string part_;
  const JobNetwork& job_;
  std::vector<LinkFault>& faults_;
};

std::string part_of(const RdmaDevice& device, const RdmaPort& port) {
  return device.ports.size() > 1 ? fmt::format("{} port {}", device.name, port.number) : device.name;
}

/// Less is not enough for the buffers that NCCL registers; our own choice.
constexpr std::uint64_t least_memlock_bytes = std::uint64_t{1} << 30;

}  // namespace

std::optional<int> priority_of(const RdmaPort& port, const JobNetwork& job) {
  if (!port.classes || port.classes->trust != "dscp" || !port.classes->dscp_priority) return std::nullopt;
  const int traffic_class = port.classes->forced_traffic_class.value_or(job.traffic_class.value_or(0));
  const auto dscp =
      static_cast<std::size_t>(traffic_class >> 2);  // the upper 6 bits of the IP header's class
  if (traffic_class < 0 || dscp >= port.classes->dscp_priority->size()) return std::nullopt;
  const int priority = (*port.classes->dscp_priority)[dscp];
  return priority < 0 ? std::nullopt : std::optional<int>(priority);
}

Host only_ports_of(const Host& host, const std::string& link_layer) {
  Host left;
  left.name = host.name;
  left.environment.memlock_bytes = host.environment.memlock_bytes;
  left.environment.hypervisor = host.environment.hypervisor;
  for (RdmaDevice device : host.rdma_devices) {
    device.ports.erase(std::remove_if(device.ports.begin(), device.ports.end(),
                                      [&](const RdmaPort& port) { return port.link_layer != link_layer; }),
                       device.ports.end());
    if (device.status == "answers" && !device.ports.empty()) left.rdma_devices.push_back(std::move(device));
  }
  return left;
}

std::vector<LinkFault> link_faults(const Host& host, const JobNetwork& job) {
  std::vector<LinkFault> faults;
  for (const RdmaDevice& device : host.rdma_devices) {
    for (const RdmaPort& port : device.ports)
      if (port.state == "ACTIVE") PortJudge(port, part_of(device, port), job, faults).judge();
  }
  const auto& memlock = host.environment.memlock_bytes;
  if (!host.rdma_devices.empty() && memlock && *memlock < least_memlock_bytes)
    faults.push_back({&link::memlock, "", fmt::format("is limited to {} KiB", *memlock / 1024)});
  return faults;
}

std::vector<Observation> link_observations(const Host& host, std::size_t kind, const Union& all) {
  std::vector<Observation> seen;
  const auto numbers = [](const std::optional<std::vector<int>>& list) {
    return list ? list_of(*list) : std::string();
  };
  for (std::size_t i = 0; i < host.rdma_devices.size(); ++i) {
    const RdmaDevice& device = host.rdma_devices[i];
    const int slot = all.nics.slot[kind][i];
    if (slot < 0) continue;
    const std::string& label = all.nics.labels[static_cast<std::size_t>(slot)];
    for (const RdmaPort& port : device.ports) {
      if (port.state != "ACTIVE") continue;
      const std::string part =
          device.ports.size() > 1 ? fmt::format("{} port {}", label, port.number) : label;
      const auto see = [&](const Attribute& attribute, std::string value) {
        seen.push_back({&attribute, part, std::move(value)});
      };
      if (port.link_layer == "InfiniBand") {
        see(link::width, port.link_width.value_or(""));
        see(link::subnet_manager, port.sm_lid ? std::to_string(*port.sm_lid) : "");
        see(link::partitions, port.pkeys ? fmt::format("{}", fmt::join(*port.pkeys, " ")) : "");
        continue;
      }
      const PortClasses classes = port.classes.value_or(PortClasses{});
      see(link::trust, classes.trust.value_or(""));
      see(link::pfc, numbers(classes.pfc));
      see(link::dscp_map,
          classes.dscp_priority ? fmt::format("{}", fmt::join(*classes.dscp_priority, ", ")) : "");
      const auto on_off = [](bool on) { return on ? "on" : "off"; };
      if (classes.ecn_answers && classes.ecn_slows)
        see(link::ecn, fmt::format("answered for {}, slowing down for {}", numbers(classes.ecn_answers),
                                   numbers(classes.ecn_slows)));
      else
        see(link::ecn, "");
      see(link::pause, classes.pause_receive && classes.pause_send
                           ? fmt::format("receive {}, send {}", on_off(*classes.pause_receive),
                                         on_off(*classes.pause_send))
                           : "");
      see(link::forced_class,
          classes.forced_traffic_class ? std::to_string(*classes.forced_traffic_class) : "");
    }
  }
  return seen;
}

}  // namespace fabricheck::topology
