#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The workloads of README.md on Python's asyncio, or on uvloop: one subject of `versus`."""

import argparse
import asyncio
import json
import os
import threading
import time

CHUNK = 10_000  # tasks that `spawn_10k` has at once
IDLE_S = 0.0005  # before each post of `wake_up`


def expect(got, wanted):
    if got != wanted:
        raise SystemExit(f"wrong result: {got}, not {wanted}")


async def value(i):
    return i


async def spawn(ops):
    tasks = [asyncio.create_task(value(i)) for i in range(ops)]
    total = 0
    for task in tasks:
        total += await task
    expect(total, ops * (ops - 1) // 2)
    return ops


async def spawn_10k(ops):
    chunks = max(1, ops // CHUNK)
    for _ in range(chunks):
        await spawn(CHUNK)
    return chunks * CHUNK


async def sum_of(tasks):
    total = 0
    for task in tasks:
        total += await task
    return total


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
    pairs, trips = 1000, max(1, ops // 1000)

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


async def sleeps(ops):
    async def sleeper(i):
        await asyncio.sleep((i * 7919 % 1_000_003) / 1e6)
        return i

    tasks = [asyncio.create_task(sleeper(i)) for i in range(ops)]
    expect(await sum_of(tasks), ops * (ops - 1) // 2)
    return ops


async def asleep(ops):
    sleeping = 0
    tasks = set()

    async def sleep_for_an_hour():
        nonlocal sleeping
        sleeping += 1
        await asyncio.sleep(3600)

    for _ in range(ops):
        tasks.add(asyncio.create_task(sleep_for_an_hour()))  # the loop keeps weak references only
    while sleeping != ops:
        await asyncio.sleep(0)
    asleep.tasks = tasks
    return ops


async def mutex(held_over_a_yield, ops):
    lockers, lock, count = 16, asyncio.Lock(), 0
    rounds = max(1, ops // lockers)

    async def locker():
        nonlocal count
        for _ in range(rounds):
            async with lock:
                count += 1
                if held_over_a_yield:
                    await asyncio.sleep(0)
        return 0

    await sum_of([asyncio.create_task(locker()) for _ in range(lockers)])
    expect(count, lockers * rounds)
    return lockers * rounds


async def semaphore(ops):
    acquirers, permits = 20, asyncio.Semaphore(5)
    rounds = max(1, ops // acquirers)

    async def acquirer():
        done = 0
        for _ in range(rounds):
            async with permits:
                await asyncio.sleep(0)
                done += 1
        return done

    expect(await sum_of([asyncio.create_task(acquirer()) for _ in range(acquirers)]), acquirers * rounds)
    return acquirers * rounds


async def yielding_value(i):
    await asyncio.sleep(0)
    return i


async def timeouts(operation, ops):
    timed = 100
    rounds = max(1, ops // timed)

    async def in_time():
        total = 0
        for i in range(rounds):
            async with asyncio.timeout(10):
                total += await operation(i)
        return total

    expect(await sum_of([asyncio.create_task(in_time()) for _ in range(timed)]),
           timed * (rounds * (rounds - 1) // 2))
    return timed * rounds


async def offload(in_flight, ops):
    rounds = max(1, ops // in_flight)
    loop = asyncio.get_running_loop()

    async def caller():
        total = 0
        for i in range(rounds):
            total += await loop.run_in_executor(None, int, i)
        return total

    expect(await sum_of([asyncio.create_task(caller()) for _ in range(in_flight)]),
           in_flight * (rounds * (rounds - 1) // 2))
    return in_flight * rounds


async def wake_up(ops):
    """A thread outside posts a function now and then; how long until it runs, in nanoseconds."""
    loop, end, late = asyncio.get_running_loop(), asyncio.Event(), []

    def outside():
        for _ in range(ops):
            time.sleep(IDLE_S)
            posted = time.perf_counter_ns()
            loop.call_soon_threadsafe(lambda posted=posted: late.append(time.perf_counter_ns() - posted))
        time.sleep(100 * IDLE_S)
        loop.call_soon_threadsafe(end.set)

    thread = threading.Thread(target=outside)
    thread.start()
    await end.wait()
    thread.join()
    late.sort()
    return {"ns_per_op": late[int(0.5 * (ops - 1))], "wall_ns_per_op": IDLE_S * 1e9,
            "p99_ns": late[int(0.99 * (ops - 1))], "ops": ops, "peak_rss_kb": status_kb("VmHWM:")}


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


def safe(columns, column):
    row = len(columns)
    for above, other in enumerate(columns):
        if column == other or column == other - (row - above) or column == other + (row - above):
            return False
    return True


async def queens_of(n, columns):
    if len(columns) == n:
        return 1
    children = [queens_of(n, (*columns, c)) for c in range(n) if safe(columns, c)]
    if not children:
        return 0
    return sum(await asyncio.gather(*children))


WORKLOADS = {
    "spawn": spawn,
    "spawn_10k": spawn_10k,
    "gather2": gather2,
    "gather10": lambda ops: gather_many(10, ops),
    "gather1000": lambda ops: gather_many(1000, ops),
    "yield": yields,
    "ping_pong": ping_pong,
    "chained_spawn": chained_spawn,
    "queue_1_3": lambda ops: queues(1, 3, 10, ops),
    "queue_4_4": lambda ops: queues(4, 4, 1024, ops),
    "mutex": lambda ops: mutex(False, ops),
    "mutex_yield": lambda ops: mutex(True, ops),
    "semaphore": semaphore,
    "timeout_ready": lambda ops: timeouts(value, ops),
    "timeout_yield": lambda ops: timeouts(yielding_value, ops),
    "sleeps": sleeps,
    "asleep": asleep,
    "to_thread": lambda ops: offload(1, ops),
    "to_thread_64": lambda ops: offload(64, ops),
    "wake_up": wake_up,
    "fib": lambda ops: trees(FIB, fib_of, ops),
    "skynet": lambda ops: trees(SKYNET, lambda size: skynet_of(0, size), ops),
    "nqueens": lambda ops: trees(NQUEENS, lambda n: queens_of(n, ()), ops),
}


def status_kb(field):
    # Not getrusage(): its maximum is inherited from the parent through exec.
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field))


async def measure(name, ops):
    workload = WORKLOADS[name]
    if name == "wake_up":
        return await workload(ops)
    if name != "asleep":  # what a warm-up leaves behind would be used again
        await workload(max(1, ops // 10))
    before = status_kb("VmRSS:")
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    done = await workload(ops)
    wall, cpu = time.perf_counter_ns() - wall, time.process_time_ns() - cpu
    return {
        "ns_per_op": (cpu if name == "sleeps" else wall) / done,
        "wall_ns_per_op": wall / done,
        "cpu_ns_per_op": cpu / done,
        "ops": done,
        "bytes_per_op": (status_kb("VmRSS:") - before) * 1024 / done,
        "peak_rss_kb": status_kb("VmHWM:"),
    }


async def measure_and_leave(name, ops):
    print(json.dumps(await measure(name, ops)), flush=True)
    os._exit(0)  # without cancelling the sleepers of `asleep`


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", required=True, choices=WORKLOADS)
    parser.add_argument("--ops", type=int, required=True)
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio")
    arguments = parser.parse_args()
    if arguments.loop == "uvloop":
        import uvloop

        uvloop.install()
    asyncio.run(measure_and_leave(arguments.workload, arguments.ops))


if __name__ == "__main__":
    main()
