#include "node/active.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <set>
#include <string_view>

#include "core/descriptor.hpp"
#include "node/text_file.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::node {
namespace {

namespace fs = std::filesystem;

/// They have the devices open on every node, and use none of them. MPS is not among them: its server has a
/// GPU open when programs share it.
constexpr std::array<std::string_view, 5> kDaemons{"nvidia-persiste", "nv-fabricmanage", "nv-hostengine",
                                                   "dcgm-exporter", "nvidia-imex"};

bool is_device(const std::string& target) {
  constexpr std::string_view kGpu = "/dev/nvidia";
  if (target.starts_with(kGpu))
    return target.size() > kGpu.size() && target[kGpu.size()] >= '0' && target[kGpu.size()] <= '9';
  return target.starts_with("/dev/infiniband/uverbs");
}

/// What the process has open. CUDA opens nvidia-uvm with every GPU; without it a process only looks on by
/// NVML, as monitors do.
std::set<std::string> devices_of(const fs::path& process) {
  std::set<std::string> devices;
  bool uses_cuda = false;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(process / "fd", error)) {
    const fs::path target = fs::read_symlink(entry.path(), error);
    if (error) continue;
    if (is_device(target.string())) devices.insert(target.string());
    uses_cuda = uses_cuda || target == "/dev/nvidia-uvm";
  }
  if (!uses_cuda)
    std::erase_if(devices, [](const std::string& one) { return one.starts_with("/dev/nvidia"); });
  return devices;
}

constexpr std::size_t kMemoryBytes = std::size_t{64} << 20;

/// A pattern that differs from word to word and from pass to pass.
std::uint64_t pattern(std::size_t word, std::uint64_t pass) {
  constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15;
  return (word + 1) * kOdd ^ (pass * kOdd >> 7U);
}

/// Writes "ok BYTES" or "wrong WORD" to the pipe.
void work_on_memory(std::chrono::milliseconds budget, int descriptor) {
  const Deadline until(budget);
  void* const place =
      ::mmap(nullptr, kMemoryBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  std::string said = "none";
  if (place != MAP_FAILED) {
    auto* const words = static_cast<volatile std::uint64_t*>(place);
    constexpr std::size_t count = kMemoryBytes / sizeof(std::uint64_t);
    std::size_t wrong = count;
    std::uint64_t passes = 0;
    do {
      for (std::size_t i = 0; i < count; ++i) words[i] = pattern(i, passes);
      for (std::size_t i = 0; i < count && wrong == count; ++i)
        if (words[i] != pattern(i, passes)) wrong = i;
      ++passes;
    } while (wrong == count && !until.over());
    said = wrong == count ? fmt::format("ok {}", passes * kMemoryBytes) : fmt::format("wrong {}", wrong);
  }
  write_all(descriptor, said);
}

/// Why the row cannot be done here; empty: it can.
std::string why_not(const NodeRow& row, const std::optional<Host>& host, const std::vector<DeviceUser>& users,
                    const DeviceChecks& checks) {
  const std::string_view id = row.id;
  if (id == "node.host_memory") return {};
  const bool is_gpu = id == "node.nccl" || id == "node.gpu_bandwidth";
  if (is_gpu && (!host || host->gpus.empty())) return "no GPU on this node";
  if (!is_gpu && (!host || host->rdma_devices.empty())) return "no RDMA device on this node";
  const auto has_active_port = [](const RdmaDevice& nic) {
    return nic.status == "answers" &&
           std::any_of(nic.ports.begin(), nic.ports.end(),
                       [](const RdmaPort& port) { return port.state == "ACTIVE"; });
  };
  if (!is_gpu && std::none_of(host->rdma_devices.begin(), host->rdma_devices.end(), has_active_port))
    return "no active RDMA port";
  const std::string_view device = is_gpu ? "/dev/nvidia" : "/dev/infiniband";
  for (const DeviceUser& user : users)
    if (std::string_view(user.device).starts_with(device))
      return fmt::format("{} is open in {} (process {}): it is left alone", user.device, user.command,
                         user.pid);
  if (is_gpu)
    for (const Gpu& gpu : host->gpus)
      if (gpu.mig_enabled.value_or(false))
        return fmt::format("GPU{} is divided by MIG: it is left alone", gpu.index);
  return is_gpu ? "this version has no checks that use a GPU yet" : checks.no_verbs;
}

}  // namespace

