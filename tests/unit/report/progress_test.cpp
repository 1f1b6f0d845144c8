#include "report/progress.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "unit/report/sample_record.hpp"

namespace fabricheck::report {
namespace {

using report_test::latency_check;
using testing::HasSubstr;

/// What the printer writes.
class Capture {
 public:
  Capture() : file_(::open_memstream(&text_, &size_)) {}
  ~Capture() {
    std::fclose(file_);
    std::free(text_);
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  std::FILE* file() { return file_; }
  std::string text() {
    std::fflush(file_);
    return std::string(text_, size_);
  }

 private:
  char* text_{};
  std::size_t size_{};
  std::FILE* file_;
};

TEST(Progress, PlainPrintsOneLinePerFinishedCheck) {
  Capture out;
  ProgressPrinter printer(ProgressPrinter::Mode::plain, out.file());
  printer.start(3, 12, "MPI barrier latency, 8 B, between nodes");
  EXPECT_EQ(out.text(), "");
  printer.finish(latency_check("barrier", Verdict::pass, 3.21));
  CheckRecord skipped = latency_check("bcast", Verdict::skipped, 0);
  skipped.reason = "built without\nMPI";
  printer.start(4, 12, "MPI bcast latency");
  printer.finish(skipped);
  printer.close();
  EXPECT_EQ(out.text(),
            "[3/12] MPI barrier latency, 8 B, between nodes: PASS 3.21 us\n"
            "[4/12] MPI bcast latency: SKIPPED: built without MPI\n");
}

TEST(Progress, ChecksThatWereNotMeasuredAreOneLine) {
  Capture out;
  ProgressPrinter printer(ProgressPrinter::Mode::plain, out.file());
  CheckRecord late = latency_check("bcast", Verdict::skipped, 0);
  late.reason = "not measured: the checks before took 32 s";
  for (int i = 0; i < 37; ++i) printer.not_measured(late);
  printer.start(40, 40, "MPI barrier latency");
  printer.finish(latency_check("barrier", Verdict::pass, 3.21));
  printer.not_measured(late);
  printer.close();
  printer.close();
  EXPECT_EQ(out.text(),
            "37 checks: not measured: the checks before took 32 s\n"
            "[40/40] MPI barrier latency: PASS 3.21 us\n"
            "MPI bcast latency: SKIPPED: not measured: the checks before took 32 s\n");
}

TEST(Progress, WhereNobodyTakesItItIsGivenUp) {
  for (const auto mode : {ProgressPrinter::Mode::plain, ProgressPrinter::Mode::terminal}) {
    std::FILE* full = std::fopen("/dev/full", "w");
    ASSERT_NE(full, nullptr);
    ProgressPrinter printer(mode, full);
    printer.start(1, 2, "MPI barrier latency");
    EXPECT_NO_THROW(printer.finish(latency_check("barrier", Verdict::pass, 3.21)));
    std::clearerr(full);
    printer.start(2, 2, "MPI bcast latency");
    printer.finish(latency_check("bcast", Verdict::pass, 3.21));
    printer.close();
    EXPECT_EQ(std::ferror(full), 0) << "nothing more was tried";
    std::fclose(full);
  }
}

TEST(Progress, ATerminalIsToldHowLongItStillTakes) {
  Capture terminal, log;
  ProgressPrinter on_terminal(ProgressPrinter::Mode::terminal, terminal.file());
  on_terminal.start(2, 9, "first", std::chrono::milliseconds(41'200));
  EXPECT_THAT(terminal.text(), HasSubstr("[2/9, 42 s left] first"));
  ProgressPrinter in_log(ProgressPrinter::Mode::plain, log.file());
  in_log.start(2, 9, "first", std::chrono::milliseconds(41'200));
  in_log.finish(latency_check("barrier", Verdict::pass, 3.21));
  EXPECT_EQ(log.text(), "[2/9] first: PASS 3.21 us\n");
}

TEST(Progress, TerminalRewritesOneLineAndEndsIt) {
  Capture out;
  ProgressPrinter printer(ProgressPrinter::Mode::terminal, out.file());
  printer.start(1, 2, "first");
  printer.finish(latency_check("barrier", Verdict::fail, 6.5));
  printer.start(2, 2, "second");
  EXPECT_EQ(out.text(), "\r\x1b[K[1/2] first\r\x1b[K[1/2] first: FAIL 6.50 us\r\x1b[K[2/2] second");
  printer.close();
  printer.close();
  EXPECT_EQ(out.text().substr(out.text().size() - 7), "second\n");
}

TEST(Progress, ATerminalLineDoesNotWrap) {
  Capture out;
  ProgressPrinter printer(ProgressPrinter::Mode::terminal, out.file());
  printer.start(1, 2, std::string(500, 'x'));
  EXPECT_LT(out.text().size(), 90u);
}

TEST(Progress, OffPrintsNothing) {
  Capture out;
  ProgressPrinter printer(ProgressPrinter::Mode::off, out.file());
  printer.start(1, 2, "first");
  printer.finish(latency_check("barrier", Verdict::fail, 6.5));
  printer.close();
  EXPECT_EQ(out.text(), "");
}

}  // namespace
}  // namespace fabricheck::report
