#include "collectives/mpi/collective.hpp"

#include <climits>
#include <string>
#include <utility>

#include "core/error.hpp"
#include "core/units.hpp"

namespace fabricheck::collectives::mpi {
namespace {

constexpr std::uint64_t most_elements = INT_MAX;
constexpr std::size_t page_bytes = 4096;

int elements_of(const OperationRequest& request, std::uint64_t payload_bytes, bool needs_shares) {
  const std::uint64_t one = type_bytes(request.variant.type), have = request.bytes / one;
  const std::string bytes = format_bytes(request.bytes), type(type_name(request.variant.type));
  if (payload_bytes == 0) {
    if (!needs_shares)
      throw Unavailable(bytes + " are no whole " + type + " element: ask for at least " + format_bytes(one));
    const std::size_t ranks = request.world_ranks.size();
    throw Unavailable(bytes + " are " + std::to_string(have) + " " + type +
                      (have == 1 ? " element" : " elements") + ", fewer than the " + std::to_string(ranks) +
                      " ranks: ask for at least " + format_bytes(ranks * one));
  }
  // Also where MPI would get the shares as counts: displacements, and sums of counts inside MPI
  // implementations, are int as well.
  if (payload_bytes / one > most_elements)
    throw Unavailable(bytes + " are more " + type +
                      " elements than MPI's 2^31-1 in one call: ask for less than " +
                      format_bytes((most_elements + 1) * one));
  return static_cast<int>(payload_bytes / one);
}

/// MPI's are no constants: tests/mpi holds the two tables against host_types and host_reductions.
MPI_Datatype type_of(DataType type) {
  const std::pair<DataType, MPI_Datatype> types[] = {{DataType::float32, MPI_FLOAT},
                                                     {DataType::float64, MPI_DOUBLE},
                                                     {DataType::int32, MPI_INT32_T},
                                                     {DataType::int64, MPI_INT64_T}};
  for (const auto& [one, mpi] : types)
    if (one == type) return mpi;
  throw Unavailable("MPI has no " + std::string(type_name(type)));
}

MPI_Op operator_of(Reduction reduction) {
  const std::pair<Reduction, MPI_Op> operators[] = {{Reduction::sum, MPI_SUM},
                                                    {Reduction::max, MPI_MAX},
                                                    {Reduction::min, MPI_MIN},
                                                    {Reduction::prod, MPI_PROD}};
  for (const auto& [one, mpi] : operators)
    if (one == reduction) return mpi;
  throw Unavailable("MPI has no " + std::string(reduction_name(reduction)));
}

}  // namespace

Buffer::Buffer(std::uint64_t bytes) : size_(bytes) {
  if (bytes == 0) return;
  memory_.reset(static_cast<std::byte*>(::operator new[](size_, alignment, std::nothrow)));
  if (!memory_) throw Unavailable("not enough memory: " + format_bytes(bytes) + " in one piece were refused");
  for (std::size_t at = 0; at < size_; at += page_bytes) memory_[at] = std::byte{};
}

Collective::Collective(const OperationRequest& request, Payload* payload)
    : self_(request),  // first: a collective call, so that no rank waits for one that throws below
      variant_(request.variant),
      type_(type_of(variant_.type)),
      reduction_(operator_of(variant_.reduction)),
      memory_limit_bytes_(request.memory_limit_bytes),
      elements_(elements_of(request, payload(request.bytes, self_.size, type_bytes(variant_.type)),
                            payload(type_bytes(variant_.type), self_.size, type_bytes(variant_.type)) == 0)) {
}

void Collective::allocate(int input_elements, int output_elements) {
  const std::uint64_t one = type_bytes(variant_.type);
  const std::uint64_t input_bytes = one * static_cast<std::uint64_t>(input_elements),
                      output_bytes = one * static_cast<std::uint64_t>(output_elements);
  // The kernel promises more than it has and kills who takes it at its word.
  if (memory_limit_bytes_ > 0 && input_bytes + output_bytes > memory_limit_bytes_)
    throw Unavailable("needs " + format_bytes(input_bytes + output_bytes) + " of memory for this size, " +
                      format_bytes(memory_limit_bytes_) + " are left for this rank");
  input_ = Buffer(input_bytes);
  output_ = Buffer(output_bytes);
}

std::span<std::byte> Collective::part(std::span<std::byte> buffer, int first, int count) const {
  const std::size_t one = type_bytes(variant_.type);
  return buffer.subspan(static_cast<std::size_t>(first) * one, static_cast<std::size_t>(count) * one);
}

std::optional<Mismatch> Collective::compare_reduced(std::span<std::byte> result, std::uint64_t iteration,
                                                    int first) const {
  return mismatch(check_reduced(result, variant_, size(), iteration, Part{static_cast<std::uint64_t>(first)}),
                  iteration, 0);
}

std::optional<Mismatch> Collective::compare(std::span<std::byte> block, std::uint64_t stream,
                                            std::uint64_t iteration, int index_of_first) const {
  return mismatch(check_block(block, variant_.type, stream, iteration), iteration, index_of_first);
}

std::optional<Mismatch> Collective::mismatch(const std::optional<WrongElement>& wrong,
                                             std::uint64_t iteration, int index_of_first) const {
  if (!wrong) return std::nullopt;
  return Mismatch{self_.world_rank, self_.host,
                  iteration,        wrong->index + static_cast<std::uint64_t>(index_of_first),
                  wrong->expected,  wrong->got};
}

}  // namespace fabricheck::collectives::mpi