std::vector<DeviceUser> device_users(const std::string& sysroot) {
  std::vector<DeviceUser> users;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(fs::path(sysroot) / "proc", error)) {
    const std::string name = entry.path().filename().string();
    std::int64_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ptr != name.data() + name.size())
      continue;
    if (sysroot == "/" && pid == ::getpid()) continue;
    const std::set<std::string> devices = devices_of(entry.path());
    if (devices.empty()) continue;
    std::string why;
    std::string command = read_below(entry.path().string(), "comm", why).value_or("?");
    command = topology::printable(command.substr(0, command.find('\n')));
    if (std::any_of(kDaemons.begin(), kDaemons.end(),
                    [&](std::string_view daemon) { return command.starts_with(daemon); }))
      continue;
    for (const std::string& device : devices) users.push_back({pid, command, device});
  }
  return users;
}

std::map<std::string, DeviceUser> gpu_users(const std::string& sysroot, const std::set<std::int64_t>& own) {
  std::vector<DeviceUser> users = device_users(sysroot);
  std::erase_if(users, [&](const DeviceUser& one) { return own.contains(one.pid); });
  std::map<std::string, DeviceUser> by_address;
  if (users.empty()) return by_address;
  const std::string folder = "proc/driver/nvidia/gpus";
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(fs::path(sysroot) / folder, error)) {
    const std::string address = entry.path().filename().string();
    std::string why;
    const std::string text =
        read_below(sysroot, fmt::format("{}/{}/information", folder, address), why).value_or("");
    constexpr std::string_view key = "Device Minor:";
    const std::size_t at = text.find(key);
    if (at == std::string::npos) continue;
    const std::size_t digits = text.find_first_of("0123456789", at + key.size());
    if (digits == std::string::npos) continue;
    const std::string device =
        "/dev/nvidia" + text.substr(digits, text.find_first_not_of("0123456789", digits) - digits);
    const auto user =
        std::find_if(users.begin(), users.end(), [&](const DeviceUser& one) { return one.device == device; });
    if (user != users.end()) by_address[address] = *user;
  }
  return by_address;
}

Outcome check_host_memory(Isolation& isolation, std::chrono::milliseconds budget) {
  constexpr std::chrono::milliseconds kGrace{10'000};  // busy processors: less only makes it inconclusive
  const IsolatedAnswer answer = isolation.run("host memory", budget + kGrace,
                                              [&](int descriptor) { work_on_memory(budget, descriptor); });
  Outcome outcome;
  if (!answer.text) {
    outcome.verdict = Verdict::inconclusive;
    outcome.reason = answer.problem;
  } else if (answer.text->starts_with("ok ")) {
    std::uint64_t bytes = 0;
    std::from_chars(answer.text->data() + 3, answer.text->data() + answer.text->size(), bytes);
    outcome.value = static_cast<double>(bytes);
    outcome.unit = "B";
    outcome.reason = "read back as written";
  } else if (answer.text->starts_with("wrong ")) {
    Fault fault;
    fault.text = "host memory read back differs from what was written";
    fault.kind = "memory-corrupt";
    fault.deterministic = true;
    outcome.verdict = Verdict::fail;
    outcome.reason = fault.text;
    outcome.faults = {fault};
  } else {
    outcome.verdict = Verdict::inconclusive;
    outcome.reason = "64 MiB of memory were not to be had";
  }
  return outcome;
}

Judgement run_active(const std::vector<PlannedRow>& plan, const std::string& sysroot,
                     const std::optional<Host>& host, const DeviceChecks& checks, Isolation& isolation,
                     const std::string& host_name) {
  Judgement judgement;
  std::optional<std::vector<DeviceUser>> users;
  for (const PlannedRow& planned : plan) {
    const NodeRow& row = *planned.row;
    if (!row.active || !planned.left_out.empty()) continue;  // judge() lists what was left out
    if (!users) users = device_users(sysroot);
    const std::string reason = why_not(row, host, *users, checks);
    if (!reason.empty()) {
      judgement.not_tested.push_back({row.id, reason});
      continue;
    }
    Outcome outcome = std::string_view(row.id) == "node.verbs_loopback"
                          ? checks.verbs_loopback(isolation, row.takes / 2)
                          : check_host_memory(isolation, row.takes / 2);
    for (Fault& fault : outcome.faults) {
      fault.check = row.id;
      fault.topic = row.topic;
      judgement.faults.push_back(fault);
    }
    if (outcome.verdict == Verdict::inconclusive)
      judgement.unclear.push_back(fmt::format("{}: {}", row.id, outcome.reason));
    judgement.checks.push_back(record_of(row, outcome, host_name));
  }
  return judgement;
}

}  // namespace fabricheck::node
