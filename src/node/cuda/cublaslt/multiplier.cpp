#include "node/gpu/multiplier.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "core/error.hpp"
#include "device/pattern.hpp"
#include "node/cuda/cublaslt/library.hpp"

namespace fabricheck::node::gpu {
namespace {

/// A description that cuBLASLt made, given back when it goes out of scope.
template <class T>
using Owned = std::unique_ptr<std::remove_pointer_t<T>, cublasStatus_t (*)(T)>;

struct CudaType {
  DataType type;
  cudaDataType_t value;
};
constexpr CudaType cuda_types[] = {{DataType::float32, CUDA_R_32F},
                                   {DataType::bfloat16, CUDA_R_16BF},
                                   {DataType::float16, CUDA_R_16F},
                                   {DataType::float8e4m3, CUDA_R_8F_E4M3}};

constexpr const CudaType* find_type(DataType type) {
  return std::find_if(std::begin(cuda_types), std::end(cuda_types),
                      [type](const CudaType& one) { return one.type == type; });
}
static_assert(std::all_of(precision_rows.begin(), precision_rows.end(), [](const PrecisionRow& row) {
  return find_type(row.input) != std::end(cuda_types) && find_type(row.output) != std::end(cuda_types);
}));

cudaDataType_t data_type(DataType type) { return find_type(type)->value; }

class CublasLt final : public Multiplier {
 public:
  explicit CublasLt(Library library) : library_(std::move(library)), handle_(nullptr, library_.destroy) {
    cublasLtHandle_t made{};
    must(library_.create(&made), "cublasLtCreate");
    handle_.reset(made);
  }

  std::string library() const override {
    // cublas_api.h: CUBLAS_VERSION is 10000 major + 100 minor + patch.
    const std::size_t version = library_.get_version();
    return fmt::format("cuBLASLt {}.{}.{} ({})", version / 10000, version / 100 % 100, version % 100,
                       library_.file);
  }

  std::vector<std::string> prepare(const Product& product, std::uint64_t workspace_bytes, int most) override {
    describe(product);
    workspace_bytes_ = workspace_bytes;
    cublasLtMatmulPreference_t made{};
    must(library_.preference_create(&made), "cublasLtMatmulPreferenceCreate");
    const Owned<cublasLtMatmulPreference_t> preference(made, library_.preference_destroy);
    const std::size_t workspace = workspace_bytes;
    must(library_.preference_set(preference.get(), CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace,
                                 sizeof workspace),
         "cublasLtMatmulPreferenceSetAttribute");
    found_.assign(static_cast<std::size_t>(most), {});
    int count = 0;
    const cublasStatus_t asked = library_.heuristic(handle_.get(), desc_.get(), a_.get(), b_.get(), d_.get(),
                                                    d_.get(), preference.get(), most, found_.data(), &count);
    found_.resize(static_cast<std::size_t>(std::max(0, count)));
    std::erase_if(found_, [](const auto& one) { return one.state != CUBLAS_STATUS_SUCCESS; });
    if (asked == CUBLAS_STATUS_NOT_SUPPORTED || (asked == CUBLAS_STATUS_SUCCESS && found_.empty()))
      throw Unavailable(fmt::format("{} has no way to multiply {} matrices of {} x {} x {} on this GPU",
                                    library(), precision_name(product.precision), product.m, product.n,
                                    product.k));
    must(asked, "cublasLtMatmulAlgoGetHeuristic");
    std::vector<std::string> names;
    for (const cublasLtMatmulHeuristicResult_t& one : found_) names.push_back(name_of(one.algo));
    return names;
  }

  void multiply(std::size_t number, const std::byte* a, const std::byte* b, std::byte* d,
                std::byte* workspace, cuda::Stream stream) override {
    const float alpha = 1.0F, beta = 0.0F;
    must(library_.matmul(handle_.get(), desc_.get(), &alpha, a, a_.get(), b, b_.get(), &beta, d, d_.get(), d,
                         d_.get(), &found_.at(number).algo, workspace, workspace_bytes_,
                         reinterpret_cast<cudaStream_t>(stream)),
         "cublasLtMatmul");
  }

 private:
  static void must(cublasStatus_t status, const char* call) {
    // Of one way to multiply: the next one may do.
    if (status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE ||
        status == CUBLAS_STATUS_ARCH_MISMATCH)
      throw Unavailable(fmt::format("{} failed: {}", call, status_words(status)));
    if (status != CUBLAS_STATUS_SUCCESS)
      throw Error(fmt::format("{} failed: {}", call, status_words(status)));
  }

