#include "fabric/nvlink/operations.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "core/error.hpp"
#include "core/units.hpp"
#include "device/cuda/stopwatch.hpp"
#include "device/cuda/verifier.hpp"
#include "fabric/nvlink/pair.hpp"

namespace fabricheck::nvlink {
namespace {

using cuda::Stopwatch;
using cuda::Verifier;

constexpr std::uint64_t alignment = 16;
constexpr std::uint64_t least_bytes = std::uint64_t{64} << 10;

/// 8 MiB: the L2 of the GPU that owns it holds them, so that the way there counts and not its HBM.
constexpr std::uint64_t ring_words = std::uint64_t{1} << 20;
/// Not in one line of 128 bytes or one after the other; odd, so that the ring meets every word.
constexpr std::uint64_t ring_stride = 8 * 1024 + 17;
constexpr std::uint64_t hops = 4096;

/// One way of a pair, with what is filled and compared on either side by that side's own GPU.
struct Lane {
  bool forth{};  ///< from rank 0's GPU to the other one
  cuda::MemoryHandle from, to;
  device::Pattern expected;
};

/// One GPU of the pair.
struct Side {
  cuda::Device* device;
  std::unique_ptr<Stopwatch> watch;
  std::unique_ptr<Verifier> verifier;

  Side(cuda::Device& one, const Clock& clock, std::int64_t deadline_ns)
      : device(&one),
        watch(std::make_unique<Stopwatch>(one, clock, deadline_ns)),
        verifier(std::make_unique<Verifier>(one)) {}
};

/// Where one GPU of a pair is given up, so is the other: work that did not end may still write to the memory
/// of both.
template <class Work>
auto of_both(const Pair& pair, Work&& work) {
  try {
    return work();
  } catch (const Error&) {
    if (pair.own().is_abandoned() || pair.other().is_abandoned()) {
      pair.own().abandon();
      pair.other().abandon();
    }
    throw;
  }
}

class PairCopy final : public TimedOperation {
 public:
  PairCopy(const std::shared_ptr<const cuda::Setup>& setup, const TimedRequest& request, PairUse use)
      : pair_(setup, request, use.by_kernel),
        use_(use),
        asked_bytes_(request.bytes / alignment * alignment),
        rank_(request.world_rank),
        host_(request.host) {
    all_or_none(*request.group, [&] {
      if (asked_bytes_ == 0)
        throw Unavailable(fmt::format("{} is less than a copy can have here, {}", format_bytes(request.bytes),
                                      format_bytes(alignment)));
      if (pair_.works()) take(*request.clock);
    });
  }

  void prepare(std::uint64_t first, std::size_t) override {
    if (!pair_.works()) return;
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      Lane& lane = lanes_[i];
      lane.expected = cuda::word_pattern(2 * first + i + 1);
      Side& source = lane.forth ? *own_ : *other_;
      Side& target = lane.forth ? *other_ : *own_;
      source.device->fill(lane.from.get(), bytes_, lane.expected, source.watch->aside());
      target.device->set(lane.to.get(), 0, bytes_, target.watch->aside());
    }
    of_both(pair_, [&] {
      own_->watch->finish_aside("filling memory");
      other_->watch->finish_aside("filling memory");
    });
  }

  void run(std::uint64_t, std::span<double> times_us) override {
    if (!pair_.works()) return;
    of_both(pair_, [&] {
      timed_->time(
          times_us, "a copy between two GPUs",
          [this](std::size_t, std::size_t lane) {
            for (std::uint64_t pass = 0; pass < passes_; ++pass) copy(lanes_[lane], timed_->stream(lane));
          },
          {}, passes_);
    });
  }

  Verified verify(std::uint64_t first, std::size_t count) override {
    Verified verified;
    if (!pair_.works()) return verified;
    for (const Lane& lane : lanes_) {
      Side& target = lane.forth ? *other_ : *own_;
      const auto wrong = of_both(pair_, [&] {
        return target.verifier->compare(*target.watch, lane.to.get(), bytes_, lane.expected);
      });
      ++verified.messages;
      if (wrong && !verified.mismatch)
        verified.mismatch = cuda::mismatch_of(*wrong, lane.expected, rank_, host_, first + count - 1, false);
    }
    return verified;
  }
  bool verifies_each() const override { return false; }

  std::map<std::string, Parameter> path() const override {
    std::map<std::string, Parameter> path = pair_.path();
    if (pair_.works() && bytes_ < asked_bytes_) {
      path["bytes_per_copy"] = static_cast<std::int64_t>(bytes_);
      path["unjudged_because"] = std::string("in small copies what each costs to begin counts");
      path["made_smaller"] = fmt::format("{} of {}, for no more GPU memory was to be had; copied {} times",
                                         format_bytes(bytes_), format_bytes(asked_bytes_), passes_);
    }
    return path;
  }

