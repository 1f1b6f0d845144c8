// Factories of the MPI operations. Each first gets the group's communicator, which is a collective call of
// that group, and only then allocates, so that a rank without memory keeps no other waiting. All take type,
// reduction and placement from the request's variant; where there is a root, it is rank 0 of the group.
#pragma once

#include <memory>

#include "core/operation.hpp"

namespace fabricheck::collectives::mpi {

std::unique_ptr<Operation> make_barrier(const OperationRequest& request);
std::unique_ptr<Operation> make_bcast(const OperationRequest& request);
std::unique_ptr<Operation> make_allreduce(const OperationRequest& request);
std::unique_ptr<Operation> make_allgather(const OperationRequest& request);
std::unique_ptr<Operation> make_reduce_scatter(const OperationRequest& request);
std::unique_ptr<Operation> make_alltoall(const OperationRequest& request);
std::unique_ptr<Operation> make_alltoallv(const OperationRequest& request);
std::unique_ptr<Operation> make_sendrecv(const OperationRequest& request);
std::unique_ptr<Operation> make_reduce(const OperationRequest& request);
std::unique_ptr<Operation> make_gather(const OperationRequest& request);
std::unique_ptr<Operation> make_scatter(const OperationRequest& request);
/// Post, compute for request.compute_us, wait.
std::unique_ptr<Operation> make_iallreduce(const OperationRequest& request);
std::unique_ptr<Operation> make_ibcast(const OperationRequest& request);

}  // namespace fabricheck::collectives::mpi
