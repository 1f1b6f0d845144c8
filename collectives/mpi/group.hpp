// What the MPI operations share: communicators of measured groups, error checks, buffers. Private to this
// folder.
#pragma once

#include <mpi.h>

#include <string>
#include <vector>

#include "collectives/reference.hpp"
#include "core/operation.hpp"

namespace fabricheck::collectives::mpi {

/// The communicator of `world_ranks`; made once per list and kept until release_communicators(). Collective
/// over the list.
MPI_Comm group_communicator(const std::vector<int>& world_ranks);

/// Throws Error with MPI's own words.
void must(int code, const char* call);

/// Elements of float32 in `bytes`. Throws Error when MPI's int count cannot hold them.
int float_count(std::uint64_t bytes);

/// Throws std::bad_alloc's likeness with the bytes wanted, so that the report can say how much was missing.
std::vector<float> allocate(int count, const char* what);

/// This rank's place in the group and who it is, for mismatches.
struct Self {
  explicit Self(const OperationRequest& request);
  MPI_Comm communicator;
  int rank{};
  int size{};
  int world_rank{};
  std::string host;
  std::optional<Mismatch> mismatch(const std::optional<WrongElement>& wrong, std::uint64_t iteration) const;
};

}  // namespace fabricheck::collectives::mpi
