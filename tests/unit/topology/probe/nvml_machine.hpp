// A GPU machine for tests: the stand-in NVML replays it, and a recorded tree shows it on PCI.
#pragma once

#include <gtest/gtest.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cerrno>
#include <string>
#include <vector>

#include "topology/probe/probe.hpp"
#include "unit/topology/probe/sys_tree.hpp"

namespace fabricheck::topology {

class NvmlMachine : public ::testing::Test {
 protected:
  void SetUp() override {
    static const int counting = ::pthread_atfork([] { ++forks_; }, nullptr, nullptr);
    ASSERT_EQ(counting, 0);
    forks_ = 0;
    options_.sysroot = tree_.root();
    options_.nvml_library = STANDIN_NVML;
    tree_.folder("sys/bus/pci/devices");
  }
  void TearDown() override {
    ::unsetenv("FABRICHECK_STANDIN_NVML");
    // No child is left behind, dead or alive.
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
  }

  /// A machine of tests/fixtures/nvml.
  void replay(const std::string& name) {
    ::setenv("FABRICHECK_STANDIN_NVML", (std::string(FABRICHECK_FIXTURES_DIR) + "/nvml/" + name).c_str(), 1);
  }
  /// A machine of the test's own; `json` may name a base.
  void replay_text(const std::string& json) {
    tree_.file("machine.json", json);
    ::setenv("FABRICHECK_STANDIN_NVML", tree_.at("machine.json").c_str(), 1);
  }

  void gpu_on_pci(const std::string& address, const std::string& driver = "", const std::string& numa = "0") {
    tree_.pci(address, "0x10de", "0x030200", numa);
    if (!driver.empty()) {
      tree_.link("sys/devices/pci0000:00/" + address + "/driver", "../../../bus/pci/drivers/" + driver);
    }
  }
  /// What the driver says of it, and its device node unless `node` is false.
  void driver_entry(const std::string& address, int minor, bool node = true, const char* excluded = "No") {
    tree_.file("proc/driver/nvidia/gpus/" + address + "/information",
               "Model: \t\t NVIDIA H100 80GB HBM3\nBus Location: \t " + address + "\nDevice Minor: \t " +
                   std::to_string(minor) + "\nGPU Excluded:\t " + excluded + "\n");
    if (node) tree_.file("dev/nvidia" + std::to_string(minor), "");
  }

  Host probe() {
    Host host;
    probe_gpus(options_, host);
    return host;
  }
  template <class Value>
  static std::vector<Value> column(const Host& host, Value Gpu::*member) {
    std::vector<Value> values;
    for (const auto& gpu : host.gpus) values.push_back(gpu.*member);
    return values;
  }
  static std::vector<std::string> names(const Host& host) { return column(host, &Gpu::name); }
  static std::vector<std::string> states(const Host& host) { return column(host, &Gpu::status); }

  SysTree tree_;
  ProbeOptions options_;
  static inline int forks_ = 0;
};

}  // namespace fabricheck::topology
