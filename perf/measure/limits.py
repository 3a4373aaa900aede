"""limits: what the gateway is held against: its I/O and its ESP by themselves, on this machine, in the
same run. The I/O is io_limit's (perf/io_limit.cc) in adit's place, frames of the same number, size and
rate; the ESP is bench_esp's.
"""

import json
import os
import subprocess

import onecore
from lab import Failed, Lab
from servers import Unavailable


class Way:
    """How packets of one row go: sender's interface, what it sends, whether the wire cuts that, what the
    forwarder makes of it, and by which kind of socket; which bench is the row's ESP."""

    PACKETS = 32  # in a row

    def __init__(self, interface, kind, how, esp, cut=False, io="packet"):
        self.interface, self.kind, self.how, self.cut, self.io = interface, kind, how, cut, io
        self.bench = f"BM_{'Open' if interface == 'c0' else 'Seal'}/1/{esp}/1400/64/"
        # Of 1400 octets in the tunnel: what UDP or TCP carries, with all that the tunnel adds.
        self.size = 1458 if interface == "c0" else 1360


CBC, GCM = 0, 5  # as bench_esp counts suites
WAYS = {
    "up": Way("c0", "udp", "merge", CBC, cut=True),
    "up-gso": Way("c0", "udp", "whole", CBC),
    "esp-up": Way("c0", "esp", "merge", CBC),
    "gcm-up": Way("c0", "udp", "merge", GCM, cut=True),
    "down": Way("i0", "tcp", "whole", CBC),
    "esp-down": Way("i0", "tcp", "apart", CBC),
    "esp-down-xdp": Way("i0", "tcp", "apart", CBC, io="xdp"),
    "gcm-down": Way("i0", "tcp", "whole", GCM),
}


def program(name):
    path = os.path.join(os.environ.get("ADIT_BENCH_DIR", ""), name)
    if not os.path.exists(path):
        raise Unavailable(f"no {name}: set ADIT_BENCH_DIR to the folder of the benches")
    return path


def bench(name, pattern, repetitions=5):
    """The median of a bench whose name matches, as the bench program prints it in JSON."""
    done = subprocess.run(
        [program(name), f"--benchmark_filter={pattern}", f"--benchmark_repetitions={repetitions}",
         "--benchmark_format=json", "--benchmark_min_time=0.1", "--benchmark_report_aggregates_only=true"],
        capture_output=True, text=True, check=False, timeout=300)
    try:
        rows = json.loads(done.stdout)["benchmarks"]
    except ValueError as error:
        raise Failed(f"{name} has no bench {pattern}") from error
    return next(row for row in rows if row.get("aggregate_name") == "median")


def esp_us(way):
    return bench("bench_esp", f"^{way.bench}")["ns_per_packet"] / 1000


def io_us(cores, way, pps, seconds):
    """Microseconds of the serving core a packet, and the share of foreign load."""
    tool = program("io_limit")
    with Lab(cores) as place:
        place.no_addresses()
        place.cut(way.cut)
        pipes = {"stdout": subprocess.PIPE, "text": True}
        words = [tool, "forward", "s0", "s1", way.how] + (["xdp"] if way.io == "xdp" else [])
        forwarder = place.start(place.server, words, cores.serving, **pipes)
        if forwarder.stdout.readline().strip() != "running":
            raise Failed("io_limit does not come up")
        idle, _ = onecore.idle_share(cores.serving, len(cores.serving + cores.other))
        sampler, before = onecore.Sampler(), onecore.Census(place.inodes())
        sampler.start()
        words = [way.kind, way.PACKETS, way.size, pps, seconds]
        sender = place.start(place.load, [tool, "send", way.interface, *map(str, words)], cores.other, **pipes)
        said = sender.communicate(timeout=seconds + 30)[0].split()
        sampler.stop()
        after = onecore.Census(place.inodes())
        if len(said) != 3:
            raise Failed("io_limit could not send")
        begin, end, sent = float(said[0]), float(said[1]), int(said[2])
        # SIGTERM and not the lab's end: it tells its count then.
        forwarder.terminate()
        forwarded = int(forwarder.communicate(timeout=10)[0] or 0)
        if forwarded < 0.9 * sent:
            raise Failed(f"io_limit forwarded {forwarded} of {sent} packets")
        busy = sampler.busy_s(cores.serving, begin, end) - idle * (end - begin)
        foreign = onecore.foreign_share(before, after, end - begin, len(cores.serving + cores.other))
        return busy / forwarded * 1e6, foreign
