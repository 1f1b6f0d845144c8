#include "collectives/mpi/collective.hpp"
#include "collectives/mpi/operations.hpp"

namespace fabricheck::collectives::mpi {
namespace {

/// From rank 0 of the group. In place, the root's share stays where it is in its input.
class Scatter final : public Collective {
 public:
  explicit Scatter(const OperationRequest& request) : Collective(request, equal_shares) {
    allocate(is_root() ? elements() : 0, in_input() ? 0 : share());
  }

  void prepare(std::uint64_t iteration) override {
    poison(output());
    if (!is_root()) return;
    for (int to = 0; to < size(); ++to) fill(share_of(input(), to), stream(root, to), iteration);
  }
  void execute(std::uint64_t) override {
    must(MPI_Scatter(input().data(), share(), type(), in_input() ? MPI_IN_PLACE : output().data(), share(),
                     type(), root, communicator()),
         "MPI_Scatter");
  }
  std::optional<Mismatch> verify(std::uint64_t iteration) override {
    return compare(result(), stream(root, rank()), iteration);
  }
  std::span<std::byte> result() override { return in_input() ? share_of(input(), root) : output(); }

 private:
  bool in_input() const { return in_place() && is_root(); }
};

}  // namespace

std::unique_ptr<Operation> make_scatter(const OperationRequest& request) {
  return std::make_unique<Scatter>(request);
}

}  // namespace fabricheck::collectives::mpi
