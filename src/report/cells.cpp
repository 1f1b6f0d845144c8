#include "report/cells.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/check.hpp"
#include "core/text.hpp"
#include "core/units.hpp"
#include "report/text.hpp"

namespace fabricheck::report {
namespace {

/// "12%"; what rounds to nothing but is not nothing is "<1%".
std::string percent(double share) {
  if (!std::isfinite(share)) return "-";
  if (share > 0 && share < 0.01) return "<1%";
  return fmt::format("{:.0f}%", share * 100);
}

/// The statistic that the value is; empty for the usual one.
std::string unusual_statistic(const CheckRecord& check) {
  if (!check.target || check.target->statistic == "median" || check.target->statistic == check.metric)
    return "";
  return check.target->statistic;
}

std::string group_of(const CheckRecord& check) {
  const auto group = check.parameters.find("group");
  if (group == check.parameters.end()) return "";
  if (const auto* text = std::get_if<std::string>(&group->second)) return *text;
  if (const auto* index = std::get_if<std::int64_t>(&group->second)) return std::to_string(*index);
  return "";
}

/// "GPU 3", "GPU 2 to GPU 5"; empty where no single one was measured.
std::string gpus_of(const CheckRecord& check) {
  if (const auto gpu = integer_parameter(check, "gpu")) return fmt::format("GPU {}", *gpu);
  const auto from = integer_parameter(check, "from_gpu"), to = integer_parameter(check, "to_gpu");
  return from && to ? fmt::format("GPU {} to GPU {}", *from, *to) : "";
}

/// Of a group that was measured while the others rested.
const char* apart_words(const CheckRecord& check) {
  const auto mode = check.parameters.find("mode");
  return mode != check.parameters.end() && mode->second == Parameter(std::string("apart")) ? ", apart" : "";
}

/// Where it was measured, so that two rows never look the same: "between nodes, group 2", "inside node n3",
/// "GPU 3 on n5".
std::string place_of(const CheckRecord& check, const RunRecord& record) {
  std::string place = check.scope;
  if (const std::string gpus = gpus_of(check); !gpus.empty()) {
    const char* at_once = place == scope_name(Scope::every_gpu) ? ", all at once" : "";
    return (check.participants.empty() ? gpus : gpus + " on " + check.participants.front()) + at_once;
  }
  const std::string group = group_of(check);
  const std::string_view word = "group";
  if (!group.empty()) {
    const bool says_group = place.size() >= word.size() && place.substr(place.size() - word.size()) == word;
    place += (says_group ? " " : ", group ") + group + apart_words(check);
  } else if (check.participants.size() == 1 && record.world.hosts.size() > 1) {
    place += " " + check.participants.front();
  }
  return place;
}

}  // namespace

std::string number(std::optional<double> value) {
  if (!value || std::isnan(*value)) return "-";
  if (std::isinf(*value)) return *value > 0 ? "inf" : "-inf";
  return format_number(*value);
}

std::string figure(std::optional<double> value) {
  std::string text = number(value);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const std::size_t first = text.find_first_of("123456789");
  if (first == std::string::npos) return text;
  std::ptrdiff_t digits =
      std::count_if(text.begin() + static_cast<std::ptrdiff_t>(first), text.end(), is_digit);
  if (digits < 3 && text.find('.') == std::string::npos) text += '.';
  for (; digits < 3; ++digits) text += '0';
  return text;
}

std::string some_of(const std::vector<std::string>& names, std::size_t most) {
  if (names.size() <= most) return joined(names, ", ");
  return first_few(names, most - 1);
}

std::optional<double> shown_value(const CheckRecord& check) {
  return check.value ? check.value : check.statistics.median;
}

std::string value_cell(const CheckRecord& check) {
  const std::optional<double> value = shown_value(check);
  if (!value || !std::isfinite(*value)) return "-";
  const std::string statistic = unusual_statistic(check);  // the column's heading says median
  std::string text = statistic.empty() ? figure(value) : statistic + " " + figure(value);
  if (check.ci95) text += fmt::format(" [{}, {}]", figure(check.ci95->lo), figure(check.ci95->hi));
  return text + " " + check.unit;
}

std::string target_cell(const CheckRecord& check) {
  if (!check.target) return "-";
  const std::string statistic = unusual_statistic(check);
  return fmt::format("{}{}{} {} {}", statistic, statistic.empty() ? "" : " ", check.target->comparison,
                     number(check.target->value), check.unit);
}

std::string bytes_cell(const CheckRecord& check) {
  const auto bytes = integer_parameter(check, "bytes");
  if (!bytes || *bytes <= 0) return "-";
  const std::string asked = format_bytes(static_cast<std::uint64_t>(*bytes));
  // What there was room for is what was measured.
  const auto used = path_number(check, "bytes_used");
  return used ? format_bytes(static_cast<std::uint64_t>(*used)) + " of " + asked : asked;
}

std::string last_cell(const CheckRecord& check) {
  if (!check.last) return "-";
  return fmt::format("{} on {} ({})", check.last->rank, check.last->host, percent(check.last->share));
}

std::string scope_words(const CheckRecord& check) { return check.scope + apart_words(check); }

std::string name_of(const CheckRecord& check, const RunRecord& record) {
  const std::string place = place_of(check, record);
  return check.title + (place.empty() ? "" : ", " + place);
}

std::string full_name(const CheckRecord& check, const RunRecord& record) {
  const std::string bytes = bytes_cell(check);
  const std::string place = place_of(check, record);
  std::string name = check.title;
  if (bytes != "-") name += ", " + bytes;
  if (!place.empty()) name += ", " + place;
  const std::size_t hosts = check.participants.size();
  if (hosts > 1 && hosts < record.world.hosts.size()) name += " (" + some_of(check.participants, 8) + ")";
  return name;
}

std::optional<std::int64_t> integer_parameter(const CheckRecord& check, const std::string& name) {
  const auto parameter = check.parameters.find(name);
  if (parameter == check.parameters.end()) return std::nullopt;
  const auto* value = std::get_if<std::int64_t>(&parameter->second);
  return value == nullptr ? std::nullopt : std::optional(*value);
}

std::string value_text(const CheckRecord& check) {
  const std::optional<double> value = shown_value(check);
  if (!value || !std::isfinite(*value)) return "-";
  return sanitise(figure(value) + " " + check.unit);
}

}  // namespace fabricheck::report
