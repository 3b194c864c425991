// SPDX-License-Identifier: Apache-2.0
#include "executors/thread_pool.hpp"

#include "executors/clock_source.hpp"
#include "executors/current_thread.hpp"
#include "executors/runtime_core.hpp"
#include "executors/thread_setup.hpp"

#include <aya/detail/balance.hpp>
#include <aya/detail/spin_lock.hpp>

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

namespace aya::inline v1::detail {

namespace {

// How often woken tasks go before forked work, so that a storm of forks cannot starve them.
constexpr std::uint32_t woken_interval = 16;
// How often the oldest forked work goes first, so that newer forks cannot starve it for ever. Rare, because each time leaves one more
// computation half done.
constexpr std::uint32_t oldest_interval = 1024;
constexpr std::size_t most_at_once = 64;
constexpr std::uint32_t most_fruitless = 10; // one call for help in 1024 pushes
// What a stolen task takes at least, when its frame, its state and its result have to move between cores: a theft that kept the thief busy for
// less was not worth it.
constexpr duration theft_cost = std::chrono::nanoseconds(1500);

} // namespace

thread_pool::thread_pool(runtime_core& owner, bool debug, std::size_t workers, bool lazy, thread_setup const& setup, clock_source& clock)
    : scheduler(owner, debug, registry_), clock_(clock), setup_(setup), lazy_(lazy), registry_(workers), idle_(static_cast<std::uint32_t>(workers)) {
    for (std::size_t i = 0; i < workers; ++i) {
        auto w = std::make_unique<worker>(workers > 1, idle_);
        w->home = this;
        if (debug)
            w->forks = nullptr; // each child of a gather is a task that can be looked at
        w->index = static_cast<std::uint32_t>(i);
        w->random = w->index + 1;
        w->watch_period = worker::shortest_watch;
        workers_.push_back(std::move(w));
    }
    if (lazy_) {
        for (std::size_t i = 0; i < workers; ++i) // the first one is taken first
            idle_.add_unstarted(static_cast<std::uint32_t>(i));
        return;
    }
    try {
        for (auto& w : workers_)
            start(*w, false);
    } catch (...) {
        // Fewer threads than asked for: what started must stop before its queues go away.
        stopping_.store(true);
        for (auto& w : workers_) {
            w->sleep.unpark();
            if (w->thread.joinable())
                w->thread.join();
        }
        throw;
    }
}

thread_pool::~thread_pool() {
    {
        std::lock_guard const guard(starting_);
        stopping_.store(true);
    }
    for (auto& w : workers_)
        w->sleep.unpark();
    for (auto& w : workers_)
        if (w->thread.joinable())
            w->thread.join();
    for (unsigned round = 0; (posting_.load() & posting_mask) != 0; ++round)
        relax(round);
}

time_point thread_pool::now() const noexcept { return clock_.now(); }
bool thread_pool::is_over(time_point t) const noexcept { return clock_.is_over(t); }

// For who is about to arm one, and may be long about its step afterwards.
timer_queue& thread_pool::timers() noexcept {
    thread_context* const context = current_thread;
    if (context == nullptr || context->home != this)
        return foreign_timers_;
    auto& w = static_cast<worker&>(*context);
    if (w.lane.somebody_sleeps()) [[unlikely]]
        (void)watched_over(w);
    return w.timers;
}

void thread_pool::schedule(ready& r) noexcept {
    thread_context* const context = current_thread;
    if (context != nullptr && context->home == this) {
        auto& w = static_cast<worker&>(*context);
        push(w, r);
        help_wanted(w);
        return;
    }
    // As soon as `r` can be taken, the runtime may come to its end: its destructor waits until this thread is out.
    posting_.fetch_add(one_post);
    (void)injected_.push(r);
    auto const state = idle_.exact();
    if (state.sleeping != 0 && state.searching == 0)
        wake_one(false);
    posting_.fetch_sub(1);
}

// The injection queue needs no memory: what a full queue that cannot grow has no room for is not lost.
void thread_pool::push(worker& w, ready& r) noexcept {
    if (!w.queue.push(r)) [[unlikely]] {
        overflowed_.fetch_add(1, std::memory_order_relaxed); // a figure, for metrics
        (void)injected_.push(r);
    }
}

void thread_pool::fork(ready& chain) noexcept {
    thread_context* const context = current_thread;
    if (context == nullptr || context->home != this) {
        for (ready* r = &chain; r != nullptr;) {
            ready* const next = r->next;
            schedule(*r);
            r = next;
        }
        return;
    }
    auto& w = static_cast<worker&>(*context);
    // The last one goes in first, so that the first one is the next to run and the others are stolen last to first.
    ready* reversed = nullptr;
    for (ready* r = &chain; r != nullptr;) {
        ready* const next = std::exchange(r->next, reversed);
        reversed = std::exchange(r, next);
    }
    bool const several = reversed->next != nullptr;
    while (reversed != nullptr) {
        ready* const next = reversed->next;
        if (!w.lane.deque.push(*reversed))
            push(w, *reversed);
        reversed = next;
    }
    if (several)
        help_wanted(w);
    else if (w.lane.somebody_sleeps()) [[unlikely]]
        (void)watched_over(w);
}

void thread_pool::fork_child(task_state& child) noexcept {
    thread_context* const context = current_thread;
    // With one worker, tasks take their first steps in the order of their creation, as on an event loop.
    if (context == nullptr || context->home != this || workers_.size() == 1) {
        schedule(child);
        return;
    }
    child.mark_forked();
    static_cast<worker&>(*context).lane.push(*context, child);
}

// After a push of the worker's own: it may be long about its step. True if a watcher looks every millisecond or two whether it is; where nobody
// does, nor searches, the one is woken who will. Who searches does the same when it gives up (sleep) or has found something else (keep_watched).
bool thread_pool::watched_over(worker& w) noexcept {
    auto const state = idle_.hint();
    if (state.sleeping == 0 || state.searching != 0) [[likely]]
        return false;
    if (w.in_driver)
        return false; // what it wakes there is looked at when it is out
    if (!state.watched)
        wake_one(true);
    return state.watched;
}

// The same, and wakes a helper when there is more than this worker will get to in a moment.
void thread_pool::help_wanted(worker& w) noexcept {
    if (!watched_over(w)) [[likely]]
        return;
    // Half of what is queued would be the helper's.
    auto const woken = static_cast<std::int64_t>(w.queue.size());
    if (w.lane.deque.empty() && (woken < 2 || woken * (w.pace.mean() - worker::move_cost) < 2 * worker::wake_cost))
        return;
    // Relaxed: a rate, nothing depends on it; while calls are skipped the watcher still looks every millisecond or two.
    if (++w.unanswered < 1U << fruitless_.load(std::memory_order_relaxed))
        return;
    w.unanswered = 0;
    wake_one(false);
}

void fork_lane::push_elsewhere(thread_context& here, ready& r) noexcept {
    auto& w = static_cast<thread_pool::worker&>(here);
    static_cast<thread_pool&>(*w.home).push(w, r);
}

void fork_lane::want_help(thread_context& here) noexcept {
    auto& w = static_cast<thread_pool::worker&>(here);
    static_cast<thread_pool&>(*w.home).help_wanted(w);
}

// A called helper has found work, or is about to sleep again without.
void thread_pool::helped(worker& w, bool found) noexcept {
    w.called = false;
    std::uint32_t const before = fruitless_.load(std::memory_order_relaxed); // a rate, see help_wanted
    std::uint32_t const after = found ? before / 2 : std::min(before + 1, most_fruitless);
    if (after != before)
        fruitless_.store(after, std::memory_order_relaxed);
}

void thread_pool::wake_one(bool need_watcher) noexcept {
    // Where a thread could not be started a moment ago, those that there are must do. Relaxed: a rate.
    time_point const pause_ends = start_again_.load(std::memory_order_relaxed);
    if (pause_ends == time_point() || pause_ends <= time_point(std::chrono::steady_clock::now())) [[likely]] {
        std::uint32_t const chosen = idle_.take_sleeper(need_watcher);
        if (chosen == idle_set::nobody)
            return;
        worker& w = *workers_[chosen];
        if (w.started) [[likely]] {
            w.sleep.unpark();
            return;
        }
        if (start_late(w))
            return;
    }
    std::uint32_t const chosen = idle_.take_sleeper(need_watcher, [this](std::uint32_t i) { return workers_[i]->started; });
    if (chosen != idle_set::nobody)
        workers_[chosen]->sleep.unpark();
}

// The deadline is published: a worker that announced its sleep before is woken to look again, one that announces it later sees it.
void thread_pool::wake_for_timer(void* pool) noexcept {
    auto& self = *static_cast<thread_pool*>(pool);
    if (self.idle_.exact().sleeping != 0)
        self.wake_one(true);
}

// Part of the loop below, whatever the compiler thinks of its size: a call more a step is a part of a spawn.
[[gnu::always_inline]] inline ready* thread_pool::next(worker& w) noexcept {
    std::uint64_t const tick = w.steps.add(1);
    if (--w.lane.turns_left == 0) [[unlikely]] {
        w.lane.turns_left = fork_lane::fairness_interval;
        fire_due_timers(false, w);
        poll_sockets(w);
        if (ready* const r = take_injected(w))
            return r;
        if (ready* const r = w.queue.pop())
            return r;
    }
    if (tick % oldest_interval == 0) [[unlikely]]
        if (ready* const r = w.lane.deque.steal())
            return r;
    if (tick % woken_interval != 0) [[likely]]
        if (ready* const r = w.lane.deque.pop())
            return r;
    if (ready* const r = w.queue.pop())
        return r;
    if (ready* const r = w.lane.deque.pop())
        return r;
    return search(w);
}

void thread_pool::run_worker(worker& w, bool woken) noexcept {
    counted_scope const here(counted::threads);
    w.awake_since.store(std::chrono::steady_clock::now().time_since_epoch().count(), std::memory_order_relaxed); // a figure, for metrics
    setup_.worker_starts(w.index);
    enter_thread(w);
    if (woken)
        awake(w);
    while (ready* const r = next(w)) {
        w.watch_period = worker::shortest_watch;
        if (watched()) [[unlikely]]
            owner().run_watched(*r, r->run);
        else
            r->run(*r);
    }
    leave_thread();
    setup_.worker_stops(w.index);
}

// Out of work again: did the last theft keep this worker busy for longer than it cost? If not, it steals again only when it is called,
// or when something has waited for a watch period, so that a second worker does not get in the way of fine-grained work.
void thread_pool::judge_theft(worker& w) noexcept {
    duration const busy = time_point(std::chrono::steady_clock::now()) - w.stolen_at;
    w.steals_pay = busy >= theft_cost * static_cast<std::int64_t>(w.stolen);
    w.stolen = 0;
    helped(w, w.steals_pay);
}

// What timers and handlers have made ready: tasks in the queue, a gather's parents in the deque.
ready* thread_pool::next_own(worker& w) noexcept {
    ready* const r = w.queue.pop();
    return r != nullptr ? r : w.lane.deque.pop();
}

ready* thread_pool::search(worker& w) noexcept {
    if (w.stolen != 0)
        judge_theft(w);
    for (;;) {
        fire_due_timers(false, w);
        ready* r = next_own(w);
        if (r == nullptr)
            r = take_injected(w);
        if (r == nullptr) {
            poll_sockets(w);
            r = next_own(w);
        }
        if (r != nullptr) {
            if (w.called)
                helped(w, true);
            keep_watched(w);
            return r;
        }
        bool const steals = w.steals_pay || w.called || w.watched_long;
        // A call on another thread may be over in a moment.
        bool const expects = clock_.outside.load() != 0 && w.for_answers.willing();
        if ((steals || expects) && idle_.begin_search()) {
            if (steals)
                r = steal(w);
            if (r == nullptr && expects)
                r = await_answer(w);
            // The last searcher hands the search on when it found something: there may be more.
            if (idle_.end_search() && r != nullptr && w.steals_pay && anything_to_steal(w))
                wake_one(false);
            if (r != nullptr) {
                keep_watched(w);
                return r;
            }
        }
        // Whether thefts pay or not: timers of the others are never left to wait.
        if (fire_due_timers(true, w))
            continue;
        if (stopping_.load()) {
            // The flag was set after the last task had ended; what is left are posted callbacks, which their owners run to the end.
            if (injected_.empty())
                return nullptr;
            continue;
        }
        sleep(w);
    }
}

// Who pushed while this worker searched, or was on its way to, has called nobody (watched_over, schedule). Now that it has found work, and
// may be long about it, somebody else has to look after the rest: what is queued here or with others who are awake, posts, timers that are due before
// any sleeper wakes, and sockets, if this worker was the one that waited for them.
void thread_pool::keep_watched(worker const& w) noexcept {
    auto const state = idle_.hint(); // at least as new as this worker's own end_search()
    if (state.sleeping == 0 || state.searching != 0)
        return;
    // Relaxed: of this worker's own making, or of one who has called somebody (attach).
    bool const sockets_alone = !state.attended && driver_.load(std::memory_order_relaxed) != nullptr;
    if (state.watched) {
        // By the guard, if the sockets are alone: it looks at them late if this worker is long about its steps.
        if (sockets_alone && w.pace.mean() >= worker::long_step)
            wake_one(true);
        return;
    }
    bool const others_awake = state.sleeping + 1 < workers_.size();
    bool const more_here = w.queue.size() != 0 || !w.lane.deque.empty();
    if (others_awake || more_here || !injected_.empty() || sockets_alone ||
        next_deadline() < (state.attended ? idle_.watcher_deadline() : time_point::max()))
        wake_one(true);
}

// As a searcher: who posts meanwhile wakes nobody, and who pushes calls nobody, so that this worker steals once more before it sleeps.
ready* thread_pool::await_answer(worker& w) noexcept {
    if (w.for_answers.look(next_deadline(), [this] { return !injected_.empty(); }))
        if (ready* const r = take_injected(w)) {
            if (w.called)
                helped(w, true);
            return r;
        }
    return w.steals_pay || w.called || w.watched_long ? steal(w) : nullptr;
}

ready* thread_pool::take_injected(worker& w) noexcept {
    ready* const first = injected_.pop_all();
    if (first == nullptr)
        return nullptr;
    ready* rest = first->next;
    std::uint64_t taken = 1;
    for (ready* r = rest; r != nullptr; ++taken) {
        ready* const next = r->next;
        push(w, *r);
        r = next;
    }
    accepted_.fetch_add(taken, std::memory_order_relaxed); // a figure, for metrics
    if (rest != nullptr)
        help_wanted(w);
    return first;
}

void thread_pool::note_theft(worker& w, std::size_t tasks) noexcept {
    w.stolen = tasks;
    w.stolen_at = std::chrono::steady_clock::now();
    w.steals.add(1);
    w.stolen_in_all.add(tasks);
    if (watched()) [[unlikely]]
        owner().trace_theft(tasks);
}

ready* thread_pool::steal(worker& w) noexcept {
    std::size_t const n = workers_.size();
    std::array<ready*, most_at_once> items;
    w.random = w.random * 1664525 + 1013904223; // any start will do; the multiplier is Knuth's
    std::size_t const start = (w.random >> 16) % n;
    for (std::size_t i = 0; i < n; ++i) {
        worker& victim = *workers_[(start + i) % n];
        if (&victim == &w)
            continue;
        if (ready* const r = victim.lane.deque.steal()) {
            note_theft(w, 1);
            return r;
        }
        std::size_t const taken = victim.queue.steal(items.data(), items.size(), w.watched_long);
        if (taken == 0)
            continue;
        note_theft(w, taken);
        for (std::size_t k = 1; k < taken; ++k)
            push(w, *items[k]);
        return items[0];
    }
    return nullptr;
}

bool thread_pool::anything_to_steal(worker const& w) const noexcept {
    return std::any_of(workers_.begin(), workers_.end(), [&](auto const& other) {
        return !other->lane.deque.empty() || other->queue.size() > (other.get() == &w ? 0 : 1);
    });
}

bool thread_pool::fire_due_timers(bool of_all, worker& w) noexcept {
    bool any = false;
    auto const fire = [&](timer_queue& timers, time_point now) {
        while (timer* const t = timers.pop_due(now)) {
            t->expire(*t);
            any = true;
        }
    };
    if (!of_all) {
        if (w.timers.next() != time_point::max())
            fire(w.timers, clock_.now());
        return any;
    }
    if (next_deadline() == time_point::max())
        return false;
    time_point const now = clock_.now();
    fire(foreign_timers_, now);
    for (auto& other : workers_)
        fire(other->timers, now);
    return any;
}

void thread_pool::poll_sockets(worker& w) noexcept {
    if (io_driver* const driver = driver_.load(std::memory_order_acquire)) { // pairs with attach()'s store: its construction
        note_pace(w);
        driver->poll_if_free();
        note_pace(w); // handlers that ran there are no steps
    }
}

// Who woke this worker counted it as searching.
void thread_pool::awake(worker& w) noexcept {
    idle_.end_search();
    w.called = true;
}

} // namespace aya::inline v1::detail
