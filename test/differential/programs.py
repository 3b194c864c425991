# SPDX-License-Identifier: Apache-2.0
"""Random programs as data: their text form, and the generator.

A program is one line: `NUMBER MODE QUEUES SEMAPHORES LOCKS EVENTS { op* }`, where QUEUES and SEMAPHORES are counts followed by
capacities, and an op is `name id ( integer* ) { op* }*`. README.md says what each op does. The capacity of a queue is that modulo 100; the
hundreds say which kind it is. There are as many conditions and barriers as locks.
"""

import random
import sys
from dataclasses import dataclass, field


@dataclass
class Op:
    name: str
    id: int
    args: list = field(default_factory=list)
    bodies: list = field(default_factory=list)


@dataclass
class Program:
    number: int
    mode: str  # "dense": races inside one instant; "spread": every actor has instants of its own
    queues: list
    semaphores: list
    locks: int
    events: int
    body: list


def body_text(body):
    return "{ " + "".join(op_text(op) + " " for op in body) + "}"


def op_text(op):
    args = "".join(f"{a} " for a in op.args)
    return f"{op.name} {op.id} ( {args})" + "".join(" " + body_text(b) for b in op.bodies)


def text(p):
    queues = " ".join(map(str, [len(p.queues), *p.queues]))
    semaphores = " ".join(map(str, [len(p.semaphores), *p.semaphores]))
    return f"{p.number} {p.mode} {queues} {semaphores} {p.locks} {p.events} {body_text(p.body)}"


def parse(line):
    tokens = iter(line.split())
    number, mode = int(next(tokens)), next(tokens)
    queues = [int(next(tokens)) for _ in range(int(next(tokens)))]
    semaphores = [int(next(tokens)) for _ in range(int(next(tokens)))]
    locks, events = int(next(tokens)), int(next(tokens))
    assert next(tokens) == "{"

    def parse_body():
        ops = []
        while (token := next(tokens, "")) != "}":
            if token == "{":
                ops[-1].bodies.append(parse_body())
                continue
            op = Op(token, int(next(tokens)))
            assert next(tokens) == "("
            while (argument := next(tokens)) != ")":
                op.args.append(int(argument))
            ops.append(op)
        return ops

    return Program(number, mode, queues, semaphores, locks, events, parse_body())


def walk(body):
    """Every op, outer ones first."""
    for op in body:
        yield op
        for inner in op.bodies:
            yield from walk(inner)


FIRST_WITH_EAGER_START = (3, 12)


class Scope:
    """What an op may refer to at its place."""

    def __init__(self, actor, awaitable, groups=(), timeouts=(), depth=0, cleanup=False):
        self.actor, self.awaitable, self.groups, self.timeouts = actor, awaitable, list(groups), list(timeouts)
        self.depth, self.cleanup = depth, cleanup

    def inner(self, groups=(), timeouts=(), cleanup=False):
        return Scope(self.actor, self.awaitable, self.groups + list(groups), self.timeouts + list(timeouts),
                     self.depth + 1, self.cleanup or cleanup)

    def task(self, actor, groups=()):
        return Scope(actor, self.awaitable, groups, (), self.depth + 1)


