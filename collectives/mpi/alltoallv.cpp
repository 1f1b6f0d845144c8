#include "collectives/mpi/collective.hpp"
#include "collectives/mpi/operations.hpp"

namespace fabricheck::collectives::mpi {
namespace {

/// Rank i sends share (i + j) mod n to rank j: unequal, known to both, the same sum for every rank, and the
/// same in both directions, which MPI_IN_PLACE asks for (bandwidth.hpp has the shares).
class Alltoallv final : public Collective {
 public:
  explicit Alltoallv(const OperationRequest& request) : Collective(request, unequal_shares) {
    int at = 0;
    for (int other = 0; other < size(); ++other) {
      const int k = (rank() + other) % size();
      counts_.push_back(begin(k + 1) - begin(k));
      places_.push_back(at);
      at += counts_.back();
    }
    allocate(in_place() ? 0 : elements(), elements());
  }

  void prepare(std::uint64_t iteration) override {
    if (!in_place()) poison(output());
    const auto from = in_place() ? output() : input();
    for (int to = 0; to < size(); ++to) fill(block(from, to), stream(rank(), to), iteration);
  }
  void execute(std::uint64_t) override {
    must(MPI_Alltoallv(in_place() ? MPI_IN_PLACE : input().data(), counts_.data(), places_.data(), type(),
                       output().data(), counts_.data(), places_.data(), type(), communicator()),
         "MPI_Alltoallv");
  }
  std::optional<Mismatch> verify(std::uint64_t iteration) override {
    for (int from = 0; from < size(); ++from)
      if (auto wrong = compare(block(output(), from), stream(from, rank()), iteration,
                               places_[static_cast<std::size_t>(from)]))
        return wrong;
    return std::nullopt;
  }

 private:
  int begin(int k) const {
    return static_cast<int>(unequal_share_begin(static_cast<std::uint64_t>(elements()), size(), k));
  }
  std::span<std::byte> block(std::span<std::byte> buffer, int other) const {
    const auto at = static_cast<std::size_t>(other);
    return part(buffer, places_[at], counts_[at]);
  }

  std::vector<int> counts_, places_;
};

}  // namespace

std::unique_ptr<Operation> make_alltoallv(const OperationRequest& request) {
  return std::make_unique<Alltoallv>(request);
}

}  // namespace fabricheck::collectives::mpi
