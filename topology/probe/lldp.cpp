#include "topology/probe/lldp.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>

#include "topology/probe/net.hpp"
#include "topology/probe/sysfs.hpp"

namespace fabricheck::topology {
namespace {

constexpr std::size_t kLongestFrame = 4096;
constexpr std::size_t kEthernetHeader = 14;

std::uint32_t byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

std::string mac_text(std::string_view bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size() && i < 8; ++i) {
    text += fmt::format("{}{:02x}", i == 0 ? "" : ":", byte_at(bytes, i));
  }
  return text;
}

/// Of a chassis or a port. The first byte says what the rest is; `mac` and `network` are the numbers that say
/// so.
std::string id_text(std::string_view value, std::uint32_t mac, std::uint32_t network) {
  if (value.size() < 2) return {};
  const std::uint32_t type = byte_at(value, 0);
  value.remove_prefix(1);
  return type == mac || type == network ? mac_text(value) : printable(value);
}

struct Told {
  std::string chassis, port, port_description, name;
  bool port_is_address{};
};

/// The list of type, length and value behind the Ethernet header.
bool parse_values(std::string_view rest, Told& told) {
  while (!rest.empty()) {
    if (rest.size() < 2) return false;
    const std::uint32_t head = (byte_at(rest, 0) << 8) | byte_at(rest, 1);
    const std::uint32_t type = head >> 9;
    const std::size_t length = head & 0x1ff;
    rest.remove_prefix(2);
    if (type == 0) return true;
    if (length > rest.size()) return false;
    const std::string_view value = rest.substr(0, length);
    rest.remove_prefix(length);
    if (type == 1) told.chassis = id_text(value, 4, 5);
    if (type == 2) {
      told.port = id_text(value, 3, 4);
      told.port_is_address = !value.empty() && (byte_at(value, 0) == 3 || byte_at(value, 0) == 4);
    }
    if (type == 4) told.port_description = printable(value);
    if (type == 5) told.name = printable(value);
  }
  return true;
}

std::optional<Neighbour> parse_frame(std::string_view frame) {
  if (frame.size() < kEthernetHeader || frame.substr(12, 2) != "\x88\xcc") return std::nullopt;
  Told told;
  if (!parse_values(frame.substr(kEthernetHeader), told)) return std::nullopt;
  Neighbour neighbour;
  neighbour.switch_name = told.name.empty() ? told.chassis : told.name;
  neighbour.switch_port =
      told.port_is_address && !told.port_description.empty() ? told.port_description : told.port;
  neighbour.source = "LLDP";
  if (neighbour.switch_name.empty() || neighbour.switch_port.empty()) return std::nullopt;
  return neighbour;
}

}  // namespace

std::optional<Neighbour> parse_lldp_frames(std::string_view bytes, std::string& why) {
  std::optional<Neighbour> found;
  while (!bytes.empty()) {
    std::uint64_t length = 0;
    if (bytes.size() >= 8) {
      for (std::size_t i = 8; i-- > 0;) length = (length << 8) | byte_at(bytes, i);
    }
    if (bytes.size() < 8 || length > kLongestFrame || length > bytes.size() - 8) {
      why = "a frame in it is cut short";
      return std::nullopt;
    }
    const auto neighbour = parse_frame(bytes.substr(8, length));
    bytes.remove_prefix(8 + length);
    if (!neighbour) {
      why = "what is in it is no LLDP frame";
      return std::nullopt;
    }
    if (found && *found != *neighbour) {
      why = fmt::format("it names several neighbours ({} {} and {} {})", found->switch_name,
                        found->switch_port, neighbour->switch_name, neighbour->switch_port);
      return std::nullopt;
    }
    found = neighbour;
  }
  if (!found) why = "it is empty";
  return found;
}

std::optional<Neighbour> read_neighbour(const std::string& sysroot, const std::string& net_device,
                                        std::string& why) {
  const auto index = read_index(net_folder(sysroot, net_device) / "ifindex");
  if (!index) return std::nullopt;
  const auto file = std::filesystem::path(sysroot) / fmt::format("run/systemd/netif/lldp/{}", *index);
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return std::nullopt;
  const auto bytes = read_bytes(file, why);
  if (bytes && bytes->empty()) return std::nullopt;  // nobody has spoken yet
  auto neighbour = bytes ? parse_lldp_frames(*bytes, why) : std::nullopt;
  if (!neighbour) why = fmt::format("{}: {}", file.string(), why);
  return neighbour;
}

}  // namespace fabricheck::topology
