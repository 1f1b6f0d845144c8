// How often a good node would be drained, and a bad one is not: recorded machines, replayed with noise.
//
//     bench_node [--replays N]
//
// Prints drains of good machines with the bound of the rule of three (Hanley and Lippman-Hand, JAMA 1983:
// none in n means a rate below 3/n with 95 % confidence). Exit status 1 when a good one was drained, or a bad
// one never.
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "support/node_replay.hpp"
#include "topology/probe/nvml.hpp"
#include "topology/readers/readers.hpp"

namespace {

using namespace fabricheck;

struct Machine {
  std::string name;
  Host host;
};

Host asked(const std::string& fixture) {
  ::setenv("FABRICHECK_STANDIN_NVML", (std::string(FABRICHECK_FIXTURES_DIR) + "/nvml/" + fixture).c_str(), 1);
  topology::NvmlAnswer answer = topology::ask_nvml(
      STANDIN_NVML, {std::chrono::seconds(30), std::chrono::seconds(30), std::chrono::seconds(30)},
      topology::NvmlDetail::brief);
  Host host;
  host.name = "node1";
  host.environment.hypervisor = "none";
  host.gpu_driver = answer.driver;
  host.gpus = std::move(answer.gpus);
  return host;
}

void add_cases(std::vector<Machine>& machines) {
  const std::filesystem::path folder = std::filesystem::path(FABRICHECK_CASES_DIR) / "topo-xml";
  std::error_code none;
  if (std::string(FABRICHECK_CASES_DIR).empty() || !std::filesystem::is_directory(folder, none)) {
    fmt::print("SKIPPED: the recorded cases are not there; machines of tests/fixtures alone\n");
    return;
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".xml") continue;
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    try {
      Host host = topology::read_nccl_xml(text, entry.path().string());
      host.name = "node1";
      machines.push_back({entry.path().filename().string(), std::move(host)});
    } catch (const Error& error) {
      fmt::print("left out: {}\n", error.what());
    }
  }
}

bool is_bad(const Host& host, const NodeConfig& config, const std::vector<node::PlannedRow>& plan) {
  const auto judged = node::judge(plan, node::facts_of(host), config, host.name);
  return std::any_of(judged.faults.begin(), judged.faults.end(),
                     [](const node::Fault& fault) { return fault.deterministic; });
}

}  // namespace

int main(int argc, char** argv) {
  long replays = 100'000;
  if (argc == 3 && std::strcmp(argv[1], "--replays") == 0) replays = std::strtol(argv[2], nullptr, 10);
  std::vector<Machine> machines;
  for (const char* const name :
       {"h100x8.json", "gb200.json", "mig.json", "old_driver.json", "link_down.json", "gpu_lost.json",
        "ecc_errors.json", "fabric_manager_down.json", "pcie_narrow.json"})
    machines.push_back({name, asked(name)});
  add_cases(machines);
  const NodeConfig config = node::replay_config();
  const auto plan = node::plan(node::Profile::prolog, std::chrono::seconds(5), {});
  std::vector<const Machine*> good;
  std::vector<const Machine*> bad;
  for (const Machine& machine : machines)
    (is_bad(machine.host, config, plan) ? bad : good).push_back(&machine);
  if (good.empty() || bad.empty()) {
    fmt::print("no good machine, or no bad one: nothing is shown\n");
    return 1;
  }
  node::Noise noise(20'261'127);
  long false_drains = 0;
  for (long i = 0; i < replays; ++i) {
    const Machine& machine = *good[static_cast<std::size_t>(i) % good.size()];
    const node::Decision decision = node::replay(machine.host, config, plan, noise);
    if (decision.action != node::DrainAction::drain) continue;
    if (++false_drains <= 5) fmt::print("FALSE DRAIN of {}: {}\n", machine.name, decision.reason);
  }
  const double bound = false_drains == 0 ? 3.0 / static_cast<double>(replays) : 1.0;
  fmt::print(
      "{} good machines, {} replays of two looks: {} drained; rate below {:.2g} with 95 % confidence (rule "
      "of three)\n",
      good.size(), replays, false_drains, bound);
  const long bad_replays = std::max(200L, replays / 20);
  int never = 0;
  for (const Machine* machine : bad) {
    long drained = 0;
    for (long i = 0; i < bad_replays; ++i)
      if (node::replay(machine->host, config, plan, noise).action == node::DrainAction::drain) ++drained;
    fmt::print("bad: {:<28} drained in {:.1f} % of {} replays\n", machine->name,
               100.0 * static_cast<double>(drained) / static_cast<double>(bad_replays), bad_replays);
    if (drained == 0) ++never;
  }
  return false_drains > 0 || never > 0 ? 1 : 0;
}
