// Ranks fail together: a local error is every rank's.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "core/communicator.hpp"

namespace fabricheck::control {

struct AgreedError {
  enum class Kind { unavailable, broken, usage };
  std::string text;  ///< "rank 2 on h7: …", of the lowest rank that failed; a usage error's own words
  Kind kind{Kind::broken};
};

/// Runs `work` on every rank, keeps what it throws, and tells all. nullopt when none failed. Collective.
/// `world_rank` is how this rank is called where `world` is only a part of the world.
std::optional<AgreedError> together(Communicator& world, const std::string& host,
                                    const std::function<void()>& work, std::optional<int> world_rank = {});

}  // namespace fabricheck::control
