#include "target.hpp"
#include "topology/probe/nvml.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fabricheck;
  return fuzz::run(data, size, [](std::string_view text) { topology::parse_nvml_records(text); });
}
