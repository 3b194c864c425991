# SPDX-License-Identifier: Apache-2.0
"""The rules of the Chrome trace event format ("Trace Event Format", by the Chromium project), as a check of a written trace. Used by the tests of
traces.

    problems, events = check(PATH)
"""
import json
import math
from collections import Counter, defaultdict

PHASES = {"B", "E", "X", "i", "b", "n", "e", "s", "t", "f", "C", "M"}
METADATA = {"process_name", "process_labels", "process_sort_index", "thread_name", "thread_sort_index"}
ROUNDING = 0.0015  # microseconds: times are written in nanoseconds


def is_number(x):
    return isinstance(x, (int, float)) and not isinstance(x, bool) and math.isfinite(x)


class Checker:
    def __init__(self):
        self.problems = Counter()

    def require(self, holds, what, event=None):
        if not holds:
            self.problems[what + (f": {event}" if self.problems[what] == 0 and event is not None else "")] += 1
        return holds

    def event(self, e):
        """What concerns one event alone."""
        if not self.require(isinstance(e, dict), "an event that is no object", e):
            return False
        whole = self.require(e.get("ph") in PHASES, "an unknown phase", e)
        whole &= self.require(all(isinstance(e.get(k), int) for k in ("pid", "tid")), "an event without its process and thread", e)
        whole &= self.require(isinstance(e.get("name"), str) or e.get("ph") == "E", "an event without a name", e)
        self.require("args" not in e or isinstance(e["args"], dict), "arguments that are no object", e)
        if e.get("ph") == "M":
            self.require(e.get("name") in METADATA, "unknown metadata", e)
            self.require(e.get("name") != "thread_name" or isinstance(e.get("args", {}).get("name"), str), "a thread's name that is no text", e)
            return whole
        whole &= self.require(is_number(e.get("ts")) and e.get("ts", -1) >= 0, "an event without its time", e)
        self.require(isinstance(e.get("cat"), str) and e.get("cat"), "an event without a category", e)
        if e.get("ph") == "X":
            whole &= self.require(is_number(e.get("dur")) and e.get("dur", -1) >= 0, "a slice without a length", e)
        if e.get("ph") == "i":
            self.require(e.get("s", "t") in ("g", "p", "t"), "an instant of unknown scope", e)
        if e.get("ph") in ("b", "n", "e", "s", "t", "f"):
            whole &= self.require(isinstance(e.get("id"), (int, str)), "an event that belongs to others, without an id", e)
        return whole

    def thread(self, events):
        """What concerns the events of one thread, in the order of the file."""
        open_slices, last = [], -math.inf
        for e in events:
            at = e["ts"] + e.get("dur", 0)
            if e["ph"] in "BEXi":  # written when they are over
                self.require(at >= last - ROUNDING, "a thread whose time goes back", e)
                last = max(last, at)
            if e["ph"] == "B":
                open_slices.append(e)
            elif e["ph"] == "E" and self.require(open_slices, "an end without its beginning", e):
                begin = open_slices.pop()
                self.require(e.get("name", begin["name"]) == begin["name"], "an end of something else than what began last", e)
        self.require(not open_slices, "a beginning without its end", open_slices[:1])
        # Slices lie behind each other or within each other.
        ends = []
        for e in sorted((e for e in events if e["ph"] == "X"), key=lambda e: (e["ts"], -e["dur"])):
            while ends and ends[-1] <= e["ts"] + ROUNDING:
                ends.pop()
            self.require(not ends or e["ts"] + e["dur"] <= ends[-1] + ROUNDING, "slices that overlap", e)
            ends.append(e["ts"] + e["dur"])

    def pairs(self, events):
        """b and e: by category and id, from whichever threads."""
        opened = {}
        for e in sorted((e for e in events if e["ph"] in "be"), key=lambda e: (e["ts"], e["ph"])):
            key = (e["cat"], e["id"])
            if e["ph"] == "b":
                self.require(key not in opened, "a span that begins twice", e)
                opened[key] = e
            elif self.require(key in opened, "a span that ends before it begins", e):
                self.require(opened.pop(key)["name"] == e["name"], "a span with two names", e)
        self.require(not opened, "a span without an end", list(opened.values())[:1])


def check(path):
    """(what is wrong, a line each; the events)"""
    checker = Checker()
    with open(path, encoding="utf-8") as file:
        trace = json.load(file, parse_constant=lambda word: checker.require(False, f"{word} is no number of JSON"))
    if not checker.require(isinstance(trace, dict) and isinstance(trace.get("traceEvents"), list) and trace["traceEvents"], "a trace without events"):
        return list(checker.problems), []
    checker.require(trace.get("displayTimeUnit", "ms") in ("ms", "ns"), "an unknown unit of time")
    events = [e for e in trace["traceEvents"] if checker.event(e)]
    threads = defaultdict(list)
    for e in events:
        if e["ph"] != "M":
            threads[e["pid"], e["tid"]].append(e)
    for of_thread in threads.values():
        checker.thread(of_thread)
    checker.pairs(events)
    names = Counter((e["pid"], e["tid"]) for e in events if e["ph"] == "M" and e["name"] == "thread_name")
    checker.require(all(names[t] == 1 for t in threads), "a thread without a name of its own")
    return [f"{what} ({n} times)" if n > 1 else what for what, n in checker.problems.items()], events
