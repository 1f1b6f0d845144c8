#include "topology/judge/slots.hpp"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

namespace fabricheck::topology {
namespace {

std::vector<std::string> addresses(const std::vector<Placed>& devices) {
  std::vector<std::string> result;
  result.reserve(devices.size());
  for (const Placed& device : devices) result.push_back(device.address);
  return result;
}

/// The layout of most hosts; among equally common ones that with more devices.
std::size_t usual_kind(const std::vector<std::vector<Placed>>& kinds,
                       const std::vector<std::size_t>& weights) {
  struct Votes {
    std::size_t hosts{};
    std::size_t kind{};
  };
  std::map<std::vector<std::string>, Votes> votes;
  for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
    Votes& mine = votes.emplace(addresses(kinds[kind]), Votes{0, kind}).first->second;
    mine.hosts += weights[kind];
  }
  std::size_t best = 0;
  std::size_t most = 0;
  for (const auto& [layout, count] : votes) {
    if (count.hosts < most || (count.hosts == most && layout.size() <= kinds[best].size())) continue;
    best = count.kind;
    most = count.hosts;
  }
  return best;
}

/// Joins in order, the like first: other mainboards have the same NICs in another order.
void join_left(const std::vector<Placed>& devices, const std::vector<Placed>& usual,
               const std::vector<std::size_t>& left, std::vector<int> free, std::vector<int>& slots) {
  const auto alike = [&](std::size_t device, int slot) {
    return slot >= 0 && devices[device].likeness == usual[static_cast<std::size_t>(slot)].likeness;
  };
  for (std::size_t i = 0; i < left.size(); ++i)
    if (alike(left[i], free[i])) slots[left[i]] = std::exchange(free[i], -1);
  for (const bool only_alike : {true, false}) {
    for (const std::size_t device : left) {
      if (slots[device] >= 0) continue;
      const auto at = std::find_if(free.begin(), free.end(),
                                   [&](int slot) { return only_alike ? alike(device, slot) : slot >= 0; });
      if (at != free.end()) slots[device] = std::exchange(*at, -1);
    }
  }
}

std::vector<int> slots_of(const std::vector<Placed>& devices, const std::vector<Placed>& usual,
                          const std::unordered_map<std::string, int>& slot_of_address) {
  std::vector<int> slots(devices.size(), -1);
  std::vector<bool> taken(usual.size(), false);
  std::vector<std::size_t> left;
  for (std::size_t i = 0; i < devices.size(); ++i) {
    const auto at = slot_of_address.find(devices[i].address);
    if (at == slot_of_address.end() || taken[static_cast<std::size_t>(at->second)]) {
      left.push_back(i);
      continue;
    }
    slots[i] = at->second;
    taken[static_cast<std::size_t>(at->second)] = true;
  }
  std::vector<int> free;
  for (std::size_t slot = 0; slot < taken.size(); ++slot)
    if (!taken[slot]) free.push_back(static_cast<int>(slot));
  if (free.size() == left.size()) join_left(devices, usual, left, free, slots);
  return slots;
}

}  // namespace

Slots lay_side_by_side(const std::vector<std::vector<Placed>>& kinds,
                       const std::vector<std::size_t>& weights) {
  Slots result;
  if (kinds.empty()) return result;
  const std::vector<Placed>& usual = kinds[usual_kind(kinds, weights)];
  std::unordered_map<std::string, int> slot_of_address;
  for (std::size_t i = 0; i < usual.size(); ++i) {
    slot_of_address.emplace(usual[i].address, static_cast<int>(i));
    result.labels.push_back(usual[i].label);
  }
  const std::vector<std::string> usual_addresses = addresses(usual);
  for (const std::vector<Placed>& devices : kinds) {
    result.slot.push_back(slots_of(devices, usual, slot_of_address));
    result.usual.push_back(addresses(devices) == usual_addresses);
  }
  return result;
}

}  // namespace fabricheck::topology
