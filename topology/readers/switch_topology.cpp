// Which switch each host's port is cabled to: ibnetdiscover, lldpctl and Slurm's topology.conf.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "topology/model/text.hpp"
#include "topology/readers/fields.hpp"
#include "topology/readers/host_list.hpp"
#include "topology/readers/readers.hpp"
#include "topology/readers/refuse.hpp"

namespace fabricheck::topology {
namespace {

constexpr std::size_t kLongestLine = 1 << 20;  // of topology.conf: thousands of host names
constexpr std::size_t kMostCables = 1 << 18;

struct Line {
  std::string_view text;
  int number{};
};

std::vector<Line> lines_of(std::string_view text, const std::string& file) {
  check_text(text, file);
  std::vector<Line> lines;
  int number = 0;
  for (const std::string_view line : split(text, '\n')) {
    ++number;
    if (line.size() > kLongestLine)
      refuse(file, number,
             fmt::format("the line has {} KiB; no switch topology has such a line", line.size() >> 10));
    if (line.find('\0') != std::string_view::npos) refuse(file, number, "holds NUL bytes; it is no text");
    lines.push_back({trimmed(line), number});
  }
  return lines;
}

void add(std::vector<Cable>& cables, Cable cable, const std::string& file) {
  if (cables.size() >= kMostCables)
    refuse(file, cable.line, fmt::format("has more than {} cables", kMostCables));
  cables.push_back(std::move(cable));
}

/// Takes what is between two marks, the first of which begins the text.
std::optional<std::string_view> take_between(std::string_view& text, char open, char close) {
  if (text.empty() || text.front() != open) return std::nullopt;
  const std::size_t end = text.find(close, 1);
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view inner = text.substr(1, end - 1);
  text = text.substr(end + 1);
  return inner;
}

/// The GUID as sysfs writes it, "0c42:a103:00a1:b2c4".
std::optional<std::string> guid_text(std::string_view hex) {
  if (starts_with(hex, "0x")) hex.remove_prefix(2);
  if (hex.empty() || hex.size() > 16 ||
      hex.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos)
    return std::nullopt;
  const std::string full = std::string(16 - hex.size(), '0') + lower_case(hex);
  return fmt::format("{}:{}:{}:{}", full.substr(0, 4), full.substr(4, 4), full.substr(8, 4),
                     full.substr(12, 4));
}

/// Reads the switches' blocks; what the blocks of hosts tell stands there, too.
class IbnetdiscoverReader {
 public:
  explicit IbnetdiscoverReader(const std::string& file) : file_(file) {}

  std::vector<Cable> read(const std::vector<Line>& lines) {
    for (const Line& line : lines)
      if (const auto found = switch_line(line.text)) ++uses_[found->description];
    for (const Line& line : lines) {
      if (const auto found = switch_line(line.text)) {
        switch_ = shown(*found);
      } else if (starts_with(line.text, "Ca") || starts_with(line.text, "Rt")) {
        switch_.clear();
      } else if (starts_with(line.text, "[") && !switch_.empty()) {
        port_line(line);
      }
    }
    return std::move(cables_);
  }

  struct Switch {
    std::string guid;
    std::string description;
  };

  /// Switch 40 "S-b8cef60300e5d2a0"  # "MF0;leaf-1:MQM8790/U1" enhanced port 0 lid 1 lmc 0
  static std::optional<Switch> switch_line(std::string_view text) {
    if (!starts_with(text, "Switch")) return std::nullopt;
    const std::size_t guid_at = text.find("\"S-");
    if (guid_at == std::string_view::npos) return std::nullopt;
    std::string_view rest = text.substr(guid_at);
    const auto guid = take_between(rest, '"', '"');
    if (!guid) return std::nullopt;
    const std::size_t quote = rest.find('"');
    std::string_view description = quote == std::string_view::npos ? std::string_view{} : rest.substr(quote);
    return Switch{printable(*guid), printable(take_between(description, '"', '"').value_or(""))};
  }

 private:
  /// "leaf-1" of "MF0;leaf-1:MQM8790/U1"; a director's module stays in the name.
  std::string shown(const Switch& found) const {
    std::string_view name = found.description;
    if (starts_with(name, "MF0;")) {
      name.remove_prefix(4);
      const std::size_t colon = name.find(':');
      if (colon == std::string_view::npos) return std::string(name);
      const std::string_view unit = name.substr(colon + 1);
      const std::size_t module = unit.find('/');
      const bool director = std::count(unit.begin(), unit.end(), '/') > 1;
      return std::string(name.substr(0, colon)) + (director ? std::string(unit.substr(module)) : "");
    }
    const auto uses = uses_.find(found.description);
    const bool unique = !name.empty() && uses != uses_.end() && uses->second == 1;
    return unique ? std::string(name) : found.guid;
  }

