#include "report/node_state.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "report/text.hpp"

namespace fabricheck::report {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostStuck = 64;
constexpr std::size_t kMostCounters = 10'000;

NodeState read(const Json& json) {
  NodeState state;
  state.boot_id = json.at("boot_id").get<std::string>();
  state.visited_unix_s = json.at("visited_unix_s").get<double>();
  if (const Json& log = json.at("kernel_log"); !log.is_null())
    state.kernel_log = LogPosition{log.at("file").get<std::string>(), log.at("next").get<std::uint64_t>()};
  for (const auto& [name, value] : json.at("counters").items()) {
    if (state.counters.size() >= kMostCounters) break;
    state.counters[name] = {value.at("value").get<double>(), value.at("unix_s").get<double>()};
  }
  for (const Json& one : json.at("stuck")) {
    if (state.stuck.size() >= kMostStuck) break;
    state.stuck.push_back({one.at("probe").get<std::string>(), one.at("pid").get<std::int64_t>(),
                           one.at("start_ticks").get<std::uint64_t>(), one.at("since_unix_s").get<double>()});
  }
  return state;
}

}  // namespace

std::string node_state_to_json(const NodeState& state) {
  Json json{{"fabricheck_node_state", NodeState::kVersion},
            {"boot_id", state.boot_id},
            {"visited_unix_s", state.visited_unix_s},
            {"kernel_log", nullptr},
            {"counters", Json::object()},
            {"stuck", Json::array()}};
  if (state.kernel_log)
    json["kernel_log"] = {{"file", state.kernel_log->file}, {"next", state.kernel_log->next}};
  for (const auto& [name, base] : state.counters)
    json["counters"][name] = {{"value", base.value}, {"unix_s", base.unix_s}};
  for (const StuckProbe& one : state.stuck) {
    json["stuck"].push_back({{"probe", one.probe},
                             {"pid", one.pid},
                             {"start_ticks", one.start_ticks},
                             {"since_unix_s", one.since_unix_s}});
  }
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

NodeState node_state_from_json(std::string_view text, std::string_view source) {
  const auto refuse = [&](const std::string& why) -> Error {
    return Error(fmt::format("{}: {}; it is begun anew", sanitise(source), why));
  };
  // Told before it is read: a later version may mean other things by the same names.
  int version = 0;
  try {
    const Json json = Json::parse(text);
    version = json.at("fabricheck_node_state").get<int>();
    if (version == NodeState::kVersion) return read(json);
  } catch (const nlohmann::json::exception& error) {
    throw refuse("is no state of a node (" + shorten(sanitise(error.what()), 120) + ")");
  }
  throw refuse(fmt::format("is of version {}, and this fabricheck knows {}", version, NodeState::kVersion));
}

}  // namespace fabricheck::report
