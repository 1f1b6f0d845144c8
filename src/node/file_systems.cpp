#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <sstream>
#include <system_error>

#include "core/descriptor.hpp"
#include "node/probes.hpp"
#include "node/text_file.hpp"

namespace fabricheck::node {
namespace {

constexpr std::chrono::milliseconds kPatience{1000};

/// Whether it is the file system's own fault, whoever writes. A server may squash root, or root may have a
/// quota.
bool is_broken(int error) { return error == EROFS || error == EIO || error == ENOSPC; }

/// Why no file can be made in the folder, an errno; 0: one was, and is gone. It has no name that anybody
/// could reach it by, or where the file system cannot do that one that is new and nobody's link.
int try_to_write(const std::string& folder) {
  int file = ::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, S_IRUSR | S_IWUSR);
  std::string name;
  if (file < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
    name = fmt::format("{}/.fabricheck-{}", folder, ::getpid());
    file = ::open(name.c_str(), O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, S_IRUSR | S_IWUSR);
  }
  if (file < 0) return errno;
  const char byte = 'x';
  int problem = 0;
  if (::write(file, &byte, 1) != 1) problem = errno;
  if (::close(file) != 0 && problem == 0) problem = errno;
  if (!name.empty()) ::unlink(name.c_str());
  return problem;
}

std::string write_words(int error) {
  const bool is_denied = error == EACCES || error == EPERM;
  if (!is_denied) return system_reason(error);
  return fmt::format("{} ({})", system_reason(error),
                     ::geteuid() == 0 ? "as root it cannot be judged: root may be squashed"
                                      : "this user may not write there");
}

/// The configured path as the mount table has it: without slashes at its end.
std::string without_slashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

/// Of a path that the mount table does not have: a link into a file system, or one that was mounted just now
/// because somebody looked. It is on another device than what holds it, or than what holds the link.
void tell_mounted(const std::string& path, int descriptor) {
  const std::string parent = path.substr(0, std::max<std::size_t>(path.rfind('/') + 1, 1));
  struct stat own {};
  struct stat above {};
  struct stat beside {};
  if (::stat((path + "/.").c_str(), &own) != 0 || ::stat((path + "/..").c_str(), &above) != 0 ||
      ::stat(parent.c_str(), &beside) != 0) {
    write_all(descriptor, "error " + system_reason(errno) + "\n");
    return;
  }
  const bool is_mounted = own.st_dev != above.st_dev || own.st_dev != beside.st_dev;
  write_all(descriptor, is_mounted ? "mounted\n" : "not-mounted\n");
}

/// What the child does: "mounted" or "not-mounted" where `in_table` is false, "free N" or "error REASON",
/// "read-only", "write-problem REASON", "write-unknown REASON".
void look(const FileSystemRule& rule, const std::string& path, bool in_table, int descriptor) {
  struct statvfs numbers {};
  if (::statvfs(path.c_str(), &numbers) != 0) {  // which mounts what is mounted on demand
    const int error = errno;
    write_all(descriptor,
              !in_table && error == ENOENT ? "not-mounted\n" : "error " + system_reason(error) + "\n");
    return;
  }
  if (!in_table) tell_mounted(path, descriptor);
  write_all(descriptor, fmt::format("free {}\n", std::uint64_t{numbers.f_bavail} * numbers.f_frsize));
  if ((numbers.f_flag & ST_RDONLY) != 0) {
    write_all(descriptor, "read-only\n");
  } else if (rule.writable) {
    const int problem = try_to_write(path);
    if (problem != 0)
      write_all(descriptor, fmt::format("{} {}\n", is_broken(problem) ? "write-problem" : "write-unknown",
                                        write_words(problem)));
  }
}

void take(const std::string& text, FileSystemFact& fact) {
  std::istringstream lines(text);
  fact.read_only = false;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t blank = line.find(' ');
    const std::string kind = line.substr(0, blank);
    const std::string rest = blank == std::string::npos ? "" : line.substr(blank + 1);
    if (kind == "free") {
      std::uint64_t bytes = 0;
      if (std::from_chars(rest.data(), rest.data() + rest.size(), bytes).ec == std::errc{})
        fact.free_bytes = bytes;
    } else if (kind == "mounted" || kind == "not-mounted") {
      fact.mounted = kind == "mounted";
    } else if (kind == "read-only") {
      fact.read_only = true;
    } else if (kind == "write-problem") {
      fact.write_problem = rest;
    } else if (kind == "write-unknown") {
      fact.write_unknown = rest;
    } else if (kind == "error") {
      fact.unknown = rest;
    }
  }
}

