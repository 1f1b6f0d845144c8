// Factories of the MPI operations. Each first gets the group's communicator, which is a collective call of
// that group, and only then allocates, so that a rank without memory keeps no other waiting.
#pragma once

#include <memory>

#include "core/operation.hpp"

namespace fabricheck::collectives::mpi {

std::unique_ptr<Operation> make_barrier(const OperationRequest& request);
/// Root is rank 0 of the group; float32.
std::unique_ptr<Operation> make_bcast(const OperationRequest& request);
/// float32, sum, out of place.
std::unique_ptr<Operation> make_allreduce(const OperationRequest& request);

}  // namespace fabricheck::collectives::mpi
