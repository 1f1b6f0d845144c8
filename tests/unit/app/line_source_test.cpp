#include "app/line_source.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <utility>

#include "unit/app/evidence_folder.hpp"

namespace fabricheck::app {
namespace {

using namespace std::string_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

using Lines = std::vector<std::pair<std::uint64_t, std::string>>;

constexpr std::size_t kBlock = std::size_t{256} << 10;

class Source : public EvidenceFolder {
 protected:
  static Lines lines_of(LineSource& source) {
    Lines lines;
    source.for_each(
        [&](std::string_view line, std::uint64_t number) { lines.emplace_back(number, std::string(line)); });
    return lines;
  }
  Lines lines_of(const std::string& text) {
    LineSource source(write("text", text));
    return lines_of(source);
  }
  template <class Refusal>
  std::string refusal(const std::string& file) {
    try {
      const LineSource source(file);
    } catch (const Refusal& error) {
      return error.what();
    } catch (const std::exception& error) {
      ADD_FAILURE() << "refused otherwise: " << error.what();
      return "";
    }
    ADD_FAILURE() << "not refused";
    return "";
  }
};

std::string utf16(std::u16string_view text, bool big_endian) {
  std::string bytes;
  for (const char16_t unit : text) {
    const auto high = static_cast<char>(unit >> 8U), low = static_cast<char>(unit & 0xFFU);
    bytes += big_endian ? high : low;
    bytes += big_endian ? low : high;
  }
  return bytes;
}

TEST_F(Source, NumbersLinesAcrossBlocks) {
  std::string text;
  for (int i = 1; i <= 50000; ++i) text += "line " + std::to_string(i) + "\n";
  LineSource source(write("lines", text + "last"));
  std::uint64_t expected = 0;
  source.for_each([&](std::string_view line, std::uint64_t number) {
    ASSERT_EQ(number, ++expected);
    ASSERT_EQ(line, number <= 50000 ? "line " + std::to_string(number) : "last");
  });
  EXPECT_EQ(expected, 50001U);
}

TEST_F(Source, ACarriageReturnEndsALineThatIsNotCounted) {
  EXPECT_THAT(lines_of("a\r 10%\r 20%\rNCCL\nb\n"),
              ElementsAre(Pair(1, "a"), Pair(1, " 10%"), Pair(1, " 20%"), Pair(1, "NCCL"), Pair(2, "b")));
}

TEST_F(Source, WindowsLineEndsAreOne) {
  EXPECT_THAT(lines_of("a\r\n\r\nb\r"), ElementsAre(Pair(1, "a"), Pair(2, ""), Pair(3, "b")));
}

TEST_F(Source, ALineEndMayBeSplitBetweenBlocks) {
  for (std::size_t length = kBlock - 3; length <= kBlock; ++length) {
    std::string text;
    while (text.size() < length) text += "x\n";
    text.resize(length - 1, 'y');
    const auto lines = lines_of(text + "z\r\nb\r\n");
    ASSERT_GE(lines.size(), 2U);
    EXPECT_EQ(lines.back(), Lines::value_type(lines.size(), "b")) << length;
    EXPECT_EQ(lines[lines.size() - 2].second.back(), 'z') << length;
  }
}

/// What LineSource says of itself, over a whole text.
Lines split(const std::string& text) {
  Lines lines;
  std::uint64_t number = 1;
  std::string piece;
  bool open = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_newline = text[i] == '\n';
    const bool is_return = text[i] == '\r' && i + 1 < text.size() && text[i + 1] != '\n';
    open = !is_newline;
    if (!is_newline && text[i] != '\r') piece += text[i];
    if (!is_newline && !is_return) continue;
    lines.emplace_back(number, piece);
    piece.clear();
    number += is_newline ? 1U : 0U;
  }
  if (open) lines.emplace_back(number, piece);
  return lines;
}

TEST_F(Source, SplitsAnyMixtureOfLineEndsAlike) {
  std::mt19937 random(7);
  for (int round = 0; round < 6; ++round) {
    std::string text;
    while (text.size() < 3 * kBlock) {
      const std::size_t length = random() % 50 == 0 ? random() % 60000 : random() % 60;
      text += std::string(length, static_cast<char>('a' + random() % 26));
      text += std::array{"\n", "\r", "\r\n", "\r", "\n"}[random() % 5];
    }
    ASSERT_EQ(lines_of(text), split(text)) << round;
  }
}

TEST_F(Source, TheProgressOfALongLineIsNotCut) {
  std::string text = "start\n";
  for (int i = 0; i < 30000; ++i) text += "\r " + std::to_string(i) + "/30000 [00:01<00:02, 3it/s]";
  LineSource source(write("progress", text + "\rend\nnext\n"));
  const Lines lines = lines_of(source);
  ASSERT_GT(lines.size(), 30000U);
  EXPECT_EQ(lines[lines.size() - 2], Lines::value_type(2, "end"));
  EXPECT_EQ(lines.back(), Lines::value_type(3, "next"));
  EXPECT_EQ(source.cut().pieces, 0U);
}

TEST_F(Source, WhatIsTooLongIsCutAndCounted) {
  const std::size_t longest = LineSource::kLongestLine;
  LineSource source(write("long", "a\n" + std::string(longest + 1, 'x') + "\rb\n" +
                                      std::string(10 * longest, 'y') + "\nc\n" + std::string(longest, 'z')));
  const Lines lines = lines_of(source);
  EXPECT_THAT(lines, ElementsAre(Pair(1, "a"), Pair(2, std::string(longest, 'x')), Pair(2, "b"),
                                 Pair(3, std::string(longest, 'y')), Pair(4, "c"),
                                 Pair(5, std::string(longest, 'z'))));
  EXPECT_EQ(source.cut().pieces, 2U);
  EXPECT_EQ(source.cut().first_line, 2U);
}

TEST_F(Source, NulsInFrontAreNoText) {
  EXPECT_THAT(lines_of(std::string(3 * kBlock + 5, '\0') + "a\nb\n"),
              ElementsAre(Pair(1, "a"), Pair(2, "b")));
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "a line\n";
  EXPECT_EQ(lines_of(text + std::string(3 * kBlock, '\0') + "b\n").back(), Lines::value_type(1001, "b"));
}

TEST_F(Source, BinariesAreNoText) {
  const std::string nuls(kBlock, '\0');
  std::string object;
  for (int i = 0; i < 2000; ++i) object += "\x01\0\0\0\n\0"s;
  for (const std::string& text : {nuls, nuls + "x", nuls + object, object,
                                  "\x7f"
                                  "ELF" +
                                      std::string(5000, 'x') + "\n"})
    EXPECT_THAT(refusal<NoText>(write("binary", text)), HasSubstr("binary: cannot be read: it is no text"));
}

TEST_F(Source, Utf16WithAMarkIsConverted) {
  std::u16string text = u"\xFEFFÄ €\n\xD83D\xDE00 \xD83D!\n";
  Lines expected{{1, "Ä €"}, {2, "\xf0\x9f\x98\x80 ?!"}};
  for (std::uint64_t i = 3; i < 60000; ++i) {
    text += u"line\r\n";
    expected.emplace_back(i, "line");
  }
  for (const bool big_endian : {false, true}) EXPECT_EQ(lines_of(utf16(text, big_endian)), expected);
  EXPECT_THAT(lines_of(utf16(u"\xFEFF"
                             "a\n",
                             false) +
                       "b"),
              ElementsAre(Pair(1, "a")))
      << "half a character at the end";
}

TEST_F(Source, TheMarkOfUtf8IsNoPartOfTheFirstLine) {
  EXPECT_THAT(lines_of("\xef\xbb\xbf"
                       "a1:1:1 [0] NCCL INFO x\n"),
              ElementsAre(Pair(1, "a1:1:1 [0] NCCL INFO x")));
}

TEST_F(Source, WhatHasToBeUnpackedIsSaidWithTheProgram) {
  std::string tar("logs/job.log");
  tar.resize(257);
  tar += "ustar\00000"s + std::string(248, '\0') + kFault;
  const std::vector<std::pair<std::string, std::string>> packed{
      {"\xfd"
       "7zXZ\0\0\4"s,
       "is compressed by xz; unpack it first (xz -d)"},
      {"\x28\xb5\x2f\xfd\4", "is compressed by zstd; unpack it first (zstd -d)"},
      {"BZh91AY&SY\1", "is compressed by bzip2; unpack it first (bzip2 -d)"},
      {"\x04\x22\x4d\x18\x60", "is compressed by lz4; unpack it first (lz4 -d)"},
      {"PK\3\4\24\0"s, "is a zip archive; unpack it first (unzip)"},
      {"7z\xbc\xaf\x27\x1c\1", "is a 7-Zip archive; unpack it first (7z x)"},
      {tar, "is a tar archive; unpack it first (tar -xf)"}};
  for (const auto& [text, words] : packed) {
    const std::string file = write("file", text);
    EXPECT_EQ(refusal<PackedFile>(file), file + ": " + words);
  }
  EXPECT_THAT(refusal<PackedFile>(write_gz("logs.tgz", tar)), HasSubstr("logs.tgz: is a tar archive"));
}

}  // namespace
}  // namespace fabricheck::app
