#include "core/differences.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <tuple>

#include <fmt/format.h>

#include "core/check.hpp"
#include "core/text.hpp"
#include "core/units.hpp"

namespace fabricheck {
namespace {

using Values = std::set<std::string>;

/// A value per device, told once where all have the same.
template <class Devices, class Value>
std::string distinct(const Devices& devices, Value value) {
  Values values;
  for (const auto& device : devices) {
    const std::string one = value(device);
    if (!one.empty()) values.insert(one);
  }
  return joined(values);
}

template <class Value>
std::string of_ports(const Host& host, Value value) {
  Values values;
  for (const RdmaDevice& device : host.rdma_devices)
    for (const RdmaPort& port : device.ports) {
      const std::string one = value(port);
      if (!one.empty()) values.insert(one);
    }
  return joined(values);
}

std::string on_off(const std::optional<bool>& value) { return !value ? "" : *value ? "on" : "off"; }

template <class Number>
std::string with_unit(const std::optional<Number>& value, const char* unit) {
  return value ? fmt::format("{} {}", format_number(static_cast<double>(*value)), unit) : "";
}

std::string counted(std::size_t n) { return n == 0 ? "" : std::to_string(n); }

std::string active_nvlinks(const Gpu& gpu) {
  if (gpu.nvlinks.empty()) return "";
  return std::to_string(std::count_if(gpu.nvlinks.begin(), gpu.nvlinks.end(),
                                      [](const NvLink& link) { return link.active.value_or(false); }));
}

/// One line of what a host is; "" is not known.
struct Attribute {
  const char* what;
  Nature nature;
  Reach reach;
  std::string (*value)(const Host&);
};

constexpr std::array<Attribute, 33> attributes{{
    {"machine", Nature::hardware, Reach::all, [](const Host& host) { return host.environment.product; }},
    {"CPU", Nature::hardware, Reach::all, [](const Host& host) { return host.cpu_model; }},
    {"virtualisation", Nature::hardware, Reach::all,
     [](const Host& host) {
       return host.environment.hypervisor == "none" ? "bare metal" : host.environment.hypervisor;
     }},
    {"GPU", Nature::hardware, Reach::gpus,
     [](const Host& host) { return distinct(host.gpus, [](const Gpu& gpu) { return gpu.name; }); }},
    {"NIC", Nature::hardware, Reach::network,
     [](const Host& host) {
       return distinct(host.rdma_devices, [](const RdmaDevice& device) { return device.ids; });
     }},
    {"link layer", Nature::hardware, Reach::network,
     [](const Host& host) { return of_ports(host, [](const RdmaPort& port) { return port.link_layer; }); }},

    {"CPU cores", Nature::capacity, Reach::all,
     [](const Host& host) {
       return host.cores <= 0 ? "" : fmt::format("{} ({} threads)", host.cores, host.hardware_threads);
     }},
    {"NUMA nodes", Nature::capacity, Reach::all,
     [](const Host& host) { return counted(host.numa_nodes.size()); }},
    {"GPUs per host", Nature::capacity, Reach::gpus,
     [](const Host& host) { return counted(host.gpus.size()); }},
    {"active NVLinks per GPU", Nature::capacity, Reach::gpus,
     [](const Host& host) { return distinct(host.gpus, active_nvlinks); }},
    {"PCIe width of GPUs", Nature::capacity, Reach::gpus,
     [](const Host& host) {
       return distinct(host.gpus, [](const Gpu& gpu) {
         return gpu.pcie.width ? fmt::format("x{}", *gpu.pcie.width) : std::string();
       });
     }},
    {"NICs per host", Nature::capacity, Reach::network,
     [](const Host& host) { return counted(host.rdma_devices.size()); }},
    {"NIC rate", Nature::capacity, Reach::network,
     [](const Host& host) {
       return of_ports(host, [](const RdmaPort& port) { return with_unit(port.rate_Gbps, "Gb/s"); });
     }},
    {"port state", Nature::capacity, Reach::network,
     [](const Host& host) { return of_ports(host, [](const RdmaPort& port) { return port.state; }); }},

    {"NIC firmware", Nature::setting, Reach::network,
     [](const Host& host) {
       return distinct(host.rdma_devices, [](const RdmaDevice& device) { return device.firmware; });
     }},
    {"NIC board", Nature::setting, Reach::network,
     [](const Host& host) {
       return distinct(host.rdma_devices, [](const RdmaDevice& device) { return device.board; });
     }},
    {"RDMA MTU", Nature::setting, Reach::network,
     [](const Host& host) {
       return of_ports(host, [](const RdmaPort& port) { return with_unit(port.active_mtu_bytes, "B"); });
     }},
    {"net device MTU", Nature::setting, Reach::network,
     [](const Host& host) {
       return of_ports(host, [](const RdmaPort& port) { return with_unit(port.net_mtu_bytes, "B"); });
     }},
    {"GPU driver", Nature::setting, Reach::gpus, [](const Host& host) { return host.gpu_driver; }},
    {"CUDA of the driver", Nature::setting, Reach::gpus, [](const Host& host) { return host.cuda_version; }},
    {"VBIOS", Nature::setting, Reach::gpus,
     [](const Host& host) { return distinct(host.gpus, [](const Gpu& gpu) { return gpu.vbios; }); }},
    {"GPU power limit", Nature::setting, Reach::gpus,
     [](const Host& host) {
       return distinct(host.gpus, [](const Gpu& gpu) { return with_unit(gpu.power_limit_W, "W"); });
     }},
    {"GPU ECC", Nature::setting, Reach::gpus,
     [](const Host& host) {
       return distinct(host.gpus, [](const Gpu& gpu) { return on_off(gpu.ecc_enabled); });
     }},
    {"MIG", Nature::setting, Reach::gpus,
     [](const Host& host) {
       return distinct(host.gpus, [](const Gpu& gpu) { return on_off(gpu.mig_enabled); });
     }},
    {"nvidia_peermem", Nature::setting, Reach::gpus,
     [](const Host& host) -> std::string {
       if (host.environment.modules.empty()) return "";
       return host.environment.modules.count("nvidia_peermem") != 0 ? "loaded" : "not loaded";
     }},
    {"kernel", Nature::setting, Reach::all, [](const Host& host) { return host.kernel; }},
    {"BIOS", Nature::setting, Reach::all, [](const Host& host) { return host.environment.bios; }},
    {"container", Nature::setting, Reach::all, [](const Host& host) { return host.environment.container; }},
    {"IOMMU", Nature::setting, Reach::all, [](const Host& host) { return host.environment.iommu; }},
    {"CPU governor", Nature::setting, Reach::all,
     [](const Host& host) { return host.environment.cpu_governor; }},
    {"transparent huge pages", Nature::setting, Reach::all,
     [](const Host& host) { return host.environment.transparent_hugepages; }},
    {"lockable memory", Nature::setting, Reach::network,
     [](const Host& host) {
       const auto& bytes = host.environment.memlock_bytes;
       return !bytes ? std::string() : *bytes >= (1ULL << 62) ? "without limit" : format_bytes(*bytes);
     }},
    {"NUMA balancing", Nature::setting, Reach::all,
     [](const Host& host) { return on_off(host.environment.numa_balancing); }},
}};

struct HostFact {
  Nature nature;
  Reach reach;
  std::string value;
};
using HostFacts = std::map<std::string, HostFact>;

HostFacts facts_of(const Host& host) {
  HostFacts facts;
  const auto add = [&facts](const std::string& what, Nature nature, Reach reach, std::string value) {
    if (!value.empty()) facts.insert_or_assign(what, HostFact{nature, reach, std::move(value)});
  };
  for (const Attribute& attribute : attributes)
    add(attribute.what, attribute.nature, attribute.reach, attribute.value(host));
  for (const auto& [name, version] : host.environment.software) {
    const bool is_nccl = name == "nccl";
    add(is_nccl ? "NCCL" : name, Nature::setting,
        is_nccl                ? Reach::nccl
        : name == "libibverbs" ? Reach::network
                               : Reach::all,
        version);
  }
  for (const auto& [name, version] : host.environment.modules)
    add("kernel module " + name, Nature::setting, name.rfind("nvidia", 0) == 0 ? Reach::gpus : Reach::network,
        version);
  return facts;
}

/// Where the ranks of each host may run: binding is a setting of the launcher, not of the host.
std::map<std::string, std::string> cpus_of_ranks(const ClusterTopology& topology) {
  std::map<std::string, std::string> cpus;
  for (const RankPlace& place : topology.ranks) {
    const auto host = static_cast<std::size_t>(place.host);
    if (place.cpus.empty() || host >= topology.hosts.size()) continue;
    std::string& text = cpus[topology.hosts[host].name];
    text += (text.empty() ? "" : " | ") + place.cpus;
  }
  return cpus;
}

std::map<std::string, HostFacts> hosts_of(const RunRecord& record) {
  std::vector<HostFacts> kinds;
  kinds.reserve(record.topology.kinds.size());
  for (const Host& kind : record.topology.kinds) kinds.push_back(facts_of(kind));
  std::map<std::string, HostFacts> hosts;
  for (const HostEntry& entry : record.topology.hosts) {
    const auto kind = static_cast<std::size_t>(entry.kind);
    if (kind < kinds.size()) hosts[entry.name] = kinds[kind];
  }
  for (const auto& [name, cpus] : cpus_of_ranks(record.topology))
    if (const auto host = hosts.find(name); host != hosts.end())
      host->second.insert_or_assign("CPUs of its ranks", HostFact{Nature::setting, Reach::all, cpus});
  return hosts;
}

class Finder {
 public:
  Finder(const RunRecord& before, const RunRecord& after) : before_(before), after_(after) {}

