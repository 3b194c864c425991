// SPDX-License-Identifier: Apache-2.0
#include <aya/detail/wait_list.hpp>

#include <aya/detail/balance.hpp>
#include <aya/errors.hpp>

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <mutex>

namespace aya::inline v1::detail {

wait_list::~wait_list() {
    for (unsigned round = 0;; ++round) {
        {
            std::lock_guard const guard(*mutex_);
            bool all_cancelled = true;
            for (waiter const* w = first_; w != nullptr; w = w->next_)
                all_cancelled = all_cancelled && w->claim_.load() == waiter::claim::canceller;
            if (!all_cancelled) {
                std::fputs("aya: a queue or a primitive of aya/sync was destroyed while tasks wait on it\n", stderr);
                std::abort();
            }
            if (first_ == nullptr)
                return;
        }
        relax(round);
    }
}

void wait_list::push_back(waiter& w) noexcept {
    count(counted::waiters, 1);
    w.list_ = this;
    w.next_ = nullptr;
    w.previous_ = last_;
    (last_ == nullptr ? first_ : last_->next_) = &w;
    last_ = &w;
}

void wait_list::unlink(waiter& w) noexcept {
    count(counted::waiters, -1);
    (w.previous_ == nullptr ? first_ : w.previous_->next_) = w.next_;
    (w.next_ == nullptr ? last_ : w.next_->previous_) = w.previous_;
}

waiter* wait_list::take_first_of_some() noexcept {
    for (waiter* w = first_; w != nullptr; w = w->next_) {
        waiter::claim expected = waiter::claim::none;
        // A waiter that a canceller has claimed stays linked: the canceller is on its way to unlink it.
        if (w->claim_.compare_exchange_strong(expected, waiter::claim::waker)) {
            unlink(*w);
            return w;
        }
        if (expected == waiter::claim::assured) {
            w->claim_.store(waiter::claim::waker);
            unlink(*w);
            return w;
        }
    }
    return nullptr;
}

wait_list::batch wait_list::take_all() noexcept {
    batch all;
    while (waiter* const w = take_first())
        all.add(*w);
    return all;
}

void wait_list::adopt(waiter& w) noexcept {
    w.claim_.store(waiter::claim::assured);
    push_back(w);
}

void wait_list::batch::add(waiter& w) noexcept {
    w.next_ = nullptr;
    (last_ == nullptr ? first_ : last_->next_) = &w;
    last_ = &w;
}

void wait_list::batch::wake_all() noexcept {
    while (first_ != nullptr) {
        waiter& w = *first_;
        first_ = w.next_; // read before the waiter may go away
        w.task_->wake();
    }
    last_ = nullptr;
}

void waiter::suspend_on(wait_list& list, task_state& task, std::coroutine_handle<> resume_point) noexcept {
    task_ = &task;
    spin_lock& mutex = *list.mutex_;
    list.push_back(*this);
    bool const cancel_pending = task.begin_wait(*this, resume_point);
    mutex.unlock(); // this object may be gone from here on
    if (cancel_pending) [[unlikely]]
        task.deliver_pending(*this);
}

void waiter::refuse_await() const {
    wait_description d;
    describe(d);
    throw invalid_state_error(fmt::format("aya::{}: awaited after it was moved from or awaited already", d.what));
}

waiter::result waiter::finish_wait() noexcept {
    bool const late_cancel = task_->end_wait();
    // Relaxed: end_wait() has acquired what the canceller did, and the wake-up itself what the waker did.
    bool const woken = claim_.load(std::memory_order_relaxed) == claim::waker;
    return {late_cancel || !woken, woken};
}

bool waiter::claim_for_cancel() noexcept {
    claim expected = claim::none;
    return claim_.compare_exchange_strong(expected, claim::canceller);
}

suspension::verdict waiter::request_cancel(cancel_walk&) noexcept {
    if (!claim_for_cancel())
        return verdict::too_late;
    std::lock_guard const guard(*list_->mutex_);
    list_->unlink(*this);
    return verdict::claimed;
}

} // namespace aya::inline v1::detail
