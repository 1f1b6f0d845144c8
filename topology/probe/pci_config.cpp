#include "topology/probe/pci_config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

namespace fabricheck::topology {
namespace {

constexpr std::size_t kStatus = 0x06;
constexpr std::uint32_t kStatusHasList = 0x10;
constexpr std::size_t kListStart = 0x34;
constexpr std::size_t kListEnd = 0x100;
constexpr std::uint32_t kExpress = 0x10;
constexpr std::uint32_t kAcs = 0x000d;
/// P2P request redirect, P2P completion redirect, upstream forwarding.
constexpr std::uint32_t kAcsRedirects = 0x04 | 0x08 | 0x10;

/// `size` bytes, the lowest first; the caller has checked that they are there.
std::uint32_t number_at(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint32_t value = 0;
  for (std::size_t i = size; i-- > 0;) value = (value << 8) | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

bool has(std::string_view bytes, std::size_t at, std::size_t size) {
  return at <= bytes.size() && size <= bytes.size() - at;
}

/// 0 is 128 bytes, 5 is 4096; the two codes above are reserved.
std::optional<int> size_of_code(std::uint32_t code) {
  if (code > 5) return std::nullopt;
  return 128 << code;
}

/// Where the PCI Express capability begins; nothing when there is none.
std::optional<std::size_t> find_express(std::string_view bytes, std::string& problem) {
  if (!has(bytes, kListStart, 1) || (number_at(bytes, kStatus, 2) & kStatusHasList) == 0) return std::nullopt;
  constexpr int kMost = 48;  // four bytes each between the header and the end
  std::size_t at = number_at(bytes, kListStart, 1) & 0xfcU;
  for (int i = 0; i < kMost; ++i) {
    if (at == 0) return std::nullopt;
    if (at < kConfigWithoutRoot || at >= kListEnd || !has(bytes, at, 2)) {
      problem = fmt::format("its list of capabilities leads to byte {}, outside of what is there", at);
      return std::nullopt;
    }
    if (number_at(bytes, at, 1) == kExpress) return at;
    at = number_at(bytes, at + 1, 1) & 0xfcU;
  }
  problem = "its list of capabilities goes in circles";
  return std::nullopt;
}

void read_express(std::string_view bytes, std::size_t at, PciConfig& config) {
  if (!has(bytes, at, 10)) {
    config.problem = "its PCI Express capability is cut short";
    return;
  }
  config.port_type = static_cast<int>((number_at(bytes, at + 2, 2) >> 4) & 0xf);
  const std::uint32_t control = number_at(bytes, at + 8, 2);
  config.relaxed_ordering = (control & 0x10) != 0;
  config.max_payload_bytes = size_of_code((control >> 5) & 7);
  config.max_read_request_bytes = size_of_code((control >> 12) & 7);
}

std::optional<bool> acs_redirects(std::string_view bytes, std::string& problem) {
  constexpr int kMost = (kConfigOfExpress - kListEnd) / 8;
  std::size_t at = kListEnd;
  for (int i = 0; i < kMost; ++i) {
    if (at == 0) return false;
    if (at < kListEnd || at >= kConfigOfExpress || !has(bytes, at, 4)) {
      problem =
          fmt::format("its list of extended capabilities leads to byte {}, outside of what is there", at);
      return std::nullopt;
    }
    const std::uint32_t header = number_at(bytes, at, 4);
    if (header == 0 || header == 0xffffffff) return false;
    if ((header & 0xffff) == kAcs) {
      if (!has(bytes, at, 8)) {
        problem = "its ACS capability is cut short";
        return std::nullopt;
      }
      return (number_at(bytes, at + 6, 2) & kAcsRedirects) != 0;
    }
    at = (header >> 20) & 0xffcU;
  }
  problem = "its list of extended capabilities goes in circles";
  return std::nullopt;
}

}  // namespace

PciConfig parse_config_space(std::string_view bytes) {
  PciConfig config;
  config.gone =
      bytes.size() >= 4 && std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == '\xff'; });
  if (config.gone || bytes.size() <= kConfigWithoutRoot) return config;
  const auto express = find_express(bytes, config.problem);
  if (!express) return config;
  read_express(bytes, *express, config);
  if (bytes.size() > kListEnd && config.problem.empty()) {
    config.acs_redirects = acs_redirects(bytes, config.problem);
  }
  return config;
}

}  // namespace fabricheck::topology
