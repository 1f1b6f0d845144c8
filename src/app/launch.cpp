#include "app/launch.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>
#include <ostream>
#include <system_error>
#include <thread>
#include <tuple>
#include <vector>

#include "app/mpirun_words.hpp"
#include "config/targets_file.hpp"
#include "core/descriptor.hpp"
#include "core/error.hpp"
#include "core/verdict.hpp"

extern char** environ;

namespace fabricheck::app {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t largest_hostfile_bytes = std::size_t{1} << 20;
/// mpirun's own timeout comes first: it can say more.
constexpr std::chrono::seconds own_timeout_margin{15};

/// The file that `name` means in PATH; empty when there is none that can be executed.
std::string find_in_path(const std::string& name, const Environment& environment) {
  const auto found = environment.find("PATH");
  const std::string path = found == environment.end() ? "/usr/local/bin:/usr/bin:/bin" : found->second;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    const std::string folder = path.substr(begin, end - begin);
    begin = end + 1;
    // An empty entry means the working folder: nothing is started from there unasked.
    if (folder.empty()) continue;
    std::string file = fmt::format("{}/{}", folder, name);
    struct stat status {};
    if (::stat(file.c_str(), &status) == 0 && S_ISREG(status.st_mode) && ::access(file.c_str(), X_OK) == 0)
      return file;
  }
  return {};
}

/// What changes when a file is written anew.
using FileState = std::tuple<ino_t, off_t, std::int64_t, std::int64_t>;

FileState state_of(const std::string& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return {};
  return {status.st_ino, status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

/// Whether a run leaves something in its folder.
class ResultWatch {
 public:
  explicit ResultWatch(const std::string& directory)
      : files_{directory + "/result.json", directory + "/journal.jsonl"}, before_(now()) {}
  bool changed() const { return now() != before_; }
  /// The result itself, not the journal alone: one of an earlier run may lie beside a new journal.
  bool result_changed() const { return now()[0] != before_[0]; }

 private:
  std::array<FileState, 2> now() const { return {state_of(files_[0]), state_of(files_[1])}; }
  std::array<std::string, 2> files_;
  std::array<FileState, 2> before_;
};

/// Blocks the signals that end or concern the child, so that waiting for them leaves no gap; puts all back at
/// the end.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigemptyset(&set_);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&set_, number);
    pthread_sigmask(SIG_BLOCK, &set_, &mask_before_);
    // A caller that ignored SIGCHLD would take the exit status away.
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, &action, &action_before_);
  }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;
  ~BlockedSignals() {
    sigaction(SIGCHLD, &action_before_, nullptr);
    pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
  }
  /// The next of the signals, or 0 after a while.
  int wait() const {
    constexpr timespec a_while{0, 100'000'000};
    const int number = sigtimedwait(&set_, nullptr, &a_while);
    return number > 0 ? number : 0;
  }
  const sigset_t& mask_before() const { return mask_before_; }

 private:
  sigset_t set_{};
  sigset_t mask_before_{};
  struct sigaction action_before_ {};
};

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> environment_words(Environment environment, const Environment& additions) {
  for (const auto& [name, value] : additions) environment[name] = value;
  std::vector<std::string> words;
  for (const auto& [name, value] : environment) words.push_back(fmt::format("{}={}", name, value));
  return words;
}

/// mpirun's standard error, read by a thread and passed on without what MpirunWords leaves out.
class ErrorStream {
 public:
  /// Throws Error when there is no pipe to be had. To be made with signals blocked, so that the thread takes
  /// none.
  explicit ErrorStream(std::ostream& out) : out_(out), pipe_(make_pipe()) {
    if (!pipe_) throw Error(fmt::format("cannot start mpirun: {}", system_reason(errno)));
    try {
      thread_ = std::thread([this] { pass_on(); });
    } catch (const std::system_error& error) {
      throw Error(
          fmt::format("cannot start mpirun: {}; allow more memory and processes (ulimit -v, ulimit -u)",
                      error.code().message()));
    }
  }
  /// Ends with the stream; what mpirun left running and still holds it is waited for only briefly.
  ~ErrorStream() {
    started();
    done_ = true;
    thread_.join();
  }
  ErrorStream(const ErrorStream&) = delete;
  ErrorStream& operator=(const ErrorStream&) = delete;

