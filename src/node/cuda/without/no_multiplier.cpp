#include "core/error.hpp"
#include "node/gpu/multiplier.hpp"

namespace fabricheck::node::gpu {

std::unique_ptr<Multiplier> open_multiplier() { throw Unavailable(missing_multiplier()); }

const char* missing_multiplier() { return "built without CUDA"; }

}  // namespace fabricheck::node::gpu
