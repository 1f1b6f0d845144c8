#include "config/targets_file.hpp"
#include "target.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fabricheck;
  return fuzz::run(data, size, [](std::string_view text) {
    config::parse_targets(text, "input", {{"mpi.allreduce.latency", "us"}, {"mpi.bcast.busbw", "GB/s"}});
  });
}
