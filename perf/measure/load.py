"""load: one run of `adit load`, and the facts of its report. All names of that report stand here."""

import json
import os
import subprocess
import threading
import time

import lab
import onecore
from lab import Failed
from servers import KEY, PASSWORD, USER


class Report:
    def __init__(self, facts):
        self.facts = facts

    def _at(self, *path):
        value = self.facts
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def window(self):
        """Begin and end of what was measured, CLOCK_MONOTONIC seconds."""
        return self._at("traffic", "begin_monotonic_s"), self._at("traffic", "end_monotonic_s")

    def received(self, way):
        return self._at("traffic", way, "received") or 0

    def sent(self, way):
        return self._at("traffic", way, "sent") or 0

    def loss(self, way):
        return 1 - self.received(way) / self.sent(way) if self.sent(way) else None

    def found_pps(self):
        """The highest rate with no more than the loss allowed."""
        return self._at("search", "best_pps")

    def search_was_its_limit(self):
        """Whether the lowest rate that did not hold was one that the client itself could not send."""
        failed = [trial for trial in self._at("search", "trials") or [] if not trial["held"]]
        return bool(failed) and min(failed, key=lambda trial: trial["pps"])["was_our_limit"]

    def limited_by_itself(self):
        return bool(self._at("self", "was_bottleneck"))

    def logins(self):
        return self._at("logins", "succeeded") or 0

    def logins_tried(self):
        return self._at("logins", "tried") or 0

    def logins_a_second(self):
        return self._at("logins", "per_second")

    def login_ms(self, share):
        return self._at("logins", "steps", "whole", f"{share}_ms")

    def ping_us(self, share):
        value = self._at("ping", "times", f"{share}_ms")
        return None if value is None or not self._at("ping", "received") else value * 1000

    def latency_us(self, way, share):
        value = self._at("traffic", way, "latency", f"{share}_ms")
        return None if value is None else value * 1000

    def trouble(self):
        """Why the figures are worth nothing; empty if they are."""
        if self._at("corrupt"):
            return f"{self._at('corrupt')} packets came back corrupt"
        return self._at("failure") or ""

    def why_not(self):
        """The commonest reason for which clients did not get in."""
        failures = self._at("logins", "failures")
        if not failures:
            return ""
        worst = max(failures, key=lambda failure: failure["count"])
        return f"{worst['step']}: {worst['reason']}"


class Driver:
    """Runs the measuring client against one server of a lab. at_once: before all else on its CPU, where it
    shares that with what it must not wait for."""

    def __init__(self, place, server, work):
        self.lab, self.server, self.work, self.at_once = place, server, work, False
        self.program = os.environ.get("ADIT_LOAD_BIN") or os.environ["ADIT_BIN"]

    def command(self, options, report):
        words = ["chrt", "--fifo", "1"] if self.at_once else []
        words += [self.program, "load", "--interface", "c0", "--server", lab.SERVER, "--psk", KEY,
                 "--user", USER, "--password", PASSWORD, "--json", report, "--events"]
        # Suites that every server speaks.
        defaults = {"source": lab.CLIENTS, "far": "i0", "far-address": f"{lab.FAR}/24", "nat-t": "force",
                    "phase1": "aes256-sha1-modp2048", "esp": "aes256-sha1", "clients": 1, "rate": 50,
                    "duration": 5, "warmup": 1}
        for key, value in {**defaults, **options}.items():
            for one in value if isinstance(value, list) else [value]:
                if one is True:
                    words.append(f"--{key}")
                elif one not in (None, False):
                    words += [f"--{key}", str(one)]
        return words

    def run(self, options, patience=120, on_event=None):
        """options: those of `adit load` without their dashes. Failed if the client or the server
        ends badly; clients that did not get in are in the report."""
        path = os.path.join(self.work, "load.json")
        if os.path.exists(path):
            os.unlink(path)
        sampler, events = onecore.Sampler(), _Events(self.lab, self.server, on_event)
        sampler.start()
        cores = self.lab.cores
        child = self.lab.start(self.lab.load, self.command(options, path), cores.other,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        reader = threading.Thread(target=events.read, args=(child.stderr,), daemon=True)
        reader.start()
        try:
            child.wait(patience)
        except subprocess.TimeoutExpired as error:
            raise Failed(f"the run took more than {patience} s") from error
        finally:
            self.lab.end(child)
            reader.join(2)
            child.stderr.close()
            sampler.stop()
        if not self.server.alive():
            raise Failed("the server ended during the run: " + " | ".join(self.server.end_of_log()[-2:]))
        return self._result(path, child.returncode, sampler, events)

    def _result(self, path, status, sampler, events):
        try:
            with open(path, encoding="utf-8") as file:
                report = Report(json.load(file))
        except (OSError, ValueError) as error:
            said = " | ".join(events.said[-2:]) or f"exit status {status}"
            raise Failed(f"adit load: {said}") from error
        if report.trouble():
            raise Failed(f"adit load: {report.trouble()}")
        begin, end = report.window()
        cores = self.lab.cores
        return Run(report, sampler.busy_s(cores.serving, begin, end), end - begin, events)


class Run:
    """What a run yields: the report, how long the serving cores were busy in its window of window_s
    seconds, and the share of foreign load in the whole run."""

    def __init__(self, report, busy_s, window_s, events):
        self.report, self.busy_s, self.window_s = report, busy_s, window_s
        self._events = events

    @property
    def foreign(self):
        return self._events.foreign()

    @property
    def traffic_cpu_s(self):
        """The server's CPU time in the window."""
        return self._events.server_cpu_s("traffic_begin", "traffic_end")

    @property
    def login_cpu_s(self):
        """The server's CPU time while its clients logged in."""
        return self._events.server_cpu_s("login_begin", "logged_in")


class _Moment:
    def __init__(self, place, server):
        self.at = time.monotonic()
        self.census = onecore.Census(place.inodes())
        self.server_cpu_s = onecore.cpu_s(server.pids())


class _Events:
    """What the client says on its standard error while it runs, a line of JSON an event: login_begin,
    logged_in (all of them, or failed), traffic_begin and traffic_end, in a search several times."""

    def __init__(self, place, server, on_event):
        self._moment = lambda: _Moment(place, server)
        self._cores = len(place.cores.serving + place.cores.other)
        self._on_event = on_event
        self._first, self._last = {}, {}
        self.said = []

    def read(self, stream):
        for line in stream:
            try:
                event = json.loads(line)["event"]
            except (ValueError, TypeError, KeyError):
                self.said.append(line.strip())
                continue
            moment = self._moment()
            self._first.setdefault(event, moment)
            self._last[event] = moment
            if self._on_event:
                self._on_event(event)

    def foreign(self):
        """From the first login to the end of traffic."""
        begin, end = self._first.get("login_begin"), self._last.get("traffic_end")
        if not begin or not end:
            return 0.0
        return onecore.foreign_share(begin.census, end.census, end.at - begin.at, self._cores)

    def server_cpu_s(self, begin, end):
        if begin not in self._first or end not in self._last:
            return None
        return self._last[end].server_cpu_s - self._first[begin].server_cpu_s
