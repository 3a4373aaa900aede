"""report: the results as JSON, and as a table with ratios that a person reads."""

import json
import os

from cells import CELLS, Measured, Skipped

REFERENCES = ("adit-ipsec-mb", "adit-botan")  # whose figure the others are held against


class Row:
    """A server's results: found is cell -> Measured or Skipped; or none, and why."""

    def __init__(self, name, title, version="", found=None, why=""):
        self.name, self.title, self.version = name, title, version
        self.found, self.why = found or {}, why

    def value(self, cell):
        got = self.found.get(cell)
        return got.value if isinstance(got, Measured) else None


def as_json(rows, machine, plan):
    def cell(name, got):
        if isinstance(got, Skipped):
            return {"skipped": got.why}
        return {"value": got.value, "unit": CELLS[name].unit, "runs": got.values,
                "foreign_load": round(got.foreign, 4), "notes": got.notes}

    def server(row):
        head = {"name": row.name, "title": row.title}
        if row.why:
            return {**head, "skipped": row.why}
        cells = {name: cell(name, got) for name, got in row.found.items()}
        return {**head, "version": row.version, "cells": cells}

    return {"machine": machine, "quick": plan.quick, "runs": plan.runs, "seconds": plan.seconds,
            "servers": [server(row) for row in rows]}


def rows_of(facts):
    """The rows again, from as_json's: a table or a chart can be drawn of an older run."""
    rows = []
    for server in facts["servers"]:
        found = {}
        for name, cell in server.get("cells", {}).items():
            found[name] = (Skipped(cell["skipped"]) if "skipped" in cell
                           else Measured(cell["runs"], cell["foreign_load"], cell["notes"]))
        rows.append(Row(server["name"], server["title"], server.get("version", ""), found,
                        server.get("skipped", "")))
    return rows


# ---- the table --------------------------------------------------------------------------------------


class _Notes:
    """Reasons and remarks, each told once, below the table."""

    def __init__(self):
        self.texts = []

    def mark(self, text):
        if text not in self.texts:
            self.texts.append(text)
        return f"[{self.texts.index(text) + 1}]"

    def lines(self):
        return [f"[{number}] {text}" for number, text in enumerate(self.texts, 1)]


def number(value):
    """Three figures that count."""
    if value == 0:
        return "0"
    for limit, digits in ((100, 0), (10, 1), (1, 2)):
        if abs(value) >= limit:
            return f"{value:.{digits}f}"
    return f"{value:.3f}"


def reference(rows):
    present = {row.name: row for row in rows if row.found}
    return next((present[name] for name in REFERENCES if name in present), None)


def ratio(cell, row, against):
    """How many times worse than the reference, "x0.5" being better; "" if one of the two is missing."""
    mine, theirs = row.value(cell.name), against.value(cell.name) if against else None
    if row is against or not mine or not theirs:
        return ""
    times = mine / theirs if cell.lower_is_better else theirs / mine
    return f"x{number(times)}"


def table(rows):
    """Lines of Markdown."""
    against, notes = reference(rows), _Notes()
    shown = [cell for cell in CELLS.values() if any(cell.name in row.found for row in rows)]
    head = ["measure", "unit", *(row.title for row in rows)]
    body = [[cell.title, cell.unit, *(_text(cell, row, against, notes) for row in rows)] for cell in shown]
    lines = grid(head, body)
    for row in rows:
        if row.why:  # even where no other row has a cell
            notes.mark(f"{row.title}: {row.why}")
    if against:
        lines += ["", f"x: how many times worse than {against.title}"]
    return lines + [""] + notes.lines()


def grid(head, body):
    widths = [max(len(line[i]) for line in [head, *body]) for i in range(len(head))]
    return [_line(line, widths) for line in (head, ["-" * width for width in widths], *body)]


def _line(words, widths):
    return "| " + " | ".join(word.ljust(width) for word, width in zip(words, widths)) + " |"


def _text(cell, row, against, notes):
    if row.why:
        return "- " + notes.mark(f"{row.title}: {row.why}")
    got = row.found.get(cell.name)
    if got is None:
        return "-"
    if isinstance(got, Skipped):
        return "- " + notes.mark(got.why)
    marks = "".join(" " + notes.mark(note) for note in got.notes)
    times = ratio(cell, row, against)
    return number(got.value) + (f"  {times}" if times else "") + marks


def machine_line(machine):
    features = ", ".join(machine["cpu_features"]) or "none of those that matter"
    virtual = " of a virtual machine" if machine["virtual"] else ""
    return [f"{machine['cpu']}, {machine['cpus']} CPUs{virtual} ({features}), Linux {machine['kernel']}, "
            f"{machine['system']}; load average {machine['load_average']:.1f} at the start."]


def introduction(machine, rows, plan):
    lines = machine_line(machine) + [
        f"Median of {plan.runs} run(s) of {plan.seconds} s. One core serves, with softirq; all else is on "
        "the other.", ""]
    return lines + [f"- {row.title}: {row.version}" for row in rows if row.version] + [""]


def write(folder, name, facts, lines):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, f"{name}.json"), "w", encoding="utf-8") as file:
        json.dump(facts, file, indent=1)
        file.write("\n")
    with open(os.path.join(folder, f"{name}.md"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
