#include "target.hpp"
#include "topology/probe/link_settings.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fabricheck;
  return fuzz::run(data, size, [](std::string_view text) {
    std::string why;
    const auto facts = topology::parse_dcb_answer(text, why);
    fuzz::demand(facts.has_value() || !why.empty());
    if (facts && facts->pfc)
      for (const int priority : *facts->pfc) fuzz::demand(priority >= 0 && priority < 8);
  });
}
