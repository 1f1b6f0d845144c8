// The parent's part: the child, its deadline, and reading what it wrote.
#include "topology/probe/nvml.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <optional>
#include <string_view>
#include <system_error>
#include <thread>

#include "core/deadline.hpp"
#include "topology/probe/sysfs.hpp"

namespace fabricheck::topology {
namespace {

using Outcome = NvmlAnswer::Outcome;

/// How long a child that was told to end is waited for. One that sits in the kernel driver does not end, and
/// waiting for it would hand its hang on to this process.
constexpr std::chrono::milliseconds kReapTime{500};

/// The child's life after fork; never returns.
[[noreturn]] void child(const std::string& library, int pipe_end, pid_t parent) {
  // No orphan that goes on hanging when the parent is killed.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  // Descriptors that stay open in a child that cannot be killed would keep the reader of the parent's output
  // waiting.
  const int null = ::open("/dev/null", O_RDWR);
  if (null < 0) ::_exit(1);
  for (int descriptor = 0; descriptor <= 2; ++descriptor) ::dup2(null, descriptor);
  constexpr int kPipe = 3;
  if (pipe_end != kPipe && ::dup2(pipe_end, kPipe) < 0) ::_exit(1);
#ifdef SYS_close_range
  const bool closed = ::syscall(SYS_close_range, unsigned{kPipe + 1}, ~0U, 0U) == 0;
#else
  const bool closed = false;
#endif
  if (!closed) {
    for (int descriptor = kPipe + 1; descriptor < 4096; ++descriptor) ::close(descriptor);
  }
  try {
    write_nvml_records(library, kPipe);
  } catch (...) {
    ::_exit(1);
  }
  ::_exit(0);
}

std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> fields;
  for (;;) {
    const std::size_t tab = line.find('\t');
    fields.push_back(line.substr(0, tab));
    if (tab == std::string_view::npos) return fields;
    line.remove_prefix(tab + 1);
  }
}

/// Takes the records in as they come.
class Reader {
 public:
  explicit Reader(NvmlAnswer& answer) : answer_{answer} {}

  void take(std::string_view bytes) {
    pending_ += bytes;
    for (std::size_t end = 0; (end = pending_.find('\n')) != std::string::npos;) {
      record(split(std::string_view(pending_).substr(0, end)));
      pending_.erase(0, end + 1);
    }
  }

  bool complete() const { return complete_; }
  const std::string& position() const { return position_; }

 private:
  void record(const std::vector<std::string_view>& fields) {
    const std::string_view kind = fields[0];
    const auto field = [&](std::size_t at) {
      return at < fields.size() ? std::string(fields[at]) : std::string{};
    };
    if (kind == "at") {
      position_ = field(1);
    } else if (kind == "driver") {
      answer_.driver = field(1);
    } else if (kind == "unknown") {
      answer_.unknown.push_back(field(1));
    } else if (kind == "lost" || kind == "gpu") {
      const auto index = parse_number(field(1));
      if (!index || *index < 0 || *index > std::numeric_limits<int>::max()) return;
      if (kind == "lost") {
        answer_.lost.push_back(static_cast<int>(*index));
        return;
      }
      Gpu gpu;
      gpu.index = static_cast<int>(*index);
      gpu.name = field(2);
      gpu.uuid = field(3);
      gpu.pci_address = field(4);
      if (const auto bytes = parse_number(field(5)); bytes && *bytes > 0) {
        gpu.memory_bytes = static_cast<std::uint64_t>(*bytes);
      }
      answer_.gpus.push_back(std::move(gpu));
    } else if (kind == "problem") {
      answer_.outcome = field(1) == "no_library"  ? Outcome::no_library
                        : field(1) == "no_driver" ? Outcome::no_driver
                                                  : Outcome::failed;
      answer_.reason = field(2);
      complete_ = true;
    } else if (kind == "end") {
      answer_.outcome = Outcome::answered;
      complete_ = true;
    }
  }

  NvmlAnswer& answer_;
  std::string pending_;
  std::string position_{"starting"};
  bool complete_{false};
};

/// Reads until the answer is complete, the child closes the pipe, or the deadline; false at the deadline.
bool read_until(const Deadline& deadline, int descriptor, Reader& reader) {
  std::array<char, 4096> buffer{};
  while (!reader.complete()) {
    const auto left = deadline.left().count();
    if (left == 0) return false;
    pollfd wait{descriptor, POLLIN, 0};
    const int ready = ::poll(&wait, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
    if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
    const ssize_t got = ready < 0 ? -1 : ::read(descriptor, buffer.data(), buffer.size());
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) return true;
    reader.take({buffer.data(), static_cast<std::size_t>(got)});
  }
  return true;
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

std::string how_it_ended(const std::optional<int>& status) {
  if (status && WIFSIGNALED(*status)) return fmt::format("ended with signal {}", WTERMSIG(*status));
  if (status && WIFEXITED(*status)) return fmt::format("ended with status {}", WEXITSTATUS(*status));
  return "ended early";
}

}  // namespace

NvmlAnswer ask_nvml(const std::string& library, std::chrono::milliseconds deadline) {
  NvmlAnswer answer;
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    answer.reason = "pipe: " + std::generic_category().message(errno);
    return answer;
  }
  const Deadline until(deadline);
  const pid_t parent = ::getpid();
  const pid_t child_id = ::fork();
  if (child_id == 0) child(library, ends[1], parent);
  const int fork_error = errno;
  ::close(ends[1]);
  if (child_id < 0) {
    ::close(ends[0]);
    answer.reason = "fork: " + std::generic_category().message(fork_error);
    return answer;
  }
  Reader reader(answer);
  const bool in_time = read_until(until, ends[0], reader);
  ::close(ends[0]);
  std::optional<int> status;
  if (in_time) status = reap(child_id);
  if (!status) {
    ::kill(child_id, SIGKILL);
    reap(child_id);
  }
  if (!in_time) {
    answer.outcome = Outcome::hung;
    answer.reason = fmt::format("NVML did not return within {:g} s (last call: {})",
                                std::chrono::duration<double>(deadline).count(), reader.position());
  } else if (!reader.complete()) {
    answer.outcome = Outcome::failed;
    answer.reason = fmt::format("NVML {} (last call: {})", how_it_ended(status), reader.position());
  }
  return answer;
}

}  // namespace fabricheck::topology