  std::vector<Difference> find() {
    world();
    hosts();
    for (const auto& [key, names] : on_hosts_) {
      const auto& [nature, what, old_value, new_value, reach] = key;
      Difference difference{what, old_value, new_value, nature, reach, names};
      if (names.size() == after_hosts_) difference.hosts.clear();
      found_.push_back(std::move(difference));
    }
    std::stable_sort(found_.begin(), found_.end(),
                     [](const Difference& a, const Difference& b) { return a.nature < b.nature; });
    return std::move(found_);
  }

 private:
  void add(const std::string& what, const std::string& old_value, const std::string& new_value, Reach reach) {
    if (old_value == new_value || old_value.empty() || new_value.empty()) return;
    found_.push_back({what, old_value, new_value, Nature::setting, reach, {}});
  }

  static std::string tool_text(const ToolInfo& tool) {
    return tool.git.empty() ? tool.version : fmt::format("{} ({})", tool.version, tool.git);
  }

  void world() {
    const WorldInfo &was = before_.world, &is = after_.world;
    add("fabricheck", tool_text(before_.tool), tool_text(after_.tool), Reach::all);
    for (const auto& [what, version] : before_.tool.built_with)
      if (const auto now = after_.tool.built_with.find(what); now != after_.tool.built_with.end())
        add("built with " + what, version, now->second, Reach::all);
    add("launcher", was.launcher, is.launcher, Reach::all);
    add("ranks", std::to_string(was.ranks), std::to_string(is.ranks), Reach::network);
    add("nodes", std::to_string(was.nodes), std::to_string(is.nodes), Reach::network);
    mpi();
    const Values old_hosts(was.hosts.begin(), was.hosts.end()), new_hosts(is.hosts.begin(), is.hosts.end());
    Values gone, come;
    std::set_difference(old_hosts.begin(), old_hosts.end(), new_hosts.begin(), new_hosts.end(),
                        std::inserter(gone, gone.end()));
    std::set_difference(new_hosts.begin(), new_hosts.end(), old_hosts.begin(), old_hosts.end(),
                        std::inserter(come, come.end()));
    if (!gone.empty() || !come.empty())
      add("hosts", gone.empty() ? "-" : shortened(gone), come.empty() ? "-" : shortened(come),
          Reach::network);
  }