/// The octal escapes of getmntent(3).
std::string unescaped(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned code = 0;
    if (text[i] == '\\' && i + 3 < text.size() + 0 &&
        std::from_chars(text.data() + i + 1, text.data() + i + 4, code, 8).ptr == text.data() + i + 4) {
      result += static_cast<char>(code);
      i += 3;
    } else {
      result += text[i];
    }
  }
  return result;
}

}  // namespace

std::vector<MountEntry> parse_mounts(std::string_view text) {
  std::vector<MountEntry> mounts;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string source;
    std::string path;
    std::string type;
    std::string options;
    if (!(fields >> source >> path >> type >> options)) continue;
    const bool read_only = options == "ro" || options.starts_with("ro,");
    mounts.push_back({unescaped(path), type, read_only});
  }
  return mounts;
}

std::vector<FileSystemFact> look_at_file_systems(const std::string& sysroot,
                                                 const std::vector<FileSystemRule>& rules,
                                                 Isolation& isolation) {
  std::vector<FileSystemFact> facts;
  if (rules.empty()) return facts;
  std::string why;
  constexpr std::size_t kMostBytes = std::size_t{4} << 20;
  constexpr const char* kCut = "not in the first 4 MiB of proc/self/mounts";
  const auto table = read_below(sysroot, "proc/self/mounts", why, kMostBytes);
  const bool is_whole = table && table->size() < kMostBytes;
  const auto mounts = parse_mounts(table.value_or(""));
  facts.reserve(rules.size());
  for (const FileSystemRule& rule : rules) {
    FileSystemFact& fact = facts.emplace_back();
    fact.path = without_slashes(rule.path);
    // The last one mounted there is what one sees.
    const auto mount = std::find_if(mounts.rbegin(), mounts.rend(),
                                    [&](const MountEntry& entry) { return entry.path == fact.path; });
    const bool in_table = mount != mounts.rend();
    if (!table) {
      fact.unknown = fmt::format("proc/self/mounts: {}", why);
      continue;
    }
    if (in_table) fact.read_only = mount->read_only;
    if (sysroot != "/") {
      if (in_table || is_whole) fact.mounted = in_table;
      if (!fact.mounted) fact.unknown = kCut;
      continue;
    }
    if (in_table) fact.mounted = true;
    const IsolatedAnswer answer = isolation.run("file system " + fact.path, kPatience, [&](int descriptor) {
      look(rule, fact.path, in_table, descriptor);
    });
    fact.stuck = answer.stuck;
    if (!answer.text) {
      fact.unknown = answer.problem;
      continue;
    }
    take(*answer.text, fact);
    // The same file system may be mounted on itself, which only the table tells.
    if (!is_whole && fact.mounted == false) {
      fact.mounted.reset();
      fact.unknown = kCut;
    }
  }
  return facts;
}

SharedMemoryFact look_at_shared_memory(const std::string& sysroot) {
  SharedMemoryFact fact;
  if (sysroot != "/") {
    fact.unknown = "a recorded machine does not tell its size";
    return fact;
  }
  struct statvfs numbers {};
  if (::statvfs("/dev/shm", &numbers) != 0) {
    fact.unknown = "/dev/shm: " + system_reason(errno);
    return fact;
  }
  fact.bytes = std::uint64_t{numbers.f_blocks} * numbers.f_frsize;
  return fact;
}

}  // namespace fabricheck::node
