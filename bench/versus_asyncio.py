#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The workloads of README.md on Python's asyncio, or on uvloop: one subject of `versus`."""

import argparse
import asyncio
import json
import time

CHUNK = 10_000  # tasks that `spawn` and `timers` have at once


def expect(got, wanted):
    if got != wanted:
        raise SystemExit(f"wrong result: {got}, not {wanted}")


async def value(i):
    return i


async def spawn(ops):
    chunks = max(1, ops // CHUNK)
    for _ in range(chunks):
        tasks = [asyncio.create_task(value(i)) for i in range(CHUNK)]
        total = 0
        for task in tasks:
            total += await task
        expect(total, CHUNK * (CHUNK - 1) // 2)
    return chunks * CHUNK


async def gather2(ops):
    total = 0
    for _ in range(ops):
        a, b = await asyncio.gather(value(1), value(2))
        total += a + b
    expect(total, 3 * ops)
    return ops


async def gather_many(width, ops):
    total = 0
    for _ in range(ops):
        total += sum(await asyncio.gather(*[value(i) for i in range(width)]))
    expect(total, ops * (width * (width - 1) // 2))
    return ops


async def yields(ops):
    tasks_count, rounds = 1000, max(1, ops // 1000)

    async def yielder():
        done = 0
        for _ in range(rounds):
            await asyncio.sleep(0)
            done += 1
        return done

    tasks = [asyncio.create_task(yielder()) for _ in range(tasks_count)]
    total = 0
    for task in tasks:
        total += await task
    expect(total, tasks_count * rounds)
    return tasks_count * rounds


async def ping_pong(ops):
    pairs, trips = 16, max(1, ops // 16)

    async def ping(there, back):
        total = 0
        for i in range(trips):
            await there.put(i)
            total += await back.get()
        return total

    async def pong(there, back):
        for _ in range(trips):
            await back.put(await there.get() + 1)
        return 0

    tasks = []
    for _ in range(pairs):
        there, back = asyncio.Queue(1), asyncio.Queue(1)
        tasks.append(asyncio.create_task(ping(there, back)))
        tasks.append(asyncio.create_task(pong(there, back)))
    total = 0
    for task in tasks:
        total += await task
    expect(total, pairs * (trips * (trips + 1) // 2))
    return pairs * trips


async def chained_spawn(ops):
    depth, chains = 1000, max(1, ops // 1000)

    async def link(left):
        if left == 1:
            return 1
        return 1 + await asyncio.create_task(link(left - 1))

    total = 0
    for _ in range(chains):
        total += await asyncio.create_task(link(depth))
    expect(total, depth * chains)
    return depth * chains


async def queues(producers, consumers, capacity, ops):
    share = max(1, ops // producers)
    queue = asyncio.Queue(capacity)

    async def produce(stops):
        for i in range(share):
            await queue.put(i)
        for _ in range(stops):
            await queue.put(-1)
        return 0

    async def consume():
        total = 0
        while True:
            item = await queue.get()
            if item < 0:
                return total
            total += item

    tasks = [asyncio.create_task(consume()) for _ in range(consumers)]
    tasks += [asyncio.create_task(produce(consumers // producers)) for _ in range(producers)]
    total = 0
    for task in tasks:
        total += await task
    expect(total, producers * (share * (share - 1) // 2))
    return producers * share


async def timers(ops):
    chunks = max(1, ops // CHUNK)

    async def sleeper(i):
        await asyncio.sleep((i * 7919 % 10_007) / 1e6)
        return i

    for _ in range(chunks):
        tasks = [asyncio.create_task(sleeper(i)) for i in range(CHUNK)]
        total = 0
        for task in tasks:
            total += await task
        expect(total, CHUNK * (CHUNK - 1) // 2)
    return chunks * CHUNK


async def fib_of(n):
    if n < 2:
        return n
    a, b = await asyncio.gather(fib_of(n - 1), fib_of(n - 2))
    return a + b


# argument, its answer, tasks in its tree
FIB = [(25, 75025, 242785), (20, 6765, 21891), (15, 610, 1973)]
SKYNET = [(100_000, 4_999_950_000, 111_111), (10_000, 49_995_000, 11_111), (1_000, 499_500, 1_111)]
NQUEENS = [(10, 724, 35_539), (8, 92, 2_057), (6, 4, 153)]


async def trees(sizes, tree, ops):
    argument, answer, tasks = next((s for s in sizes if s[2] <= ops), sizes[-1])
    repeats = max(1, ops // tasks)
    for _ in range(repeats):
        expect(await tree(argument), answer)
    return repeats * tasks


async def skynet_of(first, size):
    if size == 1:
        return first
    part = size // 10
    return sum(await asyncio.gather(*[skynet_of(first + i * part, part) for i in range(10)]))


async def queens_of(n, columns, left, right):
    board = (1 << n) - 1
    if columns == board:
        return 1
    free = board & ~(columns | left | right)
    children = []
    while free:
        bit = free & -free
        free ^= bit
        children.append(queens_of(n, columns | bit, ((left | bit) << 1) & board, (right | bit) >> 1))
    if not children:
        return 0
    return sum(await asyncio.gather(*children))


WORKLOADS = {
    "spawn": spawn,
    "gather2": gather2,
    "gather10": lambda ops: gather_many(10, ops),
    "gather1000": lambda ops: gather_many(1000, ops),
    "yield": yields,
    "ping_pong": ping_pong,
    "chained_spawn": chained_spawn,
    "queue_1_3": lambda ops: queues(1, 3, 10, ops),
    "queue_4_4": lambda ops: queues(4, 4, 1024, ops),
    "timers": timers,
    "fib": lambda ops: trees(FIB, fib_of, ops),
    "skynet": lambda ops: trees(SKYNET, lambda size: skynet_of(0, size), ops),
    "nqueens": lambda ops: trees(NQUEENS, lambda n: queens_of(n, 0, 0, 0), ops),
}


def peak_rss_kb():
    # Not getrusage(): its maximum is inherited from the parent through exec.
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


async def measure(name, ops):
    workload = WORKLOADS[name]
    await workload(max(1, ops // 10))
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    done = await workload(ops)
    wall, cpu = time.perf_counter_ns() - wall, time.process_time_ns() - cpu
    return {
        "ns_per_op": (cpu if name == "timers" else wall) / done,
        "wall_ns_per_op": wall / done,
        "ops": done,
        "peak_rss_kb": peak_rss_kb(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", required=True, choices=WORKLOADS)
    parser.add_argument("--ops", type=int, required=True)
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio")
    arguments = parser.parse_args()
    if arguments.loop == "uvloop":
        import uvloop

        uvloop.install()
    print(json.dumps(asyncio.run(measure(arguments.workload, arguments.ops))))


if __name__ == "__main__":
    main()
