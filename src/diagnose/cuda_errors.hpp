// What an error of CUDA's says by itself, whichever call of NCCL's met it. Private to this folder.
#pragma once

#include <cstdint>
#include <string_view>

#include "diagnose/observations.hpp"

namespace fabricheck::diagnose {

enum class CudaCause : std::uint8_t {
  the_call,       ///< what was asked for was refused: it counts what that was
  program,        ///< a kernel did what it must not; later calls get it, too
  hardware,       ///< ECC or NVLink could not correct it
  memory,         ///< GPU memory did not suffice
  not_ready,      ///< the NVLink fabric is not initialised
  driver,         ///< the driver is too old
  peer_mappings,  ///< a GPU has as many peers as it can
  ending,         ///< the process ends
  other,
};

/// By the error's text where it is known, else by its number (cudaError_t).
CudaCause cuda_cause(int code, std::string_view text);
inline CudaCause cuda_cause(const EventGroup& group) { return cuda_cause(group.code, group.detail); }

}  // namespace fabricheck::diagnose
