#include <fmt/format.h>

#include "topology/judge/judge.hpp"
#include "topology/judge/platform_match.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::topology {

std::optional<Expectation> expectation_from_product(const Host& host, std::span<const Platform> platforms) {
  const auto told = platforms_of_product(host.environment.product, platforms);
  if (told.empty()) return std::nullopt;
  const PlatformMatch match = best_by_gpus(told, host);
  Expectation expectation = match.expected;
  expectation.source = fmt::format("DMI product {}", printable(host.environment.product));
  // DGXA100 comes with two models, and what this host has is not what all of the product have.
  if (told.size() == 1 && match.platform->gpu_names.size() == 1)
    expectation.gpu_model = match.platform->gpu_names.front();
  // A hypervisor keeps NVSwitches to itself, and those of NVLink 5 are no PCI NVSwitches.
  expectation.nvswitches.reset();
  return expectation;
}

}  // namespace fabricheck::topology
