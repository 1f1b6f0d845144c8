#include "control/watchdog.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "control/side_channel.hpp"

namespace fabricheck::control {
namespace {

using namespace std::chrono_literals;

/// Rank 0's side, with what it would have done instead of ending the process.
struct Root {
  explicit Root(int size, double silence_s = 60.0, double deadline_s = 60.0) {
    WatchdogOptions options;
    options.size = size;
    for (int rank = 0; rank < size; ++rank) options.hosts.push_back("h" + std::to_string(rank / 2));
    options.silence_s = silence_s;
    options.deadline_s = deadline_s;
    options.on_incident = [this](const Incident& one) {
      std::this_thread::sleep_for(takes_its_time.load());
      const std::lock_guard lock(mutex);
      incident = one;
      return 4;
    };
    options.end_process = [this](int status) {
      const std::lock_guard lock(mutex);
      ended = status;
      changed.notify_all();
    };
    watchdog = std::make_unique<Watchdog>(std::move(options), progress);
    contact = watchdog->listen();
    std::string reason;
    EXPECT_TRUE(watchdog->start(contact, reason));
  }
  bool wait_for_end(std::chrono::seconds at_most) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, at_most, [this] { return ended.has_value(); });
  }
  std::mutex mutex;
  std::condition_variable changed;
  std::atomic<std::chrono::milliseconds> takes_its_time{0ms};  ///< to write a result
  std::optional<Incident> incident;
  std::optional<int> ended;
  Progress progress;
  std::string contact;
  std::unique_ptr<Watchdog> watchdog;
};