class Generator:
    WEIGHTS = {
        "sleep": 12, "yield": 6, "spawn": 12, "await": 6, "gather": 6, "wait": 5, "waitfor": 4, "waitforh": 4, "timeout": 7,
        "resched": 4, "shield": 5, "group": 9, "gspawn": 14, "put": 10, "get": 5, "putn": 3, "getn": 2, "done": 3, "join": 2,
        "espawn": 5, "ascomp": 5, "close": 1, "barrier": 6, "breset": 1, "babort": 1, "cwait": 6, "notify": 6,
        "lock": 6, "sem": 5, "set": 6, "clear": 1, "waitev": 3, "waitf": 3, "setf": 3, "cancelf": 2, "raise": 4,
        "ret": 2, "cancel": 8, "uncancel": 3, "count": 2, "probe": 2, "try": 9,
    }
    COMPOUND = {"spawn", "espawn", "gather", "waitfor", "timeout", "group", "gspawn", "lock", "sem", "try"}
    BLOCKING = {"await", "gather", "wait", "ascomp", "shield", "get", "put", "join", "lock", "sem", "barrier", "cwait", "waitev", "waitf", "group"}
    REFUSING = {"done": 16, "putn": 16, "getn": 16, "setf": 16, "gspawn": 16, "await": 31, "shield": 31, "waitforh": 31, "gather": 31, "group": 8,
                "barrier": 16, "ascomp": 2}
    MOST_ACTORS = 24  # the interpreters give each 256 of 8192 instants

    def __init__(self, seed, number):
        self.random = random.Random(f"{seed}:{number}")
        self.number = number
        self.actors = 1
        self.ids = 0

    def program(self, mode=None):
        r = self.random
        chosen = "spread" if r.random() < 0.35 else "dense"
        self.mode = mode or chosen
        self.budget = r.choice([6, 12, 20, 30, 45])
        self.queues = [100 * r.choice([0, 0, 0, 1, 2]) + r.choice([0, 1, 1, 2, 3]) for _ in range(r.randint(1, 2))]
        self.semaphores = [r.choice([0, 1, 1, 2]) for _ in range(r.randint(1, 2))]
        self.locks, self.events = r.randint(1, 2), r.randint(1, 2)
        # A theme makes some operations frequent, so that they meet each other.
        self.weights = dict(self.WEIGHTS)
        for name in r.sample(sorted(self.weights), r.randint(0, 8)):
            self.weights[name] *= 4
        for name in r.sample(sorted(self.weights), r.randint(0, 12)):
            self.weights[name] = 0
        self.weights["sleep"] = max(self.weights["sleep"], 4)
        if sys.version_info < FIRST_WITH_EAGER_START:
            self.weights["espawn"] = 0
        scope = Scope(0, [])
        crowd = self.crowd(scope, r.choice(["barrier", "cwait"])) if r.random() < 0.25 else []
        body = [op for op in (self.named("spawn", scope) for _ in range(r.randint(0, 3))) if op]
        body = r.sample([*body, *crowd], len(body) + len(crowd))
        body += self.body(scope, r.randint(3, 9))
        return Program(self.number, self.mode, self.queues, self.semaphores, self.locks, self.events, body)

    def crowd(self, scope, name):
        """Tasks that meet at one barrier or in one condition; left to chance, most would be alone there."""
        r = self.random
        for other in ("notify",) if name == "cwait" else ("breset", "babort"):
            self.weights[other] = 3 * self.WEIGHTS[other]
        which, ops = r.randrange(self.locks), []
        for _ in range(r.randint(2, 5)):
            if (actor := self.new_actor()) is None:
                break
            inner = scope.task(actor)
            body = [self.named("sleep", inner)] if r.random() < 0.5 else []
            for _ in range(r.choice([1, 1, 2])):
                body.append(self.named(name, inner))
                body[-1].args[0] = which
            if r.random() < 0.3:
                body = [self.around(op, "try", [31 & ~r.choice([0, 4]), 1]) for op in body]
                for op in body:
                    op.bodies += [[], []]
            self.ids += 1
            ops.append(Op("spawn", self.ids, [inner.actor], [body + self.body(inner, r.randint(0, 2))]))
            scope.awaitable.append(inner.actor)
        if name == "cwait" and r.random() < 0.7 and (actor := self.new_actor()) is not None:
            inner = scope.task(actor)
            body = [self.named(one, inner) for one in r.choice([("sleep", "notify"), ("sleep", "notify", "sleep", "notify")])]
            for op in body[1::2]:
                op.args[0] = which
            self.ids += 1
            ops.append(Op("spawn", self.ids, [inner.actor], [body]))
        return ops

    def delay(self):
        r = self.random
        if self.mode == "spread":
            return r.choice([0, r.randint(1, 60000), r.randint(1, 15000)])
        return r.choice([0, 1, 1, 2, 3, 5, 10])

    def length(self):
        return self.random.choice([0, 1, 1, 2, 2, 3, 4])

    def body(self, scope, length=None):
        ops = []
        for _ in range(self.length() if length is None else length):
            if self.budget <= 0:
                break
            if (op := self.op(scope)) is not None:
                ops.append(op)
                if op.name in ("ret", "raise"):
                    break
        return ops

    def op(self, scope):
        r = self.random
        names = [n for n in self.weights if scope.depth < 6 or n not in self.COMPOUND]
        weights = [self.weights[n] for n in names]
        self.budget -= 1
        for _ in range(4):  # some have nothing to refer to here
            name = r.choices(names, weights)[0]
            if (op := self.named(name, scope)) is not None:
                break
        else:
            return None
        # Without a limit most programs would only wait for each other, and without a handler most would only fail.
        if name in self.BLOCKING and r.random() < 0.3:
            op = self.around(op, r.choice(["timeout", "waitfor"]), [self.delay() or 1])
            name = "waitfor"
        if name in self.REFUSING and r.random() < 0.6 or name == "waitfor" and r.random() < 0.5:
            op = self.around(op, "try", [self.REFUSING.get(name, 31) & ~r.choice([0, 4]), 1])
            op.bodies += [[], []]
        return op

    def around(self, op, name, args):
        self.ids += 1
        return Op(name, self.ids, args, [[op]])

    def named(self, name, scope):
        make = getattr(self, "make_" + name, None)
        self.ids += 1
        op = Op(name, self.ids)
        return op if make is None or make(op, scope) is not False else None

    def new_actor(self):
        if self.actors >= self.MOST_ACTORS:
            return None
        self.actors += 1
        return self.actors - 1

    def make_sleep(self, op, scope):
        op.args = [self.delay()]

    def make_spawn(self, op, scope, groups=()):
        if (k := self.new_actor()) is None:
            return False
        op.args.append(k)
        op.bodies = [self.body(scope.task(k, groups))]
        scope.awaitable.append(k)
        return True

    make_espawn = make_spawn

    def make_gspawn(self, op, scope):
        if not scope.groups:
            return False
        group = self.random.choice(scope.groups)
        op.args = [group]
        # Only a group that outlives the child may be used by it: that group and those around it.
        return self.make_spawn(op, scope, scope.groups[:scope.groups.index(group) + 1])

    def slots(self, scope, most):
        return [self.random.choice(scope.awaitable) for _ in range(self.random.randint(1, most))]

    def make_await(self, op, scope):
        if not scope.awaitable:
            return False
        op.args = self.slots(scope, 1)

    make_shield = make_await

    def make_gather(self, op, scope):
        op.args = [self.random.randint(0, 1)]
        for _ in range(self.random.choice([0, 1, 2, 2, 3, 3])):
            if scope.awaitable and self.random.random() < 0.35:
                op.args.append(self.random.choice(scope.awaitable))
            elif (k := self.new_actor()) is not None:
                op.args.append(-1 - k)
                op.bodies.append(self.body(scope.task(k)))

    def make_wait(self, op, scope):
        if not scope.awaitable:
            return False
        op.args = [self.random.randint(0, 2), self.random.choice([-1, self.delay()]), *self.slots(scope, 4)]

    def make_ascomp(self, op, scope):
        if not scope.awaitable:
            return False
        some = self.slots(scope, 4)
        # In which order those come that ended before is asyncio's secret: all of them, or in dense programs the model's first ones.
        most = 4 if self.mode == "spread" else self.random.randint(1, 4)
        op.args = [self.random.choice([-1, self.delay()]), most, *some]

    def make_waitfor(self, op, scope):
        delay = self.delay()
        if self.mode == "dense" and delay == 0:  # WF7: both refuse to start the body, asyncio after one turn
            delay = 1
        op.args = [delay]
        op.bodies = [self.body(scope.inner())]

    def make_waitforh(self, op, scope):
        if not scope.awaitable:
            return False
        op.args = [self.delay(), *self.slots(scope, 1)]

    def make_timeout(self, op, scope):
        op.args = [self.random.choice([-1, self.delay(), self.delay(), self.delay()])]
        op.bodies = [self.body(scope.inner(timeouts=[op.id]))]

    def make_resched(self, op, scope):
        if not scope.timeouts:
            return False
        op.args = [self.random.choice(scope.timeouts), self.random.choice([-1, self.delay(), self.delay()])]

    def make_group(self, op, scope):
        op.bodies = [self.body(scope.inner(groups=[op.id]), self.random.randint(1, 5))]

    def make_put(self, op, scope):
        op.args = [self.random.randrange(len(self.queues)), op.id]

    make_putn = make_put

    def make_get(self, op, scope):
        op.args = [self.random.randrange(len(self.queues))]

    make_getn = make_done = make_join = make_get

    def make_close(self, op, scope):
        op.args = [self.random.randrange(len(self.queues)), self.random.randint(0, 1)]

    def make_lock(self, op, scope):
        op.args = [self.random.randrange(self.locks)]
        op.bodies = [self.body(scope.inner())]

    # The lock of a condition is held for a while, but never by one that waits for others: a wait for the lock cannot be cancelled (CV2).
    def make_cwait(self, op, scope):
        op.args = [self.random.randrange(self.locks), self.delay()]

    def make_notify(self, op, scope):
        op.args = [self.random.randrange(self.locks), self.random.choice([-1, 0, 1, 1, 2]), self.delay()]

    def make_barrier(self, op, scope):
        op.args = [self.random.randrange(self.locks)]

    make_breset = make_babort = make_barrier

    def make_sem(self, op, scope):
        op.args = [self.random.randrange(len(self.semaphores))]
        op.bodies = [self.body(scope.inner())]

    def make_set(self, op, scope):
        op.args = [self.random.randrange(self.events)]

    make_clear = make_waitev = make_waitf = make_set

    def make_setf(self, op, scope):
        op.args = [self.random.randrange(self.events), op.id]

    def make_cancelf(self, op, scope):
        op.args = [self.random.randrange(self.events), self.random.choice([0, op.id])]

    def make_raise(self, op, scope):
        op.args = [-1 if self.random.random() < 0.15 else op.id]

    def make_ret(self, op, scope):
        if scope.cleanup:
            return False
        op.args = [op.id]

    def make_cancel(self, op, scope):
        op.args = [self.random.randrange(self.actors), self.random.choice([0, op.id])]

    def make_probe(self, op, scope):
        op.args = [self.random.randrange(self.actors)]

    def make_try(self, op, scope):
        r = self.random
        op.args = [r.choice([31, 27, 4, 5, r.randrange(32)]), r.randint(0, 1)]
        op.bodies = [self.body(scope.inner(), r.randint(1, 4)), self.body(scope.inner(), r.choice([0, 0, 1, 2])),
                     self.body(scope.inner(cleanup=True), r.choice([0, 0, 1, 2]))]
