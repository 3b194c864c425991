#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small calls through Python's ProcessPoolExecutor, and, in turns with it, through aya's process_pool: calls a second.

usage: process_jobs.py PROGRAM [CALLS [CHILDREN [ROUNDS]]]    (PROGRAM: <build folder>/bench/process_jobs)
"""
import concurrent.futures
import subprocess
import sys
import time


def successor(n):
    return n + 1


def python(calls, children):
    with concurrent.futures.ProcessPoolExecutor(children) as pool:
        for _ in pool.map(successor, range(100)):  # starts the children
            pass
        begin = time.perf_counter()
        results = [pool.submit(successor, i) for i in range(calls)]
        assert all(f.result() == i + 1 for i, f in enumerate(results))
        submitted = calls / (time.perf_counter() - begin)
        begin = time.perf_counter()
        assert list(pool.map(successor, range(calls))) == list(range(1, calls + 1))
        mapped = calls / (time.perf_counter() - begin)
    return {"submit": submitted, "map": mapped}


def aya(program, calls, children):
    out = subprocess.run([program, str(calls), str(children)], check=True, capture_output=True, text=True).stdout
    return {name: float(rate) for name, rate in (line.split() for line in out.splitlines())}


def main():
    program = sys.argv[1]
    calls, children, rounds = [int(a) for a in sys.argv[2:5]] + [100_000, 2, 3][len(sys.argv) - 2:]
    best = {}
    for _ in range(rounds):
        for who, rates in (("python", python(calls, children)), ("aya", aya(program, calls, children))):
            for name, rate in rates.items():
                best[who, name] = max(best.get((who, name), 0), rate)
    for (who, name), rate in best.items():
        print(f"{who:7} {name:11} {rate:12,.0f} calls/s")
    print(f"submit: aya is {best['aya', 'submit'] / best['python', 'submit']:.1f} times as fast as ProcessPoolExecutor")


if __name__ == "__main__":
    main()