  int writing_end() const { return pipe_->writer.get(); }
  /// The child has its copy of the writing end.
  void started() { pipe_->writer.reset(); }

 private:
  void pass_on() {
    MpirunWords words;
    std::array<char, 4096> buffer{};
    int idle_turns = 0;
    while (idle_turns < 3) {
      pollfd wait{pipe_->reader.get(), POLLIN, 0};
      if (::poll(&wait, 1, 100) <= 0) {
        if (done_) ++idle_turns;
        continue;
      }
      const ssize_t got = ::read(pipe_->reader.get(), buffer.data(), buffer.size());
      if (got == 0 || (got < 0 && errno != EINTR)) break;
      if (got > 0) out_ << words.feed({buffer.data(), static_cast<std::size_t>(got)}) << std::flush;
    }
    out_ << words.finish() << std::flush;
  }

  std::ostream& out_;
  std::optional<Pipe> pipe_;
  std::atomic<bool> done_{false};
  std::thread thread_;
};

/// A started mpirun in a process group of its own, so that Ctrl-C on the terminal reaches it once and through
/// us.
class Child {
 public:
  /// Throws Error when it cannot be started.
  Child(const std::string& file, std::vector<std::string> argv, std::vector<std::string> environment,
        const sigset_t& mask, int error_stream) {
    const std::vector<char*> argv_pointers = pointers_to(argv);
    const std::vector<char*> environment_pointers = pointers_to(environment);
    std::optional<Pipe> pipe = make_pipe();
    if (!pipe) throw Error(fmt::format("cannot start mpirun: {}", system_reason(errno)));
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0)
      exec(file, argv_pointers, environment_pointers, mask, parent, pipe->writer.get(), error_stream);
    const int fork_error = errno;
    pipe->writer.reset();
    int exec_error = pid_ < 0 ? fork_error : 0;
    // Nothing comes when exec has closed the other end.
    if (pid_ > 0) {
      ssize_t count = 0;
      do {
        count = ::read(pipe->reader.get(), &exec_error, sizeof exec_error);
      } while (count < 0 && errno == EINTR);
    }
    if (exec_error == 0) return;
    if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
    throw Error(fmt::format("cannot start {}: {}", file, system_reason(exec_error)));
  }

  void signal(int number) const { ::kill(pid_, number); }
  /// mpirun and what it started beside itself.
  void kill_group() const { ::kill(-pid_, SIGKILL); }

  /// The wait status once it has ended.
  std::optional<int> ended() const {
    int status = 0;
    return ::waitpid(pid_, &status, WNOHANG) == pid_ ? std::optional<int>(status) : std::nullopt;
  }

 private:
  /// Only async-signal-safe calls between fork and exec.
  [[noreturn]] static void exec(const std::string& file, const std::vector<char*>& argv,
                                const std::vector<char*>& environment, const sigset_t& mask, pid_t parent,
                                int error_pipe, int error_stream) {
    ::setpgid(0, 0);
    // No job is left behind when this process is killed; the check covers a death before the request.
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) ::_exit(127);
    // mpirun reads its input, which would stop a process group in the background of a terminal.
    const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null >= 0) ::dup2(null, STDIN_FILENO);
    ::dup2(error_stream, STDERR_FILENO);
    ::sigprocmask(SIG_SETMASK, &mask, nullptr);
    ::execve(file.c_str(), argv.data(), environment.data());
    const int error = errno;
    const ssize_t written = ::write(error_pipe, &error, sizeof error);
    ::_exit(written == sizeof error ? 127 : 126);
  }

  pid_t pid_{-1};
};

/// Waits for the end, passing the first signal on; after the deadline or a signal it gives `grace`, then
/// kills.
JobEnding wait_for(const Child& child, const BlockedSignals& signals,
                   std::optional<std::chrono::seconds> timeout, std::chrono::milliseconds grace) {
  JobEnding ending;
  const Clock::time_point deadline =
      timeout ? Clock::now() + *timeout + own_timeout_margin : Clock::time_point::max();
  std::optional<Clock::time_point> kill_at;
  for (;;) {
    if (const std::optional<int> status = child.ended()) {
      ending.killed = WIFSIGNALED(*status);
      ending.code = WIFEXITED(*status) ? WEXITSTATUS(*status) : 0;
      return ending;
    }
    const int number = signals.wait();
    const Clock::time_point now = Clock::now();
    if (number != 0 && number != SIGCHLD && !kill_at) {
      // A closed terminal means what SIGTERM means.
      child.signal(number == SIGHUP ? SIGTERM : number);
      ending.interrupted = true;
      kill_at = now + grace;
    }
    if (!kill_at && now >= deadline) {
      child.signal(SIGTERM);
      ending.timed_out = true;
      kill_at = now + grace;
    }
    if (kill_at && now >= *kill_at) child.kill_group();
  }
}

