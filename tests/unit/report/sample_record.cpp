#include "unit/report/sample_record.hpp"

#include <limits>

namespace fabricheck::report_test {
namespace {

/// A kind of host with every field set; the other GPU has none that may be missing.
Host full_kind() {
  Host host;
  host.source = "recorded";
  host.kernel = "6.1.0-18-amd64";
  host.cpu_model = "AMD EPYC 9654 \"Genoa\"";
  host.cores = 96;
  host.hardware_threads = 192;
  host.numa_nodes = {{1, "0-47,96-143", 412316860416}};
  Gpu gpu;
  gpu.index = 3;
  gpu.name = "NVIDIA H100 80GB HBM3";
  gpu.uuid = "GPU-1";
  gpu.pci_address = "0000:18:00.0";
  gpu.numa_node = 0;
  gpu.memory_bytes = 85520809984;
  Gpu unknown_gpu;
  unknown_gpu.status = "not answering";
  unknown_gpu.problem = "GPU is lost (15)";
  gpu.compute_capability = "9.0";
  gpu.vbios = "96.00.89.00.01";
  gpu.pcie = {32.0, 16, 32.0, 16};
  gpu.nvlinks = {{0, true, 4, 26.5625, "switch", "0000:05:00.0"},
                 {1, false, std::nullopt, std::nullopt, "", ""}};
  gpu.fabric = GpuFabric{"completed", "Success", "", std::nullopt, 0xaa};
  gpu.ecc_enabled = true;
  gpu.mig_enabled = false;
  gpu.persistence_mode = true;
  gpu.power_limit_W = 700.0;
  gpu.default_power_limit_W = 700.0;
  gpu.max_sm_clock_MHz = 1980;
  gpu.max_memory_clock_MHz = 2619;
  gpu.bar1_bytes = 137438953472;
  host.gpus = {gpu, unknown_gpu};
  host.gpu_driver = "550.54.15";
  RdmaDevice device;
  device.name = "mlx5_3";
  device.board = "MT_0000000838";
  device.firmware = "28.39.1002";
  device.pci_address = "0000:1a:00.0";
  device.numa_node = 1;
  RdmaPort port;
  port.number = 1;
  port.link_layer = "Ethernet";
  port.state = "ACTIVE";
  port.rate_Gbps = 400.0;
  port.physical_state = "LinkUp";
  port.active_mtu_bytes = 4096;
  port.max_mtu_bytes = 4096;
  port.net_device = "eth3";
  port.net_mtu_bytes = 9000;
  port.gids = {{3, "", "RoCE v2", "eth3"}};
  device.ports = {port};
  device.ids = "15b3:1021";
  device.virtual_function = false;
  host.rdma_devices = {device};
  PciNode node;
  node.address = "0000:18:00.0";
  node.parent = "0000:17:01.0";
  node.root = "0000:17";
  node.kind = "gpu";
  node.ids = "10de:2330";
  node.driver = "nvidia";
  node.numa_node = 0;
  node.link = {32.0, 8, 32.0, 16};
  node.virtual_function = false;
  node.acs = true;
  node.max_payload_bytes = 256;
  node.max_read_request_bytes = 512;
  node.relaxed_ordering = true;
  node.largest_bar_bytes = 137438953472;
  host.pci = {node, PciNode{}};
  host.cuda_version = "12.4";
  host.environment.product = "NVIDIA DGXH100";
  host.environment.passthrough = false;
  host.environment.hugepages_bytes = 2097152;
  host.environment.memlock_bytes = std::numeric_limits<std::int64_t>::max();
  host.environment.modules = {{"nvidia_peermem", ""}};
  host.environment.software = {{"nccl", "2.27.3"}};
  host.given_paths = GivenPaths{{"GPU0", "NIC0"}, {{"X", "PIX"}, {"PIX", ""}}};
  host.unknown = {"NVML: libnvidia-ml.so.1 is not on this host"};
  return host;
}

HostEntry full_entry() {
  HostEntry entry;
  entry.name = "n1";
  GpuParticulars gpu;
  gpu.uuid = "GPU-1";
  gpu.cluster_uuid = "c-1";
  gpu.clique_id = 1;
  gpu.health = GpuHealth{};
  gpu.health->ecc_uncorrected = 2;
  gpu.health->remap_pending = true;
  gpu.health->throttle_reasons = {"hw-slowdown"};
  gpu.health->power_W = 71.5;
  gpu.health->nvlink_errors = {{3, 1, std::nullopt, 0, 2}};
  entry.own.gpus = {gpu, GpuParticulars{}};
  entry.own.ports = {
      {{"0000:0000:0000:0000:0000:ffff:0a00:0001"}, {"10.0.0.0/24"}, 7, Neighbour{"leaf3", "Eth1", "LLDP"}}};
  entry.own.node_guids = {"0000:0000:0000:0001"};
  entry.own.numa_memory_bytes = {412316860416};
  return entry;
}

CheckRecord full_check() {
  CheckRecord check;
  check.id = "mpi.allreduce.latency";
  check.title = "MPI allreduce latency";
  check.scope = "between nodes, group";
  check.parameters = {{"bytes", std::int64_t{8}},
                      {"group", std::int64_t{2}},
                      {"largest", std::numeric_limits<std::int64_t>::max()},
                      {"load", 5.0},
                      {"algorithm", std::string("tree | \"ring\"\n\xC2\xB5")}};
  check.metric = "latency";
  check.unit = "us";
  check.value = 6.12;
  check.ci95 = Interval{6.01, 6.3};
  Statistics& statistics = check.statistics;
  statistics.samples = 12000;
  statistics.blocks = 64;
  statistics.min = 4.9;
  statistics.median = 6.1200000000000003;
  statistics.mean = 6.4;
  statistics.p99 = 9.1;
  statistics.p999 = 14.25;
  statistics.max = 1e3 / 3;
  statistics.osu_mean = 5.2;
  statistics.barrier_median = 6.9;
  statistics.clock_error = 0.21;
  statistics.decision_interval = Interval{5.9, 6.45};
  statistics.decision_confidence = 0.9991;
  statistics.late_starts = 7;
  statistics.overruns = 11;
  statistics.verified = 120;
  check.last = LastRank{7, "n2", 0.81};
  check.target = AppliedTarget{"<", 5.0, "median", "sub-5 us target"};
  check.counters = {{"roce.out_of_sequence", 12.0}};
  check.verdict = Verdict::fail;
  check.reason = "median 6.12 us is above 5 us with all of its interval";
  check.participants = {"n1", "n2"};
  return check;
}

}  // namespace

CheckRecord latency_check(const std::string& operation, Verdict verdict, double median_us) {
  CheckRecord check;
  check.id = "mpi." + operation + ".latency";
  check.title = "MPI " + operation + " latency";
  check.scope = "between nodes";
  check.parameters = {
      {"bytes", std::int64_t{8}}, {"nodes", std::int64_t{2}}, {"ranks_per_node", std::int64_t{1}}};
  check.metric = "latency";
  check.unit = "us";
  check.verdict = verdict;
  check.participants = {"n1", "n2"};
  const bool judged = verdict != Verdict::unchecked && verdict != Verdict::skipped;
  if (judged) check.target = AppliedTarget{"<", 5.0, "median", "sub-5 us target"};
  if (verdict == Verdict::skipped || verdict == Verdict::error) return check;
  check.value = median_us;
  check.ci95 = Interval{median_us * 0.98, median_us * 1.03};
  check.statistics.samples = 12000;
  check.statistics.blocks = 64;
  check.statistics.median = median_us;
  check.statistics.p99 = median_us * 1.8;
  check.statistics.clock_error = 0.12;
  check.last = LastRank{1, "n2", 0.81};
  return check;
}

RunRecord full_record() {
  RunRecord record;
  record.tool = {"0.1.0", "a56e06a", {{"cuda", "13.0"}, {"nccl", "no: header not found"}}};
  record.started = "2026-07-04T12:00:00Z";
  record.duration_s = 125.25;
  record.command = {"fabricheck", "run", "--suite", "quick"};
  record.world = {8, 2, "mpirun", {"n1", "n2"}, {{"library", "Open MPI 4.1.4"}, {"transport", "tcp"}}};
  record.verdict = Verdict::fail;
  record.exit_status = 1;
  record.verdict_reason = "1 of 1 target missed";
  record.overhead = {{"sampling_p50_ns", 42.0}};
  record.checks = {full_check()};
  Finding finding;
  finding.slug = "rank-hung";
  finding.severity = Severity::fatal;
  finding.component = {"nic", "mlx5_3", "n2"};
  finding.meaning = "rank 7 did not arrive";
  finding.evidence = {{"/sys/class/infiniband/mlx5_3/ports/1/state", 1, "1: DOWN"}};
  finding.advice = "replace the cable";
  finding.confirm = "ibv_devinfo -d mlx5_3";
  finding.confidence = "likely";
  finding.explains = {"mpi.allreduce.latency"};
  record.findings = {finding};
  Matrix matrix;
  matrix.id = "verbs.write.bandwidth";
  matrix.unit = "GB/s";
  matrix.direction = "row sends to column";
  matrix.rows = {"n1", "n2"};
  matrix.cols = {"n1", "n2"};
  matrix.data = {{std::nullopt, 48.7}, {12.25, std::nullopt}};
  record.matrices = {matrix};
  record.fits = {{"mpi.allreduce.latency", "between nodes", "alpha*ceil(log2(nodes))", {{"alpha_us", 1.23}}}};
  record.not_tested = {{"nccl.allreduce.busbw", "built without NCCL"}};
  record.topology.kinds = {full_kind()};
  record.topology.hosts = {full_entry()};
  RankPlace place;
  place.rank = 5;
  place.host = 0;
  place.local_rank = 1;
  place.cpus = "0-47";
  place.gpu = 3;
  RankPlace bare = place;
  bare.gpu.reset();
  record.topology.ranks = {place, bare};
  return record;
}

RunRecord mixed_record() {
  RunRecord record;
  record.tool.version = "0.1.0";
  record.tool.git = "a56e06a";
  record.started = "2026-07-04T12:00:00Z";
  record.duration_s = 125.0;
  record.command = {"fabricheck", "run"};
  record.world = {4, 2, "mpirun", {"n1", "n2"}, {{"library", "Open MPI 4.1.4"}}};
  record.checks.push_back(latency_check("barrier", Verdict::pass, 3.21));
  record.checks.back().parameters["bytes"] = std::int64_t{0};
  record.checks.push_back(latency_check("reduce", Verdict::unchecked, 2.5));
  record.checks.push_back(latency_check("gather", Verdict::skipped, 0));
  record.checks.back().reason = "built without gathering";
  record.checks.push_back(latency_check("bcast", Verdict::inconclusive, 4.98));
  record.checks.back().reason = "the interval spans 5 us after the whole budget";
  record.checks.push_back(latency_check("alltoall", Verdict::error, 0));
  record.checks.back().reason = "rank 2 on n2: out of memory";
  record.checks.push_back(latency_check("allreduce", Verdict::fail, 6.12));
  record.checks.back().reason = "median 6.12 us misses < 5 us with all of its interval";
  record.checks.back().statistics.osu_mean = 5.31;
  Finding finding;
  finding.slug = "cable-down";
  finding.severity = Severity::bad;
  finding.component = {"nic", "mlx5_3", "n2"};
  finding.meaning = "port 1 runs at 100 of 400 Gb/s";
  finding.evidence = {{"/sys/class/infiniband/mlx5_3/ports/1/rate", 1, "100 Gb/sec (4X EDR)"}};
  finding.advice = "reseat or replace the cable of mlx5_3";
  finding.confirm = "cat /sys/class/infiniband/mlx5_3/ports/1/rate";
  finding.confidence = "likely";
  finding.explains = {"mpi.allreduce.latency"};
  record.findings = {finding};
  record.fits = {{"mpi.allreduce.latency", "between nodes", "alpha*ceil(log2(nodes))", {{"alpha_us", 1.23}}}};
  record.overhead = {{"sampling_p50_ns", 42.0}};
  record.not_tested = {{"verbs.write.latency", "no RDMA device on n1"}};
  conclude(record);
  return record;
}

}  // namespace fabricheck::report_test
