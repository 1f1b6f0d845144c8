#include "app/pair_matrices.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include <fmt/format.h>

#include "core/check.hpp"
#include "core/units.hpp"

namespace fabricheck::app {
namespace {

std::string words_of(const CheckRecord& check) {
  std::string words = check.id;
  const auto number = [&](const char* name) -> std::optional<std::int64_t> {
    const auto found = check.parameters.find(name);
    if (found == check.parameters.end() || !std::holds_alternative<std::int64_t>(found->second))
      return std::nullopt;
    return std::get<std::int64_t>(found->second);
  };
  if (const auto bytes = number("bytes")) words += ' ' + format_bytes(static_cast<std::uint64_t>(*bytes));
  if (const auto rail = number("rail")) words += fmt::format(" rail {}", *rail);
  const auto from = number("from_rail"), to = number("to_rail");
  if (from && to) words += fmt::format(" rail {} to {}", *from, *to);
  return words;
}

}  // namespace

std::vector<Matrix> pair_matrices(std::span<const CheckRecord> checks) {
  std::map<std::string, std::vector<const CheckRecord*>> kinds;
  for (const CheckRecord& check : checks)
    if (check.scope == scope_name(Scope::pair) && check.value && check.participants.size() == 2)
      kinds[words_of(check)].push_back(&check);
  std::vector<Matrix> matrices;
  for (const auto& [words, records] : kinds) {
    std::set<std::string> hosts;
    for (const CheckRecord* record : records)
      hosts.insert(record->participants.begin(), record->participants.end());
    if (hosts.size() < 3) continue;
    Matrix matrix;
    matrix.id = words;
    matrix.unit = records.front()->unit;
    const bool one_way = matrix.unit != "us";
    matrix.direction = one_way ? "row sends" : "both ways";
    matrix.rows.assign(hosts.begin(), hosts.end());
    matrix.cols = matrix.rows;
    matrix.data.assign(hosts.size(), std::vector<std::optional<double>>(hosts.size()));
    const auto place = [&](const std::string& host) {
      return static_cast<std::size_t>(std::lower_bound(matrix.rows.begin(), matrix.rows.end(), host) -
                                      matrix.rows.begin());
    };
    for (const CheckRecord* record : records) {
      const std::size_t from = place(record->participants[0]), to = place(record->participants[1]);
      matrix.data[from][to] = record->value;
      if (!one_way) matrix.data[to][from] = record->value;
    }
    matrices.push_back(std::move(matrix));
  }
  return matrices;
}

}  // namespace fabricheck::app
