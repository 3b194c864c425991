// SPDX-License-Identifier: Apache-2.0
#include "executors/event_loop.hpp"

#include "executors/clock_source.hpp"
#include "executors/current_thread.hpp"
#include "executors/runtime_core.hpp"

#include <aya/detail/spin_lock.hpp>

#include <algorithm>
#include <utility>

namespace aya::inline v1::detail {

namespace {

/// Makes the calling thread the loop's for a while.
class loop_thread {
public:
    explicit loop_thread(thread_context& c) noexcept : outer_(this_thread()) { enter_thread(c); }
    ~loop_thread() {
        if (outer_ != nullptr)
            enter_thread(*outer_);
        else
            leave_thread();
    }
    loop_thread(loop_thread const&) = delete;
    loop_thread& operator=(loop_thread const&) = delete;

private:
    thread_context* outer_;
};

} // namespace

time_point event_loop::now() const noexcept { return clock_.now(); }
bool event_loop::is_over(time_point t) const noexcept { return clock_.is_over(t); }

void event_loop::schedule(ready& r) noexcept {
    r.next = nullptr;
    if (this_thread() == &context_) [[likely]] {
        *last_ = &r;
        last_ = &r.next;
        return;
    }
    // As soon as `r` can be taken, the runtime may come to its end: its destructor waits until this thread is out.
    posting_.fetch_add(1);
    // Only the first post since the loop looked must wake it; the others found it told already.
    if (posted_.push(r))
        wake();
    posting_.fetch_sub(1);
}

event_loop::~event_loop() {
    for (unsigned round = 0; posting_.load() != 0; ++round)
        relax(round);
}

void event_loop::fork(ready& chain) noexcept {
    for (ready* r = &chain; r != nullptr;) {
        ready* const next = r->next;
        schedule(*r);
        r = next;
    }
}

void event_loop::take_posted() noexcept {
    for (ready* r = posted_.pop_all(); r != nullptr;) {
        ready* const next = std::exchange(r->next, nullptr);
        *last_ = r;
        last_ = &r->next;
        r = next;
    }
}

// Tasks on executors arm timers from other threads.
void event_loop::wake_for_timer(void* loop) noexcept {
    auto& self = *static_cast<event_loop*>(loop);
    if (this_thread() != &self.context_)
        self.wake();
}

void event_loop::fire_due_timers() noexcept {
    if (timers_.next() == time_point::max())
        return;
    time_point const now = clock_.now();
    while (timer* const t = timers_.pop_due(now))
        t->expire(*t);
}

// Once a turn, and turns are short: inlined into those that go round.
[[gnu::always_inline]] inline std::size_t event_loop::run_ready() noexcept {
    if (order_ != nullptr) [[unlikely]] {
        ready& r = take_chosen();
        r.run(r);
        steps_.add(1);
        return 1;
    }
    // What becomes ready meanwhile waits for the next turn, so timers and posts are never starved.
    ready* turn = std::exchange(first_, nullptr);
    last_ = &first_;
    std::size_t steps = 0;
    for (; turn != nullptr; ++steps) {
        ready* const r = turn;
        turn = r->next;
        if (watched()) [[unlikely]]
            owner().run_watched(*r, r->run);
        else
            r->run(*r);
    }
    steps_.add(steps);
    return steps;
}

[[gnu::noinline]] ready& event_loop::take_chosen() noexcept {
    std::size_t count = 0;
    for (ready const* r = first_; r != nullptr; r = r->next)
        ++count;
    ready** place = &first_;
    for (std::size_t skip = order_->choose(count); skip != 0; --skip)
        place = &(*place)->next;
    ready& chosen = **place;
    if (last_ == &chosen.next)
        last_ = place;
    *place = std::exchange(chosen.next, nullptr);
    return chosen;
}

void event_loop::run_until(std::atomic<bool> const& done) noexcept {
    loop_thread const here(context_);
    for (;;) {
        take_posted();
        fire_due_timers();
        if (done.load())
            break; // what is ready otherwise waits for the next run
        if (first_ != nullptr)
            poll_sockets(run_ready());
        else
            sleep(done, time_point::max());
    }
    tell_host();
}

void event_loop::read_metrics(runtime_metrics& m) noexcept {
    worker_metrics mine;
    mine.steps = steps_.get();
    mine.parks = parks_.get();
    m.workers.push_back(mine);
    m.timers += timers_.size();
}

// `outside` first: what goes on there posts before it counts itself off.
bool event_loop::at_rest() noexcept { return clock_.outside.load() == 0 && asleep_.load() && posted_.empty(); }

std::size_t event_loop::run_turn() noexcept {
    loop_thread const here(context_);
    take_posted();
    fire_due_timers();
    std::size_t const steps = run_ready();
    tell_host();
    return steps;
}

std::size_t event_loop::run_turns_until(time_point end, std::atomic<bool> const& stop) noexcept {
    loop_thread const here(context_);
    std::size_t steps = 0;
    for (;;) {
        take_posted();
        fire_due_timers();
        if (stop.load())
            break;
        if (first_ != nullptr) {
            std::size_t const turn = run_ready();
            steps += turn;
            poll_sockets(turn);
        } else if (clock_.now() < end) {
            sleep(stop, end);
            continue; // to the timers, also when the time is over
        }
        if (clock_.now() >= end)
            break;
    }
    tell_host();
    return steps;
}

time_point event_loop::next_turn() const noexcept {
    return first_ != nullptr || !posted_.empty() ? time_point::min() : timers_.earliest();
}

void event_loop::tell_host() noexcept {
    if (host_ == nullptr)
        return;
    host_->lower();
    // Then the look: a post that came before is seen here, a later one raises the descriptor itself.
    if (first_ != nullptr || !posted_.empty())
        host_->raise();
    if (!clock_.is_virtual)
        host_->set_alarm(timers_.earliest());
}

void event_loop::sleep(std::atomic<bool> const& done, time_point limit) noexcept {
    // First: a job outside posts its task, and a step outside arms its timers, before it counts itself off.
    bool const nothing_outside = clock_.outside.load() == 0;
    time_point deadline = std::min(timers_.earliest(), limit);
    if (clock_.is_virtual) {
        bool const idle = nothing_outside && posted_.empty() && !done.load();
        if (idle && deadline != time_point::max()) {
            clock_.advance_to(std::max(deadline, clock_.now()));
            return;
        }
        if (idle && order_ != nullptr) {
            order_->stuck();
            return;
        }
        // A job outside ends a moment after it has woken its task: look again soon whether time may go on.
        if (deadline != time_point::max())
            deadline = time_point(std::chrono::steady_clock::now()) + std::chrono::milliseconds(1);
    }
    // A post or a wake() after the checks of this turn has left its token in the parker.
    if (!nothing_outside && patience_.willing())
        (void)patience_.look(deadline, [this] { return sleep_.unparked(); });
    park(deadline);
}

void event_loop::park(time_point deadline) noexcept {
    io_driver* const driver = driver_.load();
    parks_.add(1);
    asleep_.store(deadline == time_point::max());
    if (driver == nullptr) {
        (void)sleep_.park(deadline);
    } else if (driver->try_enter()) { // always: there is nobody else
        (void)sleep_.park(deadline, driver);
        driver->leave();
    }
    asleep_.store(false);
}

// A look is a system call: not after each step of a task that wakes itself.
void event_loop::poll_sockets(std::size_t steps) noexcept {
    constexpr std::size_t most_unpolled = 32;
    io_driver* const driver = driver_.load(std::memory_order_acquire); // pairs with attach()'s store: its construction
    if (driver == nullptr || (steps_unpolled_ += steps) < most_unpolled)
        return;
    steps_unpolled_ = 0;
    driver->poll_if_free();
}

} // namespace aya::inline v1::detail
