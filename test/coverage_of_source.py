#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns clang's counts into gcovr's own format: each condition of the source is two branches, whatever number of template instances it has.

    test/coverage_of_source.py ROOT FOLDER PROGRAM...     part of test/coverage; reads FOLDER/counts.profdata, writes FOLDER/coverage.json and uncovered.txt
"""
import collections
import json
import re
import subprocess
import sys
from pathlib import Path

root, folder, programs = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
CODE, SKIPPED = 0, 2  # kinds of regions; the others are gaps between statements and expansions of macros
CONSTANT = {"AYA_SANITIZED", "!AYA_SANITIZED", "sizeof...(Errors) == 0", "fits", "!detail::starts_nothing<T>"}  # conditions that a build or a type decides

regions = collections.defaultdict(collections.Counter)  # of each file, by place (first line and column, last line and column): how often it ran
branches = collections.defaultdict(dict)  # likewise of each condition: how often it held, how often not
skipped = collections.defaultdict(set)  # lines that the preprocessor leaves out


def functions_of(program):
    done = subprocess.run(["llvm-cov-19", "export", program, "-instr-profile", folder / "counts.profdata", "-skip-expansions", root / "lib", root / "include"],
                          check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return json.loads(done.stdout)["data"][0]["functions"]


# One program at a time: of several, llvm-cov takes a function from the first that has it, and be it one that never calls it.
for program in programs:
    for function in functions_of(program):
        files = [str(Path(f).relative_to(root)) if f.startswith((f"{root}/lib/", f"{root}/include/")) else "" for f in function["filenames"]]
        for *place, count, file, _, kind in function["regions"]:
            if kind == CODE:
                regions[files[file]][tuple(place)] += count
            elif kind == SKIPPED:
                skipped[files[file]].update(range(place[0], place[2] + 1))
        for *place, held, failed, file, _, _ in function["branches"]:
            before = branches[files[file]].get(tuple(place), (0, 0))
            branches[files[file]][tuple(place)] = before[0] + held, before[1] + failed

report = []
with open(folder / "uncovered.txt", "w", encoding="utf-8") as uncovered:
    for name in sorted(regions.keys() - {""}):
        text = (root / name).read_text(encoding="utf-8").splitlines()
        counts = {}  # a line ran as often as the innermost region that it begins in, or one that begins in it
        for (first, start, last, end), count in sorted(regions[name].items(), key=lambda r: (r[0][:2], [-n for n in r[0][2:]])):
            for number in range(first, last + 1):
                column = re.search(r"\S|$", text[number - 1]).start() + 1
                if (number, column) < (last, end) and not re.match(r"\s*(//|$)", text[number - 1]):
                    counts[number] = count if (first, start) <= (number, column) else max(counts.get(number, 0), count)
        missed = {number: ["never runs"] for number, count in counts.items() if count == 0}
        lines = {number: {"line_number": number, "count": count, "branches": [], "gcovr/noncode": number in skipped[name], "gcovr/excluded": False}
                 for number, count in counts.items()}
        for (first, start, last, end), (held, failed) in sorted(branches[name].items()):
            condition = text[first - 1][start - 1:end - 1] if first == last else text[first - 1][start - 1:] + " ..."
            if not condition or condition in CONSTANT:
                continue  # nothing of the source: it is inside one of the system's macros
            lines[first]["branches"] += [{"count": n, "fallthrough": False, "throw": False} for n in (held, failed)]
            if counts[first] and not (held and failed):
                missed.setdefault(first, []).append(("never true" if failed else "never false" if held else "never evaluated") + f": {condition}")
        report.append({"file": name, "functions": [], "lines": list(lines.values())})
        uncovered.writelines(f"{name}:{number}: {'; '.join(what)}  |  {text[number - 1].strip()}\n" for number, what in sorted(missed.items()))
(folder / "coverage.json").write_text(json.dumps({"gcovr/format_version": "0.3", "files": report}))
