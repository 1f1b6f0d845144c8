#include "node/gpu/gemm.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "core/error.hpp"
#include "core/units.hpp"
#include "node/gpu/common.hpp"
#include "node/gpu/product_check.hpp"

namespace fabricheck::node::gpu {
namespace {

/// Rows and columns of the smallest matrices that are worth a figure; all precisions want multiples of 16.
constexpr std::uint64_t least_size = 256;
/// A way that is this much slower than the fastest is as good: then the library's own order decides, so that
/// equal GPUs choose alike in spite of noise, and their results can be compared.
constexpr double as_good = 1.02;
/// Spread over the whole product; reading their factors takes a few megabytes.
constexpr std::uint64_t checked_elements = 32;
constexpr std::size_t trials = 4;  ///< the first of them is not looked at

void must_have(const cuda::DeviceFacts& facts, const PrecisionRow& row) {
  if (std::pair(facts.major, facts.minor) < std::pair(row.least_major, row.least_minor))
    throw Unavailable(fmt::format("{} has compute capability {}.{}, and {} needs {}.{}",
                                  cuda::gpu_words(facts), facts.major, facts.minor, row.name, row.least_major,
                                  row.least_minor));
}

std::unique_ptr<Multiplier> open(const Settings& settings) {
  return settings.open ? settings.open() : open_multiplier();
}

}  // namespace

Gemm::Gemm(const SharedSetup& setup, const Settings& settings, const TimedRequest& request,
           Precision precision)
    : setup_(setup),
      device_(cuda::device_of(setup)),
      asked_size_(settings.gemm_size),
      rank_(request.world_rank),
      host_(request.host),
      product_{precision, settings.gemm_size, settings.gemm_size, settings.gemm_size},
      watch_(device_, *request.clock, setup->deadline_ns),
      verifier_(device_) {
  must_have(device_.facts(), row_of(precision));
  multiplier_ = {open(settings).release(), EndMultiplier{&device_}};
  take_memory(gemm_workspace_bytes);
  const DataType type = input_type(precision);
  device_.fill_random(a_.get(), product_.k * product_.m, type, gemm_seed, watch_.aside());
  device_.fill_random(b_.get(), product_.k * product_.n, type, gemm_seed + 1, watch_.aside());
  watch_.finish_aside("filling matrices");
  ways_ = multiplier_->prepare(product_, gemm_workspace_bytes, gemm_ways);
  choose();
  multiply_as_all_do();
}

std::uint64_t Gemm::result_bytes() const {
  return product_.m * product_.n * type_bytes(output_type(product_.precision));
}

void Gemm::take_memory(std::uint64_t workspace_bytes) {
  for (; product_.m >= least_size; product_.m /= 2, product_.n /= 2, product_.k /= 2, passes_ *= 8) {
    try {
      const std::uint64_t factor = product_.k * product_.m * type_bytes(input_type(product_.precision));
      std::uint64_t held = 0;
      const auto take = [&](std::uint64_t bytes) {
        cuda::MemoryHandle memory = cuda::allocate(*setup_, bytes, held);
        held += bytes;
        return memory;
      };
      a_ = take(factor);
      b_ = take(factor);
      d_ = take(result_bytes());
      kept_ = take(result_bytes());
      workspace_ = take(workspace_bytes);
      return;
    } catch (const cuda::OutOfMemory&) {
      for (cuda::MemoryHandle* taken : {&a_, &b_, &d_, &kept_, &workspace_}) *taken = cuda::MemoryHandle();
    }
  }
  throw Unavailable(fmt::format(
      "{} has {} of memory free, too little for matrices of {} x {} and {} beside: end what else uses it, or "
      "allow more by --gpu-memory",
      cuda::gpu_words(device_.facts()), format_bytes(device_.memory_left().free_bytes), least_size,
      least_size, format_bytes(workspace_bytes)));
}

void Gemm::multiply(std::size_t way) {
  multiplier_->multiply(way, a_.get(), b_.get(), d_.get(), workspace_.get(), watch_.stream());
}

void Gemm::choose() {
  std::vector<double> best_us(ways_.size(), std::numeric_limits<double>::infinity());
  std::string refusal;
  for (std::size_t way = 0; way < ways_.size(); ++way) {
    std::array<double, trials> times_us{};
    try {
      watch_.time(times_us, "a matrix multiplication", [&](std::size_t, std::size_t) { multiply(way); });
    } catch (const cuda::CudaError&) {
      throw;  // the GPU failed, and will with any other way
    } catch (const Unavailable& error) {
      refusal = error.what();
      continue;
    }
    best_us[way] = *std::min_element(times_us.begin() + 1, times_us.end());
  }
  const double fastest_us = *std::min_element(best_us.begin(), best_us.end());
  if (!std::isfinite(fastest_us)) throw Unavailable(refusal);
  way_ = static_cast<std::size_t>(
      std::find_if(best_us.begin(), best_us.end(), [&](double us) { return us <= as_good * fastest_us; }) -
      best_us.begin());
  once_us_ = best_us[way_];
  common_way_ = static_cast<std::size_t>(
      std::find_if(best_us.begin(), best_us.end(), [](double us) { return std::isfinite(us); }) -
      best_us.begin());
}

/// Which way is fastest depends on noise, too, and other ways add up in another order.
void Gemm::multiply_as_all_do() {
  std::array<double, 1> time_us{};
  watch_.time(time_us, "a matrix multiplication",
              [this](std::size_t, std::size_t) { multiply(common_way_); });
  common_digest_ = verifier_.digest(watch_, d_.get(), result_bytes());
}

void Gemm::run(std::span<double> times_us, std::uint64_t passes, const std::function<void()>& meanwhile) {
  // A product that is not written is no product of before.
  device_.set(d_.get(), 0xff, result_bytes(), watch_.aside());
  watch_.finish_aside("clearing a matrix");
  watch_.time(
      times_us, "a matrix multiplication",
      [&](std::size_t, std::size_t) {
        for (std::uint64_t pass = 0; pass < passes; ++pass) multiply(way_);
      },
      meanwhile, passes);
}

std::optional<Mismatch> Gemm::verify(std::uint64_t iteration) {
  const std::uint64_t digest = verifier_.digest(watch_, d_.get(), result_bytes());
  if (!digest_) {
    digest_ = digest;
    device_.copy(kept_.get(), d_.get(), result_bytes(), watch_.aside());
    watch_.finish_aside("keeping a result");
    return check_some(iteration);
  }
  if (digest == *digest_) return std::nullopt;
  return locate(iteration);
}

/// That the same bits come out each time does not make them right: some elements are held against the host's.
std::optional<Mismatch> Gemm::check_some(std::uint64_t iteration) {
  const std::uint64_t in_bytes = type_bytes(input_type(product_.precision));
  const DataType out = output_type(product_.precision);
  const std::uint64_t column = product_.k * in_bytes, stride = 2 * column + sizeof(std::uint64_t);
  const cuda::PinnedHandle here(device_, device_.allocate_pinned(checked_elements * stride));
  std::memset(here.get(), 0, checked_elements * stride);
  const auto index_of = [&](std::uint64_t number) {
    return device::mix(number + 1) % (product_.m * product_.n);
  };
  for (std::uint64_t number = 0; number < checked_elements; ++number) {
    const std::uint64_t index = index_of(number);
    std::byte* at = here.get() + number * stride;
    device_.copy(at, a_.get() + index % product_.m * column, column, watch_.aside());
    device_.copy(at + column, b_.get() + index / product_.m * column, column, watch_.aside());
    device_.copy(at + 2 * column, d_.get() + index * type_bytes(out), type_bytes(out), watch_.aside());
  }
  watch_.finish_aside("reading elements of a product");
  for (std::uint64_t number = 0; number < checked_elements; ++number) {
    const std::byte* at = here.get() + number * stride;
    const ExpectedElement expected = expected_element(at, at + column, product_.k, product_.precision);
    std::uint64_t bits = 0;
    std::memcpy(&bits, at + 2 * column, sizeof bits);
    const double got = number_of(bits, out);
    if (std::abs(got - expected.value) <= expected.tolerance) continue;  // false for what is no number, too
    return Mismatch{rank_, host_, iteration, index_of(number), expected.value, got};
  }
  return std::nullopt;
}

/// By halves: the digest of a half differs where an element in it does.
Mismatch Gemm::locate(std::uint64_t iteration) {
  const DataType type = output_type(product_.precision);
  const std::uint64_t element = type_bytes(type), word = sizeof(std::uint64_t);
  std::uint64_t begin = 0, length = result_bytes();
  while (length > word) {
    const std::uint64_t half = length / 2 / word * word;
    const std::uint64_t first = half > 0 ? half : word;
    const bool differs = verifier_.digest(watch_, d_.get() + begin, first) !=
                         verifier_.digest(watch_, kept_.get() + begin, first);
    if (!differs) begin += first;
    length = differs ? first : length - first;
  }
  const std::uint64_t expected = verifier_.word_at(watch_, kept_.get() + begin);
  const std::uint64_t got = verifier_.word_at(watch_, d_.get() + begin);
  const std::uint64_t bits = 8 * element;
  std::uint64_t at = 0;
  while (at + 1 < word / element && ((expected ^ got) >> (at * bits) & ((std::uint64_t{1} << bits) - 1)) == 0)
    ++at;
  const auto value = [&](std::uint64_t both) {
    return number_of(both >> (at * bits) & ((std::uint64_t{1} << bits) - 1), type);
  };
  Mismatch wrong;
  wrong.rank = rank_;
  wrong.host = host_;
  wrong.iteration = iteration;
  wrong.index = begin / element + at;
  wrong.expected = value(expected);
  wrong.got = value(got);
  return wrong;
}

std::map<std::string, Parameter> Gemm::path() const {
  std::map<std::string, Parameter> path = gpu_path(device_.facts());
  path["library"] = multiplier_->library();
  path["algorithm"] = ways_[way_];
  path["algorithms_tried"] = static_cast<std::int64_t>(ways_.size());
  path["precision"] = std::string(precision_name(product_.precision));
  path["size"] = static_cast<std::int64_t>(product_.m);
  if (digest_) path["digest"] = fmt::format("{:016x}", *digest_);
  path["common_algorithm"] = ways_[common_way_];
  path["common_digest"] = fmt::format("{:016x}", common_digest_);
  if (product_.m < asked_size_) {
    path["unjudged_because"] = std::string("smaller matrices have another rate");
    path["made_smaller"] =
        fmt::format("{} of {} rows and columns, for no more GPU memory was to be had; multiplied {} times",
                    product_.m, asked_size_, passes_);
  }
  return path;
}

}  // namespace fabricheck::node::gpu
