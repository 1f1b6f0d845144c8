// A catalogue row: the one place where a check is declared.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/metric.hpp"
#include "core/operation.hpp"
#include "core/timed_operation.hpp"

namespace fabricheck {

/// Which ranks take part together. Names as in result.json: see scope_name().
enum class Scope {
  between_nodes,        ///< one rank per node, all nodes
  between_nodes_group,  ///< one rank per node, groups of at most the target's group size
  all_ranks,            ///< every rank of every node
  inside_node,          ///< the ranks of each node, all nodes at once
  pair,                 ///< two ranks of two nodes, as the rounds of pairs say; many pairs at once
  loopback,             ///< the same within one node: no network is tested
  gpu,                  ///< one rank and its GPU: the first rank of every node at once, then the second, …
  every_gpu,            ///< one rank and its GPU, all ranks at the same time
  gpu_pair,             ///< two ranks of one node and their GPUs, as rounds of pairs
  rail,                 ///< between nodes, the ranks with the same place on their nodes; all rails at once
};

inline const char* scope_name(Scope scope) {
  switch (scope) {
    case Scope::between_nodes:
      return "between nodes";
    case Scope::between_nodes_group:
      return "between nodes, group";
    case Scope::all_ranks:
      return "all ranks";
    case Scope::inside_node:
      return "inside node";
    case Scope::pair:
      return "between nodes, pair";
    case Scope::loopback:
      return "loopback, pair";
    case Scope::gpu:
      return "GPU";
    case Scope::every_gpu:
      return "GPU, all at once";
    case Scope::gpu_pair:
      return "inside node, GPU pair";
    case Scope::rail:
      return "between nodes, rail";
  }
  return "?";
}

/// One check. Ids are `area.operation.metric`.
struct CheckRow {
  std::string id;
  std::string title;        ///< "MPI allreduce latency"
  std::string description;  ///< one sentence for `fabricheck list checks`
  Metric metric{"latency"};
  std::string unit;     ///< "us"
  std::string backend;  ///< "MPI"
  bool needs_gpu{};
  std::string unavailable_reason;  ///< empty when the back end is built in; else "built without NCCL"
  std::vector<Scope> scopes;
  std::vector<std::uint64_t>
      sizes;            ///< bytes measured by default, ascending; empty: the operation has no payload
  bool in_gate{};       ///< part of the sub-5 us target: measured in groups at its first size
  bool in_quick{true};  ///< part of suite quick
  bool typed{};         ///< has an element type
  bool reduces{};       ///< has a reduction
  /// Which of them, the default first.
  std::vector<DataType> types{host_types.begin(), host_types.end()};
  std::vector<Reduction> reductions{host_reductions.begin(), host_reductions.end()};
  bool can_be_in_place{};         ///< MPI_IN_PLACE means something
  std::uint64_t variant_bytes{};  ///< at which size other variants than the default are measured
  /// Bytes of the payload by the definition of its bandwidth, when `bytes` were asked of `ranks` ranks with
  /// elements of `element_bytes`: the largest whole share that every rank can have; 0 where there is none.
  /// Empty: whole elements.
  std::function<std::uint64_t(std::uint64_t bytes, int ranks, std::size_t element_bytes)> payload_bytes;
  OperationFactory make;
  /// Of a check that times itself, in place of `make`: pairs, and all that runs on a GPU.
  TimedOperationFactory make_timed;
  bool both_orders{};  ///< of a pair: measured from either rank to the other, for they are different paths
  int flows{};         ///< of a pair: sample i is of flow i % flows; 0: there is one
  std::vector<std::uint64_t> quick_sizes;  ///< with few sizes, in place of three of `sizes`
  bool sizes_are_fixed{};                  ///< no others can be asked for
  bool has_histogram{};
  /// Measured once for so long, beside the budget of all others; 0: it has its share of that.
  std::int64_t own_time_ns{};
  /// Presented as a rate: value = rate_times_us(bytes) / microseconds. Empty: by bus_factor, or the time
  /// itself.
  std::function<double(std::uint64_t bytes)> rate_times_us;
  /// The id of the measured check whose median, at the same scope and size, is the time this one computes
  /// meanwhile.
  std::string computes_for;
  /// The id of the measured check whose samples this one presents otherwise; then `make` is empty.
  std::string derived_from;
  /// For a derived busbw: busbw / algbw of a group of n ranks (formulas: collectives/bandwidth.hpp).
  std::function<double(int)> bus_factor;
  std::uint64_t min_bytes{};  ///< of a derived check: below, latency is what counts
};

}  // namespace fabricheck
