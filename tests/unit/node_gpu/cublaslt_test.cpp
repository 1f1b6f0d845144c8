// The library itself, where this machine has it; without a GPU it cannot do more than open.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/error.hpp"
#include "node/gpu/multiplier.hpp"

#ifdef FABRICHECK_ADDRESS_SANITIZER
/// Without a driver cublasLtCreate fails and loses 192 bytes of its own.
extern "C" const char* __lsan_default_suppressions() { return "leak:libcublasLt\n"; }  // NOLINT: its name
#endif

namespace fabricheck::node::gpu {
namespace {

TEST(CublasLt, OpensOrSaysWhyNot) {
  try {
    const auto multiplier = open_multiplier();
    EXPECT_THAT(multiplier->library(), testing::MatchesRegex("cuBLASLt 1[23]\\..*libcublasLt.*"));
  } catch (const Unavailable& error) {
    EXPECT_THAT(error.what(), testing::AnyOf(testing::HasSubstr("cuBLASLt is not on this host"),
                                             testing::HasSubstr("built without CUDA")));
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("cublasLtCreate failed: "));
    EXPECT_THAT(error.what(), testing::HasSubstr("CUBLAS_STATUS_"));
    GTEST_SKIP() << error.what();
  }
}

TEST(CublasLt, IsMissingOnlyInBuildsWithoutCuda) {
  EXPECT_THAT(std::string(missing_multiplier()), testing::AnyOf("", "built without CUDA"));
}

TEST(Products, AreCountedAsTwoOperationsPerElement) {
  EXPECT_DOUBLE_EQ(flops({Precision::bf16, 2, 3, 5}), 60.0);
}

}  // namespace
}  // namespace fabricheck::node::gpu
