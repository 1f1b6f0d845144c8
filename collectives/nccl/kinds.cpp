#include "collectives/nccl/kinds.hpp"

#include <algorithm>
#include <array>
#include <iterator>

#include <fmt/format.h>

#include "collectives/bandwidth.hpp"
#include "collectives/nccl/vendor_types.hpp"
#include "collectives/patterns.hpp"
#include "core/error.hpp"

namespace fabricheck::collectives::nccl {
namespace {

std::uint64_t none(const Shape&) { return 0; }
std::uint64_t whole(const Shape& shape) { return shape.elements; }
std::uint64_t share(const Shape& shape) { return shape.share(); }
std::uint64_t own_share(const Shape& shape) { return static_cast<std::uint64_t>(shape.rank) * shape.share(); }
std::uint64_t whole_at_root(const Shape& shape) { return shape.is_root() ? shape.elements : 0; }

std::vector<Block> contribution(const Shape& shape, std::uint64_t iteration) {
  return {{0, shape.elements, contribution_pattern(shape.variant, shape.rank, shape.size, iteration)}};
}
std::vector<Block> reduced(const Shape& shape, std::uint64_t iteration) {
  return {{0, shape.elements, reduced_pattern(shape.variant, shape.size, iteration)}};
}
std::vector<Block> reduced_at_root(const Shape& shape, std::uint64_t iteration) {
  return shape.is_root() ? reduced(shape, iteration) : std::vector<Block>{};
}
std::vector<Block> reduced_share(const Shape& shape, std::uint64_t iteration) {
  return {{0, shape.share(), reduced_pattern(shape.variant, shape.size, iteration, Part{own_share(shape)})}};
}

Block moved(const Shape& shape, std::uint64_t first, std::uint64_t elements, int from, int to,
            std::uint64_t iteration) {
  return {first, elements, block_pattern(shape.variant.type, shape.stream(from, to), iteration)};
}

/// Each rank's own share, the same for all.
std::vector<Block> own_block(const Shape& shape, std::uint64_t iteration) {
  return {moved(shape, 0, shape.share(), shape.rank, 0, iteration)};
}
std::vector<Block> block_of_each(const Shape& shape, std::uint64_t iteration) {
  std::vector<Block> blocks;
  blocks.reserve(static_cast<std::size_t>(shape.size));
  for (int from = 0; from < shape.size; ++from)
    blocks.push_back(
        moved(shape, static_cast<std::uint64_t>(from) * shape.share(), shape.share(), from, 0, iteration));
  return blocks;
}
std::vector<Block> block_of_each_at_root(const Shape& shape, std::uint64_t iteration) {
  return shape.is_root() ? block_of_each(shape, iteration) : std::vector<Block>{};
}
/// A share for each rank, from this one.
std::vector<Block> blocks_to_each(const Shape& shape, std::uint64_t iteration) {
  std::vector<Block> blocks;
  blocks.reserve(static_cast<std::size_t>(shape.size));
  for (int to = 0; to < shape.size; ++to)
    blocks.push_back(moved(shape, static_cast<std::uint64_t>(to) * shape.share(), shape.share(), shape.rank,
                           to, iteration));
  return blocks;
}
std::vector<Block> blocks_to_each_at_root(const Shape& shape, std::uint64_t iteration) {
  return shape.is_root() ? blocks_to_each(shape, iteration) : std::vector<Block>{};
}
/// A share from each rank, for this one.
std::vector<Block> blocks_from_each(const Shape& shape, std::uint64_t iteration) {
  std::vector<Block> blocks;
  blocks.reserve(static_cast<std::size_t>(shape.size));
  for (int from = 0; from < shape.size; ++from)
    blocks.push_back(moved(shape, static_cast<std::uint64_t>(from) * shape.share(), shape.share(), from,
                           shape.rank, iteration));
  return blocks;
}
std::vector<Block> block_from_root(const Shape& shape, std::uint64_t iteration) {
  return {moved(shape, 0, shape.share(), 0, shape.rank, iteration)};
}
std::vector<Block> roots_block(const Shape& shape, std::uint64_t iteration) {
  return {moved(shape, 0, shape.elements, 0, 0, iteration)};
}
std::vector<Block> roots_block_at_root(const Shape& shape, std::uint64_t iteration) {
  return shape.is_root() ? roots_block(shape, iteration) : std::vector<Block>{};
}

int right_of(const Shape& shape) { return (shape.rank + 1) % shape.size; }
int left_of(const Shape& shape) { return (shape.rank + shape.size - 1) % shape.size; }
std::vector<Block> block_to_the_right(const Shape& shape, std::uint64_t iteration) {
  return {moved(shape, 0, shape.elements, shape.rank, right_of(shape), iteration)};
}
std::vector<Block> block_from_the_left(const Shape& shape, std::uint64_t iteration) {
  return {moved(shape, 0, shape.elements, left_of(shape), shape.rank, iteration)};
}

/// What is sent to, or received from, one other rank.
struct Piece {
  std::uint64_t first{}, elements{};
};

/// Rank i sends share (i + j) mod n to rank j, as the MPI check does: bandwidth.hpp has the shares.
std::vector<std::uint64_t> unequal_piece_begins(const Shape& shape) {
  std::vector<std::uint64_t> begins{0};
  begins.reserve(static_cast<std::size_t>(shape.size) + 1);
  for (int other = 0; other < shape.size; ++other) {
    const int k = (shape.rank + other) % shape.size;
    begins.push_back(begins.back() + unequal_share_begin(shape.elements, shape.size, k + 1) -
                     unequal_share_begin(shape.elements, shape.size, k));
  }
  return begins;
}

Piece unequal_piece(const Shape& shape, int other) {
  const auto index = static_cast<std::size_t>(other);
  return {shape.piece_begins[index], shape.piece_begins[index + 1] - shape.piece_begins[index]};
}
std::vector<Block> pieces_to_each(const Shape& shape, std::uint64_t iteration) {
  std::vector<Block> blocks;
  blocks.reserve(static_cast<std::size_t>(shape.size));
  for (int to = 0; to < shape.size; ++to) {
    const Piece piece = unequal_piece(shape, to);
    blocks.push_back(moved(shape, piece.first, piece.elements, shape.rank, to, iteration));
  }
  return blocks;
}
std::vector<Block> pieces_from_each(const Shape& shape, std::uint64_t iteration) {
  std::vector<Block> blocks;
  blocks.reserve(static_cast<std::size_t>(shape.size));
  for (int from = 0; from < shape.size; ++from) {
    const Piece piece = unequal_piece(shape, from);
    blocks.push_back(moved(shape, piece.first, piece.elements, from, shape.rank, iteration));
  }
  return blocks;
}

/// A group of sends and receives; the first that fails is told, and the group is ended all the same.
template <class Work>
ncclResult_t grouped(const Calls& calls, Work&& work) {
  ncclResult_t result = calls.group_start();
  if (result != ncclSuccess) return result;
  result = work();
  const ncclResult_t ended = calls.group_end();
  return result == ncclSuccess || result == ncclInProgress ? ended : result;
}

/// Sends and receives of shares: `send_to` and `receive_from` tell of each other rank its piece.
template <class SendTo, class ReceiveFrom>
ncclResult_t exchange(const Calls& calls, const Shape& shape, const Place& place, SendTo&& send_to,
                      ReceiveFrom&& receive_from) {
  const std::size_t one = type_bytes(shape.variant.type);
  const ncclDataType_t type = nccl_type(shape.variant.type);
  return grouped(calls, [&] {
    for (int other = 0; other < shape.size; ++other) {
      const Piece out = send_to(other), in = receive_from(other);
      if (out.elements > 0)
        if (const ncclResult_t result = calls.send(place.input + out.first * one, out.elements, type, other,
                                                   place.communicator, place.stream);
            result != ncclSuccess && result != ncclInProgress)
          return result;
      if (in.elements > 0)
        if (const ncclResult_t result = calls.receive(place.output + in.first * one, in.elements, type, other,
                                                      place.communicator, place.stream);
            result != ncclSuccess && result != ncclInProgress)
          return result;
    }
    return ncclSuccess;
  });
}

Piece equal_piece(const Shape& shape, int other) {
  return {static_cast<std::uint64_t>(other) * shape.share(), shape.share()};
}

ncclResult_t all_reduce(const Calls& calls, const Shape& shape, const Place& place) {
  return calls.all_reduce(place.input, place.output, shape.elements, nccl_type(shape.variant.type),
                          nccl_reduction(shape.variant.reduction), place.communicator, place.stream);
}
ncclResult_t all_gather(const Calls& calls, const Shape& shape, const Place& place) {
  return calls.all_gather(place.input, place.output, shape.share(), nccl_type(shape.variant.type),
                          place.communicator, place.stream);
}
ncclResult_t reduce_scatter(const Calls& calls, const Shape& shape, const Place& place) {
  return calls.reduce_scatter(place.input, place.output, shape.share(), nccl_type(shape.variant.type),
                              nccl_reduction(shape.variant.reduction), place.communicator, place.stream);
}
ncclResult_t broadcast(const Calls& calls, const Shape& shape, const Place& place) {
  return calls.broadcast(place.input, place.output, shape.elements, nccl_type(shape.variant.type), 0,
                         place.communicator, place.stream);
}
ncclResult_t reduce(const Calls& calls, const Shape& shape, const Place& place) {
  return calls.reduce(place.input, place.output, shape.elements, nccl_type(shape.variant.type),
                      nccl_reduction(shape.variant.reduction), 0, place.communicator, place.stream);
}
ncclResult_t all_to_all(const Calls& calls, const Shape& shape, const Place& place) {
  const auto piece = [&](int other) { return equal_piece(shape, other); };
  return exchange(calls, shape, place, piece, piece);
}
ncclResult_t all_to_all_v(const Calls& calls, const Shape& shape, const Place& place) {
  const auto piece = [&](int other) { return unequal_piece(shape, other); };
  return exchange(calls, shape, place, piece, piece);
}
ncclResult_t send_receive(const Calls& calls, const Shape& shape, const Place& place) {
  return exchange(
      calls, shape, place,
      [&](int other) {
        return other == right_of(shape) ? Piece{0, shape.elements} : Piece{};
      },
      [&](int other) {
        return other == left_of(shape) ? Piece{0, shape.elements} : Piece{};
      });
}
ncclResult_t gather(const Calls& calls, const Shape& shape, const Place& place) {
  return exchange(
      calls, shape, place,
      [&](int other) {
        return other == 0 ? Piece{0, shape.share()} : Piece{};
      },
      [&](int other) { return shape.is_root() ? equal_piece(shape, other) : Piece{}; });
}
ncclResult_t scatter(const Calls& calls, const Shape& shape, const Place& place) {
  return exchange(
      calls, shape, place, [&](int other) { return shape.is_root() ? equal_piece(shape, other) : Piece{}; },
      [&](int other) {
        return other == 0 ? Piece{0, shape.share()} : Piece{};
      });
}

}  // namespace

bool Kind::sends() const {
  constexpr std::array<decltype(run), 5> made_of_sends{all_to_all, send_receive, all_to_all_v, gather,
                                                       scatter};
  return std::find(made_of_sends.begin(), made_of_sends.end(), run) != made_of_sends.end();
}

const Kind& kind_of(std::string_view name) {
  static const Kind all[] = {
      {"allreduce", whole, whole, none, none, contribution, reduced, all_reduce},
      {"allgather", share, whole, own_share, none, own_block, block_of_each, all_gather},
      {"reducescatter", whole, share, none, own_share, contribution, reduced_share, reduce_scatter},
      {"alltoall", whole, whole, none, none, blocks_to_each, blocks_from_each, all_to_all},
      {"sendrecv", whole, whole, none, none, block_to_the_right, block_from_the_left, send_receive},
      {"broadcast", whole, whole, none, none, roots_block_at_root, roots_block, broadcast},
      {"reduce", whole, whole, none, none, contribution, reduced_at_root, reduce},
      {"alltoallv", whole, whole, none, none, pieces_to_each, pieces_from_each, all_to_all_v,
       unequal_piece_begins},
      {"gather", share, whole_at_root, none, none, own_block, block_of_each_at_root, gather},
      {"scatter", whole_at_root, share, none, none, blocks_to_each_at_root, block_from_root, scatter},
  };
  const auto found =
      std::find_if(std::begin(all), std::end(all), [&](const Kind& one) { return name == one.name; });
  if (found == std::end(all)) throw Error(fmt::format("no NCCL collective is called {}", name));
  return *found;
}

}  // namespace fabricheck::collectives::nccl
