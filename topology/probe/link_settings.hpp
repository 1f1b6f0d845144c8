// How RDMA ports are set up: width, partitions, classes and what is done for them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/topology_record.hpp"

namespace fabricheck::topology {

/// What only the running kernel answers; a recorded machine has nobody to ask.
class LinkQueries {
 public:
  virtual ~LinkQueries() = default;
  /// The answer to RTM_GETDCB with DCB_CMD_IEEE_GET (linux/dcbnl.h), as it came; else nothing, with the
  /// reason.
  virtual std::optional<std::string> dcb(const std::string& net_device, std::string& why) = 0;
  /// The link modes that the device supports (ETHTOOL_GLINKSETTINGS), a bit for each, 32 in a word.
  virtual std::optional<std::vector<std::uint32_t>> supported_modes(const std::string& net_device,
                                                                    std::string& why) = 0;
  struct Pause {
    bool receive{}, send{};
  };
  /// Flow control of the whole link (ETHTOOL_GPAUSEPARAM).
  virtual std::optional<Pause> pause(const std::string& net_device, std::string& why) = 0;
};

/// This machine's.
std::unique_ptr<LinkQueries> live_link_queries();

/// What a driver says of its classes over DCB netlink.
struct DcbFacts {
  std::optional<std::vector<int>> pfc;            ///< priorities with PFC
  std::optional<std::vector<int>> dscp_priority;  ///< unset: no table of applications came
  bool operator==(const DcbFacts&) const = default;
};

/// From the bytes of an answer; nothing, with the reason in `why`, where they are none or an error.
std::optional<DcbFacts> parse_dcb_answer(std::string_view bytes, std::string& why);

/// The fastest of the link modes, in Gb/s; nothing where none is known.
std::optional<double> fastest_mode_Gbps(const std::vector<std::uint32_t>& modes);

/// Fills link_width, max_rate_Gbps, sm_lid, pkeys and classes of every port that answers. A setting that the
/// driver does not show stays unset; one that is there and cannot be read is a sentence in `unknown`, too.
/// `queries` may be null.
void add_link_settings(const std::string& sysroot, LinkQueries* queries, std::vector<RdmaDevice>& devices,
                       std::vector<std::string>& unknown);

}  // namespace fabricheck::topology
