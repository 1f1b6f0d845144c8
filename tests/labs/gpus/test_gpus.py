#!/usr/bin/env python3
"""The whole program with GPUs that are none: tests/support/cuda in place of CUDA, tests/support/nccl in place of NCCL's
library, tests/support/nvml in place of NVML. One scenario per call, or all."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "nvml"
ADDRESSES = ["0000:18:00.0", "0000:2a:00.0", "0000:3a:00.0", "0000:5d:00.0", "0000:9a:00.0", "0000:ab:00.0",
             "0000:ba:00.0", "0000:db:00.0"]
DEADLINE_S = 100


class Lab:
    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder, self.runs = options, folder, 0
        (folder / "libnvidia-ml.so.1").symlink_to(options.nvml)

    def run(self, *arguments: str, ranks: int = 0, gpus: int = 8, model: str = "memory_MiB=8", machine: str | None = None,
            own_gpu: bool = False, missing: int | None = None, **variables: str) -> tuple[int, str, dict[str, Any]]:
        """Status, what was said, and the result; `ranks` 0: started by hand, without mpirun; `own_gpu`: CUDA shows each
        rank one GPU, its own; `missing`: CUDA does not show this one."""
        self.runs += 1
        out = self.folder / f"out{self.runs}"
        environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
                       "FABRICHECK_STANDIN_GPUS": ",".join(one for one in ADDRESSES[:gpus] if not missing or one != ADDRESSES[missing])
                       + ";" + model, **variables}
        if machine:
            environment |= {"LD_LIBRARY_PATH": str(self.folder), "FABRICHECK_STANDIN_NVML": str(FIXTURES / f"{machine}.json")}
        program = [self.options.program, "run", "--progress", "off", "--out", str(out), *arguments]
        command = ["mpirun", "--oversubscribe", "-n", str(ranks), *program] if ranks else program
        if own_gpu:
            command = ["mpirun", "--oversubscribe"]
            for rank in range(ranks):
                given = ["-x", "CUDA_VISIBLE_DEVICES=0", "-x", f"FABRICHECK_STANDIN_GPUS={ADDRESSES[rank]};{model}"]
                command += [*([":"] if rank else []), "-n", "1", *given, *program]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=DEADLINE_S, check=False)
        file = out / "result.json"
        return done.returncode, done.stdout, json.loads(file.read_text()) if file.exists() else {}

    def nccl(self) -> list[str]:
        return ["--nccl", self.options.nccl]


def expect(met: bool, what: str, said: str) -> None:
    if not met:
        raise AssertionError(f"{what}; it said:\n{said}")


def checks(result: dict[str, Any], start: str) -> list[dict[str, Any]]:
    return [check for check in result["checks"] if check["id"].startswith(start)]


def nccl_in_one_process(lab: Lab) -> None:
    status, said, result = lab.run("--single-process", *lab.nccl(), "--only", "nccl.allreduce.*", "--only", "nccl.alltoall.*",
                                   "--sizes", "64KiB,1MiB", "--budget", "2s", gpus=3,
                                   FABRICHECK_STANDIN_NCCL="latency_us=0.1")
    expect(status == 3 and "nothing that was measured has a target" in said, "no target: inconclusive", said)
    found = checks(result, "nccl.")
    expect(len(found) == 6 and all(check["verdict"] == "UNCHECKED" for check in found), "six figures", said)
    path = found[0]["path"]
    expect(path["nccl_library"] == lab.options.nccl and path["nccl_transports"], "by what NCCL ran", str(path))
    expect("NCCL 2." in said and "P2P/CUMEM" in said, "the report says by what NCCL ran", said)
    expect("journal.jsonl, nccl.log" in said, "and where all that it said is kept", said)
    small = [check for check in checks(result, "nccl.allreduce.latency") if check["parameters"]["bytes"] == 65536]
    expect("--cuda-graph" in small[0]["reason"], "what the host limits is said", str(small[0]))
    expect("the host's rate of launches" in " ".join(said.split()), "where the user reads it", said)


def nccl_told_by_its_log_or_why_not(lab: Lab) -> None:
    measure = ["--single-process", *lab.nccl(), "--only", "nccl.allreduce.latency", "--sizes", "64KiB", "--budget", "1s"]
    _, said, result = lab.run(*measure, gpus=2, NCCL_DEBUG="WARN", NCCL_DEBUG_SUBSYS="COLL")
    expect("NCCL_DEBUG=WARN NCCL_DEBUG_SUBSYS=COLL is set aside while measuring" in said, "what is not followed is said", said)
    expect(bool(checks(result, "nccl.")[0]["path"].get("nccl_transports")), "by what NCCL ran is known all the same", said)
    expect("nccl.as_it_ran" not in said, "and so nothing is left out", said)
    _, said, result = lab.run(*measure, gpus=2, TMPDIR="/nowhere")
    expect(bool(checks(result, "nccl.")[0]["path"].get("nccl_transports")), "a TMPDIR that is not there stops nothing", said)
    expect("nccl_network" not in checks(result, "nccl.")[0]["path"], "a network that no rank uses has no part in it", said)
    theirs = lab.folder / "theirs.log"
    _, said, result = lab.run(*measure, gpus=2, NCCL_DEBUG="INFO", NCCL_DEBUG_FILE=str(theirs))
    expect("set aside" not in said and theirs.exists(), "a file of the user's own is written as he said", said)
    expect("nccl_transports" not in checks(result, "nccl.")[0]["path"], "and not read", said)
    expect("nccl.as_it_ran" in said and f"NCCL_DEBUG_FILE={theirs} is set" in " ".join(said.split()), "which is said", said)
    _, said, _ = lab.run("--single-process", "--only", "gpu.hbm.copy.bandwidth", "--budget", "1s", gpus=2, NCCL_DEBUG="INFO",
                         NCCL_DEBUG_FILE=str(theirs))
    expect("NCCL_DEBUG" not in said, "where NCCL does not run nothing is said of it", said)


def nccl_goes_on_after_a_hang(lab: Lab) -> None:
    status, said, result = lab.run(*lab.nccl(), "--only", "nccl.allreduce.*", "--only", "nccl.broadcast.*", "--sizes", "64KiB",
                                   "--budget", "3s", "--deadline", "6s", "--silence", "60s", ranks=2, gpus=2,
                                   FABRICHECK_STANDIN_NCCL="rank=1,hang_at=5,once,timeout_s=1")
    expect(status == 3, "an error is no pass", said)
    expect("NCCL was aborted" in said and "did not end within 2" in said, "the hang is named", said)
    after = [check for check in checks(result, "nccl.broadcast.latency") if check.get("value")]
    expect(bool(after), "the next check went on in a new communicator", said)


def a_first_call_is_left_behind(lab: Lab) -> None:
    """It would come back after a minute: neither the next check nor the end of the run waits for it."""
    status, said, result = lab.run(*lab.nccl(), "--only", "nccl.allreduce.*", "--only", "nccl.broadcast.*", "--sizes", "64KiB",
                                   "--budget", "3s", "--deadline", "6s", "--silence", "60s", ranks=2, gpus=2,
                                   FABRICHECK_STANDIN_NCCL="rank=1,connect_hang,once,timeout_s=60")
    expect(status == 3 and "was not done in time and was left behind" in " ".join(said.split()), "it is named", said)
    after = [check for check in checks(result, "nccl.broadcast.latency") if check.get("value")]
    expect(bool(after), "the next check went on in a new communicator", said)
    expect(result["duration_s"] < 50, "nobody waited for it", said)


def a_run_that_is_ended_keeps_nccls_log(lab: Lab) -> None:
    """And leaves nothing else of it behind; the folder has what NCCL takes for its patterns in its name."""
    temporary = lab.folder / "t%h%p"
    temporary.mkdir()
    status, said, result = lab.run(*lab.nccl(), "--only", "nccl.allreduce.latency", "--sizes", "64KiB", "--budget", "2s",
                                   "--deadline", "3s", "--silence", "60s", ranks=2, gpus=2, TMPDIR=str(temporary),
                                   FABRICHECK_FAULT="late rank=1 check=nccl.allreduce.latency iteration=0 seconds=60")
    expect(status == 4 and "did not get beyond" in " ".join(said.split()), "the job was ended", said)
    expect(bool(result) and "NCCL INFO" in (lab.folder / f"out{lab.runs}" / "nccl.log").read_text(), "what NCCL said is kept", said)
    expect("journal.jsonl, nccl.log" in said, "and told where", said)
    left = [str(one) for one in temporary.glob("*nccl*")]
    expect(not left, f"and nothing else, not {left}", said)


def one_process_ends_with_a_result(lab: Lab) -> None:
    """By a signal, and by a hang that NCCL's own deadlines do not see; without losing what it measured."""
    asked = [*lab.nccl(), "--only", "gpu.hbm.copy", "--only", "nccl.allreduce.latency", "--sizes", "64KiB"]
    program = [lab.options.program, "run", "--progress", "off", "--single-process", "--budget", "20s", *asked]
    out = lab.folder / "ended"
    environment = {**os.environ, "FABRICHECK_STANDIN_GPUS": ",".join(ADDRESSES[:2]) + ";memory_MiB=64"}
    with subprocess.Popen([*program, "--out", str(out)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True) as process:
        journal = out / "journal.jsonl"
        until = time.monotonic() + DEADLINE_S
        while not (journal.exists() and '"type":"check","id":"gpu.hbm.copy"' in journal.read_text()) and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=DEADLINE_S)
    result = json.loads((out / "result.json").read_text())
    expect(process.returncode == 3 and "ended by SIGINT" in " ".join(said.split()), f"a signal: {process.returncode}", said)
    expect(bool(checks(result, "gpu.hbm.copy")) and "written to" in said, "what was measured is a result", said)

    status, said, result = lab.run("--single-process", *asked, "--budget", "2s", "--deadline", "3s", gpus=2, model="memory_MiB=64",
                                   FABRICHECK_FAULT="late rank=1 check=nccl.allreduce.latency iteration=0 seconds=60")
    expect(status == 4 and "rank 1 on" in said and "did not get beyond" in " ".join(said.split()), f"a hang: {status}", said)
    expect(bool(checks(result, "gpu.hbm.copy")), "what was measured before is a result", said)


