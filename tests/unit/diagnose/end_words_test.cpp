// Ends that no phrase knows by name, and lines of healthy jobs that hold the same words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "diagnose/end_words.hpp"
#include "logs.hpp"

namespace fabricheck::diagnose {
namespace {

constexpr const char* kComplete =
    "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nRanks 1 nNodes 1 localRanks 1 localRank 0 MNNVL 0\n"
    "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nranks 1 cudaDev 0 nvmlDev 0 busId 1c000 commId 0x65 - Init "
    "COMPLETE\n";

constexpr const char* kEnds[] = {
    // Exceptions.
    "[rank3]: ValueError: expected 4 columns, got 3",
    "ValueError: expected 4 columns, got 3",
    "torch.distributed.DistStoreError: Timed out after 901 seconds waiting for clients.",
    "[1,3]<stderr>:KeyError: 'input_ids'",
    "(Worker pid=7, ip=10.0.0.1) ray.exceptions.OutOfMemoryError: Task was killed",
    "[TensorRT-LLM][ERROR] tensorrt_llm::common::TllmException: Assertion failed",
    "torch.distributed.DistBackendError: invalid argument (run with NCCL_DEBUG=WARN for details)",
    "[rank0]: AssertionError",
    "Error: ShardCannotStart",
    "RuntimeError: Unexpected error from cudaGetDeviceCount(). Error 803: system has unsupported driver",
    "UserWarning: CUDA initialization. Error 804: forward compatibility was attempted",
    // Signals.
    "Aborted (core dumped)",
    "Floating point exception (core dumped)",
    "Illegal instruction (core dumped)",
    "Segmentation fault",
    "node3: Segmentation fault",
    "段错误 (核心已转储)",
    "Speicherzugriffsfehler (Speicherabzug geschrieben)",
    "/job/run.sh: line 12: 12345 Killed                  python train.py --config c.yaml",
    "*** SIGSEGV (@0x0) received by PID 1234 (TID 0x7f) from PID 0; stack trace: ***",
    "Command '['python', 'train.py']' died with <Signals.SIGKILL: 9>.",
    "signal (11): Segmentation fault",
    "Fatal signal 11 received, exiting",
    "systemd[1]: train.service: Main process exited, code=dumped, status=11/SEGV",
    "timeout: sending signal KILL to command 'python'",
    // Statuses.
    "command terminated with exit code 1",
    "container \"trainer\" in pod \"job-0\" terminated with exit code 139 (Error)",
    "[rank: 1] Child process with PID 1001 terminated with code 1. Forcefully terminating all others",
    "Primary job  terminated normally, but 1 process returned\na non-zero exit code. Per user-direction",
    "with errorcode 1.",
    "ExitCode 1",
    "##[error]Process completed with exit code 137.",
    "make: *** [Makefile:12: train] Error 1",
    "Abort(672779791) on node 0 (rank 0 in comm 0): Other MPI error",
    // Words of runtimes.
    "F1128 10:00:01.123456  1234 gpu_executor.cc:1012] nothing is left",
    "2026-11-28 10:00:10.000000: F external/xla/rendezvous.cc:52] Exiting",
    "E1128 a.cc:1] Check failed: status == CUDNN_STATUS_SUCCESS (7 vs. 0)",
    "libtorch_cuda.so: undefined symbol: ncclCommRegister",
    "  what():  std::bad_alloc",
    "(raylet) The node with node id: abc has been marked dead because the detector has missed heartbeats",
    "The actor died because its node has died.",
    "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit.",
    "=>> PBS: job killed: walltime 3612 exceeded limit 3600",
    "Memory access fault by GPU node-4 on address 0x7f3c00000000. Reason: Unknown.",
    // Libraries and languages.
    "free(): corrupted unsorted chunks",
    "[1,5]<stdout>:malloc(): invalid size (unsorted)",
    "corrupted size vs. prev_size",
    "*** stack smashing detected ***: terminated",
    "Fatal glibc error: malloc assertion failure in sysmalloc: old_top == initial_top (av)",
    "terminate called recursively",
    "pure virtual method called",
    "panic: runtime error: invalid memory address or nil pointer dereference",
    "thread 'main' panicked at src/main.rs:4:5:",
    "Exception in thread \"main\" java.lang.OutOfMemoryError: Java heap space",
    "python: /build/a.c:12: foo: Assertion `x > 0' failed.",
    "a.cu:1: void f(): block: [5,0,0], thread: [3,0,0] Assertion `i < n` failed.",
    "ray.exceptions.RayTaskError(ValueError): ray::train() (pid=1, ip=10.0.0.1)",
    "[2026-01-29 13:12:37 PP1 TP0] Scheduler watchdog timeout (self.watchdog_timeout=300, self.soft=False)",
    "[2026-01-29 13:12:42] SIGQUIT received. signum=None, frame=None. It usually means one child failed.",
    "UNAVAILABLE: Task /job:jax_worker/replica:0/task:3 heartbeat timeout. The task has failed",
    ":0:rocdevice.cpp:2726: Aborting with error : HSA_STATUS_ERROR_EXCEPTION: a hardware exception. code: 1",
    "salloc: Job allocation 12 has been revoked.",
    "[a1:1234] PRTE ERROR: Out of resource in file plm_slurm_module.c at line 123",
    "[a1:1234] *** An error occurred in MPI_Init_thread",
    "worker-1   0/1     Error   0   5m1s",
    // Losses.
    "iteration 500/ 10000 | lm loss: NAN | loss scale: 1.0 |",
    "iteration 500/ 10000 | lm loss: 2.1 | grad norm: nan |",
    "{'loss': nan, 'learning_rate': 1e-05}",
    "train_loss=nan, step=400",
    "step 7 loss nan",
    // Hardware and the tools that look at it.
    "| GPU Memory                | Fail - GPU: 3                                  |",
    "| Page Retirement/Row Remap | Fail                                           |",
    "| Overall Health            | Failure                                                  |",
    "[13850.912648] amdgpu 0000:1c:00.0: {1}uncorrectable hardware error(ERREVENT_ATHUB_INTERRUPT) detected!",
    "|ERR!  ERR!  ERR!             ERR! / ERR! |  ERR!                  |",
    "[ERROR] [tid 1120] detected NVSwitch fatal error 20034 on fid 0",
    "Domain State: DEGRADED",
    "    0         1         4       7-8        32        32   RUNNING  INCOMPLETE",
    "Aug 17 06:18:01 node1 systemd-networkd[5398]: ib6: lost carrier",
    "Unable to determine the device handle for GPU 0000:3D:00.0: Unknown Error",
    "amdgpu: socket: 4, die: 0, 1 uncorrectable hardware errors detected in umc block",
    "pcieport 0000:15:01.0: AER: Uncorrected (Non-Fatal) error received: 0000:1b:00.0",
    "## Summary: 120 nodes checked, 1 bad nodes found",
    "pod-0   0/1     Evicted   0          5m",
    "Reason:       Evicted",
};

constexpr const char* kHarmless[] = {
    "2026-11-28 10:00:00.123456: E external/local_xla/cuda_fft.cc:479] Unable to register cuFFT factory: "
    "Attempting to register factory for plugin cuFFT when one has already been registered",
    "E0000 00:00:1764324000.123456    1234 cuda_dnn.cc:8310] Unable to register cuDNN factory",
    "2026-11-28 10:00:00.123456: W tensorflow/py_utils.cc:38] TF-TRT Warning: Could not find TensorRT",
    "[deepspeed] OVERFLOW! Rank 0 Skipping step. Attempted loss scale: 65536, reducing to 32768",
    "WARNING: There was an error initializing an OpenFabrics device.",
    "unable to open mca_op_avx: mca_op_avx.so: undefined symbol: x (ignored)",
    "ssh: connect to host job-worker-1 port 22: Connection refused",
    "UserWarning: Grad strides do not match bucket view strides. This is not an error, but may impair",
    "OMP: Warning #1: error handling disabled",
    "num_errors: 0  retries: 0  failures: 0",
    "validation error: 0.0231 | fatal: 0 | killed: 0",
    "[2026-11-28 10:00:00] saving checkpoint (abort on failure: true)",
    "Segmentation fault detection enabled (faulthandler)",
    "Signal handler installed: SIGTERM, SIGSEGV, SIGABRT",
    "Will exit with exit code 137 on OOM",
    "INFO kv_cache: Evicted 120 blocks from the prefix cache",
    "INFO page cache: Evicted pages: 12",
    "process finished with exit code 0",
    "srun: error: n1: task 3: Exited with exit code 143",
    "Error: 0",
    "Errors: 0",
    "loss: 1.2, nan_count: 0",
    "number of nan iterations:   0 |",
    "nan_check: True",
    "abort_on_nan=False",
    "signal_handler: SIGTERM",
    "max_errors: 3",
    "No errors found",
    "retry_on: [TimeoutError, ConnectionError]",
    "  - ValueError",
    "on_error: RuntimeError",
    "from torch.cuda import OutOfMemoryError",
    "except ValueError:",
    "    raise RuntimeError(\"Duplicate GPU detected\")",
    "pytest tests/test_signals.py::test_bus_error PASSED  # Bus error handled",
    "fatal: not a git repository (or any of the parent directories): .git",
    "Non-fatal error: 3 retries left",
    "GPU 0 had 0 uncorrectable ECC errors",
    "        SRAM Uncorrectable                : 0",
    "| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |",
    "| NVML Library              | Pass                                           |",
    "kernel: vetha1b2c3: lost carrier",
    "if exit code 1 is seen, look at the log",
    "ECC errors are counted. Some of them are single bit, where a wrong bit is corrected, others are double "
    "bit errors, which are uncorrectable and are said to be so by the tool when it is asked for them",
    "grad_norm: 0.93, loss: 2.0, finance: 3",
    "worker-1   1/1     Running   0   5m1s",
    "heartbeat timeout: 100 s",
    "watchdog timeout=300",
    "SIGQUIT handler installed",
    "memory_free(): 12 GiB",
    "Errors   0/1     0   5m1s",
};

TEST(EndWords, OfAnyProgramAreSeen) {
  for (const char* line : kEnds) {
    const std::string_view last(line);
    EXPECT_EQ(last_words_of(last.substr(last.rfind('\n') + 1)), LastWords::end) << line;
  }
}

TEST(EndWords, InLinesOfHealthyJobsAreNone) {
  for (const char* line : kHarmless) EXPECT_EQ(last_words_of(line), LastWords::none) << line;
}

TEST(EndWords, BehindAHealthyStartLeaveItOpenAndAreQuoted) {
  ASSERT_EQ(first(kComplete), "healthy");
  for (const char* line : kEnds) {
    const Diagnosis found = diagnosed(std::string(kComplete) + line + "\n");
    EXPECT_FALSE(found.is_conclusive && !found.has_fault) << line;
    EXPECT_EQ(finding(found, "healthy"), nullptr) << line;
  }
  const Diagnosis one = diagnosed(std::string(kComplete) + "Aborted (core dumped)\n");
  ASSERT_NE(finding(one, "unexplained-failure"), nullptr);
  EXPECT_EQ(finding(one, "unexplained-failure")->evidence.front().text, "Aborted (core dumped)");
}

TEST(EndWords, OfHealthyJobsLeaveThemHealthy) {
  for (const char* line : kHarmless)
    EXPECT_EQ(first(std::string(kComplete) + line + "\n"), "healthy") << line;
}

}  // namespace
}  // namespace fabricheck::diagnose
