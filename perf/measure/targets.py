"""targets: adit against the figures set for it, each measured as perf/measure/README.md says; what
perf/baseline.md is made of.

Environment: as for peers.py; ADIT_BENCH_DIR the folder of io_limit and the benches (without it the
rows that want them say so).
"""

import argparse
import fnmatch
import math
import os
import signal
import sys
import tempfile
import threading

import limits
import onecore
import report
from cells import AT_LEAST, COST_SHARE, GROUPS, NOT_QUIET
from lab import Failed, Lab
from limits import bench
from load import Driver
from peers import tell
from servers import Adit, SoftEther, Unavailable

CBC, GCM = "aes256-sha1", "aes256gcm16"

# Looking for packets that are not there yet is not what one costs.
FOR_COSTS = "[io]\nbusy_poll = 0"

# What the rate may lose whose share a cost is taken at. More than for a rate that is the figure itself:
# the host of a virtual machine that takes the core away for a moment must not halve the rate.
LOSS_FOR_COST = 0.01

# Packets that the client seals ahead, at most: it has 4 GiB for them.
MOST_PREPARED = 2500000

# What is sent in the rows that say what a packet costs: `adit load`'s traffic, and its options. cut: the
# client's superframes are cut on the wire. io: how adit sends what is no superframe.
COSTS = {
    "down": ("down:tcp:1400", {"far-gso": True}),
    "up": ("up:udp:1400", {"cut": True}),
    "up-gso": ("up:udp:1400", {"gso": True}),
    "esp-up": ("up:udp:1400", {"nat-t": "off"}),
    "esp-down": ("down:tcp:1400", {"nat-t": "off", "far-gso": True}),
    "esp-down-xdp": ("down:tcp:1400", {"nat-t": "off", "far-gso": True, "io": "xdp"}),
    "gcm-down": ("down:tcp:1400", {"esp": GCM, "far-gso": True}),
    "gcm-up": ("up:udp:1400", {"esp": GCM, "cut": True}),
}