def no_communicator_is_tried_twice(lab: Lab) -> None:
    status, said, result = lab.run(*lab.nccl(), "--only", "nccl.*.latency", "--skip", "nccl.all*", "--sizes", "64KiB", "--budget", "2s",
                                   "--deadline", "3s", "--silence", "60s", ranks=2, gpus=2,
                                   FABRICHECK_STANDIN_NCCL="rank=1,init_error,timeout_s=1")
    expect(status == 3, "an error is no pass", said)
    reasons = [check["reason"] for check in checks(result, "nccl.")]
    expect(len(reasons) > 3 and all("rank 1 on " in one and "ncclCommInitRankConfig failed" in one for one in reasons), "the cause", said)
    expect(["not tried again" in one for one in reasons] == [False, False] + [True] * (len(reasons) - 2), "two try", str(reasons))


def one_rank_over_sockets_is_named(lab: Lab) -> None:
    _, said, result = lab.run(*lab.nccl(), "--only", "nccl.allreduce.*", "--sizes", "1MiB", "--budget", "2s", ranks=3, gpus=3,
                              FABRICHECK_STANDIN_NCCL="rank=1,network=IB,odd_network=Socket")
    path = checks(result, "nccl.")[0]["path"]
    expect(path["nccl_differs"].startswith("network: IB on 2 ranks, Socket on rank 1 ("), "who is odd", str(path))
    expect("GPUDirect RDMA: yes on 2 ranks, no on rank 1" in path["nccl_differs"], "in both", str(path))
    findings = [finding for finding in result["findings"] if finding["slug"] == "nccl-ranks-differ"]
    expect(len(findings) == 2 and all(finding["component"]["kind"] == "host" for finding in findings), "a finding for each", said)
    expect("Socket on rank 1" in said and "nccl.allreduce.busbw" in findings[0]["explains"], "in the report", said)


