// What reading a large log costs: `bench_diagnose` writes a log of 20 million lines from 1,024 ranks into a
// temporary file, diagnoses it in a child of its own, and says seconds of one core and the child's peak
// memory. Exit status 1 above 8 s or 100 MiB, and where the fault in the last line is not found.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>

#include "app/diagnose.hpp"
#include "core/error.hpp"

namespace {

using namespace fabricheck;

struct Settings {
  std::uint64_t lines{20'000'000};
  int ranks{1024};
};

/// What NCCL says at the start, then the lines that fill large logs: channels of all ranks in turn.
class LogWriter {
 public:
  LogWriter(std::FILE* file, int ranks) : file_(file), ranks_(ranks) {}

  std::uint64_t bytes() const { return bytes_; }

  void write(std::uint64_t lines) {
    std::uint64_t written = 0;
    for (int rank = 0; rank < ranks_; ++rank) written += begin(rank);
    for (std::uint64_t i = 0; written < lines; ++i, ++written) fill(i);
    put(0, "misc/shmutils.cc:71 NCCL WARN Error: failed to extend /dev/shm/nccl-abcdef to 5967876 bytes");
  }

 private:
  void put(int rank, std::string_view message) {
    text_.clear();
    fmt::format_to(std::back_inserter(text_), "n{}:{}:{} [{}] {}\n", rank / 8, 4000 + rank, 9000 + rank,
                   rank % 8, message);
    if (std::fwrite(text_.data(), 1, text_.size(), file_) != text_.size())
      throw Error("the log cannot be written");
    bytes_ += text_.size();
  }

  std::uint64_t begin(int rank) {
    put(rank,
        "NCCL INFO NET/IB : Using [0]mlx5_0:1/IB [1]mlx5_1:1/IB [2]mlx5_2:1/IB [3]mlx5_3:1/IB [RO]; OOB "
        "eth0:10.1.1.1<0>");
    put(rank, "NCCL INFO Using network IB");
    put(rank, "NCCL INFO NCCL_IB_TIMEOUT set by environment to 22.");
    put(rank, fmt::format("NCCL INFO comm 0x55cc{:08x} rank {} nranks {} cudaDev {} nvmlDev {} busId 1c000 "
                          "commId 0x65e0bd - Init "
                          "START",
                          rank, rank, ranks_, rank % 8, rank % 8));
    return 4;
  }

  void fill(std::uint64_t i) {
    const int rank = static_cast<int>(i % static_cast<std::uint64_t>(ranks_));
    const unsigned channel = static_cast<unsigned>(i / 1024 % 16);
    const int next = (rank + 1) % ranks_;
    switch (i / 7 % 8) {
      case 0:
        put(rank, fmt::format("NCCL INFO Channel {:02}/0 : {}[{}] -> {}[{}] [send] via NET/IB/{}/GDRDMA",
                              channel, rank, rank % 8, next, next % 8, channel % 4));
        break;
      case 1:
        put(rank, fmt::format("NCCL INFO Channel {:02}/0 : {}[{}] -> {}[{}] [receive] via NET/IB/{}/GDRDMA",
                              channel, next, next % 8, rank, rank % 8, channel % 4));
        break;
      case 2:
        put(rank, "NCCL INFO Connected all rings, use ring PXN 0 GDR 1");
        break;
      case 3:
        put(rank, fmt::format("NCCL INFO AllReduce: opCount {:x} count 4194304 datatype 7 op 0 root 0 comm "
                              "0x55cc [nranks=16]",
                              i));
        break;
      default:
        put(rank, fmt::format("NCCL INFO Channel {:02}/0 : {}[{}] -> {}[{}] via P2P/IPC", channel, rank,
                              rank % 8, next, next % 8));
    }
  }

  std::FILE* file_;
  int ranks_;
  std::uint64_t bytes_{};
  std::string text_;
};

struct Cost {
  double cpu_s{};
  double peak_MiB{};
  bool found{};
};

/// In a child, so that its peak memory is its own.
Cost diagnose_in_child(const std::string& file) {
  const pid_t child = ::fork();
  if (child < 0) throw Error("no process can be started");
  if (child == 0) {
    app::DiagnoseOptions options;
    options.files.push_back(file);
    const auto seen = app::read_evidence(options);
    const auto diagnosis = diagnose::diagnose(seen);
    const bool found = !diagnosis.findings.empty() && diagnosis.findings.front().slug == "shm-too-small";
    std::_Exit(found ? 0 : 1);
  }
  int status = 0;
  struct rusage usage {};
  if (::wait4(child, &status, 0, &usage) != child) throw Error("the child was lost");
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return {seconds(usage.ru_utime) + seconds(usage.ru_stime), static_cast<double>(usage.ru_maxrss) / 1024.0,
          WIFEXITED(status) && WEXITSTATUS(status) == 0};
}

Settings read_settings(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string_view(argv[i]) == "--lines") settings.lines = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::string_view(argv[i]) == "--ranks") settings.ranks = std::atoi(argv[i + 1]);
  }
  if (settings.ranks < 1 || settings.lines < 1)
    throw UsageError("usage: bench_diagnose [--lines N] [--ranks N]");
  return settings;
}

int bench(int argc, char** argv) {
  const Settings settings = read_settings(argc, argv);
  const std::string file =
      (std::filesystem::temp_directory_path() / fmt::format("bench_diagnose.{}.log", ::getpid())).string();
  std::uint64_t bytes = 0;
  {
    std::FILE* out = std::fopen(file.c_str(), "wb");
    if (out == nullptr) throw Error(file + ": cannot be written");
    LogWriter writer(out, settings.ranks);
    writer.write(settings.lines);
    bytes = writer.bytes();
    if (std::fclose(out) != 0) throw Error(file + ": cannot be written");
  }
  const Cost cost = diagnose_in_child(file);
  std::filesystem::remove(file);
  fmt::print(
      "{} lines of {} ranks, {:.2f} GiB: {:.2f} s of one core, {:.0f} MiB at most; {:.0f} MB/s, {:.0f} ns a "
      "line\n",
      settings.lines, settings.ranks, static_cast<double>(bytes) / 1073741824.0, cost.cpu_s, cost.peak_MiB,
      static_cast<double>(bytes) / 1e6 / cost.cpu_s, cost.cpu_s * 1e9 / static_cast<double>(settings.lines));
  constexpr double most_s = 8.0, most_MiB = 100.0;
  const bool full = settings.lines >= 20'000'000;
  if (!cost.found) fmt::print("the fault in the last line was not found first\n");
  return cost.found && cost.peak_MiB <= most_MiB && (!full || cost.cpu_s <= most_s) ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return bench(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_diagnose: {}\n", error.what());
    return 2;
  }
}
