// SPDX-License-Identifier: Apache-2.0
// A waiter that a canceller has claimed but not yet taken off the list counts as arrived: had the round been completed a moment earlier,
// it would have been cancelled on its way out.
#include <aya/sync/barrier.hpp>

#include <limits>
#include <mutex>

namespace aya::inline v1 {

barrier::barrier(std::ptrdiff_t parties) : parties_(static_cast<std::size_t>(parties)) {
    if (parties < 1)
        detail::throw_invalid_argument("aya::barrier: the number of parties must be at least 1");
}

// With the lock held: lets the first waiters go; the caller wakes them.
detail::wait_list::batch barrier::release(std::size_t most) noexcept {
    detail::wait_list::batch gone;
    std::size_t count = 0;
    for (; count < most; ++count) {
        detail::waiter* const w = waiters_.take_first();
        if (w == nullptr)
            break;
        static_cast<wait_awaiter&>(*w).index_ = count;
        gone.add(*w);
    }
    queued_ -= count;
    leaving_ += count;
    return gone;
}

// With the lock held: one of those that were let go is out. The last one begins the next round, which may be complete at once.
detail::wait_list::batch barrier::leave() noexcept {
    detail::wait_list::batch next;
    if (--leaving_ == 0 && phase_ != phase::broken) {
        if (queued_ >= parties_)
            next = release(parties_);
        phase_ = leaving_ == 0 ? phase::filling : phase::draining;
    }
    return next;
}

void barrier::reset() noexcept {
    detail::wait_list::batch gone;
    {
        std::lock_guard const hold(mutex_);
        if (phase_ == phase::filling)
            gone = release(std::numeric_limits<std::size_t>::max());
        phase_ = leaving_ == 0 ? phase::filling : phase::resetting;
    }
    gone.wake_all();
}

void barrier::abort() noexcept {
    detail::wait_list::batch gone;
    {
        std::lock_guard const hold(mutex_);
        phase_ = phase::broken;
        gone = release(std::numeric_limits<std::size_t>::max());
    }
    gone.wake_all();
}

std::size_t barrier::n_waiting() const noexcept {
    std::lock_guard const hold(mutex_);
    return phase_ == phase::filling ? queued_ : 0;
}

bool barrier::broken() const noexcept {
    std::lock_guard const hold(mutex_);
    return phase_ == phase::broken;
}

bool barrier::wait_awaiter::suspend(detail::task_state& task, std::coroutine_handle<> h) {
    barrier& b = *barrier_;
    b.mutex_.lock();
    if (b.phase_ == phase::broken) {
        b.mutex_.unlock();
        throw broken_barrier_error();
    }
    if (b.phase_ != phase::filling || b.queued_ + 1 < b.parties_) {
        ++b.queued_;
        suspend_on(b.waiters_, task, h);
        return true;
    }
    index_ = b.parties_ - 1;
    detail::wait_list::batch others = b.release(b.parties_ - 1);
    if (b.leaving_ != 0)
        b.phase_ = phase::draining;
    b.mutex_.unlock();
    others.wake_all();
    return false;
}

detail::suspension::verdict barrier::wait_awaiter::request_cancel(detail::cancel_walk&) noexcept {
    if (!claim_for_cancel())
        return verdict::too_late;
    std::lock_guard const hold(barrier_->mutex_);
    barrier_->waiters_.remove(*this);
    --barrier_->queued_;
    return verdict::claimed;
}

void barrier::wait_awaiter::finish() {
    detail::task_state& self = task();
    auto const [cancelled, woken] = finish_wait();
    if (!woken)
        self.throw_cancelled();
    bool broken = false;
    detail::wait_list::batch next;
    {
        std::lock_guard const hold(barrier_->mutex_);
        broken = barrier_->phase_ == phase::broken || barrier_->phase_ == phase::resetting;
        next = barrier_->leave();
    }
    next.wake_all();
    if (cancelled)
        self.throw_cancelled();
    if (broken)
        throw broken_barrier_error();
}

} // namespace aya::inline v1