def wrong_bit_is_a_fail(lab: Lab) -> None:
    status, said, result = lab.run(*lab.nccl(), "--only", "nccl.allreduce.*", "--in-place", "on", "--sizes", "64KiB", "--budget",
                                   "3s", ranks=2, gpus=2, FABRICHECK_STANDIN_NCCL="rank=1,flip_at=1")
    expect(status == 1, "a wrong result is a FAIL", said)
    failed = [check for check in checks(result, "nccl.") if check["verdict"] == "FAIL"]
    expect(bool(failed) and "rank 1" in failed[0]["reason"] and "expected" in failed[0]["reason"], "rank and element", said)


def nvlink_fell_back(lab: Lab) -> None:
    status, said, result = lab.run("--only", "nvlink.pair.bandwidth", "--sizes", "2MiB", "--budget", "3s", ranks=3, gpus=3,
                                   machine="h100x8", model="memory_MiB=16 peer_GBps=22")
    expect(status == 1, "a fallback is a FAIL", said)
    expect("fell back to PCIe" in said, "it says so", said)
    fallbacks = [finding for finding in result["findings"] if finding["slug"] == "nvlink-fallback"]
    expect(len(fallbacks) == 1 and fallbacks[0]["component"]["kind"] == "host", "and is one finding for the host", said)
    expect("3 pairs of GPUs on" in fallbacks[0]["meaning"], "which tells the pairs", said)
    matrix = [one for one in result["matrices"] if one["id"].startswith("nvlink.pair.bandwidth")]
    expect(len(matrix) == 1 and len(matrix[0]["rows"]) == 3, "a matrix of three GPUs", str(result["matrices"]))