std::vector<std::string> own_addresses() {
  std::vector<std::string> addresses;
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return addresses;
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    std::array<char, INET_ADDRSTRLEN> text{};
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    const auto* address = reinterpret_cast<const sockaddr_in*>(one->ifa_addr);
    if (::inet_ntop(AF_INET, &address->sin_addr, text.data(), text.size()) != nullptr)
      addresses.emplace_back(text.data());
  }
  ::freeifaddrs(all);
  return addresses;
}

void say(const LaunchContext& context, const std::string& sentence) {
  *context.err << "fabricheck: " << sentence << '\n';
}

}  // namespace

Environment current_environment() {
  Environment environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string text(*entry);
    const std::size_t equals = text.find('=');
    if (equals != std::string::npos && equals > 0)
      environment[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return environment;
}

LaunchFacts local_facts(int gpus) {
  LaunchFacts facts;
  facts.gpus = gpus;
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  // Fails on more CPUs than the set holds, which are enough.
  facts.cpus = ::sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : CPU_SETSIZE;
  std::array<char, HOST_NAME_MAX + 1> name{};
  if (::gethostname(name.data(), name.size() - 1) == 0) facts.host_name = name.data();
  if (facts.host_name.empty()) facts.host_name = "localhost";
  facts.addresses = own_addresses();
  std::array<char, PATH_MAX + 1> program{};
  if (::readlink("/proc/self/exe", program.data(), program.size() - 1) < 0) {
    throw Error(fmt::format("cannot find this program's own file: {}", system_reason(errno)));
  }
  facts.program = program.data();
  facts.is_root = ::geteuid() == 0;
  facts.stdout_is_terminal = ::isatty(STDOUT_FILENO) == 1;
  return facts;
}

int launch(const LaunchOptions& options, const LaunchContext& context) {
  LaunchFacts facts = context.facts;
  if (!options.hostfile.empty()) {
    facts.hostfile_text = config::read_text_file(options.hostfile, largest_hostfile_bytes, "hostfile");
  }
  const LaunchPlan plan = plan_launch(options, context.environment, facts);
  for (const std::string& sentence : plan.explanation) say(context, sentence);
  if (options.dry_run) {
    if (*context.out << shell_command(plan.argv) << std::endl) return exit_status::passed;
    say(context, "standard output cannot be written");
    return exit_status::broken;
  }
  const std::string mpirun = find_in_path(plan.argv.front(), context.environment);
  if (mpirun.empty()) {
    say(context, "mpirun is not installed; apt-get install openmpi-bin");
    return exit_status::broken;
  }
  JobEnding ending;
  const ResultWatch watch(options.run.out_directory);
  try {
    const BlockedSignals signals;
    ErrorStream errors(*context.err);
    const Child child(mpirun, plan.argv, environment_words(context.environment, plan.environment),
                      signals.mask_before(), errors.writing_end());
    errors.started();
    ending = wait_for(child, signals, plan.timeout, context.grace);
  } catch (const Error& error) {
    say(context, error.what());
    return exit_status::broken;
  }
  ending.wrote_result = watch.changed();
  ending.result_is_here = plan.first_host_is_here;
  if (watch.result_changed() && context.recorded_exit_status) {
    ending.recorded = context.recorded_exit_status(options.run.out_directory);
  }
  if (ending.wrote_result && !watch.result_changed()) {
    say(context,
        fmt::format("the run ended without a result; what was measured is in its journal: fabricheck "
                    "report {}/journal.jsonl",
                    options.run.out_directory));
  }
  const JobOutcome outcome = job_outcome(ending);
  if (!outcome.sentence.empty()) say(context, outcome.sentence);
  return outcome.exit_status;
}

}  // namespace fabricheck::app
