#include "app/build_identity.hpp"

#include <elf.h>
#include <link.h>

#include <cstring>

#include <fmt/format.h>

#include "build_info.hpp"

namespace fabricheck::app {
namespace {

/// The program's NT_GNU_BUILD_ID note, as hexadecimal digits; empty when the linker wrote none.
int find_build_id(dl_phdr_info* info, std::size_t, void* out) {
  std::string& id = *static_cast<std::string*>(out);
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& header = info->dlpi_phdr[i];
    if (header.p_type != PT_NOTE) continue;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the loader gives addresses as integers.
    const char* at = reinterpret_cast<const char*>(info->dlpi_addr + header.p_vaddr);
    const char* end = at + header.p_memsz;
    while (at + sizeof(ElfW(Nhdr)) <= end) {
      ElfW(Nhdr) note;
      std::memcpy(&note, at, sizeof note);
      const char* name = at + sizeof note;
      const char* description = name + ((note.n_namesz + 3U) & ~3U);
      if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0)
        for (std::uint32_t b = 0; b < note.n_descsz; ++b)
          id += fmt::format("{:02x}", static_cast<unsigned char>(description[b]));
      at = description + ((note.n_descsz + 3U) & ~3U);
    }
  }
  return 1;  // the first object is the program itself
}

}  // namespace

std::string build_identity() {
  std::string id;
  ::dl_iterate_phdr(find_build_id, &id);
  return fmt::format("{} {} {}", build_info::version, build_info::git, id);
}

ToolInfo tool_info() {
  ToolInfo info;
  info.version = build_info::version;
  info.git = build_info::git;
  info.built_with = {{"compiler", build_info::compiler},
                     {"mpi_standard", build_info::mpi},
                     {"cuda", build_info::cuda},
                     {"nccl", build_info::nccl},
                     {"verbs", build_info::verbs}};
  return info;
}

}  // namespace fabricheck::app