/// nullopt: the connection was closed.
std::optional<ChannelMessage> first_message(const Descriptor& socket) {
  MessageReader reader;
  std::vector<ChannelMessage> messages;
  for (;;) {
    pollfd wait{socket.get(), POLLIN, 0};
    if (::poll(&wait, 1, 30'000) != 1) {
      ADD_FAILURE() << "no answer";
      return std::nullopt;
    }
    const auto state = reader.read(socket.get(), messages);
    if (!messages.empty()) return messages.front();
    if (state != MessageReader::State::open) return std::nullopt;
  }
}

/// Another rank as rank 0 hears it: raw messages, so that it can die, stall or fall silent at will.
struct RawRank {
  RawRank(const std::string& text, int rank) : contact(*parse_contact(text)), number(rank) {
    std::string reason;
    socket = connect_to(contact, 2.0, reason);
    EXPECT_TRUE(socket) << reason;
    send(MessageKind::hello);
    answer = first_message(socket);
  }
  void send(MessageKind kind, std::uint64_t phase = 1, std::uint64_t step = 1,
            const std::string& words = "") {
    ChannelMessage message;
    message.token = contact.token;
    message.kind = kind;
    message.rank = number;
    message.phase = phase;
    message.step = step;
    words.copy(message.text.data(), message.text.size() - 1);
    send_message(socket.get(), message);
  }
  Contact contact;
  int number;
  Descriptor socket;
  std::optional<ChannelMessage> answer;  ///< rank 0 hears it from then on
};

TEST(Watchdog, NamesTheRankThatDied) {
  Root root(4);
  RawRank one(root.contact, 1), two(root.contact, 2), three(root.contact, 3);
  two.send(MessageKind::heartbeat, 3, 512);
  std::this_thread::sleep_for(100ms);
  two.socket = Descriptor();
  ASSERT_TRUE(root.wait_for_end(30s));
  EXPECT_EQ(root.incident->kind, IncidentKind::lost);
  ASSERT_EQ(root.incident->culprits.size(), 1u);
  EXPECT_EQ(root.incident->culprits[0].rank, 2);
  EXPECT_EQ(root.incident->culprits[0].host, "h1");
  EXPECT_EQ(root.incident->culprits[0].step, 512u);
  EXPECT_EQ(*root.ended, 4);
}

/// As of a firewall that ends connections; a process that dies closes its own in order.
TEST(Watchdog, AConnectionThatIsResetIsTold) {
  Root root(2);
  RawRank one(root.contact, 1);
  std::this_thread::sleep_for(100ms);
  const linger at_once{1, 0};
  ::setsockopt(one.socket.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  one.socket = Descriptor();
  ASSERT_TRUE(root.wait_for_end(30s));
  EXPECT_EQ(root.incident->kind, IncidentKind::lost);
  ASSERT_EQ(root.incident->culprits.size(), 1u);
  EXPECT_TRUE(root.incident->culprits[0].is_reset);
}

TEST(Watchdog, AGoodbyeIsNoLoss) {
  Root root(2);
  RawRank one(root.contact, 1);
  one.send(MessageKind::goodbye);
  one.socket = Descriptor();
  EXPECT_FALSE(root.wait_for_end(2s));
}

TEST(Watchdog, NamesTheRankThatFellSilentAndNotTheOthers) {
  Root root(4, 3.0);
  RawRank one(root.contact, 1), two(root.contact, 2), three(root.contact, 3);
  for (int i = 0; i < 300 && !root.wait_for_end(0s); ++i) {
    one.send(MessageKind::heartbeat, 3, 10 + static_cast<std::uint64_t>(i));
    three.send(MessageKind::heartbeat, 3, 10);
    std::this_thread::sleep_for(100ms);
  }
  ASSERT_TRUE(root.ended.has_value());
  EXPECT_EQ(root.incident->kind, IncidentKind::silent);
  ASSERT_EQ(root.incident->culprits.size(), 1u);
  EXPECT_EQ(root.incident->culprits[0].rank, 2);
  EXPECT_FALSE(root.incident->whole_host);
}

/// Nothing arrives from rank 1, as through a firewall, and what all ranks do together goes on.
TEST(Watchdog, WhoTakesPartWithoutBeingHeardIsNotAccused) {
  Root root(3, 1.0, 6.0);
  RawRank one(root.contact, 1), two(root.contact, 2);
  for (int i = 0; i < 25; ++i) {
    root.progress.enter_phase();
    two.send(MessageKind::heartbeat, 1 + static_cast<std::uint64_t>(i));
    ASSERT_FALSE(root.wait_for_end(0s)) << "in phase " << i;
    std::this_thread::sleep_for(100ms);
  }
  EXPECT_EQ(root.watchdog->unheard(), std::vector<int>{1});
  for (int i = 0; i < 300 && !root.wait_for_end(0s); ++i) {
    two.send(MessageKind::heartbeat, 25);
    std::this_thread::sleep_for(100ms);
  }
  ASSERT_TRUE(root.ended.has_value());
  EXPECT_EQ(root.incident->kind, IncidentKind::stuck) << "its silence tells nothing any more";
  EXPECT_TRUE(root.incident->culprits.empty());
  ASSERT_EQ(root.incident->unheard.size(), 1u);
  EXPECT_EQ(root.incident->unheard[0].rank, 1);
}

TEST(Watchdog, AllRanksOfAHostSilentIsTheHost) {
  Root root(4, 3.0);
  RawRank one(root.contact, 1), two(root.contact, 2), three(root.contact, 3);
  for (int i = 0; i < 300 && !root.wait_for_end(0s); ++i) {
    one.send(MessageKind::heartbeat, 3, 10);
    std::this_thread::sleep_for(100ms);
  }
  ASSERT_TRUE(root.ended.has_value());
  EXPECT_EQ(root.incident->culprits.size(), 2u);
  EXPECT_TRUE(root.incident->whole_host);
}

TEST(Watchdog, WhenNothingMovesTheLeastAdvancedIsNamed) {
  Root root(4, 60.0, 2.0);
  RawRank one(root.contact, 1), two(root.contact, 2), three(root.contact, 3);
  root.progress.enter_phase();
  root.progress.step = 100;
  for (int i = 0; i < 300 && !root.wait_for_end(0s); ++i) {
    one.send(MessageKind::heartbeat, 1, 100);
    two.send(MessageKind::heartbeat, 1, 99);
    three.send(MessageKind::heartbeat, 1, 100);
    std::this_thread::sleep_for(100ms);
  }
  ASSERT_TRUE(root.ended.has_value());
  EXPECT_EQ(root.incident->kind, IncidentKind::stuck);
  ASSERT_EQ(root.incident->culprits.size(), 1u);
  EXPECT_EQ(root.incident->culprits[0].rank, 2);
}

TEST(Watchdog, WhenAllAreEquallyFarNobodyIsAccused) {
  Root root(2, 60.0, 2.0);
  RawRank one(root.contact, 1);
  root.progress.enter_phase();
  root.progress.step = 100;
  for (int i = 0; i < 300 && !root.wait_for_end(0s); ++i) {
    one.send(MessageKind::heartbeat, 1, 100);
    std::this_thread::sleep_for(100ms);
  }
  ASSERT_TRUE(root.ended.has_value());
  EXPECT_EQ(root.incident->kind, IncidentKind::stuck);
  EXPECT_TRUE(root.incident->culprits.empty());
}

TEST(Watchdog, NothingNeedMoveWhilePatienceIsAskedForAndThenItMust) {
  Root root(2, 60.0, 0.6);
  RawRank one(root.contact, 1);
  root.progress.enter_phase();
  const auto beat_for = [&](std::chrono::milliseconds time) {
    for (auto until = std::chrono::steady_clock::now() + time; std::chrono::steady_clock::now() < until;) {
      one.send(MessageKind::heartbeat, 1, 100);
      if (root.wait_for_end(0s)) return;
      std::this_thread::sleep_for(50ms);
    }
  };
  std::chrono::steady_clock::time_point begun;
  {
    const Patience patience(root.watchdog.get(), 60.0);
    beat_for(1500ms);
    EXPECT_FALSE(root.ended) << "twice the deadline, and a phase in which that may be";
    begun = std::chrono::steady_clock::now();
  }
  beat_for(30s);
  ASSERT_TRUE(root.ended) << "the deadline holds again";
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 500ms) << "and counts from the end of the phase";
  EXPECT_EQ(root.incident->kind, IncidentKind::stuck);
}

TEST(Watchdog, PatienceShorterThanTheDeadlineChangesNothing) {
  Root root(2, 60.0, 5.0);
  RawRank one(root.contact, 1);
  const Patience patience(root.watchdog.get(), 0.1);
  EXPECT_FALSE(root.wait_for_end(1s));
  EXPECT_TRUE(root.wait_for_end(30s));
}

TEST(Watchdog, ARankThatRank0DoesNotHearIsPatientToo) {
  WatchdogOptions options;
  options.rank = 1;
  options.size = 2;
  options.deadline_s = 0.1;
  std::atomic<bool> ended{};
  options.end_process = [&](int) { ended = true; };
  Progress progress;
  Watchdog alone(std::move(options), progress);
  const Patience patience(&alone, 60.0);
  std::string reason;
  EXPECT_FALSE(alone.start("no contact", reason));
  std::this_thread::sleep_for(3s);  // the deadline and what is added so that rank 0 speaks first
  EXPECT_FALSE(ended);
  alone.be_patient(0.0);
  for (int i = 0; i < 600 && !ended; ++i) std::this_thread::sleep_for(50ms);
  EXPECT_TRUE(ended);
}

TEST(Watchdog, CarriesARanksOwnWords) {
  Root root(2);
  RawRank one(root.contact, 1);
  one.send(MessageKind::failed, 4, 7, "rank 1 on h0 failed inside iteration 6: connection reset");
  ASSERT_TRUE(root.wait_for_end(30s));
  EXPECT_EQ(root.incident->kind, IncidentKind::failed);
  EXPECT_THAT(root.incident->text, testing::HasSubstr("connection reset"));
}

TEST(Watchdog, ASignalAnywhereIsAnInterruption) {
  Root root(2);
  RawRank one(root.contact, 1);
  one.send(MessageKind::terminated, 4, 7, "SIGTERM");
  ASSERT_TRUE(root.wait_for_end(30s));
  EXPECT_EQ(root.incident->kind, IncidentKind::interrupted);
  EXPECT_EQ(root.incident->text, "SIGTERM");
}

TEST(Watchdog, AStrangerWithoutTheTokenIsNobody) {
  Root root(2);
  const Contact contact = *parse_contact(root.contact);
  std::string reason;
  Descriptor stranger = connect_to(contact, 2.0, reason);
  ChannelMessage message;
  message.token = contact.token + 1;
  message.kind = MessageKind::failed;
  message.rank = 1;
  send_message(stranger.get(), message);
  EXPECT_FALSE(first_message(stranger)) << "it is sent away";
  EXPECT_FALSE(root.wait_for_end(1s));
}

/// Ranks 1 to 27 as raw messages, 28 as it is, in a process with files of its own. Exits with the number of
/// those that rank 0 hears.
[[noreturn]] void many_ranks(const std::string& contact) {
  std::vector<std::unique_ptr<RawRank>> ranks;
  int heard = 0;
  for (int rank = 1; rank < 28; ++rank) {
    ranks.push_back(std::make_unique<RawRank>(contact, rank));
    const auto& answer = ranks.back()->answer;
    if (answer && answer->kind == MessageKind::heartbeat) ++heard;
  }
  WatchdogOptions options;
  options.rank = 28;
  options.size = 29;
  Progress progress;
  Watchdog last(std::move(options), progress);
  std::string reason;
  if (last.start(contact, reason)) ::_exit(100);
  ::_exit(reason.find("ulimit -n") == std::string::npos ? 101 : heard);
}

[[noreturn]] void rank_0_with_few_files() {
  std::array<int, 2> pipe{};
  if (::pipe(pipe.data()) != 0) ::_exit(102);
  const pid_t others = ::fork();
  if (others == 0) {
    std::array<char, 4096> text{};
    const ssize_t got = ::read(pipe[0], text.data(), text.size());
    many_ranks(std::string(text.data(), static_cast<std::size_t>(std::max<ssize_t>(0, got))));
  }
  const rlimit few{40, 40};
  ::setrlimit(RLIMIT_NOFILE, &few);
  Root root(29);
  if (::write(pipe[1], root.contact.data(), root.contact.size()) < 0) ::_exit(103);
  int status = 0;
  ::waitpid(others, &status, 0);
  ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 104);
}

