#include "core/units.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "core/error.hpp"
#include "support/sentence_of.hpp"

namespace fabricheck {
namespace {

using std::chrono::nanoseconds;
using testing::HasSubstr;

std::string bytes_error(const std::string& text) {
  return test::sentence_of([&] { parse_bytes(text); });
}
std::string duration_error(const std::string& text) {
  return test::sentence_of([&] { parse_duration(text); });
}
std::string quantity_error(const std::string& text, const std::string& unit = "us") {
  return test::sentence_of([&] { parse_quantity_as(text, unit); });
}

TEST(ParseBytes, EveryUnit) {
  EXPECT_EQ(parse_bytes("8"), 8U);
  EXPECT_EQ(parse_bytes("0"), 0U);
  EXPECT_EQ(parse_bytes("8B"), 8U);
  EXPECT_EQ(parse_bytes("64KiB"), 65536U);
  EXPECT_EQ(parse_bytes("64 KiB"), 65536U) << "as format_bytes writes it";
  EXPECT_EQ(parse_bytes("1MiB"), 1U << 20);
  EXPECT_EQ(parse_bytes("2GiB"), 2ULL << 30);
  EXPECT_EQ(parse_bytes("1TiB"), 1ULL << 40);
  EXPECT_EQ(parse_bytes("1KB"), 1000U);
  EXPECT_EQ(parse_bytes("1MB"), 1000000U);
  EXPECT_EQ(parse_bytes("1GB"), 1000000000U);
}

TEST(ParseBytes, UpToTheLimit) {
  EXPECT_EQ(parse_bytes("9223372036854775807"), 9223372036854775807ULL);
  EXPECT_THAT(bytes_error("9223372036854775808"), HasSubstr("past 2^63-1"));
  EXPECT_EQ(parse_bytes("8388607TiB"), 8388607ULL << 40);
  EXPECT_THAT(bytes_error("8388608TiB"), HasSubstr("'8388608TiB' is past 2^63-1"));
  EXPECT_THAT(bytes_error("99999999999999999999999999"), HasSubstr("past 2^63-1"));
  EXPECT_THAT(bytes_error("18446744073709551617KiB"), HasSubstr("past 2^63-1"));
}

TEST(ParseBytes, NamesWhatIsWrong) {
  EXPECT_THAT(bytes_error(""), HasSubstr("is empty"));
  EXPECT_THAT(bytes_error("   "), HasSubstr("blank"));
  EXPECT_THAT(bytes_error("8 "), HasSubstr("'8 ' begins or ends with a blank"));
  EXPECT_THAT(bytes_error(" 8"), HasSubstr("blank"));
  EXPECT_THAT(bytes_error("-8"), HasSubstr("'-8' is negative"));
  EXPECT_THAT(bytes_error("1.5MiB"), HasSubstr("fractional"));
  EXPECT_THAT(bytes_error("1e3"), HasSubstr("unit 'e3' of '1e3' is unknown"));
  EXPECT_THAT(bytes_error("0x10"), HasSubstr("unit 'x10'"));
  EXPECT_THAT(bytes_error("KiB"), HasSubstr("'KiB' is no size"));
  EXPECT_THAT(bytes_error("+8"), HasSubstr("'+8' is no size"));
  EXPECT_THAT(bytes_error("8  KiB"), HasSubstr("unknown"));
  EXPECT_THAT(bytes_error("64kib"), HasSubstr("did you mean 'KiB'?"));
  EXPECT_THAT(bytes_error("64Kib"), HasSubstr("did you mean 'KiB'?"));
  EXPECT_THAT(bytes_error("64parsec"), HasSubstr("known are B, KiB"));
  EXPECT_THAT(bytes_error("8\n9"), HasSubstr("\\x0a")) << "no control character reaches the terminal";
  EXPECT_LT(bytes_error(std::string(1 << 20, '9')).size(), 200U);
}

TEST(ParseBytesList, ListsAndRefusals) {
  EXPECT_EQ(parse_bytes_list("8,64KiB,1MiB"), (std::vector<std::uint64_t>{8, 65536, 1 << 20}));
  EXPECT_EQ(parse_bytes_list("4"), std::vector<std::uint64_t>{4});
  const auto error = [](const std::string& text) {
    return test::sentence_of([&] { parse_bytes_list(text); });
  };
  EXPECT_THAT(error(""), HasSubstr("is empty"));
  EXPECT_THAT(error("8,,16"), HasSubstr("empty element"));
  EXPECT_THAT(error("8,"), HasSubstr("empty element"));
  EXPECT_THAT(error(","), HasSubstr("empty element"));
  EXPECT_THAT(error("1KiB,1024"), HasSubstr("1 KiB twice"));
  EXPECT_THAT(error("8, 16"), HasSubstr("blank"));
  EXPECT_THAT(error("8;16"), HasSubstr("unknown"));
}

TEST(ParseDuration, EveryUnit) {
  EXPECT_EQ(parse_duration("7ns"), nanoseconds(7));
  EXPECT_EQ(parse_duration("250us"), nanoseconds(250'000));
  EXPECT_EQ(parse_duration("500ms"), nanoseconds(500'000'000));
  EXPECT_EQ(parse_duration("5s"), nanoseconds(5'000'000'000));
  EXPECT_EQ(parse_duration("5 s"), nanoseconds(5'000'000'000));
  EXPECT_EQ(parse_duration("10m"), nanoseconds(600'000'000'000));
  EXPECT_EQ(parse_duration("2h"), nanoseconds(7'200'000'000'000));
  EXPECT_EQ(parse_duration("1.5s"), nanoseconds(1'500'000'000));
  EXPECT_EQ(parse_duration("0.1s"), nanoseconds(100'000'000));
  EXPECT_EQ(parse_duration("720h").count(), 30LL * 24 * 3600 * 1'000'000'000);
}

TEST(ParseDuration, NamesWhatIsWrong) {
  EXPECT_THAT(duration_error(""), HasSubstr("is empty"));
  EXPECT_THAT(duration_error("5"), HasSubstr("'5' has no unit; write for example 5s"));
  EXPECT_THAT(duration_error("-5s"), HasSubstr("'-5s' is negative"));
  EXPECT_THAT(duration_error("0s"), HasSubstr("'0s' is zero"));
  EXPECT_THAT(duration_error("0.0001ns"), HasSubstr("is zero"));
  EXPECT_THAT(duration_error("5s "), HasSubstr("blank"));
  EXPECT_THAT(duration_error("soon"), HasSubstr("'soon' is no duration"));
  EXPECT_THAT(duration_error("1e3s"), HasSubstr("unit 'e3s'"));
  EXPECT_THAT(duration_error("1.s"), HasSubstr("unit '.s'"));
  EXPECT_THAT(duration_error(".5s"), HasSubstr("no duration"));
  EXPECT_THAT(duration_error("5mss"), HasSubstr("did you mean 'ms'?"));
  EXPECT_THAT(duration_error("nan"), HasSubstr("no duration"));
  EXPECT_THAT(duration_error("720.001h"), HasSubstr("over 30 days"));
  EXPECT_THAT(duration_error(std::string(400, '9') + "s"), HasSubstr("over 30 days"));
  EXPECT_THAT(duration_error("0." + std::string(400, '0') + "1s"), HasSubstr("is zero"));
}

TEST(ParseDuration, ZeroOnlyWhereAllowed) { EXPECT_EQ(parse_duration("0s", true), nanoseconds(0)); }

TEST(ParseQuantity, ConvertsExactly) {
  EXPECT_EQ(parse_quantity_as("5 us", "us"), 5.0);
  EXPECT_EQ(parse_quantity_as("5us", "us"), 5.0);
  EXPECT_EQ(parse_quantity_as("5000 ns", "us"), 5.0);
  EXPECT_EQ(parse_quantity_as("0.005 ms", "us"), 5.0);
  EXPECT_EQ(parse_quantity_as("2 s", "us"), 2e6);
  EXPECT_EQ(parse_quantity_as("670GB/s", "GB/s"), 670.0);
  EXPECT_EQ(parse_quantity_as("400 Gb/s", "GB/s"), 50.0);
  EXPECT_EQ(parse_quantity_as("2.9 TB/s", "GB/s"), 2900.0);
  EXPECT_EQ(parse_quantity_as("50 GB/s", "Gb/s"), 400.0);
  EXPECT_EQ(parse_quantity_as("80 %", "%"), 80.0);
  EXPECT_EQ(parse_quantity_as("700 TFLOP/s", "TFLOP/s"), 700.0);
  EXPECT_EQ(parse_quantity_as("3 errors", "errors"), 3.0) << "a unit of its own needs no conversion";
}

TEST(ParseQuantity, NamesWhatIsWrong) {
  EXPECT_THAT(quantity_error(""), HasSubstr("is empty; write for example '5 us'"));
  EXPECT_THAT(quantity_error("5"), HasSubstr("no unit; write it in us"));
  EXPECT_THAT(quantity_error("5 GB/s"), HasSubstr("the unit of '5 GB/s' does not fit; write it in us"));
  EXPECT_THAT(quantity_error("5 Us"), HasSubstr("did you mean 'us'?"));
  EXPECT_THAT(quantity_error("5 us", "errors"), HasSubstr("does not fit"));
  EXPECT_THAT(quantity_error("0 us"), HasSubstr("not above zero"));
  EXPECT_THAT(quantity_error("-1 us"), HasSubstr("negative"));
  EXPECT_THAT(quantity_error("inf us"), HasSubstr("no quantity"));
  EXPECT_THAT(quantity_error("nan us"), HasSubstr("no quantity"));
  EXPECT_THAT(quantity_error(std::string(400, '9') + " us"), HasSubstr("too large"));
  EXPECT_THAT(quantity_error(std::string(308, '9') + " s"), HasSubstr("too large"));
  EXPECT_THAT(quantity_error("1e3 us"), HasSubstr("unknown"));
}

TEST(FormatBytes, Examples) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(8), "8 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1 KiB");
  EXPECT_EQ(format_bytes(65536), "64 KiB");
  EXPECT_EQ(format_bytes(1572864), "1.5 MiB");
  EXPECT_EQ(format_bytes(1280), "1.25 KiB");
  EXPECT_EQ(format_bytes(1792), "1.75 KiB");
  EXPECT_EQ(format_bytes(1025), "1025 B");
  EXPECT_EQ(format_bytes((1 << 20) + (1 << 18) / 2), "1.12 MiB");
  EXPECT_EQ(format_bytes(3ULL << 40), "3 TiB");
  EXPECT_EQ(format_bytes(std::numeric_limits<std::uint64_t>::max()), "16.00 EiB");
}

TEST(FormatDuration, Examples) {
  EXPECT_EQ(format_duration(nanoseconds(0)), "0 ns");
  EXPECT_EQ(format_duration(nanoseconds(250)), "250 ns");
  EXPECT_EQ(format_duration(nanoseconds(1'500)), "1.5 us");
  EXPECT_EQ(format_duration(nanoseconds(850'000'000)), "850 ms");
  EXPECT_EQ(format_duration(nanoseconds(999'700'000)), "1.0 s") << "never 1000 ms";
  EXPECT_EQ(format_duration(nanoseconds(5'000'000'000)), "5.0 s");
  EXPECT_EQ(format_duration(nanoseconds(59'960'000'000)), "1 min") << "never 60.0 s";
  EXPECT_EQ(format_duration(nanoseconds(125'000'000'000)), "2 min 5 s");
  EXPECT_EQ(format_duration(nanoseconds(3'599'600'000'000)), "1 h");
  EXPECT_EQ(format_duration(nanoseconds(5'400'000'000'000)), "1 h 30 min");
  EXPECT_EQ(format_duration(nanoseconds(-5'000'000'000)), "-5.0 s");
}

TEST(FormatNumber, ThreeSignificantDigits) {
  EXPECT_EQ(format_number(4.12), "4.12");
  EXPECT_EQ(format_number(15.3), "15.3");
  EXPECT_EQ(format_number(15.34), "15.3");
  EXPECT_EQ(format_number(1240), "1240");
  EXPECT_EQ(format_number(1243), "1240");
  EXPECT_EQ(format_number(0.052), "0.052");
  EXPECT_EQ(format_number(0.05213), "0.0521");
  EXPECT_EQ(format_number(9.996), "10");
  EXPECT_EQ(format_number(999.9), "1000");
  EXPECT_EQ(format_number(5), "5");
  EXPECT_EQ(format_number(0), "0");
  EXPECT_EQ(format_number(-0.0), "0");
  EXPECT_EQ(format_number(-4.125), "-4.12");
  EXPECT_EQ(format_number(1e-30), "0");
  EXPECT_EQ(format_number(123456789), "123000000");
  EXPECT_EQ(format_number(std::nan("")), "nan");
  EXPECT_EQ(format_number(std::numeric_limits<double>::infinity()), "inf");
}

}  // namespace
}  // namespace fabricheck
