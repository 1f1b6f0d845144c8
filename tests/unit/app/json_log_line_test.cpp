#include "app/json_log_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fabricheck::app {
namespace {

using testing::Eq;
using testing::Optional;

std::optional<std::string> text_of(std::string_view line) {
  std::string buffer;
  const auto text = json_log_text(line, buffer);
  return text ? std::optional(std::string(*text)) : std::nullopt;
}

TEST(JsonLogLine, GivesTheTextThatWasWrapped) {
  EXPECT_THAT(text_of(R"({"log":"a:1:2 [0] NCCL INFO \u003c0\u003e\n","stream":"stdout","time":"x"})"),
              Optional(Eq("a:1:2 [0] NCCL INFO <0>\n")));
  EXPECT_THAT(
      text_of(R"({ "ts" : 1.5, "labels": {"a": "}\"", "b": [1, {"log": "no"}]}, "message" : "yes" })"),
      Optional(Eq("yes")));
  EXPECT_THAT(text_of(R"({"__CURSOR":"x","MESSAGE":"NVRM: Xid","_HOSTNAME":"n1"})"),
              Optional(Eq("NVRM: Xid")));
}

TEST(JsonLogLine, TheFirstOfLogMessageAndMsgCounts) {
  EXPECT_THAT(text_of(R"({"msg":"c","message":"b","log":"a"})"), Optional(Eq("a")));
  EXPECT_THAT(text_of(R"({"msg":"c","message":"b","level":null})"), Optional(Eq("b")));
  EXPECT_THAT(text_of(R"({"log":{"level":"info"},"msg":"c"})"), Optional(Eq("c")));
}

TEST(JsonLogLine, TakesEscapesAway) {
  EXPECT_THAT(text_of(R"({"msg":"\"\\\/\b\f\n\r\t"})"), Optional(Eq("\"\\/\b\f\n\r\t")));
  EXPECT_THAT(text_of(R"({"msg":"\u00e9 \u20AC \ud83d\ude00"})"), Optional(Eq("é € \xf0\x9f\x98\x80")));
  EXPECT_THAT(text_of(R"({"msg":"\ud83d \ude00 \ud83d\n \ud83dx"})"), Optional(Eq("? ? ?\n ?x")));
  EXPECT_THAT(text_of(R"({"msg":"ends with \\"})"), Optional(Eq("ends with \\")));
  EXPECT_THAT(text_of(R"({"msg":"\u12 \uzzzz"})"), Optional(Eq("u12 uzzzz")));
}

TEST(JsonLogLine, WhatIsNoneIsLeftAlone) {
  for (const char* line : {"", "{", "{}", "{'log': 'x'}", R"({"level":"info"})", R"({"log":null})",
                           R"(["log"])", R"({"Log":"x"})", R"({"log" "x"})", R"({"a":1]})"})
    EXPECT_EQ(text_of(line), std::nullopt) << line;
}

TEST(JsonLogLine, ACutLineGivesWhatIsThere) {
  const std::string line = R"({"time":"x","a":[{"b":"c"}],"log":"NCCL WARN \u003c \ud83d\ude00 \\ end"})";
  for (std::size_t length = 0; length < line.size(); ++length) {
    SCOPED_TRACE(length);
    const auto text = text_of(line.substr(0, length));
    EXPECT_EQ(text.has_value(), length > line.find("NCCL") - 1);
  }
  EXPECT_THAT(text_of(line.substr(0, line.find("\\u003c"))), Optional(Eq("NCCL WARN ")));
}

}  // namespace
}  // namespace fabricheck::app
