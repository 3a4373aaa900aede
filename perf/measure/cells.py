"""cells: what is measured of a server. A cell is one figure of the table; some come from one run."""

import math
import time

import onecore
from lab import Failed

SIZES = (64, 512, 1400)  # of the packet inside the tunnel, octets
LOSS = 0.001             # what a rate may lose
MOST = 0.95              # of the clients, where a few that fail do not change the figure
SETTLE_S = 1             # after clients left, before memory is looked at
COST_SHARE = 0.9         # of the highest rate: where the cost of a packet is taken; a server that
                         # polls has no time left to look for packets that are not there
PING_SHARE = 0.5         # of the highest rate: where pings are taken
PING_KIND = 1400         # and of which traffic


class Cell:
    def __init__(self, name, title, unit, lower_is_better=True):
        self.name, self.title, self.unit = name, title, unit
        self.lower_is_better = lower_is_better


def _cells():
    for way in ("up", "down"):
        for kind in (*SIZES, "tcp"):
            what = f"{way}, TCP bursts, 1400 B" if kind == "tcp" else f"{way}, {kind} B"
            yield Cell(f"cost-{way}-{kind}", f"CPU a packet, {what}", "us")
            yield Cell(f"rate-{way}-{kind}", f"rate at 0.1 % loss, {what}", "kpps", False)
    for group in GROUPS:
        yield Cell(f"login-{group}-p50", f"login, {group.upper()}, p50", "ms")
        yield Cell(f"login-{group}-p99", f"login, {group.upper()}, p99", "ms")
        yield Cell(f"logins-{group}", f"logins a second, {group.upper()}", "1/s", False)
        yield Cell(f"login-cpu-{group}", f"CPU a login, {group.upper()}", "ms")
    yield Cell("memory", "memory a session", "KiB")
    for share in ("p50", "p99"):
        yield Cell(f"ping-idle-{share}", f"ping, idle, {share}", "us")
        for way in ("up", "down"):
            yield Cell(f"ping-{way}-{share}", f"ping at {PING_SHARE:.0%} load, {way}, {share}", "us")


AT_LEAST = "at least: the measuring client could not send more"
NOT_QUIET = f"the machine was not quiet: over {onecore.FOREIGN_LIMIT:.0%} foreign load"
GROUPS = {"modp2048": "aes256-sha1-modp2048", "ecp256": "aes256-sha1-ecp256"}
CELLS = {cell.name: cell for cell in _cells()}


class Plan:
    """How much of everything: clients and seconds."""

    def __init__(self, quick=False):
        self.quick = quick
        self.runs, self.patience = 1 if quick else 3, 3
        self.seconds, self.step_s, self.warmup_s = (2, 1, 0.5) if quick else (5, 2, 1)
        self.clients = 8            # that carry traffic
        self.slow_logins = 20 if quick else 100
        self.fast_logins = 100 if quick else 400
        self.sessions = 200 if quick else 2000
        self.kinds = (1400,) if quick else (*SIZES, "tcp")
        self.groups = ("modp2048",) if quick else tuple(GROUPS)


class Measured:
    """The figures of one cell with one server."""

    def __init__(self, values, foreign, notes=()):
        self.values, self.foreign = values, foreign
        self.notes = [note for note in notes if note]

    @property
    def value(self):
        return onecore.median(self.values)


class Skipped:
    def __init__(self, why):
        self.why = why


