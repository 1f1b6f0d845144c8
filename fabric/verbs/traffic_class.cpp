#include "fabric/verbs/traffic_class.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <string_view>

#include "core/error.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::verbs {
namespace {

constexpr int largest_traffic_class = 255;
constexpr int largest_service_level = 15;
constexpr std::string_view by_default = "-1";  // what NCCL takes for not set

/// NCCL reads decimal, hexadecimal (0x) and octal (0) numbers.
std::optional<long> number_of(std::string_view text) {
  if (text.substr(0, 2) == "0x" || text.substr(0, 2) == "0X")
    return topology::parse_number(text.substr(2), 16);
  if (text.size() > 1 && text.front() == '0') return topology::parse_number(text.substr(1), 8);
  return topology::parse_number(text);
}

void require_range(const std::string& name, long value, int largest) {
  if (value < 0 || value > largest)
    throw UsageError(fmt::format("{} is {}; it can be 0 to {}", name, value, largest));
}

struct Named {
  std::optional<int> value;
  std::string source;
};

Named find(const char* option_name, const std::optional<int>& option, const char* variable, int largest,
           const EnvironmentLookup& environment) {
  if (option) {
    require_range(option_name, *option, largest);
    return {option, fmt::format("{} {}", option_name, *option)};
  }
  const auto text = environment(variable);
  if (!text || text->empty() || *text == by_default) return {};
  const auto value = number_of(*text);
  if (!value)
    throw UsageError(fmt::format("{} is {}, which is no number from 0 to {}", variable,
                                 topology::in_quotes(*text), largest));
  require_range(variable, *value, largest);
  return {static_cast<int>(*value), fmt::format("{}={}", variable, *text)};
}

}  // namespace

std::optional<std::string> environment_value(const std::string& name) {
  const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): read before threads start
  return value ? std::optional<std::string>(value) : std::nullopt;
}

TrafficClass choose_traffic_class(const std::optional<int>& traffic_class_option,
                                  const std::optional<int>& service_level_option,
                                  const EnvironmentLookup& environment) {
  const Named traffic =
      find("--traffic-class", traffic_class_option, "NCCL_IB_TC", largest_traffic_class, environment);
  const Named level = find("--sl", service_level_option, "NCCL_IB_SL", largest_service_level, environment);
  TrafficClass chosen{traffic.value, level.value, traffic.source};
  if (!level.source.empty()) chosen.source += (chosen.source.empty() ? "" : ", ") + level.source;
  if (chosen.source.empty()) chosen.source = "NCCL's default, 0";
  return chosen;
}

std::vector<std::pair<std::string, std::string>> to_hand_on(const TrafficClass& chosen,
                                                            const std::optional<int>& traffic_class_option,
                                                            const std::optional<int>& service_level_option,
                                                            const EnvironmentLookup& environment) {
  std::vector<std::pair<std::string, std::string>> variables;
  const auto hand_on = [&](const char* variable, const std::optional<int>& value, bool by_option) {
    if (!value || (!by_option && environment(variable))) return;
    variables.emplace_back(variable, std::to_string(*value));
  };
  hand_on("NCCL_IB_TC", chosen.traffic_class, traffic_class_option.has_value());
  hand_on("NCCL_IB_SL", chosen.service_level, service_level_option.has_value());
  hand_on("UCX_IB_TRAFFIC_CLASS", chosen.traffic_class, traffic_class_option.has_value());
  hand_on("UCX_IB_SL", chosen.service_level, service_level_option.has_value());
  return variables;
}

}  // namespace fabricheck::verbs
