// SPDX-License-Identifier: Apache-2.0
#include <aya/detail/queue_core.hpp>

#include <mutex>

namespace aya::inline v1::detail {

void queue_core::task_done() {
    wait_list::batch finished;
    {
        std::lock_guard const hold(mutex);
        if (unfinished_ == 0)
            throw_invalid_state("aya::queue::task_done: called more often than items were put");
        if (--unfinished_ == 0)
            finished = joiners.take_all();
    }
    finished.wake_all();
}

// With the lock held all the time, so that who finds no item or no room need not look again: the state is a block of frame memory.
task_state& queue_core::self_of(task_pointer child) {
    try {
        return *child;
    } catch (...) {
        mutex.unlock();
        throw;
    }
}

bool join_queue_awaiter::suspend(task_state& task, std::coroutine_handle<> h) noexcept {
    queue_->mutex.lock();
    if (queue_->unfinished_ == 0) {
        queue_->mutex.unlock();
        return false;
    }
    suspend_on(queue_->joiners, task, h);
    return true;
}

} // namespace aya::inline v1::detail
