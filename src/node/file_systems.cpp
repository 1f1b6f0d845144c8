#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <sstream>
#include <system_error>

#include "node/probes.hpp"
#include "node/text_file.hpp"

namespace fabricheck::node {
namespace {

constexpr std::chrono::milliseconds kPatience{1000};

std::string reason_of(int error) { return std::generic_category().message(error); }

/// Why no file can be made in the folder; empty: one was, and is gone. It has no name that anybody could
/// reach it by, or where the file system cannot do that one that is new and nobody's link.
std::string try_to_write(const std::string& folder) {
  int file = ::open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, S_IRUSR | S_IWUSR);
  std::string name;
  if (file < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
    name = fmt::format("{}/.fabricheck-{}", folder, ::getpid());
    file = ::open(name.c_str(), O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, S_IRUSR | S_IWUSR);
  }
  if (file < 0) return reason_of(errno);
  const char byte = 'x';
  std::string problem;
  if (::write(file, &byte, 1) != 1) problem = reason_of(errno);
  if (::close(file) != 0 && problem.empty()) problem = reason_of(errno);
  if (!name.empty()) ::unlink(name.c_str());
  return problem;
}

/// What the child does: "free N" or "error REASON", "read-only", "write-problem REASON".
void look(const FileSystemRule& rule, int descriptor) {
  struct statvfs numbers {};
  if (::statvfs(rule.path.c_str(), &numbers) != 0) {
    process::write_all(descriptor, "error " + reason_of(errno) + "\n");
    return;
  }
  process::write_all(descriptor,
                     fmt::format("free {}\n", std::uint64_t{numbers.f_bavail} * numbers.f_frsize));
  if ((numbers.f_flag & ST_RDONLY) != 0) {
    process::write_all(descriptor, "read-only\n");
  } else if (rule.writable) {
    const std::string problem = try_to_write(rule.path);
    if (!problem.empty()) process::write_all(descriptor, "write-problem " + problem + "\n");
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
    } else if (kind == "read-only") {
      fact.read_only = true;
    } else if (kind == "write-problem") {
      fact.write_problem = rest;
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
  const auto table = read_below(sysroot, "proc/self/mounts", why);
  const auto mounts = parse_mounts(table.value_or(""));
  for (const FileSystemRule& rule : rules) {
    FileSystemFact& fact = facts.emplace_back();
    fact.path = rule.path;
    // The last one mounted there is what one sees.
    const auto mount = std::find_if(mounts.rbegin(), mounts.rend(),
                                    [&](const MountEntry& entry) { return entry.path == rule.path; });
    if (!table) {
      fact.unknown = fmt::format("proc/self/mounts: {}", why);
      continue;
    }
    fact.mounted = mount != mounts.rend();
    if (!*fact.mounted) continue;
    fact.read_only = mount->read_only;
    if (sysroot != "/") continue;
    const IsolatedAnswer answer =
        isolation.run("file system " + rule.path, kPatience, [&](int descriptor) { look(rule, descriptor); });
    fact.hung = answer.hung;
    if (answer.text) {
      take(*answer.text, fact);
    } else {
      fact.unknown = answer.problem;
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
    fact.unknown = "/dev/shm: " + reason_of(errno);
    return fact;
  }
  fact.bytes = std::uint64_t{numbers.f_blocks} * numbers.f_frsize;
  return fact;
}

}  // namespace fabricheck::node
