// Clocks of all ranks of a group, synchronised hierarchically, with the error stated.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/clock.hpp"
#include "core/communicator.hpp"
#include "core/sampler.hpp"

namespace fabricheck::control {

/// Of this machine and its start; containers have their host's. Empty where the kernel does not tell.
std::string boot_identity();

/// Ranks with the same clock identity read the same kernel clock: host name, boot id and time namespace.
std::string clock_identity(const std::string& host);

/// Between hosts: a binomial tree of ping-pongs over one rank per clock; inside a host the clock is the same
/// and the leader's relation holds exactly.
///
/// Of `exchanges` ping-pongs per pair the fastest tenth is used; offset = ((t2 - t1) + (t3 - t4)) / 2
/// (Cristian 1989). The stated error of a pair is half the spread of the offsets among them plus a tenth of
/// half the fastest round trip: the assumption is that the fastest exchanges are that symmetric, which
/// switched fabrics with equal end hosts meet; the hard bound would be the whole half round trip. Errors add
/// up along the tree. The rate difference comes from two series at least 20 ms apart, then from one
/// synchronisation to the next that is at least that much later; how far the old relation had drifted from
/// the new measurement is added to the error (tree after Hunold and Carpen-Amarie, "Hierarchical Clock
/// Synchronization in MPI", CLUSTER 2018).
class HierarchicalClock final : public ClockSynchroniser {
 public:
  /// Collective over `group`, which must outlive this.
  HierarchicalClock(Communicator& group, const Clock& clock, const std::string& identity);
  CommonClock synchronise() override;
  /// Distinct clocks in the group.
  int clocks() const { return clocks_; }

 private:
  /// common = (local - reference) + offset, without rate.
  struct Relation {
    double offset_ns{};
    double error_ns{};
  };
  Relation measure_against(int parent, std::int64_t& at_local_ns);
  void serve(int child);
  CommonClock tree_round();

  const Clock& clock_;
  std::unique_ptr<Communicator> leaders_;  ///< nullptr on ranks that lead no clock
  std::unique_ptr<Communicator> peers_;    ///< the ranks on this clock
  int clocks_{1};
  std::int64_t reference_ns_{};
  bool known_{};
  CommonClock last_;
  CommonClock rate_base_;  ///< since when the rate is measured next
};

}  // namespace fabricheck::control
