// What later headers of NCCL have and that of 2.18 has not: any from there on builds the same program.
#pragma once

#include <nccl.h>

#include <cstddef>
#include <type_traits>

namespace fabricheck::collectives::nccl {

/// ncclFloat8e4m3 and ncclFloat8e5m2, from 2.24 on.
inline constexpr auto float8e4m3 = static_cast<ncclDataType_t>(10);
inline constexpr auto float8e5m2 = static_cast<ncclDataType_t>(11);
#if NCCL_VERSION_CODE >= NCCL_VERSION(2, 24, 0)
static_assert(float8e4m3 == ncclFloat8e4m3 && float8e5m2 == ncclFloat8e5m2);
#endif

/// ncclCommRegister and ncclCommDeregister, from 2.19 on.
using CommRegister = ncclResult_t(const ncclComm_t, void*, std::size_t, void**);
using CommDeregister = ncclResult_t(const ncclComm_t, void*);
#if NCCL_VERSION_CODE >= NCCL_VERSION(2, 19, 0)
static_assert(std::is_same_v<CommRegister, decltype(::ncclCommRegister)> &&
              std::is_same_v<CommDeregister, decltype(::ncclCommDeregister)>);
#endif

}  // namespace fabricheck::collectives::nccl
