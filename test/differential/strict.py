# SPDX-License-Identifier: Apache-2.0
"""Where aya deliberately does not do what CPython's asyncio does, or does only in later versions: every normalisation is here, each with
the sentence of the contract that asks for it; those of primitives and queues are in models.py. The rest of the Python side is asyncio as it is.
"""

import asyncio
import collections
import contextlib
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


@contextlib.contextmanager
def callbacks_afterwards():
    """For calls that do not expect their callbacks before they return."""
    loop = asyncio.get_running_loop()
    loop.deferred = []
    try:
        yield
    finally:
        deferred, loop.deferred = loop.deferred, None
    for handle in deferred:
        handle._callback(*handle._args)


async def gather(*parts, return_exceptions):
    """G3: arguments that are done already count at once, also in 3.11; that version cannot take their callbacks inside the call."""
    with callbacks_afterwards():
        future = asyncio.gather(*parts, return_exceptions=return_exceptions)
    return await future


def as_completed(some, timeout):
    with callbacks_afterwards():
        return asyncio.as_completed(some, timeout=timeout)


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


def distinct(errors):
    """TG17: the same exception object counts once in a group."""
    seen = set()
    return [e for e in errors if not (id(e) in seen or seen.add(id(e)))]
