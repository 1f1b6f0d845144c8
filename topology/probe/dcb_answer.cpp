// The bytes of an answer to RTM_GETDCB. They come from a driver by way of the kernel: nothing in them is
// relied on.
#include <fmt/format.h>
#include <linux/dcbnl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "core/descriptor.hpp"
#include "topology/probe/link_settings.hpp"

namespace fabricheck::topology {
namespace {

constexpr int priorities = 8;
constexpr std::size_t dscps = 64;

constexpr std::size_t aligned(std::size_t length) {
  return (length + NLA_ALIGNTO - 1) & ~(std::size_t{NLA_ALIGNTO} - 1);
}

template <class T>
std::optional<T> front_of(std::string_view bytes) {
  if (bytes.size() < sizeof(T)) return std::nullopt;
  T value{};
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

/// Calls with(type, payload) for each attribute; false where one does not fit into what holds it.
template <class With>
bool for_each_attribute(std::string_view bytes, With with) {
  while (bytes.size() >= sizeof(nlattr)) {
    const auto head = *front_of<nlattr>(bytes);
    if (head.nla_len < sizeof(nlattr) || head.nla_len > bytes.size()) return false;
    with(head.nla_type & NLA_TYPE_MASK, bytes.substr(sizeof(nlattr), head.nla_len - sizeof(nlattr)));
    bytes.remove_prefix(std::min(aligned(head.nla_len), bytes.size()));
  }
  return true;
}

std::vector<int> priorities_of(unsigned mask) {
  std::vector<int> list;
  for (int priority = 0; priority < priorities; ++priority)
    if ((mask >> static_cast<unsigned>(priority) & 1U) != 0) list.push_back(priority);
  return list;
}

void take_application(std::string_view payload, std::vector<int>& dscp_priority) {
  const auto application = front_of<dcb_app>(payload);
  if (!application || application->selector != IEEE_8021QAZ_APP_SEL_DSCP) return;
  if (application->protocol < dscps && application->priority < priorities)
    dscp_priority[application->protocol] = application->priority;
}

void take_ieee(int type, std::string_view payload, DcbFacts& facts, bool& sound) {
  if (type == DCB_ATTR_IEEE_PFC) {
    // The structure grew over the years; what is read stands at its front.
    if (payload.size() >= offsetof(ieee_pfc, mbc))
      facts.pfc = priorities_of(static_cast<unsigned char>(payload[offsetof(ieee_pfc, pfc_en)]));
  } else if (type == DCB_ATTR_IEEE_APP_TABLE) {
    std::vector<int> dscp_priority(dscps, -1);
    sound = for_each_attribute(payload,
                               [&](int inner, std::string_view application) {
                                 if (inner == DCB_ATTR_IEEE_APP) take_application(application, dscp_priority);
                               }) &&
            sound;
    facts.dscp_priority = std::move(dscp_priority);
  }
}

}  // namespace

std::optional<DcbFacts> parse_dcb_answer(std::string_view bytes, std::string& why) {
  const auto head = front_of<nlmsghdr>(bytes);
  if (!head || head->nlmsg_len < sizeof(nlmsghdr) || head->nlmsg_len > bytes.size()) {
    why = "the answer is cut off";
    return std::nullopt;
  }
  std::string_view payload = bytes.substr(sizeof(nlmsghdr), head->nlmsg_len - sizeof(nlmsghdr));
  if (head->nlmsg_type == NLMSG_ERROR) {
    const auto error = front_of<nlmsgerr>(payload);
    why = error && error->error < 0 && error->error > -4096 ? system_reason(-error->error)
                                                            : "the kernel refused";
    return std::nullopt;
  }
  if (head->nlmsg_type != RTM_GETDCB || payload.size() < sizeof(dcbmsg)) {
    why = fmt::format("the answer is of type {}", head->nlmsg_type);
    return std::nullopt;
  }
  payload.remove_prefix(sizeof(dcbmsg));
  DcbFacts facts;
  bool sound = true;
  const bool whole = for_each_attribute(payload, [&](int type, std::string_view value) {
    if (type != DCB_ATTR_IEEE) return;
    sound = for_each_attribute(
                value, [&](int inner, std::string_view ieee) { take_ieee(inner, ieee, facts, sound); }) &&
            sound;
  });
  if (whole && sound) return facts;
  why = "the answer's attributes do not fit";
  return std::nullopt;
}

}  // namespace fabricheck::topology
