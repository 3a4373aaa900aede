#!/usr/bin/env python3
"""Tests of perf/targets: what is measured at which rate, and when a target counts as missed."""

import unittest

from measure_test import FakeLab, RecordedDriver

import servers
import targets


class Targets(unittest.TestCase):
    @staticmethod
    def row(limit, value, at_least=False):
        def figure():
            if isinstance(value, Exception):
                raise value
            return value, 0.0, "a remark"
        return targets.measure(targets.Target("t", "title", "us", limit, figure, at_least), 1, 0)[2:]

    def setUp(self):
        self.told, targets.tell = targets.tell, lambda _: None

    def tearDown(self):
        targets.tell = self.told

    def test_a_target_is_missed_by_a_factor(self):
        self.assertEqual(self.row(2, 1.0), ["at most 2.00", "1.00", "0.500", "a remark"])
        self.assertEqual(self.row(2, 3.0)[2], "1.50 missed")
        self.assertEqual(self.row(12, 6.0, at_least=True)[2], "2.00 missed")
        self.assertEqual(self.row(12, 24.0, at_least=True)[2], "0.500")

    def test_a_row_without_a_figure_says_why(self):
        self.assertEqual(self.row(2, servers.Unavailable("no bench")), ["at most 2.00", "-", "-", "no bench"])

    def test_the_cost_is_taken_near_the_highest_rate_which_is_looked_for_once(self):
        driver = RecordedDriver(own_limit=True)
        it = targets.Context("/nowhere", FakeLab().cores, 5)
        it.on = lambda _, use: use(driver, 0.1)
        for _ in range(2):
            value, _, note = it.cost("up:udp:1400")
            self.assertAlmostEqual(value, 4.0)  # (0.5 s - 0.1) over 100,000
            self.assertIn("at least", note)
        self.assertEqual([options["traffic"] for options in driver.asked],
                         2 * ["up:udp:1400:4000"] + 2 * [["up:udp:1400:90000"]])
        self.assertEqual([options["prepare"] for options in driver.asked], [2, 2, 6, 6])

    def test_what_arrives_one_by_one_is_sent_in_superframes_that_the_wire_cuts(self):
        driver = RecordedDriver()
        it = targets.Context("/nowhere", FakeLab().cores, 5)
        it.on = lambda _, use: use(driver, 0.1)
        it.row("up")
        self.assertEqual(driver.lab.wire, [("cut", True), ("gather", True, 1)])
        self.assertTrue(all(options["gso"] for options in driver.asked))
        it.row("esp-up")
        self.assertEqual(driver.lab.wire[2:], [("cut", False), ("gather", True, 1)])
        self.assertNotIn("gso", driver.asked[-1])

    def test_shards_on_one_core_find_as_many_packets_at_a_time_each_as_one_does(self):
        driver = RecordedDriver()
        it = targets.Context("/nowhere", FakeLab().cores, 5)
        it.on = lambda _, use: use(driver, 0.1)
        it.cost("down:udp:1400", shards=2)
        self.assertEqual(driver.lab.wire, [("cut", False), ("gather", True, 2)])

    def test_no_more_is_prepared_than_there_is_memory_for(self):
        driver = RecordedDriver()
        it = targets.Context("/nowhere", FakeLab().cores, 5)
        it.on = lambda _, use: use(driver, 0.1)
        old, targets.MOST_PREPARED = targets.MOST_PREPARED, 60000
        try:
            it.cost("up:udp:1400")
        finally:
            targets.MOST_PREPARED = old
        self.assertEqual(driver.asked[-1]["traffic"], ["up:udp:1400:10000"])

    def test_the_limits_are_taken_at_the_rate_of_the_cost(self):
        it = targets.Context("/nowhere", FakeLab().cores, 5)
        asked = []
        old, targets.limits.io_us, targets.limits.esp_us = (
            (targets.limits.io_us, targets.limits.esp_us),
            lambda _, way, pps, seconds: (asked.append((way.how, pps, seconds)), (1.5, 0.02))[1],
            lambda _: 0.5)
        try:
            it.on = lambda _, use: use(RecordedDriver(), 0.1)
            value, foreign, note = it.of_limits("up")
        finally:
            targets.limits.io_us, targets.limits.esp_us = old
        self.assertEqual(asked, [("merge", 90000, 5)])
        self.assertAlmostEqual(value, 2.0)  # 4 us against 1.5 and 0.5
        self.assertEqual(foreign, 0.02)
        self.assertIn("1.50 of I/O and 0.50 of ESP", note)

    def test_every_row_of_costs_has_its_limits(self):
        self.assertEqual(set(targets.COSTS), set(targets.limits.WAYS))


if __name__ == "__main__":
    unittest.main()
