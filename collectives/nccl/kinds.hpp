// The collectives as data: what goes in, what must come out, and the call. Private to this folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "collectives/nccl/calls.hpp"
#include "core/variant.hpp"
#include "device/pattern.hpp"

namespace fabricheck::collectives::nccl {

/// One rank's part of one call.
struct Shape {
  std::uint64_t elements{};  ///< the payload by the definition of the collective's bandwidth
  int rank{}, size{1};
  Variant variant;
  /// Where the piece for, or from, each other rank begins, and where the last one ends; by
  /// Kind::piece_begins.
  std::vector<std::uint64_t> piece_begins;

  std::uint64_t share() const { return elements / static_cast<std::uint64_t>(size); }
  std::uint64_t stream(int from, int to = 0) const {
    return static_cast<std::uint64_t>(from) * static_cast<std::uint64_t>(size) +
           static_cast<std::uint64_t>(to);
  }
  bool is_root() const { return rank == 0; }
};

/// A run of elements that follow a pattern.
struct Block {
  std::uint64_t first{};  ///< element of the buffer
  std::uint64_t elements{};
  device::Pattern pattern;
};

/// What a call works on.
struct Place {
  const std::byte* input{};
  std::byte* output{};
  ncclComm_t communicator{};
  cudaStream_t stream{};
};

/// What one collective does. Blocks of inputs are of the input buffer, those of results of the output buffer.
struct Kind {
  const char* name;  ///< of its Row
  std::uint64_t (*input_elements)(const Shape&);
  std::uint64_t (*output_elements)(const Shape&);
  /// Of a call in place: where in the one buffer its input and its output begin.
  std::uint64_t (*input_offset)(const Shape&);
  std::uint64_t (*output_offset)(const Shape&);
  std::vector<Block> (*inputs)(const Shape&, std::uint64_t iteration);
  std::vector<Block> (*results)(const Shape&, std::uint64_t iteration);
  ncclResult_t (*run)(const Calls&, const Shape&, const Place&);
  /// Of a collective whose pieces are unequal: once for a shape, for each call looks at all of them. Else
  /// null.
  std::vector<std::uint64_t> (*piece_begins)(const Shape&){};

  /// Made of sends and receives, not a collective to NCCL.
  bool sends() const;
};

/// Of the row of this name.
const Kind& kind_of(std::string_view name);

}  // namespace fabricheck::collectives::nccl
