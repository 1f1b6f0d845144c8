#include "process/command.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <thread>

#include "core/deadline.hpp"
#include "core/descriptor.hpp"
#include "process/child.hpp"

namespace fabricheck::process {
namespace {

/// What posix_spawn is told; destroyed with it.
class SpawnPlan {
 public:
  SpawnPlan(int output, int errors) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, errors, STDERR_FILENO);
    sigset_t none;
    sigset_t defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGXFSZ);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &defaults);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(&attributes_,
                             POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  int spawn(pid_t& child, const std::vector<std::string>& arguments,
            const std::vector<std::string>& environment) {
    std::vector<char*> argv = pointers(arguments);
    std::vector<char*> envp = pointers(environment);
    return ::posix_spawn(&child, arguments.front().c_str(), &actions_, &attributes_, argv.data(),
                         envp.data());
  }

 private:
  static std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> result;
    result.reserve(texts.size() + 1);
    // posix_spawn takes char* for the sake of C; it does not write there.
    for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
    result.push_back(nullptr);
    return result;
  }
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

/// Whether there may come more.
bool take(int descriptor, std::string& into) {
  std::array<char, 65536> buffer{};
  const ssize_t got = ::read(descriptor, buffer.data(), buffer.size());
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  const std::size_t room = kMostOutput - std::min(kMostOutput, into.size());
  into.append(buffer.data(), std::min(static_cast<std::size_t>(got), room));
  return got > 0;
}

/// Reads both until both are at their end; false at the deadline.
bool read_both(const Deadline& deadline, int output, int errors, CommandEnd& end) {
  std::array<pollfd, 2> waits{{{output, POLLIN, 0}, {errors, POLLIN, 0}}};
  while (waits[0].fd >= 0 || waits[1].fd >= 0) {
    const auto left = deadline.left().count();
    if (left == 0) return false;
    const int ready =
        ::poll(waits.data(), waits.size(), static_cast<int>(std::min<std::int64_t>(left, 60'000)));
    if (ready < 0 && errno != EINTR) return true;
    if (ready <= 0) continue;
    if (waits[0].revents != 0 && !take(output, end.output)) waits[0].fd = -1;
    if (waits[1].revents != 0 && !take(errors, end.errors)) waits[1].fd = -1;
  }
  return true;
}

std::optional<int> wait_until(const Deadline& deadline, pid_t child) {
  for (auto pause = std::chrono::microseconds{100};;
       pause = std::min(pause * 2, std::chrono::microseconds{10'000})) {
    int status = 0;
    const pid_t done = ::waitpid(child, &status, WNOHANG);
    if (done == child) return status;
    if ((done < 0 && errno != EINTR) || deadline.over()) return std::nullopt;
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace

CommandEnd run_command(const std::vector<std::string>& arguments, const std::vector<std::string>& environment,
                       std::chrono::milliseconds deadline) {
  CommandEnd end;
  if (arguments.empty() || !arguments.front().starts_with('/')) {
    end.failure = "a command has to be an absolute path";
    return end;
  }
  std::optional<Pipe> output = make_pipe(), errors = output ? make_pipe() : std::nullopt;
  if (!errors) {
    end.failure = "pipe: " + system_reason(errno);
    return end;
  }
  const Deadline until(deadline);
  pid_t child = 0;
  if (const int error =
          SpawnPlan(output->writer.get(), errors->writer.get()).spawn(child, arguments, environment);
      error != 0) {
    end.failure = fmt::format("{} cannot be started: {}", arguments.front(), system_reason(error));
    return end;
  }
  output->writer.reset();
  errors->writer.reset();
  const bool in_time = read_both(until, output->reader.get(), errors->reader.get(), end);
  std::optional<int> status = in_time ? wait_until(until, child) : std::nullopt;
  if (!status) {
    ::kill(-child, SIGKILL);
    wait_until(Deadline(std::chrono::milliseconds{200}), child);
    end.failure = fmt::format("{} did not end within {} ms", arguments.front(), deadline.count());
    return end;
  }
  if (WIFEXITED(*status)) {
    end.exit_status = WEXITSTATUS(*status);
  } else {
    end.failure = fmt::format("{} {}", arguments.front(), how_it_ended(status));
  }
  return end;
}

}  // namespace fabricheck::process
