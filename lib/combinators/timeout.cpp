// SPDX-License-Identifier: Apache-2.0
// The scope's life is one word: active -> finished (the body left in time) or active -> expiring -> expired (the deadline won, and has
// cancelled the task). Who takes the timer out of its queue decides: the body that leaves, or the deadline, whose callback the body then waits
// for before it takes the request back.
#include <aya/timeout.hpp>

#include "scheduler/timer_queue.hpp"

#include <aya/detail/scheduler.hpp>

#include <exception>
#include <mutex>

namespace aya::inline v1 {

timeout_scope::timeout_scope(std::optional<time_point> deadline, bool shown)
    : shown_(shown), task_(&detail::this_task("aya::timeout")), deadline_(deadline) {
    auto const before = task_->requests(); // one look: a request between two of them would be taken for this scope's own
    cancelled_before_ = before.pending;
    requests_before_ = before.count;
    arm();
}

std::optional<time_point> timeout_scope::when() const {
    std::lock_guard const hold(mutex_);
    return deadline_;
}

bool timeout_scope::expired() const noexcept {
    state const s = state_.load();
    return s == state::expiring || s == state::expired;
}

void timeout_scope::arm() {
    if (!deadline_)
        return;
    if (task_->home().is_over(*deadline_)) {
        // Over before it began: the request waits for the first suspension, and a body without one ends normally.
        expire();
        return;
    }
    detail::timer_queue& timers = task_->home().timers();
    bool is_earliest = false;
    {
        std::lock_guard const hold(timers.mutex());
        is_earliest = timers.arm(timer_, *deadline_);
        timer_busy_.store(true, std::memory_order_relaxed); // whoever takes the timer out has the lock after this
    }
    if (is_earliest) [[unlikely]]
        timers.raise_alarm();
}

bool timeout_scope::disarm() noexcept {
    if (timer_.home == nullptr)
        return false;
    {
        std::lock_guard const hold(timer_.home->mutex());
        if (timer_.home->disarm(timer_)) {
            timer_busy_.store(false, std::memory_order_relaxed); // for this thread, and the next one with mutex_
            return true;
        }
    }
    // It is being fired, or was: the callback must be out of this object before the scope goes away. Acquire: pairs with its last store.
    for (unsigned round = 0; timer_busy_.load(std::memory_order_acquire); ++round)
        detail::relax(round);
    return false;
}

void timeout_scope::fired(detail::timer& t) noexcept {
    timeout_scope& self = *static_cast<scope_timer&>(t).scope;
    self.expire();
    // Release: what the callback did is over for disarm(). The scope may be gone from here on.
    self.timer_busy_.store(false, std::memory_order_release);
}

void timeout_scope::expire() {
    state expected = state::active;
    if (!state_.compare_exchange_strong(expected, state::expiring))
        return;
    task_->cancel_for_scope();
    state_.store(state::expired);
}

bool timeout_scope::leave() noexcept {
    if (std::exchange(left_, true))
        return converts_;
    bool in_time = false;
    if (!shown_) {
        in_time = finish();
    } else {
        std::lock_guard const hold(mutex_); // against a reschedule() by another task, which must not arm the timer again
        in_time = finish();
    }
    if (in_time)
        return false;
    std::uint32_t const left = task_->uncancel_for_scope(requests_before_, cancelled_before_);
    // A request that was pending at entry and counted then is not this scope's to convert, unless it was taken back meanwhile.
    converts_ = left < requests_before_ || (left == requests_before_ && !cancelled_before_);
    return converts_;
}

// True when the deadline did not pass before.
bool timeout_scope::finish() noexcept {
    if (disarm()) {
        state_.store(state::finished, std::memory_order_relaxed); // the timer was the only one to change it
        return true;
    }
    state expected = state::active;
    return state_.compare_exchange_strong(expected, state::finished);
}

void timeout_scope::leave_cancelled() {
    if (leave())
        std::throw_with_nested(timeout_error());
    throw;
}

void timeout_scope::reschedule(std::optional<time_point> deadline) {
    std::lock_guard const hold(mutex_);
    disarm(); // the callback does not take mutex_
    if (state_.load() != state::active)
        detail::throw_invalid_state("aya::timeout_scope::reschedule: the scope has expired or ended");
    deadline_ = deadline;
    try {
        arm();
    } catch (...) {
        deadline_.reset(); // there is none now
        throw;
    }
}

} // namespace aya::inline v1
