// SPDX-License-Identifier: Apache-2.0
#include "executors/event_loop.hpp"

#include "executors/clock_source.hpp"
#include "executors/current_thread.hpp"

#include <algorithm>
#include <utility>

namespace aya::detail {

time_point event_loop::now() const noexcept { return clock_.now(); }

void event_loop::schedule(ready& r) noexcept {
    r.next = nullptr;
    if (this_thread() == &context_) [[likely]] {
        *last_ = &r;
        last_ = &r.next;
        return;
    }
    // A stack that is only ever emptied whole, so it has no ABA problem; turned round, it is a queue.
    ready* head = posted_.load(std::memory_order_relaxed); // first guess
    do {
        r.next = head;
        // Seq_cst: what `r` points to is visible to the loop, and the loop's check before it parks comes before or after this.
    } while (!posted_.compare_exchange_weak(head, &r));
    // Only the first post since the loop looked must wake it; the others found it told already.
    if (head == nullptr)
        sleep_.unpark();
}

void event_loop::fork(ready& chain) noexcept {
    for (ready* r = &chain; r != nullptr;) {
        ready* const next = r->next;
        schedule(*r);
        r = next;
    }
}

void event_loop::take_posted() noexcept {
    if (posted_.load(std::memory_order_relaxed) == nullptr) // looked at again before the loop parks
        return;
    ready* newest = posted_.exchange(nullptr);
    ready* oldest = nullptr;
    while (newest != nullptr) {
        ready* const next = std::exchange(newest->next, oldest);
        oldest = std::exchange(newest, next);
    }
    while (oldest != nullptr) {
        ready* const next = std::exchange(oldest->next, nullptr);
        *last_ = oldest;
        last_ = &oldest->next;
        oldest = next;
    }
}

void event_loop::fire_due_timers() noexcept {
    if (timers_.next() == time_point::max())
        return;
    time_point const now = clock_.now();
    while (timer* const t = timers_.pop_due(now))
        t->expire(*t);
}

void event_loop::run_ready() noexcept {
    // What becomes ready meanwhile waits for the next turn, so timers and posts are never starved.
    ready* turn = std::exchange(first_, nullptr);
    last_ = &first_;
    while (turn != nullptr) {
        ready* const r = turn;
        turn = r->next;
        r->run(*r);
    }
}

void event_loop::run_until(std::atomic<bool> const& done) noexcept {
    thread_context* const outer = this_thread();
    enter_thread(context_);
    for (;;) {
        take_posted();
        fire_due_timers();
        if (done.load())
            break; // what is ready otherwise waits for the next run
        if (first_ != nullptr)
            run_ready();
        else
            sleep(done);
    }
    if (outer != nullptr)
        enter_thread(*outer);
    else
        leave_thread();
}

void event_loop::sleep(std::atomic<bool> const& done) noexcept {
    time_point deadline = timers_.next();
    if (clock_.is_virtual) {
        if (deadline != time_point::max() && clock_.outside.load() == 0 && posted_.load() == nullptr && !done.load()) {
            clock_.advance_to(std::max(deadline, clock_.now()));
            return;
        }
        // A job outside ends a moment after it has woken its task: look again soon whether time may go on.
        if (deadline != time_point::max())
            deadline = time_point(std::chrono::steady_clock::now()) + std::chrono::milliseconds(1);
    }
    // A post or a wake() after the checks of this turn has left its token in the parker.
    sleep_.park(deadline);
}

} // namespace aya::detail
