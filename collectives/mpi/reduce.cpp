#include "collectives/mpi/collective.hpp"
#include "collectives/mpi/operations.hpp"

namespace fabricheck::collectives::mpi {
namespace {

/// To rank 0 of the group; the others have nothing to compare.
class Reduce final : public Collective {
 public:
  explicit Reduce(const OperationRequest& request) : Collective(request, whole_elements) {
    allocate(in_output() ? 0 : elements(), is_root() ? elements() : 0);
  }

  void prepare(std::uint64_t iteration) override {
    if (!in_output()) poison(output());
    contribute(in_output() ? output() : input(), iteration);
  }
  void execute(std::uint64_t) override {
    must(MPI_Reduce(in_output() ? MPI_IN_PLACE : input().data(), output().data(), elements(), type(),
                    reduction(), root, communicator()),
         "MPI_Reduce");
  }
  std::optional<Mismatch> verify(std::uint64_t iteration) override {
    if (!is_root()) return std::nullopt;
    return compare_reduced(output(), iteration);
  }

 private:
  bool in_output() const { return in_place() && is_root(); }
};

}  // namespace

std::unique_ptr<Operation> make_reduce(const OperationRequest& request) {
  return std::make_unique<Reduce>(request);
}

}  // namespace fabricheck::collectives::mpi
