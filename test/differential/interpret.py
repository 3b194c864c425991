# SPDX-License-Identifier: Apache-2.0
"""Runs programs, one a line of standard input, on CPython's asyncio under virtual time, and prints what happened.

Each line of a log: TIME ACTOR OP RESULT. interpreter.cpp does the same on aya.
"""

import asyncio
import sys
import warnings

import models
import programs
import strict

PERIOD, SHARE = 8192, 256  # instants: 256 of every 8192 ms belong to one actor
HORIZON = 100_000_000  # by then a program waits for something that will not come

# Which message a cancellation bears that went through another task differs between versions of asyncio, so it is not compared.
FORWARDING = {"await", "shield", "gather", "waitforh", "waitf", "cwait"}


class UserError(Exception):
    pass


def describe(e):
    if isinstance(e, asyncio.CancelledError):
        return f"cancelled({e.args[0] if e.args and e.args[0] else ''})"
    if isinstance(e, TimeoutError):
        return "timeout"
    if isinstance(e, BaseExceptionGroup):
        return "group[" + ",".join(describe(x) for x in strict.distinct(e.exceptions)) + "]"
    if isinstance(e, UserError):
        return f"E{e.args[0]}"
    if isinstance(e, asyncio.QueueFull):
        return "full"
    if isinstance(e, asyncio.QueueEmpty):
        return "empty"
    if isinstance(e, models.QueueShutDown):
        return "shutdown"
    if isinstance(e, asyncio.BrokenBarrierError):
        return "broken"
    if isinstance(e, (ValueError, RuntimeError, asyncio.InvalidStateError)):
        return "invalid"
    return "?" + repr(e)


def rank(e):
    """The bit of a try's mask."""
    if isinstance(e, UserError):
        return 1
    if isinstance(e, TimeoutError):
        return 2
    if isinstance(e, asyncio.CancelledError):
        return 4
    return 8 if isinstance(e, BaseExceptionGroup) else 16


def outcome(r):
    if isinstance(r, asyncio.CancelledError):
        return "!cancelled()"
    return "!" + describe(r) if isinstance(r, BaseException) else str(r)


class Actor:
    def __init__(self, number, groups):
        self.number, self.groups, self.timeouts, self.deadlines, self.task = number, dict(groups), {}, 0, None


