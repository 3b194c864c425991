// SPDX-License-Identifier: Apache-2.0
#include <aya/sync/mutex.hpp>

#include <mutex>

namespace aya::inline v1 {

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
        if (handed_over_.load())
            detail::throw_invalid_state("aya::mutex::unlock: the mutex was handed to a task that has not run since");
        next = take_next();
    }
    if (next != nullptr)
        next->task().wake();
}

void mutex::pass_on() noexcept {
    detail::waiter* next = nullptr;
    {
        std::lock_guard const hold(mutex_);
        next = take_next();
    }
    if (next != nullptr)
        next->task().wake();
}

detail::waiter* mutex::take_next() noexcept {
    detail::waiter* const next = waiters_.take_first();
    locked_ = next != nullptr;
    handed_over_.store(locked_);
    return next;
}

bool mutex::give_or_queue(detail::waiter& w) noexcept {
    std::lock_guard const hold(mutex_);
    if (locked_) {
        waiters_.adopt(w);
        return false;
    }
    locked_ = true;
    handed_over_.store(true);
    return true;
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
    if (!cancelled) {
        mutex_->accept();
        return;
    }
    if (woken)
        mutex_->pass_on(); // handed over to a task that is cancelled: the next one gets it
    self.throw_cancelled();
}

} // namespace aya::inline v1
