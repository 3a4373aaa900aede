#!/usr/bin/env python3
"""Tests of perf/measure: the arithmetic, the table and the charts. No root, no network."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "perf", "measure"))
os.environ.setdefault("ADIT_BIN", "/bin/false")

import cells  # noqa: E402
import charts  # noqa: E402
import lab  # noqa: E402
import load  # noqa: E402
import onecore  # noqa: E402
import peers  # noqa: E402
import report  # noqa: E402
import servers  # noqa: E402


class OneCore(unittest.TestCase):
    def sampler(self, samples):
        """samples: (time, idle of CPU 1, stolen)."""
        moments = iter(samples)
        times = []

        def read():
            when, idle, stolen = next(moments)
            times.append(when)
            return {0: (0.0, 0.0), 1: (idle, stolen)}

        sampler = onecore.Sampler(read=read, clock=lambda: times[-1])
        for _ in samples:
            sampler.sample()
        return sampler

    def test_busy_is_what_is_neither_idle_nor_stolen(self):
        sampler = self.sampler([(10.0, 100.0, 5.0), (12.0, 100.5, 5.1)])
        self.assertAlmostEqual(sampler.busy_s([1], 10.0, 12.0), 1.4)
        self.assertAlmostEqual(sampler.stolen_s([1], 10.0, 12.0), 0.1)

    def test_a_window_may_begin_between_samples(self):
        sampler = self.sampler([(0.0, 0.0, 0.0), (1.0, 1.0, 0.0), (2.0, 1.0, 0.0), (3.0, 2.0, 0.0)])
        self.assertAlmostEqual(sampler.busy_s([1], 1.0, 2.0), 1.0)
        self.assertAlmostEqual(sampler.busy_s([1], 0.5, 2.0), 1.0)
        self.assertAlmostEqual(sampler.busy_s([1], 1.5, 2.5), 0.5)

    def test_all_cores_of_several_count(self):
        sampler = self.sampler([(0.0, 0.0, 0.0), (1.0, 0.25, 0.0)])
        self.assertAlmostEqual(sampler.busy_s([0, 1], 0.0, 1.0), 1.75)

    @staticmethod
    def census(*processes):
        """(pid, parent, user, system, children's user, children's system) in seconds."""
        def read():
            return {pid: onecore.Process(["S", parent, *"123456789", *(t * onecore.TICK for t in times)])
                    for pid, parent, *times in processes}
        return onecore.Census(read=read)

    def test_the_time_of_others_is_foreign_and_ours_is_not(self):
        own = os.getpid()
        before = self.census((own, 1, 1, 0, 0, 0), (70, own, 1, 0, 0, 0), (80, 1, 5, 0, 0, 0))
        after = self.census((own, 1, 3, 0, 0, 0), (70, own, 4, 0, 0, 0), (80, 1, 5, 1, 0, 0))
        self.assertAlmostEqual(onecore.foreign_share(before, after, 10.0, 2), 0.05)

    def test_a_child_that_ended_counts_once(self):
        before = self.census((80, 1, 1, 0, 0, 0), (81, 80, 7, 0, 0, 0))
        after = self.census((80, 1, 1, 0, 8, 0))
        self.assertAlmostEqual(onecore.foreign_share(before, after, 10.0, 2), 0.05)

    def test_a_noisy_run_is_repeated_but_not_for_ever(self):
        results = iter([("a", 0.5), ("b", 0.01), ("c", 0.2), ("d", 0.0)])
        self.assertEqual(onecore.repeat(2, lambda: next(results)), [("b", 0.01), ("d", 0.0)])
        calls = []

        def never_quiet():
            calls.append(1)
            return len(calls), 0.5

        self.assertEqual(len(onecore.repeat(2, never_quiet)), 8)

    def test_masks_are_words_of_32_bits(self):
        cores = onecore.Cores.__new__(onecore.Cores)
        self.assertEqual(cores.mask([1]), "00000002")
        self.assertEqual(cores.mask([0, 33]), "00000002,00000001")


class FakeLab:
    """No namespaces: children run where the test runs."""

    load = server = "none"

    def __init__(self):
        self.cores = onecore.Cores.__new__(onecore.Cores)
        self.cores.serving, self.cores.other = [0], [0]
        self.wire = []  # what was asked of it

    def cut(self, on):
        self.wire.append(("cut", on))

    def gather(self, on, times=1):
        self.wire.append(("gather", on, times))

    def inodes(self):
        return set()

    def start(self, _, command, __, **more):
        return subprocess.Popen([sys.executable, *command], start_new_session=True, **more)

    def end(self, child):
        child.kill()
        child.wait()


class FakeServer:
    name = title = "fake"
    most_clients, likely_pps = 50, 4000
    refuses = {"ecp256": "has no ECP group"}
    lab = FakeLab()
    kib = 1000

    def alive(self):
        return True

    def pids(self):
        return []

    def end_of_log(self):
        return []

    def memory_kib(self):
        return self.kib


class Driving(unittest.TestCase):
    def setUp(self):
        self.work = tempfile.mkdtemp()
        os.environ["ADIT_LOAD_BIN"] = os.path.join(HERE, "fake_load.py")
        self.driver = load.Driver(FakeLab(), FakeServer(), self.work)

    def tearDown(self):
        shutil.rmtree(self.work)

    def test_a_run_gives_the_report_and_its_window(self):
        run = self.driver.run({"clients": 3})
        self.assertEqual(run.report.logins(), 3)
        self.assertEqual(run.report.received("up"), 1000)
        self.assertGreater(run.window_s, 0.15)
        self.assertLess(run.window_s, 5)

    def test_options_go_over_defaults_and_none_takes_one_away(self):
        words = self.driver.command({"far": None, "gso": True, "traffic": ["a", "b"]}, "report")
        self.assertNotIn("--far", words)
        self.assertIn("--far-address", words)
        self.assertEqual(words[-5:], ["--gso", "--traffic", "a", "--traffic", "b"])

    def test_corrupt_packets_end_it(self):
        with self.assertRaisesRegex(lab.Failed, "corrupt"):
            self.driver.run({"clients": 1, "seed": 7})

    def test_a_run_that_broke_off_is_none(self):
        with self.assertRaisesRegex(lab.Failed, "interrupted"):
            self.driver.run({"clients": 1, "cpu": 1})

    def test_what_the_client_said_is_the_reason(self):
        with self.assertRaisesRegex(lab.Failed, "no such user"):
            self.driver.run({"clients": 1, "user": "nobody"})


class RecordedDriver:
    """Answers with a report that depends on what is asked for."""

    def __init__(self, logins=None, own_limit=False):
        self.server, self.lab, self.logins, self.asked = FakeServer(), FakeLab(), logins, []
        self.own_limit = own_limit

    def run(self, options, patience=0, on_event=None):
        self.asked.append(options)
        clients = options["clients"]
        facts = {"logins": {"succeeded": self.logins if self.logins is not None else clients,
                            "per_second": 400.0, "steps": {"whole": {"p50_ms": 3.0, "p99_ms": 8.0}},
                            "failures": [{"step": "call", "reason": "refused", "count": 1},
                                         {"step": "tunnel", "reason": "silence", "count": 3}]},
                 "ping": {"received": 9, "times": {"p50_ms": 0.1, "p99_ms": 0.7}}}
        if "find-rate" in options:
            facts["search"] = {"best_pps": 100000, "trials": [
                {"pps": 100000, "held": True, "was_our_limit": False},
                {"pps": 104000, "held": False, "was_our_limit": self.own_limit},
                {"pps": 200000, "held": False, "was_our_limit": True}]}
        if "traffic" in options:
            specs = options["traffic"]
            way = (specs[0] if isinstance(specs, list) else specs).split(":")[0]
            facts["traffic"] = {way: {"sent": 100000, "received": 100000}}
        if on_event:
            self.server.kib += 8 * clients
            on_event("logged_in")
        return load.Run(load.Report(facts), 0.5, 1.0, self)

    def foreign(self):
        return 0.0

    def server_cpu_s(self, _, __):
        return 0.4


class Cells(unittest.TestCase):
    def fill(self, driver, wanted=lambda name: True):
        cells.SETTLE_S = 0
        bench = cells.Bench.__new__(cells.Bench)
        plan = cells.Plan()
        bench.driver, bench.plan, bench.wanted = driver, plan, wanted
        bench.tell, bench.server, bench.found, bench.idle = lambda _: None, driver.server, {}, 0.1
        bench.fill()
        return bench.found

    def test_every_cell_gets_a_figure_or_a_reason(self):
        found = self.fill(RecordedDriver())
        self.assertEqual(set(found), set(cells.CELLS))
        self.assertAlmostEqual(found["cost-up-1400"].value, 4.0)  # (0.5 s - 0.1) over 100,000
        self.assertAlmostEqual(found["rate-down-64"].value, 100)
        self.assertAlmostEqual(found["memory"].value, 8)
        self.assertAlmostEqual(found["login-cpu-modp2048"].value, 8)  # 0.4 s, 50 clients at most
        self.assertAlmostEqual(found["ping-idle-p99"].value, 700)
        self.assertEqual(found["logins-ecp256"].why, "has no ECP group")
        self.assertEqual(len(found["cost-up-1400"].values), 3)

    def test_the_cost_is_taken_below_the_highest_rate(self):
        driver = RecordedDriver()
        self.fill(driver, lambda name: name == "cost-down-512")
        specs = [options["traffic"] for options in driver.asked]
        self.assertEqual(specs, ["down:udp:512:4000"] + 3 * ["down:udp:512:90000"])

    def test_clients_left_outside_are_a_reason_not_a_figure(self):
        found = self.fill(RecordedDriver(logins=2), lambda name: name.startswith("cost-up-64"))
        self.assertRegex(found["cost-up-64"].why, "2 of 8 clients logged in: tunnel: silence")

    def test_a_rate_that_the_client_could_not_exceed_is_a_lower_bound(self):
        def rate(name):
            return name == "rate-up-64"
        self.assertEqual(self.fill(RecordedDriver(), rate)["rate-up-64"].notes, [])
        self.assertIn("at least", self.fill(RecordedDriver(own_limit=True), rate)["rate-up-64"].notes[0])


class Reports(unittest.TestCase):
    def rows(self):
        fast = {"cost-up-1400": cells.Measured([1.0, 2.0, 1.5], 0.0), "memory": cells.Measured([8.0], 0.0),
                "rate-up-1400": cells.Measured([600], 0.0)}
        slow = {"cost-up-1400": cells.Measured([18.0], 0.1, ["the machine was not quiet"]),
                "memory": cells.Skipped("no pool"), "rate-up-1400": cells.Measured([50], 0.0)}
        return [report.Row("adit-botan", "adit, Botan", "1", fast),
                report.Row("softether", "SoftEther", "5", slow),
                report.Row("kernel", "kernel", why="no ESP here")]

    def test_the_table_has_medians_ratios_and_reasons(self):
        text = "\n".join(report.table(self.rows()))
        self.assertRegex(text, r"CPU a packet, up, 1400 B +\| us +\| 1\.50 +\| 18\.0  x12\.0 \[\d\]")
        self.assertRegex(text, r"rate .*\| 600 +\| 50\.0  x12\.0")
        for note in ("kernel: no ESP here", "no pool", "the machine was not quiet"):
            self.assertRegex(text, rf"\[\d\] {note}")

    def test_a_row_that_was_skipped_says_why_without_any_other(self):
        self.assertIn("[1] kernel: no ESP here", report.table(self.rows()[2:]))

    def test_json_holds_all_that_the_table_needs(self):
        plan = cells.Plan(True)
        rows = self.rows()
        again = report.rows_of(report.as_json(rows, {}, plan))
        self.assertEqual(report.table(again), report.table(rows))

    def test_charts_are_valid_svg_and_leave_out_what_is_missing(self):
        if not shutil.which("gnuplot"):
            self.skipTest("gnuplot is not installed")
        with tempfile.TemporaryDirectory() as folder:
            paths = charts.draw(folder, "test", self.rows())
            self.assertEqual({os.path.basename(path) for path in paths},
                             {"test-cost.svg", "test-rate.svg", "test-memory.svg"})
            for path in paths:
                self.assertEqual(xml.dom.minidom.parse(path).documentElement.tagName, "svg")


class CommandLine(unittest.TestCase):
    def test_patterns_choose_cells(self):
        given = peers.arguments(["--cells", "cost-up-*,memory"])
        wanted = peers.wanted_by(given.patterns, peers.plan_of(given))
        self.assertEqual([name for name in cells.CELLS if wanted(name)],
                         ["cost-up-64", "cost-up-512", "cost-up-1400", "cost-up-tcp", "memory"])

    def test_a_quick_run_asks_for_little(self):
        given = peers.arguments(["--quick"])
        wanted = peers.wanted_by(given.patterns, peers.plan_of(given))
        self.assertTrue(wanted("cost-down-1400"))
        self.assertFalse(wanted("cost-down-64"))
        self.assertFalse(wanted("logins-ecp256"))

    def test_every_row_has_a_server(self):
        names = [server.name for server in servers.every(FakeLab(), "/nowhere")]
        self.assertEqual(tuple(names), peers.NAMES)


if __name__ == "__main__":
    unittest.main()
