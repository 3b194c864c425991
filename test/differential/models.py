# SPDX-License-Identifier: Apache-2.0
"""Models of primitives and queues for where aya hands over and asyncio wakes and retries, each with the sentence of the contract. Dense programs use
all of them, spread ones only the condition; what older versions of asyncio lack is taken from here too.
"""

import asyncio
import collections
import heapq
from asyncio import futures

FIRST_WITH_QUEUE_SHUTDOWN = (3, 13)
FIRST_WITH_ORIGINAL_TASKS = (3, 13)  # from as_completed()

QueueShutDown = getattr(asyncio, "QueueShutDown", None) or type("QueueShutDown", (Exception,), {})


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


class Condition:
    """CV2, CV3, CV4, CV6, P6: a waiter that is notified, or cancelled, is put into the lock's queue at once, and keeps its place there
    whoever cancels it; the cancellation is raised when it has the lock. Only one that was notified passes that on. asyncio wakes it to
    queue up by itself, at the end again after each cancellation, and notifies another one for each cancelled waiter.
    """

    def __init__(self, lock):
        self.lock, self.waiters = lock, []

    def _queue(self, place):
        place.in_condition = False
        self.waiters.remove(place)
        lock = self.lock
        if lock._waiters is None:
            lock._waiters = collections.deque()
        free = not lock._locked and all(w.cancelled() for w in lock._waiters)
        lock._waiters.append(place)
        if free:
            place.set_result(True)

    def notify(self, n):
        for place in self.waiters[:n]:
            place.notified = True
            self._queue(place)

    async def wait(self):
        place = Place(self)
        self.waiters.append(place)
        self.lock.release()
        cancelled = False
        try:
            await place
        except asyncio.CancelledError:
            cancelled = True
        self.lock._locked = True
        self.lock._waiters.remove(place)
        if cancelled or place.asked:
            if place.notified:
                self.notify(1)
            raise asyncio.CancelledError


class Place(futures._PyFuture):
    """What waits in a condition, and then in its lock's queue."""

    def __init__(self, condition):
        super().__init__(loop=asyncio.get_running_loop())
        self.condition, self.in_condition, self.notified, self.asked = condition, True, False, False

    def cancel(self, msg=None):
        if self.done():
            return False
        self.asked = True
        if self.in_condition:
            self.condition._queue(self)
        return True


class Barrier:
    """BA2: places are given when the round is complete, so those of a round are distinct. P6: all of a round leave in one turn, in the order of their
    arrival, and whoever comes before the last one is out waits for the next round.
    """

    def __init__(self, parties):
        self.parties, self.waiters, self.leaving, self.phase = parties, [], 0, "filling"

    def _release(self, most):
        gone = [w for w in self.waiters if not w.done()][:most]
        for index, waiter in enumerate(gone):
            waiter.set_result(index)
        self.waiters = [w for w in self.waiters if not w.done()]
        self.leaving += len(gone)

    def _queued(self):
        return sum(not w.done() for w in self.waiters)

    def _leave(self):
        self.leaving -= 1
        if self.leaving == 0 and self.phase != "broken":
            if self._queued() >= self.parties:
                self._release(self.parties)
            self.phase = "draining" if self.leaving else "filling"

    async def reset(self):
        if self.phase == "filling":
            self._release(None)
        self.phase = "resetting" if self.leaving else "filling"

    async def abort(self):
        self.phase = "broken"
        self._release(None)

    async def wait(self):
        if self.phase == "broken":
            raise asyncio.BrokenBarrierError
        if self.phase == "filling" and self._queued() + 1 >= self.parties:
            self._release(self.parties - 1)
            self.phase = "draining" if self.leaving else "filling"
            return self.parties - 1
        waiter = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        try:
            index = await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._leave()
            raise
        broken = self.phase in ("broken", "resetting")
        self._leave()
        if broken:
            raise asyncio.BrokenBarrierError
        return index


