"""What the program must do over Soft-RoCE, scenario by scenario, in guests that are booted once."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import perftest
from softroce import Guests

from judging import Json, Judge, Run, checks_of, expect, finding, last_line, saw, summary, words_of

WHOLE_RUN_S = 75.0  # a run of the program ends within this, whatever happens to it
HOSTS = ["guest1", "guest2"]
STREAMING = ("write", "send", "read")
OPERATIONS = (*STREAMING, "fetch_add", "compare_swap", "uc_write", "uc_send", "ud_send")


@dataclass
class Programs:
    """What is under test."""

    fabricheck: str
    validator: str
    device_tests: str


class Scenario(Judge):
    """What the scenarios share: starting runs over both guests, and breaking links."""

    def __init__(self, programs: Programs, guests: Guests) -> None:
        super().__init__(programs.fabricheck, programs.validator)
        self.programs = programs
        self.guests = guests
        self._runs = 0
        self._mends: list[tuple[int, str]] = []

    def start(
        self,
        *arguments: str,
        budget: str = "3s",
        environment: dict[str, str] | None = None,
        wrap: tuple[str, ...] = (),
        ranks_per_guest: int = 1,
    ) -> Run:
        """mpirun of `run` with ranks in both guests; `wrap` goes before the program."""
        self._runs += 1
        out = f"out{self._runs}"
        command = [*wrap, self.programs.fabricheck, "run", "--out", f"/lab/{out}", "--budget", budget, "--progress", "on"]
        exports = [word for name in environment or {} for word in ("-x", name)]
        ranks = ["-np", str(2 * ranks_per_guest)]
        job = self.guests.start(
            ["mpirun", "--timeout", str(int(WHOLE_RUN_S)), *exports, *ranks, *command, *arguments],
            timeout_s=WHOLE_RUN_S + 5, environment=environment,
        )
        return Run(self.programs.fabricheck, self.guests.folder / out, job, WHOLE_RUN_S)

    def measured(self, *arguments: str, budget: str = "3s", ranks_per_guest: int = 1) -> Json:
        """The result of a run that ends by itself, judged."""
        run = self.start(*arguments, budget=budget, ranks_per_guest=ranks_per_guest)
        done = run.wait()
        result = self.judge_left(run)
        saw(f"{done.seconds:.1f} s, status {done.status}; {summary(result)}")
        expect(done.status == result["exit_status"], f"status {done.status}, the result says {result['exit_status']}")
        return result

    def upset(self, guest: int, line: str, mend: str) -> None:
        """Breaks something; `mend` repairs it when the scenario is over, however it ends."""
        self._mends.append((guest, mend))
        self.guests.must(line, guest)

    def mend(self) -> None:
        while self._mends:
            guest, line = self._mends.pop()
            self.guests.must(line, guest)

    def impair(self, guest: int, rail: int, what: str) -> None:
        """By netem, on what the guest sends over the rail: "delay 20ms", "loss 2%"."""
        self.upset(guest, f"tc qdisc add dev rail{rail} root netem {what}", f"tc qdisc del dev rail{rail} root")

    def counter(self, guest: int, device: str, name: str) -> int:
        return int(self.guests.must(f"cat /sys/class/infiniband/{device}/ports/1/hw_counters/{name}", guest))


def values(result: Json, identity: str, **parameters: int) -> list[Json]:
    """The checks of this id that have a value, and these parameters."""
    found = [
        check for check in checks_of(result, identity)
        if check["value"] is not None and all(check["parameters"].get(key) == value for key, value in parameters.items())
    ]
    reasons = [check["reason"] for check in checks_of(result, identity)]
    expect(found, f"no value of {identity} {parameters}; {summary(result)}; {reasons or result['not_tested']}")
    return found


def wired(test: Scenario) -> None:
    """The lab itself: each rail joins the same ports of both guests, and what perftest sends crosses it."""
    for rail in (0, 1):
        before = test.counter(2, f"rxe{rail}", "rcvd_pkts")
        tool = f"ib_write_lat -d rxe{rail} -x 1 -s 8 -n 100 -F"
        server = test.guests.start(tool.split(), guest=2, timeout_s=40)
        out = test.guests.must(f"for try in $(seq 20); do {tool} guest2 && exit; sleep 0.5; done; exit 1", 1, 40)
        expect(server.wait().status == 0, f"the server on rail {rail} failed: {server.text()}")
        figure = perftest.figure(perftest.TOOLS["write"], out)
        expect(figure, f"no figure on rail {rail}: {out}")
        packets = test.counter(2, f"rxe{rail}", "rcvd_pkts") - before
        saw(f"rail {rail}: {figure} us, {packets} packets came in")
        expect(packets >= 100, f"100 writes over rail {rail}, and only {packets} packets came in")


def judge_measured(check: Json) -> None:
    """A check over Soft-RoCE that ended well: no target is for it, and every message was compared."""
    where = f"{check['id']} {check['parameters']}"
    expect(check["verdict"] == "UNCHECKED", f"{where} is {check['verdict']}: {check['reason']}")
    expect(check["value"] > 0 and check["statistics"]["samples"] > 0, f"{where}: {check['value']} from {check['statistics']}")
    expect(sorted(check["participants"]) == HOSTS, f"{where}: participants {check['participants']}")
    path = check["path"]
    expect("RoCE v2" in path["gid_type"] and "192.168" in path["from_gid"] + path["from_gid"].replace("c0a8", "192.168"),
           f"{where}: ran on {path}")


def latencies(test: Scenario) -> None:
    """Every operation, its latency."""
    result = test.measured("--suite", "full", "--only", "verbs.*.latency", "--sizes", "8,4KiB", "--device", "rxe0", budget="12s")
    for name in OPERATIONS:
        sizes = set()
        for check in values(result, f"verbs.{name}.latency"):
            judge_measured(check)
            sizes.add(check["parameters"]["bytes"])
            saw(f"{check['id']} {check['parameters']['bytes']} B: {check['value']:.1f} {check['unit']}, "
                f"{check['statistics']['samples']} samples, transport {check['path']['transport']}")
        expect(8 in sizes, f"{name}: no latency of 8 B, but of {sizes}")


def streams(test: Scenario) -> None:
    """Bandwidth one way and both ways, and message rate."""
    result = test.measured(
        "--suite", "full", "--skip", "*.latency", "--skip", "*.paths", "--only", "verbs.*", "--sizes", "64KiB", "--device", "rxe0",
        "--queue-pairs", "2", "--depth", "16", budget="12s",
    )
    for name in STREAMING:
        for metric in ("bandwidth", "bidirectional", "message_rate"):
            for check in values(result, f"verbs.{name}.{metric}"):
                judge_measured(check)
                expect(check["path"]["queue_pairs"] == 2, f"{check['id']} ran on {check['path']['queue_pairs']} queue pairs")
                saw(f"{check['id']} {check['parameters']['bytes']} B: {check['value']:.3g} {check['unit']}")


def unreliable(test: Scenario) -> None:
    """Streams over transports that send nothing again: what arrives is counted, and nothing is lost on a sound wire."""
    result = test.measured("--suite", "full", "--only", "verbs.u?_send.bandwidth", "--only", "verbs.u?_send.message_rate",
                           "--sizes", "1KiB", "--device", "rxe0", "--depth", "16", budget="6s")
    for name in ("uc_send", "ud_send"):
        for metric in ("bandwidth", "message_rate"):
            for check in values(result, f"verbs.{name}.{metric}"):
                judge_measured(check)
                saw(f"{check['id']} {check['parameters']['bytes']} B: {check['value']:.3g} {check['unit']}")


def flows(test: Scenario) -> None:
    """Flows of other source ports, each by itself. They share one wire, so none of them is an ECMP collision."""
    result = test.measured("--suite", "full", "--only", "verbs.write.paths", "--sizes", "1KiB", "--device", "rxe0", "--depth", "8",
                           budget="20s")
    for check in values(result, "verbs.write.paths"):
        judge_measured(check)
        told = {key: round(value, 4) for key, value in check["path"].items() if re.fullmatch(r"flow_\d+", key)}
        saw(f"{check['unit']} by flow: {told or check['path']}")
        expect(len(told) > 1, f"the sweep over flows tells of {told or check['path']}")
    expect("ecmp-collision" not in [one["slug"] for one in result["findings"]], "one wire, and a collision was found")


def rails(test: Scenario) -> None:
    """Two ranks in each guest take a port each, and pairs stay on their rail, or cross it when told to."""
    before = [test.counter(2, f"rxe{rail}", "rcvd_pkts") for rail in (0, 1)]
    result = test.measured("--only", "verbs.write.latency", "--sizes", "8", ranks_per_guest=2)
    found = values(result, "verbs.write.latency", bytes=8)
    ports = {(check["parameters"]["rail"], check["path"]["from_port"], check["path"]["to_port"]) for check in found}
    saw(f"pairs: {sorted(ports)}")
    expect({rail for rail, _, _ in ports} == {0, 1}, f"the rails are {ports}")
    for rail, from_port, to_port in ports:
        expect(from_port == to_port == f"rxe{rail} port 1", f"rail {rail} joins {from_port} with {to_port}")
    for rail in (0, 1):
        packets = test.counter(2, f"rxe{rail}", "rcvd_pkts") - before[rail]
        expect(packets > 100, f"{packets} packets came in over rail {rail}")


def delay(test: Scenario) -> None:
    """20 ms on the way there: half a round trip has 10 of them, a read all."""
    injected_us = 20000.0
    only = ("--only", "verbs.send.latency", "--only", "verbs.write.latency", "--only", "verbs.read.latency")
    arguments = (*only, "--sizes", "8", "--device", "rxe0")
    healthy = test.measured(*arguments)
    test.impair(1, 0, "delay 20ms")
    slow = test.measured(*arguments)
    for name, share in (("write", 0.5), ("send", 0.5), ("read", 1.0)):
        before, after = (values(one, f"verbs.{name}.latency", bytes=8)[0]["value"] for one in (healthy, slow))
        added = (after - before) / share
        saw(f"{name}: {before:.0f} us, delayed {after:.0f} us: {added:.0f} us of {injected_us:.0f} us on the way")
        expect(abs(added - injected_us) <= 0.2 * injected_us, f"{name}: {added:.0f} us more where {injected_us:.0f} us were injected")


def loss(test: Scenario) -> None:
    """5 % of what guest1 sends over rail 0 is lost: sent again, counted, and said.

    Each loss costs an ACK timeout of 1.1 s, so one check can see too few to be sure of; the whole run sees enough.
    """
    test.impair(1, 0, "loss 5%")
    result = test.measured("--only", "verbs.send.latency", "--sizes", "8,64,512", "--device", "rxe0", budget="20s")
    check = values(result, "verbs.send.latency", bytes=8)[0]
    saw(f"counters {check['counters']}; reason {check['reason']}")
    expect("packets were lost or sent again" in check["reason"], f"nobody says that packets were lost: {check['reason']}")
    told = finding(result, "packets-retransmitted")
    expect(told["severity"] == "bad", f"5 % of packets lost is {told['severity']}")
    expect("rxe0" in words_of(told), f"the port is not named: {told or check['path']}")
    expect("rxe1" not in words_of(told), f"the other rail is accused: {told or check['path']}")


def link_local(test: Scenario) -> None:
    """guest2's rail 0 has lost its address: both ends fall back to link-local GIDs, and say why."""
    test.upset(2, "ip -4 addr flush dev rail0", "ip addr add 192.168.10.2/24 dev rail0")
    result = test.measured("--only", "verbs.send.latency", "--only", "roce.config", "--sizes", "8", "--device", "rxe0")
    check = values(result, "verbs.send.latency", bytes=8)[0]
    saw(f"ran on {check['path']['from_gid']} and {check['path']['to_gid']}: {check['path']['gid_reason']}")
    expect(check["path"]["from_gid"].startswith("fe80") and check["path"]["to_gid"].startswith("fe80"), f"ran on {check['path']}")
    told = finding(result, "roce-link-local")
    saw(f"{told['slug']}: {told['component']}")
    expect("guest2" in words_of(told) and "rxe0" in words_of(told), f"the port without an address is not named: {told or check['path']}")
    expect("rxe1" not in words_of(told), f"a port with an address is accused: {told or check['path']}")


