// SPDX-License-Identifier: Apache-2.0
#include <aya/sync/mutex.hpp>

#include <mutex>

namespace aya {

bool mutex::try_lock() noexcept {
    std::lock_guard const hold(mutex_);
    // A locked mutex stays locked while it is handed over, so a newcomer cannot overtake.
    return !std::exchange(locked_, true);
}

void mutex::unlock() {
    detail::waiter* next = nullptr;
    {
        std::lock_guard const hold(mutex_);
        if (!locked_)
            detail::throw_invalid_state("aya::mutex::unlock: the mutex is not locked");
        next = waiters_.take_first();
        locked_ = next != nullptr;
    }
    if (next != nullptr)
        next->task().wake();
}

bool mutex::locked() const noexcept {
    std::lock_guard const hold(mutex_);
    return locked_;
}

bool mutex::lock_awaiter::suspend(detail::task_state& task, std::coroutine_handle<> h) noexcept {
    mutex_->mutex_.lock();
    if (!std::exchange(mutex_->locked_, true)) {
        mutex_->mutex_.unlock();
        return false;
    }
    suspend_on(mutex_->waiters_, task, h);
    return true;
}

void mutex::lock_awaiter::finish() {
    detail::task_state& self = task();
    auto const [cancelled, woken] = finish_wait();
    if (!cancelled)
        return;
    if (woken)
        mutex_->unlock(); // handed over to a task that is cancelled: the next one gets it
    self.throw_cancelled();
}

} // namespace aya
