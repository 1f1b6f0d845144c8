#include "app/fits.hpp"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "collectives/fit.hpp"

namespace fabricheck::app {
namespace {

/// The checks of one collective that differ in size alone.
struct Series {
  CheckRecord key;  ///< the first of them, without its size
  std::vector<collectives::SizeTime> points;
};

CheckRecord without_size(const CheckRecord& check) {
  CheckRecord key;
  key.id = check.id;
  key.scope = check.scope;
  key.parameters = check.parameters;
  key.parameters.erase("bytes");
  key.participants = check.participants;
  return key;
}

std::string place_of(const CheckRecord& key) {
  std::string place = key.scope;
  const auto group = key.parameters.find("group");
  if (group == key.parameters.end()) return place;
  const auto* number = std::get_if<std::int64_t>(&group->second);
  const auto mode = key.parameters.find("mode");
  const auto* how = mode == key.parameters.end() ? nullptr : std::get_if<std::string>(&mode->second);
  if (number) place += fmt::format(" {}", *number);
  if (how) place += " " + *how;
  return place;
}

}  // namespace

std::vector<Fit> alpha_beta_fits(std::span<const CheckRecord> checks) {
  std::vector<Series> all;
  std::unordered_map<std::string, std::size_t> places;
  for (const CheckRecord& check : checks) {
    const auto bytes = check.parameters.find("bytes");
    if (check.metric != "latency" || bytes == check.parameters.end() || !check.statistics.median) continue;
    const auto* size = std::get_if<std::int64_t>(&bytes->second);
    if (!size || *size <= 0) continue;
    if (check.path && check.path->contains("bytes_used")) continue;  // it was measured at another size
    const CheckRecord key = without_size(check);
    const auto [entry, is_new] = places.emplace(check_key(key), all.size());
    if (is_new) all.push_back({key, {}});
    all[entry->second].points.push_back({static_cast<std::uint64_t>(*size), *check.statistics.median});
  }
  std::vector<Fit> fits;
  for (const Series& series : all) {
    const auto line = collectives::fit_alpha_beta(series.points);
    if (!line) continue;
    Fit fit;
    fit.id = series.key.id;
    fit.scope = place_of(series.key);
    fit.model = "alpha + bytes/beta";
    fit.coefficients = {{"alpha_us", line->alpha_us},
                        {"alpha_error_us", line->alpha_error_us},
                        {"beta_GBps", line->beta_GBps()},
                        {"beta_error_GBps", line->beta_GBps() * line->us_per_byte_error / line->us_per_byte},
                        {"rms_residual_percent", 100.0 * line->rms_relative_residual},
                        {"largest_residual_percent", 100.0 * line->largest_relative_residual},
                        {"sizes", static_cast<double>(line->points)}};
    fits.push_back(std::move(fit));
  }
  return fits;
}

}  // namespace fabricheck::app
