// One line of a log: what terminals, launchers and pasting did to it, and where NCCL's own words are.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fabricheck::diagnose {

/// Without line end, terminal escape codes and HTML entities. Returns `raw` where nothing is to be done,
/// else a view of `buffer`.
std::string_view clean_line(std::string_view raw, std::string& buffer);

/// At most `most` bytes of valid UTF-8 without control characters.
std::string printable_text(std::string_view text, std::size_t most = 300);

/// `spoken`: a sentence or a quotation that has NCCL's words, as in a chat or a manual.
enum class Level : std::uint8_t { none, info, warning, other, spoken };

/// A line of NCCL's in its parts; views into the line.
struct NcclLine {
  Level level{Level::none};
  std::string_view front;  ///< "host:pid:tid [dev]" as it stands, empty where there is none
  std::string_view host;
  long pid{};
  int device{-1};
  std::string_view source;   ///< "transport/net_ib.cc:839" of a warning
  std::string_view message;  ///< empty where the line is none of NCCL's
};

/// Takes "[tags] host:pid:tid [dev] [file:line] NCCL INFO|WARN message" apart; each part may be missing.
NcclLine split_nccl_line(std::string_view line);

/// The host of a line of a kernel's log: "Nov 28 10:00:00 node7 kernel: …" of syslog and the journal, or
/// "node7: [ 12.345] …" of dmesg on many nodes by pdsh or clush. Empty where the line tells none.
std::string_view kernel_log_host(std::string_view line);
/// Whether it looks like one of a kernel's log, with or without a host.
bool is_kernel_line(std::string_view line);

inline bool starts_with(std::string_view text, std::string_view front) {
  return text.size() >= front.size() && text.compare(0, front.size(), front) == 0;
}
inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}
std::string_view trim(std::string_view text);

/// Text behind the first `mark`; nothing where the mark is not there.
std::optional<std::string_view> after(std::string_view text, std::string_view mark);
/// Text up to the first of `ends`.
inline std::string_view until(std::string_view text, std::string_view ends) {
  return text.substr(0, text.find_first_of(ends));
}

/// A number at the front of the text, which is taken off; nothing where there is none.
template <typename Number>
std::optional<Number> take_number(std::string_view& text, int base = 10) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}
inline bool take(std::string_view& text, std::string_view front) {
  if (!starts_with(text, front)) return false;
  text.remove_prefix(front.size());
  return true;
}

/// The real number that begins the text; 0 where none does.
double leading_real(std::string_view text);

/// The number behind the first `mark` and blanks.
template <typename Number>
std::optional<Number> number_after(std::string_view text, std::string_view mark, int base = 10) {
  auto rest = after(text, mark);
  if (!rest) return std::nullopt;
  *rest = rest->substr(std::min(rest->find_first_not_of(" ="), rest->size()));
  return take_number<Number>(*rest, base);
}

}  // namespace fabricheck::diagnose
