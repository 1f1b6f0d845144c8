// Is a JSON text valid against a JSON Schema?
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fabricheck::report_test {

/// What is wrong, one sentence each; empty when valid. nullopt: built without a validator.
std::optional<std::vector<std::string>> schema_errors(std::string_view schema, std::string_view json);

}  // namespace fabricheck::report_test

/// In a test: fails with the validator's sentences; skips when there is no validator.
#define EXPECT_VALID(json)                                                                   \
  do {                                                                                       \
    const auto errors_ =                                                                     \
        ::fabricheck::report_test::schema_errors(::fabricheck::report::schema_text(), json); \
    if (!errors_) GTEST_SKIP() << "built without valijson";                                  \
    EXPECT_THAT(*errors_, ::testing::IsEmpty());                                             \
  } while (false)
