// NUMA nodes of what `nvidia-smi topo -m` shows.
#include <optional>

#include "case_files.hpp"

namespace fabricheck::topology {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Host read(const std::string& name) { return read_smi_matrix(read_case("topo-m/" + name + ".txt"), name); }

/// "0 1 ?" by device.
template <class Devices>
std::string nodes_of(const Devices& devices) {
  std::string text;
  for (const auto& device : devices)
    text += (text.empty() ? "" : " ") + (device.numa_node ? std::to_string(*device.numa_node) : "?");
  return text;
}

std::vector<std::string> nodes(const Host& host) {
  std::vector<std::string> text;
  for (const auto& node : host.numa_nodes) text.push_back(std::to_string(node.index) + ": " + node.cpus);
  return text;
}

const char* const kNumbered = "numbers of NUMA nodes are not told";

TEST(SmiNuma, OnlyWhatRowsAndPathsProveIsPlaced) {
  NEED_CASES();
  const Host host = read("T05");
  EXPECT_EQ(nodes_of(host.gpus), "0 0 0 ? ? ? ? ?");
  EXPECT_EQ(nodes_of(host.rdma_devices), "0 0 0 0 ? ?") << "NODE or PIX proves it, SYS does not";
  EXPECT_THAT(host.unknown, Contains("the NUMA node of GPU3, GPU4, GPU5, GPU6, GPU7 is not told"));
  EXPECT_THAT(host.unknown, Not(Contains(HasSubstr(kNumbered))));
  EXPECT_EQ(nodes_of(read("T09").rdma_devices), "0 3");
}

TEST(SmiNuma, ListsOfCpusAreNodesWhereNoNumberIsTold) {
  NEED_CASES();
  const Host six = read("T10");
  EXPECT_THAT(nodes(six), ElementsAre("0: 0-13,28-41", "1: 14-27,42-55"));
  EXPECT_EQ(nodes_of(six.gpus), "0 0 0 1 1 1");
  EXPECT_EQ(nodes_of(six.rdma_devices), "1 0");
  EXPECT_THAT(six.unknown, Contains(HasSubstr(kNumbered)));
  EXPECT_THAT(six.unknown, Not(Contains(HasSubstr("the NUMA node of"))));
  EXPECT_THAT(nodes(read("T19")), ElementsAre("0: 0-23"));
  EXPECT_THAT(nodes(read("T20")), ElementsAre("0: 0-11"));
  const Host two = read("T26");
  EXPECT_THAT(nodes(two), ElementsAre("0: 0-11,24-35"));
  EXPECT_EQ(nodes_of(two.rdma_devices), "? ?") << "SYS";
  const Host dgx1 = read("T27");
  EXPECT_THAT(nodes(dgx1), ElementsAre("0: 0-19,40-59", "1: 20-39,60-79"));
  EXPECT_EQ(nodes_of(dgx1.gpus), "0 0 0 0 1 1 1 1");
  EXPECT_EQ(nodes_of(dgx1.rdma_devices), "0 0 1 1");
}

/// Two GPUs, with what follows their cells.
Host pair(const std::string& path, const std::string& first, const std::string& second) {
  return read_smi_matrix("\tGPU0\tGPU1\tCPU Affinity\tNUMA Affinity\nGPU0\t X \t" + path + "\t" + first +
                             "\nGPU1\t" + path + "\t X \t" + second + "\n",
                         "x");
}

TEST(SmiNuma, NodesAreNumberedByTheirCpusNotByTheirGpus) {
  const Host host = pair("SYS", "8-15\tN/A", "0-7\tN/A");
  EXPECT_THAT(nodes(host), ElementsAre("0: 0-7", "1: 8-15"));
  EXPECT_EQ(nodes_of(host.gpus), "1 0");
}

TEST(SmiNuma, ListsThatCannotBeNodesAreDroppedAndSaid) {
  struct Case {
    Host host;
    const char* why;
  };
  const std::vector<Case> table{
      {pair("SYS", "0-7\tN/A", "4-11\tN/A"), "lists of CPUs overlap"},
      {pair("SYS", "0-7\tN/A", "0-7\tN/A"), "SYS between GPU0 and GPU1 does not fit"},
      {pair("NODE", "0-7\tN/A", "8-15\tN/A"), "NODE between GPU0 and GPU1 does not fit"},
      {pair("SYS", "0-7\t0-1", "8-15\t2-3"), "NUMA Affinity '0-1' is no single node"},
  };
  for (const auto& each : table) {
    SCOPED_TRACE(each.why);
    EXPECT_EQ(nodes_of(each.host.gpus), "? ?");
    EXPECT_THAT(nodes(each.host), IsEmpty());
    EXPECT_THAT(each.host.unknown, Contains(AllOf(HasSubstr("the CPU affinity of GPU0, GPU1 is left out"),
                                                  HasSubstr(each.why))));
    EXPECT_THAT(each.host.unknown, Each(Not(HasSubstr(kNumbered))));
  }
}

TEST(SmiNuma, NodesOfGpuMemoryAreNotTakenForThoseOfCpus) {
  const Host host = pair("NV18", "0-71\t0,2-17", "72-143\t1,18-33");
  EXPECT_THAT(nodes(host), ElementsAre("0: 0-71", "1: 72-143"));
  EXPECT_EQ(nodes_of(host.gpus), "0 1");
  EXPECT_THAT(host.unknown, Contains(HasSubstr("NUMA Affinity '0,2-17' names several nodes")));
  EXPECT_EQ(nodes_of(pair("SYS", "0-7\t0,1", "8-15\t2,3").gpus), "? ?") << "halves of a socket";
}

TEST(SmiNuma, NumbersOfTheFileAreNotMixedWithOthers) {
  const Host host = pair("SYS", "0-7\t3", "8-15\tN/A");
  EXPECT_EQ(nodes_of(host.gpus), "3 ?");
  EXPECT_THAT(nodes(host), ElementsAre("3: 0-7"));
  EXPECT_THAT(host.unknown, Contains(HasSubstr("the CPU affinity of GPU1 is left out: the file tells")));
  EXPECT_THAT(host.unknown, Contains("the NUMA node of GPU1 is not told"));
}

TEST(SmiNuma, ANicBetweenTwoNodesIsAtNone) {
  const Host host = read_smi_matrix(
      "\tGPU0\tGPU1\tNIC0\tCPU Affinity\tNUMA Affinity\n"
      "GPU0\t X \tSYS\tPIX\t0-7\t0\nGPU1\tSYS\t X \tNODE\t8-15\t1\nNIC0\tPIX\tNODE\t X \n",
      "x");
  EXPECT_EQ(nodes_of(host.rdma_devices), "?");
  EXPECT_THAT(host.unknown, Contains("the NUMA node of NIC0 is not known: its paths say NUMA node 0 and 1"));
}

}  // namespace
}  // namespace fabricheck::topology
