#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

#include "core/error.hpp"
#include "core/units.hpp"
#include "device/cuda/stopwatch.hpp"
#include "device/cuda/verifier.hpp"
#include "node/gpu/common.hpp"
#include "node/gpu/cpu_place.hpp"
#include "node/gpu/operations.hpp"

namespace fabricheck::node::gpu {
namespace {

/// 2 us are one in a hundred of what this takes over PCIe 5.0.
constexpr std::uint64_t least_judged_bytes = std::uint64_t{8} << 20;

constexpr std::uint64_t least_bytes = 16;
/// An event tells the time to half a microsecond (CUDA Runtime API, cudaEventElapsedTime), so one sample is
/// many copies.
constexpr int copies_per_sample = 32;

constexpr std::uint64_t own_piece_bytes = std::uint64_t{4} << 20;

struct Pinned {
  cuda::PinnedHandle memory;
  std::string place;  ///< "NUMA node 1 (far)"
  bool is_placed{};   ///< and not merely where this rank runs
};

Pinned allocate_at(cuda::Device& device, std::uint64_t bytes, const NumaPlaces& numa, HostMemory memory) {
  const bool is_far = memory == HostMemory::far;
  const std::string& cpus = is_far ? numa.far_cpus : numa.near_cpus;
  if (is_far && cpus.empty())
    throw Unavailable("this host has no NUMA node with CPUs that is far from the GPU, or none is known");
  const OnCpus moved(cpus);
  if (is_far && !moved.is_there())
    throw Unavailable(
        fmt::format("this process may not run on CPUs {} of NUMA node {}, where memory far from the GPU is "
                    "taken: give it all CPUs of the node (cpuset of its container or Slurm job)",
                    cpus, numa.far_node));
  Pinned pinned;
  // A small piece can come out of a larger one that was taken elsewhere.
  pinned.memory = {device, device.allocate_pinned(std::max(bytes, own_piece_bytes))};
  const bool moved_there = moved.is_there() && !cpus.empty();
  pinned.is_placed = moved_there || (!is_far && numa.is_uniform);
  if (moved_there) {
    pinned.place =
        fmt::format("NUMA node {} ({})", is_far ? numa.far_node : numa.near_node, is_far ? "far" : "near");
  } else {
    pinned.place = "where this rank runs";
  }
  return pinned;
}

/// What a rank may take of its host's memory; 0: not known.
std::uint64_t within_host(std::uint64_t bytes, std::uint64_t limit_bytes, int buffers) {
  const std::uint64_t asked = bytes;
  while (limit_bytes > 0 && bytes * static_cast<std::uint64_t>(buffers) > limit_bytes && bytes > least_bytes)
    bytes /= 2;
  if (limit_bytes > 0 && bytes * static_cast<std::uint64_t>(buffers) > limit_bytes)
    throw Unavailable(
        fmt::format("needs {} of pinned host memory, and this rank's share of what is left is {}",
                    format_bytes(asked), format_bytes(limit_bytes)));
  return bytes;
}

class HostCopy final : public TimedOperation {
 public:
  HostCopy(const SharedSetup& setup, const Settings& settings, const TimedRequest& request,
           HostDirection direction, HostMemory memory, int copies)
      : setup_(setup),
        device_(cuda::device_of(setup)),
        copies_(copies),
        asked_bytes_(request.bytes),
        rank_(request.world_rank),
        host_(request.host),
        watch_(device_, *request.clock, setup->deadline_ns, direction == HostDirection::both ? 2 : 1),
        verifier_(device_) {
    const int lanes = direction == HostDirection::both ? 2 : 1;
    const std::uint64_t asked = within_host(request.bytes, request.memory_limit_bytes, lanes);
    bytes_ = array_bytes(*setup, asked, std::min(asked, least_bytes), lanes);
    passes_ = request.bytes / bytes_;
    for (int i = 0; i < lanes; ++i) {
      const bool to_gpu = direction == HostDirection::to_gpu || i == 1;
      Lane lane{to_gpu,
                cuda::allocate(*setup, bytes_, static_cast<std::uint64_t>(i) * bytes_),
                allocate_at(device_, bytes_, settings.numa, memory),
                {}};
      lanes_.push_back(std::move(lane));
    }
    if (copies_ > 1) keep_copies();
  }

