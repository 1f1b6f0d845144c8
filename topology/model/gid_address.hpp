// What a GID's 128 bits are as an address.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fabricheck::topology {

enum class GidFamily { ipv4, global_ipv6, local_ipv6, link_local };

struct GidAddress {
  std::array<std::uint8_t, 16> bytes{};

  bool is_ipv4() const;  ///< ::ffff:a.b.c.d, RFC 4291 section 2.5.5.2
  /// fe80::/10 (RFC 4291), and 169.254.0.0/16 (RFC 3927). fc00::/7 is unique local (RFC 4193).
  GidFamily family() const;
  /// "10.3.0.7", "2001:db8::7".
  std::string words() const;
};

/// As sysfs writes it, or any other form of an IPv6 address; nothing where it is none.
std::optional<GidAddress> parse_gid(std::string_view text);

/// Whether the address is in "10.3.0.0/16" or "2001:db8::/32"; a text that is no such prefix holds nothing.
bool is_in(const GidAddress& address, std::string_view prefix);

}  // namespace fabricheck::topology
