// What two runs differ in besides their figures: machines, versions, settings.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/run_record.hpp"

namespace fabricheck {

/// What a difference means for figures measured on either side of it.
enum class Nature {
  hardware,  ///< another machine: its figures have no common measure
  /// On a host of the same name something was lost or regained, and a slower check stays a regression;
  /// between hosts of other names it is other hardware.
  capacity,
  setting,  ///< versions and settings: they may explain a regression, they do not excuse it
};

/// Which checks it can reach.
enum class Reach { all, network, gpus, mpi, nccl };

struct Difference {
  std::string what;  ///< "NIC firmware"
  std::string before, after;
  Nature nature{Nature::setting};
  Reach reach{Reach::all};
  std::vector<std::string> hosts;  ///< of NEW; empty: all of them
  bool operator==(const Difference&) const = default;
};

/// "NIC firmware 28.39.1002 -> 28.40.1000 on n1, n2"
std::string difference_text(const Difference& difference);

/// Whether `reach` includes the check: a NIC takes no part inside a node, NCCL's version none in MPI.
bool reaches(Reach reach, const CheckRecord& check);
/// The same, and one of its hosts is among the difference's.
bool concerns(const Difference& difference, const CheckRecord& check);

/// Only what both records tell: unknown is no difference. Hardware first.
std::vector<Difference> differences_between(const RunRecord& before, const RunRecord& after);

/// The hosts of one record, for asking whether two checks ran on the same kind of hardware.
class HardwareOf {
 public:
  explicit HardwareOf(const RunRecord& record);

  struct Fact {
    Nature nature{};
    Reach reach{};
    std::set<std::string> values;  ///< over the hosts that took part
  };
  using Facts = std::map<std::string, Fact>;
  /// Of the hosts that took part in `check`; of all hosts where it names none that is known.
  const Facts& of(const CheckRecord& check) const;

 private:
  std::vector<Facts> by_kind_;
  std::map<std::string, int> kind_of_;
  mutable std::map<std::set<int>, Facts> known_;
};

/// "GPU NVIDIA A100 -> NVIDIA H100" for the first piece of hardware that matters to the check and differs;
/// empty when there is none.
std::string other_hardware(const CheckRecord& before, const HardwareOf& hardware_before,
                           const CheckRecord& after, const HardwareOf& hardware_after);

}  // namespace fabricheck