def a_slow_gpu_does_not_meet_its_target(lab: Lab) -> None:
    _, said, result = lab.run("--single-process", "--only", "gpu.host_to_device.bandwidth", "--sizes", "32MiB", "--budget", "2s",
                              gpus=8, machine="h100x8", model="memory_MiB=40 host_GBps=20")
    judged = [check for check in checks(result, "gpu.") if check.get("target")]
    expect(len(judged) == 8, "each GPU has a target", said)
    for check in judged:
        expect("published for dgx-h100" in check["target"]["source"], "a sourced one", str(check["target"]))
        expect(check["verdict"] in ("FAIL", "INCONCLUSIVE") and abs(check["value"] - 20) < 1, "and 20 GB/s is no PASS", said)
    # With too little memory it is another measurement.
    _, said, result = lab.run("--single-process", "--only", "gpu.host_to_device.bandwidth", "--sizes", "32MiB", "--budget", "2s",
                              gpus=8, machine="h100x8", model="memory_MiB=8 host_GBps=20")
    found = checks(result, "gpu.")
    expect(len(found) == 16 and all(check["verdict"] == "UNCHECKED" for check in found), "what was made smaller is not judged", said)
    expect("in small copies what each costs to begin counts" in " ".join(said.split()), "and it is said why", said)


def sharing_is_never_judged(lab: Lab) -> None:
    status, said, result = lab.run("--share-gpus", "--only", "gpu.host_to_device.bandwidth", "--sizes", "32MiB", "--budget", "2s",
                                   ranks=2, gpus=1, model="memory_MiB=80 host_GBps=20")
    expect(all(check["verdict"] == "UNCHECKED" for check in checks(result, "gpu.")), "nothing is judged", said)
    expect(status == 3 and "several ranks share a GPU" in said, "it says why", said)


def gpus_that_start_slowly(lab: Lab) -> None:
    """Longer than the deadline, in which nothing moves; what hangs after it is found in the usual time."""
    copy = ["--only", "gpu.hbm.copy", "--sizes", "1MiB", "--budget", "2s", "--deadline", "2s", "--silence", "60s"]
    status, said, result = lab.run(*copy, ranks=2, gpus=2, model="memory_MiB=64 start_s=5")
    expect(status == 3 and len([one for one in checks(result, "gpu.hbm.copy") if one.get("value")]) == 2, "both are measured", said)
    fault = "late rank=1 check=gpu.hbm.copy iteration=0 seconds=60"
    status, said, result = lab.run(*copy, ranks=2, gpus=2, model="memory_MiB=64 start_s=5", FABRICHECK_FAULT=fault)
    expect(status == 4, "the job is ended", said)
    expect(result["duration_s"] < 40, "and not after the time that a start may take", said)


def measured_gpus(result: dict[str, Any]) -> set[int]:
    return {check["parameters"]["gpu"] for check in checks(result, "gpu.hbm.copy") if check.get("value")}


def each_rank_drives_what_it_was_given(lab: Lab) -> None:
    asked = ["--only", "gpu.hbm.copy", "--only", "nccl.allreduce.latency", "--sizes", "1MiB", "--budget", "2s"]
    of_a_task = {"ranks": 3, "machine": "h100x8", "model": "memory_MiB=64", "own_gpu": True}
    _, said, result = lab.run(*lab.nccl(), *asked, **of_a_task)
    expect(measured_gpus(result) == {0, 1, 2}, f"each task its own GPU, not {measured_gpus(result)}", said)
    expect(len(checks(result, "nccl.")) == 1 and checks(result, "nccl.")[0]["parameters"]["ranks"] == 3, "and all of them together", said)
    expect("no rank was started for GPU 3, 4, 5, 6, 7" in " ".join(said.split()), "and what has no rank is said", said)

    _, said, result = lab.run(*lab.nccl(), *asked, ranks=2, gpus=8, machine="h100x8", model="memory_MiB=64", CUDA_VISIBLE_DEVICES="4,5",
                              FABRICHECK_STANDIN_GPUS=f"{ADDRESSES[4]},{ADDRESSES[5]};memory_MiB=64")
    expect(measured_gpus(result) == {4, 5}, f"of a part of them each rank drives one, not {measured_gpus(result)}", said)

    status, said, _ = lab.run(*asked, ranks=2, machine="h100x8", CUDA_VISIBLE_DEVICES="0", FABRICHECK_STANDIN_GPUS=f"{ADDRESSES[0]};memory_MiB=64")
    expect(status == 2 and "ranks 0 and 1 were both given the GPU" in said, "two on one are refused", said)