class Context:
    """What a row's measurement may use; every call of a method is one run on a fresh lab."""

    def __init__(self, work, cores, seconds):
        self.work, self.cores, self.seconds = work, cores, seconds
        self.rates = {}  # found before, by what was sent
        self.pps = 0     # at which the last cost was taken

    def adit(self, place, shards=1, **more):
        return Adit(place, self.work, shards=shards, **more)

    def on(self, make, use, card=True):
        """use(driver, idle share) with the server that make(lab) gives, running."""
        with Lab(self.cores, card) as place:
            server = make(place)
            server.available()
            server.start()
            try:
                idle, _ = onecore.idle_share(self.cores.serving, len(self.cores.serving + self.cores.other))
                return use(Driver(place, server, self.work), idle)
            finally:
                server.stop()

    # ---- the costs ----

    def row(self, name, **more):
        """The cost of a row of COSTS."""
        spec, options = COSTS[name]
        return self.cost(spec, **options, **more)

    def cost(self, spec, esp=CBC, make=None, shards=1, cut=False, io="packet", **options):
        """Microseconds of the serving core a packet, at COST_SHARE of the highest rate of
        spec: "up:udp:1400", or several, which share it."""
        make = make or (lambda place: self.adit(place, shards, sections=FOR_COSTS, io=io))
        wishes = {"clients": 8, "esp": esp, "burst": 32, **options}
        if cut:
            wishes["gso" if spec.startswith("up:") else "far-gso"] = True
        specs = spec.split(",")

        def use(driver, idle):
            driver.lab.cut(cut)
            # So that each shard finds as many packets at a time as one alone does: here they share a core,
            # where each would have one to itself.
            driver.lab.gather(True, shards)
            key = (spec, cut, shards, io, driver.server.name, str(sorted(wishes.items())))
            if key not in self.rates:
                self.rates[key] = self._highest(driver, specs[0], wishes)
            pps, limit = self.rates[key]
            ahead = self._prepare(specs, self.seconds + 1)
            self.pps = math.ceil(min(pps * COST_SHARE, MOST_PREPARED / ahead if ahead else math.inf))
            pps = math.ceil(self.pps / len(specs))
            run = driver.run({**wishes, "traffic": [f"{one}:{pps}" for one in specs],
                              "prepare": ahead, "duration": self.seconds})
            packets = sum(run.report.received(way) for way in ("up", "down"))
            if run.report.logins() < wishes["clients"] or not packets:
                raise Failed(f"{run.report.logins()} of 8 clients, {packets} packets came through")
            lost = 1 - packets / sum(run.report.sent(way) for way in ("up", "down"))
            notes = [f"{lost:.1%} lost" if lost > 0.01 else "", AT_LEAST if limit else ""]
            return ((run.busy_s - idle * run.window_s) / packets * 1e6, run.foreign,
                    "; ".join(note for note in notes if note))

        return self.on(make, use)

    def _highest(self, driver, spec, wishes):
        """The highest rate, and whether it was the client's limit. The better of two searches: one moment
        in which the machine was kept off ends a search early, and at a lower rate a packet costs more."""
        return max(self._search(driver, spec, wishes) for _ in range(2))

    def _search(self, driver, spec, wishes):
        run = driver.run({**wishes, "traffic": f"{spec}:{driver.server.likely_pps}", "find-rate": LOSS_FOR_COST,
                          "step-seconds": 1, "prepare": self._prepare([spec], 2)}, patience=200)
        if not run.report.found_pps():
            raise Failed(run.report.why_not() or "no rate loses as little as 1 %")
        return run.report.found_pps(), run.report.search_was_its_limit()

    @staticmethod
    def _prepare(specs, seconds):
        """Ahead where there is one way only: prepared packets are of little use beside others."""
        return seconds if len(specs) == 1 and specs[0].startswith("up:") else None

    def of_limits(self, name):
        """A row of COSTS against its I/O and its ESP by themselves, at the same rate."""
        us, foreign, _ = self.row(name)
        way = limits.WAYS[name]
        io, more = limits.io_us(self.cores, way, self.pps, self.seconds)
        esp = limits.esp_us(way)
        note = f"{us:.2f} us against {io:.2f} of I/O and {esp:.2f} of ESP, {self.pps / 1000:.0f} kpps"
        return us / (io + esp), max(foreign, more), note

    # ---- the way of a lone packet ----

    def ping(self, share):
        def use(driver, _):
            run = driver.run({"clients": 1, "ping": 10, "duration": max(self.seconds, 5)})
            return run.report.ping_us(share), run.foreign, ""

        return self.on(self.adit, use, card=False)

    def first_packet(self):
        """The median of what a lone packet takes, one way. Down: there the measuring client need not seal
        it first, which would be counted with it."""
        def use(driver, _):
            run = driver.run({"clients": 1, "traffic": "down:udp:100:10", "duration": max(self.seconds, 5)})
            return run.report.latency_us("down", "p50"), run.foreign, ""

        return self.on(self.adit, use, card=False)

    def idle_percent(self):
        """Of a core, with a hundred clients on line who say nothing."""
        def use(driver, _):
            run = driver.run({"clients": 100, "duration": 10, "warmup": 2})
            return 100 * run.traffic_cpu_s / run.window_s, run.foreign, ""

        return self.on(self.adit, use, card=False)

    def ping_in_a_storm(self):
        """An established client's p99 while 200 others a second log in, crew beside the load."""
        def use(driver, _):
            seconds, quiet = max(self.seconds, 5), {"clients": 1, "ping": 50}
            # Key agreements are a millisecond each, and those of its own core are not what a ping waits for.
            driver.at_once = True
            calm = driver.run({**quiet, "duration": seconds}).report.ping_us("p99")
            storm = Driver(driver.lab, driver.server, os.path.join(self.work, "storm"))
            os.makedirs(storm.work, exist_ok=True)
            failure = []
            thread = threading.Thread(target=_storm, args=(storm, seconds, failure))
            thread.start()
            run = driver.run({**quiet, "duration": seconds, "warmup": 3})
            thread.join()
            if failure:
                raise failure[0]
            busy = run.report.ping_us("p99")
            if calm is None or busy is None:
                raise Failed("the measuring client reported no ping")
            return busy / calm, run.foreign, f"idle {calm:.0f} us, storm {busy:.0f} us"

        def apart(place):
            shard, crew = (",".join(map(str, cpus)) for cpus in (self.cores.serving, self.cores.other))
            return self.adit(place, sections=f'[io]\ncpus = "{shard}"\ncrew_cpus = "{crew}"',
                             cpus=self.cores.serving + self.cores.other)

        return self.on(apart, use, card=False)

    # ---- logins ----

    def logins(self, group):
        """The share of what the library's ready-made key agreement alone allows, by the server's CPU time:
        the client computes as much, on its core, and so could be the slower of the two. The rate itself,
        and the share of what our own key agreement allows, are in the remark."""
        ready_made, bare = agreements_a_second(group)

        def use(driver, _):
            run = driver.run({"clients": 400, "rate": 5000, "phase1": GROUPS[group], "duration": 1,
                              "warmup": 0})
            if run.report.logins() < 400 or not run.login_cpu_s:
                raise Failed(f"{run.report.logins()} of 400 logged in: {run.report.why_not()}")
            rate, possible = run.report.logins_a_second(), 400 / run.login_cpu_s
            note = (f"{rate:.0f} a second measured, {possible:.0f} by the server's CPU; key agreement alone: "
                    f"{ready_made:.0f} ready made, {bare:.0f} ours (share {possible / bare:.2f})")
            return possible / ready_made, run.foreign, note

        return self.on(self.adit, use)

    def memory(self, sessions):
        def use(driver, _):
            options = {"rate": 400, "phase1": GROUPS["ecp256"], "warmup": 0}
            driver.run({**options, "clients": 200, "duration": 1})
            before, held = driver.server.memory_kib(), []
            run = driver.run({**options, "clients": sessions, "duration": 5}, patience=120 + sessions / 100,
                             on_event=lambda event: event == "logged_in"
                             and held.append(driver.server.memory_kib()))
            if run.report.logins() < sessions or not held:
                raise Failed(f"{run.report.logins()} of {sessions} logged in")
            return (held[-1] - before) / sessions, run.foreign, f"at {sessions} sessions"

        return self.on(self.adit, use)

    # ---- ratios ----

    def softether(self, way, cut):
        """cut: packets one by one; else superframes, as hosts of the same machine or switch send them."""
        how = {"cut": True} if cut else {"gso" if way == "up" else "far-gso": True}
        theirs, foreign, _ = self.cost(f"{way}:udp:1400", make=lambda place: SoftEther(place, self.work), **how)
        ours, more, _ = self.cost(f"{way}:udp:1400", **how)
        return theirs / ours, max(foreign, more), f"{theirs:.1f} against {ours:.2f} us"

    def two_shards(self, spec):
        one, foreign, _ = self.cost(spec, cut=True)
        two, more, _ = self.cost(spec, shards=2, cut=True)
        return two / one, max(foreign, more), f"{one:.2f} and {two:.2f} us"

    def mpps(self, spec):
        us, foreign, note = self.cost(spec)
        return 1 / us, foreign, note


