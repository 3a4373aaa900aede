#!/usr/bin/env python3
"""Stands in for `adit load` where the measuring scripts themselves are tested: reads the same options,
says the same events, and writes a report of numbers made up from the options."""

import json
import sys
import time


def options(words):
    found = {}
    for word, after in zip(words, [*words[1:], "--"]):
        if word.startswith("--"):
            found[word[2:]] = True if after.startswith("--") else after
    return found


def say(event):
    print(json.dumps({"event": event, "up": 1}), file=sys.stderr, flush=True)


def main():
    given = options(sys.argv[2:])
    if given.get("user") == "nobody":
        print("no such user", file=sys.stderr)
        return 1
    for event in ("login_begin", "logged_in", "traffic_begin"):
        say(event)
    begin = time.monotonic()
    time.sleep(0.2)
    end = time.monotonic()
    say("traffic_end")
    clients = int(given["clients"])
    report = {
        "failure": "interrupted" if given.get("cpu") else None,
        "corrupt": int(given.get("seed", 0)),
        "logins": {"tried": clients, "succeeded": clients, "per_second": 50.0,
                   "steps": {"whole": {"p50_ms": 2.0, "p99_ms": 9.0}}},
        "traffic": {"begin_monotonic_s": begin, "end_monotonic_s": end,
                    "up": {"sent": 1000, "received": 1000}},
    }
    with open(given["json"], "w", encoding="utf-8") as file:
        json.dump(report, file)
    return 0


sys.exit(main())
