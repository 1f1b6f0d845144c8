#include "core/speaker.hpp"

#include <gtest/gtest.h>

namespace fabricheck {
namespace {

TEST(Speaker, IsTheRankAndItsHost) {
  const auto speaker = speaker_of("rank 12 on node-3.example: it hung: twice");
  ASSERT_TRUE(speaker);
  EXPECT_EQ(speaker->rank, 12);
  EXPECT_EQ(speaker->host, "node-3.example");
  EXPECT_EQ(std::string("rank 12 on node-3.example: it hung: twice").substr(speaker->length),
            "it hung: twice");
}

TEST(Speaker, IsNobodyWhereASentenceBeginsOtherwise) {
  for (const char* sentence :
       {"", "rank ", "rank x on n1: a", "rank 1 at n1: a", "rank 1 on n1", "rank 1 on : a",
        "rank 1 on node one: a", "rank -1 on n1: a", "on rank 1 on n1: a"})
    EXPECT_FALSE(speaker_of(sentence)) << sentence;
}

}  // namespace
}  // namespace fabricheck
