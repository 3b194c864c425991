// SPDX-License-Identifier: Apache-2.0
#include <aya/detail/join.hpp>

#include "task/cancel_walk.hpp"

#include <aya/errors.hpp>

namespace aya::detail {

void join_awaiter::notified(completion& c, task_state&) noexcept {
    task_state& waiter = *static_cast<join_awaiter&>(c).waiter_;
    waiter.wake(); // the awaiter may be gone after this
}

suspension::verdict join_awaiter::request_cancel(cancel_walk& walk) noexcept {
    if (!shielded_ && !walk.in_circle()) {
        if (target_->done())
            return verdict::too_late;
        walk.forward(*target_, waiter_);
        return verdict::forwarded;
    }
    if (!target_->remove_completion(*this))
        return verdict::too_late;
    cancelled_ = true;
    return verdict::claimed;
}

bool join_awaiter::suspend(task_state& waiter, std::coroutine_handle<> h) {
    if (&waiter == target_.get())
        throw_invalid_state("aya::task_handle: a task cannot await itself");
    waiter_ = &waiter;
    state_reference const keep = target_; // this awaiter may be gone once it is suspended
    if (keep->join_from(waiter, *this, *this, h))
        return true;
    waiter_ = nullptr;
    return false;
}

void join_awaiter::finish_suspended_wait() {
    bool const cancelled = waiter_->end_wait() || cancelled_;
    if (cancelled)
        waiter_->throw_cancelled();
}

} // namespace aya::detail
