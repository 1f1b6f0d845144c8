// How jobs and their processes end, and what they run out of.
#pragma once

#include "core/fault_text.hpp"

namespace fabricheck::fault {

inline constexpr FaultText host_memory{
    "host-out-of-memory",
    Severity::fatal,
    "host",
    "a process was killed because the host, or its cgroup, had no memory left",
    "ask for more memory (--mem, the container's limit) or let the job take less: data loaders, pinned "
    "buffers, "
    "checkpoints in memory",
    "dmesg -T | grep -i 'killed process'; sacct -j JOB --format=MaxRSS,ReqMem,State"};
inline constexpr FaultText program_fault{"program-fault",
                                         Severity::fatal,
                                         "software",
                                         "the program did something on the GPU that it must not (an access "
                                         "out of bounds, a failed assertion); collectives "
                                         "of that rank then never end",
                                         "look at the traceback and at indices (labels out of range); run "
                                         "with CUDA_LAUNCH_BLOCKING=1; it is the GPU only "
                                         "where the same program gets it on that GPU alone",
                                         "compute-sanitizer; CUDA_LAUNCH_BLOCKING=1; dmesg -T | grep -i xid"};
inline constexpr FaultText program_exception{
    "program-exception",
    Severity::fatal,
    "software",
    "a rank of the job ended with an exception; what the others say follows from that",
    "mend what the exception of the rank named says: look at its traceback",
    "the traceback of that rank, from its own log"};
inline constexpr FaultText crashed{"process-crashed",
                                   Severity::bad,
                                   "software",
                                   "a process of the job crashed; what its peers say follows from that",
                                   "look at what that rank did last: its own log, a core file (coredumpctl, "
                                   "gdb), Python with -X faulthandler; Bus "
                                   "error is often a full /dev/shm",
                                   "coredumpctl list; python -X faulthandler; df -h /dev/shm"};
inline constexpr FaultText node_failed{
    "node-failed",
    Severity::fatal,
    "host",
    "Slurm lost a node of the job: it crashed, lost its network, or slurmd died",
    "look at that node: its console and kernel log, power, slurmd; drain it until the reason is known",
    "sacct -j JOB --format=State,NodeList; scontrol show node NODE; dmesg -T there"};
inline constexpr FaultText prolog_failed{
    "node-refused-job",
    Severity::fatal,
    "host",
    "Slurm's prolog failed on a node of the job, so the job did not start there",
    "look at the reason that the node was drained for (scontrol show node NODE) and mend what it names; the "
    "job "
    "can start on other nodes meanwhile",
    "scontrol show node NODE; sinfo -R; the log of slurmd there"};
inline constexpr FaultText job_recovered{
    "job-recovered",
    Severity::info,
    "cluster",
    "the job met a failure, and was started again or went on to its end after it",
    "look for what failed where it comes again",
    "sacct -j JOB --duplicates"};
inline constexpr FaultText time_limit{
    "time-limit",
    Severity::info,
    "cluster",
    "Slurm ended the job at its time limit; whether it hung or was only not done does not stand here",
    "look when it last made progress; where it did until the end, ask for more time or go on from a "
    "checkpoint",
    "sacct -j JOB --format=Elapsed,Timelimit,State"};
inline constexpr FaultText job_failed{
    "job-failed",
    Severity::bad,
    "software",
    "a process of the job ended by a failure, and what was given does not say why",
    "find the first failure: the earliest error of that rank, the program's own traceback, the kernel log of "
    "its "
    "node; give these, too",
    "sacct -j JOB --format=State,ExitCode,NodeList; dmesg -T on the node"};
inline constexpr FaultText start_not_completed{
    "start-not-completed",
    Severity::info,
    "rank",
    "a rank began NCCL's start and no line says that it completed it, where others did: it hung or ended "
    "there, or its log was cut",
    "look at what the rank named waits for (py-spy dump, gdb), at the kernel log of its node and at its way "
    "to the others; give the whole log of every rank",
    "py-spy dump --pid PID on its node; NCCL_DEBUG=INFO"};
inline constexpr FaultText unexplained{
    "unexplained-failure",
    Severity::info,
    "software",
    "these lines may tell of a failure, and no rule here knows them",
    "read them; run again with NCCL_DEBUG=INFO and give the whole log of all ranks",
    "NCCL_DEBUG=INFO"};
inline constexpr FaultText file_limit{"file-limit",
                                      Severity::fatal,
                                      "host",
                                      "the process ran out of open files",
                                      "ulimit -n 65536 or more for the job",
                                      "ulimit -n in the job"};
inline constexpr FaultText thread_limit{"thread-limit",
                                        Severity::fatal,
                                        "host",
                                        "no thread could be started",
                                        "ulimit -u and the cgroup's pids.max higher",
                                        "ulimit -u; cat pids.max"};
inline constexpr FaultText rank_count{
    "rank-count-mismatch",
    Severity::fatal,
    "rank",
    "the ranks do not agree on how many they are or which they are: they were not started as one job",
    "give every rank the same world size and each its own number (--nnodes, --node_rank, RANK, WORLD_SIZE); "
    "end what is "
    "left of an earlier job on the same port",
    "print RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT of each rank"};

inline constexpr FaultText process_killed{
    "process-killed",
    Severity::fatal,
    "host",
    "a process of the job was killed from outside (SIGKILL), most often because the host or its cgroup had "
    "no "
    "memory left",
    "look for an oom-kill in the kernel log of that node and at the job's memory (MaxRSS); give it more, or "
    "let "
    "data loaders, pinned buffers and checkpoints take less; else somebody or the launcher killed it",
    "dmesg -T | grep -i -e 'killed process' -e oom; sacct -j JOB --format=MaxRSS,ReqMem,State"};
inline constexpr FaultText preempted{"preempted",
                                     Severity::info,
                                     "cluster",
                                     "Slurm ended the job to make room for another one",
                                     "nothing to mend: requeue it (--requeue) and go on from a checkpoint",
                                     "sacct -j JOB --format=State,End"};
inline constexpr FaultText job_cancelled{
    "job-cancelled",
    Severity::info,
    "cluster",
    "somebody, or Slurm, ended the job; whether it hung or failed before does not stand here",
    "ask who ended it and why; look when it last made progress",
    "sacct -j JOB --format=State,End,Elapsed; scontrol show job JOB"};
inline constexpr FaultText container_failed{
    "container-not-started",
    Severity::fatal,
    "software",
    "the container of the job did not start, so nothing of the job ran",
    "do what the line says: the image's path and rights, the NVIDIA container toolkit on that node, a driver "
    "that the image can use",
    "start the same image by hand on that node; nvidia-container-cli info"};
inline constexpr FaultText gpu_access_lost{
    "gpu-access-lost",
    Severity::fatal,
    "software",
    "NVML cannot reach the GPUs although its library is there: most often a container that lost them, as "
    "after "
    "systemctl daemon-reload on its host",
    "restart the container; so that it does not come again, make the device links of the NVIDIA container "
    "toolkit (nvidia-ctk system create-dev-char-symlinks), or name the devices to the container",
    "nvidia-smi on the host works, in the container it does not"};
inline constexpr FaultText mpi_not_started{
    "mpi-job-not-started",
    Severity::fatal,
    "software",
    "mpirun could not start the job's processes on its nodes: too few slots, or no way to a node (ssh, its "
    "daemon)",
    "do what the lines there say: slots=N in the hostfile or fewer processes; ssh to every node without a "
    "question (known_hosts, keys); the same MPI at the same path on all of them; in Kubernetes workers that "
    "run sshd",
    "ssh NODE true, from where mpirun runs; mpirun --host NODE:1 hostname"};
inline constexpr FaultText mpi_launch_failed{
    "mpi-launch-failed",
    Severity::fatal,
    "software",
    "MPI and the launcher did not find each other (PMI or PMIx), so the ranks could not start as one job",
    "srun --mpi=pmix with an MPI that was built with the PMIx of this Slurm, or mpirun inside the "
    "allocation; the "
    "same MPI and PMIx on all nodes and in the container",
    "srun --mpi=list; ompi_info | grep -i pmi"};
inline constexpr FaultText mpi_daemon_lost{
    "mpi-daemon-lost",
    Severity::fatal,
    "host",
    "mpirun lost its daemon on a node: the node died, or the TCP connection between the two nodes did",
    "look at the nodes that these lines name: are they up, what does their kernel log say, does a firewall "
    "cut "
    "idle connections",
    "ping and ssh between the two; dmesg -T on both"};

}  // namespace fabricheck::fault
