# SPDX-License-Identifier: Apache-2.0
"""Where aya deliberately does not do what CPython's asyncio does, or does only in later versions: every normalisation is here, each with
the sentence of the contract that asks for it. The rest of the Python side is asyncio as it is.
"""

import asyncio
import collections
import heapq
import sys
from asyncio import futures, tasks

FIRST_WITH_INLINE_WAIT_FOR = (3, 12)
FIRST_WITH_MENDED_GROUPS = (3, 13)


class Task(tasks._PyTask):
    scope_only = False  # the cancellation that is pending is a timeout scope's alone, posted at its entry

    @property
    def _must_cancel(self):
        return self.pending

    @_must_cancel.setter
    def _must_cancel(self, value):
        self.pending = value
        self.scope_only = False

    def cancel(self, msg=None):
        self.scope_only = False
        return super().cancel(msg)

    def uncancel(self):
        left = super().uncancel()
        if left == 0:  # C17: what 3.13 does
            self._must_cancel = False
        return left


class Loop(asyncio.AbstractEventLoop):
    """Virtual time in whole milliseconds, and asyncio's turns with the library's own callbacks taken out of the count.

    P8: in asyncio the end of a task reaches the waiter of a gather, wait, group or shield by a callback, one turn later than a plain await; aya
    has no such callback. So callbacks run when they are posted, and only steps of tasks wait for their turn.
    P14: timers of one deadline fire in the order of arming; they fire before the turn, not in it.
    TO11: a deadline that has passed at entry is posted at entry.
    """

    def __init__(self):
        self.now, self.sequence, self.timers, self.ready = 0, 0, [], collections.deque()
        self.deferred = None

    def time(self):
        return self.now

    def call_soon(self, callback, *args, context=None):
        handle = asyncio.Handle(callback, args, self, context)
        if isinstance(getattr(callback, "__self__", None), futures._PyFuture) and isinstance(callback.__self__, tasks._PyTask):
            self.ready.append(handle)
        elif self.deferred is not None:
            self.deferred.append(handle)
        else:
            callback(*args)
        return handle

    def call_at(self, when, callback, *args, context=None):
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self.timers, (when, self.sequence, handle))
        self.sequence += 1
        return handle

    def call_later(self, delay, callback, *args, context=None):
        return self.call_at(self.now + delay, callback, *args, context=context)

    def _timer_handle_cancelled(self, handle):
        pass

    def create_future(self):
        return futures._PyFuture(loop=self)

    def create_task(self, coroutine, **options):
        return Task(coroutine, loop=self, **options)

    def get_debug(self):
        return False

    def is_running(self):
        return True

    def is_closed(self):
        return False

    def call_exception_handler(self, context):
        pass

    def run(self, coroutine):
        asyncio._set_running_loop(self)
        try:
            task = self.create_task(coroutine)
            while not task.done():
                while self.timers and self.timers[0][0] <= self.now:
                    handle = heapq.heappop(self.timers)[2]
                    if not handle._cancelled:
                        handle._callback(*handle._args)
                if not self.ready:
                    while self.timers and self.timers[0][2]._cancelled:
                        heapq.heappop(self.timers)
                    if not self.timers:
                        raise RuntimeError("nothing is left to wait for")
                    self.now = max(self.now, self.timers[0][0])
                    continue
                for _ in range(len(self.ready)):
                    self.ready.popleft()._run()
            return task.result()
        finally:
            asyncio._set_running_loop(None)


async def gather(*parts, return_exceptions):
    """G3: arguments that are done already count at once, also in 3.11; that version cannot take their callbacks inside the call."""
    loop = asyncio.get_running_loop()
    loop.deferred = []
    try:
        future = asyncio.gather(*parts, return_exceptions=return_exceptions)
    finally:
        deferred, loop.deferred = loop.deferred, None
    for handle in deferred:
        handle._callback(*handle._args)
    return await future


class Counted:
    """A task whose requests up to now do not count."""

    def __init__(self, task, baseline):
        self.task, self.baseline, self.cancel = task, baseline, task.cancel

    def uncancel(self):
        return max(0, self.task.uncancel() - self.baseline)


class Timeout(asyncio.Timeout):
    """TO4, TO18: the count at entry is the baseline (in 3.11.2 it is 0). TO19: a request that was pending at entry is not the scope's to
    convert.
    """

    async def __aenter__(self):
        self.task = task = asyncio.current_task()
        self.requests, self.pending = task.cancelling(), task._must_cancel
        self._task, scope_only = task, task.scope_only or not self.pending
        await super().__aenter__()
        if self.expired():
            task.scope_only = scope_only
        self._task, self._cancelling = Counted(task, self.requests - (1 if self.pending else 0)), 0
        return self

    def _on_timeout(self):
        """By its own task, through reschedule(): the request is pending, and the scope's alone unless another one was."""
        pending, scope_only = self.task._must_cancel, self.task.scope_only
        super()._on_timeout()
        if self.task._must_cancel:
            self.task.scope_only = scope_only or not pending

    async def __aexit__(self, kind, error, traceback):
        try:
            return await super().__aexit__(kind, error, traceback)
        finally:
            # TO8, TO11: the request was posted at entry and never delivered; asyncio would not have made it.
            if self.expired() and self.task.scope_only and not self.pending and self.task.cancelling() <= self.requests:
                self.task._must_cancel = False


