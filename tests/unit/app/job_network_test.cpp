#include "app/job_network.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "topology/model/merge.hpp"

namespace fabricheck::app {
namespace {

using testing::AllOf;
using testing::HasSubstr;

ClusterTopology cluster() {
  Host host;
  host.name = "h7";
  for (const char* name : {"mlx5_0", "mlx5_1"}) {
    RdmaDevice nic;
    nic.name = name;
    RdmaPort port;
    port.number = 1;
    port.state = "ACTIVE";
    port.link_layer = "Ethernet";
    port.gids = {{0, "fe80::1", "RoCE v2", ""}, {3, "::ffff:10.0.0.1", "RoCE v2", ""}};
    nic.ports = {port};
    host.rdma_devices.push_back(nic);
  }
  return topology::merge_hosts({host});
}

std::string error_of(const LinkOptions& links, const ClusterTopology& cluster) {
  try {
    require_links(cluster, links);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST(RequireLinks, NamesWhatThereIs) {
  LinkOptions links;
  links.device = "mlx5_1";
  links.gid_index = 3;
  EXPECT_EQ(error_of(links, cluster()), "");
  links.device = "mlx5_7";
  EXPECT_THAT(error_of(links, cluster()),
              AllOf(HasSubstr("--device mlx5_7"), HasSubstr("h7"), HasSubstr("mlx5_")));
  links.device = "mlx5_0";
  links.gid_index = 9;
  EXPECT_THAT(error_of(links, cluster()),
              AllOf(HasSubstr("--gid-index 9"), HasSubstr("mlx5_0"), HasSubstr("0, 3")));
  links = {};
  links.device = "mlx5_0";
  EXPECT_THAT(error_of(links, topology::merge_hosts({Host{}})), HasSubstr("no such RDMA device"));
}

TEST(JobNetwork, OptionsAndEnvironment) {
  const auto environment = [](const std::string& name) -> std::optional<std::string> {
    if (name == "NCCL_IB_TC") return "4";
    if (name == "NCCL_IB_GID_INDEX") return "3";
    if (name == "NCCL_IB_PKEY") return "-1";
    return std::nullopt;
  };
  LinkOptions links;
  EXPECT_EQ(job_network(links, environment).traffic_class, 4);
  links.traffic_class = 106;
  const topology::JobNetwork job = job_network(links, environment);
  EXPECT_EQ(job.traffic_class, 106);
  EXPECT_EQ(job.gid_index, 3);
  EXPECT_EQ(job.pkey_index, std::nullopt);
  EXPECT_THROW(job_network({},
                           [](const std::string& name) -> std::optional<std::string> {
                             return name == "NCCL_IB_GID_INDEX" ? std::optional<std::string>("three")
                                                                : std::nullopt;
                           }),
               UsageError);
}

}  // namespace
}  // namespace fabricheck::app
