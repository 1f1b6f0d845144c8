// PCI configuration space: what sysfs has no file for. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace fabricheck::topology {

/// Without root sysfs gives this much and hides the rest.
inline constexpr std::size_t kConfigWithoutRoot = 64;

/// A PCI Express function has this much.
inline constexpr std::size_t kConfigOfExpress = 4096;

struct PciConfig {
  std::optional<int> port_type;  ///< of the PCI Express capability: 4 root port, 5 upstream, 6 downstream, …
  std::optional<int> max_payload_bytes;
  std::optional<int> max_read_request_bytes;
  std::optional<bool> relaxed_ordering;
  std::optional<bool> acs_redirects;  ///< requests, completions or what comes from below goes to the root
  bool gone{};                        ///< every byte is one: the function does not answer on the bus
  std::string problem;                ///< what is wrong with the capability lists, a part of a sentence
  bool operator==(const PciConfig&) const = default;
};

/// Any bytes give an answer: lists are followed inside of what is there, and never twice over one place.
PciConfig parse_config_space(std::string_view bytes);

}  // namespace fabricheck::topology
