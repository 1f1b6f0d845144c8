#include "collectives/mpi/group.hpp"

#include <array>

#include "collectives/mpi/catalog.hpp"
#include "core/error.hpp"

namespace fabricheck::collectives::mpi {
namespace {

struct Entry {
  std::vector<int> ranks;
  MPI_Comm communicator;
};

std::vector<Entry>& entries() {
  static std::vector<Entry> all;
  return all;
}

}  // namespace

void throw_mpi_error(int code, const char* call) {
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  throw Error(std::string(call) + " failed: " + std::string(text.data(), static_cast<std::size_t>(length)));
}

MPI_Comm group_communicator(const std::vector<int>& world_ranks) {
  for (const Entry& entry : entries())
    if (entry.ranks == world_ranks) return entry.communicator;
  MPI_Group world = MPI_GROUP_NULL, group = MPI_GROUP_NULL;
  MPI_Comm communicator = MPI_COMM_NULL;
  must(MPI_Comm_group(MPI_COMM_WORLD, &world), "MPI_Comm_group");
  must(MPI_Group_incl(world, static_cast<int>(world_ranks.size()), world_ranks.data(), &group),
       "MPI_Group_incl");
  must(MPI_Comm_create_group(MPI_COMM_WORLD, group, 0, &communicator), "MPI_Comm_create_group");
  MPI_Group_free(&group);
  MPI_Group_free(&world);
  must(MPI_Comm_set_errhandler(communicator, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  entries().push_back({world_ranks, communicator});
  return communicator;
}

void release_communicators() {
  std::vector<Entry>& all = entries();
  for (std::size_t i = all.size(); i-- > 0;) must(MPI_Comm_free(&all[i].communicator), "MPI_Comm_free");
  all.clear();
}

Self::Self(const OperationRequest& request)
    : communicator(group_communicator(request.world_ranks)),
      world_rank(request.world_rank),
      host(request.host) {
  must(MPI_Comm_rank(communicator, &rank), "MPI_Comm_rank");
  must(MPI_Comm_size(communicator, &size), "MPI_Comm_size");
}

}  // namespace fabricheck::collectives::mpi
