// Counters and states of ports as ethtool -S, perfquery and mlxlink print them.
#include <algorithm>
#include <array>
#include <cstdint>

#include "diagnose/log_reader.hpp"

namespace fabricheck::diagnose {
namespace {

struct Counter {
  std::string_view name;
  std::uint64_t most;
};

/// Of the link itself, or of packets that were lost. Pauses, marks, and errors before correction are how such
/// networks work. Counts since the driver or the switch came up; below these rdma-core's infiniband-diags say
/// nothing either (etc/error_thresholds), and ethtool's are of the same kinds.
constexpr std::array<Counter, 13> kErrors{{{"SymbolErrorCounter", 10},
                                           {"LinkErrorRecoveryCounter", 10},
                                           {"LinkDownedCounter", 10},
                                           {"PortRcvErrors", 10},
                                           {"LocalLinkIntegrityErrors", 10},
                                           {"ExcessiveBufferOverrunErrors", 10},
                                           {"PortXmitDiscards", 100},
                                           {"rx_crc_errors_phy", 10},
                                           {"rx_symbol_err_phy", 10},
                                           {"link_down_events_phy", 10},
                                           {"rx_discards_phy", 100},
                                           {"tx_discards_phy", 100},
                                           {"tx_errors_phy", 10}}};

bool is_many(std::string_view name, std::uint64_t count) {
  return std::any_of(kErrors.begin(), kErrors.end(),
                     [&](const Counter& one) { return one.name == name && count > one.most; });
}

class PortCounters final : public ToolReader {
 public:
  const char* name() const override { return "port counters"; }
  void begin_file() override { is_open_ = false; }

  bool read(const Line& line, [[maybe_unused]] Observations& into, EventBook& events) override {
    const std::string_view text = trim(line.text);
    if (starts_with(text, "NIC statistics:") ||
        (starts_with(text, "# Port ") && contains(text, "counters"))) {
      is_open_ = true;
      return true;
    }
    if (!is_open_) return false;
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) {
      is_open_ = text.empty();
      return false;
    }
    const std::string_view name = text.substr(0, colon);
    std::string_view value = text.substr(colon + 1);
    value.remove_prefix(std::min(value.find_first_not_of(". \t"), value.size()));
    const auto count = take_number<std::uint64_t>(value);
    if (!count || name.empty() || name.find(' ') != std::string_view::npos) return false;
    if (is_many(name, *count)) events.add(Event::port_errors, 0, name, 0, true, line);
    return true;
  }

 private:
  bool is_open_{};
};

/// mlxlink: "State : Polling", and what it makes of it: "Status Opcode : 1032".
class MlxLink final : public ToolReader {
 public:
  const char* name() const override { return "mlxlink"; }
  void begin_file() override { is_open_ = false; }

  bool read(const Line& line, [[maybe_unused]] Observations& into, EventBook& events) override {
    const std::string_view text = trim(line.text);
    if (text == "Operational Info" || text == "Troubleshooting Info") {
      is_open_ = true;
      return true;
    }
    if (!is_open_) return false;
    const std::size_t colon = text.find(" : ");
    if (colon == std::string_view::npos) return false;
    const std::string_view key = trim(text.substr(0, colon));
    std::string_view value = trim(text.substr(colon + 3));
    if (key == "State" && (value == "Active" || value == "Polling"))
      events.add(value == "Active" ? Event::port_active : Event::port_down, 0, "", 0, true, line);
    // Of the monitor's opcodes only these are of cables, modules and signals; others say who switched it off,
    // that nothing is plugged in, or that nothing is wrong (MFT's mlxlink, Troubleshooting Info).
    if (key == "Status Opcode") is_signal_ = is_of_signal(take_number<int>(value).value_or(0));
    // Behind its error correction a link in health has less than 1E-12, by far.
    constexpr double most_in_health = 1e-12;
    if (key == "Effective Physical BER" && leading_real(value) > most_in_health)
      events.add(Event::module_event, 0, "", 0, true, line);
    if (key == "Recommendation" && is_signal_) events.add(Event::module_event, 0, "", 0, true, line);
    return true;
  }

 private:
  static bool is_of_signal(int opcode) {
    constexpr int first_of_peer = 5, last_of_link = 58, bad_signal = 1032, first_of_module = 1025,
                  last_of_module = 1047;
    constexpr int by_command = 1033, by_command_too = 1034;
    if (opcode == by_command || opcode == by_command_too) return false;
    return (opcode >= first_of_peer && opcode <= last_of_link) || opcode == bad_signal ||
           (opcode >= first_of_module && opcode <= last_of_module);
  }

  bool is_open_{}, is_signal_{};
};

}  // namespace

std::unique_ptr<ToolReader> make_port_counter_reader() { return std::make_unique<PortCounters>(); }
std::unique_ptr<ToolReader> make_mlxlink_reader() { return std::make_unique<MlxLink>(); }

}  // namespace fabricheck::diagnose
