"""onecore: what a packet costs the core that serves it.

The server and the softirq of its interfaces have one core to themselves (lab.py sees to that), all
else has the others. The cost of a packet is the time that core was busy, less what it is busy with
when nothing is sent, divided by the packets that came out at the far side. So the kernel's share is
in it, and every thread of the server.

Busy is elapsed less idle, iowait and stolen time: with NO_HZ the kernel keeps idle time to the
microsecond and adds up the rest by ticks, so the rest is not added up here.

A machine is seldom quiet. What ran that is neither ours nor the kernel's is taken per process, and a
window with more than LIMIT of it does not count.
"""

import bisect
import math
import os
import statistics
import threading
import time

FOREIGN_LIMIT = 0.03
TICK = os.sysconf("SC_CLK_TCK")


class TooFewCores(Exception):
    pass


class Cores:
    """Which CPU serves, and which do everything else. CPU 0 gets most of a machine's interrupts."""

    def __init__(self, serving=1):
        allowed = sorted(os.sched_getaffinity(0))
        if len(allowed) < 1 + serving:
            raise TooFewCores(f"{serving} core(s) to serve and one to measure with: has {len(allowed)}")
        self.serving = allowed[-serving:]
        self.other = [cpu for cpu in allowed if cpu not in self.serving]

    def mask(self, cpus):
        """As /sys wants it: hexadecimal words of 32 bits."""
        bits = sum(1 << cpu for cpu in cpus)
        words = []
        while True:
            words.insert(0, f"{bits & 0xFFFFFFFF:08x}")
            bits >>= 32
            if not bits:
                return ",".join(words)


def unhurried_session():
    """For a child before exec: a session of its own, and so a scheduling group of its own, ahead of
    other sessions. nice has no effect between sessions where the kernel groups by session."""
    os.setsid()
    try:
        with open("/proc/self/autogroup", "w", encoding="ascii") as file:
            file.write("-15")
    except OSError:
        pass  # no autogroups in this kernel, or not root


# ---- the clock of a core ----------------------------------------------------------------------------


def read_cores():
    """CPU -> (idle and iowait, stolen) in seconds since boot."""
    cores = {}
    with open("/proc/stat", encoding="ascii") as file:
        for line in file:
            name, *fields = line.split()
            if not name.startswith("cpu"):
                break
            if name != "cpu":
                ticks = [int(field) for field in fields]
                cores[int(name[3:])] = ((ticks[3] + ticks[4]) / TICK, ticks[7] / TICK)
    return cores


class Sampler(threading.Thread):
    """Keeps the clocks of all cores, 25 times a second, so that any window can be asked for later."""

    PERIOD_S = 0.04

    def __init__(self, read=read_cores, clock=time.monotonic):
        super().__init__(daemon=True)
        self._read, self._clock = read, clock
        self._times, self._cores = [], []
        self._end = threading.Event()

    def run(self):
        while not self._end.is_set():
            self.sample()
            self._end.wait(self.PERIOD_S)

    def sample(self):
        cores = self._read()
        self._times.append(self._clock())
        self._cores.append(cores)

    def stop(self):
        self._end.set()
        self.join()
        self.sample()

    def _at(self, when, cpu):
        """Between two samples the counters are taken to move evenly."""
        right = min(max(bisect.bisect_left(self._times, when), 1), len(self._times) - 1)
        t0, t1 = self._times[right - 1], self._times[right]
        share = 0.0 if t1 == t0 else min(max((when - t0) / (t1 - t0), 0.0), 1.0)
        before, after = self._cores[right - 1][cpu], self._cores[right][cpu]
        return [a + (b - a) * share for a, b in zip(before, after)]

    def busy_s(self, cpus, begin, end):
        """Seconds the CPUs together were busy between two moments of CLOCK_MONOTONIC."""
        busy = 0.0
        for cpu in cpus:
            idle, stolen = (b - a for a, b in zip(self._at(begin, cpu), self._at(end, cpu)))
            busy += max(end - begin - idle - stolen, 0.0)
        return busy

    def stolen_s(self, cpus, begin, end):
        return sum(self._at(end, cpu)[1] - self._at(begin, cpu)[1] for cpu in cpus)


