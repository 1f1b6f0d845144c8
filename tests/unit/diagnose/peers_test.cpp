// nvidia-smi topo -p2p: which GPUs of a host may access each other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "logs.hpp"

namespace fabricheck::diagnose {
namespace {

using testing::HasSubstr;

/// A matrix of four GPUs with `cell` between all of them, and `odd` in the row and the column of GPU2.
std::string matrix(const std::string& cell, const std::string& odd) {
  std::string text = " \tGPU0\tGPU1\tGPU2\tGPU3\t\n";
  for (int row = 0; row < 4; ++row) {
    text += " GPU" + std::to_string(row);
    for (int column = 0; column < 4; ++column)
      text += "\t" + (row == column ? "X" : row == 2 || column == 2 ? odd : cell);
    text += "\t\n";
  }
  return text + "\nLegend:\n\n  X    = Self\n  OK   = Status Ok\n  GNS  = GPU not supported\n";
}

TEST(PeerMatrix, OfGpusThatMayAllAccessEachOtherHasNothingWrong) {
  const Diagnosis found = diagnosed(matrix("OK", "OK"));
  EXPECT_TRUE(found.findings.empty());
  EXPECT_TRUE(found.is_conclusive);
  EXPECT_THAT(found.seen, testing::Contains(HasSubstr("all 4 GPUs")));
}

TEST(PeerMatrix, OfGpusThatMayNotSaysWhyAndAccusesNobody) {
  const std::pair<const char*, const char*> words[] = {
      {"GNS", "p2p-not-supported-gpu"}, {"CNS", "p2p-disabled"}, {"TNS", "p2p-disabled"},
      {"NS", "p2p-disabled"},           {"DR", "p2p-disabled"},  {"U", "p2p-disabled"}};
  for (const auto& [code, slug] : words) {
    const Diagnosis found = diagnosed(matrix(code, code));
    ASSERT_EQ(slugs(found), std::vector<std::string>{slug}) << code;
    EXPECT_FALSE(found.has_fault || found.is_conclusive) << code;
    EXPECT_THAT(found.findings.front().meaning,
                HasSubstr(std::string("no two GPUs access each other directly (") + code));
  }
  EXPECT_THAT(diagnosed(matrix("DR", "OK")).findings.front().meaning, HasSubstr("not all pairs"));
}

TEST(PeerMatrix, NamesTheOneGpuThatMayAccessNone) {
  const Diagnosis found = diagnosed(matrix("OK", "NS"));
  ASSERT_EQ(slugs(found), std::vector<std::string>{"p2p-disabled"});
  EXPECT_EQ(found.findings.front().component.name, "GPU2");
  EXPECT_EQ(found.findings.front().confidence, "likely");
  EXPECT_FALSE(found.has_fault) << "it may be of another model";
}

TEST(PeerMatrix, ThatIsCutOrAnotherIsNone) {
  const std::string whole = matrix("OK", "OK");
  EXPECT_FALSE(diagnosed(whole.substr(0, whole.find(" GPU3\t"))).is_conclusive);
  EXPECT_FALSE(
      diagnosed("\tGPU0\tGPU1\tCPU Affinity\nGPU0\t X \tNV12\t0-15\nGPU1\tNV12\t X \t0-15\n").is_conclusive);
  EXPECT_FALSE(diagnosed(" \tGPU0\tGPU1\t\n GPU0\tX\tYES\t\n GPU1\tYES\tX\t\n").is_conclusive);
}

}  // namespace
}  // namespace fabricheck::diagnose