def mtu(test: Scenario) -> None:
    """guest2's rail 1 has an MTU of 1500: packets of 1024 B where the rest sends 4096 B. It runs, and it is said."""
    test.upset(2, "ip link set rail1 mtu 1500", "ip link set rail1 mtu 4200")
    result = test.measured("--only", "verbs.write.latency", "--only", "roce.config", "--sizes", "4KiB", "--device", "rxe1")
    check = values(result, "verbs.write.latency", bytes=4096)[0]
    expect(check["path"]["mtu_bytes"] == 1024, f"ran with packets of {check['path']['mtu_bytes']} B")
    config = checks_of(result, "roce.config")[0]
    saw(f"roce.config {config['verdict']}: {config['reason']}")
    words = words_of({"check": config, "findings": result["findings"]})
    for word in ("guest2", "rxe1", "1024", "4096"):
        expect(word in words, f"nobody says {word} of the odd MTU")


def link_down(test: Scenario) -> None:
    """Rail 0 of guest2 goes down in the middle. ERROR that names the peer, in time, and nothing measured is lost."""
    run = test.start("--only", "verbs.*", "--sizes", "8", "--device", "rxe0", "--suite", "full", budget="30s")
    run.wait_for_checks()
    test.upset(2, "ip link set rail0 down", "ip link set rail0 up; ip addr replace 192.168.10.2/24 dev rail0")
    cut = time.monotonic()
    done = run.wait()
    result = test.judge_left(run)
    saw(f"over {time.monotonic() - cut:.1f} s after the cut, status {done.status}; {summary(result)}")
    broken = [check for check in result["checks"] if check["verdict"] == "ERROR"]
    expect(broken, f"no check is ERROR; {summary(result)}")
    saw(f"{broken[0]['id']}: {broken[0]['reason']}")
    words = " ".join(check["reason"] for check in broken) + words_of({"findings": result["findings"]})
    for word in ("guest2", "rxe0"):
        expect(word in words, f"{word} is not named: {words}")
    expect(result["exit_status"] != 0 and result["verdict"] != "PASS", f"{summary(result)}")
    expect(time.monotonic() - cut < 40, "it took too long to give up")