class Bench:
    """Fills the cells of one server, which runs. wanted: a test for a cell's name."""

    def __init__(self, driver, plan, wanted, tell):
        self.driver, self.plan, self.wanted, self.tell = driver, plan, wanted, tell
        self.server = driver.server
        self.found = {}  # cell -> Measured or Skipped
        cores = driver.lab.cores
        self.idle, _ = onecore.idle_share(cores.serving, len(cores.serving + cores.other))

    def fill(self):
        place = self.driver.lab
        place.gather(False)
        self._memory()
        self._idle_ping()
        for group in self.plan.groups:
            self._logins(group)
        place.gather(True)
        for kind in self.plan.kinds:
            for way in ("up", "down"):
                self._traffic(way, kind)
        for name in CELLS:
            if self.wanted(name) and name not in self.found:
                self.found[name] = Skipped("not in this run's plan")

    # ---- the frame of a measurement ----

    def _measure(self, names, once, refused=None):
        """once() -> ({cell: value}, foreign share, note); its cells fail and succeed together."""
        names = [name for name in names if self.wanted(name)]
        if not names:
            return
        if refused in self.server.refuses:
            self._skip(names, self.server.refuses[refused])
            return
        self.tell(f"{self.server.title}: {CELLS[names[0]].title}")
        try:
            results = onecore.repeat(self.plan.runs, self._guarded(once), self.plan.patience)
        except Failed as why:
            self._skip(names, str(why))
            return
        self._keep(names, results)

    def _skip(self, names, why):
        self.found.update({name: Skipped(why) for name in names if self.wanted(name)})

    @staticmethod
    def _guarded(once):
        def measure():
            values, foreign, note = once()
            return (values, note), foreign
        return measure

    def _keep(self, names, results):
        foreign = max(share for _, share in results)
        notes = {note for (_, note), _ in results if note}
        if foreign > onecore.FOREIGN_LIMIT:
            notes.add(NOT_QUIET)
        for name in names:
            values = [values[name] for (values, _), _ in results if values.get(name) is not None]
            if values:
                self.found[name] = Measured(values, foreign, sorted(notes))
            else:
                self.found[name] = Skipped("the measuring client reported no figure")

    @staticmethod
    def _everybody_in(run, clients, share=1.0):
        """Failed if fewer than that share got in; else a remark on those that did not."""
        report = run.report
        text = f"{report.logins()} of {clients} clients logged in"
        text += f": {report.why_not()}" if report.why_not() else ""
        if report.logins() < share * clients:
            raise Failed(text)
        return text if report.logins() < clients else ""

    # ---- traffic ----

    def _options(self, way, kind, pps):
        protocol, size = ("tcp", 1400) if kind == "tcp" else ("udp", kind)
        clients = min(self.plan.clients, self.server.most_clients)
        options = {"clients": clients, "traffic": f"{way}:{protocol}:{size}:{pps}", "burst": 32,
                   "warmup": self.plan.warmup_s, "duration": self.plan.seconds}
        options["gso" if way == "up" else "far-gso"] = True  # cut on the wire, but for TCP down
        return options

    def _traffic(self, way, kind):
        self.driver.lab.cut(way == "up" or kind != "tcp")
        rate, cost = f"rate-{way}-{kind}", f"cost-{way}-{kind}"
        pings = [f"ping-{way}-p50", f"ping-{way}-p99"] if kind == PING_KIND else []
        refused = "tcp" if kind == "tcp" else None
        if refused in self.server.refuses:
            return self._skip([rate, cost], self.server.refuses[refused])
        rates = []
        self._measure([rate], lambda: self._rate(way, kind, rates))
        if not any(self.wanted(name) for name in (cost, *pings)):
            return None
        if not rates and not self.wanted(rate):
            try:  # nothing but what is taken at a share of the rate is wanted
                self._rate(way, kind, rates)
            except Failed as why:
                return self._skip([cost, *pings], str(why))
        if not rates:
            return self._skip([cost, *pings], self.found[rate].why)
        pps = onecore.median(rates)
        self._measure([cost], lambda: self._cost(way, kind, pps * COST_SHARE))
        return self._measure(pings, lambda: self._busy_ping(way, pps * PING_SHARE))

    def _rate(self, way, kind, rates):
        options = self._options(way, kind, self.server.likely_pps)
        options.update({"find-rate": LOSS, "step-seconds": self.plan.step_s})
        if way == "up":
            options["prepare"] = self.plan.step_s + self.plan.warmup_s
        run = self.driver.run(options, patience=120 + 60 * self.plan.step_s)
        self._everybody_in(run, options["clients"])
        pps = run.report.found_pps()
        if not pps:
            raise Failed("no rate loses as little as 0.1 %")
        rates.append(pps)
        limit = AT_LEAST if run.report.search_was_its_limit() else ""
        return {f"rate-{way}-{kind}": pps / 1000}, run.foreign, limit

    def _loaded(self, way, kind, pps, **more):
        options = {**self._options(way, kind, math.ceil(pps)), **more}
        if way == "up":
            options["prepare"] = self.plan.seconds + self.plan.warmup_s
        run = self.driver.run(options)
        self._everybody_in(run, options["clients"])
        if not run.report.received(way):
            raise Failed("nothing came through")
        return run

    def _cost(self, way, kind, pps):
        run = self._loaded(way, kind, pps)
        busy = run.busy_s - self.idle * run.window_s
        us = busy / run.report.received(way) * 1e6
        return {f"cost-{way}-{kind}": us}, run.foreign, self._note(run, way)

    def _busy_ping(self, way, pps):
        run = self._loaded(way, PING_KIND, pps, ping=20)
        pings = {f"ping-{way}-{share}": run.report.ping_us(share) for share in ("p50", "p99")}
        return pings, run.foreign, ""

    @staticmethod
    def _note(run, way):
        loss = run.report.loss(way) or 0
        return f"{loss:.1%} lost" if loss > 10 * LOSS else ""

    # ---- logins ----

    def _logins(self, group):
        names = [f"login-{group}-p50", f"login-{group}-p99"]
        self._measure(names, lambda: self._slow_logins(group), group)
        self._measure([f"logins-{group}", f"login-cpu-{group}"], lambda: self._fast_logins(group), group)

    def _slow_logins(self, group):
        """Ten a second: each finds the server idle."""
        clients = min(self.plan.slow_logins, self.server.most_clients)
        run = self.driver.run({"clients": clients, "rate": 10, "phase1": GROUPS[group], "warmup": 0,
                               "duration": 1}, patience=60 + clients / 5)
        note = self._everybody_in(run, clients, MOST)
        return {f"login-{group}-p50": run.report.login_ms("p50"),
                f"login-{group}-p99": run.report.login_ms("p99")}, run.foreign, note

    def _fast_logins(self, group):
        """As many as it takes: the clients all dial at once."""
        clients = min(self.plan.fast_logins, self.server.most_clients)
        run = self.driver.run({"clients": clients, "rate": 5000, "phase1": GROUPS[group], "warmup": 0,
                               "duration": 1}, patience=120)
        note = self._everybody_in(run, clients, MOST)
        cpu_s = run.login_cpu_s
        cpu_ms = cpu_s / run.report.logins() * 1000 if cpu_s else None
        return {f"logins-{group}": run.report.logins_a_second(),
                f"login-cpu-{group}": cpu_ms}, run.foreign, note

    # ---- memory, and the way of a lone packet ----

    def _memory(self):
        self._measure(["memory"], self._sessions_memory)

    def _sessions_memory(self):
        """First a tenth logs in and out again, so that what a server takes once is not counted."""
        sessions = min(self.plan.sessions, self.server.most_clients)
        phase = GROUPS["modp2048" if "ecp256" in self.server.refuses else "ecp256"]
        options = {"rate": 200, "phase1": phase, "warmup": 0}
        self.driver.run({**options, "clients": max(sessions // 10, 1), "duration": 1})
        time.sleep(SETTLE_S)
        before, held = self.server.memory_kib(), []

        def look(event):
            if event == "logged_in":
                held.append(self.server.memory_kib())

        run = self.driver.run({**options, "clients": sessions, "duration": 3}, on_event=look,
                              patience=60 + sessions / 10)
        self._everybody_in(run, sessions, MOST)
        if not held:
            raise Failed("the measuring client did not say when all were in")
        online = run.report.logins()
        return {"memory": (held[-1] - before) / online}, run.foreign, f"{online} sessions"

    def _idle_ping(self):
        self._measure(["ping-idle-p50", "ping-idle-p99"], self._ping)

    def _ping(self):
        seconds = max(self.plan.seconds, 3)
        run = self.driver.run({"clients": 1, "ping": 20, "warmup": 1, "duration": seconds})
        self._everybody_in(run, 1)
        return {"ping-idle-p50": run.report.ping_us("p50"),
                "ping-idle-p99": run.report.ping_us("p99")}, run.foreign, ""