TEST(WatchdogDeathTest, WhomRank0HasNoFileForIsToldSo) {
  EXPECT_EXIT(rank_0_with_few_files(), testing::ExitedWithCode(20), "") << "half of 40 files";
}

TEST(Watchdog, ARankThatRank0NeverAnsweredIsNotEndedByItsSilence) {
  int port = 0;
  const Descriptor silent = listen_anywhere(port);  // the kernel takes the connection, and nobody answers
  WatchdogOptions options;
  options.rank = 1;
  options.size = 2;
  options.silence_s = 0.1;
  std::atomic<bool> ended{};
  options.end_process = [&](int) { ended = true; };
  Progress progress;
  Watchdog alone(std::move(options), progress);
  std::string reason;
  EXPECT_FALSE(alone.start(format_contact({1, port, {"127.0.0.1"}}), reason));
  EXPECT_THAT(reason, testing::HasSubstr("did not answer"));
  std::this_thread::sleep_for(3s);  // silence, and what is added so that rank 0 speaks first
  EXPECT_FALSE(ended);
}

TEST(Watchdog, RealRanksMeetAndPartInPeace) {
  Root root(3, 3.0);
  Progress progress;
  std::vector<std::unique_ptr<Watchdog>> others;
  for (int rank = 1; rank < 3; ++rank) {
    WatchdogOptions options;
    options.rank = rank;
    options.size = 3;
    options.silence_s = 3.0;
    options.end_process = [](int) { ADD_FAILURE() << "a healthy rank ended itself"; };
    others.push_back(std::make_unique<Watchdog>(std::move(options), progress));
    std::string reason;
    EXPECT_TRUE(others.back()->start(root.contact, reason)) << reason;
  }
  std::this_thread::sleep_for(4s);  // longer than silence may last
  for (auto& other : others) other->goodbye();
  root.watchdog->goodbye();
  others.clear();
  EXPECT_FALSE(root.wait_for_end(1s));
}