class Machine:
    def __init__(self, program, write):
        self.program, self.write, self.loop = program, write, strict.Loop()
        self.spread = program.mode == "spread"
        library = asyncio if self.spread else models
        lock, semaphore, barrier = library.Lock, library.Semaphore, library.Barrier
        shelf = library if sys.version_info >= models.FIRST_WITH_QUEUE_SHUTDOWN else models
        kinds = (shelf.Queue, shelf.LifoQueue, shelf.PriorityQueue)
        self.queues = [kinds[c // 100](c % 100) for c in program.queues]
        self.semaphores = [semaphore(n) for n in program.semaphores]
        self.locks = [lock() for _ in range(program.locks)]
        self.conditions = [models.Condition(lock()) for _ in range(program.locks)]
        self.barriers = [barrier(2 + i) for i in range(program.locks)]
        self.events = [asyncio.Event() for _ in range(program.events)]
        self.futures = [self.loop.create_future() for _ in range(program.events)]
        self.slots, self.actors = {}, {}

    def log(self, actor, op, result):
        self.write(f"{self.loop.now} t{actor.number} {op} {result}\n")

    # The next instant of this actor, at least `delay` from now.
    def instant(self, actor, delay, place=0):
        earliest = self.loop.now + max(delay, 1)
        residue = actor.number * SHARE + place
        return earliest + (residue - earliest) % PERIOD

    def deadline(self, actor, delay):
        if not self.spread or delay < 0:
            return None if delay < 0 else delay
        if delay == 0:
            return 0
        actor.deadlines += 1
        return self.instant(actor, delay, 1 + actor.deadlines % (SHARE - 1)) - self.loop.now

    async def settle(self, actor):
        if self.spread:
            await asyncio.sleep(self.instant(actor, 1) - self.loop.now)

    async def act(self, number, body, groups):
        actor = Actor(number, groups)
        actor.task = asyncio.current_task()
        self.actors[number] = actor
        self.slots.setdefault(number, actor.task)
        self.log(actor, 0, "start")
        try:
            await self.settle(actor)
            value = await self.run_body(actor, body)
        except BaseException as e:
            self.log(actor, 0, "end !" + describe(e))
            raise
        self.log(actor, 0, f"end ={0 if value is None else value}")
        return 0 if value is None else value

    async def run_body(self, actor, body):
        for op in body:
            if (value := await self.run_op(actor, op)) is not None:
                return value
        return None

    async def run_op(self, actor, op):
        error = value = None
        try:
            note, value = await getattr(self, "op_" + op.name)(actor, op)
        except BaseException as e:
            error = asyncio.CancelledError() if op.name in FORWARDING and isinstance(e, asyncio.CancelledError) else e
            note = "!" + describe(error)
        self.log(actor, op.id, f"{op.name} {note}")
        if (late := await self.settle_in_the_end(actor, op)) is not None:
            raise late
        if error is not None:
            raise error
        return value

    async def settle_in_the_end(self, actor, op):
        """Settles, however often that is cancelled; the first of these errors."""
        first = None
        while True:
            try:
                await self.settle(actor)
                return first
            except asyncio.CancelledError as e:
                self.log(actor, op.id, "settle !" + describe(e))
                first = first or e

    async def pause(self, actor, delay):
        await asyncio.sleep(self.instant(actor, delay) - self.loop.now if self.spread else delay)

    async def op_sleep(self, actor, op):
        await self.pause(actor, op.args[0])
        return "ok", None

    async def op_yield(self, actor, op):
        await asyncio.sleep(0)
        return "ok", None

    async def op_spawn(self, actor, op):
        self.slots[op.args[0]] = self.loop.create_task(self.act(op.args[0], op.bodies[0], {}))
        return "ok", None

    async def op_espawn(self, actor, op):
        self.slots[op.args[0]] = self.loop.create_task(self.act(op.args[0], op.bodies[0], {}), eager_start=True)
        return "ok", None

    async def op_gspawn(self, actor, op):
        coroutine = self.act(op.args[1], op.bodies[0], actor.groups)
        try:
            self.slots[op.args[1]] = actor.groups[op.args[0]].create_task(coroutine)
        except RuntimeError:
            coroutine.close()  # TG18
            raise
        return "ok", None

    async def op_await(self, actor, op):
        if (task := self.slots.get(op.args[0])) is None:
            return "none", None
        return f"={await task}", None

    async def op_shield(self, actor, op):
        if (task := self.slots.get(op.args[0])) is None:
            return "none", None
        return f"={await asyncio.shield(task)}", None

    async def op_gather(self, actor, op):
        bodies, parts = iter(op.bodies), []
        for a in op.args[1:]:
            if a < 0:
                parts.append(self.act(-1 - a, next(bodies), {}))
            elif self.slots.get(a) is not None:
                parts.append(self.slots[a])
        results = await strict.gather(*parts, return_exceptions=bool(op.args[0]))
        return "[" + ",".join(outcome(r) for r in results) + "]", None

    async def op_wait(self, actor, op):
        found = {a: self.slots[a] for a in op.args[2:] if self.slots.get(a) is not None}
        if not found:
            return "none", None
        mode = (asyncio.ALL_COMPLETED, asyncio.FIRST_COMPLETED, asyncio.FIRST_EXCEPTION)[op.args[0]]
        done, pending = await asyncio.wait(found.values(), timeout=self.deadline(actor, op.args[1]), return_when=mode)
        names = [",".join(str(a) for a in sorted(found) if found[a] in s) for s in (done, pending)]
        return f"[{names[0]}|{names[1]}]", None

    async def op_ascomp(self, actor, op):
        found = [self.slots[a] for a in op.args[2:] if self.slots.get(a) is not None]
        real = self.spread and sys.version_info >= models.FIRST_WITH_ORIGINAL_TASKS
        results, limit = [], self.deadline(actor, op.args[0])
        async for task in strict.as_completed(found, limit) if real else models.AsCompleted(found, limit):
            results.append(outcome(asyncio.CancelledError() if task.cancelled() else task.exception() or task.result()))
            if len(results) == op.args[1]:
                break
        return "[" + ",".join(sorted(results) if self.spread else results) + "]", None

    async def op_waitfor(self, actor, op):
        value = await strict.wait_for(self.run_body(actor, op.bodies[0]), self.deadline(actor, op.args[0]))
        return "ok" if value is None else f"ret {value}", value

    async def op_waitforh(self, actor, op):
        if (task := self.slots.get(op.args[1])) is None:
            return "none", None
        return f"={await strict.wait_for(task, self.deadline(actor, op.args[0]))}", None

    async def op_timeout(self, actor, op):
        scope = strict.timeout(self.deadline(actor, op.args[0]))
        try:
            async with scope:
                actor.timeouts[op.id] = scope
                value = await self.run_body(actor, op.bodies[0])
                expired = scope.expired()
        finally:
            actor.timeouts.pop(op.id, None)
        return ("ok" if value is None else f"ret {value}") + (" expired" if expired else ""), value

    async def op_resched(self, actor, op):
        delay = self.deadline(actor, op.args[1])
        scope = actor.timeouts[op.args[0]]
        scope.reschedule(None if delay is None else self.loop.now + delay)
        return "ok" if scope.when() is None else f"ok {scope.when() - self.loop.now}", None

    async def op_group(self, actor, op):
        async with strict.TaskGroup() as group:
            actor.groups[op.id] = group
            value = await self.run_body(actor, op.bodies[0])
        return "ok" if value is None else f"ret {value}", value

    async def op_put(self, actor, op):
        await self.queues[op.args[0]].put(op.args[1])
        return "ok", None

    async def op_get(self, actor, op):
        return f"={await self.queues[op.args[0]].get()}", None

    async def op_putn(self, actor, op):
        self.queues[op.args[0]].put_nowait(op.args[1])
        return "ok", None

    async def op_getn(self, actor, op):
        return f"={self.queues[op.args[0]].get_nowait()}", None

    async def op_done(self, actor, op):
        self.queues[op.args[0]].task_done()
        return "ok", None

    async def op_join(self, actor, op):
        await self.queues[op.args[0]].join()
        return "ok", None

    async def op_close(self, actor, op):
        self.queues[op.args[0]].shutdown(bool(op.args[1]))
        return "ok", None

    async def op_barrier(self, actor, op):
        index = await self.barriers[op.args[0]].wait()
        return "ok" if self.spread else f"={index}", None  # asyncio gives a place twice after a cancellation

    async def op_breset(self, actor, op):
        await self.barriers[op.args[0]].reset()
        return "ok", None

    async def op_babort(self, actor, op):
        await self.barriers[op.args[0]].abort()
        return "ok", None

    async def op_cwait(self, actor, op):
        condition = self.conditions[op.args[0]]
        async with condition.lock:
            self.log(actor, op.id, "held")
            await self.settle(actor)
            await condition.wait()
            self.log(actor, op.id, "notified")
            await self.pause(actor, op.args[1])
        return "ok", None

    async def op_notify(self, actor, op):
        condition = self.conditions[op.args[0]]
        async with condition.lock:
            self.log(actor, op.id, "held")
            await self.settle(actor)
            condition.notify(len(condition.waiters) if op.args[1] < 0 else op.args[1])
            await self.pause(actor, op.args[2])
        return "ok", None

    async def op_lock(self, actor, op, of=None):
        async with (of or self.locks)[op.args[0]]:
            self.log(actor, op.id, "held")
            await self.settle(actor)
            value = await self.run_body(actor, op.bodies[0])
        return "ok" if value is None else f"ret {value}", value

    async def op_sem(self, actor, op):
        return await self.op_lock(actor, op, self.semaphores)

    async def op_set(self, actor, op):
        self.events[op.args[0]].set()
        return "ok", None

    async def op_clear(self, actor, op):
        self.events[op.args[0]].clear()
        return "ok", None

    async def op_waitev(self, actor, op):
        await self.events[op.args[0]].wait()
        return "ok", None

    async def op_waitf(self, actor, op):
        return f"={await self.futures[op.args[0]]}", None

    async def op_setf(self, actor, op):
        self.futures[op.args[0]].set_result(op.args[1])
        return "ok", None

    async def op_cancelf(self, actor, op):
        future = self.futures[op.args[0]]
        return str(int(future.cancel(f"m{op.args[1]}") if op.args[1] else future.cancel())), None

    async def op_raise(self, actor, op):
        raise asyncio.CancelledError if op.args[0] < 0 else UserError(op.args[0])

    async def op_ret(self, actor, op):
        return f"{op.args[0]}", op.args[0]

    async def op_cancel(self, actor, op):
        if (task := self.slots.get(op.args[0])) is None:
            return "none", None
        accepted = task.cancel(f"m{op.args[1]}") if op.args[1] else task.cancel()
        return str(int(accepted)), None

    async def op_uncancel(self, actor, op):
        return str(actor.task.uncancel()), None

    async def op_count(self, actor, op):
        return str(actor.task.cancelling()), None

    async def op_probe(self, actor, op):
        if (task := self.slots.get(op.args[0])) is None:
            return "none", None
        return f"{int(task.done())}{int(task.cancelled())} {task.cancelling()}", None

    async def op_try(self, actor, op):
        (mask, swallow), (body, handler, cleanup) = op.args, op.bodies
        error = value = None
        try:
            value = await self.run_body(actor, body)
        except BaseException as e:
            error = e
        if error is not None and mask & rank(error):
            self.log(actor, op.id, "caught " + describe(error))
            try:
                value = await self.run_body(actor, handler)
                error = None if swallow or value is not None else error
            except BaseException as e:
                error = e
        await self.run_body(actor, cleanup)
        if error is not None:
            raise error
        return "ok" if value is None else f"ret {value}", value

    async def top(self):
        self.slots[0] = self.loop.create_task(self.act(0, self.program.body, {}))
        for _ in range(30):
            await asyncio.sleep(HORIZON)
            # By number: on several workers tasks start in no particular order.
            left = [a for _, a in sorted(self.actors.items()) if not a.task.done()]
            if not left:
                return
            for a in left:
                a.task.cancel()
                await asyncio.sleep(HORIZON)
        self.write("stuck\n")


def main():
    warnings.simplefilter("ignore")  # about coroutines that were never awaited: some are closed on purpose
    for line in sys.stdin:
        program = programs.parse(line)
        lines = []
        machine = Machine(program, lines.append)
        machine.loop.run(machine.top())
        sys.stdout.write(f"program {program.number}\n" + "".join(lines) + "end\n")


main()
