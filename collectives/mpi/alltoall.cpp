#include "collectives/mpi/collective.hpp"
#include "collectives/mpi/operations.hpp"

namespace fabricheck::collectives::mpi {
namespace {

class Alltoall final : public Collective {
 public:
  explicit Alltoall(const OperationRequest& request) : Collective(request, equal_shares) {
    allocate(in_place() ? 0 : elements(), elements());
  }

  void prepare(std::uint64_t iteration) override {
    if (!in_place()) poison(output());
    const auto from = in_place() ? output() : input();
    for (int to = 0; to < size(); ++to) fill(share_of(from, to), stream(rank(), to), iteration);
  }
  void execute(std::uint64_t) override {
    must(MPI_Alltoall(in_place() ? MPI_IN_PLACE : input().data(), share(), type(), output().data(), share(),
                      type(), communicator()),
         "MPI_Alltoall");
  }
  std::optional<Mismatch> verify(std::uint64_t iteration) override {
    for (int from = 0; from < size(); ++from)
      if (auto wrong = compare(share_of(output(), from), stream(from, rank()), iteration, from * share()))
        return wrong;
    return std::nullopt;
  }
};

}  // namespace

std::unique_ptr<Operation> make_alltoall(const OperationRequest& request) {
  return std::make_unique<Alltoall>(request);
}

}  // namespace fabricheck::collectives::mpi
