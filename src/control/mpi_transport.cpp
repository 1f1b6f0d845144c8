#include "control/mpi_transport.hpp"

#include <dlfcn.h>
#include <mpi.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>

namespace fabricheck::control {
namespace {

std::string library_name() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  if (MPI_Get_library_version(text.data(), &length) != MPI_SUCCESS) return {};
  const std::string library(text.data(), static_cast<std::size_t>(std::max(0, length)));
  return library.substr(0, library.find_first_of(",\n"));
}

/// The names of the control variables that are valid now.
std::vector<std::string> control_variables() {
  std::vector<std::string> names;
#ifndef SMPI_H  // SimGrid has the error codes of the tools interface and none of its functions
  int level = 0, count = 0;
  if (MPI_T_init_thread(MPI_THREAD_SINGLE, &level) != MPI_SUCCESS) return names;
  if (MPI_T_cvar_get_num(&count) != MPI_SUCCESS) count = 0;
  for (int i = 0; i < count; ++i) {
    std::array<char, 256> name{};
    int name_length = static_cast<int>(name.size()), no_description = 0;
    int verbosity = 0, binding = 0, scope = 0;
    MPI_Datatype type = MPI_DATATYPE_NULL;
    MPI_T_enum values = MPI_T_ENUM_NULL;
    if (MPI_T_cvar_get_info(i, name.data(), &name_length, &verbosity, &type, &values, nullptr,
                            &no_description, &binding, &scope) == MPI_SUCCESS)
      names.emplace_back(name.data());
  }
  MPI_T_finalize();
#endif
  return names;
}

struct CloseLibrary {
  void operator()(void* library) const { ::dlclose(library); }
};
using Library = std::unique_ptr<void, CloseLibrary>;

template <class Function>
Function* symbol(const Library& library, const char* name) {
  return reinterpret_cast<Function*>(::dlsym(library.get(), name));
}

/// Asks the UCX that is in this process, through its public interface (ucp.h), which is not needed to build.
void ask_ucx(const Library& ucp, MpiTransport& transport) {
  if (auto* const version = symbol<const char*()>(ucp, "ucp_get_version_string"))
    if (const char* const text = version()) transport.ucx_version = text;
  auto* const read = symbol<int(const char*, const char*, void**)>(ucp, "ucp_config_read");
  auto* const print = symbol<void(const void*, std::FILE*, const char*, int)>(ucp, "ucp_config_print");
  auto* const release = symbol<void(void*)>(ucp, "ucp_config_release");
  if (read == nullptr || print == nullptr || release == nullptr) return;
  void* configuration = nullptr;
  if (read("MPI", nullptr, &configuration) != 0) return;  // with the prefix that Open MPI reads it with
  char* text = nullptr;
  std::size_t size = 0;
  if (std::FILE* const stream = ::open_memstream(&text, &size)) {
    constexpr int values = 1;  // UCS_CONFIG_PRINT_CONFIG
    print(configuration, stream, "", values);
    std::fclose(stream);
    const std::unique_ptr<char, void (*)(void*)> owner(text, std::free);
    read_ucx_configuration({text, size}, transport);
  }
  release(configuration);
}

}  // namespace

MpiTransport probe_mpi_transport() {
  MpiTransport transport;
  try {
    // In this order: MPI_T loads libraries that MPI does not use.
    transport = read_process_transport("/");
    const Library ucp(::dlopen("libucp.so.0", RTLD_LAZY | RTLD_NOLOAD));
    transport.library = library_name();
    read_control_variables(control_variables(), transport);
    if (ucp && transport.pml == "ucx") ask_ucx(ucp, transport);
  } catch (const std::exception&) {
    // What is not known by now stays unknown: no reason to lose a run that has measured all else.
  }
  return transport;
}

}  // namespace fabricheck::control