def a_lost_gpu_stops_no_other(lab: Lab) -> None:
    status, said, result = lab.run(*lab.nccl(), "--only", "gpu.hbm.copy", "--only", "nccl.allreduce.latency", "--only", "topology.*",
                                   "--sizes", "1MiB", "--budget", "3s", ranks=8, missing=3, machine="gpu_lost", model="memory_MiB=64")
    expect(status == 1, "a lost GPU is a FAIL", said)
    expect(measured_gpus(result) == {0, 1, 2, 4, 5, 6, 7}, f"the others are measured, not {measured_gpus(result)}", said)
    lost = [check for check in checks(result, "gpu.hbm.copy") if check["parameters"]["gpu"] == 3]
    expect(len(lost) == 1 and lost[0]["verdict"] == "ERROR" and "GPU is lost" in lost[0]["reason"], "and it says itself why not", said)
    nccl = checks(result, "nccl.")
    expect(len(nccl) == 1 and nccl[0]["parameters"]["ranks"] == 7 and nccl[0]["value"] > 0, "and go on together", said)
    opened = checks(result, "gpu.open")
    expect(len(opened) == 1 and opened[0]["verdict"] == "ERROR" and "GPU 3" in opened[0]["reason"], "and it is an ERROR", said)


def nothing_asked_for_is_forgotten(lab: Lab) -> None:
    contract = lab.folder / "contract.toml"
    contract.write_text('[[target]]\ncheck = "nccl.allreduce.busbw"\nbytes = "1GiB"\nat_least = "400 GB/s"\nsource = "the contract"\n',
                        encoding="utf-8")
    status, said, _ = lab.run("--targets", str(contract), "--budget", "1s", ranks=2, gpus=0)
    expect(status == 3 and "is held against nothing" in " ".join(said.split()), "a target of what was not measured is no PASS", said)
    status, said, _ = lab.run("--types", "bfloat16", "--only", "mpi.allreduce.latency", "--budget", "1s", ranks=2, gpus=0)
    expect(status == 2 and "--types bfloat16" in said, "a type that nothing has is refused", said)


def without_a_gpu(lab: Lab) -> None:
    status, said, _ = lab.run("--only", "gpu.hbm.copy", ranks=2, gpus=0)
    expect(status == 3 and "no CUDA device on" in said and "driver not loaded" in said, "the reason is said", said)
    status, said, _ = lab.run("--single-process", gpus=0)
    expect(status == 3 and "no CUDA device" in said, "nothing is healthy for lack of a GPU", said)


def wrong_library(lab: Lab) -> None:
    status, said, _ = lab.run("--nccl", "/nowhere/libnccl.so.2", "--only", "nccl.allreduce.latency", "--sizes", "8", ranks=2, gpus=2)
    expect(status == 3 and "/nowhere/libnccl.so.2" in said, "the file is named", said)
    status, said, _ = lab.run("--single-process", "--nccl", lab.options.old_nccl, "--only", "nccl.allreduce.latency", gpus=2)
    expect(status == 3 and "it is no NCCL of 2.18 or later" in said, "what it lacks is said", said)


SCENARIOS: list[Callable[[Lab], None]] = [nccl_in_one_process, nccl_told_by_its_log_or_why_not,
                                          nccl_goes_on_after_a_hang, a_first_call_is_left_behind,
                                          a_run_that_is_ended_keeps_nccls_log, one_process_ends_with_a_result,
                                          no_communicator_is_tried_twice,
                                          one_rank_over_sockets_is_named, wrong_bit_is_a_fail, nvlink_fell_back,
                                          a_slow_gpu_does_not_meet_its_target, gpus_that_start_slowly, sharing_is_never_judged,
                                          each_rank_drives_what_it_was_given, a_lost_gpu_stops_no_other,
                                          nothing_asked_for_is_forgotten, without_a_gpu, wrong_library]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", required=True, help="fabricheck-faulty")
    parser.add_argument("--nccl", required=True)
    parser.add_argument("--old-nccl", required=True)
    parser.add_argument("--nvml", required=True)
    parser.add_argument("scenario", nargs="*", choices=[one.__name__ for one in SCENARIOS] + [[]])
    options = parser.parse_args()
    for scenario in SCENARIOS:
        if options.scenario and scenario.__name__ not in options.scenario:
            continue
        with tempfile.TemporaryDirectory() as folder:
            scenario(Lab(options, Path(folder)))
        print(f"{scenario.__name__}: as it should be")
    return 0


if __name__ == "__main__":
    sys.exit(main())
