#include "topology/model/gid_address.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstddef>

#include "topology/model/text.hpp"

namespace fabricheck::topology {
namespace {

constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr std::size_t mapped_bits = 96;

std::optional<GidAddress> parse_address(std::string_view text) {
  const std::string address(text);
  GidAddress parsed;
  if (inet_pton(AF_INET6, address.c_str(), parsed.bytes.data()) == 1) return parsed;
  std::copy(mapped.begin(), mapped.end(), parsed.bytes.begin());
  if (inet_pton(AF_INET, address.c_str(), parsed.bytes.data() + mapped.size()) == 1) return parsed;
  return std::nullopt;
}

}  // namespace

bool GidAddress::is_ipv4() const { return std::equal(mapped.begin(), mapped.end(), bytes.begin()); }

GidFamily GidAddress::family() const {
  if (is_ipv4()) return bytes[12] == 169 && bytes[13] == 254 ? GidFamily::link_local : GidFamily::ipv4;
  if (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80) return GidFamily::link_local;
  return (bytes[0] & 0xfe) == 0xfc ? GidFamily::local_ipv6 : GidFamily::global_ipv6;
}

std::string GidAddress::words() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool four = is_ipv4();
  inet_ntop(four ? AF_INET : AF_INET6, bytes.data() + (four ? mapped.size() : 0), text.data(), text.size());
  return text.data();
}

std::optional<GidAddress> parse_gid(std::string_view text) { return parse_address(text); }

bool is_in(const GidAddress& address, std::string_view prefix) {
  const std::size_t slash = prefix.find('/');
  if (slash == std::string_view::npos) return false;
  const auto base = parse_address(prefix.substr(0, slash));
  const auto length = parse_number(prefix.substr(slash + 1));
  if (!base || !length || base->is_ipv4() != address.is_ipv4()) return false;
  const std::size_t before = base->is_ipv4() ? mapped_bits : 0;
  if (*length < 0 || static_cast<std::size_t>(*length) > 128 - before) return false;
  const std::size_t bits = before + static_cast<std::size_t>(*length);
  for (std::size_t at = 0; at < bits; at += 8) {
    const std::size_t in_this = std::min<std::size_t>(8, bits - at);
    const auto mask = static_cast<std::uint8_t>(0xff00U >> in_this);
    if (((address.bytes[at / 8] ^ base->bytes[at / 8]) & mask) != 0) return false;
  }
  return true;
}

}  // namespace fabricheck::topology
