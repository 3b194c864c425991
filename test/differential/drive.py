# SPDX-License-Identifier: Apache-2.0
"""Runs random programs on asyncio and on aya, compares the logs, and shrinks and keeps what differs. `run --help`, README.md."""

import argparse
import collections
import copy
import pathlib
import re
import secrets
import subprocess
import sys

import programs

HERE = pathlib.Path(__file__).resolve().parent
BATCH = 500
SECONDS = 120  # for one batch
broken = []  # runs of an interpreter that did not end well


def run(command, texts):
    """The log of each program, by its line; None where the process did not get to its end."""
    try:
        done = subprocess.run(command, input="\n".join(texts) + "\n", capture_output=True, text=True, errors="replace", timeout=SECONDS)
        out = done.stdout
        if done.returncode != 0:  # a crash, or what a sanitizer has found, which may come in the end
            broken.append(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr[:6000]}")
    except subprocess.TimeoutExpired as e:
        out = (e.stdout or b"").decode()
    logs = [block.split("\n")[1:-1] for block in re.split(r"^end$", out, flags=re.M)[:-1]]
    logs = [log[1:] if log and log[0].startswith("program") else log for log in logs]
    if len(logs) < len(texts):
        logs.append(None)  # this one crashed or hung; the others have not been tried
        if len(logs) < len(texts):
            logs += run(command, texts[len(logs):])
    return logs


def by_actor(log):
    """What does not depend on the order inside one instant: each actor's own lines. C4: a task that is cancelled in the instant of its
    creation may have started on another worker, or not; it has done nothing.
    """
    actors = collections.defaultdict(list)
    for line in log:
        actors[int(line.split()[1][1:])].append(line)
    for number, lines in list(actors.items()):
        if len(lines) == 2 and lines[1].startswith(lines[0].removesuffix("start") + "end !cancelled"):
            del actors[number]
    return [line for _, lines in sorted(actors.items()) for line in lines]


def difference(expected, actual, ordered):
    """Empty if the logs agree; otherwise both, side by side where they part."""
    if expected is None or actual is None:
        return f"{'asyncio' if expected is None else 'aya'}: crashed, or did not end\n"
    if not ordered and "stuck" not in expected + actual:
        expected, actual = by_actor(expected), by_actor(actual)
    if expected == actual:
        return ""
    at = next((i for i, (e, a) in enumerate(zip(expected, actual)) if e != a), min(len(expected), len(actual)))
    return "".join(f"      {line}\n" for line in expected[max(0, at - 4):at]) + \
        "".join(f"    {who} {line}\n" for who, log in (("asyncio", expected), ("aya    ", actual)) for line in log[at:at + 3])


class Subjects:
    def __init__(self, interpreter, workers):
        self.python = [sys.executable, str(HERE / "interpret.py")]
        self.aya = {w: [interpreter, str(w)] for w in workers}

    def compare(self, some):
        """Yields (program, workers, difference) for what differs. Pools run only what is confluent."""
        texts = [programs.text(p) for p in some]
        expected = run(self.python, texts)
        self.last = expected
        for workers, command in self.aya.items():
            chosen = [i for i, p in enumerate(some) if workers == 0 or p.mode == "spread"]
            if not chosen:
                continue
            for i, actual in zip(chosen, run(command, [texts[i] for i in chosen])):
                if told := difference(expected[i], actual, workers == 0):
                    yield some[i], workers, told

    def differs(self, program, workers):
        return any(w == workers for _, w, _ in self.compare([program]))


def reductions(body):
    """Every program with one op less, or with an op replaced by one of its bodies; big steps first. Changes `body` in place meanwhile."""
    for i, op in enumerate(list(body)):
        body[i:i + 1] = []
        yield
        body[i:i] = [op]
        if op.name not in ("spawn", "espawn", "gspawn", "gather", "group"):
            for inner in op.bodies:
                body[i:i + 1] = inner
                yield
                body[i:i + len(inner)] = [op]
    for op in body:
        for inner in op.bodies:
            yield from reductions(inner)


