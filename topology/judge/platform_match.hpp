// Which platform a host should be, and by whose word. Private to this folder.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/platform.hpp"
#include "core/topology_record.hpp"
#include "core/verdict.hpp"

namespace fabricheck::topology {

struct PlatformMatch {
  enum class Word { user, product, gpus };
  const Platform* platform{};  ///< none: `verdict` and `why` say what that means
  Expectation expected;        ///< the platform's, with what its variant adds
  std::string product;         ///< the name or alias that told; empty when the GPUs did
  Word word{};
  Verdict verdict{Verdict::skipped};
  std::string why;
};

/// The platforms of this name or alias, the case of letters aside.
std::vector<PlatformMatch> platforms_named(std::string_view name, std::span<const Platform> platforms);

/// The platforms that a DMI product names: "NVIDIA DGXH100", "p5.48xlarge", "g5.xlarge" of the family g5.
std::vector<PlatformMatch> platforms_of_product(std::string_view product,
                                                std::span<const Platform> platforms);

/// Whether the GPU is of this platform's model, by name or PCI id. A GPU of which neither is known is.
bool is_gpu_of(const Platform& platform, const Host& host, const Gpu& gpu);

/// Which of several told platforms the GPUs are of; the first when they do not tell.
PlatformMatch best_by_gpus(const std::vector<PlatformMatch>& told, const Host& host);

/// By the product, else by GPU model and count. What PCI shows counts as there, so that a dead GPU does not
/// make the platform smaller, and a host that could be the rest of a larger platform is matched to none.
PlatformMatch find_platform(const Host& host, std::span<const Platform> platforms);

}  // namespace fabricheck::topology
