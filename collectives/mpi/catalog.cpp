#include "collectives/mpi/catalog.hpp"

#include "collectives/bandwidth.hpp"
#include "collectives/mpi/operations.hpp"

namespace fabricheck::collectives::mpi {
namespace {

constexpr std::uint64_t KiB = 1024, MiB = 1024 * KiB;
/// Below this, latency is what counts.
constexpr std::uint64_t bandwidth_from_bytes = 64 * KiB;
constexpr std::uint64_t variants_at_bytes = 4 * KiB;

/// One collective. Everything else about its checks follows.
struct Collective {
  const char* name;
  const char* call;  ///< for the description
  std::unique_ptr<Operation> (*make)(const OperationRequest&);
  std::uint64_t (*payload)(std::uint64_t, int, std::size_t);  ///< null: it carries no data
  double (*bus_factor)(int);
  bool gate{};         ///< part of the sub-5 us target
  bool quick{};        ///< part of suite quick
  bool reduces{};      ///< has a reduction
  bool in_place{};     ///< MPI_IN_PLACE means something
  bool nonblocking{};  ///< has an overlap
};

// Formulas: collectives/bandwidth.hpp.
// clang-format off
constexpr Collective table[] = {
    {.name = "barrier", .call = "MPI_Barrier", .make = make_barrier, .payload = nullptr, .bus_factor = nullptr,
     .gate = true, .quick = true},
    {.name = "bcast", .call = "MPI_Bcast from one rank", .make = make_bcast, .payload = whole_elements,
     .bus_factor = broadcast_bus_factor, .gate = true, .quick = true},
    {.name = "allreduce", .call = "MPI_Allreduce", .make = make_allreduce, .payload = whole_elements,
     .bus_factor = allreduce_bus_factor, .gate = true, .quick = true, .reduces = true, .in_place = true},
    {.name = "allgather", .call = "MPI_Allgather", .make = make_allgather, .payload = equal_shares,
     .bus_factor = allgather_bus_factor, .quick = true, .in_place = true},
    {.name = "reduce_scatter", .call = "MPI_Reduce_scatter_block", .make = make_reduce_scatter,
     .payload = equal_shares, .bus_factor = reduce_scatter_bus_factor, .quick = true, .reduces = true,
     .in_place = true},
    {.name = "alltoall", .call = "MPI_Alltoall", .make = make_alltoall, .payload = equal_shares,
     .bus_factor = alltoall_bus_factor, .quick = true, .in_place = true},
    {.name = "alltoallv", .call = "MPI_Alltoallv with unequal shares", .make = make_alltoallv,
     .payload = unequal_shares, .bus_factor = alltoallv_bus_factor, .in_place = true},
    {.name = "sendrecv", .call = "MPI_Sendrecv to the right, from the left", .make = make_sendrecv,
     .payload = whole_elements, .bus_factor = sendrecv_bus_factor, .quick = true},
    {.name = "reduce", .call = "MPI_Reduce to one rank", .make = make_reduce, .payload = whole_elements,
     .bus_factor = reduce_bus_factor, .reduces = true, .in_place = true},
    {.name = "gather", .call = "MPI_Gather to one rank", .make = make_gather, .payload = equal_shares,
     .bus_factor = gather_bus_factor, .in_place = true},
    {.name = "scatter", .call = "MPI_Scatter from one rank", .make = make_scatter, .payload = equal_shares,
     .bus_factor = scatter_bus_factor, .in_place = true},
    {.name = "iallreduce", .call = "MPI_Iallreduce and MPI_Wait", .make = make_iallreduce,
     .payload = whole_elements, .bus_factor = allreduce_bus_factor, .reduces = true, .in_place = true,
     .nonblocking = true},
    {.name = "ibcast", .call = "MPI_Ibcast from one rank and MPI_Wait", .make = make_ibcast,
     .payload = whole_elements, .bus_factor = broadcast_bus_factor, .nonblocking = true},
};
// clang-format on

std::string id(const Collective& one, Metric metric) {
  return std::string("mpi.") + one.name + "." + std::string(metric.name());
}

CheckRow row(const Collective& one, Metric metric, const char* title) {
  CheckRow row;
  row.id = id(one, metric);
  row.title = std::string("MPI ") + one.name + " " + title;
  row.metric = metric;
  row.backend = "MPI";
  row.scopes = {Scope::between_nodes_group, Scope::between_nodes, Scope::all_ranks, Scope::inside_node};
  row.in_quick = one.quick;
  if (one.payload) row.payload_bytes = one.payload;
  return row;
}

/// What is measured, as opposed to presented otherwise.
void measured(CheckRow& row, const Collective& one) {
  if (one.payload) row.sizes = {8, 64, 512, 4 * KiB, 32 * KiB, 256 * KiB, 2 * MiB, 16 * MiB, 64 * MiB};
  row.make = one.make;
}

CheckRow latency(const Collective& one) {
  CheckRow row = mpi::row(one, "latency", "latency");
  row.description = std::string("from the common start to the last rank's end of ") + one.call;
  row.unit = "us";
  row.in_gate = one.gate;
  row.typed = one.payload != nullptr;
  row.reduces = one.reduces;
  row.can_be_in_place = one.in_place;
  if (row.typed) row.variant_bytes = variants_at_bytes;
  measured(row, one);
  return row;
}

CheckRow busbw(const Collective& one) {
  CheckRow row = mpi::row(one, "busbw", "bus bandwidth");
  row.description = "the latency check's samples as busbw, from 64 KiB";
  row.unit = "GB/s";
  row.derived_from = id(one, "latency");
  row.bus_factor = one.bus_factor;
  row.min_bytes = bandwidth_from_bytes;
  return row;
}

/// One variant is enough: overlap depends on who drives the transfer, hardly on the type.
CheckRow overlap(const Collective& one) {
  CheckRow row = mpi::row(one, "overlap", "overlap");
  row.description = "how much of it runs while the ranks compute for as long as it takes";
  row.unit = "%";
  row.computes_for = id(one, "latency");
  measured(row, one);
  return row;
}

}  // namespace

std::vector<CheckRow> catalog() {
  std::vector<CheckRow> rows;
  for (const Collective& one : table) rows.push_back(latency(one));
  for (const Collective& one : table)
    if (one.bus_factor) rows.push_back(busbw(one));
  for (const Collective& one : table)
    if (one.nonblocking) rows.push_back(overlap(one));
  return rows;
}

}  // namespace fabricheck::collectives::mpi
