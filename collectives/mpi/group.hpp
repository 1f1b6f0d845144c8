// Communicators of the measured groups, and MPI's errors. Private to this folder.
#pragma once

#include <mpi.h>

#include <string>
#include <vector>

#include "core/operation.hpp"

namespace fabricheck::collectives::mpi {

/// The communicator of `world_ranks`; made once per list and kept until release_communicators(). Collective
/// over the list.
MPI_Comm group_communicator(const std::vector<int>& world_ranks);

/// Throws Error with MPI's own words.
[[noreturn]] void throw_mpi_error(int code, const char* call);
inline void must(int code, const char* call) {
  if (code != MPI_SUCCESS) throw_mpi_error(code, call);
}

/// This rank's place in the group and who it is, for mismatches.
struct Self {
  explicit Self(const OperationRequest& request);
  MPI_Comm communicator;
  int rank{};
  int size{};
  int world_rank{};
  std::string host;
};

}  // namespace fabricheck::collectives::mpi
