// What every MPI collective with data has: whole shares of elements, an input and an output that fit into
// memory, values from the reference. A collective adds its call and which block goes where. Private to this
// folder.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

#include "collectives/bandwidth.hpp"
#include "collectives/mpi/group.hpp"
#include "collectives/reference.hpp"

namespace fabricheck::collectives::mpi {

/// Memory on page borders (as OSU's programs have it), each page touched; its content is anything.
class Buffer {
 public:
  Buffer() = default;
  /// Throws Unavailable when there is no such memory.
  explicit Buffer(std::uint64_t bytes);
  std::span<std::byte> bytes() const { return {memory_.get(), size_}; }

 private:
  static constexpr std::align_val_t alignment{4096};
  struct Free {
    void operator()(std::byte* memory) const { ::operator delete[](memory, alignment); }
  };
  std::unique_ptr<std::byte[], Free> memory_;
  std::size_t size_{};
};

class Collective : public Operation {
 public:
  /// On every rank of the group, also where there is nothing to compare: the sampler's schedule depends on
  /// it.
  bool verifies() const final { return true; }
  std::span<std::byte> result() override { return output(); }

 protected:
  using Payload = std::uint64_t(std::uint64_t bytes, int ranks, std::size_t element_bytes);
  static constexpr int root = 0;

  /// Collective over the group. Throws Unavailable for a size that it cannot have.
  Collective(const OperationRequest& request, Payload* payload);
  /// To be called by the constructor of each: throws Unavailable when this is more than is left.
  void allocate(int input_elements, int output_elements);

  MPI_Comm communicator() const { return self_.communicator; }
  int rank() const { return self_.rank; }
  int size() const { return self_.size; }
  bool is_root() const { return rank() == root; }
  bool in_place() const { return variant_.in_place; }
  MPI_Datatype type() const { return type_; }
  MPI_Op reduction() const { return reduction_; }

  /// The payload, by the definition of the collective's bandwidth, and a rank's equal share of it.
  int elements() const { return elements_; }
  int share() const { return elements_ / size(); }

  std::span<std::byte> input() const { return input_.bytes(); }
  std::span<std::byte> output() const { return output_.bytes(); }
  /// `count` elements from `first` on.
  std::span<std::byte> part(std::span<std::byte> buffer, int first, int count) const;
  /// The share of `rank` in a buffer that holds one of each.
  std::span<std::byte> share_of(std::span<std::byte> buffer, int rank) const {
    return part(buffer, rank * share(), share());
  }

  /// The number of the block that goes from one rank to another; `to` is 0 for what goes to all.
  std::uint64_t stream(int from, int to = 0) const {
    return static_cast<std::uint64_t>(from) * static_cast<std::uint64_t>(size()) +
           static_cast<std::uint64_t>(to);
  }

  // Values of the reference, see collectives/reference.hpp.
  void contribute(std::span<std::byte> to, std::uint64_t iteration) const {
    fill_contribution(to, variant_, rank(), size(), iteration);
  }
  void fill(std::span<std::byte> block, std::uint64_t stream, std::uint64_t iteration) const {
    fill_block(block, variant_.type, stream, iteration);
  }
  /// Compares a result with the elements from `first` on of the reduced vector.
  std::optional<Mismatch> compare_reduced(std::span<std::byte> result, std::uint64_t iteration,
                                          int first = 0) const;
  /// Compares a block; an element is named by its index in result().
  std::optional<Mismatch> compare(std::span<std::byte> block, std::uint64_t stream, std::uint64_t iteration,
                                  int index_of_first = 0) const;

 private:
  std::optional<Mismatch> mismatch(const std::optional<WrongElement>& wrong, std::uint64_t iteration,
                                   int index_of_first) const;

  Self self_;
  Variant variant_;
  MPI_Datatype type_;  ///< looked up beforehand: the timed part is the MPI call
  MPI_Op reduction_;
  std::uint64_t memory_limit_bytes_;
  int elements_;
  Buffer input_, output_;
};

}  // namespace fabricheck::collectives::mpi
