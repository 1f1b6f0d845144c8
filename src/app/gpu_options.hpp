// The options of what runs on GPUs: parsing, pure.
#pragma once

#include <functional>
#include <string>

#include "app/options.hpp"

namespace fabricheck::app {

/// The value given for an option, or null.
using OptionLookup = std::function<const std::string*(const std::string& name)>;

/// --nccl, --gpu-memory ("80%" of what is free, or a size), --share-gpus, --cuda-graph, --register-buffers,
/// --burn. Throws UsageError.
GpuOptions gpu_options(const OptionLookup& value, const std::function<bool(const std::string&)>& has);

}  // namespace fabricheck::app
