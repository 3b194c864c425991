// SPDX-License-Identifier: Apache-2.0
#include <aya/detail/completion_stream.hpp>

#include "scheduler/timer_queue.hpp"

#include <aya/detail/scheduler.hpp>
#include <aya/errors.hpp>

#include <mutex>

namespace aya::inline v1::detail {

void completion_stream::grow(std::size_t more) {
    if (more == 0)
        return;
    auto fresh = std::make_unique<block>(places(), more);
    for (std::size_t i = 0; i < more; ++i) {
        fresh->members[i].owner = this;
        fresh->members[i].place = fresh->first + i;
    }
    std::lock_guard const hold(mutex_);
    fresh->older = std::move(newest_);
    newest_ = std::move(fresh);
}

void completion_stream::release() noexcept {
    // Release: this holder's last use comes before the end. Acquire: the last one sees all of them.
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
        delete this;
}

void completion_stream::watch(std::size_t place, state_reference task) noexcept {
    block const* in = newest_.get();
    while (place < in->first)
        in = in->older.get();
    member& m = in->members[place - in->first];
    {
        std::lock_guard const hold(mutex_);
        m.task = task;
        ++left_;
    }
    add_reference(); // the watch's
    if (!task->add_completion(m))
        notified(m, *task);
}

// With the lock held: to the one who waits longest, who is to be woken, or to the list.
waiter* completion_stream::offer(member& m, bool first) noexcept {
    if (waiter* const w = waiters_.take_first()) {
        static_cast<next_awaiter*>(w)->got_ = &m;
        return w;
    }
    m.following = first ? ended_ : nullptr;
    if (ended_ == nullptr)
        ended_ = last_ended_ = &m;
    else if (first)
        ended_ = &m;
    else
        last_ended_ = last_ended_->following = &m;
    return nullptr;
}

void completion_stream::notified(completion& c, task_state&) noexcept {
    auto& m = static_cast<member&>(c);
    completion_stream& self = *m.owner;
    waiter* woken = nullptr;
    {
        std::lock_guard const hold(self.mutex_);
        if (!self.expired_)
            woken = self.offer(m, false);
    }
    if (woken != nullptr)
        woken->task().wake();
    self.release();
}

void completion_stream::arm(scheduler& home, time_point deadline) {
    timer_queue& timers = home.timers();
    bool is_earliest = false;
    {
        std::lock_guard const hold(timers.mutex());
        is_earliest = timers.arm(timer_, deadline);
        add_reference(); // the timer's
    }
    if (is_earliest) [[unlikely]]
        timers.raise_alarm();
}

void completion_stream::fired(timer& t) noexcept {
    completion_stream& self = *static_cast<deadline_timer&>(t).owner;
    wait_list::batch woken;
    {
        std::lock_guard const hold(self.mutex_);
        self.expired_ = true;
        woken = self.waiters_.take_all();
    }
    woken.wake_all();
    self.release();
}

void completion_stream::close() noexcept {
    if (timer_.home != nullptr) {
        bool disarmed = false;
        {
            std::lock_guard const hold(timer_.home->mutex());
            disarmed = timer_.home->disarm(timer_);
        }
        if (disarmed)
            release(); // the timer's
    }
    wait_list::batch woken;
    {
        std::lock_guard const hold(mutex_);
        left_ = 0;
        woken = waiters_.take_all();
    }
    woken.wake_all();
    if (kept_ == nullptr)
        for_each_member([&](member& m) {
            state_reference task;
            {
                std::lock_guard const hold(mutex_);
                task = m.task; // somebody may be taking it
            }
            if (task && task->remove_completion(m))
                release(); // the watch's
        });
    release();
}

void completion_stream::cancel_all() {
    for_each_member([](member& m) {
        if (m.task)
            m.task->cancel({});
    });
}

void completion_stream::answer_for_all() noexcept {
    for_each_member([](member& m) {
        if (m.task)
            m.task->answer_for();
    });
}

// One that ended, or null for a timeout, if any is left.
completion_stream::item completion_stream::take(member* m) {
    item result;
    wait_list::batch woken;
    bool timed_out = false;
    {
        std::lock_guard const hold(mutex_);
        if (left_ == 0)
            return result;
        timed_out = m == nullptr;
        if (m != nullptr)
            result = item(m->place, std::move(m->task));
        if (--left_ == 0)
            woken = waiters_.take_all();
    }
    woken.wake_all();
    if (timed_out)
        throw timeout_error();
    return result;
}

bool completion_stream::next_awaiter::suspend(task_state& task, std::coroutine_handle<> h) noexcept {
    completion_stream& s = *stream_;
    s.mutex_.lock();
    got_ = s.ended_;
    if (got_ != nullptr)
        s.ended_ = got_->following;
    if (got_ != nullptr || s.expired_ || s.left_ == 0) {
        s.mutex_.unlock();
        return false;
    }
    suspend_on(s.waiters_, task, h);
    return true;
}

void completion_stream::next_awaiter::describe(wait_description& d) const noexcept {
    d.inside("as_completed");
    if (stream_ != nullptr)
        stream_->describe_to(d);
}

void completion_stream::describe_to(wait_description& d) noexcept {
    std::lock_guard const hold(mutex_);
    d.count = left_;
    for_each_member([&](member& m) {
        if (m.task)
            d.add(*m.task);
    });
}

completion_stream::item completion_stream::next_awaiter::finish() {
    if (suspended() && finish_wait().cancelled) {
        waiter* woken = nullptr;
        if (got_ != nullptr) { // to the next one
            std::lock_guard const hold(stream_->mutex_);
            if (stream_->left_ != 0)
                woken = stream_->offer(*got_, true);
        }
        if (woken != nullptr)
            woken->task().wake();
        task().throw_cancelled();
    }
    return stream_->take(got_);
}

} // namespace aya::inline v1::detail
