#include "node/cuda/cublaslt/library.hpp"

#include <dlfcn.h>

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "core/error.hpp"

namespace fabricheck::node::gpu {
namespace {

template <class Function>
void find(const Library& library, Function& function, const char* name) {
  function = reinterpret_cast<Function>(::dlsym(library.handle.get(), name));
  if (!function)
    throw Unavailable(
        fmt::format("{} has no {}: install the cuBLAS of CUDA 12 or later", library.file, name));
}

}  // namespace

Library open_library() {
  Library library;
  // First the one that this was built for: the driver runs it.
  std::vector<std::string> files{"libcublasLt.so.13", "libcublasLt.so.12"};
  if constexpr (CUBLAS_VER_MAJOR == 12) std::swap(files[0], files[1]);
  const std::string beside = FABRICHECK_CUDA_LIBRARY_DIR;
  for (std::size_t i = 0; i < 2; ++i) files.push_back(beside + "/" + files[i]);
  for (const std::string& file : files) {
    void* opened = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!opened) continue;
    // It stays loaded: it keeps threads and CUDA's state that outlive a closing.
    library.handle = {opened, [](void*) {}};
    library.file = file;
    break;
  }
  if (!library.handle)
    throw Unavailable(fmt::format(
        "cuBLASLt is not on this host (looked for libcublasLt.so.13 and .12 on the library path and in {}): "
        "load a CUDA module or add its lib64 to LD_LIBRARY_PATH",
        beside));
  find(library, library.create, "cublasLtCreate");
  find(library, library.destroy, "cublasLtDestroy");
  find(library, library.get_version, "cublasLtGetVersion");
  find(library, library.status_name, "cublasLtGetStatusName");
  find(library, library.matmul, "cublasLtMatmul");
  find(library, library.desc_create, "cublasLtMatmulDescCreate");
  find(library, library.desc_destroy, "cublasLtMatmulDescDestroy");
  find(library, library.desc_set, "cublasLtMatmulDescSetAttribute");
  find(library, library.layout_create, "cublasLtMatrixLayoutCreate");
  find(library, library.layout_destroy, "cublasLtMatrixLayoutDestroy");
  find(library, library.preference_create, "cublasLtMatmulPreferenceCreate");
  find(library, library.preference_destroy, "cublasLtMatmulPreferenceDestroy");
  find(library, library.preference_set, "cublasLtMatmulPreferenceSetAttribute");
  find(library, library.heuristic, "cublasLtMatmulAlgoGetHeuristic");
  find(library, library.algorithm_get, "cublasLtMatmulAlgoConfigGetAttribute");
  return library;
}

std::string status_words(cublasStatus_t status) {
  const auto words = [status]() -> const char* {
    switch (status) {
      case CUBLAS_STATUS_SUCCESS:
        return "it worked (CUBLAS_STATUS_SUCCESS)";
      case CUBLAS_STATUS_NOT_INITIALIZED:
        return "the library could not start on this GPU (CUBLAS_STATUS_NOT_INITIALIZED)";
      case CUBLAS_STATUS_ALLOC_FAILED:
        return "the library got no memory (CUBLAS_STATUS_ALLOC_FAILED)";
      case CUBLAS_STATUS_INVALID_VALUE:
        return "the library refused a parameter (CUBLAS_STATUS_INVALID_VALUE)";
      case CUBLAS_STATUS_ARCH_MISMATCH:
        return "this GPU's generation cannot do it (CUBLAS_STATUS_ARCH_MISMATCH)";
      case CUBLAS_STATUS_MAPPING_ERROR:
        return "GPU memory could not be mapped (CUBLAS_STATUS_MAPPING_ERROR)";
      case CUBLAS_STATUS_EXECUTION_FAILED:
        return "the GPU failed while it ran (CUBLAS_STATUS_EXECUTION_FAILED)";
      case CUBLAS_STATUS_INTERNAL_ERROR:
        return "the library failed inside (CUBLAS_STATUS_INTERNAL_ERROR)";
      case CUBLAS_STATUS_NOT_SUPPORTED:
        return "this GPU or library cannot do this multiplication (CUBLAS_STATUS_NOT_SUPPORTED)";
      case CUBLAS_STATUS_LICENSE_ERROR:
        return "the library found no licence (CUBLAS_STATUS_LICENSE_ERROR)";
      default:
        return nullptr;
    }
  }();
  return words ? words : fmt::format("cuBLAS status {}", static_cast<int>(status));
}

}  // namespace fabricheck::node::gpu
