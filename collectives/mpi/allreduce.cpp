#include "collectives/mpi/collective.hpp"
#include "collectives/mpi/compute.hpp"
#include "collectives/mpi/operations.hpp"

namespace fabricheck::collectives::mpi {
namespace {

class Allreduce : public Collective {
 public:
  explicit Allreduce(const OperationRequest& request) : Collective(request, whole_elements) {
    allocate(in_place() ? 0 : elements(), elements());
  }

  void prepare(std::uint64_t iteration) override {
    if (!in_place()) poison(output());
    contribute(in_place() ? output() : input(), iteration);
  }
  void execute(std::uint64_t) override {
    must(MPI_Allreduce(send_buffer(), output().data(), elements(), type(), reduction(), communicator()),
         "MPI_Allreduce");
  }
  std::optional<Mismatch> verify(std::uint64_t iteration) override {
    return compare_reduced(output(), iteration);
  }

 protected:
  const void* send_buffer() const { return in_place() ? MPI_IN_PLACE : input().data(); }
};

/// Posts, computes without looking after MPI, waits.
class Iallreduce final : public Allreduce {
 public:
  explicit Iallreduce(const OperationRequest& request)
      : Allreduce(request), computation_(request.compute_us) {}

  void execute(std::uint64_t) override {
    MPI_Request pending = MPI_REQUEST_NULL;
    must(MPI_Iallreduce(send_buffer(), output().data(), elements(), type(), reduction(), communicator(),
                        &pending),
         "MPI_Iallreduce");
    computation_.run();
    must(MPI_Wait(&pending, MPI_STATUS_IGNORE), "MPI_Wait for MPI_Iallreduce");
  }

 private:
  Computation computation_;
};

}  // namespace

std::unique_ptr<Operation> make_allreduce(const OperationRequest& request) {
  return std::make_unique<Allreduce>(request);
}

std::unique_ptr<Operation> make_iallreduce(const OperationRequest& request) {
  return std::make_unique<Iallreduce>(request);
}

}  // namespace fabricheck::collectives::mpi
