// What the stand-in NCCL runs on a stream.
#pragma once

#include <vector>

#include "support/nccl/communicator.hpp"

namespace fabricheck::test {

enum class Kind { AllReduce, AllGather, ReduceScatter, Broadcast, Reduce };

struct Collective {
  Kind kind{};
  const std::byte* send{};
  std::byte* receive{};
  std::size_t count{};  ///< as the call has it
  ncclDataType_t type{};
  ncclRedOp_t op{};
  int root{};
};

struct Transfer {
  bool sends{};
  int peer{};
  std::byte* data{};
  std::size_t bytes{};
};

void enqueue(ncclComm& comm, HostStream& stream, const Collective& call);

/// Sends and receives that run together.
void enqueue(ncclComm& comm, HostStream& stream, const std::vector<Transfer>& transfers);

}  // namespace fabricheck::test
