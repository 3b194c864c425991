#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the tool: measure.py PROGRAM [DIRECTORY [RUNS]]   (default: /usr, 7 runs)

First against fdupes, jdupes and rdfind, as far as they are installed, on DIRECTORY; then --workers 2
against --loop on a tree made for it: 250 pairs of files of 8 MiB that differ in their last bytes, so all of
them have to be hashed to the end, and none is compared.
The commands take turns; a round before the first warms the page cache. Prints medians of the wall time.
"""
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


def measure(commands, runs, directory):
    times = {name: [] for name in commands}
    for turn in range(runs + 1):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           check=True)
            if turn > 0:
                times[name].append(time.perf_counter() - start)
    width = max(map(len, commands))
    for name, taken in times.items():
        print(f"  {name:{width}}  {statistics.median(taken):6.3f} s   ({min(taken):.3f} to {max(taken):.3f})")
    return {name: statistics.median(taken) for name, taken in times.items()}


def make_tree(top):
    for i in range(250):
        content = os.urandom(8 * 1024 * 1024 + 4096 * i)
        last = bytes([content[-1] ^ 1])
        for name, end in (("a", content[-1:]), ("b", last)):
            with open(f"{top}/{i:03}{name}", "wb") as file:
                file.write(content[:-1] + end)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    program = os.path.abspath(sys.argv[1])
    directory = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else "/usr"
    runs = int(sys.argv[3]) if len(sys.argv) > 3 else 7
    with tempfile.TemporaryDirectory() as scratch:
        commands = {
            "duplicates": [program, directory],
            "duplicates --loop": [program, "--loop", directory],
            "fdupes -rq": ["fdupes", "-rq", directory],
            "jdupes -rq": ["jdupes", "-rq", directory],
            "rdfind -dryrun true": ["rdfind", "-dryrun", "true", directory],
        }
        print(f"{directory}, median of {runs} runs:")
        installed = {name: command for name, command in commands.items() if shutil.which(command[0])}
        measure(installed, runs, scratch)
        tree = os.path.join(scratch, "tree")
        os.mkdir(tree)
        make_tree(tree)
        os.sync()
        print(f"250 pairs of 8 MiB, median of {runs} runs:")
        medians = measure({
            "duplicates --workers 2": [program, "--workers", "2", tree],
            "duplicates --loop": [program, "--loop", tree],
        }, runs, scratch)
        print(f"  ratio {medians['duplicates --loop'] / medians['duplicates --workers 2']:.2f}")


if __name__ == "__main__":
    main()
