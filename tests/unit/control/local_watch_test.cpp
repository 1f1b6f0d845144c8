#include "control/local_watch.hpp"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "control/watchdog.hpp"

namespace fabricheck::control {
namespace {

using namespace std::chrono_literals;

/// Two ranks of one process, with what the watch would have done instead of ending it.
class LocalWatchTest : public ::testing::Test {
 protected:
  LocalWatchTest() { pthread_sigmask(SIG_SETMASK, nullptr, &before_); }
  ~LocalWatchTest() override { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

  LocalWatch& watch(double deadline_s) {
    LocalWatchOptions options;
    options.host = "h0";
    options.deadline_s = deadline_s;
    options.on_incident = [this](const Incident& one) {
      const std::lock_guard lock(mutex_);
      incident_ = one;
      return 3;
    };
    options.end_process = [this](int status) {
      const std::lock_guard lock(mutex_);
      ended_ = status;
      changed_.notify_all();
    };
    watch_.emplace(std::move(options));
    return *watch_;
  }
  bool has_ended(std::chrono::milliseconds within) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, within, [this] { return ended_.has_value(); });
  }

  Progress first_, second_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Incident> incident_;
  std::optional<int> ended_;
  std::optional<LocalWatch> watch_;

 private:
  sigset_t before_{};
};

TEST_F(LocalWatchTest, TheRankThatIsStuckIsNamedAndTheProcessEnds) {
  for (Progress* one : {&first_, &second_}) one->enter_phase();
  first_.enter_iteration(0);
  first_.leave_iteration(0);
  second_.enter_iteration(0);
  watch(0.3).begin({&first_, &second_});
  ASSERT_TRUE(has_ended(20s));
  EXPECT_EQ(ended_, 3);
  EXPECT_EQ(incident_->kind, IncidentKind::stuck);
  EXPECT_FALSE(incident_->is_alone);
  ASSERT_EQ(incident_->culprits.size(), 1u);
  EXPECT_EQ(incident_->culprits[0].rank, 1);
  EXPECT_EQ(incident_->culprits[0].host, "h0");
}

TEST_F(LocalWatchTest, ARankAloneIsAccusedByNobody) {
  first_.enter_phase();
  watch(0.3).begin({&first_});
  ASSERT_TRUE(has_ended(20s));
  EXPECT_EQ(incident_->kind, IncidentKind::stuck);
  EXPECT_TRUE(incident_->is_alone);
  EXPECT_TRUE(incident_->culprits.empty());
}

TEST_F(LocalWatchTest, WhoMovesIsNotEnded) {
  watch(2.0).begin({&first_, &second_});
  const auto until = std::chrono::steady_clock::now() + 4s;
  for (std::uint64_t i = 0; std::chrono::steady_clock::now() < until; ++i) {
    second_.enter_iteration(i);
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_FALSE(has_ended(0ms)) << "one that moves is enough";
}

TEST_F(LocalWatchTest, BeforeTheFirstCheckAndAfterTheLastNobodyIsLate) {
  LocalWatch& one = watch(0.1);
  EXPECT_FALSE(has_ended(500ms)) << "nothing has begun";
  one.begin({&first_});
  one.goodbye();
  EXPECT_FALSE(has_ended(500ms));
}

TEST_F(LocalWatchTest, ASignalEndsItAtAnyTime) {
  Watchdog::block_signals();
  watch(60.0);
  ::kill(::getpid(), SIGTERM);
  ASSERT_TRUE(has_ended(20s));
  EXPECT_EQ(incident_->kind, IncidentKind::interrupted);
  EXPECT_EQ(incident_->text, "SIGTERM");
}

}  // namespace
}  // namespace fabricheck::control
