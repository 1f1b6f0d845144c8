// Multiplies matrices on a GPU: behind an interface, for the library that does it is opened at run time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/precision.hpp"
#include "device/cuda/device.hpp"

namespace fabricheck::node::gpu {

/// D = A^T B with A of k x m, B of k x n and D of m x n, columns one after another: the layout that cuBLASLt
/// has for fp8 (its documentation: "TN format").
struct Product {
  Precision precision{};
  std::uint64_t m{}, n{}, k{};
};

/// Floating-point operations of one product: a multiplication and an addition for each of m n k.
constexpr double flops(const Product& product) {
  return 2.0 * static_cast<double>(product.m) * static_cast<double>(product.n) *
         static_cast<double>(product.k);
}

class Multiplier {
 public:
  virtual ~Multiplier() = default;
  /// "cuBLASLt 13.0.2 (libcublasLt.so.13)".
  virtual std::string library() const = 0;
  /// Gets ready for `product` with at most `workspace_bytes` beside; returns the names of at most `most`
  /// ways to do it, the one that the library thinks fastest first. Throws Unavailable where there is none.
  virtual std::vector<std::string> prepare(const Product& product, std::uint64_t workspace_bytes,
                                           int most) = 0;
  /// Puts the prepared product by way `number` into `stream`. The thread's last call of a Device was to the
  /// one that the memory is on. Throws Error with the library's words.
  virtual void multiply(std::size_t number, const std::byte* a, const std::byte* b, std::byte* d,
                        std::byte* workspace, cuda::Stream stream) = 0;
};

/// Over cuBLASLt. Throws Unavailable where the library is not on this host, or "built without CUDA".
std::unique_ptr<Multiplier> open_multiplier();
/// Empty, or "built without CUDA".
const char* missing_multiplier();

}  // namespace fabricheck::node::gpu
