#include "collectives/nccl/nvls.hpp"

#include <gtest/gtest.h>

#include <map>

namespace fabricheck::collectives::nccl {
namespace {

bool with(const std::map<std::string, std::string>& variables) {
  return may_use_nvls([&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  });
}

TEST(Nvls, IsUsedUnlessItIsSwitchedOff) {
  EXPECT_TRUE(with({}));
  for (const char* value : {"1", "2", "", "-1"}) EXPECT_TRUE(with({{"NCCL_NVLS_ENABLE", value}})) << value;
  for (const char* value : {"0", "00", "0x0", "off"})
    EXPECT_FALSE(with({{"NCCL_NVLS_ENABLE", value}})) << value << ": NCCL reads a number";
  EXPECT_TRUE(with({{"NCCL_CUMEM_ENABLE", "0"}})) << "2.18 had it off, and NVLS on";
}

TEST(Nvls, IsOneOfTheAlgorithms) {
  for (const char* value :
       {"NVLS", "nvls", "Ring,NVLS", "tree,nvls,nvlstree", "^Ring", "^NVLSTree", "^", "",
        "ring;allreduce:nvls", "ring;AllReduce:^tree", "allgather:ring", "nvls;broadcast:ring", ";"})
    EXPECT_TRUE(with({{"NCCL_ALGO", value}})) << value;
  for (const char* value :
       {"Ring", "RING", "Tree,Ring", "NVLSTree", "^NVLS", "^ring,nvls", "allreduce:ring", "allreduce:^nvls",
        "nvls;allreduce:ring", "^tree;allreduce:tree,ring", "broadcast:nvls;allreduce:tree"})
    EXPECT_FALSE(with({{"NCCL_ALGO", value}})) << value;
}

TEST(Nvls, HasOneProtocol) {
  for (const char* value : {"Simple", "LL,simple", "^LL128", "ll;allreduce:simple"})
    EXPECT_TRUE(with({{"NCCL_PROTO", value}})) << value;
  for (const char* value : {"LL128", "LL,LL128", "^Simple", "allreduce:LL"})
    EXPECT_FALSE(with({{"NCCL_PROTO", value}})) << value;
}

}  // namespace
}  // namespace fabricheck::collectives::nccl
