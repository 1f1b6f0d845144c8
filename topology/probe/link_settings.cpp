#include "topology/probe/link_settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "topology/probe/net.hpp"
#include "topology/probe/sysfs.hpp"

namespace fabricheck::topology {
namespace {

namespace fs = std::filesystem;

constexpr int priorities = 8;

class Settings {
 public:
  Settings(const std::string& sysroot, LinkQueries* queries, std::vector<std::string>& unknown)
      : sysroot_(sysroot), queries_(queries), unknown_(unknown) {}

  void add(const RdmaDevice& device, RdmaPort& port) {
    const fs::path folder = fs::path(sysroot_) / "sys/class/infiniband" / device.name;
    const fs::path of_port = folder / "ports" / std::to_string(port.number);
    port.link_width = width(of_port / "rate");
    if (port.link_layer == "InfiniBand") {
      port.sm_lid = sm_lid(of_port / "sm_lid");
      port.pkeys = pkeys(of_port / "pkeys");
    }
    if (port.link_layer != "Ethernet") return;
    PortClasses classes;
    classes.forced_traffic_class =
        forced_traffic_class(folder / "tc" / std::to_string(port.number) / "traffic_class");
    if (!port.net_device.empty() && is_net_device_name(port.net_device)) {
      const fs::path net = net_folder(sysroot_, port.net_device);
      classes.trust = trust(net / "qos/trust");
      classes.ecn_answers = enabled_priorities(net / "ecn/roce_np/enable");
      classes.ecn_slows = enabled_priorities(net / "ecn/roce_rp/enable");
      if (queries_) ask(port, classes, net);
    }
    if (classes != PortClasses{}) port.classes = classes;
  }

 private:
  /// Nothing where the file is not there; unreadable is a sentence.
  std::optional<std::string> setting(const fs::path& file) {
    std::error_code error;
    if (fs::symlink_status(file, error).type() == fs::file_type::not_found) return std::nullopt;
    std::string why;
    auto text = read_text(file, why);
    if (!text)
      unknown_.push_back(
          fmt::format("link settings: {} cannot be read ({}), so it is not known", file.string(), why));
    return text;
  }

  /// What a file says that makes no sense.
  void odd(const fs::path& file, const std::string& text, const char* example) {
    unknown_.push_back(
        fmt::format("link settings: {} reads {}, not {}", file.string(), in_quotes(text), example));
  }

  /// "400 Gb/sec (4X NDR)" is 4X. What is wrong with the rate is the port's own probe's to say.
  static std::optional<std::string> width(const fs::path& file) {
    const std::string text = read_text(file).value_or("");
    const std::size_t open = text.find('('), end = text.find('X', open == std::string::npos ? 0 : open);
    if (open == std::string::npos || end == std::string::npos) return std::nullopt;
    const std::string lanes = text.substr(open + 1, end - open - 1);
    constexpr long most_lanes = 12;
    const auto number = parse_number(lanes);
    if (!number || *number < 1 || *number > most_lanes) return std::nullopt;
    return lanes + "X";
  }

  std::optional<int> sm_lid(const fs::path& file) {
    const auto text = setting(file);
    if (!text) return std::nullopt;
    const auto lid = parse_number(*text, 16);
    if (lid && *lid >= 0 && *lid <= 0xffff) return static_cast<int>(*lid);
    odd(file, *text, "a LID such as '0x1'");
    return std::nullopt;
  }

  /// Up to the last entry that is used.
  std::optional<std::vector<std::string>> pkeys(const fs::path& folder) {
    std::string why;
    const auto names = folder_entries(folder, why);
    if (!names) return std::nullopt;
    std::vector<std::string> keys;
    for (const std::string& name : *names) {
      const auto text = setting(folder / name);
      if (!text) return std::nullopt;
      const auto key = parse_number(*text, 16);
      if (!key || *key < 0 || *key > 0xffff) {
        odd(folder / name, *text, "a partition such as '0xffff'");
        return std::nullopt;
      }
      keys.push_back(fmt::format("0x{:04x}", *key));
    }
    while (!keys.empty() && keys.back() == "0x0000") keys.pop_back();
    return keys;
  }

  /// "Global tclass=106"
  std::optional<int> forced_traffic_class(const fs::path& file) {
    const auto text = setting(file);
    if (!text || text->empty()) return std::nullopt;
    const std::size_t sign = text->find("tclass=");
    if (sign == std::string::npos) return std::nullopt;
    const std::string value =
        text->substr(sign + 7, text->find_first_not_of("-0123456789", sign + 7) - sign - 7);
    const auto number = parse_number(value);
    if (number && *number >= 0 && *number <= 255) return static_cast<int>(*number);
    if (!number) odd(file, *text, "a traffic class such as 'Global tclass=106'");
    return std::nullopt;
  }

  std::optional<std::string> trust(const fs::path& file) {
    auto text = setting(file);
    if (!text) return std::nullopt;
    if (*text == "dscp" || *text == "pcp") return text;
    odd(file, *text, "'dscp' or 'pcp'");
    return std::nullopt;
  }

  /// A file for each priority, with 0 or 1.
  std::optional<std::vector<int>> enabled_priorities(const fs::path& folder) {
    std::error_code error;
    if (!fs::exists(folder, error)) return std::nullopt;
    std::vector<int> enabled;
    for (int priority = 0; priority < priorities; ++priority) {
      const fs::path file = folder / std::to_string(priority);
      const auto text = setting(file);
      if (!text) return std::nullopt;
      if (*text != "0" && *text != "1") {
        odd(file, *text, "0 or 1");
        return std::nullopt;
      }
      if (*text == "1") enabled.push_back(priority);
    }
    return enabled;
  }

  void ask(RdmaPort& port, PortClasses& classes, const fs::path& net) {
    std::string why;
    if (const auto modes = queries_->supported_modes(port.net_device, why))
      port.max_rate_Gbps = fastest_mode_Gbps(*modes);
    if (const auto pause = queries_->pause(port.net_device, why)) {
      classes.pause_receive = pause->receive;
      classes.pause_send = pause->send;
    }
    const auto answer = queries_->dcb(port.net_device, why);
    const auto facts = answer ? parse_dcb_answer(*answer, why) : std::nullopt;
    if (!facts) {
      unknown_.push_back(
          fmt::format("link settings: {} does not tell its classes by DCB netlink ({}), so PFC is not known",
                      port.net_device, printable(why)));
      return;
    }
    classes.pfc = facts->pfc;
    classes.dscp_priority = facts->dscp_priority;
    if (classes.trust || !facts->dscp_priority) return;
    const bool by_dscp = std::any_of(facts->dscp_priority->begin(), facts->dscp_priority->end(),
                                     [](int priority) { return priority >= 0; });
    // mlx5_core trusts the DSCP as long as there is an entry for one (mlx5e_dcbnl_ieee_setapp); others do not
    // tell.
    const bool is_mlx5 = fs::path(link_target(net / "device/driver")).filename() == "mlx5_core";
    if (by_dscp) classes.trust = "dscp";
    if (!by_dscp && is_mlx5) classes.trust = "pcp";
  }

  const std::string& sysroot_;
  LinkQueries* queries_;
  std::vector<std::string>& unknown_;
};

}  // namespace

void add_link_settings(const std::string& sysroot, LinkQueries* queries, std::vector<RdmaDevice>& devices,
                       std::vector<std::string>& unknown) {
  Settings settings(sysroot, queries, unknown);
  for (RdmaDevice& device : devices) {
    if (device.status != "answers") continue;
    for (RdmaPort& port : device.ports) settings.add(device, port);
  }
}

}  // namespace fabricheck::topology
