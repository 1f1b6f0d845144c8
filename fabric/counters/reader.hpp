// Reads the counters of this host's RDMA ports: cheap, bounded, and never in the way of a run.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fabric/counters/judgement.hpp"

namespace fabricheck::counters {

/// A NIC's own statistics, as ETHTOOL_GSTRINGS and ETHTOOL_GSTATS give them.
class NicStatistics {
 public:
  virtual ~NicStatistics() = default;
  /// Nothing, with the reason in `why`, where the device has none or does not tell them.
  virtual std::optional<std::vector<std::string>> names(const std::string& net_device, std::string& why) = 0;
  /// In the order of names(). `count`: how many there were.
  virtual std::optional<std::vector<std::uint64_t>> values(const std::string& net_device, std::size_t count,
                                                           std::string& why) = 0;
};

/// By ioctl(SIOCETHTOOL) on this machine, which needs no privilege.
std::unique_ptr<NicStatistics> live_nic_statistics();

/// Names of ETHTOOL_GSTRINGS: 32 bytes each, ended by a zero unless all are used.
std::vector<std::string> statistics_names(const std::string& bytes);

struct ReaderOptions {
  std::string sysroot{"/"};
  std::vector<PortIdentity> ports;
  std::shared_ptr<NicStatistics> statistics;  ///< nullptr: only sysfs
  std::chrono::milliseconds deadline{500};    ///< for one reading of all ports
};

/// The ports of a host that can be read: those that answer and are active.
class Reader {
 public:
  explicit Reader(ReaderOptions options);

  /// All ports, or nothing once a reading has passed the deadline: a driver that hangs is not asked again,
  /// and the thread that waits for it is left to itself.
  std::optional<std::vector<PortReading>> read();

  /// What could not be read and why, one sentence each, said once.
  std::vector<std::string> take_unknown();

 private:
  struct State;
  std::shared_ptr<State> state_;  ///< shared with a thread that may outlive this
  std::chrono::milliseconds deadline_;
  bool gave_up_{};
  std::vector<std::string> unknown_;
};

}  // namespace fabricheck::counters
