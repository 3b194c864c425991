// SPDX-License-Identifier: Apache-2.0
// How a worker goes to sleep, for how long, and where. lib/README.md has the argument why no wake-up is lost.
#include "executors/clock_source.hpp"
#include "executors/runtime_core.hpp"
#include "executors/thread_pool.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace aya::inline v1::detail {

time_point thread_pool::next_deadline() const noexcept {
    time_point earliest = foreign_timers_.earliest();
    for (auto const& w : workers_)
        earliest = std::min(earliest, w->timers.earliest());
    return earliest;
}

void thread_pool::sleep(worker& w) noexcept {
    if (w.called)
        helped(w, false);
    auto const role = idle_.begin_sleep(w.index, may_guard(w));
    bool const attends = role == idle_set::role::watcher || role == idle_set::role::last_watcher;
    // After the announcement: whoever injects now sees a sleeper, whoever injected before is seen here.
    bool stay_awake = !injected_.empty() || stopping_.load();
    time_point deadline = time_point::max();
    if (stay_awake) {
        // Nothing to compute.
    } else if (!attends) {
        if (role == idle_set::role::guard)
            deadline = time_point(std::chrono::steady_clock::now()) + worker::longest_watch;
        // A timer of this worker's that is due before the watcher wakes; or somebody is awake, and has called nobody because this worker searched,
        // but the watcher was the last one to fall asleep then and looks at nothing before the next timer.
        auto const state = idle_.hint(); // at least as new as this worker's own announcement
        if (next_deadline() < idle_.watcher_deadline() || (!state.watched && state.sleeping < workers_.size()))
            wake_one(true);
    } else if (clock_.is_virtual) {
        stay_awake = role == idle_set::role::last_watcher && advance_virtual_time();
        // A job outside ends a moment after it has woken its task: look again soon whether time may go on.
        if (next_deadline() != time_point::max())
            deadline = time_point(std::chrono::steady_clock::now()) + worker::longest_watch;
    } else {
        // Published, then computed again: a worker that arms a timer sees the deadline published here, or its timer is seen here.
        do {
            deadline = next_deadline();
            idle_.publish_watcher_deadline(deadline);
        } while (next_deadline() < deadline);
    }
    if (role == idle_set::role::watcher) {
        deadline = std::min(deadline, time_point(std::chrono::steady_clock::now()) + w.watch_period);
        w.watch_period = std::min(w.watch_period * 2, worker::longest_watch);
    }
    // After the announcement: attach() sees a watcher, or the watcher sees its driver here.
    io_driver* const driver = attends ? driver_.load() : nullptr;
    if (!stay_awake)
        park(w, deadline, driver);
    if (idle_.end_sleep(w.index))
        awake(w);
    if (driver_.load(std::memory_order_relaxed) != nullptr) // a rate
        note_pace(w);
    if (driver != nullptr && (w.queue.size() != 0 || !w.lane.deque.empty()))
        help_wanted(w);
    w.watched_long = false;
    if (role == idle_set::role::watcher || role == idle_set::role::guard) {
        // Also where calls that come one after another let no period end.
        auto const now = time_point(std::chrono::steady_clock::now());
        w.watched_long = !w.called || now - w.looked_long >= worker::longest_watch;
        if (w.watched_long)
            w.looked_long = now;
    }
}

// Where there is I/O, the watcher is in the driver, and leaves it for each event. As long as something runs now and then, one of those who sleep besides
// does so for 2 ms at a time, so that nobody has to be woken each time to watch.
bool thread_pool::may_guard(worker& w) const noexcept {
    // Relaxed: who attaches it wakes somebody.
    if (driver_.load(std::memory_order_relaxed) == nullptr || clock_.is_virtual)
        return false;
    if (auto const state = idle_.hint(); !state.attended || state.guarded)
        return false; // before the look at all workers' counts, which they write all the time
    std::uint64_t const now = steps();
    return std::exchange(w.steps_seen, now) != now;
}

void thread_pool::note_pace(worker& w) noexcept { w.pace.note(time_point(std::chrono::steady_clock::now()), w.steps.get()); }

void thread_pool::park_there(worker& w, time_point deadline, io_driver* driver) noexcept {
    if (driver == nullptr) {
        (void)w.sleep.park(deadline);
    } else if (driver->try_enter()) {
        w.in_driver = true;
        (void)w.sleep.park(deadline, driver);
        w.in_driver = false;
        driver->leave();
    } else {
        // Another worker is looking, and is awake: this one looks again in a moment, which is longer if that one has lost its CPU.
        (void)w.sleep.park(std::min(deadline, time_point(std::chrono::steady_clock::now()) + worker::shortest_watch));
    }
}

void thread_pool::attach(io_driver& driver) noexcept {
    driver_.store(&driver);
    if (idle_.exact().sleeping != 0)
        wake_one(true); // a watcher that has not seen it
}

// If everybody sleeps (somebody may have been woken since this worker was the last one to announce it), and nothing outside is under
// way either, the next thing to happen is the next deadline.
bool thread_pool::advance_virtual_time() noexcept {
    return idle_.while_all_sleep([this] {
        // `outside` first: a job there queues its task, and a step there arms its timers, before it counts itself off.
        if (clock_.outside.load() != 0 || clock_.waiting.load() == 0 || !injected_.empty())
            return false;
        time_point const deadline = next_deadline();
        if (deadline == time_point::max())
            return false;
        clock_.advance_to(std::max(deadline, clock_.now()));
        return true;
    });
}

} // namespace aya::inline v1::detail
