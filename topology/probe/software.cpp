// Versions of libraries, from the names of their files: nothing is loaded.
#include <array>
#include <cstdlib>
#include <filesystem>

#include "topology/probe/environment.hpp"
#include "topology/probe/sysfs.hpp"

namespace fabricheck::topology {
namespace {

namespace fs = std::filesystem;

void add_parts(const char* list, const char* below, std::vector<fs::path>& folders) {
  if (list == nullptr) return;
  for (std::string_view rest(list); !rest.empty();) {
    const std::size_t end = std::min(rest.find(':'), rest.size());
    if (end > 0) folders.push_back(fs::path(rest.substr(0, end)) / below);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

/// In the order in which the dynamic linker would come to them.
std::vector<fs::path> library_folders(const std::string& sysroot) {
  std::vector<fs::path> folders;
  if (sysroot == "/") {
    add_parts(std::getenv("LD_LIBRARY_PATH"), "", folders);
    add_parts(std::getenv("NCCL_HOME"), "lib", folders);
  }
  for (const char* const folder :
       {"usr/local/lib", "usr/local/cuda/lib64", "usr/local/nccl/lib", "usr/lib/x86_64-linux-gnu",
        "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/local/lib64", "usr/lib", "lib64"}) {
    folders.push_back(fs::path(sysroot) / folder);
  }
  return folders;
}

/// Whether it is numbers with points between them.
bool is_version(std::string_view text) {
  return !text.empty() && text.size() <= 32 &&
         text.find_first_not_of("0123456789.") == std::string_view::npos && text.front() != '.' &&
         text.back() != '.';
}

/// libnccl.so.2 -> libnccl.so.2.27.3 is 2.27.3. A file whose name has no more than one number tells nothing.
std::string version_of(const fs::path& folder, const std::string& soname, const std::string& stem) {
  std::string name = soname;
  constexpr int kMostLinks = 8;
  for (int i = 0; i < kMostLinks; ++i) {
    const fs::path target = link_target(folder / name);
    if (target.empty()) break;
    name = target.filename().string();
  }
  if (name.substr(0, stem.size()) != stem) return {};
  const std::string version = name.substr(stem.size());
  return is_version(version) && version.find('.') != std::string::npos ? version : std::string{};
}

}  // namespace

std::map<std::string, std::string> libraries(const std::string& sysroot) {
  struct Library {
    const char* name;
    const char* stem;
    const char* soname;
  };
  constexpr std::array kLibraries{Library{"nccl", "libnccl.so.", "libnccl.so.2"},
                                  Library{"libibverbs", "libibverbs.so.", "libibverbs.so.1"}};
  std::map<std::string, std::string> result;
  const auto folders = library_folders(sysroot);
  for (const Library& library : kLibraries) {
    for (const fs::path& folder : folders) {
      std::error_code error;
      if (fs::symlink_status(folder / library.soname, error).type() == fs::file_type::not_found) continue;
      // The first is what would be loaded, whether its name tells a version or not.
      if (std::string version = version_of(folder, library.soname, library.stem); !version.empty()) {
        result[library.name] = std::move(version);
      }
      break;
    }
  }
  return result;
}

}  // namespace fabricheck::topology