def _storm(driver, seconds, failure):
    try:
        run = driver.run({"source": "198.18.128.0-198.18.200.0/16", "far": None, "far-address": None,
                          "clients": 200 * (seconds + 4), "rate": 200, "duration": 1, "warmup": 0})
        if run.report.logins() < 0.9 * run.report.logins_tried():
            failure.append(Failed(f"{run.report.logins()} of {run.report.logins_tried()} logged in"))
    except Failed as why:
        failure.append(why)


# ---- what benches say -----------------------------------------------------------------------------------

GROUP_NUMBERS = {"modp2048": 14, "ecp256": 19}


def cpu_time_s(row):
    return row["cpu_time"] * {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}[row["time_unit"]]


def agreements_a_second(group):
    """Key generation and agreement, as a login needs one of each: by the library's ready-made functions,
    and by ours."""
    number = GROUP_NUMBERS[group]
    ready_made, generate, agree = (cpu_time_s(bench("bench_prim", f"^BM_{what}/{number}$"))
                                   for what in ("ReadyMade", "GenerateDh", "Agree"))
    return 1 / ready_made, 1 / (generate + agree)


def many_shards(count, way):
    """CPU a packet with `count` shards against 1, over memory ports. (The bench counts CPU time by itself.)"""
    one, many = (bench("bench_shards", f"^Shards/{n}/", 3)[f"{way}_us_per_packet"] for n in (1, count))
    return many / one, 0.0, f"{one:.2f} and {many:.2f} us"


# ---- the rows --------------------------------------------------------------------------------------------


class Target:
    """limit: at most, or with at_least at least."""

    def __init__(self, name, title, unit, limit, measure, at_least=False):
        self.name, self.title, self.unit = name, title, unit
        self.limit, self.measure, self.at_least = limit, measure, at_least


