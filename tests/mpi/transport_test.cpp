#include "control/mpi_transport.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "core/communicator.hpp"
#include "mpi/session.hpp"

namespace fabricheck {
namespace {

using testing::Contains;

std::string asked_for(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::vector<std::string> parts(const std::string& list) {
  std::vector<std::string> words;
  std::istringstream in(list);
  for (std::string word; std::getline(in, word, ',');) words.push_back(word);
  return words;
}

/// Once in the process: what the tools interface loads stays.
const control::MpiTransport& probed() {
  static const control::MpiTransport transport = [] {
    for (int i = 0; i < 3; ++i) broadcast_string(test::session().world(), "traffic", 0);
    return control::probe_mpi_transport();
  }();
  return transport;
}

TEST(MpiTransport, KnowsItsLibraryAndProcess) {
  EXPECT_EQ(probed().library, test::session().description().at("library"));
  EXPECT_TRUE(probed().rdma_devices.has_value());
  EXPECT_TRUE(probed().ucx_verbs.has_value());
}

TEST(MpiTransport, OfOpenMpiItKnowsWhatWasSelected) {
  if (probed().library.rfind("Open MPI", 0) != 0) GTEST_SKIP() << probed().library << " is not Open MPI";
  EXPECT_NE(probed().pml, "");
  if (probed().pml == "ob1") {
    ASSERT_TRUE(probed().btls);
    EXPECT_THAT(*probed().btls, Contains("self"));
  }
  EXPECT_EQ(probed().mtl.empty(), probed().pml != "cm");
}

// mpirun of this test was told what to take; see CMakeLists.txt. Twice, because the first look must not
// change the second.
TEST(MpiTransport, SaysWhatItWasTold) {
  const std::string pml = asked_for("FABRICHECK_TEST_PML"), btls = asked_for("FABRICHECK_TEST_BTLS");
  if (pml.empty()) GTEST_SKIP() << "nothing was asked for";
  for (const control::MpiTransport& seen : {probed(), control::probe_mpi_transport()}) {
    EXPECT_EQ(seen.pml, pml);
    EXPECT_EQ(seen.btls.has_value(), !btls.empty());
    if (seen.btls) {
      EXPECT_EQ(*seen.btls, parts(btls));
    }
    if (pml != "ucx") continue;
    EXPECT_NE(seen.ucx_version, "");
    EXPECT_EQ(seen.ucx_tls, asked_for("UCX_TLS"));
    EXPECT_EQ(seen.ucx_net_devices, "all");
    EXPECT_FALSE(seen.ucx_shared_memory) << "UCX_TLS leaves it out";
  }
}

TEST(MpiTransport, EveryRankTellsTheSame) {
  const auto all = gather_strings(test::session().world(), control::pack_transport(probed()), 0);
  for (const std::string& one : all) EXPECT_EQ(control::unpack_transport(one), probed());
  test::session().world().barrier();
}

}  // namespace
}  // namespace fabricheck
