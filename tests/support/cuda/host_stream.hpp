// A stream of the stand-in GPU. The stand-in NCCL gets it as a pointer, as the real one gets a cudaStream_t.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace fabricheck::test {

struct HostStream {
  double time_us{};  ///< when the work put into it so far ends, by the model
  bool stuck{};      ///< something in it never ends
  int error{};       ///< cudaError_t that is reported from here on; 0: none
  bool capturing{};  ///< work is kept, not run
  std::vector<std::function<void(HostStream&)>> captured;

  /// Runs `work` at once, or keeps it for the graph.
  void enqueue(std::function<void(HostStream&)> work) {
    if (capturing) {
      captured.push_back(std::move(work));
    } else {
      work(*this);
    }
  }
};

}  // namespace fabricheck::test
