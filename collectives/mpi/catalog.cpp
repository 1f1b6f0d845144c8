#include "collectives/mpi/catalog.hpp"

#include "collectives/bandwidth.hpp"
#include "collectives/mpi/operations.hpp"

namespace fabricheck::collectives::mpi {
namespace {

constexpr std::uint64_t KiB = 1024, MiB = 1024 * KiB;
/// Below this, latency is what counts.
constexpr std::uint64_t bandwidth_from_bytes = 64 * KiB;

const std::vector<std::uint64_t>& sizes() {
  static const std::vector<std::uint64_t> all{8,         64,      512,      4 * KiB, 32 * KiB,
                                              256 * KiB, 2 * MiB, 16 * MiB, 64 * MiB};
  return all;
}

const std::vector<Scope>& scopes() {
  static const std::vector<Scope> all{Scope::between_nodes_group, Scope::between_nodes, Scope::all_ranks,
                                      Scope::inside_node};
  return all;
}

CheckRow latency(const char* name, const char* description, std::vector<std::uint64_t> bytes,
                 OperationFactory make) {
  CheckRow row;
  row.id = std::string("mpi.") + name + ".latency";
  row.title = std::string("MPI ") + name + " latency";
  row.description = description;
  row.metric = "latency";
  row.unit = "us";
  row.backend = "MPI";
  row.scopes = scopes();
  row.sizes = std::move(bytes);
  row.in_gate = true;
  row.make = std::move(make);
  return row;
}

CheckRow busbw(const char* name, double (*factor)(int)) {
  CheckRow row;
  row.id = std::string("mpi.") + name + ".busbw";
  row.title = std::string("MPI ") + name + " bus bandwidth";
  row.description = "the latency check's samples as busbw, from 64 KiB";
  row.metric = "busbw";
  row.unit = "GB/s";
  row.better = Better::higher;
  row.backend = "MPI";
  row.scopes = scopes();
  row.derived_from = std::string("mpi.") + name + ".latency";
  row.bus_factor = factor;
  row.min_bytes = bandwidth_from_bytes;
  return row;
}

}  // namespace

std::vector<CheckRow> catalog() {
  return {
      latency("barrier", "from the common start to the last rank's leaving MPI_Barrier", {}, make_barrier),
      latency("bcast", "MPI_Bcast of float32 from one rank, to the last rank's end", sizes(), make_bcast),
      latency("allreduce", "MPI_Allreduce of float32, sum, to the last rank's end", sizes(), make_allreduce),
      busbw("bcast", broadcast_bus_factor),
      busbw("allreduce", allreduce_bus_factor),
  };
}

}  // namespace fabricheck::collectives::mpi
