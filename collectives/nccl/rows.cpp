#include "collectives/nccl/rows.hpp"

#include "collectives/bandwidth.hpp"

namespace fabricheck::collectives::nccl {

const std::vector<Row>& rows() {
  // clang-format off
  static const std::vector<Row> all{
      {.name = "allreduce", .call = "ncclAllReduce", .payload = whole_elements, .bus_factor = allreduce_bus_factor,
       .quick = true, .reduces = true, .in_place = true},
      {.name = "allgather", .call = "ncclAllGather", .payload = equal_shares, .bus_factor = allgather_bus_factor,
       .quick = true, .in_place = true},
      {.name = "reducescatter", .call = "ncclReduceScatter", .payload = equal_shares,
       .bus_factor = reduce_scatter_bus_factor, .quick = true, .reduces = true, .in_place = true},
      {.name = "alltoall", .call = "ncclSend and ncclRecv with every rank", .payload = equal_shares,
       .bus_factor = alltoall_bus_factor, .quick = true},
      {.name = "sendrecv", .call = "ncclSend to the right and ncclRecv from the left", .payload = whole_elements,
       .bus_factor = sendrecv_bus_factor, .quick = true},
      {.name = "broadcast", .call = "ncclBroadcast from one rank", .payload = whole_elements,
       .bus_factor = broadcast_bus_factor, .quick = true, .in_place = true},
      {.name = "reduce", .call = "ncclReduce to one rank", .payload = whole_elements, .bus_factor = reduce_bus_factor,
       .reduces = true, .in_place = true},
      {.name = "alltoallv", .call = "ncclSend and ncclRecv with every rank, unequal shares",
       .payload = unequal_shares, .bus_factor = alltoallv_bus_factor},
      {.name = "gather", .call = "ncclSend and ncclRecv to one rank", .payload = equal_shares,
       .bus_factor = gather_bus_factor},
      {.name = "scatter", .call = "ncclSend and ncclRecv from one rank", .payload = equal_shares,
       .bus_factor = scatter_bus_factor},
  };
  // clang-format on
  return all;
}

}  // namespace fabricheck::collectives::nccl
