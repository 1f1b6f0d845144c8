// ibstat, ibstatus and ibv_devinfo: what the ports of a host's RDMA devices are.
#include <algorithm>
#include <array>
#include <utility>

#include "diagnose/log_reader.hpp"

namespace fabricheck::diagnose {
namespace {

std::string_view quoted_name(std::string_view text) {
  const auto begin = after(text, "'");
  return begin ? until(*begin, "'") : std::string_view();
}

class IbPorts final : public ToolReader {
 public:
  const char* name() const override { return "state of ports"; }
  void begin_file() override {
    device_ = {};
    ++host_;
    names_.clear();
  }

  bool read(const Line& line, Observations& into, EventBook& events) override {
    std::string_view text = trim(line.text);
    if (text.empty()) return false;
    if (starts_with(text, "CA '")) return begin(quoted_name(text));
    if (starts_with(text, "Infiniband device '")) return begin_with_port(text);
    if (take(text, "hca_id:")) return begin(trim(text));
    if (device_.device.empty()) return false;
    for (const auto& [front, key] : kKeys)
      if (take(text, front)) return read_value(key, trim(text), line, into, events);
    return false;
  }

 private:
  enum class Key : std::uint8_t {
    type,
    image,
    count,
    port,
    state,
    physical,
    rate,
    width,
    lid,
    layer,
    max_mtu,
    mtu
  };
  static constexpr std::array<std::pair<std::string_view, Key>, 21> kKeys{{{"CA type:", Key::type},
                                                                           {"vendor_part_id:", Key::type},
                                                                           {"System image GUID:", Key::image},
                                                                           {"sys_image_guid:", Key::image},
                                                                           {"Number of ports:", Key::count},
                                                                           {"phys_port_cnt:", Key::count},
                                                                           {"Port ", Key::port},
                                                                           {"port:", Key::port},
                                                                           {"State:", Key::state},
                                                                           {"state:", Key::state},
                                                                           {"Physical state:", Key::physical},
                                                                           {"phys state:", Key::physical},
                                                                           {"Rate:", Key::rate},
                                                                           {"rate:", Key::rate},
                                                                           {"active_width:", Key::width},
                                                                           {"Base lid:", Key::lid},
                                                                           {"port_lid:", Key::lid},
                                                                           {"Link layer:", Key::layer},
                                                                           {"link_layer:", Key::layer},
                                                                           {"max_mtu:", Key::max_mtu},
                                                                           {"active_mtu:", Key::mtu}}};

  /// A device that comes again is another host's.
  bool begin(std::string_view name) {
    device_ = {};
    device_.device = name;
    is_open_ = false;
    if (std::find(names_.begin(), names_.end(), device_.device) != names_.end()) {
      ++host_;
      names_.clear();
    }
    constexpr std::size_t most = 256;
    if (names_.size() < most) names_.push_back(device_.device);
    device_.host = host_;
    return !device_.device.empty();
  }

  /// "Infiniband device 'mlx5_0' port 1 status:", for each port.
  bool begin_with_port(std::string_view text) {
    const std::string name(quoted_name(text));
    if (name != device_.device) return begin(name);
    is_open_ = false;
    return true;
  }

  bool read_value(Key key, std::string_view value, const Line& line, Observations& into, EventBook& events) {
    std::string_view number = value;
    switch (key) {
      case Key::type:
        device_.type = value.substr(0, 40);
        return true;
      case Key::image:
        device_.image_guid = value.substr(0, 40);
        return true;
      case Key::count:
        device_.ports = take_number<int>(number).value_or(0);
        return true;
      case Key::port:
        is_open_ = false;
        return take_number<int>(number).has_value();
      case Key::max_mtu:
        device_.max_mtu = take_number<int>(number).value_or(0);
        if (PortFacts* port = open(into)) port->max_mtu = device_.max_mtu;
        return true;
      case Key::state:
        return begin_port(value, line, into, events);
      default:
        break;
    }
    PortFacts* port = open(into);
    return port != nullptr && read_of_port(key, value, *port, line, events);
  }

  bool begin_port(std::string_view state, const Line& line, Observations& into, EventBook& events) {
    constexpr std::size_t most = 8192;
    if (into.ports.size() >= most) return true;
    into.ports.push_back(device_);
    is_open_ = true;
    PortFacts& port = into.ports.back();
    port.quote = line.quote();
    const bool active = contains(state, "Active") || contains(state, "ACTIVE");
    // Without a subnet manager an InfiniBand port stays at "Initializing".
    const bool waits = contains(state, "Init") || contains(state, "INIT");
    port.state = active ? PortState::active : waits ? PortState::waits : PortState::down;
    if (active) events.add(Event::port_active, 0, port.device, 0, true, line);
    return true;
  }

  static bool read_of_port(Key key, std::string_view value, PortFacts& port, const Line& line,
                           EventBook& events) {
    std::string_view number = value;
    switch (key) {
      case Key::physical:
        port.is_disabled |= contains(value, "Disabled");
        return true;
      case Key::lid:
        // A virtual function, an auxiliary card of Socket Direct, or a port without a cable.
        port.is_disabled |= contains(value, "65535") || contains(value, "0xffff");
        return true;
      case Key::rate:
        port.rate_Gbps = leading_real(number);
        port.rate_quote = line.quote();
        if (const auto lanes = after(value, "(")) {  // "50 Gb/sec (1X HDR)"
          std::string_view width = *lanes;
          port.lanes = take_number<int>(width).value_or(0);
          port.lanes_quote = line.quote();
        }
        return true;
      case Key::width:
        port.lanes = take_number<int>(number).value_or(0);
        port.lanes_quote = line.quote();
        return true;
      case Key::layer:
        if (value != "InfiniBand" && value != "Ethernet") return true;
        port.layer = value == "InfiniBand" ? 1 : 2;
        events.add(Event::port_layer, port.layer, port.device, 0, true, line);
        return true;
      case Key::mtu: {
        const int mtu = take_number<int>(number).value_or(0);
        constexpr int small = 1024;
        if (mtu > 0 && mtu <= small && mtu < port.max_mtu)
          events.add(Event::mtu_small, mtu, port.device, 0, true, line);
        return true;
      }
      default:
        return false;
    }
  }

  PortFacts* open(Observations& into) const { return is_open_ ? &into.ports.back() : nullptr; }

  PortFacts device_;
  std::vector<std::string> names_;  ///< of this host's devices so far
  int host_{};
  bool is_open_{};  ///< the last port of Observations::ports is the one that the lines tell of
};

}  // namespace

std::unique_ptr<ToolReader> make_ib_ports_reader() { return std::make_unique<IbPorts>(); }

}  // namespace fabricheck::diagnose
