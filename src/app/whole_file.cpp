#include "app/whole_file.hpp"

#include <algorithm>
#include <array>

#include "app/result_file.hpp"
#include "app/topology_file.hpp"
#include "core/error.hpp"
#include "diagnose/diagnose.hpp"
#include "report/report.hpp"
#include "topology/readers/readers.hpp"

namespace fabricheck::app {
namespace {

using diagnose::Observations;

constexpr std::string_view kBlanks = " \t\r\n";

std::string_view after_blanks(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(kBlanks), text.size()));
}

/// Whether there is `"schema": "fabricheck…` in it.
bool names_our_schema(std::string_view text) {
  constexpr std::string_view key = "\"schema\"";
  for (std::size_t at = text.find(key); at != std::string_view::npos; at = text.find(key, at + 1)) {
    std::string_view rest = after_blanks(text.substr(at + key.size()));
    if (!rest.starts_with(':')) continue;
    if (after_blanks(rest.substr(1)).starts_with("\"fabricheck")) return true;
  }
  return false;
}

/// Whether it begins as fabricheck writes its results, journals and topologies.
bool begins_as_ours(std::string_view object) {
  const std::string_view inside = after_blanks(object.substr(1));
  if (names_our_schema(inside.substr(0, 256))) return true;
  constexpr std::array members{"\"kinds\"", "\"hosts\"", "\"ranks\"", "\"topology\""};
  return std::any_of(members.begin(), members.end(),
                     [&](const char* member) { return inside.starts_with(member); });
}

/// An object on each line, as logs have it.
bool is_json_lines(std::string_view object) {
  const std::size_t end = std::min(object.find('\n'), object.size());
  const std::string_view first = object.substr(0, end);
  return first.substr(0, first.find_last_not_of(kBlanks) + 1).ends_with('}') &&
         after_blanks(object.substr(end)).starts_with('{');
}

/// A result.json, or the topology of one.
void read_json(const std::string& text, const std::string& file, Observations& into) {
  if (text.find("\"schema\"") != std::string::npos) {
    into.result = report::from_json(text, file);
    into.result_file = file;
    if (!into.result->topology.hosts.empty()) diagnose::observe_topology(into, into.result->topology, file);
    return;
  }
  diagnose::observe_topology(into, report::topology_from_json(text, file), file);
}

bool read_whole_json(LineSource& source, const std::string& file, Observations& into) {
  const std::string_view object = after_blanks(source.front());
  if (begins_as_ours(object)) {
    if (file.ends_with(".jsonl"))
      take_result(file, into);
    else
      read_json(source.rest(max_result_bytes), file, into);
    return true;
  }
  if (is_json_lines(object) || !after_blanks(object.substr(1)).starts_with('"')) return false;
  // Other programs sort the members of what they rewrite.
  constexpr std::size_t most = std::size_t{16} << 20;
  try {
    const std::string text = source.rest(most);
    if (!names_our_schema(text)) return false;
    read_json(text, file, into);
    return true;
  } catch (const Error&) {
    return false;  // lines of it may still tell something
  }
}

}  // namespace

bool read_whole(LineSource& source, const std::string& file, Observations& into) {
  const std::string_view front = source.front();
  if (after_blanks(front).starts_with('{')) return read_whole_json(source, file, into);
  if (front.find("NCCL INFO") != std::string_view::npos || front.find("NCCL WARN") != std::string_view::npos)
    return false;
  topology::TopologyFileKind kind{};
  try {
    kind = topology::topology_file_kind(front);
  } catch (const UsageError&) {
    return false;  // lines of it may still tell something
  }
  if (kind != topology::TopologyFileKind::nccl_xml && kind != topology::TopologyFileKind::hwloc_xml)
    return false;
  const std::string text = source.rest(topology::kLargestTopologyFile);
  diagnose::observe_topology(into, parse_topology_text(text, file), file);
  return true;
}

void take_result(const std::string& path, Observations& into) {
  into.result = read_result(path);
  into.result_file = path;
  if (!into.topology && !into.result->topology.hosts.empty())
    diagnose::observe_topology(into, into.result->topology, path);
}

}  // namespace fabricheck::app
