#include "diagnose/variables.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "diagnose/text_line.hpp"

namespace fabricheck::diagnose {
namespace {

constexpr std::array<std::string_view, 22> kOthers{
    "NCCL_FASTRAK_",     "NCCL_GPUDIRECTTCPX_", "NCCL_GPUVIPERTCPX_", "NCCL_TESTS_",
    "NCCL_ASYNC_ERROR_", "NCCL_BLOCKING",       "NCCL_DESYNC_DEBUG",  "NCCL_ENABLE_TIMING",
    "NCCL_HOME",         "NCCL_ROOT",           "NCCL_INCLUDE",       "NCCL_LIB",
    "NCCL_VERSION",      "NCCL_PACKAGE",        "NCCL_DIR",           "NCCL_UCX_",
    "NCCL_OFI_",         "NCCL_SHIMNET_",       "NCCL_TIMEOUT",       "NCCL_MAJOR",
    "NCCL_MINOR",        "NCCL_PATCH"};

// NCCL's documentation and the notes of its releases.
constexpr std::array<std::pair<std::string_view, const char*>, 15> kReplaced{{
    {"NCCL_IB_CUDA_SUPPORT", "NCCL_NET_GDR_LEVEL"},
    {"NCCL_IB_GDR_LEVEL", "NCCL_NET_GDR_LEVEL"},
    {"NCCL_THREAD_THRESHOLD", "NCCL_ALGO"},
    {"NCCL_TREE_THRESHOLD", "NCCL_ALGO"},
    {"NCCL_LL_THRESHOLD", "NCCL_PROTO"},
    {"NCCL_MAX_NRINGS", "NCCL_MAX_NCHANNELS"},
    {"NCCL_MIN_NRINGS", "NCCL_MIN_NCHANNELS"},
    {"NCCL_RINGS", "NCCL_GRAPH_FILE"},
    {"NCCL_CHECKS_DISABLE", "NCCL_CHECK_POINTERS"},
    {"NCCL_LAUNCH_MODE", "nothing: NCCL chooses"},
    {"NCCL_CGA_CLUSTER_SIZE", "NCCL_MAX_CGA_CLUSTER_SIZE"},
    {"NCCL_ASYNC_ERROR_HANDLING", "TORCH_NCCL_ASYNC_ERROR_HANDLING"},
    {"NCCL_BLOCKING_WAIT", "TORCH_NCCL_BLOCKING_WAIT"},
    {"NCCL_DESYNC_DEBUG", "TORCH_NCCL_DESYNC_DEBUG"},
    {"NCCL_ENABLE_TIMING", "TORCH_NCCL_ENABLE_TIMING"},
}};

// Values that need not agree between ranks, because they name things of one host or only what is written.
constexpr std::array<std::string_view, 14> kOwn{
    "NCCL_SOCKET_IFNAME",   "NCCL_IB_HCA",    "NCCL_HOSTID",     "NCCL_TOPO_FILE",   "NCCL_TOPO_DUMP_FILE",
    "NCCL_GRAPH_FILE",      "NCCL_DEBUG",     "NCCL_DEBUG_FILE", "NCCL_COMM_ID",     "NCCL_DEBUG_SUBSYS",
    "NCCL_GRAPH_DUMP_FILE", "NCCL_CONF_FILE", "NCCL_CUDA_PATH",  "NCCL_PROXY_CPUSET"};

bool is_number_up_to(std::string_view value, int most) {
  const auto number = take_number<int>(value);
  return number && value.empty() && *number > 0 && *number <= most;
}

constexpr std::array<std::string_view, 14> kSetters{"export", "env",  "set",   "setenv", "declare",
                                                    "-x",     "-e",   "--env", "-genv",  "-E",
                                                    "ENV",    "sudo", "time",  "exec"};
constexpr std::array<std::string_view, 10> kLaunchers{
    "mpirun", "mpiexec", "srun", "torchrun", "python", "_perf", "docker ", "accelerate", "deepspeed", "./"};

/// A tag of a launcher or a time in front of the line.
bool is_tag(std::string_view word) {
  return word.ends_with(':') || word.ends_with(']') || word.ends_with('>') || word == "|" || word == "+" ||
         word == "$" ||
         (word.find_first_of("0123456789") != std::string_view::npos &&
          word.find_first_not_of("0123456789:.-+TZ,") == std::string_view::npos);
}

/// "LOC would go around it" behind "NAME=": words, and nothing of a command.
bool is_prose(std::string_view after) {
  const std::size_t value = after.find_first_of(" \t");
  if (value == std::string_view::npos) return false;
  const std::string_view words = trim(after.substr(value));
  const bool is_command = words.find_first_of("=/-.$\\\"'|&") != std::string_view::npos;
  return !is_command && words.find(' ') != std::string_view::npos &&
         std::none_of(kLaunchers.begin(), kLaunchers.end(),
                      [&](std::string_view launcher) { return contains(words, launcher); });
}

bool sets(std::string_view word) {
  return std::find(kSetters.begin(), kSetters.end(), word) != kSetters.end() || contains(word, "=");
}

}  // namespace

bool is_assignment(std::string_view before, std::string_view after) {
  if (!before.empty() && std::string_view(" \t\"',;>:").find(before.back()) == std::string_view::npos)
    return false;
  std::string_view words = before;
  while (!words.empty() && (words.back() == '"' || words.back() == '\'')) words.remove_suffix(1);
  words = trim(words);
  if (words.starts_with('#')) return false;
  const bool has_launcher = std::any_of(kLaunchers.begin(), kLaunchers.end(), [&](std::string_view launcher) {
    return contains(before, launcher) || contains(after, launcher);
  });
  if (has_launcher) return true;
  if (is_prose(after)) return false;
  // Only tags, then perhaps one word that sets, then other assignments.
  while (!words.empty()) {
    const std::string_view word = until(words, " \t");
    if (!is_tag(word)) break;
    words = trim(words.substr(word.size()));
  }
  while (!words.empty()) {
    const std::string_view word = until(words, " \t");
    if (!sets(word)) return false;
    words = trim(words.substr(word.size()));
  }
  return true;
}

bool is_of_others(std::string_view name) {
  return std::any_of(kOthers.begin(), kOthers.end(),
                     [&](std::string_view front) { return starts_with(name, front); });
}

const char* replacement_of(std::string_view name) {
  const auto* found =
      std::find_if(kReplaced.begin(), kReplaced.end(), [&](const auto& one) { return one.first == name; });
  return found == kReplaced.end() ? nullptr : found->second;
}

const char* harm_of(std::string_view name, std::string_view value) {
  const bool zero = value == "0", one = value == "1";
  if (name == "NCCL_SHM_DISABLE" && one) return "ranks of a node may not use shared memory";
  if (name == "NCCL_NVLS_ENABLE" && zero) return "NVLink SHARP is off";
  if (name == "NCCL_CUMEM_ENABLE" && zero) return "memory that NVLS and registration need is off";
  if (name == "NCCL_DMABUF_ENABLE" && zero) return "GPUDirect RDMA by DMA-BUF is off";
  if (name == "NCCL_PXN_DISABLE" && one) return "GPUs may not send through another GPU's NIC";
  if (name == "NCCL_IGNORE_DISABLED_P2P" && one) return "a broken NVLink is not reported";
  if (name == "NCCL_NET_DISABLE_INTRA" && zero) return nullptr;
  if ((name == "NCCL_MAX_NCHANNELS" || name == "NCCL_MAX_CTAS") && is_number_up_to(value, 4))
    return "so few channels cannot fill NVLink or several NICs";
  if (name == "NCCL_IB_TIMEOUT" && is_number_up_to(value, 13))
    return "the HCA gives up after less than a second";
  if (name == "NCCL_PROTO" && (value == "LL" || value == "ll"))
    return "the protocol for small messages is used for all";
  if (name == "NCCL_CHECK_POINTERS" && one) return "each call costs a check";
  if (name == "NCCL_IGNORE_NET_MISMATCH" && one)
    return "ranks with different devices hang instead of failing";
  return nullptr;
}

bool must_be_equal(std::string_view name) { return std::find(kOwn.begin(), kOwn.end(), name) == kOwn.end(); }

}  // namespace fabricheck::diagnose