  /// [1]  "H-0c42a10300a1b2c4"[1](c42a10300a1b2c4)  # "node01 mlx5_0" lid 5 4xHDR
  void port_line(const Line& line) {
    std::string_view rest = line.text;
    const auto switch_port = take_between(rest, '[', ']');
    rest = trimmed(rest);
    if (starts_with(rest, "[ext")) take_between(rest, '[', ']');
    rest = trimmed(rest);
    const auto peer = take_between(rest, '"', '"');
    if (!switch_port || !peer || !parse_number(*switch_port))
      refuse(file_, line.number,
             fmt::format("{} is no port of a switch as ibnetdiscover prints it", in_quotes(line.text)));
    if (!starts_with(*peer, "H-")) return;
    Cable cable;
    cable.line = line.number;
    cable.neighbour = {switch_, printable(*switch_port), "ibnetdiscover"};
    const auto port = take_between(rest, '[', ']');
    const auto number = port ? parse_number(*port) : std::nullopt;
    if (!number || *number < 0 || *number > 255)
      refuse(file_, line.number, "the port of the host is no number");
    cable.port = static_cast<int>(*number);
    const auto port_guid = take_between(rest, '(', ')');
    auto guid = port_guid ? guid_text(*port_guid) : std::nullopt;
    if (!guid) guid = guid_text(peer->substr(2));
    const std::size_t quote = rest.find('"');
    std::string_view tail = quote == std::string_view::npos ? std::string_view{} : rest.substr(quote);
    const std::string_view description = take_between(tail, '"', '"').value_or("");
    if (description.find("Aggregation Node") != std::string_view::npos)
      return;  // SHARP, inside of the switch
    name_host(description, cable);
    if (cable.device.empty() && guid) cable.device = *guid;
    if (cable.device.empty()) cable.device = lid_of(tail);
    add(cables_, std::move(cable), file_);
  }

  /// "node01 mlx5_0" names both; "node24 HCA-1" only the host; a product's name neither.
  static void name_host(std::string_view description, Cable& cable) {
    const std::size_t blank = description.find(' ');
    if (blank == std::string_view::npos || description.find(' ', blank + 1) != std::string_view::npos) return;
    const std::string_view device = description.substr(blank + 1);
    if (device.find_first_of("0123456789") == std::string_view::npos) return;
    cable.host = printable(description.substr(0, blank));
    if (!starts_with(device, "HCA")) cable.device = printable(device);
  }

  static std::string lid_of(std::string_view tail) {
    const std::size_t at = tail.find("lid ");
    if (at == std::string_view::npos) return "";
    const std::string_view digits =
        tail.substr(at + 4, tail.find_first_not_of("0123456789", at + 4) - at - 4);
    return digits.empty() ? "" : fmt::format("lid:{}", digits.substr(0, 6));
  }

  std::string file_;
  std::map<std::string, int> uses_;  // of descriptions
  std::string switch_;
  std::vector<Cable> cables_;
};

/// "lldp.eth0.chassis.name=leaf-1", with "node7: " before it where several hosts are in one file.
class LldpReader {
 public:
  explicit LldpReader(const std::string& file) : file_(file) {}

  static bool is_line(std::string_view text) { return starts_with(without_host(text).second, "lldp."); }

  std::vector<Cable> read(const std::vector<Line>& lines) {
    for (const Line& line : lines) read_line(line);
    std::vector<Cable> cables;
    for (auto& entry : entries_) {
      Cable& cable = entry.cable;
      cable.neighbour.switch_name = entry.name.empty() ? entry.id : entry.name;
      cable.neighbour.switch_port = entry.port.empty() ? entry.description : entry.port;
      if (!cable.neighbour.switch_name.empty()) add(cables, std::move(cable), file_);
    }
    return cables;
  }

 private:
  struct Entry {
    Cable cable;
    std::string name, id, port, description;
  };

  static std::pair<std::string_view, std::string_view> without_host(std::string_view text) {
    const std::size_t at = text.find("lldp.");
    if (at == 0 || at == std::string_view::npos) return {"", text};
    const std::string_view front = trimmed(text.substr(0, at));
    if (front.empty() || front.back() != ':' || front.find(' ') != std::string_view::npos) return {"", text};
    return {front.substr(0, front.size() - 1), text.substr(at)};
  }