def timeout(delay):
    return Timeout(None if delay is None else asyncio.get_running_loop().time() + delay)


async def wait_for(awaitable, delay):
    """WF9 to WF11: what 3.12 does; WF7: a coroutine with no time left is not started."""
    if delay <= 0 and asyncio.iscoroutine(awaitable):
        awaitable.close()
        raise TimeoutError
    if sys.version_info >= FIRST_WITH_INLINE_WAIT_FOR and delay > 0 and not asyncio.current_task()._must_cancel:
        return await asyncio.wait_for(awaitable, delay)
    async with timeout(delay):
        return await awaitable


class OrderedSet(dict):
    def add(self, item):
        self[item] = None

    def discard(self, item):
        self.pop(item, None)


class TaskGroup(asyncio.TaskGroup):
    """TG3: children are cancelled in the order of their creation, where asyncio has a set. TG11, TG13: what 3.13 does."""

    def __init__(self):
        super().__init__()
        self._tasks = OrderedSet()

    if sys.version_info < FIRST_WITH_MENDED_GROUPS:

        async def __aexit__(self, kind, error, traceback):
            if self._parent_cancel_requested:  # these versions take the request back already here
                self._parent_task._num_cancels_requested += 1
            try:
                return await super().__aexit__(kind, error, traceback)
            except BaseExceptionGroup:
                parent = self._parent_task
                if self._parent_cancel_requested:
                    parent.uncancel()
                if parent.cancelling():
                    parent.uncancel()
                    parent.cancel()
                raise


class Semaphore(asyncio.Semaphore):
    """P6, SE2: a waiter that was woken has its permit; whoever comes then takes one that is free, and need not wait until it has run."""

    def locked(self):
        return self._value == 0 or any(not w.done() for w in self._waiters or ())


class Lock(asyncio.Lock):
    """L5, P6: a waiter that was cancelled is skipped at the release; asyncio wakes nobody then, until the cancelled one has run."""

    def _wake_up_first(self):
        for waiter in self._waiters or ():
            if not waiter.cancelled():
                if not waiter.done():
                    waiter.set_result(True)
                return


class Queue:
    """Q5, Q7, Q8 (the notes on parallel hand-over): an item goes to the longest waiter, a freed place is reserved for the longest waiting
    putter, and both are passed on by a task that was cancelled meanwhile. asyncio wakes and retries, so that others may overtake.
    """

    def __init__(self, capacity):
        self.capacity, self.items, self.getters, self.putters = capacity, collections.deque(), collections.deque(), collections.deque()
        self.reserved = self.unfinished = 0
        self.joiners = []

    def _first(self, waiters):
        while waiters:
            waiter = waiters.popleft()
            if not waiter.done():
                return waiter
        return None

    def _room(self):
        return self.capacity <= 0 or len(self.items) + self.reserved < self.capacity

    def _store(self, item):
        self.unfinished += 1
        self._offer(item, self.items.append)

    def _offer(self, item, keep):
        if (getter := self._first(self.getters)) is not None:
            getter.set_result(item)
        else:
            keep(item)

    def _freed(self):
        if self._room() and (putter := self._first(self.putters)) is not None:
            self.reserved += 1
            putter.set_result(None)

    async def put(self, item):
        if not self._room():
            place = asyncio.get_running_loop().create_future()
            self.putters.append(place)
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():
                    self.reserved -= 1
                    self._freed()
                raise
            self.reserved -= 1
        self._store(item)
        self._freed()  # if a getter took the item, its place is free again

    def put_nowait(self, item):
        if not self._room():
            raise asyncio.QueueFull
        self._store(item)

    async def get(self):
        if self.items:
            return self.get_nowait()
        waiter = asyncio.get_running_loop().create_future()
        self.getters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._offer(waiter.result(), self.items.appendleft)
            raise

    def get_nowait(self):
        if not self.items:
            raise asyncio.QueueEmpty
        item = self.items.popleft()
        self._freed()
        return item

    def task_done(self):
        if self.unfinished == 0:
            raise ValueError
        self.unfinished -= 1
        if self.unfinished == 0:
            joiners, self.joiners = self.joiners, []
            for joiner in joiners:
                if not joiner.done():
                    joiner.set_result(None)

    async def join(self):
        if self.unfinished:
            joiner = asyncio.get_running_loop().create_future()
            self.joiners.append(joiner)
            await joiner


def distinct(errors):
    """TG17: the same exception object counts once in a group."""
    seen = set()
    return [e for e in errors if not (id(e) in seen or seen.add(id(e)))]
