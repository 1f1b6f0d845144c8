#include "topology/probe/net.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstdint>

#include "topology/probe/sysfs.hpp"

namespace fabricheck::topology {
namespace {

/// /proc/net/route prints addresses as the number that lies in memory: on little-endian machines 10.3.0.0 is
/// 0000030A.
std::optional<std::uint32_t> route_number(std::string_view word) {
  if (word.size() != 8) return std::nullopt;
  const auto value = parse_number(word, 16);
  if (!value || *value < 0) return std::nullopt;
  const auto raw = static_cast<std::uint32_t>(*value);
  return (raw >> 24) | ((raw >> 8) & 0xff00U) | ((raw << 8) & 0xff0000U) | (raw << 24);
}

std::string subnet_text(std::uint32_t network, std::uint32_t mask) {
  return fmt::format("{}.{}.{}.{}/{}", network >> 24, (network >> 16) & 0xff, (network >> 8) & 0xff,
                     network & 0xff, std::popcount(mask));
}

}  // namespace

bool is_net_device_name(std::string_view name) {
  constexpr std::size_t kLongest = 15;
  return !name.empty() && name.size() <= kLongest && name != "." && name != ".." &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c <= '~' && c != '/'; });
}

std::map<std::string, std::vector<std::string>> parse_routes(std::string_view text, int& bad) {
  constexpr long kUp = 0x1;
  constexpr long kGateway = 0x2;
  constexpr long kReject = 0x200;
  constexpr std::uint32_t kLinkLocal = 0xa9fe0000;  // 169.254.0.0
  std::map<std::string, std::vector<std::string>> result;
  const auto lines = lines_of(text);
  for (std::size_t i = 1; i < lines.size(); ++i) {  // the first line names the columns
    const auto words = words_of(lines[i]);
    if (words.empty()) continue;
    const bool whole = words.size() >= 8;
    const auto network = route_number(whole ? words[1] : "");
    const auto flags = parse_number(whole ? words[3] : "", 16);
    const auto mask = route_number(whole ? words[7] : "");
    if (!network || !flags || !mask || !is_net_device_name(words[0]) || (~*mask & (~*mask + 1)) != 0) {
      ++bad;
      continue;
    }
    if ((*flags & kUp) == 0 || (*flags & (kGateway | kReject)) != 0) continue;
    if (*mask == 0 || *mask == 0xffffffff || (*network & 0xffff0000) == kLinkLocal) continue;
    auto& subnets = result[std::string(words[0])];
    std::string subnet = subnet_text(*network & *mask, *mask);
    if (std::find(subnets.begin(), subnets.end(), subnet) == subnets.end())
      subnets.push_back(std::move(subnet));
  }
  return result;
}

std::map<std::string, std::vector<std::string>> read_routes(const std::string& sysroot,
                                                            std::vector<std::string>& unknown) {
  const auto file = std::filesystem::path(sysroot) / "proc/net/route";
  constexpr std::size_t kLongest = std::size_t{4} << 20;
  std::string why;
  const auto text = read_text(file, why, kLongest);
  if (!text) {
    unknown.push_back(fmt::format("network: {} cannot be read ({}), so the subnets of NICs are not known",
                                  file.string(), why));
    return {};
  }
  int bad = 0;
  auto routes = parse_routes(*text, bad);
  if (bad > 0) {
    unknown.push_back(fmt::format("network: {} line{} of {} {} no route", bad, bad == 1 ? "" : "s",
                                  file.string(), bad == 1 ? "is" : "are"));
  }
  return routes;
}

std::filesystem::path net_folder(const std::string& sysroot, const std::string& name) {
  return std::filesystem::path(sysroot) / "sys/class/net" / name;
}

std::vector<std::string> net_devices_of(const std::filesystem::path& function) {
  std::string why;
  auto names = folder_entries(function / "net", why).value_or(std::vector<std::string>{});
  names.erase(std::remove_if(names.begin(), names.end(),
                             [](const std::string& name) { return !is_net_device_name(name); }),
              names.end());
  return names;
}

}  // namespace fabricheck::topology