  static std::string shortened(const Values& names) {
    constexpr std::size_t most = 6;
    if (names.size() <= most) return joined(names);
    const Values first(names.begin(), std::next(names.begin(), most - 1));
    return fmt::format("{} and {} more", joined(first), names.size() - first.size());
  }

  void mpi() {
    std::map<std::string, std::pair<std::string, std::string>> values;
    for (const auto& [key, value] : before_.world.mpi) values[key].first = value;
    for (const auto& [key, value] : after_.world.mpi) values[key].second = value;
    for (const auto& [key, both] : values) {
      // An environment variable that is not there is not set; another key may only be unknown to an older
      // version of this program.
      const bool variable = key.find('_') != std::string::npos && key[0] >= 'A' && key[0] <= 'Z';
      const auto told = [variable](const std::string& value) {
        return value.empty() && variable ? std::string("not set") : value;
      };
      add(variable ? key : "MPI " + key, told(both.first), told(both.second), Reach::mpi);
    }
  }

  void hosts() {
    const std::map<std::string, HostFacts> was = hosts_of(before_), is = hosts_of(after_);
    after_hosts_ = is.size();
    std::map<std::string, Values> all_before;
    for (const auto& [name, facts] : was)
      for (const auto& [what, fact] : facts) all_before[what].insert(fact.value);
    for (const auto& [name, facts] : is) {
      const auto same_host = was.find(name);
      for (const auto& [what, fact] : facts) {
        std::string old_value;
        if (same_host != was.end()) {
          const auto old_fact = same_host->second.find(what);
          if (old_fact != same_host->second.end()) old_value = old_fact->second.value;
        } else if (const auto known = all_before.find(what);
                   known != all_before.end() && known->second.count(fact.value) == 0) {
          old_value = joined(known->second);
        }
        if (!old_value.empty() && old_value != fact.value)
          on_hosts_[{fact.nature, what, old_value, fact.value, fact.reach}].push_back(name);
      }
    }
  }