# ---- whose time it was ------------------------------------------------------------------------------


class Process:
    """fields: those of /proc/PID/stat after the name. cpu_s is with its reaped children: a compiler
    that ends in the window is then still counted, at its parent's."""

    def __init__(self, fields):
        self.parent = int(fields[1])
        self.cpu_s = sum(int(field) for field in fields[11:15]) / TICK


def read_processes():
    """PID -> Process, kernel threads left out: they do what processes ask for."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit() or name == "2":
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                process = Process(file.read().rpartition(")")[2].split())
        except OSError:
            continue  # gone meanwhile
        if process.parent != 2:
            found[int(name)] = process
    return found


class Census:
    """The processes at a moment, with what they have used up to then: ours and others'.

    Ours are this program with all its descendants, and whatever lives in one of our network
    namespaces: daemons cut themselves off from their parents."""

    def __init__(self, namespaces=(), read=read_processes):
        processes, ours = read(), {os.getpid()}
        grown = True
        while grown:
            more = {pid for pid, one in processes.items() if one.parent in ours} - ours
            ours |= more
            grown = bool(more)
        self.foreign_s = sum(
            one.cpu_s
            for pid, one in processes.items()
            if pid not in ours and not (namespaces and _network(pid) in namespaces)
        )


def _network(pid):
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino
    except OSError:
        return None


def foreign_share(before, after, seconds, cores):
    """Of the time of all cores, what others used between two censuses."""
    return max(after.foreign_s - before.foreign_s, 0.0) / (seconds * cores) if seconds > 0 else 0.0


def cpu_s(pids):
    """User and system time of processes with all their threads, without children."""
    total = 0.0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / TICK
    return total


def idle_share(cpus, cores, seconds=1.0, attempts=5):
    """How busy the CPUs are while nothing is asked of the server, from the quietest window; and the
    foreign load in it. With too much of that the share is unknown, and 0 is no flattery."""
    best = (0.0, math.inf)
    for _ in range(attempts):
        sampler, before = Sampler(), Census()
        sampler.start()
        begin = time.monotonic()
        time.sleep(seconds)
        end = time.monotonic()
        sampler.stop()
        foreign = foreign_share(before, Census(), end - begin, cores)
        best = min(best, (sampler.busy_s(cpus, begin, end) / (end - begin), foreign), key=lambda it: it[1])
        if foreign <= FOREIGN_LIMIT:
            break
    share, foreign = best
    return (share if foreign <= FOREIGN_LIMIT else 0.0), foreign


# ---- how often --------------------------------------------------------------------------------------


def repeat(runs, measure, patience=3):
    """Calls measure() until `runs` results came from a quiet machine, at most patience times more
    often; measure returns (result, foreign share). Gives the results with their shares, the quiet
    ones if there are any, else all."""
    quiet, noisy = [], []
    while len(quiet) < runs and len(quiet) + len(noisy) < runs * (1 + patience):
        result, foreign = measure()
        (quiet if foreign <= FOREIGN_LIMIT else noisy).append((result, foreign))
    return quiet or noisy


def median(values):
    return statistics.median(values) if values else None


# ---- where ------------------------------------------------------------------------------------------


def machine():
    """What a reader has to know of this machine to compare."""
    model, flags = "unknown CPU", ""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            key, _, value = (part.strip() for part in line.partition(":"))
            if key == "model name" and model == "unknown CPU":
                model = value
            elif key == "flags" and not flags:
                flags = value
    wanted = ("aes", "sha_ni", "avx2", "avx512f", "vaes", "vpclmulqdq")
    return {
        "cpu": model,
        "cpus": os.cpu_count(),
        "cpu_features": [flag for flag in wanted if flag in flags.split()],
        "kernel": os.uname().release,
        "system": _system(),
        "virtual": "hypervisor" in flags.split(),
        "load_average": os.getloadavg()[0],
    }


def _system():
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            for line in file:
                if line.startswith("PRETTY_NAME="):
                    return line.split("=", 1)[1].strip().strip('"')
    except OSError:
        pass
    return os.uname().sysname
