#include "node/state_file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include "core/deadline.hpp"

namespace fabricheck::node {
namespace {

constexpr const char* kName = "node.json";
constexpr std::size_t kMostBytes = std::size_t{1} << 20;

/// Why others could have written it; empty: they could not.
std::string not_trusted(int descriptor, const std::string& path) {
  struct stat facts {};
  if (::fstat(descriptor, &facts) != 0) return fmt::format("{}: {}", path, system_reason(errno));
  if (facts.st_uid != ::geteuid())
    return fmt::format("{} belongs to user {}: it is not used", path, facts.st_uid);
  if ((facts.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fmt::format("{} may be written by others: it is not used; chmod go-w {}", path, path);
  return {};
}

/// Why the folder cannot be opened, by errno. A link is told as "Not a directory".
std::string folder_problem(const std::string& folder, int error) {
  struct stat facts {};
  if (::lstat(folder.c_str(), &facts) == 0 && S_ISLNK(facts.st_mode))
    return fmt::format(
        "state folder {} is a symbolic link: it is not used; name the folder itself as `state_folder`",
        folder);
  return fmt::format("state folder {}: {}", folder, system_reason(error));
}

/// Takes away what visits left that were killed while they wrote.
void remove_left_over(int place) {
  Descriptor own(::openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  DIR* const entries = own ? ::fdopendir(own.get()) : nullptr;
  if (entries == nullptr) return;
  (void)own.release();  // the stream's from here on
  const std::string head = fmt::format("{}.", kName);
  std::vector<std::string> dead;
  while (const dirent* const entry = ::readdir(entries)) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with(head)) continue;
    const std::string_view digits = name.substr(head.size());
    pid_t pid = 0;
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), pid);
    if (error == std::errc{} && stop == digits.data() + digits.size() && pid > 0 && ::kill(pid, 0) != 0 &&
        errno == ESRCH)
      dead.emplace_back(name);
  }
  ::closedir(entries);
  for (const std::string& name : dead) ::unlinkat(place, name.c_str(), 0);
}

Descriptor open_folder(const std::string& folder) {
  return Descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

}  // namespace

StateLock::StateLock(const std::string& folder) {
  constexpr std::chrono::milliseconds kPatience{300};
  ::mkdir(folder.c_str(), S_IRWXU);
  folder_ = open_folder(folder);
  if (!folder_) return;
  const Deadline until(kPatience);
  while (!(is_held_ = ::flock(folder_.get(), LOCK_EX | LOCK_NB) == 0) && !until.over())
    std::this_thread::sleep_for(std::chrono::milliseconds{2});
}

StateText read_state(const std::string& folder) {
  StateText state;
  const Descriptor place = open_folder(folder);
  if (!place) {
    if (errno != ENOENT) state.problem = folder_problem(folder, errno);
    return state;
  }
  state.problem = not_trusted(place.get(), folder);
  if (!state.problem.empty()) return state;
  const Descriptor file(
      ::openat(place.get(), kName, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  const std::string path = folder + "/" + kName;
  if (!file) {
    if (errno != ENOENT) state.problem = fmt::format("{}: {}", path, system_reason(errno));
    return state;
  }
  state.problem = not_trusted(file.get(), path);
  if (!state.problem.empty()) return state;
  struct stat facts {};
  if (::fstat(file.get(), &facts) != 0 || !S_ISREG(facts.st_mode) ||
      static_cast<std::uint64_t>(facts.st_size) > kMostBytes) {
    state.problem = fmt::format("{} is no file of at most {} KiB", path, kMostBytes >> 10U);
    return state;
  }
  std::string text(static_cast<std::size_t>(facts.st_size), '\0');
  const ssize_t got = ::pread(file.get(), text.data(), text.size(), 0);
  if (got < 0) {
    state.problem = fmt::format("{}: {}", path, system_reason(errno));
    return state;
  }
  text.resize(static_cast<std::size_t>(got));
  state.text = std::move(text);
  return state;
}

std::string write_state(const std::string& folder, const std::string& text) {
  if (::mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST)
    return fmt::format("state folder {} cannot be made: {}", folder, system_reason(errno));
  const Descriptor place = open_folder(folder);
  if (!place) return folder_problem(folder, errno);
  if (std::string problem = not_trusted(place.get(), folder); !problem.empty()) return problem;
  remove_left_over(place.get());
  const std::string name = fmt::format("{}.{}", kName, ::getpid());
  ::unlinkat(place.get(), name.c_str(), 0);  // of a process of this number that was killed
  bool whole = false;
  int error = 0;
  {
    const Descriptor file(::openat(place.get(), name.c_str(),
                                   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR));
    if (!file) return fmt::format("{}/{}: {}", folder, name, system_reason(errno));
    errno = ENOSPC;
    whole = ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
    error = errno;
  }
  if (whole && ::renameat(place.get(), name.c_str(), place.get(), kName) == 0) return {};
  if (whole) error = errno;
  ::unlinkat(place.get(), name.c_str(), 0);
  return fmt::format("{}/{} cannot be written: {}", folder, kName, system_reason(error));
}

}  // namespace fabricheck::node
