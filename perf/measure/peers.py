"""peers: the comparison. perf/peers sees to packages and programs and then starts this.

Environment: ADIT_BIN the program; ADIT_LOAD_BIN the one whose `adit load` drives, if another;
ADIT_PEERS_DIR a folder for what is made once (the root of the kernel row, an unpacked SoftEther).
"""

import argparse
import fnmatch
import os
import signal
import sys
import tempfile
import time

import charts
import onecore
import report
import servers
from cells import CELLS, Bench, Plan, Skipped
from lab import Failed, Lab
from load import Driver

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = ("adit-botan", "adit-ipsec-mb", "softether", "kernel")


def arguments(words):
    parser = argparse.ArgumentParser(
        prog="perf/peers", description="Compares adit with other L2TP/IPsec servers, on one core each.")
    parser.add_argument("--quick", action="store_true", help="few cells, one run each: about 5 minutes")
    parser.add_argument("--only", metavar="ROWS", help="of " + ",".join(NAMES))
    parser.add_argument("--cells", metavar="CELLS",
                        help="names or patterns, like cost-*,memory; --list has all")
    parser.add_argument("--list", action="store_true", help="the cells, and nothing else")
    parser.add_argument("--runs", type=int, help="of each measurement; their median counts")
    parser.add_argument("--seconds", type=int, help="a run lasts")
    parser.add_argument("--patience", type=int, default=3,
                        help="how often to repeat for a quiet machine, as a multiple of the runs (3)")
    parser.add_argument("--name", help="of the files in the folder of results (peers, peers-quick)")
    parser.add_argument("--results", default=os.path.join(HERE, "..", "results"),
                        help="the folder of results")
    given = parser.parse_args(words)
    given.only = given.only.split(",") if given.only else list(NAMES)
    unknown = [name for name in given.only if name not in NAMES]
    if unknown:
        parser.error(f"no row {unknown[0]}; there are {', '.join(NAMES)}")
    given.patterns = given.cells.split(",") if given.cells else ["*"]
    for pattern in given.patterns:
        if not fnmatch.filter(CELLS, pattern):
            parser.error(f"no cell {pattern}; --list has their names")
    return given


def plan_of(given):
    plan = Plan(given.quick)
    plan.runs = given.runs or plan.runs
    plan.seconds = given.seconds or plan.seconds
    plan.patience = given.patience
    if given.cells:  # what is asked for by name is measured, quick or not
        plan.kinds, plan.groups = Plan().kinds, Plan().groups
    return plan


def wanted_by(patterns, plan):
    """In a quick run only what is in its plan, so that the table is as short as the run."""
    def wanted(name):
        if not any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
            return False
        for prefix in ("cost", "rate"):
            if name.startswith(prefix):
                return any(f"-{kind}" in name for kind in plan.kinds)
        if name.startswith("login"):
            return any(f"-{group}" in name for group in plan.groups)
        return True
    return wanted


def tell(text):
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


def measure(server, place, work, plan, wanted):
    """A row of the table, whatever happens."""
    def every(why):
        return {name: Skipped(why) for name in CELLS if wanted(name)}

    try:
        server.available()
        server.start()
    except (servers.Unavailable, Failed) as why:
        server.stop()
        tell(f"{server.title}: skipped: {why}")
        return report.Row(server.name, server.title, why=str(why))
    try:
        version = server.version()
        bench = Bench(Driver(place, server, work), plan, wanted, tell)
        bench.fill()
        return report.Row(server.name, server.title, version, bench.found)
    except Failed as why:
        return report.Row(server.name, server.title, found=every(str(why)))
    finally:
        server.stop()


def compare(given, plan):
    wanted, rows = wanted_by(given.patterns, plan), []
    machine = onecore.machine()
    cores = onecore.Cores()
    os.sched_setaffinity(0, cores.other)
    with tempfile.TemporaryDirectory(prefix="adit-peers-") as work:
        for name in given.only:
            # A fresh lab for each: nothing of the one before is left in the kernel.
            with Lab(cores) as place:
                server = next(one for one in servers.every(place, work) if one.name == name)
                rows.append(measure(server, place, work, plan, wanted))
    return rows, machine


def main(words):
    given = arguments(words)
    if given.list:
        for cell in CELLS.values():
            print(f"{cell.name:28} {cell.unit:5} {cell.title}")
        return 0
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(143))
    plan = plan_of(given)
    try:
        rows, machine = compare(given, plan)
    except (Failed, onecore.TooFewCores) as why:
        print(f"perf/peers: {why}", file=sys.stderr)
        return 1
    name = given.name or ("peers-quick" if given.quick else "peers")
    lines = report.introduction(machine, rows, plan) + report.table(rows)
    report.write(given.results, name, report.as_json(rows, machine, plan), lines)
    print("\n".join(lines))
    try:
        for path in charts.draw(given.results, name, rows):
            tell(os.path.relpath(path))
    except Failed as why:
        tell(str(why))
    return 0 if any(row.value(cell) is not None for row in rows for cell in CELLS) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
