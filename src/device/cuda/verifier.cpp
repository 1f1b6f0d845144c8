#include "device/cuda/verifier.hpp"

#include <bit>
#include <cstring>

namespace fabricheck::cuda {
namespace {

constexpr std::uint64_t answer_bytes = 64;
static_assert(sizeof(device::Difference) <= answer_bytes);

}  // namespace

device::Pattern word_pattern(std::uint64_t seed) {
  device::Pattern pattern;
  for (std::size_t i = 0; i < device::pattern_period; ++i) {
    const auto word = static_cast<std::uint32_t>(device::mix(seed * device::pattern_period + i + 1) >> 16);
    pattern.bits.at(i) = word;
    pattern.values.at(i) = word;
  }
  return pattern;
}

device::Pattern float_pattern(const std::array<float, device::pattern_period>& values) {
  device::Pattern pattern;
  for (std::size_t i = 0; i < device::pattern_period; ++i) {
    pattern.bits.at(i) = std::bit_cast<std::uint32_t>(values.at(i));
    pattern.values.at(i) = static_cast<double>(values.at(i));
  }
  return pattern;
}

device::Pattern zero_pattern() { return {}; }

Verifier::Verifier(Device& device)
    : device_(device),
      found_(device, device.allocate(answer_bytes)),
      answer_(device, device.allocate_pinned(answer_bytes)) {}

std::optional<device::Difference> Verifier::compare(Stopwatch& watch, const std::byte* data,
                                                    std::uint64_t bytes, const device::Pattern& pattern) {
  device::Difference difference;
  device_.compare(data, bytes, pattern, found_.get(), watch.aside());
  device_.copy(answer_.get(), found_.get(), sizeof difference, watch.aside());
  watch.finish_aside("comparing");
  std::memcpy(&difference, answer_.get(), sizeof difference);
  if (difference.wrong == 0) return std::nullopt;
  return difference;
}

std::uint64_t Verifier::digest(Stopwatch& watch, const std::byte* data, std::uint64_t bytes) {
  device_.digest(data, bytes, found_.get(), watch.aside());
  return word_at(watch, found_.get());
}

std::uint64_t Verifier::word_at(Stopwatch& watch, const std::byte* at) {
  std::uint64_t word = 0;
  device_.copy(answer_.get(), at, sizeof word, watch.aside());
  watch.finish_aside("reading a result");
  std::memcpy(&word, answer_.get(), sizeof word);
  return word;
}

Mismatch mismatch_of(const device::Difference& difference, const device::Pattern& pattern, int world_rank,
                     const std::string& host, std::uint64_t iteration, bool is_float) {
  const auto got = static_cast<std::uint32_t>(difference.got_bits);
  Mismatch wrong;
  wrong.rank = world_rank;
  wrong.host = host;
  wrong.iteration = iteration;
  wrong.index = difference.first_index;
  wrong.expected = pattern.values.at(device::place_of(pattern.first + difference.first_index));
  wrong.got = is_float ? static_cast<double>(std::bit_cast<float>(got)) : static_cast<double>(got);
  return wrong;
}

}  // namespace fabricheck::cuda
