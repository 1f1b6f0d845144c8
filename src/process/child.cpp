#include "process/child.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <sstream>
#include <system_error>
#include <thread>

#include "core/deadline.hpp"
#include "core/descriptor.hpp"

namespace fabricheck::process {
namespace {

/// How long a child that was told to end is waited for. One that sits in the kernel driver does not end, and
/// waiting for it would hand its hang on to this process.
constexpr std::chrono::milliseconds kReapTime{500};

/// The child's life after fork; never returns.
[[noreturn]] void child(const std::function<void(int)>& work, int pipe_end, pid_t parent) {
  // No orphan that goes on hanging when the parent is killed.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  // Descriptors that stay open in a child that cannot be killed would keep the reader of the parent's output
  // waiting. The pipe is moved out of the way first: it may be one of 0 to 2 where those were closed.
  constexpr int kPipe = 3;
  const int null = ::open("/dev/null", O_RDWR);
  if (null < 0 || (pipe_end != kPipe && ::dup2(pipe_end, kPipe) < 0)) ::_exit(1);
  const int input = null == kPipe ? ::open("/dev/null", O_RDWR) : null;
  for (int descriptor = 0; descriptor <= 2; ++descriptor) ::dup2(input, descriptor);
#ifdef SYS_close_range
  const bool closed = ::syscall(SYS_close_range, unsigned{kPipe + 1}, ~0U, 0U) == 0;
#else
  const bool closed = false;
#endif
  if (!closed) {
    for (int descriptor = kPipe + 1; descriptor < 4096; ++descriptor) ::close(descriptor);
  }
  try {
    work(kPipe);
  } catch (...) {
    ::_exit(1);
  }
  ::_exit(0);
}

/// Reads until the answer is complete, the child closes the pipe, or the deadline, or nothing comes for so
/// long. Not in time, and the limit of silence, at these.
void read_until(const Deadline& deadline, const std::function<std::chrono::milliseconds()>& silence,
                int descriptor, const std::function<bool(std::string_view)>& take, ChildEnd& end) {
  std::array<char, 16384> buffer{};
  auto limit = silence ? silence() : deadline.left();
  Deadline next(limit);
  for (;;) {
    const auto left = std::min(deadline.left(), next.left()).count();
    if (left == 0) {
      end.in_time = false;
      if (!deadline.over()) end.silence = limit;
      return;
    }
    pollfd wait{descriptor, POLLIN, 0};
    const int ready = ::poll(&wait, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
    if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
    const ssize_t got = ready < 0 ? -1 : ::read(descriptor, buffer.data(), buffer.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) return;
    if (!take({buffer.data(), static_cast<std::size_t>(got)})) return;
    limit = silence ? silence() : deadline.left();
    next = Deadline(limit);
  }
}

/// Waits for the child for a short time; its wait status, or nothing when it does not end or somebody else
/// took it.
std::optional<int> reap(pid_t child_id) {
  const Deadline deadline(kReapTime);
  for (auto pause = std::chrono::microseconds{100}; !deadline.over();
       pause = std::min(pause * 2, std::chrono::microseconds{10'000})) {
    int status = 0;
    const pid_t done = ::waitpid(child_id, &status, WNOHANG);
    if (done == child_id) return status;
    if (done < 0 && errno != EINTR) return std::nullopt;
    std::this_thread::sleep_for(pause);
  }
  return std::nullopt;
}

std::optional<std::uint64_t> start_of(pid_t process) {
  std::ifstream file(fmt::format("/proc/{}/stat", process));
  std::string text;
  std::getline(file, text);
  // The name, in parentheses, may hold anything: what follows the last one is in order (proc(5)).
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream rest(text.substr(name_end + 1));
  std::string field;
  std::string state;
  constexpr int kState = 3;
  constexpr int kStart = 22;
  for (int number = kState; number <= kStart; ++number) {
    rest >> field;
    if (number == kState) state = field;
  }
  if (!rest || state == "Z" || state == "X") return std::nullopt;
  std::uint64_t start = 0;
  const auto [stop, error] = std::from_chars(field.data(), field.data() + field.size(), start);
  return error == std::errc{} && stop == field.data() + field.size() ? std::optional(start) : std::nullopt;
}

}  // namespace

bool is_running(const ProcessId& process) { return start_of(process.pid) == process.start_ticks; }

ChildEnd run_in_child(const std::function<void(int)>& work, std::chrono::milliseconds deadline,
                      const std::function<bool(std::string_view)>& take,
                      const std::function<void(const ProcessId&)>& started,
                      const std::function<std::chrono::milliseconds()>& silence) {
  ChildEnd end;
  std::optional<Pipe> pipe = make_pipe();
  if (!pipe) {
    end.failure = "pipe: " + system_reason(errno);
    return end;
  }
  const Deadline until(deadline);
  const pid_t parent = ::getpid();
  const pid_t child_id = ::fork();
  if (child_id == 0) child(work, pipe->writer.get(), parent);
  const int fork_error = errno;
  pipe->writer.reset();
  if (child_id < 0) {
    end.failure = "fork: " + system_reason(fork_error);
    return end;
  }
  if (started)
    if (const auto start = start_of(child_id)) started({child_id, *start});
  read_until(until, silence, pipe->reader.get(), take, end);
  pipe->reader.reset();
  if (end.in_time) end.status = reap(child_id);
  if (!end.status) {
    const std::optional<std::uint64_t> start = start_of(child_id);
    ::kill(child_id, SIGKILL);
    // A child that nobody else took and that outlives SIGKILL sits in the kernel.
    if (!reap(child_id) && start && start_of(child_id) == start) end.left_behind = {child_id, *start};
  }
  return end;
}

std::string how_it_ended(const std::optional<int>& status) {
  if (status && WIFSIGNALED(*status)) return fmt::format("ended with signal {}", WTERMSIG(*status));
  if (status && WIFEXITED(*status)) return fmt::format("ended with status {}", WEXITSTATUS(*status));
  return "ended early";
}

}  // namespace fabricheck::process
