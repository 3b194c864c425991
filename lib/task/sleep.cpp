// SPDX-License-Identifier: Apache-2.0
#include <aya/sleep.hpp>

#include "scheduler/timer_queue.hpp"

#include <aya/detail/scheduler.hpp>

#include <mutex>

namespace aya::inline v1::detail {

time_point deadline_after(duration d) noexcept {
    return d <= duration::zero() ? time_point::min() : saturating_add(now(), d);
}

void sleep_awaiter::expired(timer& t) noexcept { static_cast<sleep_awaiter&>(t).task_->wake(); }

suspension::verdict sleep_awaiter::request_cancel(cancel_walk&) noexcept {
    if (home == nullptr) // a turn, not a timer
        return verdict::too_late;
    std::lock_guard const guard(home->mutex());
    if (!home->disarm(*this))
        return verdict::too_late;
    cancelled_ = true;
    return verdict::claimed;
}

void sleep_awaiter::describe(wait_description& d) const noexcept {
    d.inside("sleep");
    d.until = deadline_.time_since_epoch().count();
}

void sleep_awaiter::suspend(task_state& task, std::coroutine_handle<> h) {
    task_ = &task;
    if (deadline_ == time_point::min()) {
        task.set_resume_point(h);
        task.wake();
        return;
    }
    timer_queue& timers = task.home().timers();
    bool is_earliest = false;
    bool cancel_pending = false;
    {
        std::lock_guard const guard(timers.mutex());
        is_earliest = timers.arm(*this, deadline_);
        cancel_pending = task.begin_wait(*this, h);
    }
    // This awaiter may be gone now.
    if (is_earliest) [[unlikely]]
        timers.raise_alarm();
    if (cancel_pending) [[unlikely]]
        task.deliver_pending(*this);
}

void sleep_awaiter::await_resume() {
    bool const cancelled = home == nullptr ? task_->take_pending_cancel() : task_->end_wait() || cancelled_;
    if (cancelled) [[unlikely]]
        task_->throw_cancelled();
}

} // namespace aya::inline v1::detail
