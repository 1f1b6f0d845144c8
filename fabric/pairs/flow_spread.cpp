#include "fabric/pairs/flow_spread.hpp"

#include <algorithm>

#include "core/statistics.hpp"

namespace fabricheck::fabric {
namespace {

struct Quartiles {
  double lower{}, median{}, upper{};
};

Quartiles quartiles_of(std::vector<double> figures) {
  std::sort(figures.begin(), figures.end());
  return {quantile_of_sorted(figures, 0.25), quantile_of_sorted(figures, 0.5),
          quantile_of_sorted(figures, 0.75)};
}

}  // namespace

std::optional<FlowSpread> judge_flows(const std::vector<std::vector<double>>& figures) {
  if (figures.size() < 2) return std::nullopt;
  std::vector<Quartiles> flows;
  for (const std::vector<double>& one : figures) {
    if (one.size() < min_flow_figures) return std::nullopt;
    flows.push_back(quartiles_of(one));
  }
  const auto by_median = [](const Quartiles& a, const Quartiles& b) { return a.median < b.median; };
  const auto [worst, best] = std::minmax_element(flows.begin(), flows.end(), by_median);
  FlowSpread spread;
  spread.best = best->median;
  spread.worst = worst->median;
  for (std::size_t flow = 0; flow < flows.size(); ++flow) {
    spread.medians.push_back(flows[flow].median);
    if (flows[flow].median < slow_flow_share * best->median && flows[flow].upper < best->lower)
      spread.slow.push_back(flow);
  }
  return spread;
}

}  // namespace fabricheck::fabric
