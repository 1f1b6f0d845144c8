#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/mpi_transport.hpp"
#include "core/error.hpp"
#include "unit/topology/probe/sys_tree.hpp"

namespace fabricheck::control {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Optional;
using topology::SysTree;

constexpr const char* plain_maps =
    "55d0-55d1 r-xp 00000000 08:01 12 /usr/bin/fabricheck\n"
    "7f00-7f01 r-xp 00000000 08:01 13 /usr/lib/x86_64-linux-gnu/libuct.so.0.0.0\n"
    "7f02-7f03 rw-p 00000000 00:00 0 [heap]\n";

TEST(ProcessTransport, NamesTheRdmaDevicesThatAreOpen) {
  const SysTree tree;
  tree.file("proc/self/maps", plain_maps);
  tree.link("proc/self/fd/0", "/dev/null");
  tree.link("proc/self/fd/7", "/dev/infiniband/uverbs12");
  tree.link("proc/self/fd/8", "/dev/infiniband/uverbs0");
  tree.link("proc/self/fd/9", "/dev/infiniband/uverbs0");
  tree.link("proc/self/fd/10", "/dev/infiniband/rdma_cm");  // the connection manager moves no data
  tree.link("proc/self/fd/11", "anon_inode:[infinibandevent]");
  tree.link("proc/self/fd/12", "socket:[4711]");
  tree.link("proc/self/fd/13", "/home/me/uverbs1");
  tree.link("proc/self/fd/14", "/dev/hfi1_0");
  tree.file("sys/class/infiniband_verbs/uverbs0/ibdev", "mlx5_3\n");
  tree.file("sys/class/infiniband_verbs/uverbs12/ibdev", "mlx5_0\n");
  const MpiTransport seen = read_process_transport(tree.root());
  EXPECT_THAT(seen.rdma_devices, Optional(ElementsAre("hfi1_0", "mlx5_0", "mlx5_3")));
  EXPECT_EQ(seen.ucx_verbs, false);
  EXPECT_FALSE(seen.ucx_shared_memory);
}

TEST(ProcessTransport, ADeviceWithoutSysfsKeepsItsFilesName) {
  const SysTree tree;
  tree.link("proc/self/fd/7", "/dev/infiniband/uverbs2");
  EXPECT_THAT(read_process_transport(tree.root()).rdma_devices, Optional(ElementsAre("uverbs2")));
}

TEST(ProcessTransport, NoneOpenIsNotTheSameAsNotKnown) {
  const SysTree tree;
  EXPECT_FALSE(read_process_transport(tree.root()).rdma_devices);
  EXPECT_FALSE(read_process_transport(tree.root()).ucx_verbs);
  tree.link("proc/self/fd/0", "/dev/null");
  EXPECT_THAT(read_process_transport(tree.root()).rdma_devices, Optional(IsEmpty()));
}

TEST(ProcessTransport, SeesWhichTransportsUcxLoaded) {
  for (const char* file : {"libuct_ib.so.0.0.0", "libuct_ib_mlx5.so.0"}) {
    const SysTree tree;
    tree.file("proc/self/maps",
              std::string(plain_maps) + "7f04-7f05 r-xp 0 08:01 14 /usr/lib/ucx/" + file + "\n");
    EXPECT_EQ(read_process_transport(tree.root()).ucx_verbs, true) << file;
  }
  const SysTree tree;
  tree.file("proc/self/maps",
            std::string(plain_maps) + "7f06-7f07 rw-s 0 00:19 2 /dev/shm/ucx_shm_posix_5c1371dd (deleted)\n");
  EXPECT_TRUE(read_process_transport(tree.root()).ucx_shared_memory);
}

MpiTransport from_variables(const std::vector<std::string>& names) {
  MpiTransport transport;
  read_control_variables(names, transport);
  return transport;
}

// The names are those that Open MPI 4.1.4 gives, shortened.
TEST(ControlVariables, TellTheOneSelected) {
  const std::vector<std::string> ob1{"pml",
                                     "pml_base_verbose",
                                     "pml_ob1_priority",
                                     "pml_ob1_major_version",
                                     "btl",
                                     "btl_tcp_major_version",
                                     "btl_vader_eager_limit",
                                     "btl_vader_major_version",
                                     "btl_self_major_version",
                                     "mtl_psm2_major_version",
                                     "mtl_ofi_major_version",
                                     "osc_rdma_major_version"};
  const MpiTransport seen = from_variables(ob1);
  EXPECT_EQ(seen.pml, "ob1");
  EXPECT_THAT(seen.btls, Optional(ElementsAre("self", "tcp", "vader")));
  EXPECT_EQ(seen.mtl, "") << "the tools interface registers mtl's components where nobody selected one";
}

TEST(ControlVariables, BtlsCarryNothingBelowOtherPmls) {
  EXPECT_FALSE(from_variables({"pml_ucx_major_version", "btl_tcp_major_version"}).btls);
  EXPECT_EQ(from_variables({"pml_ucx_major_version", "btl_tcp_major_version"}).pml, "ucx");
  EXPECT_EQ(from_variables({"pml_cm_major_version", "mtl_ofi_major_version"}).mtl, "ofi");
}

TEST(ControlVariables, AGuessIsUnknown) {
  EXPECT_EQ(from_variables({}).pml, "");
  EXPECT_EQ(from_variables({"pml_ob1_major_version", "pml_cm_major_version"}).pml, "") << "two are left";
  EXPECT_EQ(from_variables({"pml_cm_major_version", "mtl_ofi_major_version", "mtl_psm2_major_version"}).mtl,
            "");
  EXPECT_EQ(from_variables({"pml_ob1_priority"}).pml, "");
  EXPECT_FALSE(from_variables({"pml_ob1_major_version"}).btls)
      << "none would be wrong: something carries messages";
}

TEST(ControlVariables, ALayerThatWatchesIsNotTheTransport) {
  EXPECT_EQ(from_variables({"pml_ob1_major_version", "pml_monitoring_major_version"}).pml, "ob1");
}

TEST(UcxConfiguration, IsReadAsUcxPrintsIt) {
  MpiTransport transport;
  read_ucx_configuration(
      "#\n# UCX\nUCX_NET_DEVICES=mlx5_0:1,mlx5_1:1\nUCX_SOCKADDR_TLS_PRIORITY=rdmacm,tcp\nUCX_TLS=^ib\n",
      transport);
  EXPECT_EQ(transport.ucx_tls, "^ib");
  EXPECT_EQ(transport.ucx_net_devices, "mlx5_0:1,mlx5_1:1");
}

TEST(PackedTransport, ComesBackAsItWent) {
  MpiTransport full;
  full.library = "Open MPI v4.1.4";
  full.pml = "ucx";
  full.mtl = "psm2";
  full.btls = {"self", "tcp"};
  full.rdma_devices = {"mlx5_0", "mlx5_1"};
  full.ucx_verbs = true;
  full.ucx_shared_memory = true;
  full.ucx_version = "1.13.1";
  full.ucx_tls = "rc,sm,self";
  full.ucx_net_devices = "all";
  EXPECT_EQ(unpack_transport(pack_transport(full)), full);
  EXPECT_EQ(unpack_transport(pack_transport({})), MpiTransport{});
  MpiTransport none;
  none.rdma_devices.emplace();
  none.ucx_verbs = false;
  EXPECT_EQ(unpack_transport(pack_transport(none)), none) << "none opened is not unknown";
}

TEST(PackedTransport, RefusesWhatItDoesNotKnow) {
  EXPECT_THROW(unpack_transport("pml=ob1\ncolour=green\n"), Error);
  EXPECT_THROW(unpack_transport("nonsense"), Error);
}

}  // namespace
}  // namespace fabricheck::control
