#include "app/node_environment.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string_view>

namespace fabricheck::app {
namespace {

constexpr std::size_t kLongest = 255;

bool is_word(std::string_view text) {
  return !text.empty() && text.size() <= kLongest && text.front() != '-' &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
                  c == '_' || c == '-';
         });
}

bool loads_code(std::string_view variable) {
  return variable.starts_with("LD_") || variable.starts_with("GLIBC_TUNABLES=") ||
         variable.starts_with("GCONV_PATH=");
}

}  // namespace

std::optional<std::vector<int>> parse_gpu_list(const std::string& text) {
  constexpr int kMost = 1024;
  std::vector<int> gpus;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    int first = 0;
    auto parsed = std::from_chars(at, end, first);
    if (parsed.ec != std::errc{} || first < 0 || first >= kMost) return std::nullopt;
    int last = first;
    if (parsed.ptr != end && *parsed.ptr == '-') {
      parsed = std::from_chars(parsed.ptr + 1, end, last);
      if (parsed.ec != std::errc{} || last < first || last >= kMost) return std::nullopt;
    }
    for (int gpu = first; gpu <= last; ++gpu) gpus.push_back(gpu);
    at = parsed.ptr;
    if (at == end) break;
    if (*at != ',' || at + 1 == end) return std::nullopt;
    ++at;
  }
  return gpus;
}

SlurmWords slurm_words(const char* (*variable)(const char* name)) {
  const auto word = [&](const char* name) -> std::string {
    const char* const value = variable(name);
    return value != nullptr && is_word(value) ? value : "";
  };
  SlurmWords words;
  words.node = word("SLURMD_NODENAME");
  words.job = word("SLURM_JOB_ID");
  words.partition = word("SLURM_JOB_PARTITION");
  if (const char* const conf = variable("SLURM_CONF");
      conf != nullptr && *conf == '/' && std::string_view(conf).size() <= kLongest)
    words.conf = conf;
  if (const char* const gpus = variable("SLURM_JOB_GPUS"); gpus != nullptr && *gpus != '\0')
    words.gpus = parse_gpu_list(gpus);  // malformed: unknown
  return words;
}

void leave_environment(char** argv) {
  bool is_led = false;
  std::vector<char*> kept;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (loads_code(*entry)) {
      is_led = true;
    } else {
      kept.push_back(*entry);
    }
  }
  kept.push_back(nullptr);
  // Should it fail, what was loaded is loaded; the rest is still cleaned.
  if (is_led && ::geteuid() == 0) ::execve("/proc/self/exe", argv, kept.data());
  ::clearenv();
  ::setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
  ::setenv("LC_ALL", "C", 1);
  // hwloc's plugins load OpenCL, CUDA and X11.
  ::setenv("HWLOC_COMPONENTS", "-cuda,-nvml,-opencl,-gl,-rsmi,-levelzero", 1);
  ::setenv("HWLOC_PLUGINS_BLACKLIST", "hwloc_cuda.so,hwloc_nvml.so,hwloc_opencl.so,hwloc_gl.so", 1);
}

}  // namespace fabricheck::app