def memlock(test: Scenario) -> None:
    """64 KiB may be locked, and no privilege to lock more."""
    wrap = ("setpriv", "--bounding-set=-ipc_lock", "sh", "-c", 'ulimit -l 64; exec "$0" "$@"')
    run = test.start("--only", "verbs.write.latency", "--only", "roce.config", "--sizes", "64KiB", "--device", "rxe0", wrap=wrap)
    done = run.wait()
    result = test.judge_left(run)
    saw(f"{done.seconds:.1f} s, status {done.status}; {summary(result)}")
    broken = [check for check in checks_of(result, "verbs.write.latency") if check["verdict"] == "ERROR"]
    expect(broken, f"no check is ERROR; {[(c['id'], c['verdict'], c['reason']) for c in result['checks']]}")
    saw(broken[0]["reason"])
    for words in ("ulimit -l", "memlock unlimited", "guest"):
        expect(words in broken[0]["reason"], f"the reason does not say '{words}'")


def bad_input(test: Scenario) -> None:
    """What does not exist is refused, by name, before anything is measured."""
    for arguments, status, words in (
        (("--device", "rxe7"), 2, ("--device", "rxe7", "guest")),
        (("--gid-index", "40"), 2, ("--gid-index", "40")),
        (("--device", "rxe0:3"), 2, ("--device", "rxe0", "3")),
        (("--queue-pairs", "0"), 2, ("--queue-pairs",)),
        (("--sizes", "0"), 2, ("0",)),
    ):
        run = test.start("--only", "verbs.write.latency", *arguments)
        done = run.wait()
        saw(f"{' '.join(arguments)}: status {done.status}: {last_line(done)}")
        expect(done.status == status, f"{arguments} ended with {done.status}, not {status}:\n{run.tail()}")
        for word in words:
            expect(word in done.out, f"{arguments}: nobody says {word}: {run.tail()}")
        expect(not run.out.joinpath("result.json").exists(), f"{arguments}: something was measured")


