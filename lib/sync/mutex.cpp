// SPDX-License-Identifier: Apache-2.0
#include <aya/sync/mutex.hpp>

#include <aya/detail/scheduler.hpp>

#include <mutex>

namespace aya::inline v1 {

bool mutex::take_for_task() noexcept {
    std::lock_guard const hold(mutex_);
    // A locked mutex stays locked while it is handed over, so a newcomer cannot overtake.
    bool const free = is_free();
    if (free)
        belongs_to(holder::task);
    return free;
}

bool mutex::try_lock() noexcept {
    if (detail::this_thread() != nullptr)
        return take_for_task();
    std::lock_guard const hold(mutex_);
    bool const free = is_free();
    if (free)
        belongs_to(holder::foreign_thread);
    return free;
}

void mutex::unlock() {
    detail::waiter* next = nullptr;
    {
        std::lock_guard const hold(mutex_);
        if (is_free())
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
    belongs_to(next != nullptr ? holder::task : holder::nobody);
    handed_over_.store(next != nullptr);
    return next;
}

bool mutex::give_or_queue(detail::waiter& w) noexcept {
    std::lock_guard const hold(mutex_);
    if (!is_free()) {
        waiters_.adopt(w);
        return false;
    }
    belongs_to(holder::task);
    handed_over_.store(true);
    return true;
}

bool mutex::locked() const noexcept {
    std::lock_guard const hold(mutex_);
    return !is_free();
}

bool mutex::lock_awaiter::suspend(detail::task_state& task, std::coroutine_handle<> h) noexcept {
    mutex_->mutex_.lock();
    if (mutex_->is_free()) {
        mutex_->belongs_to(holder::task);
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