  void describe(const Product& product) {
    const bool is_tf32 = product.precision == Precision::tf32;
    cublasLtMatmulDesc_t made{};
    must(library_.desc_create(&made, is_tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F, CUDA_R_32F),
         "cublasLtMatmulDescCreate");
    desc_.reset(made);
    desc_.get_deleter() = library_.desc_destroy;
    const cublasOperation_t transposed = CUBLAS_OP_T;
    set(CUBLASLT_MATMUL_DESC_TRANSA, transposed);
    if (product.precision == Precision::fp8) {
      // Scales that are not set are 1. Sums are kept as training keeps them in its forward pass.
      const std::int8_t is_fast = 1;
      set(CUBLASLT_MATMUL_DESC_FAST_ACCUM, is_fast);
    }
    const cudaDataType_t in = data_type(input_type(product.precision));
    a_ = layout(in, product.k, product.m);
    b_ = layout(in, product.k, product.n);
    d_ = layout(data_type(output_type(product.precision)), product.m, product.n);
  }

  template <class Value>
  void set(cublasLtMatmulDescAttributes_t attribute, const Value& value) {
    must(library_.desc_set(desc_.get(), attribute, &value, sizeof value), "cublasLtMatmulDescSetAttribute");
  }

  Owned<cublasLtMatrixLayout_t> layout(cudaDataType_t type, std::uint64_t rows, std::uint64_t columns) {
    cublasLtMatrixLayout_t made{};
    must(library_.layout_create(&made, type, rows, columns, static_cast<std::int64_t>(rows)),
         "cublasLtMatrixLayoutCreate");
    return {made, library_.layout_destroy};
  }

  /// Everything that decides in which order an element's products are added up.
  std::string name_of(const cublasLtMatmulAlgo_t& algorithm) const {
    constexpr std::pair<cublasLtMatmulAlgoConfigAttributes_t, const char*> parts[] = {
        {CUBLASLT_ALGO_CONFIG_ID, "id"},
        {CUBLASLT_ALGO_CONFIG_TILE_ID, "tile"},
        {CUBLASLT_ALGO_CONFIG_STAGES_ID, "stages"},
        {CUBLASLT_ALGO_CONFIG_SPLITK_NUM, "split-k"},
        {CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, "reduction"},
        {CUBLASLT_ALGO_CONFIG_CTA_SWIZZLING, "swizzle"},
        {CUBLASLT_ALGO_CONFIG_CUSTOM_OPTION, "custom"},
        {CUBLASLT_ALGO_CONFIG_INNER_SHAPE_ID, "inner"},
        {CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID, "cluster"}};
    std::string name;
    for (const auto& [attribute, word] : parts) {
      std::uint64_t value = 0;  // some are of 2 bytes, some of 4
      std::size_t size = 0;
      if (library_.algorithm_get(&algorithm, attribute, nullptr, 0, &size) != CUBLAS_STATUS_SUCCESS ||
          size > sizeof value ||
          library_.algorithm_get(&algorithm, attribute, &value, size, &size) != CUBLAS_STATUS_SUCCESS)
        continue;
      name += fmt::format("{}{} {}", name.empty() ? "" : ", ", word, value);
    }
    // The attributes may not be all that decides. What is inside is the library's own business, but the same
    // for the same algorithm of the same library (cublasLtMatmulAlgo_t can be stored and restored).
    std::uint64_t inside = 0;
    for (const std::uint64_t word : algorithm.data) inside = device::mix(inside ^ word);
    return fmt::format("{}, {:016x}", name.empty() ? "unnamed" : name, inside);
  }

  Library library_;
  Owned<cublasLtHandle_t> handle_;
  Owned<cublasLtMatmulDesc_t> desc_{nullptr, nullptr};
  Owned<cublasLtMatrixLayout_t> a_{nullptr, nullptr}, b_{nullptr, nullptr}, d_{nullptr, nullptr};
  std::uint64_t workspace_bytes_{};
  std::vector<cublasLtMatmulHeuristicResult_t> found_;
};

}  // namespace

std::unique_ptr<Multiplier> open_multiplier() { return std::make_unique<CublasLt>(open_library()); }

const char* missing_multiplier() { return ""; }

}  // namespace fabricheck::node::gpu
