// Figures between the GPUs of each host as matrices, and how long they take to be measured. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/run_record.hpp"

namespace fabricheck::nvlink {

/// One matrix for each check nvlink.pair.*, size and host: row = the GPU that sends (of a latency: that
/// reads). Named "GPU2" where the record's path or `hosts` knows the index, else by PCI address; in that
/// order. What was measured both ways at once stands in both cells; what was not measured is empty.
std::vector<Matrix> gpu_pair_matrices(std::span<const CheckRecord> checks, std::span<const Host> hosts = {});

/// What one check of pairs costs.
struct PairCost {
  std::uint64_t bytes{};    ///< of one sample
  std::uint64_t samples{};  ///< of one pair and order
  bool both_orders{};
};

/// What an estimate takes for granted. Rates and times below what healthy machines need, so that the
/// estimate is rather too long.
struct EstimateBasis {
  double rate_GBps{20.0};  ///< as by PCIe, so that a node without NVLink is in time, too
  double open_s{0.5};      ///< a context on another GPU, once for each of a rank's peers
  double pair_s{0.1};      ///< memory, filling, comparing, votes; of each pair and order
};

/// What gpu_pair checks with default sizes cost: bandwidth, bidirectional, kernel and latency.
std::vector<PairCost> default_pair_costs(std::uint64_t samples = 100);

/// Estimated seconds for every GPU of a node with every other, floor(gpus / 2) pairs at once in rounds of a
/// tournament (gpus - 1 of them, or gpus where that is odd). An estimate, not a promise.
double estimate_pairs_s(int gpus, std::span<const PairCost> costs, const EstimateBasis& basis = {});

}  // namespace fabricheck::nvlink
