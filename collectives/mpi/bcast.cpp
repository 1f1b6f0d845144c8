#include "collectives/mpi/collective.hpp"
#include "collectives/mpi/compute.hpp"
#include "collectives/mpi/operations.hpp"

namespace fabricheck::collectives::mpi {
namespace {

class Bcast : public Collective {
 public:
  explicit Bcast(const OperationRequest& request) : Collective(request, whole_elements) {
    allocate(0, elements());
  }

  void prepare(std::uint64_t iteration) override {
    if (is_root()) {
      fill(output(), stream(root), iteration);
    } else {
      poison(output());
    }
  }
  void execute(std::uint64_t) override {
    must(MPI_Bcast(output().data(), elements(), type(), root, communicator()), "MPI_Bcast");
  }
  std::optional<Mismatch> verify(std::uint64_t iteration) override {
    return compare(output(), stream(root), iteration);
  }
};

/// Posts, computes without looking after MPI, waits.
class Ibcast final : public Bcast {
 public:
  explicit Ibcast(const OperationRequest& request) : Bcast(request), computation_(request.compute_us) {}

  void execute(std::uint64_t) override {
    MPI_Request pending = MPI_REQUEST_NULL;
    must(MPI_Ibcast(output().data(), elements(), type(), root, communicator(), &pending), "MPI_Ibcast");
    computation_.run();
    must(MPI_Wait(&pending, MPI_STATUS_IGNORE), "MPI_Wait for MPI_Ibcast");
  }

 private:
  Computation computation_;
};

}  // namespace

std::unique_ptr<Operation> make_bcast(const OperationRequest& request) {
  return std::make_unique<Bcast>(request);
}

std::unique_ptr<Operation> make_ibcast(const OperationRequest& request) {
  return std::make_unique<Ibcast>(request);
}

}  // namespace fabricheck::collectives::mpi
