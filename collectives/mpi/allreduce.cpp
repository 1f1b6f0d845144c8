#include "collectives/mpi/group.hpp"
#include "collectives/mpi/operations.hpp"

namespace fabricheck::collectives::mpi {
namespace {

class Allreduce final : public Operation {
 public:
  explicit Allreduce(const OperationRequest& request)
      : self_(request),
        count_(float_count(request.bytes)),
        input_(allocate(count_, "all-reduce input")),
        output_(allocate(count_, "all-reduce output")) {}

  void prepare(std::uint64_t iteration) override { fill_input(input_, self_.rank, iteration); }
  void execute(std::uint64_t) override {
    must(MPI_Allreduce(input_.data(), output_.data(), count_, MPI_FLOAT, MPI_SUM, self_.communicator),
         "MPI_Allreduce");
  }
  std::optional<Mismatch> verify(std::uint64_t iteration) override {
    return self_.mismatch(check_sum(output_, self_.size, iteration), iteration);
  }
  bool verifies() const override { return true; }

 private:
  Self self_;
  int count_;
  std::vector<float> input_, output_;
};

}  // namespace

std::unique_ptr<Operation> make_allreduce(const OperationRequest& request) {
  return std::make_unique<Allreduce>(request);
}

}  // namespace fabricheck::collectives::mpi