 private:
  void take(const Clock& clock) {
    const int arrays = use_.both_ways ? 2 : 1;
    const std::uint64_t least = std::min(asked_bytes_, least_bytes);
    bytes_ = asked_bytes_;
    for (const cuda::Setup* setup : {&pair_.own_setup(), &pair_.other_setup()}) {
      bytes_ = cuda::fitting_bytes(*setup, bytes_, least, arrays);
      if (bytes_ == 0)
        throw Unavailable(fmt::format("{} has {} of memory free, and {} are needed: end what else uses it",
                                      cuda::gpu_words(setup->device->facts()),
                                      format_bytes(setup->device->memory_left().free_bytes),
                                      format_bytes(static_cast<std::uint64_t>(arrays) * least)));
    }
    bytes_ = bytes_ / alignment * alignment;
    passes_ = asked_bytes_ / bytes_;
    const std::int64_t deadline_ns = pair_.own_setup().deadline_ns;
    own_.emplace(pair_.own(), clock, deadline_ns);
    other_.emplace(pair_.other(), clock, deadline_ns);
    // Each GPU pushes: one GPU's copy engines for both ways might take turns.
    std::vector<cuda::Device*> pushing{&pair_.own()};
    if (use_.both_ways) pushing.push_back(&pair_.other());
    timed_.emplace(pushing, clock, deadline_ns);
    for (int i = 0; i < arrays; ++i) {
      const std::uint64_t held = static_cast<std::uint64_t>(i) * bytes_;
      Lane lane;
      lane.forth = i == 0;
      lane.from = cuda::allocate(lane.forth ? pair_.own_setup() : pair_.other_setup(), bytes_, held);
      lane.to = cuda::allocate(lane.forth ? pair_.other_setup() : pair_.own_setup(), bytes_, held);
      lanes_.push_back(std::move(lane));
    }
  }

  void copy(const Lane& lane, cuda::Stream stream) {
    cuda::Device& pushing = lane.forth ? pair_.own() : pair_.other();
    if (use_.by_kernel) {
      pushing.access(cuda::Access::copy, lane.to.get(), lane.from.get(), nullptr, bytes_, stream);
    } else {
      pushing.copy(lane.to.get(), lane.from.get(), bytes_, stream);
    }
  }

  Pair pair_;
  PairUse use_;
  std::uint64_t asked_bytes_, bytes_{}, passes_{1};
  int rank_;
  std::string host_;
  std::optional<Side> own_, other_;
  std::optional<Stopwatch> timed_;
  std::vector<Lane> lanes_;
};

class PairLatency final : public TimedOperation {
 public:
  PairLatency(const std::shared_ptr<const cuda::Setup>& setup, const TimedRequest& request)
      : pair_(setup, request, true), rank_(request.world_rank), host_(request.host) {
    all_or_none(*request.group, [&] {
      if (!pair_.works()) return;
      watch_.emplace(pair_.own(), *request.clock, pair_.own_setup().deadline_ns);
      verifier_.emplace(pair_.own());
      ring_ = cuda::allocate(pair_.other_setup(), ring_words * sizeof(std::uint64_t));
      sink_ = cuda::allocate(pair_.own_setup(), alignment);
      pair_.own().make_ring(ring_.get(), ring_words, ring_stride, watch_->aside());
      of_both(pair_, [&] { watch_->finish_aside("writing a ring into the other GPU's memory"); });
    });
  }

  void run(std::uint64_t, std::span<double> times_us) override {
    if (!pair_.works()) return;
    of_both(pair_, [&] {
      watch_->time(times_us, "reading another GPU's memory", [this](std::size_t, std::size_t) {
        pair_.own().chase(ring_.get(), hops, sink_.get(), watch_->stream());
      });
    });
    for (double& time_us : times_us) time_us /= static_cast<double>(hops);
  }

  /// Where the last read led to follows from every one before it.
  Verified verify(std::uint64_t first, std::size_t count) override {
    Verified verified;
    if (!pair_.works()) return verified;
    verified.messages = 1;
    constexpr std::uint64_t expected = hops * ring_stride % ring_words;
    const std::uint64_t got = verifier_->word_at(*watch_, sink_.get());
    if (got != expected)
      verified.mismatch = Mismatch{
          rank_, host_, first + count - 1, hops - 1, static_cast<double>(expected), static_cast<double>(got)};
    return verified;
  }
  bool verifies_each() const override { return false; }

  std::map<std::string, Parameter> path() const override {
    std::map<std::string, Parameter> path = pair_.path();
    path["reads_per_sample"] = static_cast<std::int64_t>(hops);
    return path;
  }

 private:
  Pair pair_;
  int rank_;
  std::string host_;
  std::optional<Stopwatch> watch_;
  std::optional<Verifier> verifier_;
  cuda::MemoryHandle ring_, sink_;
};

}  // namespace

std::unique_ptr<TimedOperation> make_pair_copy(const std::shared_ptr<const cuda::Setup>& setup,
                                               const TimedRequest& request, PairUse use) {
  return std::make_unique<PairCopy>(setup, request, use);
}

std::unique_ptr<TimedOperation> make_pair_latency(const std::shared_ptr<const cuda::Setup>& setup,
                                                  const TimedRequest& request) {
  return std::make_unique<PairLatency>(setup, request);
}

}  // namespace fabricheck::nvlink