def targets(it):
    """All rows; it is a Context."""
    return [
        Target("down", "down, TCP bursts, 1400 B, AES-256-CBC + SHA1 in UDP", "us", 1.2,
               lambda: it.row("down")),
        Target("up", "up, the same, datagrams one by one", "us", 1.8, lambda: it.row("up")),
        Target("up-gso", "up, the same, UDP GSO frames", "us", 1.0, lambda: it.row("up-gso")),
        Target("esp-up", "protocol 50, 1400 B, up", "us", 1.8, lambda: it.row("esp-up")),
        Target("esp-down", "protocol 50, 1400 B, down", "us", 2.8, lambda: it.row("esp-down")),
        Target("esp-down-xdp", 'the same, with io = "xdp"', "us", 2.8, lambda: it.row("esp-down-xdp")),
        Target("gcm-down", "AES-256-GCM in UDP, 1400 B, down", "us", 1.0, lambda: it.row("gcm-down")),
        Target("gcm-up", "AES-256-GCM in UDP, 1400 B, up", "us", 1.7, lambda: it.row("gcm-up")),
        *(Target(f"limits-{name}", f"{name} against I/O and ESP by themselves", "times", 1.5,
                 lambda name=name: it.of_limits(name)) for name in COSTS),
        Target("small", "64 B both ways at once, a core", "Mpps", 0.38,
               lambda: it.mpps("up:udp:64,down:udp:64"), at_least=True),
        *(Target(f"softether-{way}{'' if cut else '-gso'}",
                 f"less CPU a packet than SoftEther, 1400 B, {way}, {'one by one' if cut else 'superframes'}",
                 "times", 12, lambda way=way, cut=cut: it.softether(way, cut), at_least=True)
          for cut in (True, False) for way in ("up", "down")),
        Target("ping-p50", "ping through the gateway, idle, p50", "us", 150, lambda: it.ping("p50")),
        Target("ping-p99", "ping through the gateway, idle, p99", "us", 1000, lambda: it.ping("p99")),
        Target("first-packet", "a lone packet through the idle gateway, one way, p50", "us", 200,
               it.first_packet),
        Target("idle", "CPU of 100 idle clients", "%", 1, it.idle_percent),
        Target("storm", "ping p99 while 200 a second log in, against idle", "times", 2, it.ping_in_a_storm),
        Target("shards-up", "CPU a packet with 2 shards on one core against 1, up", "times", 1.1,
               lambda: it.two_shards("up:udp:1400")),
        Target("shards-down", "CPU a packet with 2 shards on one core against 1, down", "times", 1.1,
               lambda: it.two_shards("down:udp:1400")),
        *(Target(f"shards-{count}-{way}", f"CPU a packet with {count} shards against 1, memory ports, {way}",
                 "times", 1.1, lambda count=count, way=way: many_shards(count, way))
          for count in (2, 8) for way in ("up", "down")),
        *(Target(f"logins-{group}", f"logins a CPU second, {group.upper()}, of what the library's allows",
                 "share", 0.7, lambda group=group: it.logins(group), at_least=True) for group in GROUPS),
        *(Target(f"memory-{n}", f"memory an idle session at {n}", "KiB", 8, lambda n=n: it.memory(n))
          for n in (1000, 10000, 50000)),
    ]


def measure(target, runs, patience):
    """A row of the table."""
    tell(target.title)
    try:
        results = onecore.repeat(runs, lambda: _once(target), patience)
    except (Failed, Unavailable) as why:
        return [target.title, target.unit, _bound(target), "-", "-", str(why)]
    value = onecore.median([value for (value, _), _ in results])
    notes = sorted({note for (_, note), _ in results if note})
    foreign = max(share for _, share in results)
    if foreign > onecore.FOREIGN_LIMIT:
        notes.append(NOT_QUIET)
    # Over 1: the target is missed by that factor.
    off = target.limit / value if target.at_least else value / target.limit
    verdict = f"{report.number(off)}{' missed' if off > 1 else ''}"
    return [target.title, target.unit, _bound(target), report.number(value), verdict, "; ".join(notes)]


def _once(target):
    value, foreign, note = target.measure()
    if value is None:
        raise Failed("the measuring client reported no figure")
    return (value, note), foreign


def _bound(target):
    return f"{'at least' if target.at_least else 'at most'} {report.number(target.limit)}"


def main(words):
    parser = argparse.ArgumentParser(prog="perf/targets", description="adit against the figures set for it.")
    parser.add_argument("--rows", default="*",
                        help="names or patterns, like up*,memory-1000; --list has them")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--runs", type=int, default=3, help="of each measurement; their median counts")
    parser.add_argument("--seconds", type=int, default=5, help="a run lasts")
    parser.add_argument("--patience", type=int, default=3,
                        help="how often to repeat for a quiet machine, as a multiple of the runs (3)")
    parser.add_argument("--out", help="write the table to this file as well")
    given = parser.parse_args(words)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="adit-targets-") as work:
        try:
            cores = onecore.Cores()
        except onecore.TooFewCores as why:
            print(f"perf/targets: {why}", file=sys.stderr)
            return 1
        chosen = [target for target in targets(Context(work, cores, given.seconds))
                  if any(fnmatch.fnmatch(target.name, pattern) for pattern in given.rows.split(","))]
        if given.list:
            print("\n".join(f"{target.name:18} {target.title}" for target in chosen))
            return 0
        machine = onecore.machine()
        os.sched_setaffinity(0, cores.other)
        body = [measure(target, given.runs, given.patience) for target in chosen]
    lines = report.grid(["measure", "unit", "target", "figure", "of the target", "remarks"], body)
    lines = report.machine_line(machine) + [""] + lines
    print("\n".join(lines))
    if given.out:
        with open(given.out, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
