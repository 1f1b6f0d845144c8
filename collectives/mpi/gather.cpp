#include "collectives/mpi/collective.hpp"
#include "collectives/mpi/operations.hpp"

namespace fabricheck::collectives::mpi {
namespace {

/// To rank 0 of the group; the others have nothing to compare.
class Gather final : public Collective {
 public:
  explicit Gather(const OperationRequest& request) : Collective(request, equal_shares) {
    allocate(in_output() ? 0 : share(), is_root() ? elements() : 0);
  }

  void prepare(std::uint64_t iteration) override {
    poison(output());
    fill(in_output() ? share_of(output(), rank()) : input(), stream(rank(), root), iteration);
  }
  void execute(std::uint64_t) override {
    must(MPI_Gather(in_output() ? MPI_IN_PLACE : input().data(), share(), type(), output().data(), share(),
                    type(), root, communicator()),
         "MPI_Gather");
  }
  std::optional<Mismatch> verify(std::uint64_t iteration) override {
    if (!is_root()) return std::nullopt;
    for (int from = 0; from < size(); ++from)
      if (auto wrong = compare(share_of(output(), from), stream(from, root), iteration, from * share()))
        return wrong;
    return std::nullopt;
  }

 private:
  bool in_output() const { return in_place() && is_root(); }
};

}  // namespace

std::unique_ptr<Operation> make_gather(const OperationRequest& request) {
  return std::make_unique<Gather>(request);
}

}  // namespace fabricheck::collectives::mpi
