#include "control/agreement.hpp"

#include <array>

#include <fmt/format.h>

#include "core/error.hpp"

namespace fabricheck::control {

std::optional<AgreedError> together(Communicator& world, const std::string& host,
                                    const std::function<void()>& work, std::optional<int> world_rank) {
  std::string text;
  double kind = 0.0;  // 0.5 an echo, 1 unavailable, 2 broken, 3 usage: the gravest counts
  const auto here = [&](const std::exception& error) {
    return fmt::format("rank {} on {}: {}", world_rank.value_or(world.rank()), host, error.what());
  };
  try {
    work();
  } catch (const UsageError& error) {
    text = error.what();  // about the command, not about a rank
    kind = 3.0;
  } catch (const Echo& error) {
    text = here(error);
    kind = 0.5;
  } catch (const Unavailable& error) {
    text = here(error);
    kind = 1.0;
  } catch (const std::exception& error) {
    text = here(error);
    kind = 2.0;
  }
  std::array<double, 1> gravest{kind};
  world.allreduce(gravest, ReduceOp::max);
  if (gravest[0] == 0.0) return std::nullopt;
  std::string first;
  for (const std::string& one : gather_strings(world, kind == gravest[0] ? text : std::string(), 0))
    if (first.empty()) first = one;
  return AgreedError{broadcast_string(world, first, 0), gravest[0] == 3.0   ? AgreedError::Kind::usage
                                                        : gravest[0] == 1.0 ? AgreedError::Kind::unavailable
                                                                            : AgreedError::Kind::broken};
}

}  // namespace fabricheck::control
