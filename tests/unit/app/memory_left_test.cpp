#include "app/memory_left.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace fabricheck::app {
namespace {

namespace fs = std::filesystem;

class MemoryLeft : public testing::Test {
 protected:
  MemoryLeft() : root_(fs::temp_directory_path() / ("memory-left-" + std::to_string(::getpid()))) {}
  ~MemoryLeft() override { fs::remove_all(root_); }
  void write(const std::string& file, const std::string& text) {
    fs::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  fs::path root_;
};

TEST_F(MemoryLeft, IsFourFifthsOfWhatIsAvailable) {
  write("proc/meminfo", "MemTotal: 4000 kB\nMemAvailable:    1000 kB\n");
  EXPECT_EQ(memory_left_bytes(root_.string()), 1000u * 1024 / 5 * 4);
}

TEST_F(MemoryLeft, IsNoMoreThanAnyControlGroupAboveLeaves) {
  write("proc/meminfo", "MemAvailable: 1000000 kB\n");
  write("proc/self/cgroup", "0::/slurm/job7/step0\n");
  write("sys/fs/cgroup/slurm/job7/step0/memory.max", "max\n");
  write("sys/fs/cgroup/slurm/job7/step0/memory.current", "5\n");
  write("sys/fs/cgroup/slurm/job7/memory.max", "5000\n");
  write("sys/fs/cgroup/slurm/job7/memory.current", "1000\n");
  EXPECT_EQ(memory_left_bytes(root_.string()), 4000u / 5 * 4);
  write("sys/fs/cgroup/slurm/job7/memory.current", "9000\n");
  EXPECT_EQ(memory_left_bytes(root_.string()), 1u) << "over its limit: nothing is left, and that is known";
}

TEST_F(MemoryLeft, IsUnknownWithoutTheKernelsWord) { EXPECT_EQ(memory_left_bytes(root_.string()), 0u); }

}  // namespace
}  // namespace fabricheck::app
