#include "core/descriptor.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>

#include "support/own_folder.hpp"

namespace fabricheck {
namespace {

bool is_open(int descriptor) { return ::fcntl(descriptor, F_GETFD) >= 0; }

TEST(Descriptor, ClosesWhatItOwnsOnceAndLeavesErrnoAlone) {
  Descriptor owner(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int number = owner.get();
  ASSERT_TRUE(owner);
  Descriptor other(std::move(owner));
  EXPECT_TRUE(is_open(number));
  other = Descriptor();
  EXPECT_FALSE(is_open(number));
  errno = EPIPE;
  { const Descriptor wrong(1 << 20); }
  EXPECT_EQ(errno, EPIPE);
}

TEST(Descriptor, WhatIsReleasedStaysOpen) {
  int number = -1;
  {
    Descriptor owner(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    number = owner.release();
    EXPECT_FALSE(owner);
  }
  EXPECT_TRUE(is_open(number));
  ::close(number);
}

TEST(Descriptor, APipeGivesWhatWasWritten) {
  std::optional<Pipe> pipe = make_pipe();
  ASSERT_TRUE(pipe);
  EXPECT_EQ(write_all(pipe->writer.get(), "words"), 0);
  pipe->writer.reset();
  std::array<char, 16> text{};
  EXPECT_EQ(::read(pipe->reader.get(), text.data(), text.size()), 5);
  EXPECT_STREQ(text.data(), "words");
  EXPECT_EQ(::read(pipe->reader.get(), text.data(), text.size()), 0) << "the end";
  EXPECT_EQ(write_all(-1, "words"), EBADF);
  EXPECT_EQ(system_reason(EBADF), "Bad file descriptor");
}

class RegularFile : public ::testing::Test {
 protected:
  std::optional<std::string> read(const std::string& name, std::size_t limit_bytes = 65536) {
    return read_regular_file(folder_ / name, why_, limit_bytes);
  }

  const test::OwnFolder folder_;
  std::string why_;
};

TEST_F(RegularFile, IsReadUpToTheLimit) {
  const std::string text = std::string(5000, 'a') + std::string(1, '\0') + std::string(4999, 'b');
  std::ofstream(folder_ / "long") << text;
  EXPECT_EQ(read("long"), text);
  EXPECT_EQ(read("long", 5001), text.substr(0, 5001));
  EXPECT_EQ(read("long", 0), "");
  EXPECT_EQ(why_, "");
}

TEST_F(RegularFile, WhatIsNoneIsRefusedWithoutWaiting) {
  EXPECT_FALSE(read("absent"));
  EXPECT_EQ(why_, "No such file or directory");
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  for (const char* name : {"pipe", "."}) {
    why_.clear();
    EXPECT_FALSE(read(name));
    EXPECT_EQ(why_, "not a regular file") << name;
  }
}

}  // namespace
}  // namespace fabricheck
