#include "app/mpirun_words.hpp"

#include <gtest/gtest.h>

namespace fabricheck::app {
namespace {

const std::string rule = std::string(74, '-') + "\n";
const std::string aborted = rule +
                            "Primary job  terminated normally, but 1 process returned\n"
                            "a non-zero exit code. Per user-direction, the job has been aborted.\n" +
                            rule;
const std::string detected =
    rule +
    "mpirun detected that one or more processes exited with non-zero status, thus causing\n"
    "the job to be terminated. The first process to do so was:\n\n  Exit code:    1\n" +
    rule;
const std::string killed =
    rule + "mpirun noticed that process rank 2 with PID 0 on node node3 exited on signal 9 (Killed).\n" +
    rule;

/// In pieces of every length, as a pipe may give them.
std::string filtered(const std::string& text, std::size_t piece) {
  MpirunWords words;
  std::string shown;
  for (std::size_t at = 0; at < text.size(); at += piece)
    shown += words.feed(std::string_view(text).substr(at, piece));
  return shown + words.finish();
}

TEST(MpirunWords, LeavesOutWhatOurExitStatusCauses) {
  for (const std::size_t piece : {1, 7, 1000})
    EXPECT_EQ(filtered("[1/7] done\n" + aborted + detected + "last\n", piece), "[1/7] done\nlast\n");
}

TEST(MpirunWords, KeepsEverythingElse) {
  const std::string text =
      "a line\n" + killed + "--short\n\n" + rule + "There are not enough slots available\n" + rule;
  for (const std::size_t piece : {1, 5, 1000}) EXPECT_EQ(filtered(text, piece), text);
}

TEST(MpirunWords, AnOpenLineIsShownAtOnce) {
  MpirunWords words;
  EXPECT_EQ(words.feed("[2/7] MPI bcast"), "[2/7] MPI bcast");
  EXPECT_EQ(words.feed("\r[2/7] done"), "\r[2/7] done");
}

TEST(MpirunWords, ABlockThatNeverClosesIsNotLost) {
  EXPECT_EQ(filtered(rule + "An ORTE daemon has unexpectedly failed", 3),
            rule + "An ORTE daemon has unexpectedly failed");
}

}  // namespace
}  // namespace fabricheck::app
