#include "core/communicator.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/thread_communicator.hpp"

namespace fabricheck {
namespace {

/// What each of three ranks was left with: "done", "<kind>: <words>".
std::vector<std::string> left_with(const std::vector<std::string>& thrown) {
  std::vector<std::string> words(thrown.size());
  run_ranks(static_cast<int>(thrown.size()), [&](Communicator& group) {
    const auto rank = static_cast<std::size_t>(group.rank());
    try {
      all_or_none(group, [&] {
        if (!thrown[rank].empty()) throw Unavailable(thrown[rank]);
      });
      words[rank] = "done";
    } catch (const Echo& echo) {
      words[rank] = std::string("echo: ") + echo.what();
    } catch (const Unavailable& own) {
      words[rank] = std::string("own: ") + own.what();
    }
    // All ranks are still in step.
    std::array<double, 1> one{1.0};
    group.allreduce(one, ReduceOp::sum);
    EXPECT_EQ(one[0], static_cast<double>(thrown.size()));
  });
  return words;
}

TEST(AllOrNone, GoesOnWhereNobodyThrew) { EXPECT_THAT(left_with({"", "", ""}), testing::Each("done")); }

TEST(AllOrNone, WhoThrewKeepsItsOwnWordsAndTheOthersNameIt) {
  EXPECT_THAT(left_with({"", "no GPU", ""}),
              testing::ElementsAre("echo: rank 1 of the group could not go on: no GPU", "own: no GPU",
                                   "echo: rank 1 of the group could not go on: no GPU"));
}

TEST(AllOrNone, TheFirstOfSeveralIsNamed) {
  EXPECT_THAT(left_with({"", "no GPU", "no driver"}),
              testing::ElementsAre("echo: rank 1 of the group could not go on: no GPU", "own: no GPU",
                                   "own: no driver"));
}

}  // namespace
}  // namespace fabricheck
