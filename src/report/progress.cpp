#include "report/progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <utility>

#include "core/remark.hpp"
#include "core/units.hpp"
#include "report/cells.hpp"
#include "report/text.hpp"

namespace fabricheck::report {
namespace {

constexpr const char* clear_line = "\r\x1b[K";

/// A line that wraps cannot be rewritten with a carriage return.
std::size_t terminal_width(std::FILE* out) {
  winsize size{};
  const int descriptor = ::fileno(out);
  const bool known = descriptor >= 0 && ::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
  return (known ? size.ws_col : 80u) - 1u;
}

std::string whole_seconds(std::chrono::nanoseconds duration) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(duration);
  return seconds < std::chrono::minutes(1) ? fmt::format("{} s", seconds.count()) : format_duration(seconds);
}

/// Whether it could be written.
bool rewrite(std::FILE* out, const std::string& line) {
  const bool was_taken = remark(out, "{}{}", clear_line, shorten(line, terminal_width(out)));
  return std::fflush(out) == 0 && was_taken;
}

/// "MPI allreduce latency: PASS 1.23 us"
std::string outcome(const std::string& what, const CheckRecord& check) {
  const std::string value = value_text(check);
  const std::string text = fmt::format("{}: {}", what, verdict_name(check.verdict));
  if (value != "-") return text + " " + value;
  return check.reason.empty() ? text : text + ": " + sanitise(check.reason);
}

}  // namespace

void ProgressPrinter::start(int number, int total, const std::string& what,
                            std::optional<std::chrono::nanoseconds> left) {
  tell_not_measured();
  if (mode_ == Mode::off) return;
  open_ = fmt::format("[{}/{}] {}", number, total, sanitise(what));
  if (mode_ != Mode::terminal) return;
  // To whole seconds: more would only flicker.
  const std::string left_words = left ? ", " + whole_seconds(*left) + " left" : "";
  if (!rewrite(out_, fmt::format("[{}/{}{}] {}", number, total, left_words, sanitise(what)))) give_up();
}

void ProgressPrinter::finish(const CheckRecord& check) {
  const std::string what = open_.empty() ? sanitise(check.title) : open_;
  tell_not_measured();
  if (mode_ != Mode::off) line(outcome(what, check));
}

void ProgressPrinter::not_measured(const CheckRecord& check) {
  if (mode_ == Mode::off) return;
  if (not_measured_++ == 0) first_not_measured_ = check;
}

void ProgressPrinter::tell_not_measured() {
  if (not_measured_ == 0 || mode_ == Mode::off) return;
  const CheckRecord first = *std::exchange(first_not_measured_, std::nullopt);
  const int count = std::exchange(not_measured_, 0);
  line(count == 1 ? outcome(sanitise(first.title), first)
                  : fmt::format("{} checks: {}", count, sanitise(first.reason)));
}

void ProgressPrinter::line(const std::string& text) {
  if (mode_ == Mode::terminal) {
    open_ = text;
    if (!rewrite(out_, text)) give_up();
  } else {
    open_.clear();
    const bool was_taken = remark(out_, "{}\n", text);
    if (std::fflush(out_) != 0 || !was_taken) give_up();
  }
}

void ProgressPrinter::give_up() {
  mode_ = Mode::off;
  open_.clear();
}

void ProgressPrinter::close() {
  tell_not_measured();
  if (mode_ == Mode::terminal && !open_.empty()) {
    std::fputc('\n', out_);
    std::fflush(out_);
  }
  open_.clear();
}

}  // namespace fabricheck::report
