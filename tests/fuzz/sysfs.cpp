// A recorded machine made of the input: the first line of each part is a file's path, the rest its text.
// Parts are separated by bytes 0. A path that ends in "@" is a link.
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "paths.hpp"
#include "target.hpp"
#include "topology/probe/probe.hpp"

namespace {

namespace fs = std::filesystem;

/// In memory where the system has such a place.
fs::path folder() {
  static const fs::path place = [] {
    std::error_code none;
    const fs::path memory = "/dev/shm";
    std::string name =
        ((fs::is_directory(memory, none) ? memory : fs::temp_directory_path()) / "fabricheck-fuzz-XXXXXX")
            .string();
    return fs::path(::mkdtemp(name.data()) == nullptr ? "" : name);
  }();
  return place;
}

struct Cleanup {
  Cleanup() { folder(); }  // made before, so gone after
  ~Cleanup() {
    std::error_code none;
    fs::remove_all(folder(), none);
  }
};

/// Paths that leave the folder are the fuzzer's, not a machine's.
bool is_inside(std::string_view path) {
  return !path.empty() && path.front() != '/' && path.size() < 200 &&
         path.find("..") == std::string_view::npos;
}

void write_part(const fs::path& root, std::string_view part) {
  const std::size_t end = part.find('\n');
  if (end == std::string_view::npos) return;
  std::string_view path = part.substr(0, end);
  const std::string_view text = part.substr(end + 1);
  const bool is_link = !path.empty() && path.back() == '@';
  if (is_link) path.remove_suffix(1);
  if (!is_inside(path)) return;
  std::error_code none;
  // Earlier links must not lead what is written out of the folder.
  const std::string parent = fs::weakly_canonical((root / path).parent_path(), none).string();
  if (none || parent.compare(0, root.string().size(), root.string()) != 0) return;
  fs::create_directories(parent, none);
  if (is_link) {
    if (is_inside(text) || text.substr(0, 3) == "../") fs::create_symlink(fs::path(text), root / path, none);
  } else if (!fs::is_symlink(root / path, none)) {
    std::ofstream(root / path, std::ios::binary) << text;
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fabricheck;
  static const Cleanup cleanup;
  return fuzz::run(data, size, [](std::string_view text) {
    const fs::path root = folder() / "root";
    std::error_code none;
    fs::remove_all(root, none);
    fs::create_directories(root, none);
    for (std::size_t parts = 0; !text.empty() && parts < 64; ++parts) {
      const std::size_t end = text.find('\0');
      write_part(root, text.substr(0, end));
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    topology::ProbeOptions options;
    options.sysroot = root.string();
    options.host_name = "recorded";
    options.nvml_library.clear();
    fuzz::walk_paths(topology::probe_host(options));
  });
}
