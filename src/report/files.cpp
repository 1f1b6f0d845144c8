// Files that are whole or not there.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>

#include "core/descriptor.hpp"
#include "core/error.hpp"
#include "report/journal.hpp"

namespace fabricheck::report {

namespace {

[[noreturn]] void throw_write_error(const std::string& path, int error) {
  throw Error(fmt::format("{}: cannot be written: {}", path, system_reason(error)));
}

/// A new file beside `path` with a name nobody else uses.
Descriptor create_beside(const std::string& path, std::string& name) {
  for (int attempt = 0;; ++attempt) {
    name = fmt::format("{}.{}.{}.tmp", path, ::getpid(), attempt);
    Descriptor file(::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
    if (file) return file;
    if (errno != EEXIST || attempt == 100) return file;
  }
}

/// A device or a pipe (/dev/stdout) is written to; renaming would replace it.
void write_in_place(const std::string& path, std::string_view text) {
  // Without O_NONBLOCK a named pipe that nobody reads would be waited for, for ever.
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file && errno == ENXIO)
    throw Error(fmt::format("{}: cannot be written: nobody reads this pipe", path));
  if (!file) throw_write_error(path, errno);
  (void)::fcntl(file.get(), F_SETFL, 0);
  if (const int error = write_all(file.get(), text)) throw_write_error(path, error);
}

/// Makes the rename itself last; a file system that cannot is no reason to fail.
void sync_folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const Descriptor descriptor(
      ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor) (void)::fsync(descriptor.get());
}

}  // namespace

void write_file(const std::string& path, std::string_view text) {
  struct stat status {};
  std::string target = path;
  if (::stat(path.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) throw Error(fmt::format("{}: cannot be written: it is a folder", path));
    if (!S_ISREG(status.st_mode)) {
      write_in_place(path, text);
      return;
    }
    // A link stays a link: what it points to is replaced.
    std::error_code ignored;
    const std::filesystem::path real = std::filesystem::canonical(path, ignored);
    if (!ignored) target = real.string();
  }
  std::string temporary;
  Descriptor file = create_beside(target, temporary);
  if (!file) throw_write_error(path, errno);
  int error = write_all(file.get(), text);
  if (error == 0 && ::fsync(file.get()) != 0) error = errno;
  file.reset();
  if (error == 0 && ::rename(temporary.c_str(), target.c_str()) != 0) error = errno;
  if (error != 0) {
    ::unlink(temporary.c_str());
    throw_write_error(path, error);
  }
  sync_folder_of(target);
}

void require_writable(const std::string& directory) {
  if (directory.empty()) throw UsageError("the output folder has an empty name");
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  std::error_code unreachable;
  if (!std::filesystem::is_directory(directory, unreachable)) {
    if (std::filesystem::exists(directory, unreachable)) {
      throw UsageError(fmt::format("{} is a file: the output folder must be a folder", directory));
    }
    throw UsageError(fmt::format("the output folder {} cannot be created: {}", directory,
                                 (error ? error : unreachable).message()));
  }
  std::string probe;
  const Descriptor file = create_beside((std::filesystem::path(directory) / ".fabricheck").string(), probe);
  int reason = file ? 0 : errno;
  if (file) {
    // A full disk or a used-up quota shows only when a byte is written.
    reason = write_all(file.get(), "\n");
    ::unlink(probe.c_str());
  }
  if (reason != 0) {
    throw UsageError(
        fmt::format("the output folder {} cannot be written: {}", directory, system_reason(reason)));
  }
}

}  // namespace fabricheck::report
