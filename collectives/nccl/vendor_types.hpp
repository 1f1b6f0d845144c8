// What NCCL's header calls the types and reductions of core, and which NCCL and which GPU they need. Private
// to this folder.
#pragma once

#include <nccl.h>

#include <cstddef>
#include <iterator>

#include "collectives/nccl/since_2_18.hpp"
#include "core/variant.hpp"

namespace fabricheck::collectives::nccl {

struct NcclType {
  DataType type;
  ncclDataType_t value;
  int first_version{};  ///< of NCCL, such as 22400; 0: all that this program works with have it
  int reduces_from{};   ///< the compute capability of the first GPUs that add it, major; 0: all do
};
/// FP8 came with 2.24 (its release notes), and reductions of it need a Hopper (ncclEnqueueCheck).
inline constexpr NcclType nccl_types[] = {
    {DataType::float32, ncclFloat32},
    {DataType::bfloat16, ncclBfloat16},
    {DataType::float16, ncclFloat16},
    {DataType::float64, ncclFloat64},
    {DataType::int32, ncclInt32},
    {DataType::int64, ncclInt64},
    {DataType::float8e4m3, float8e4m3, 22400, 9},
    {DataType::float8e5m2, float8e5m2, 22400, 9},
};
static_assert(has_row_per_type(nccl_types));

struct NcclReduction {
  Reduction reduction;
  ncclRedOp_t value;
};
inline constexpr NcclReduction nccl_reductions[] = {
    {Reduction::sum, ncclSum},   {Reduction::max, ncclMax}, {Reduction::min, ncclMin},
    {Reduction::prod, ncclProd}, {Reduction::avg, ncclAvg},
};
static_assert(has_row_per_reduction(nccl_reductions));

constexpr const NcclType& nccl_type_row(DataType type) { return nccl_types[static_cast<std::size_t>(type)]; }
constexpr ncclDataType_t nccl_type(DataType type) { return nccl_type_row(type).value; }
constexpr ncclRedOp_t nccl_reduction(Reduction reduction) {
  return nccl_reductions[static_cast<std::size_t>(reduction)].value;
}

}  // namespace fabricheck::collectives::nccl
