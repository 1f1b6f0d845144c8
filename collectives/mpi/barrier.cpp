#include "collectives/mpi/group.hpp"
#include "collectives/mpi/operations.hpp"

namespace fabricheck::collectives::mpi {
namespace {

class Barrier final : public Operation {
 public:
  explicit Barrier(const OperationRequest& request) : self_(request) {}
  void execute(std::uint64_t) override { must(MPI_Barrier(self_.communicator), "MPI_Barrier"); }

 private:
  Self self_;
};

}  // namespace

std::unique_ptr<Operation> make_barrier(const OperationRequest& request) {
  return std::make_unique<Barrier>(request);
}

}  // namespace fabricheck::collectives::mpi
