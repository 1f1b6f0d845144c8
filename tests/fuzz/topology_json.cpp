#include "report/report.hpp"
#include "target.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fabricheck;
  return fuzz::run(data, size, [](std::string_view text) {
    const ClusterTopology topology = report::topology_from_json(text, "input");
    fuzz::demand(report::topology_from_json(report::topology_to_json(topology), "written") == topology);
  });
}
