// SPDX-License-Identifier: Apache-2.0
#include <aya/detail/fan_in.hpp>

#include "scheduler/timer_queue.hpp"
#include "task/cancel_walk.hpp"

#include <aya/detail/scheduler.hpp>

#include <aya/errors.hpp>

#include <exception>
#include <mutex>
#include <new>
#include <utility>

namespace aya::inline v1::detail {

fan_in::fan_in(std::size_t count, fan_in_rule rule)
    : rule_(rule), references_(static_cast<std::uint32_t>(count) + 1), left_(count), capacity_(count),
      members_(count == 0 ? nullptr : static_cast<member*>(allocate_frame(count * sizeof(member)))) {}

fan_in::~fan_in() {
    std::destroy_n(members_, size_);
    if (members_ != nullptr)
        release_frame(members_, capacity_ * sizeof(member));
}

fan_in* fan_in::create(std::size_t count, fan_in_rule rule) { return new fan_in(count, rule); }

void fan_in::release() noexcept {
    // Release: this holder's last use of the block comes before its end. Acquire: the last one sees all of them.
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
        delete this;
}

void fan_in::watch(state_reference task) noexcept {
    member& m = *std::construct_at(&members_[size_++]);
    m.owner = this;
    m.task = std::move(task);
    if (!m.task->add_completion(m)) {
        (void)count_end(*m.task); // nobody waits yet
        release();
    }
}

void fan_in::watch_new(task_state& task) noexcept {
    task.next = nullptr;
    (first_new_ == nullptr ? first_new_ : last_new_->next) = &task;
    last_new_ = &task;
    member& m = *std::construct_at(&members_[size_++]);
    m.owner = this;
    m.task = state_reference::adopt(task);
    task.add_first_completion(m);
}

bool fan_in::ends_early(task_state const& t) const noexcept {
    switch (rule_) {
    case fan_in_rule::gather_values:
        return t.how() != ending::returned;
    case fan_in_rule::wait_first:
        return true;
    case fan_in_rule::wait_exception:
        return t.how() == ending::failed;
    case fan_in_rule::gather_outcomes:
    case fan_in_rule::wait_all:
        break;
    }
    return false;
}

// True when the caller has the claim to wake the waiting task.
bool fan_in::count_end(task_state& t) noexcept {
    if (gathers())
        t.mark_retrieved(); // the gather speaks for its tasks
    // Acq_rel: what this task did is visible to the parent when the last one wakes it. The usual case needs no lock.
    bool const last = left_.fetch_sub(1, std::memory_order_acq_rel) == 1;
    if (!last && !ends_early(t)) [[likely]]
        return false;
    std::lock_guard const hold(mutex_);
    if (over_)
        return false;
    over_ = true;
    if (rule_ == fan_in_rule::gather_values && t.how() != ending::returned)
        culprit_ = &t;
    return waiter_ != nullptr;
}

void fan_in::notified(completion& c, task_state& t) noexcept {
    fan_in& self = *static_cast<member&>(c).owner;
    if (self.count_end(t)) {
        task_state& waiter = *self.waiter_;
        if (self.gathers()) {
            // A parent goes on where its last child ended, before older work: depth first keeps few tasks alive.
            waiter.next = nullptr;
            waiter.home().fork(waiter);
        } else {
            waiter.wake();
        }
    }
    self.release();
}

void fan_in::expired(timer& t) noexcept {
    fan_in& self = *static_cast<deadline_timer&>(t).owner;
    bool claimed = false;
    {
        std::lock_guard const hold(self.mutex_);
        claimed = !std::exchange(self.over_, true);
    }
    if (claimed)
        self.waiter_->wake();
    self.release();
}

void fan_in::drop_new(scheduler& home) noexcept {
    for (ready* r = first_new_; r != nullptr; r = r->next) {
        auto& t = *static_cast<task_state*>(r);
        t.ensure_registered(); // nobody waits for it
        t.cancel({});
    }
    if (first_new_ != nullptr)
        home.fork(*std::exchange(first_new_, nullptr));
    // The references of those that were never watched.
    references_.fetch_sub(static_cast<std::uint32_t>(capacity_ - size_), std::memory_order_relaxed); // the caller holds one
}

bool fan_in::suspend(task_state& waiter, std::coroutine_handle<> h, std::optional<time_point> deadline) {
    bool cancel_pending = false;
    timer_queue* alarm = nullptr;
    if (first_new_ != nullptr)
        waiter.home().fork(*std::exchange(first_new_, nullptr));
    {
        std::lock_guard const hold(mutex_);
        // The last end may be counted but not be over yet: it finds the waiting task then, under the lock.
        if (over_ || size_ == 0)
            return false;
        if (deadline) {
            timer_queue& timers = waiter.home().timers();
            std::lock_guard const hold_timers(timers.mutex());
            if (timers.arm(timer_, *deadline))
                alarm = &timers;
            references_.fetch_add(1, std::memory_order_relaxed); // the timer's; the caller holds one
        }
        waiter_ = &waiter;
        cancel_pending = waiter.begin_wait(*this, h);
    }
    // This block may be gone now.
    if (alarm != nullptr) [[unlikely]]
        alarm->raise_alarm();
    if (cancel_pending) [[unlikely]]
        waiter.deliver_pending(*this);
    return true;
}

suspension::verdict fan_in::request_cancel(cancel_walk& walk) noexcept {
    std::lock_guard const hold(mutex_);
    if (over_)
        return verdict::too_late;
    if (!gathers() || walk.in_circle() || !walk.make_room(size_)) {
        cancelled_ = true;
        over_ = true;
        return verdict::claimed;
    }
    bool any = false;
    for (std::size_t i = 0; i < size_; ++i) {
        if (!members_[i].task->done()) {
            walk.forward(*members_[i].task, nullptr);
            any = true;
        }
    }
    if (!any)
        return verdict::too_late; // all have ended, and the last one is about to say so
    // The wait ends when the tasks do; it remembers the request itself, for they may ignore it.
    if (!std::exchange(cancelled_, true))
        keep_message(walk.message());
    return verdict::forwarded;
}

void fan_in::describe(wait_description& d) const noexcept {
    d.inside(gathers() ? "gather" : "wait");
    d.count = size_;
    for (std::size_t i = 0; i < size_; ++i) // they are there until the waiting task leaves
        d.add(*members_[i].task);
}

void fan_in::keep_message(std::string_view message) noexcept {
    if (message.empty())
        return;
    try {
        message_ = std::make_unique<std::string>(message);
    } catch (std::bad_alloc const&) {
        // The request counts, its text does not.
    }
}

void fan_in::finish_wait() {
    bool const late_cancel = waiter_ != nullptr && waiter_->end_wait();
    if (timer_.home != nullptr) {
        std::lock_guard const hold(timer_.home->mutex());
        if (timer_.home->disarm(timer_))
            references_.fetch_sub(1, std::memory_order_relaxed); // the timer's; the caller holds one
    }
    if (!gathers())
        stop_watching();
    // The parent leaves early: it no longer answers for them. Relaxed: a stale count only visits tasks that are done.
    else if (left_.load(std::memory_order_relaxed) != 0)
        for (std::size_t i = 0; i < size_; ++i)
            members_[i].task->ensure_registered();
    // A request that came after the end overrides it; one that came before yields to the first failure.
    if (late_cancel || (cancelled_ && !gathers()))
        waiter_->throw_cancelled();
    if (cancelled_ && culprit_ == nullptr)
        throw_cancellation();
    if (culprit_ != nullptr)
        throw_failure();
}

// What is rare stands in functions of its own: the other one needs no stack frame for it.
[[gnu::noinline]] void fan_in::throw_cancellation() { throw cancelled_error(message_ == nullptr ? std::string() : std::move(*message_)); }
[[gnu::noinline]] void fan_in::throw_failure() { std::rethrow_exception(culprit_->error()); }

void fan_in::stop_watching() noexcept {
    for (std::size_t i = 0; i < size_; ++i)
        if (members_[i].task->remove_completion(members_[i]))
            references_.fetch_sub(1, std::memory_order_relaxed); // the watch's; the caller holds one
}

} // namespace aya::inline v1::detail