def peer_without_device(test: Scenario) -> None:
    """guest2 has no RDMA device: skipped with that reason, and no word of a fault in guest1."""
    ports = "rdma link add rxe0 type rxe netdev rail0; rdma link add rxe1 type rxe netdev rail1"
    test.upset(2, "rdma link delete rxe0; rdma link delete rxe1", ports)
    run = test.start("--only", "verbs.write.latency", "--sizes", "8")
    done = run.wait()
    result = test.judge_left(run)
    saw(f"{done.seconds:.1f} s, status {done.status}; {summary(result)}")
    words = words_of({key: result[key] for key in ("checks", "not_tested")})
    expect("no RDMA device on guest2" in words, f"nobody says that guest2 has no RDMA device: {words}")
    expect("no RDMA device on guest1" not in words, f"guest1 is accused: {words}")
    expect(not [check for check in result["checks"] if check["verdict"] in ("PASS", "FAIL", "ERROR")], summary(result))


def device_tests(test: Scenario) -> None:
    """The tests that need a device, which a machine without one skips; between one port and itself."""
    test.upset(1, "rdma link delete rxe1", "rdma link add rxe1 type rxe netdev rail1")
    done = test.guests.run([test.programs.device_tests, "--gtest_filter=Native*", "--gtest_brief=1"], timeout_s=WHOLE_RUN_S)
    saw(last_line(done))
    expect(done.status == 0, f"status {done.status}:\n{done.out[-4000:]}")
    passed = re.search(r"\[  PASSED  \] (\d+) test", done.out)
    expect(passed and int(passed[1]) > 0, f"no test passed:\n{done.out[-2000:]}")
    expect("SKIPPED" not in done.out, f"some were skipped where there is a device:\n{done.out[-2000:]}")


