#include "fabric/counters/judgement.hpp"
#include "target.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fabricheck;
  return fuzz::run(data, size, [](std::string_view text) {
    const auto ports = counters::decode(std::string(text));
    counters::findings_of(counters::judge(ports, {"check", false}).troubles);
    counters::class_findings(ports, true);
  });
}
