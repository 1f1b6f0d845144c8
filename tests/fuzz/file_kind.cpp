#include "target.hpp"
#include "topology/readers/readers.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fabricheck;
  return fuzz::run<UsageError>(data, size, [](std::string_view text) { topology::topology_file_kind(text); });
}
