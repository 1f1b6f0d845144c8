// GPUs of the stand-in for the whole program, named by the environment.
#pragma once

#include <memory>
#include <string>

#include "device/cuda/device.hpp"

namespace fabricheck::test {

/// As FABRICHECK_STANDIN_GPUS tells: the PCI address of each, by commas, and after a semicolon what is not
/// usual: "0000:18:00.0,0000:2a:00.0;hbm_GBps=2000 memory_MiB=256". Throws std::invalid_argument for words
/// that it does not know.
std::unique_ptr<cuda::Runtime> standin_runtime(const std::string& words);

}  // namespace fabricheck::test