class AsCompleted:
    """AC1, AC2: tasks that have ended already come first, in the order of the arguments, where asyncio has a set. AC4: what 3.13 does."""

    def __init__(self, some, timeout):
        self.awaited, self.ended = list(dict.fromkeys(some)), asyncio.Queue()
        self.left = len(self.awaited)
        if self.awaited and timeout is not None:
            asyncio.get_running_loop().call_later(timeout, self._expire)
        for task in list(self.awaited):
            task.add_done_callback(self._end)

    def _expire(self):
        for task in self.awaited:
            task.remove_done_callback(self._end)
            self.ended.put_nowait(None)
        self.awaited.clear()

    def _end(self, task):
        if task in self.awaited:
            self.awaited.remove(task)
            self.ended.put_nowait(task)

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self.left:
            raise StopAsyncIteration
        self.left -= 1
        if (task := await self.ended.get()) is None:
            raise TimeoutError
        return task


class Queue:
    """Q5, Q7, Q8 (the notes on parallel hand-over): an item goes to the longest waiter, a freed place is reserved for the longest waiting
    putter, and both are passed on by a task that was cancelled meanwhile. asyncio wakes and retries, so that others may overtake.
    Q11 to Q15: what 3.13 does.
    """

    def __init__(self, capacity):
        self.capacity, self.items, self.getters, self.putters = capacity, [], collections.deque(), collections.deque()
        self.reserved = self.unfinished = 0
        self.joiners = []
        self.shut_down = self.dropping = False

    # The order; items that were taken and not used come back.
    def _keep(self, item):
        self.items.append(item)

    def _keep_again(self, item):
        self.items.insert(0, item)

    def _take(self):
        return self.items.pop(0)

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
        self._offer(item, self._keep)

    def _offer(self, item, keep):
        if (getter := self._first(self.getters)) is not None:
            getter.set_result((item,))
        else:
            keep(item)

    def _freed(self):
        if self._room() and (putter := self._first(self.putters)) is not None:
            self.reserved += 1
            putter.set_result(True)

    def _count_down(self, number):
        self.unfinished -= min(number, self.unfinished)
        if self.unfinished == 0:
            joiners, self.joiners = self.joiners, []
            for joiner in joiners:
                if not joiner.done():
                    joiner.set_result(None)

    def _check_open(self):
        if self.shut_down:
            raise QueueShutDown

    async def put(self, item):
        self._check_open()
        if not self._room():
            place = asyncio.get_running_loop().create_future()
            self.putters.append(place)
            try:
                reserved = await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled() and place.result():
                    self.reserved -= 1
                    self._freed()
                raise
            if not reserved:
                raise QueueShutDown
            self.reserved -= 1
            self._check_open()
        self._store(item)
        self._freed()  # if a getter took the item, its place is free again

    def put_nowait(self, item):
        self._check_open()
        if not self._room():
            raise asyncio.QueueFull
        self._store(item)

    async def get(self):
        if self.items or self.shut_down:
            return self.get_nowait()
        waiter = asyncio.get_running_loop().create_future()
        self.getters.append(waiter)
        try:
            got = await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.result():
                if self.dropping:
                    self._count_down(1)
                else:
                    self._offer(waiter.result()[0], self._keep_again)
            raise
        if not got:
            raise QueueShutDown
        return got[0]

    def get_nowait(self):
        if not self.items:
            self._check_open()
            raise asyncio.QueueEmpty
        item = self._take()
        self._freed()
        return item

    def task_done(self):
        if self.unfinished == 0:
            raise ValueError
        self._count_down(1)

    async def join(self):
        if self.unfinished:
            joiner = asyncio.get_running_loop().create_future()
            self.joiners.append(joiner)
            await joiner

    def shutdown(self, immediate):
        self.shut_down = True
        if immediate:
            self.dropping = True
            dropped, self.items = self.items, []
            self._count_down(len(dropped))
        for waiters, nothing in ((self.putters, False), (self.getters, ())):
            while (waiter := self._first(waiters)) is not None:
                waiter.set_result(nothing)


class LifoQueue(Queue):
    def _keep_again(self, item):
        self.items.append(item)

    def _take(self):
        return self.items.pop()


class PriorityQueue(Queue):
    def _keep(self, item):
        heapq.heappush(self.items, item)

    _keep_again = _keep

    def _take(self):
        return heapq.heappop(self.items)
