#include "app/utf16.hpp"

namespace fabricheck::app {
namespace {

constexpr char16_t kFirstHigh = 0xD800, kFirstLow = 0xDC00, kLastLow = 0xDFFF;
constexpr char16_t kByteOrderMark = 0xFEFF;

void append(char32_t code, std::string& out) {
  const auto byte = [&out](char32_t value) { out += static_cast<char>(static_cast<unsigned char>(value)); };
  const auto continuation = [&](int shift) { byte(0x80U | ((code >> shift) & 0x3FU)); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xC0U | (code >> 6U));
    continuation(0);
  } else if (code < 0x10000) {
    byte(0xE0U | (code >> 12U));
    continuation(6);
    continuation(0);
  } else {
    byte(0xF0U | (code >> 18U));
    continuation(12);
    continuation(6);
    continuation(0);
  }
}

}  // namespace

void Utf16Units::add(char16_t unit, std::string& out) {
  const bool is_low = unit >= kFirstLow && unit <= kLastLow;
  if (high_ != 0 && is_low) {
    append(0x10000U + (static_cast<char32_t>(high_ - kFirstHigh) << 10U) + (unit - kFirstLow), out);
    high_ = 0;
    return;
  }
  finish(out);
  if (unit >= kFirstHigh && unit < kFirstLow)
    high_ = unit;
  else
    append(is_low ? U'?' : char32_t{unit}, out);
}

void Utf16Units::finish(std::string& out) {
  if (high_ != 0) out += '?';
  high_ = 0;
}

std::optional<Utf16Bytes> Utf16Bytes::of_mark(std::string_view text) {
  if (text.starts_with("\xfe\xff")) return Utf16Bytes(true);
  if (text.starts_with("\xff\xfe") && text.substr(2, 2) != std::string_view("\0\0", 2))
    return Utf16Bytes(false);
  return std::nullopt;
}

void Utf16Bytes::add(std::string_view bytes, std::string& out) {
  for (const char byte : bytes) {
    if (!half_) {
      half_ = byte;
      continue;
    }
    const auto first = static_cast<unsigned char>(*half_), second = static_cast<unsigned char>(byte);
    half_.reset();
    const auto unit = static_cast<char16_t>(big_endian_ ? first << 8U | second : second << 8U | first);
    if (unit != kByteOrderMark) units_.add(unit, out);
  }
}

}  // namespace fabricheck::app
