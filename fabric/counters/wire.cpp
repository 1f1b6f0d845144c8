// What moved on a host's ports, on its way to rank 0: a line for each port, and one for each thing about it.
#include <fmt/format.h>

#include <charconv>
#include <string_view>

#include "core/error.hpp"
#include "fabric/counters/judgement.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::counters {
namespace {

constexpr char between = '\t';

/// Names are the kernel's; what would break a line is not let through.
std::string clean(const std::string& text) { return topology::printable(text); }

std::string list_of(const std::optional<std::vector<int>>& numbers) {
  return numbers ? fmt::format("{}", fmt::join(*numbers, ",")) : "-";
}

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> fields;
  while (true) {
    const std::size_t end = line.find(between);
    fields.push_back(line.substr(0, end));
    if (end == std::string_view::npos) return fields;
    line.remove_prefix(end + 1);
  }
}

[[noreturn]] void refuse(std::string_view line) {
  throw Error(
      fmt::format("counters: a rank sent {}, which is no line of counters", topology::in_quotes(line)));
}

double decimal(std::string_view text, std::string_view line) {
  double value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || stop != text.data() + text.size()) refuse(line);
  return value;
}

int whole(std::string_view text, std::string_view line) {
  const auto value = topology::parse_number(text);
  if (!value || *value < 0 || *value > 255) refuse(line);
  return static_cast<int>(*value);
}

std::optional<std::vector<int>> numbers_of(std::string_view text, std::string_view line) {
  if (text == "-") return std::nullopt;
  std::vector<int> numbers;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    numbers.push_back(whole(text.substr(0, end), line));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return numbers;
}

void take_line(std::string_view line, std::vector<PortChanges>& ports) {
  const auto fields = fields_of(line);
  constexpr std::size_t of_port = 9, of_change = 4, of_note = 2;
  if (fields[0] == "port" && fields.size() == of_port) {
    PortChanges port;
    port.host = fields[1];
    port.port.device = fields[2];
    port.port.number = whole(fields[3], line);
    port.port.net_device = fields[4];
    port.port.lossless = numbers_of(fields[5], line);
    if (fields[6] != "-") port.port.job_priority = whole(fields[6], line);
    port.port.in_software = fields[7] == "software";
    port.duration_s = decimal(fields[8], line);
    ports.push_back(std::move(port));
  } else if (fields[0] == "moved" && fields.size() == of_change && !ports.empty()) {
    const int source = whole(fields[1], line);
    if (source > static_cast<int>(Source::ethtool)) refuse(line);
    ports.back().changes.push_back(
        {static_cast<Source>(source), std::string(fields[2]), decimal(fields[3], line)});
  } else if (fields[0] == "note" && fields.size() == of_note && !ports.empty()) {
    ports.back().notes.emplace_back(fields[1]);
  } else {
    refuse(line);
  }
}

}  // namespace

std::string encode(const std::vector<PortChanges>& ports) {
  std::string text;
  for (const PortChanges& port : ports) {
    text += fmt::format("port\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\n", clean(port.host), clean(port.port.device),
                        port.port.number, clean(port.port.net_device), list_of(port.port.lossless),
                        port.port.job_priority ? std::to_string(*port.port.job_priority) : "-",
                        port.port.in_software ? "software" : "-", port.duration_s);
    for (const Change& change : port.changes)
      text += fmt::format("moved\t{}\t{}\t{}\n", static_cast<int>(change.source), clean(change.name),
                          change.amount);
    for (const std::string& note : port.notes) text += fmt::format("note\t{}\n", clean(note));
  }
  return text;
}

std::vector<PortChanges> decode(const std::string& text) {
  std::vector<PortChanges> ports;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) refuse(rest);
    take_line(rest.substr(0, end), ports);
    rest.remove_prefix(end + 1);
  }
  return ports;
}

}  // namespace fabricheck::counters
