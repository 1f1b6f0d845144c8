// Counters and states of ports as ethtool -S, perfquery and mlxlink print them.
#include <algorithm>
#include <array>
#include <cctype>

#include "diagnose/log_reader.hpp"

namespace fabricheck::diagnose {
namespace {

/// Of the link itself, or of packets that were lost. Pauses, marks and waits are how a lossless network
/// works.
constexpr std::array<std::string_view, 16> kErrors{"rx_crc_errors_phy",
                                                   "rx_symbol_err_phy",
                                                   "rx_discards_phy",
                                                   "tx_discards_phy",
                                                   "rx_pcs_symbol_err_phy",
                                                   "link_down_events_phy",
                                                   "rx_out_of_buffer",
                                                   "rx_prio3_discards",
                                                   "SymbolErrorCounter",
                                                   "LinkErrorRecoveryCounter",
                                                   "LinkDownedCounter",
                                                   "PortRcvErrors",
                                                   "PortXmitDiscards",
                                                   "LocalLinkIntegrityErrors",
                                                   "ExcessiveBufferOverrunErrors",
                                                   "VL15Dropped"};

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
    if (*count > 0 && std::find(kErrors.begin(), kErrors.end(), name) != kErrors.end())
      events.add(Event::port_errors, 0, name, 0, true, line);
    return true;
  }

 private:
  bool is_open_{};
};

/// mlxlink: "State : Polling", then "Recommendation : Bad signal integrity, …".
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
    const std::string_view key = trim(text.substr(0, colon)), value = trim(text.substr(colon + 3));
    if (key == "State")
      events.add(value == "Active" ? Event::port_active : Event::port_down, 0, "", 0, true, line);
    if (key == "Recommendation" && !starts_with(value, "No issue"))
      events.add(Event::module_event, 0, "", 0, true, line);
    return true;
  }

 private:
  bool is_open_{};
};

}  // namespace

std::unique_ptr<ToolReader> make_port_counter_reader() { return std::make_unique<PortCounters>(); }
std::unique_ptr<ToolReader> make_mlxlink_reader() { return std::make_unique<MlxLink>(); }

}  // namespace fabricheck::diagnose
