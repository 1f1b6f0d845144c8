// cuBLASLt's functions, found in a library that is opened at run time.
#pragma once

#include <cublasLt.h>

#include <memory>
#include <string>

namespace fabricheck::node::gpu {

/// Every function of cuBLASLt that is used; all are there.
struct Library {
  std::shared_ptr<void> handle;  ///< of dlopen
  std::string file;              ///< "libcublasLt.so.13"
  decltype(&cublasLtCreate) create{};
  decltype(&cublasLtDestroy) destroy{};
  decltype(&cublasLtGetVersion) get_version{};
  decltype(&cublasLtGetStatusName) status_name{};
  decltype(&cublasLtMatmul) matmul{};
  decltype(&cublasLtMatmulDescCreate) desc_create{};
  decltype(&cublasLtMatmulDescDestroy) desc_destroy{};
  decltype(&cublasLtMatmulDescSetAttribute) desc_set{};
  decltype(&cublasLtMatrixLayoutCreate) layout_create{};
  decltype(&cublasLtMatrixLayoutDestroy) layout_destroy{};
  decltype(&cublasLtMatmulPreferenceCreate) preference_create{};
  decltype(&cublasLtMatmulPreferenceDestroy) preference_destroy{};
  decltype(&cublasLtMatmulPreferenceSetAttribute) preference_set{};
  decltype(&cublasLtMatmulAlgoGetHeuristic) heuristic{};
  decltype(&cublasLtMatmulAlgoConfigGetAttribute) algorithm_get{};
};

/// The first of libcublasLt.so.13 and .12 on the loader's path, then beside the toolkit of this build. Throws
/// Unavailable that names what was looked for, or the function that the library lacks.
Library open_library();

/// "the GPU or this library cannot do this multiplication (CUBLAS_STATUS_NOT_SUPPORTED)": what the number
/// means to a user.
std::string status_words(cublasStatus_t status);

}  // namespace fabricheck::node::gpu
