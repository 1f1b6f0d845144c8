// The parsed command line. Parsing is pure: no file is opened but those named by --targets and --hostfile.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/topology_checks.hpp"
#include "core/target.hpp"
#include "core/variant.hpp"
#include "node/catalog.hpp"

namespace fabricheck::app {

enum class Suite { quick, acceptance, full, diagnose };

enum class InPlace { off, on, both };

enum class ProgressMode { automatic, on, off };

enum class Pairs { rail, cross, all };

/// What pairs of ranks measure with.
struct VerbsOptions {
  int queue_pairs{1};  ///< of bandwidth and message rate
  int depth{128};      ///< messages on their way, of each queue pair
  Pairs pairs{Pairs::rail};
  bool loopback{};  ///< pairs within a host
};

/// A change of this much is no regression and no improvement.
inline constexpr double default_tolerance_percent = 5.0;

/// Which ports are used, and how.
struct LinkOptions {
  std::string device;                ///< "mlx5_0:1,mlx5_1"; empty: each rank the one nearest to its GPU
  std::optional<int> gid_index;      ///< unset: chosen for each pair
  std::optional<int> traffic_class;  ///< unset: NCCL_IB_TC's
  std::optional<int> service_level;  ///< unset: NCCL_IB_SL's
};

/// What runs on GPUs.
struct GpuOptions {
  std::string nccl_library;         ///< empty: the one that the dynamic linker finds
  int memory_percent{80};           ///< of what is free on a GPU, at most so much is allocated
  std::uint64_t memory_bytes{};     ///< in place of it; 0: not given
  bool share{};                     ///< several ranks may drive one GPU; nothing is judged then
  bool cuda_graph{};                ///< NCCL's operations are captured once and launched
  bool register_buffers{};          ///< with NCCL, where it can
  std::chrono::nanoseconds burn{};  ///< a matrix multiplication on every GPU for so long; 0: none
};

struct RunOptions {
  Suite suite{Suite::quick};
  std::chrono::nanoseconds budget{};  ///< for all checks together; default by suite
  std::vector<std::string> only;      ///< globs over check ids
  std::vector<std::string> skip;
  std::vector<std::uint64_t> sizes;   ///< empty: each check's own
  std::vector<DataType> types;        ///< empty: float32
  std::vector<Reduction> reductions;  ///< empty: sum
  InPlace in_place{InPlace::off};
  std::uint64_t verify_repeat{};  ///< verified iterations beside the measurement of each check
  std::string targets_file;       ///< empty: built-in targets alone
  TopologySources topology;
  LinkOptions links;
  std::string out_directory{"fabricheck-results"};
  ProgressMode progress{ProgressMode::automatic};
  VerbsOptions verbs;
  GpuOptions gpu;
  bool allow_subset{};
  bool single_process{};  ///< GPUs of this node alone, without MPI
  bool bind_numa{};       ///< set by `launch`: each rank binds itself to the NUMA node of its GPU
  std::chrono::nanoseconds deadline{};  ///< a check in which nothing moves for so long is given up
  std::chrono::nanoseconds silence{};   ///< a rank whose watchdog is silent for so long is called hung
  std::string baseline;                 ///< a result to compare with; empty: none
  double tolerance_percent{default_tolerance_percent};  ///< of a change against the baseline
};

struct LaunchOptions {
  std::vector<std::string> hosts;
  std::string hostfile;
  bool dry_run{};
  std::optional<int> ranks_per_node;
  std::chrono::nanoseconds timeout{};             ///< the whole job; 0: derived from the run's budget
  std::vector<std::string> run_arguments{"run"};  ///< what follows `--`, beginning with "run"
  RunOptions run;                                 ///< the same, parsed
};

struct NodeOptions {
  node::Profile profile{node::Profile::prolog};
  std::optional<std::chrono::nanoseconds> budget;  ///< none: the configuration's, or by profile
  std::string config_file;                         ///< empty: built-in settings, which only observe
  std::string expect_file;                         ///< goes before the configuration's
  std::string targets_file;
  std::string storage_path;
  std::string json_file;     ///< "-": standard output; empty: none
  std::string sysroot{"/"};  ///< where /sys and /proc are looked for
  bool slurm{};              ///< act on Slurm, and exit as Slurm takes it
};

enum class ListSubject { checks, targets, platforms, findings };

struct ListOptions {
  ListSubject subject{ListSubject::checks};
};

enum class TopologyFormat { tree, matrix, json, dot, svg };

struct TopologyOptions {
  TopologyFormat format{TopologyFormat::tree};
  std::string save_file;     ///< empty: standard output
  std::string load_file;     ///< empty: this machine, or the one below sysroot
  std::string sysroot{"/"};  ///< where /sys and /proc are looked for
  std::string
      expectation_file;  ///< where what the host has is written as what should be there; empty: nowhere
  TopologySources judge_by;
  bool judges{};  ///< whether one of them was given
};

struct DiagnoseOptions {
  std::vector<std::string> files;  ///< logs and other evidence, in order; "-": standard input
  std::string topology_file;       ///< empty: none, or one among `files`
  std::string result_file;         ///< as ReportOptions::path; empty: none, or one among `files`
  std::string json_file;           ///< empty: none; "-": standard output, and the report on standard error
};

enum class ReportFormat { console, json, markdown, csv };

struct CompareOptions {
  std::string before;  ///< as ReportOptions::path
  std::string after;
  double tolerance_percent{default_tolerance_percent};
};

struct ReportOptions {
  std::string path;  ///< result.json, journal.jsonl, or the folder that holds them
  ReportFormat format{ReportFormat::console};
  std::string output_file;  ///< empty or "-": standard output
};

}  // namespace fabricheck::app
