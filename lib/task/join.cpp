// SPDX-License-Identifier: Apache-2.0
#include <aya/detail/join.hpp>

#include "task/cancel_walk.hpp"

#include <aya/detail/spin_lock.hpp>
#include <aya/errors.hpp>
#include <aya/task_handle.hpp>

namespace aya::inline v1::detail {

void join_awaiter::notified(completion& c, task_state& target) noexcept {
    auto& self = static_cast<join_awaiter&>(c);
    task_state& waiter = *self.waiter_;
    claim expected = claim::none;
    if (self.claim_.compare_exchange_strong(expected, claim::target)) {
        if (target.is_forked()) {
            // It goes on where its child ended, before older work: depth first keeps few tasks alive.
            waiter.next = nullptr;
            waiter.home().fork(waiter);
        } else {
            waiter.wake();
        }
    } else {
        self.claim_.store(claim::canceller_seen);
    }
    // The awaiter may be gone now.
}

suspension::verdict join_awaiter::request_cancel(cancel_walk& walk) noexcept {
    if (!shielded_ && !walk.in_circle()) {
        if (target_->done())
            return verdict::too_late;
        if (walk.make_room(1)) {
            walk.forward(*target_, waiter_);
            return verdict::forwarded;
        }
    }
    claim expected = claim::none;
    return claim_.compare_exchange_strong(expected, claim::canceller) ? verdict::claimed : verdict::too_late;
}

void join_awaiter::describe(wait_description& d) const noexcept {
    d.inside(shielded_ ? "shield" : "task");
    d.count = 1;
    d.add(*target_);
}

bool join_awaiter::suspend(task_state& waiter, std::coroutine_handle<> h) {
    if (&waiter == target_)
        throw_invalid_state("aya::task_handle: a task cannot await itself");
    if (&waiter.home() != &target_->home() && !same_runtime(waiter.home(), *target_))
        throw_other_runtime("aya::task_handle");
    waiter_ = &waiter;
    state_reference const keep = kept_; // this awaiter may be gone once it is suspended
    if (keep->join_from(waiter, *this, *this, h)) {
        current_thread->current = {}; // the waiter may run elsewhere by now, and `keep` may be the last reference, which runs foreign code
        return true;
    }
    waiter_ = nullptr;
    return false;
}

void join_awaiter::finish_suspended_wait() {
    bool const late_cancel = waiter_->end_wait();
    bool const claimed = claim_.load() != claim::target;
    if (claimed && !target_->remove_completion(*this))
        for (unsigned round = 0; claim_.load() != claim::canceller_seen; ++round)
            relax(round); // the target's end is on its way through notified()
    if (late_cancel || claimed)
        waiter_->throw_cancelled();
}

} // namespace aya::inline v1::detail
