#include "fabric/nvlink/pair_matrices.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>

#include <fmt/format.h>

#include "core/units.hpp"
#include "fabric/nvlink/catalog.hpp"
#include "fabric/nvlink/judgement.hpp"

namespace fabricheck::nvlink {
namespace {

/// Names in the order in which GPUs are counted: GPU2 before GPU10, those without an index by address.
using Label = std::tuple<std::size_t, std::string>;

class Labels {
 public:
  Labels(const std::string& host_name, std::span<const Host> hosts) {
    for (const Host& host : hosts)
      if (host.name == host_name) host_ = &host;
  }
  Label of(const std::string& address) const {
    const auto index = host_ ? gpu_at(*host_, address) : std::nullopt;
    if (!index) return {~std::size_t{}, address};
    return {*index, fmt::format("GPU{}", host_->gpus[*index].index)};
  }

 private:
  const Host* host_{};
};

Matrix matrix_of(std::string id, const std::vector<const CheckRecord*>& records, const Labels& labels) {
  std::set<Label> gpus;
  for (const CheckRecord* record : records)
    for (const char* end : {"gpu_from", "gpu_to"}) gpus.insert(labels.of(path_text(*record, end)));
  Matrix matrix;
  matrix.id = std::move(id);
  matrix.unit = records.front()->unit;
  const bool both_ways = is_both_ways(records.front()->id);
  matrix.direction = both_ways ? "both ways" : matrix.unit == "us" ? "row reads" : "row sends";
  for (const Label& gpu : gpus) matrix.rows.push_back(std::get<1>(gpu));
  matrix.cols = matrix.rows;
  matrix.data.assign(gpus.size(), std::vector<std::optional<double>>(gpus.size()));
  const auto place = [&](const CheckRecord& record, const char* end) {
    return static_cast<std::size_t>(
        std::distance(gpus.begin(), gpus.find(labels.of(path_text(record, end)))));
  };
  for (const CheckRecord* record : records) {
    const std::size_t from = place(*record, "gpu_from"), to = place(*record, "gpu_to");
    matrix.data[from][to] = record->value;
    if (both_ways) matrix.data[to][from] = record->value;
  }
  return matrix;
}

std::string size_words(const CheckRecord& check) {
  const auto found = check.parameters.find("bytes");
  if (found == check.parameters.end()) return {};
  const std::int64_t* bytes = std::get_if<std::int64_t>(&found->second);
  return bytes && *bytes > 0 ? ' ' + format_bytes(static_cast<std::uint64_t>(*bytes)) : std::string();
}

}  // namespace

std::vector<Matrix> gpu_pair_matrices(std::span<const CheckRecord> checks, std::span<const Host> hosts) {
  std::map<std::pair<std::string, std::string>, std::vector<const CheckRecord*>> kinds;  // host, words
  for (const CheckRecord& check : checks) {
    if (!check.value || !check.path || check.participants.empty() || !check.id.starts_with("nvlink.pair."))
      continue;
    if (path_text(check, "gpu_from").empty() || path_text(check, "gpu_to").empty()) continue;
    kinds[{check.participants.front(), check.id + size_words(check)}].push_back(&check);
  }
  std::vector<Matrix> matrices;
  for (const auto& [kind, records] : kinds) {
    const auto& [host, words] = kind;
    matrices.push_back(matrix_of(fmt::format("{} on {}", words, host), records, Labels(host, hosts)));
  }
  return matrices;
}

std::vector<PairCost> default_pair_costs(std::uint64_t samples) {
  return {{pair_bytes, samples, true},
          {2 * pair_bytes, samples, false},
          {pair_bytes, samples, true},
          {2 * pair_bytes, samples, false},
          // A sample of the latency is 4096 reads of a microsecond or two: as long as 64 MiB at 20 GB/s is.
          {pair_bytes, samples, true}};
}

double estimate_pairs_s(int gpus, std::span<const PairCost> costs, const EstimateBasis& basis) {
  if (gpus < 2) return 0.0;
  const int rounds = gpus % 2 == 0 ? gpus - 1 : gpus;
  double pair_s = 0.0;
  for (const PairCost& cost : costs) {
    const double copied_s =
        static_cast<double>(cost.samples) * static_cast<double>(cost.bytes) / (basis.rate_GBps * 1e9);
    pair_s += (cost.both_orders ? 2.0 : 1.0) * (basis.pair_s + copied_s);
  }
  return rounds * (pair_s + 2.0 * basis.open_s);
}

}  // namespace fabricheck::nvlink
