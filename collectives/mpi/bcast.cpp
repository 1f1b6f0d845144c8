#include <algorithm>

#include "collectives/mpi/group.hpp"
#include "collectives/mpi/operations.hpp"

namespace fabricheck::collectives::mpi {
namespace {

constexpr int root = 0;

class Bcast final : public Operation {
 public:
  explicit Bcast(const OperationRequest& request)
      : self_(request), count_(float_count(request.bytes)), buffer_(allocate(count_, "broadcast buffer")) {}

  void prepare(std::uint64_t iteration) override {
    if (self_.rank == root) {
      fill_input(buffer_, root, iteration);
    } else {
      // What was there must not pass for what should have come.
      std::fill(buffer_.begin(), buffer_.end(), -1000.0F);
    }
  }
  void execute(std::uint64_t) override {
    must(MPI_Bcast(buffer_.data(), count_, MPI_FLOAT, root, self_.communicator), "MPI_Bcast");
  }
  std::optional<Mismatch> verify(std::uint64_t iteration) override {
    return self_.mismatch(check_copy(buffer_, root, iteration), iteration);
  }
  bool verifies() const override { return true; }

 private:
  Self self_;
  int count_;
  std::vector<float> buffer_;
};

}  // namespace

std::unique_ptr<Operation> make_bcast(const OperationRequest& request) {
  return std::make_unique<Bcast>(request);
}

}  // namespace fabricheck::collectives::mpi
