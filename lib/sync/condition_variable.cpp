// SPDX-License-Identifier: Apache-2.0
// A notified waiter is not woken but moved to the mutex's list, and a cancelled one too: both need the mutex before they can go on, and
// nothing can take that wait from them. Order of locks: a task's word, the condition's, the mutex's.
#include <aya/sync/condition_variable.hpp>

#include <limits>
#include <mutex>

namespace aya::inline v1 {

condition_variable::wait_awaiter condition_variable::wait(mutex::guard const& held) {
    if (!held.holds(*mutex_))
        detail::throw_invalid_state("aya::condition_variable::wait: the guard does not hold the condition's mutex");
    return wait_awaiter(*this);
}

void condition_variable::notify(std::ptrdiff_t n) {
    if (n < 0)
        detail::throw_invalid_argument("aya::condition_variable::notify: n must not be negative");
    require_locked("aya::condition_variable::notify: the mutex is not locked");
    move_to_mutex(static_cast<std::size_t>(n));
}

void condition_variable::notify_all() {
    require_locked("aya::condition_variable::notify_all: the mutex is not locked");
    move_to_mutex(std::numeric_limits<std::size_t>::max());
}

void condition_variable::require_locked(char const* message) const {
    if (!mutex_->locked())
        detail::throw_invalid_state(message);
}

void condition_variable::move_to_mutex(std::size_t most) noexcept {
    detail::wait_list::batch owners; // at most one, when the mutex was unlocked meanwhile
    {
        std::lock_guard const hold(lock_);
        for (; most > 0; --most) {
            auto* const w = static_cast<wait_awaiter*>(waiters_.take_first());
            if (w == nullptr)
                break;
            w->notified_ = true;
            if (mutex_->give_or_queue(*w))
                owners.add(*w);
        }
    }
    owners.wake_all();
}

void condition_variable::wait_awaiter::suspend(detail::task_state& task, std::coroutine_handle<> h) noexcept {
    mutex& m = *condition_->mutex_;
    condition_->lock_.lock();
    suspend_on(condition_->waiters_, task, h); // this object may be gone from here on
    m.pass_on();
}

detail::suspension::verdict condition_variable::wait_awaiter::request_cancel(detail::cancel_walk&) noexcept {
    if (!claim_for_cancel()) {
        // Notified before. If it still queues for the mutex, a request that is taken back later counts all the same.
        cancelled_ = cancelled_ || assured();
        return verdict::too_late;
    }
    {
        std::lock_guard const hold(condition_->lock_);
        condition_->waiters_.remove(*this);
    }
    cancelled_ = true;
    return condition_->mutex_->give_or_queue(*this) ? verdict::claimed : verdict::too_late;
}

void condition_variable::wait_awaiter::finish() {
    detail::task_state& self = task();
    bool const cancelled = finish_wait().cancelled;
    condition_->mutex_->accept();
    if (!cancelled && !cancelled_)
        return;
    if (notified_)
        condition_->move_to_mutex(1);
    self.throw_cancelled();
}

} // namespace aya::inline v1