/// Rank 1 with a watchdog of its own, and what that would have done instead of ending the process.
struct RankOne {
  RankOne(const std::string& contact, int size) {
    WatchdogOptions options;
    options.rank = 1;
    options.size = size;
    options.put_away = [this](int) { has_put_away = true; };
    options.end_process = [this](int status) {
      const std::lock_guard lock(mutex);
      ended = status;
      changed.notify_all();
    };
    watchdog = std::make_unique<Watchdog>(std::move(options), progress);
    std::string reason;
    EXPECT_TRUE(watchdog->start(contact, reason)) << reason;
  }
  std::optional<int> status_within(std::chrono::seconds at_most) {
    std::unique_lock lock(mutex);
    changed.wait_for(lock, at_most, [this] { return ended.has_value(); });
    return ended;
  }
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<int> ended;
  std::atomic<bool> has_put_away{};
  Progress progress;
  std::unique_ptr<Watchdog> watchdog;
};

TEST(Watchdog, ARankWhoseRootDiedEndsItself) {
  auto root = std::make_unique<Root>(2);
  RankOne other(root->contact, 2);
  root->watchdog.reset();
  EXPECT_EQ(other.status_within(30s), 4);
  EXPECT_TRUE(other.has_put_away);
}

/// Its heartbeats go on while rank 0 writes the result, and a connection closed with some unread is reset.
TEST(Watchdog, ARankHasHeardOfTheEndBeforeRank0Leaves) {
  Root root(3);
  root.takes_its_time = 700ms;
  RawRank failing(root.contact, 2);
  RankOne other(root.contact, 3);
  failing.send(MessageKind::failed, 1, 1, "no memory");
  ASSERT_TRUE(root.wait_for_end(30s));
  EXPECT_TRUE(other.has_put_away) << "rank 0's end is the launcher's call to kill the others";
  root.watchdog.reset();
  EXPECT_EQ(other.status_within(30s), 0) << "not: rank 0 has died";
}

}  // namespace
}  // namespace fabricheck::control
