// What the counters of the NICs say of each check: read before and after it, told with its record.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/communicator.hpp"
#include "core/run_record.hpp"
#include "fabric/counters/judgement.hpp"
#include "fabric/counters/reader.hpp"
#include "topology/judge/judge.hpp"

namespace fabricheck::app {

/// The active RDMA ports of a host, with what their counters are judged by.
std::vector<counters::PortIdentity> watched_ports(const Host& host, const topology::JobNetwork& job);

/// One rank of each host reads. begin() and end() are local and cheap; they never throw, and what they cannot
/// read is said once, as not known. The constructor and tell() are collective.
class CounterWatch {
 public:
  /// `reader` is null on ranks that do not read for their host.
  /// `class_told`: the job was told a traffic class, so that it is worth saying whether it was used.
  CounterWatch(Communicator& world, std::string host, const Clock& clock,
               std::unique_ptr<counters::Reader> reader, bool class_told);

  /// Around each measurement of a check, the check's place in the plan named; what several move adds up.
  void begin();
  void end(std::size_t check);

  /// On rank 0 puts what moved into the records of a check, and says in their reasons what was lost.
  /// `records` are rank 0's.
  void tell(std::size_t check, std::vector<CheckRecord>& records);

  /// Of all checks that were told. From any thread of rank 0.
  std::vector<Finding> findings() const;

 private:
  struct Told {
    bool sets_class{};  ///< a check that gives its packets the class itself
    std::vector<counters::Trouble> troubles;
    std::vector<counters::PortChanges> ports;  ///< that the class is judged by
    std::vector<counters::PortChanges> whole;  ///< of records that were not cut short
  };
  void take_notes(const std::vector<counters::PortChanges>& ports);
  void take_unknown();
  void give_up(const std::exception& error);
  std::vector<Finding> class_findings() const;

  Communicator& world_;
  std::string host_;
  const Clock& clock_;
  std::unique_ptr<counters::Reader> reader_;
  bool class_told_;
  bool anybody_reads_{};  ///< the same on every rank
  std::optional<std::vector<counters::PortReading>> before_;
  std::int64_t began_ns_{};
  std::map<std::size_t, std::vector<counters::PortChanges>> mine_;  ///< by check: of this host
  std::vector<std::string> unknown_;                                ///< of this host, not yet told
  mutable std::mutex mutex_;                                        ///< of what follows; rank 0's
  std::map<std::size_t, Told> told_;
  std::map<std::string, std::vector<std::string>> not_known_;  ///< sentence -> hosts
};

}  // namespace fabricheck::app
