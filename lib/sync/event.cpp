// SPDX-License-Identifier: Apache-2.0
#include <aya/sync/event.hpp>

#include <mutex>

namespace aya::inline v1 {

void event::set() noexcept {
    detail::wait_list::batch woken;
    {
        std::lock_guard const hold(mutex_);
        set_.store(true);
        woken = waiters_.take_all();
    }
    woken.wake_all(); // touches the waiters only: the event may be gone once the first one runs
}

void event::clear() noexcept {
    std::lock_guard const hold(mutex_);
    set_.store(false);
}

bool event::wait_awaiter::suspend(detail::task_state& task, std::coroutine_handle<> h) noexcept {
    event_->mutex_.lock();
    if (event_->is_set()) {
        event_->mutex_.unlock();
        return false;
    }
    suspend_on(event_->waiters_, task, h);
    return true;
}

void event::wait_awaiter::finish() {
    if (finish_wait().cancelled)
        task().throw_cancelled();
}

} // namespace aya::inline v1
