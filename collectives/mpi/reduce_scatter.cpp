#include "collectives/mpi/collective.hpp"
#include "collectives/mpi/operations.hpp"

namespace fabricheck::collectives::mpi {
namespace {

/// Rank r gets the r-th share of the reduced vector.
class ReduceScatter final : public Collective {
 public:
  explicit ReduceScatter(const OperationRequest& request) : Collective(request, equal_shares) {
    // In place, the result is at the begin of what was the input.
    allocate(in_place() ? 0 : elements(), in_place() ? elements() : share());
  }

  void prepare(std::uint64_t iteration) override {
    if (!in_place()) poison(output());
    contribute(in_place() ? output() : input(), iteration);
  }
  void execute(std::uint64_t) override {
    must(MPI_Reduce_scatter_block(in_place() ? MPI_IN_PLACE : input().data(), output().data(), share(),
                                  type(), reduction(), communicator()),
         "MPI_Reduce_scatter_block");
  }
  std::optional<Mismatch> verify(std::uint64_t iteration) override {
    return compare_reduced(result(), iteration, rank() * share());
  }
  std::span<std::byte> result() override { return part(output(), 0, share()); }
};

}  // namespace

std::unique_ptr<Operation> make_reduce_scatter(const OperationRequest& request) {
  return std::make_unique<ReduceScatter>(request);
}

}  // namespace fabricheck::collectives::mpi