  void read_line(const Line& line) {
    const auto [host, text] = without_host(line.text);
    if (!starts_with(text, "lldp.")) return;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos)
      refuse(file_, line.number, fmt::format("{} has no '='", in_quotes(text)));
    const std::string_view key = text.substr(5, equals - 5);
    const std::string value = printable(text.substr(equals + 1));
    // An interface may have dots in its name, so the key is read from its end.
    for (const std::string_view field :
         {".via", ".rid", ".chassis.name", ".chassis.mac", ".chassis.id", ".chassis.local", ".port.ifname",
          ".port.local", ".port.mac", ".port.descr"}) {
      if (key.size() <= field.size() || key.substr(key.size() - field.size()) != field) continue;
      Entry& entry = entry_of(host, key.substr(0, key.size() - field.size()), field == ".via", line.number);
      if (field == ".chassis.name") entry.name = value;
      if ((field == ".chassis.mac" || field == ".chassis.id" || field == ".chassis.local") &&
          entry.id.empty())
        entry.id = value;
      if (field == ".port.ifname") entry.port = value;
      if ((field == ".port.local" || field == ".port.mac") && entry.port.empty()) entry.port = value;
      if (field == ".port.descr") entry.description = value;
      return;
    }
  }

  /// Each neighbour of an interface begins with ".via".
  Entry& entry_of(std::string_view host, std::string_view device, bool begins, int line) {
    const auto key = std::make_pair(std::string(host), std::string(device));
    const auto known = last_.find(key);
    if (known != last_.end() && !begins) return entries_[known->second];
    last_[key] = entries_.size();
    Entry entry;
    entry.cable.host = printable(host);
    entry.cable.device = printable(device);
    entry.cable.neighbour.source = "LLDP";
    entry.cable.line = line;
    entries_.push_back(std::move(entry));
    return entries_.back();
  }

  std::string file_;
  std::vector<Entry> entries_;
  std::map<std::pair<std::string, std::string>, std::size_t> last_;
};

/// The value of `key` in "SwitchName=leaf1 Nodes=node[1-8]", where keys are written in any case.
std::string_view value_of(std::string_view text, std::string_view key) {
  const std::string lower = lower_case(text);
  const std::string wanted = lower_case(key) + "=";
  for (std::size_t at = lower.find(wanted); at != std::string::npos; at = lower.find(wanted, at + 1)) {
    if (at > 0 && lower[at - 1] != ' ' && lower[at - 1] != '\t') continue;
    const std::string_view value = text.substr(at + wanted.size());
    return value.substr(0, value.find_first_of(" \t"));
  }
  return {};
}

std::vector<Cable> read_slurm(const std::vector<Line>& lines, const std::string& file) {
  std::vector<Cable> cables;
  std::string joined;
  int first_line = 0;
  for (const Line& line : lines) {
    std::string_view text = trimmed(line.text.substr(0, line.text.find('#')));
    const bool goes_on = !text.empty() && text.back() == '\\';
    if (goes_on) text.remove_suffix(1);
    if (joined.empty()) first_line = line.number;
    joined += text;
    if (joined.size() > kLongestLine) refuse(file, first_line, "the entry is longer than 1 MiB");
    if (goes_on) continue;
    const std::string entry = std::exchange(joined, {});
    const std::string_view name = value_of(entry, "SwitchName");
    const std::string_view nodes = value_of(entry, "Nodes");
    if (name.empty() || nodes.empty()) continue;
    const auto hosts = expand_hosts(nodes, kMostCables);
    if (!hosts)
      refuse(
          file, first_line,
          fmt::format("Nodes={} is no list of hosts, or one of more than {}", in_quotes(nodes), kMostCables));
    for (const auto& host : *hosts)
      add(cables, {host, "", 1, {printable(name), "", "switch topology file"}, first_line}, file);
  }
  return cables;
}

}  // namespace

std::vector<Cable> read_switch_topology(std::string_view text, const std::string& file) {
  const auto lines = lines_of(text, file);
  for (const Line& line : lines) {
    if (IbnetdiscoverReader::switch_line(line.text)) return IbnetdiscoverReader(file).read(lines);
    if (LldpReader::is_line(line.text)) return LldpReader(file).read(lines);
    if (!starts_with(line.text, "#") && !value_of(line.text, "SwitchName").empty())
      return read_slurm(lines, file);
  }
  refuse(file, 0,
         "is no switch topology: it has neither switches as ibnetdiscover prints them, nor keys 'lldp.' of "
         "lldpctl -f keyvalue, nor SwitchName= of Slurm's topology.conf");
}

}  // namespace fabricheck::topology
