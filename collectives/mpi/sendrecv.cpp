#include "collectives/mpi/collective.hpp"
#include "collectives/mpi/operations.hpp"

namespace fabricheck::collectives::mpi {
namespace {

/// Every rank sends to its right neighbour and receives from its left one.
class Sendrecv final : public Collective {
 public:
  explicit Sendrecv(const OperationRequest& request)
      : Collective(request, whole_elements),
        right_((rank() + 1) % size()),
        left_((rank() + size() - 1) % size()) {
    allocate(elements(), elements());
  }

  void prepare(std::uint64_t iteration) override {
    poison(output());
    fill(input(), stream(rank(), right_), iteration);
  }
  void execute(std::uint64_t) override {
    must(MPI_Sendrecv(input().data(), elements(), type(), right_, 0, output().data(), elements(), type(),
                      left_, 0, communicator(), MPI_STATUS_IGNORE),
         "MPI_Sendrecv");
  }
  std::optional<Mismatch> verify(std::uint64_t iteration) override {
    return compare(output(), stream(left_, rank()), iteration);
  }

 private:
  int right_, left_;
};

}  // namespace

std::unique_ptr<Operation> make_sendrecv(const OperationRequest& request) {
  return std::make_unique<Sendrecv>(request);
}

}  // namespace fabricheck::collectives::mpi
