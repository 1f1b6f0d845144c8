// What our own code costs between posting a message and having polled its completion: an RC read of 8 B as
// the checks measure it, over a stand-in that completes at once, against a bare loop over the same stand-in.
// In turns, so that what disturbs the machine disturbs both. Exit status 1 where the median difference is
// more than 50 ns.
#include <algorithm>
#include <array>
#include <cstdio>
#include <vector>

#include "core/clock.hpp"
#include "core/statistics.hpp"
#include "core/thread_communicator.hpp"
#include "fabric/verbs/measure/operations.hpp"
#include "support/verbs/stub_provider.hpp"

namespace fabricheck {
namespace {

constexpr double limit_ns = 50.0;
constexpr std::size_t batch = 2000;
constexpr int rounds = 51;

/// Post and poll with nothing around them.
class BareLoop {
 public:
  BareLoop() : device_(test::make_stub_device()), memory_(device::Buffer::in_host_memory(4096)) {
    region_ = device_->register_memory(memory_, false);
    for (int i = 0; i < 2; ++i) {
      completions_[i] = device_->make_completion_queue(64);
      pairs_[i] = device_->make_queue_pair(*completions_[i], *completions_[i], {}, 1);
    }
    for (int i = 0; i < 2; ++i) {
      verbs::RemoteAddress remote;
      remote.queue_pair = pairs_[1 - i]->number();
      pairs_[i]->connect({}, remote, 0);
    }
  }

  double median_ns(const Clock& clock) {
    verbs::WorkRequest read;
    read.opcode = verbs::Opcode::read;
    read.local = memory_.bytes().data();
    read.bytes = 8;
    read.remote = reinterpret_cast<std::uint64_t>(memory_.bytes().data() + 64);
    std::array<verbs::Completion, 1> done;
    std::vector<double> times_ns(batch);
    for (double& time_ns : times_ns) {
      const std::int64_t begin = clock.now_ns();
      pairs_[0]->post(read);
      while (completions_[0]->poll(done) == 0) {
      }
      time_ns = static_cast<double>(clock.now_ns() - begin);
    }
    return *describe(times_ns).median;
  }

 private:
  std::shared_ptr<verbs::Device> device_;
  device::Buffer memory_;
  std::unique_ptr<verbs::MemoryRegion> region_;
  std::array<std::unique_ptr<verbs::CompletionQueue>, 2> completions_;
  std::array<std::unique_ptr<verbs::QueuePair>, 2> pairs_;
};

double measured_ns(TimedOperation& operation, std::uint64_t first) {
  std::vector<double> times_us(batch);
  operation.run(first, times_us);
  return 1000.0 * *describe(times_us).median;
}

int compare() {
  std::vector<double> bare_ns, ours_ns, more_ns;
  run_ranks(2, [&](Communicator& world) {
    const SteadyClock clock;
    verbs::Setup setup;
    setup.port = {test::make_stub_device(),
                  {"h" + std::to_string(world.rank()), "stub0", test::stub_port(world.rank() + 1)}};
    TimedRequest request;
    request.group = &world;
    request.clock = &clock;
    request.bytes = 8;
    const auto operation = verbs::make_latency(setup, request, verbs::Transport::rc, verbs::Opcode::read);
    operation->prepare(0, batch);
    world.barrier();
    if (world.rank() == 0) {
      BareLoop bare;
      bare.median_ns(clock);
      for (int round = 0; round < rounds; ++round) {
        bare_ns.push_back(bare.median_ns(clock));
        ours_ns.push_back(measured_ns(*operation, 0));
        more_ns.push_back(ours_ns.back() - bare_ns.back());
      }
    }
    world.barrier();
  });
  const double more = *describe(more_ns).median;
  std::printf("post to polled over a stand-in that completes at once, median of %d x %zu:\n", rounds, batch);
  std::printf("  bare loop   %6.1f ns\n  as measured %6.1f ns\n  our own     %6.1f ns (limit %.0f ns)\n",
              *describe(bare_ns).median, *describe(ours_ns).median, more, limit_ns);
  return more <= limit_ns ? 0 : 1;
}

}  // namespace
}  // namespace fabricheck

int main() { return fabricheck::compare(); }
