#include "core/error.hpp"
#include "device/cuda/device.hpp"

namespace fabricheck::cuda {

std::unique_ptr<Runtime> open_runtime(const std::string&) { throw Unavailable(missing_runtime()); }

const char* missing_runtime() { return "built without CUDA"; }

}  // namespace fabricheck::cuda
