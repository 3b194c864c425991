// SPDX-License-Identifier: Apache-2.0
#include <aya/sync/semaphore.hpp>

#include <limits>
#include <mutex>

namespace aya::inline v1 {

bool semaphore::try_acquire() noexcept {
    std::lock_guard const hold(mutex_);
    // A released permit goes straight to a waiter, so there are no free ones while tasks wait.
    if (permits_ == 0)
        return false;
    --permits_;
    return true;
}

void semaphore::release() noexcept { (void)release_below(std::numeric_limits<std::size_t>::max()); }

bool semaphore::release_below(std::size_t limit) noexcept {
    detail::waiter* next = nullptr;
    {
        std::lock_guard const hold(mutex_);
        if (permits_ >= limit)
            return false;
        next = waiters_.take_first();
        if (next == nullptr)
            ++permits_;
    }
    if (next != nullptr)
        next->task().wake();
    return true;
}

bool semaphore::locked() const noexcept {
    std::lock_guard const hold(mutex_);
    return permits_ == 0;
}

bool semaphore::acquire_awaiter::suspend(detail::task_state& task, std::coroutine_handle<> h) noexcept {
    semaphore_->mutex_.lock();
    if (semaphore_->permits_ != 0) {
        --semaphore_->permits_;
        semaphore_->mutex_.unlock();
        return false;
    }
    suspend_on(semaphore_->waiters_, task, h);
    return true;
}

void semaphore::acquire_awaiter::finish() {
    detail::task_state& self = task();
    auto const [cancelled, woken] = finish_wait();
    if (!cancelled)
        return;
    if (woken)
        semaphore_->release(); // handed over to a task that is cancelled: the next one gets it
    self.throw_cancelled();
}

} // namespace aya::inline v1