  const RunRecord &before_, &after_;
  std::size_t after_hosts_{};
  std::map<std::tuple<Nature, std::string, std::string, std::string, Reach>, std::vector<std::string>>
      on_hosts_;
  std::vector<Difference> found_;
};

}  // namespace

std::string difference_text(const Difference& difference) {
  std::string text = fmt::format("{} {} -> {}", difference.what, difference.before, difference.after);
  constexpr std::size_t most = 6;
  const std::vector<std::string>& hosts = difference.hosts;
  if (hosts.empty()) return text;
  const auto last = hosts.begin() + static_cast<std::ptrdiff_t>(std::min(most, hosts.size()));
  text += fmt::format(" on {}", fmt::join(hosts.begin(), last, ", "));
  if (hosts.size() > most) text += fmt::format(" and {} more", hosts.size() - most);
  return text;
}

bool reaches(Reach reach, const CheckRecord& check) {
  const std::string area = check.id.substr(0, check.id.find('.'));
  const bool facts = area == "topology";
  switch (reach) {
    case Reach::all:
      return true;
    case Reach::network:
      return facts || area == "verbs" || area == "roce" ||
             ((area == "mpi" || area == "nccl") && check.scope != scope_name(Scope::inside_node));
    case Reach::gpus:
      return facts || area == "gpu" || area == "nvlink" || area == "nccl" || area == "verbs";
    case Reach::mpi:
      return area == "mpi";
    case Reach::nccl:
      return area == "nccl" || facts;
  }
  return true;
}

bool concerns(const Difference& difference, const CheckRecord& check) {
  if (!reaches(difference.reach, check)) return false;
  if (difference.hosts.empty() || check.participants.empty()) return true;
  return std::any_of(difference.hosts.begin(), difference.hosts.end(), [&](const std::string& host) {
    return std::find(check.participants.begin(), check.participants.end(), host) != check.participants.end();
  });
}

std::vector<Difference> differences_between(const RunRecord& before, const RunRecord& after) {
  return Finder(before, after).find();
}

HardwareOf::HardwareOf(const RunRecord& record) {
  for (const Host& kind : record.topology.kinds) {
    Facts facts;
    for (const auto& [what, fact] : facts_of(kind))
      if (fact.nature != Nature::setting) facts[what] = {fact.nature, fact.reach, {fact.value}};
    by_kind_.push_back(std::move(facts));
  }
  for (const HostEntry& entry : record.topology.hosts)
    if (static_cast<std::size_t>(entry.kind) < by_kind_.size()) kind_of_[entry.name] = entry.kind;
}

const HardwareOf::Facts& HardwareOf::of(const CheckRecord& check) const {
  std::set<int> kinds;
  for (const std::string& host : check.participants)
    if (const auto kind = kind_of_.find(host); kind != kind_of_.end()) kinds.insert(kind->second);
  if (kinds.empty())
    for (const auto& entry : kind_of_) kinds.insert(entry.second);
  const auto [known, is_new] = known_.try_emplace(kinds);
  if (is_new)
    for (const int kind : kinds)
      for (const auto& [what, fact] : by_kind_[static_cast<std::size_t>(kind)]) {
        Fact& all = known->second[what];
        all.nature = fact.nature;
        all.reach = fact.reach;
        all.values.insert(fact.values.begin(), fact.values.end());
      }
  return known->second;
}

std::string other_hardware(const CheckRecord& before, const HardwareOf& hardware_before,
                           const CheckRecord& after, const HardwareOf& hardware_after) {
  const Values old_hosts(before.participants.begin(), before.participants.end());
  const Values new_hosts(after.participants.begin(), after.participants.end());
  const bool same_hosts = old_hosts == new_hosts;
  const HardwareOf::Facts& was = hardware_before.of(before);
  std::string lost;
  for (const auto& [what, now] : hardware_after.of(after)) {
    if (!reaches(now.reach, after) || (now.nature == Nature::capacity && same_hosts)) continue;
    const auto then = was.find(what);
    if (then == was.end() || then->second.values == now.values) continue;
    std::string text = fmt::format("{} {} -> {}", what, joined(then->second.values), joined(now.values));
    // Another model says more than that it has more cores.
    if (now.nature == Nature::hardware) return text;
    if (lost.empty()) lost = std::move(text);
  }
  return lost;
}

}  // namespace fabricheck