def node_loopback(test: Scenario) -> None:
    """The node's own check writes from each port to itself, but not while somebody has the NIC open."""
    command = [test.programs.fabricheck, "node", "--profile", "acceptance", "--json", "/lab/node.json"]

    def looked() -> Json:
        done = test.guests.run(command, timeout_s=WHOLE_RUN_S)
        test.validate(test.guests.folder / "node.json")
        saw([line for line in done.out.splitlines() if "verbs_loopback" in line])
        return json.loads((test.guests.folder / "node.json").read_text(encoding="utf-8"))

    check = checks_of(looked(), "node.verbs_loopback")[0]
    expect(check["verdict"] == "UNCHECKED" and check["value"] > 0, f"{check['verdict']}: {check['reason']}")
    expect("2 ports" in check["reason"], check["reason"])
    user = test.guests.start(["ib_write_lat", "-d", "rxe1"], timeout_s=WHOLE_RUN_S)
    test.guests.must("for try in $(seq 40); do ls -l /proc/[0-9]*/fd | grep -q uverbs && exit; sleep 0.25; done; exit 1", 1, 20)
    left = [one for one in looked()["not_tested"] if one["id"] == "node.verbs_loopback"]
    user.signal(9)
    expect(left and "is open in ib_write_lat" in left[0]["reason"], f"the NIC of another was used: {left}")


SCENARIOS: dict[str, Callable[[Scenario], None]] = {
    "wired": wired,
    "device_tests": device_tests,
    "latencies": latencies,
    "streams": streams,
    "unreliable": unreliable,
    "flows": flows,
    "rails": rails,
    "delay": delay,
    "loss": loss,
    "link_local": link_local,
    "mtu": mtu,
    "link_down": link_down,
    "memlock": memlock,
    "bad_input": bad_input,
    "peer_without_device": peer_without_device,
    "node_loopback": node_loopback,
}
