// Knows a kernel's log by its shape, so that one without any fault counts as read. What it tells of is found
// by phrases.
#include "diagnose/log_reader.hpp"

namespace fabricheck::diagnose {
namespace {

/// "[ 1234.567890] " of dmesg: seconds since the machine started. UCX writes seconds since 1970 there, in ten
/// digits.
bool has_uptime(std::string_view text) {
  if (!take(text, "[")) return false;
  text = trim(text);
  constexpr std::size_t most_digits = 8, digits_behind = 6;
  const std::size_t point = text.find_first_not_of("0123456789");
  if (point == 0 || point == std::string_view::npos || point > most_digits || text[point] != '.')
    return false;
  const std::string_view behind = text.substr(point + 1);
  return behind.find_first_not_of("0123456789") == digits_behind && behind[digits_behind] == ']';
}

/// "[Sat Nov 28 10:00:00 2026] " of dmesg -T.
bool has_date(std::string_view text) {
  constexpr std::size_t length = 24;
  return text.size() > length + 1 && text.front() == '[' && text[length + 1] == ']' && text[4] == ' ' &&
         text[14] == ':' && text[17] == ':';
}

class KernelLog final : public ToolReader {
 public:
  const char* name() const override { return "kernel log"; }
  void begin_file() override { lines_ = 0; }

  bool read(const Line& line, [[maybe_unused]] Observations& into,
            [[maybe_unused]] EventBook& events) override {
    const bool is_shaped = has_uptime(line.text) || has_date(line.text) ||
                           starts_with(line.text, "kernel: ") || !kernel_log_host(line.text).empty();
    // One such line may stand in any program's output.
    constexpr int enough = 5;
    return is_shaped && ++lines_ >= enough;
  }

 private:
  int lines_{};
};

}  // namespace

std::unique_ptr<ToolReader> make_kernel_log_reader() { return std::make_unique<KernelLog>(); }

}  // namespace fabricheck::diagnose
