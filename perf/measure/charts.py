"""charts: results as SVG, drawn by gnuplot. A chart compares the servers in a few cells of one unit."""

import os
import subprocess

from cells import GROUPS, SIZES
from lab import Failed

COLORS = ("#1b6ca8", "#5bb0e0", "#d9822b", "#7a7a7a")


def _ways(prefix):
    names = [f"{way}-{kind}" for way in ("up", "down") for kind in (*SIZES, "tcp")]
    return [(f"{prefix}-{name}", name.replace("-", " ", 1).replace("tcp", "TCP")) for name in names]


def _groups(prefix, suffix=""):
    return [(f"{prefix}-{group}{suffix}", group.upper()) for group in GROUPS]


# File, title, axis, [(cell, label)].
CHARTS = (
    ("cost", "CPU time a packet, by size of the packet in the tunnel", "us, all threads and softirq",
     _ways("cost")),
    ("rate", "Packets a second at 0.1 % loss, one core", "thousands a second", _ways("rate")),
    ("logins", "Logins a second, one core", "logins a second", _groups("logins")),
    ("login", "A login's time", "ms, p50", _groups("login", "-p50")),
    ("ping", "Ping through the tunnel: idle, and beside 1400 B packets at half the highest rate", "us",
     [(f"ping-{when}-{share}", f"{when} {share}") for when in ("idle", "up", "down")
      for share in ("p50", "p99")]),
    ("memory", "Memory a session", "KiB", [("memory", "idle session")]),
)


def script(path, title, axis, cells, rows):
    """gnuplot's commands, with the data in them; "" if there is nothing to show."""
    rows = [row for row in rows if any(row.value(cell) for cell, _ in cells)]
    cells = [(cell, label) for cell, label in cells if any(row.value(cell) for row in rows)]
    if not rows:
        return ""
    width = 160 + 40 * len(cells) * (len(rows) + 1)
    lines = [
        f'set terminal svg size {max(width, 480)},360 font "sans-serif,12" background "#ffffff"',
        f'set output "{path}"', f'set title "{title}"', f'set ylabel "{axis}"',
        "set style data histogram", "set style histogram clustered gap 1",
        "set style fill solid border -1", "set boxwidth 0.9", "set grid ytics",
        "set key outside bottom horizontal", "set xtics nomirror", "set datafile missing '-'",
        "set yrange [0:*]", "set offsets 0,0,graph 0.08,0"]
    lines.append("$data << END")
    for cell, label in cells:
        lines.append(f'"{label}" ' + " ".join(_figure(row.value(cell)) for row in rows))
    lines.append("END")
    return "\n".join([*lines, "plot " + ", ".join(_plots(rows))]) + "\n"


def _plots(rows):
    """A bar for each server, and its figure on top."""
    for i, row in enumerate(rows):
        yield f'$data using {i + 2}:xtic(1) title "{row.title}" linecolor rgb "{COLORS[i % len(COLORS)]}"'
        beside = (i - (len(rows) - 1) / 2) / (len(rows) + 1)
        yield (f'$data using ($0+({beside:.4f})):{i + 2}:(sprintf("%.3g",column({i + 2}))) '
               'with labels offset 0,0.6 font ",9" notitle')


def _figure(value):
    return f"{value:g}" if value else "-"


def draw(folder, name, rows):
    """The files written. Failed if gnuplot cannot."""
    written = []
    for kind, title, axis, cells in CHARTS:
        path = os.path.join(folder, f"{name}-{kind}.svg")
        commands = script(path, title, axis, cells, rows)
        if not commands:
            continue
        try:
            done = subprocess.run(["gnuplot"], input=commands, capture_output=True, text=True, check=False,
                                  timeout=60)
        except FileNotFoundError as error:
            raise Failed("no charts: gnuplot is not installed") from error
        if done.returncode != 0:
            raise Failed(f"gnuplot: {done.stderr.strip().splitlines()[-1]}")
        written.append(path)
    return written
