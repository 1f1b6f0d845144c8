// The MPI collectives that fabricheck knows: one row each in catalog.cpp, one file each beside it.
#pragma once

#include <vector>

#include "core/check.hpp"

namespace fabricheck::collectives::mpi {

std::vector<CheckRow> catalog();

/// Frees the communicators that the operations used. Every rank calls it once, after the last operation and
/// before MPI_Finalize: freeing is collective, so no destructor does it.
void release_communicators();

}  // namespace fabricheck::collectives::mpi
