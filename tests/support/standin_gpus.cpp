#include "support/standin_gpus.hpp"

#include <chrono>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support/cuda/host_device.hpp"

namespace fabricheck::test {

std::unique_ptr<cuda::Runtime> standin_runtime(const std::string& words) {
  const std::size_t end = words.find(';');
  std::istringstream addresses(words.substr(0, end));
  std::vector<HostGpu> gpus;
  for (std::string address; std::getline(addresses, address, ',');) {
    HostGpu gpu;
    gpu.facts.pci_address = address;
    gpu.facts.memory_bytes = std::uint64_t{256} << 20;
    gpus.push_back(gpu);
  }
  std::istringstream others(end == std::string::npos ? "" : words.substr(end + 1));
  auto faults = std::make_shared<HostGpuFaults>();
  for (std::string word; others >> word;) {
    const std::size_t equals = word.find('=');
    const std::string key = word.substr(0, equals);
    const double value = equals == std::string::npos ? 0.0 : std::stod(word.substr(equals + 1));
    for (HostGpu& gpu : gpus) {
      if (key == "hbm_GBps") gpu.hbm_GBps = value;
      if (key == "peer_GBps") gpu.peer_GBps = value;
      if (key == "host_GBps") gpu.host_GBps = value;
      if (key == "memory_MiB") gpu.facts.memory_bytes = static_cast<std::uint64_t>(value) << 20;
    }
    // As where CUDA starts the driver.
    if (key == "start_s") std::this_thread::sleep_for(std::chrono::duration<double>(value));
    if (key == "stuck_at") faults->stuck_at = static_cast<std::uint64_t>(value);
    const bool known = key == "hbm_GBps" || key == "peer_GBps" || key == "host_GBps" || key == "memory_MiB" ||
                       key == "stuck_at" || key == "start_s";
    if (!known) throw std::invalid_argument("unknown word '" + word + "' of the stand-in's GPUs");
  }
  return make_host_runtime(std::move(gpus), std::move(faults));
}

}  // namespace fabricheck::test
