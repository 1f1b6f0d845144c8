"""Scenarios of slurm/acceptance.sbatch."""

from __future__ import annotations

import json

from slurm_lab import SlurmLab
from steps import nobody_drained

from judging import expect, saw


def acceptance(slurm: SlurmLab) -> None:
    script = slurm.script("acceptance.sbatch")
    done = slurm.client(
        ["sbatch", "--wait", "--parsable", "-N4", "--ntasks-per-node=1", f"--output={slurm.folder}/acceptance.txt",
         f"--chdir={slurm.folder}", str(script), "--drain", "--suite", "quick", "--budget", "4s", "--only",
         "mpi.allreduce.latency", "--sizes", "8"],
        timeout_s=100, environment={"OMPI_MCA_btl_tcp_if_include": "10.77.0.0/24", "OMPI_MCA_btl": "self,vader,tcp",
                                    "OMPI_MCA_pml": "ob1", "OMPI_MCA_mpi_yield_when_idle": "1"})
    text = (slurm.folder / "acceptance.txt").read_text(encoding="utf-8")
    job = done.out.split()[0]
    out = slurm.folder / f"fabricheck-{job}"
    expect((out / "result.json").exists(), f"no result ({done.status}):\n{text}\n{slurm.logs()}")
    expect((out / "report.md").stat().st_size > 0, "no report")
    nobody_drained(slurm)  # a slow network of this lab accuses nobody by name
    saw(text.strip().splitlines()[-1])


def acceptance_drains(slurm: SlurmLab) -> None:
    """Of what a result names, --drain takes nodes of the job that are certainly bad, and a result that was judged."""
    def named(host: str, slug: str, severity: str = "bad", confidence: str = "certain") -> dict[str, object]:
        return {"slug": slug, "severity": severity, "confidence": confidence, "component": {"kind": "gpu", "name": "GPU3", "host": host}}

    findings = [named("node3", "nvlink-inactive"), named("node3", "pcie-width-reduced"), named("node2", "hbm-slow", confidence="likely"),
                named("node4", "memlock", severity="info"), named("login1", "nvlink-inactive"), named("", "rank-lost"),
                named("node1", "result-not-written"), named("node2", "regression"), named("node4", "roce-link-local"),
                named("node1; touch pwned", "x"), named("node1", "$(touch pwned)")]
    (slurm.folder / "named.json").write_text(json.dumps({"findings": findings}), encoding="utf-8")

    runs = 0

    def accept(status: int, *options: str, before: str = "", stale: bool = False) -> str:
        named_nodes = json.loads((slurm.folder / "named.json").read_text(encoding="utf-8"))
        (slurm.folder / "judged.json").write_text(json.dumps({**named_nodes, "exit_status": status}), encoding="utf-8")
        slurm.program(f"case $1 in run) [ $SLURM_PROCID = 0 ] || exit 0; mkdir -p $3; cp {slurm.folder}/judged.json $3/result.json; "
                      f"{before} exit {status} ;; node) exit 0 ;; esac\n")
        script = slurm.script("acceptance.sbatch")
        text = script.read_text(encoding="utf-8").replace(slurm.programs.fabricheck, f"{slurm.folder}/bin/fabricheck")
        if stale:
            slurm.program(f"case $1 in run) exit {status} ;; node) exit 0 ;; esac\n")
            text = text.replace("\nout=$PWD/fabricheck-$SLURM_JOB_ID\n",
                                f"\nout=$PWD/fabricheck-$SLURM_JOB_ID\nmkdir $out; cp {slurm.folder}/judged.json $out/result.json\n")
        script.write_text(text, encoding="utf-8")
        nonlocal runs
        runs += 1
        output = slurm.folder / f"accept-{runs}.txt"
        done = slurm.client(["sbatch", "--wait", "-N4", "--ntasks-per-node=1", f"--output={output}", f"--chdir={slurm.folder}",
                             str(script), *options], timeout_s=60)
        expect(output.exists(), f"no output ({done.status}): {done.out}\n{slurm.logs()}")
        return output.read_text(encoding="utf-8")

    accept(1)
    nobody_drained(slurm)  # not asked to
    accept(3, "--drain")
    nobody_drained(slurm)  # nothing was judged
    text = accept(1, "--drain")
    saw([line for line in text.splitlines() if line.startswith("draining")])
    expect(slurm.drained() == ["node3"], f"drained: {slurm.drained()}\n{text}\n{slurm.logs()}")
    expect(slurm.node("node3")["Reason"] == "fabricheck: acceptance: nvlink-inactive", f"{slurm.node('node3')}")
    expect("left alone: login1 (nvlink-inactive): it is no node of this job" in text, text)
    slurm.client(["scontrol", "update", "NodeName=node3", "State=UNDRAIN"])

    # Hosts that call themselves by another name than Slurm does, or stand together.
    full = [named("node[2,4].cluster.example", "nvlink-inactive")]
    (slurm.folder / "named.json").write_text(json.dumps({"findings": full}), encoding="utf-8")
    text = accept(1, "--drain", "--drain-at-most", "2")
    expect(slurm.drained() == ["node2", "node4"], f"drained: {slurm.drained()}\n{text}")
    for node in ("node2", "node4"):
        slurm.client(["scontrol", "update", f"NodeName={node}", "State=UNDRAIN"])

    # A job that was requeued has an older result beside it: where it has none of its own, nobody is accused.
    text = accept(1, "--drain", stale=True)
    expect("the result of an earlier attempt" in text, text)
    nobody_drained(slurm)

    # All four named: as many as may be, and none that somebody else takes out while the job runs.
    theirs = "memory is being changed by Ada"
    bad = [named(node, "nvlink-inactive") for node in slurm.nodes]
    (slurm.folder / "named.json").write_text(json.dumps({"findings": bad}), encoding="utf-8")
    text = accept(1, "--drain")
    expect(slurm.drained() == ["node1"], f"drained: {slurm.drained()}\n{text}")
    expect("left alone: node2 (nvlink-inactive): at most 1 may be drained" in text, text)
    slurm.client(["scontrol", "update", "NodeName=node1", "State=UNDRAIN"])
    more = f'scontrol update NodeName=node2 State=DRAIN Reason="{theirs}";'
    text = accept(1, "--drain", "--drain-at-most", "2", before=more)
    expect(slurm.drained() == ["node1", "node2", "node3"], f"drained: {slurm.drained()}\n{text}")
    expect(slurm.node("node2")["Reason"] == theirs, f"another's reason was changed: {slurm.node('node2')}")
    expect("left alone: node2" in text and "left alone: node4" in text, text)
    saw([line for line in text.splitlines() if line.startswith("left alone")])
    for wrong in (["--drain-at-most", "x"], ["--drain-at-most"], ["--drain", "--drain-at-most=8x"]):
        done = slurm.client([str(slurm.folder / "acceptance.sbatch"), *wrong])
        expect(done.status == 2 and "needs a number of nodes" in done.out, f"{wrong}: {done.status} {done.out}")
    expect(not list(slurm.folder.glob("**/pwned")), "a word of the result was run")
