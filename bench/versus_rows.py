# SPDX-License-Identifier: Apache-2.0
"""What `versus` measures: the workloads, their sizes, and the rows of the table of ratios."""

import dataclasses

# Task workloads: what the table compares with Tokio and Go; the first ten of README.md's table.
TASKS = ["spawn", "chained_spawn", "yield", "ping_pong", "gather10", "queue_1_3", "queue_4_4", "mutex", "mutex_yield",
         "semaphore"]
MORE_TASKS = ["spawn_10k", "gather2", "gather1000"]
TIMERS = ["timeout_ready", "timeout_yield", "sleeps"]
TREES = ["fib", "skynet", "nqueens", "matmul"]
GROUPS = [f"{t}_group" for t in TREES]
OFFLOADS = ["to_thread", "to_thread_64", "to_cpu", "to_cpu_64"]
GROWING = ["spawn", "queue_fill", "sleeps"]
GROWTH = [10**4, 10**5, 10**6, 10**7]
WORKERS = [1, 2, 4, 8, 16, 32, 64]
SCALED = ["fib", "skynet", "spawn"]

AYA = ["aya-pool/2", "aya-pool/1", "aya-loop"]
TOKIO_GO = ["tokio/2", "tokio/1", "tokio-ct", "go/2", "go/1"]
ONE_THREAD = ["asyncio", "uvloop", "asio"]

# Tasks of the trees, large to small, as in trees.hpp. `--trees` chooses the column for those that go depth first; those that keep a
# whole level of the tree in memory, and Python, have their own.
TREE_TASKS = {"fib": (204_668_309, 7_049_155, 242_785, 21_891), "skynet": (111_111_111, 1_111_111, 111_111, 11_111),
              "nqueens": (27_358_553, 166_926, 35_539, 2_057), "matmul": (299_593, 37_449, 4_681, 585)}
TREE_SIZES = {"full": 0, "medium": 1, "small": 2, "tiny": 3}
DEPTH_FIRST = ("aya-pool", "tbb")


@dataclasses.dataclass(frozen=True)
class Pair:
    """A workload on a subject; `ops` where the operations are given."""
    workload: str
    title: str
    ops: int = 0

    @property
    def name(self):
        return f"{self.workload}@{self.ops}" if self.ops else self.workload


def pairs_of(workloads, titles):
    return [Pair(w, t) for w in workloads for t in titles]


# Families of measurements, by name.
FAMILIES = {
    "tasks": pairs_of(TASKS + MORE_TASKS, AYA + TOKIO_GO + ONE_THREAD[:2]) + pairs_of(TASKS[:7] + MORE_TASKS, ["asio"]),
    "timers": pairs_of(TIMERS, AYA + TOKIO_GO + ONE_THREAD),
    "memory": pairs_of(["asleep"], ["aya-pool/2", "aya-loop", "tokio/2", "tokio-ct", "go/2", *ONE_THREAD]),
    "offload": pairs_of(OFFLOADS, ["aya-pool/2", "aya-loop"])
    + pairs_of(OFFLOADS[:2], ["tokio/2", "tokio-ct", *ONE_THREAD]),
    "wake_up": pairs_of(["wake_up"], ["aya-pool/2", "aya-loop", "tokio/2", "tokio-ct", "go/2", *ONE_THREAD]),
    "trees": pairs_of(TREES, ["aya-pool/2", "aya-pool/1", "tbb/2", "tbb/1", "openmp/2", "openmp/1"])
    + pairs_of(TREES[:3], ["aya-loop", *ONE_THREAD]) + pairs_of(GROUPS, ["aya-pool/2", "aya-pool/1"]),
    "scale": pairs_of(SCALED, [f"aya-pool/{n}" for n in WORKERS]),
    "growth": [Pair(w, "aya-pool/2", n) for w in GROWING for n in GROWTH],
}


@dataclasses.dataclass(frozen=True)
class Row:
    """A ratio of the table: `aya` through the best of `peers`, both (name of a pair, title)."""
    family: str
    aya: tuple
    peers: tuple
    goal: float
    limit: float = 0  # beyond which it is lost; the goal, if there is only one figure
    measure: str = "ns_per_op"
    absolute: bool = False  # the figure itself has a goal, not a ratio

    @property
    def most(self):
        return self.limit or self.goal


def rows():
    table = []

    def add(family, workload, subject, peers, goal, limit=0.0, of=None, measure="ns_per_op"):
        table.append(Row(family, (workload, subject), tuple((of or workload, p) for p in peers), goal, limit, measure))

    for w in TASKS:
        add("tasks, 2 workers", w, "aya-pool/2", ["tokio/2", "go/2"], 0.7, 1.0)
    for w in TASKS:
        add("tasks, event_loop", w, "aya-loop", ["tokio-ct"], 0.8, 1.0)
    for w in TASKS:
        add("tasks, event_loop", w, "aya-loop", ["asyncio", "uvloop"], 0.03)
    for w in TIMERS:
        add("timers", w, "aya-pool/2", ["tokio/2"], 1.0)
        add("timers", w, "aya-loop", ["tokio-ct"], 1.0)
    for subject in ("aya-pool/2", "aya-loop"):
        table.append(Row("memory, bytes a task", ("asleep", subject), (), 200, 0, "bytes_per_op", True))
    for w in OFFLOADS:
        of = w.replace("cpu", "thread")
        add("offload", w, "aya-pool/2", ["tokio/2", "asio"], 0.7, of=of)
        add("offload", w, "aya-pool/2", ["asyncio", "uvloop"], 1.0, of=of)
    for w in TASKS:
        add("one worker too many", w, "aya-pool/2", ["aya-pool/1"], 1.1)
    for measure in ("ns_per_op", "p99_ns"):
        add("wake-up", "wake_up", "aya-pool/2", ["tokio/2", "go/2"], 1.0, measure=measure)
    for w, goal in zip(TREES, (0.35, 0.35, 0.6, 1.0)):
        for n in (2, 1):
            add("fork-join, gather", w, f"aya-pool/{n}", [f"tbb/{n}"], goal)
            add("fork-join, gather", w, f"aya-pool/{n}", [f"openmp/{n}"], 1.0)
    for w in TREES:
        for n in (2, 1):
            add("fork-join, task group", f"{w}_group", f"aya-pool/{n}", [f"tbb/{n}"], 1.0, of=w)
    for w in SCALED:
        add("scale: 64 workers", w, "aya-pool/64", ["aya-pool/2"], 1.15)
    for w in GROWING:
        table.append(Row("growth", (f"{w}@{GROWTH[-1]}", "aya-pool/2"), ((f"{w}@{GROWTH[0]}", "aya-pool/2"),), 1.5))
    return table