def valid(program):
    """Ops name only groups and timeouts that are around them."""
    def check(body, groups, timeouts):
        for op in body:
            if op.name == "gspawn" and op.args[0] not in groups or op.name == "resched" and op.args[0] not in timeouts:
                return False
            inner = groups | {op.id} if op.name == "group" else groups
            if op.name in ("spawn", "espawn", "gather"):
                inner = set()
            kept = set() if op.name in ("spawn", "espawn", "gspawn", "gather") else timeouts | {op.id} if op.name == "timeout" else timeouts
            if not all(check(b, inner, kept) for b in op.bodies):
                return False
        return True
    return check(program.body, set(), set())


def shrink(program, subjects, workers):
    best, tries, smaller = program, 200, True
    while smaller:
        program, smaller = copy.deepcopy(best), False
        for _ in reductions(program.body):
            if not valid(program):
                continue
            if tries == 0:
                return best
            tries -= 1
            if subjects.differs(program, workers):
                best, smaller = program, True  # with the change in place
                break
    return best


def count(tally, program, log):
    kinds = {op.id: op.name for op in programs.walk(program.body)}
    for line in log or []:
        parts = line.split(" ", 3)
        if len(parts) < 4:
            tally["stuck"]["all"] += 1
            continue
        name = kinds.get(int(parts[2]), "task")
        note = parts[3].removeprefix(name + " ").split()
        what = note[0] if note[0] in ("caught", "settle", "held", "notified", "start", "none") else ""
        result = note[-1] if "!" in note[-1] and "[" not in note[-1].split("!")[0] else ""
        tally[name]["!" + re.sub(r"[^a-zE?].*", "", result[1:]) if result else what or "ok"] += 1


def arguments():
    parser = argparse.ArgumentParser(prog="run", description=__doc__)
    parser.add_argument("--interpreter", required=True, help="the built program")
    parser.add_argument("--programs", type=int, default=3000, help="with the seed")
    parser.add_argument("--fresh", type=int, default=300, help="with a seed of their own, which is printed")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--workers", default="0,2,8", help="0 is the event loop")
    parser.add_argument("--mode", choices=["dense", "spread"], help="make programs of one kind only; pools run the spread ones")
    parser.add_argument("--coverage", action="store_true", help="print how often each op had each outcome")
    parser.add_argument("--keep", action="store_true", help="write what differs, shrunk, to regressions/")
    return parser.parse_args()


def main():
    options = arguments()
    subjects = Subjects(options.interpreter, [int(w) for w in options.workers.split(",")])
    fresh = secrets.token_hex(4)
    saved = [programs.parse(p.read_text().splitlines()[-1]) for p in sorted((HERE / "regressions").glob("*.txt"))]
    print(f"asyncio of Python {sys.version.split()[0]}; {len(saved)} saved programs, {options.programs} of seed {options.seed}, "
          f"{options.fresh} of seed {fresh}", flush=True)
    sources = [(None, 0, saved)] if saved else []
    for seed, total in ((options.seed, options.programs), (fresh, options.fresh)):
        sources += [(seed, first, min(BATCH, total - first)) for first in range(0, total, BATCH)]
    tally = collections.defaultdict(collections.Counter)
    passed = failed = 0
    modes = collections.Counter()
    for seed, first, some in sources:
        if seed is not None:
            some = [programs.Generator(seed, first + i).program(options.mode) for i in range(some)]
        bad = {}
        for program, workers, told in subjects.compare(some):
            bad.setdefault(program.number if seed is not None else programs.text(program), (program, workers, told))
        modes.update(p.mode for p in some)
        for program, log in zip(some, subjects.last):
            count(tally, program, log)
        passed += len(some) - len(bad)
        failed += len(bad)
        for program, workers, told in list(bad.values())[:3]:
            small = shrink(program, subjects, workers)
            text = programs.text(small)
            told = next((t for _, w, t in subjects.compare([small]) if w == workers), told)
            print(f"seed {seed}, program {program.number}, workers {workers}:\n  {text}\n{told}", flush=True)
            if options.keep and seed is not None:
                (HERE / "regressions" / f"{seed}-{program.number}.txt").write_text(text + "\n")
    if options.coverage:
        for name in sorted(tally):
            print(f"{name:10}"[:27], ", ".join(f"{k} {n}" for k, n in tally[name].most_common()))
    print(", ".join(f"{n} {mode}" for mode, n in modes.items()))
    for one in broken[:3]:
        print(one)
    failed += len(broken)
    print(f"{passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
