#include "topology/probe/gpu_sampler.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <thread>

#include "core/descriptor.hpp"
#include "process/child.hpp"
#include "unit/topology/probe/nvml_machine.hpp"

namespace fabricheck::topology {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class Sampled : public NvmlMachine {
 protected:
  /// What `work` says, in a process that has not opened the library before: it is opened once for all.
  static std::string in_child(const std::function<std::string()>& work) {
    std::string said;
    const process::ChildEnd end =
        process::run_in_child([&](int descriptor) { write_all(descriptor, work()); }, 30s,
                              [&](std::string_view text) {
                                said += text;
                                return true;
                              });
    EXPECT_TRUE(end.in_time);
    return said;
  }
  /// The first sample, or the problem; empty where neither came within `patience`.
  static std::string first_words(const std::string& library, const std::string& address,
                                 std::chrono::milliseconds patience = 10s) {
    GpuSampler sampler(library, address, 1ms);
    for (auto waited = 0ms; waited < patience; waited += 2ms) {
      if (const auto seen = sampler.sample())
        return fmt::format("{} MHz {} W {} C {}", seen->sm_clock_MHz.value_or(-1), seen->power_W.value_or(-1),
                           seen->temperature_C.value_or(-1),
                           fmt::join(seen->throttle_reasons.value_or(std::vector<std::string>{}), ","));
      if (const std::string problem = sampler.problem(); !problem.empty()) return problem;
      std::this_thread::sleep_for(2ms);
    }
    return {};
  }
};

TEST_F(Sampled, TellsWhatNvmlSaysOfThisGpu) {
  replay("h100x8.json");
  EXPECT_EQ(in_child([] { return first_words(STANDIN_NVML, "0000:5d:00.0"); }),
            "345 MHz 71.213 W 27 C gpu-idle");
  EXPECT_EQ(in_child([] { return first_words(STANDIN_NVML_R450, "0000:db:00.0"); }),
            "345 MHz 71.213 W 27 C gpu-idle");
}

/// How many of up to `wanted` samples there are within `patience`.
int samples_of(GpuSampler& sampler, int wanted, std::chrono::milliseconds patience) {
  int seen = 0;
  for (auto waited = 0ms; waited < patience && seen < wanted; waited += 5ms) {
    if (sampler.sample()) ++seen;
    std::this_thread::sleep_for(5ms);
  }
  return seen;
}

TEST_F(Sampled, GoesOn) {
  replay("h100x8.json");
  EXPECT_EQ(in_child([] {
              GpuSampler sampler(STANDIN_NVML, "0000:5d:00.0", 10ms);
              return std::to_string(samples_of(sampler, 3, 20s));
            }),
            "3");
}

TEST_F(Sampled, TellsNothingTwice) {
  replay("h100x8.json");
  EXPECT_EQ(in_child([] {
              GpuSampler sampler(STANDIN_NVML, "0000:5d:00.0", 10min);
              const int first = samples_of(sampler, 1, 20s);
              return fmt::format("{}, then {}", first, samples_of(sampler, 1, 50ms));
            }),
            "1, then 0");
}

TEST_F(Sampled, SaysWhyThereIsNothing) {
  replay("h100x8.json");
  EXPECT_EQ(in_child([] { return first_words(STANDIN_NVML, "0000:ff:00.0"); }),
            "NVML shows no GPU at 0000:ff:00.0");
  EXPECT_EQ(in_child([] { return first_words("libno-such-nvml.so.1", "0000:5d:00.0"); }),
            "libno-such-nvml.so.1 is not on this host");
}

TEST_F(Sampled, IsNotHeldUpByNvml) {
  replay("hangs.json");
  // The temperature of GPU 3, which is this one, is never told.
  EXPECT_EQ(in_child([] { return "end " + first_words(STANDIN_NVML, "0000:5d:00.0", 300ms); }), "end ");
  EXPECT_THAT(in_child([] { return first_words(STANDIN_NVML, "0000:18:00.0"); }), HasSubstr("345 MHz"));
}

}  // namespace
}  // namespace fabricheck::topology