  void prepare(std::uint64_t first, std::size_t) override {
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      Lane& lane = lanes_[i];
      lane.expected = cuda::word_pattern(2 * first + i + 1);
      device_.fill(lane.on_gpu.get(), bytes_, lane.expected, watch_.aside());
      if (!lane.to_gpu) continue;
      device_.copy(lane.on_host.memory.get(), lane.on_gpu.get(), bytes_, watch_.aside());
      device_.set(lane.on_gpu.get(), 0, bytes_, watch_.aside());
    }
    watch_.finish_aside("filling memory");
  }

  void run(std::uint64_t, std::span<double> times_us) override {
    watch_.time(
        times_us, copies_ > 1 ? "a small copy" : "a copy between host and GPU",
        [this](std::size_t, std::size_t lane) {
          if (graph_) {
            device_.launch(graph_.get(), watch_.stream());
          } else {
            for (std::uint64_t pass = 0; pass < passes_; ++pass) copy(lane);
          }
        },
        {}, passes_ * static_cast<std::uint64_t>(copies_));
    for (double& time_us : times_us) time_us /= copies_;
  }

  Verified verify(std::uint64_t first, std::size_t count) override {
    Verified verified{lanes_.size(), std::nullopt};
    for (Lane& lane : lanes_) {
      if (!lane.to_gpu) {
        device_.set(lane.on_gpu.get(), 0, bytes_, watch_.aside());
        device_.copy(lane.on_gpu.get(), lane.on_host.memory.get(), bytes_, watch_.aside());
      }
      const auto wrong = verifier_.compare(watch_, lane.on_gpu.get(), bytes_, lane.expected);
      if (wrong && !verified.mismatch)
        verified.mismatch = cuda::mismatch_of(*wrong, lane.expected, rank_, host_, first + count - 1, false);
    }
    return verified;
  }
  bool verifies_each() const override { return false; }

  std::map<std::string, Parameter> path() const override {
    std::map<std::string, Parameter> path = gpu_path(device_.facts());
    path["host_memory"] = lanes_.front().on_host.place;
    if (copies_ > 1) path["copies_per_sample"] = static_cast<std::int64_t>(copies_);
    if (bytes_ < asked_bytes_) {
      if (bytes_ < least_judged_bytes)
        path["unjudged_because"] = std::string("in small copies what each costs to begin counts");
      path["made_smaller"] = smaller_words(bytes_, asked_bytes_, passes_);
    }
    if (!lanes_.front().on_host.is_placed)
      path["unjudged_because"] = std::string(
          "whether its host memory is near the GPU is not known: the GPU tells no NUMA node, or "
          "this rank may not run on the CPUs of it");
    return path;
  }

 private:
  /// One direction.
  struct Lane {
    bool to_gpu{};
    cuda::MemoryHandle on_gpu;
    Pinned on_host;
    device::Pattern expected;
  };

  void copy(std::size_t number) {
    Lane& lane = lanes_[number];
    std::byte* gpu = lane.on_gpu.get();
    std::byte* host = lane.on_host.memory.get();
    device_.copy(lane.to_gpu ? gpu : host, lane.to_gpu ? host : gpu, bytes_, watch_.stream(number));
  }

  /// All copies of a sample as one launch, so that none of them waits for the host.
  void keep_copies() {
    device_.begin_capture(watch_.stream());
    for (int i = 0; i < copies_; ++i) copy(0);
    graph_ = {device_, device_.end_capture(watch_.stream())};
  }

  SharedSetup setup_;
  cuda::Device& device_;
  int copies_;
  std::uint64_t asked_bytes_, bytes_{}, passes_{};
  int rank_;
  std::string host_;
  cuda::Stopwatch watch_;
  cuda::Verifier verifier_;
  std::vector<Lane> lanes_;
  cuda::GraphHandle graph_;
};

}  // namespace

std::unique_ptr<TimedOperation> make_host_copy(const SharedSetup& setup, const SharedSettings& settings,
                                               const TimedRequest& request, HostDirection direction,
                                               HostMemory memory) {
  return std::make_unique<HostCopy>(setup, settings_or_default(settings), request, direction, memory, 1);
}

std::unique_ptr<TimedOperation> make_host_latency(const SharedSetup& setup, const SharedSettings& settings,
                                                  const TimedRequest& request, HostDirection direction,
                                                  HostMemory memory) {
  return std::make_unique<HostCopy>(setup, settings_or_default(settings), request, direction, memory,
                                    copies_per_sample);
}

}  // namespace fabricheck::node::gpu
