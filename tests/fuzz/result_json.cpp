#include "report/report.hpp"
#include "target.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fabricheck;
  return fuzz::run(data, size, [](std::string_view text) {
    const RunRecord record = report::from_json(text, "input");
    report::from_json(report::to_json(record), "written");
  });
}
