#include "collectives/mpi/collective.hpp"
#include "collectives/mpi/operations.hpp"

namespace fabricheck::collectives::mpi {
namespace {

class Allgather final : public Collective {
 public:
  explicit Allgather(const OperationRequest& request) : Collective(request, equal_shares) {
    allocate(in_place() ? 0 : share(), elements());
  }

  void prepare(std::uint64_t iteration) override {
    poison(output());
    fill(in_place() ? share_of(output(), rank()) : input(), stream(rank()), iteration);
  }
  void execute(std::uint64_t) override {
    must(MPI_Allgather(in_place() ? MPI_IN_PLACE : input().data(), share(), type(), output().data(), share(),
                       type(), communicator()),
         "MPI_Allgather");
  }
  std::optional<Mismatch> verify(std::uint64_t iteration) override {
    for (int from = 0; from < size(); ++from)
      if (auto wrong = compare(share_of(output(), from), stream(from), iteration, from * share()))
        return wrong;
    return std::nullopt;
  }
};

}  // namespace

std::unique_ptr<Operation> make_allgather(const OperationRequest& request) {
  return std::make_unique<Allgather>(request);
}

}  // namespace fabricheck::collectives::mpi
