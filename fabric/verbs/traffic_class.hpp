// The class in which the training job sends, so that what is measured is what it gets.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace fabricheck::verbs {

/// What queue pairs are given. Unset: 0, which is what NCCL uses by default (NCCL's documentation of
/// NCCL_IB_TC and NCCL_IB_SL).
struct TrafficClass {
  std::optional<int> traffic_class;  ///< 0 to 255, the GRH's; on RoCE v2 its upper 6 bits are the DSCP
  std::optional<int> service_level;  ///< 0 to 15; InfiniBand's, and the priority of a VLAN on RoCE
  std::string source;                ///< "--traffic-class 106, NCCL_IB_SL=3", "NCCL's default, 0"
  bool operator==(const TrafficClass&) const = default;
};

/// The value of an environment variable; nothing where it is not set.
using EnvironmentLookup = std::function<std::optional<std::string>(const std::string& name)>;

/// The environment of this process.
std::optional<std::string> environment_value(const std::string& name);

/// Options first, then NCCL_IB_TC and NCCL_IB_SL. Throws UsageError naming the option or the variable whose
/// value is none.
TrafficClass choose_traffic_class(const std::optional<int>& traffic_class_option,
                                  const std::optional<int>& service_level_option,
                                  const EnvironmentLookup& environment);

/// Variables to set before MPI_Init, so that NCCL (NCCL_IB_TC, NCCL_IB_SL) and UCX (UCX_IB_TRAFFIC_CLASS,
/// UCX_IB_SL) send in the same class. One that the user set is left out unless an option overrules it.
std::vector<std::pair<std::string, std::string>> to_hand_on(const TrafficClass& chosen,
                                                            const std::optional<int>& traffic_class_option,
                                                            const std::optional<int>& service_level_option,
                                                            const EnvironmentLookup& environment);

}  // namespace fabricheck::verbs
