#include "app/packed_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace fabricheck::app {
namespace {

using namespace std::string_view_literals;

struct Packing {
  std::string_view mark;
  std::size_t at;
  const char* words;
  const char* unpack;
};

constexpr std::array kPackings{
    Packing{"\xFD"
            "7zXZ\0"sv,
            0, "compressed by xz", "xz -d"},
    Packing{"\x28\xB5\x2F\xFD"sv, 0, "compressed by zstd", "zstd -d"},
    Packing{"1AY&SY"sv, 4, "compressed by bzip2", "bzip2 -d"},
    Packing{"\x04\x22\x4D\x18"sv, 0, "compressed by lz4", "lz4 -d"},
    Packing{"PK\x03\x04"sv, 0, "a zip archive", "unzip"},
    Packing{"7z\xBC\xAF\x27\x1C"sv, 0, "a 7-Zip archive", "7z x"},
    Packing{"ustar"sv, 257, "a tar archive", "tar -xf"},
};

}  // namespace

std::string why_packed(std::string_view begin) {
  const auto* packing = std::find_if(kPackings.begin(), kPackings.end(), [&](const Packing& one) {
    return begin.size() > one.at && begin.substr(one.at).starts_with(one.mark);
  });
  if (packing == kPackings.end()) return "";
  return fmt::format("is {}; unpack it first ({})", packing->words, packing->unpack);
}

}  // namespace fabricheck::app
