// SPDX-License-Identifier: Apache-2.0
// Tasks as users write them, on the workers of a machine of virtual threads. Cancellers, setters and the clock are threads of their own.
#include "gathers.hpp"
#include "machine.hpp"

namespace {

// --- a task awaits another one -------------------------------------------------------------------------------------------------------------

struct joining {
    machine pool{2};
    var<int> seen;
    bool told = false;
    aya::task_handle<int> child, parent;
};
aya::task<int> give(joining* s) {
    s->seen.set(7);
    co_return 7;
}
aya::task<int> wait_for(joining* s) {
    int const value = co_await s->child;
    require(value == s->seen.get(), "a result is lost");
    co_return value;
}

check join(explorer& e) {
    auto const s = std::make_shared<joining>();
    s->child = s->pool.start(0, give(s.get()));
    s->parent = s->pool.start(1, wait_for(s.get()));
    spawn_workers(e, s, 2);
    e.spawn([s] { s->told = s->parent.cancel(); });
    return [s] {
        require_answer(s->told, s->parent);
        s->pool.require_empty();
    };
}

// The request stops at the shield, and the target's end may be on its way.
check shielded(explorer& e) {
    auto const s = std::make_shared<joining>();
    s->child = s->pool.start(0, give(s.get()));
    s->parent = s->pool.start(1, [](joining* j) -> aya::task<int> {
        int const value = co_await aya::shield(j->child);
        require(value == j->seen.get(), "a result is lost");
        co_return value;
    }(s.get()));
    spawn_workers(e, s, 2);
    e.spawn([s] { s->told = s->parent.cancel(); });
    return [s] {
        require(!s->child.cancelled() && s->child.result() == 7, "a shielded task was cancelled");
        require_answer(s->told, s->parent);
        s->pool.require_empty();
    };
}

// The handles go while the task ends, from two threads.
check drop(explorer& e) {
    struct dropped {
        machine pool{1};
        var<int> alive{1};
        aya::task_handle<std::shared_ptr<int>> one, two;
    };
    auto const s = std::make_shared<dropped>();
    s->one = s->pool.start(0, [](dropped* d) -> aya::task<std::shared_ptr<int>> {
        co_return std::shared_ptr<int>(new int(1), [d](int* i) {
            d->alive.set(0);
            delete i;
        });
    }(s.get()));
    s->two = s->one;
    spawn_workers(e, s, 1);
    e.spawn([s] { s->one = {}; });
    e.spawn([s] {
        if (s->two.done())
            require(*s->two.result() == 1 && s->alive.get() == 1, "a result is gone while there is a handle");
        s->two = {};
    });
    return [s] {
        require(s->alive.get() == 0, "a task's state is left");
        s->pool.require_empty();
    };
}

// A future is set while it is cancelled, and a task waits for it.
check future(explorer& e) {
    struct setting {
        machine pool{1};
        var<int> made;
        bool set = false, told = false;
        std::optional<aya::promise<int>> promise;
        aya::future<int> result;
        aya::task_handle<int> waiter;
    };
    auto const s = std::make_shared<setting>();
    s->pool.within(0, [&] { s->promise.emplace(); });
    s->result = s->promise->get_future();
    s->waiter = s->pool.start(0, [](setting* p) -> aya::task<int> {
        int const value = co_await p->result;
        require(p->made.get() == value, "a result is lost");
        co_return value;
    }(s.get()));
    spawn_workers(e, s, 1);
    e.spawn([s] {
        s->made.set(7);
        s->set = s->promise->try_set_value(7);
    });
    e.spawn([s] { s->told = s->result.cancel(); });
    return [s] {
        require(s->set != s->told, s->set ? "a future was set and cancelled" : "a future was neither set nor cancelled");
        require(s->result.cancelled() == s->told && s->waiter.cancelled() == s->told, "a future's end is not what was said");
        s->pool.require_empty();
    };
}

// --- mutex, semaphore, condition -----------------------------------------------------------------------------------------------------------

check semaphore(explorer& e) {
    struct permits {
        machine pool{1};
        aya::semaphore free{0};
        bool told = false;
        aya::task_handle<void> taker;
    };
    auto const s = std::make_shared<permits>();
    s->taker = s->pool.start(0, [](permits* p) -> aya::task<> { (co_await p->free.acquire()).forget(); }(s.get()));
    spawn_workers(e, s, 1);
    e.spawn([s] { s->free.release(); });
    e.spawn([s] { s->told = s->taker.cancel(); });
    return [s] {
        // Cancelled behind its last suspension, it has the permit.
        bool const left = s->free.try_acquire();
        require(!s->told || s->taker.cancelled(), "a request is lost");
        require(s->taker.cancelled() || !left, "a permit was made");
        require(!s->free.try_acquire(), "a permit was given back twice");
        s->pool.require_empty();
    };
}

struct locking {
    machine pool{2};
    aya::mutex mutex;
    var<int> value{0};
    int entered = 0;
    bool told = false;
    aya::task_handle<void> tasks[2];
};
aya::task<> enter(locking* s) {
    auto const held = co_await s->mutex.lock();
    s->value.set(s->value.get() + 1);
    ++s->entered;
}

check mutex(explorer& e) {
    auto const s = std::make_shared<locking>();
    s->tasks[0] = s->pool.start(0, enter(s.get()));
    s->tasks[1] = s->pool.start(1, enter(s.get()));
    spawn_workers(e, s, 2);
    e.spawn([s] { s->told = s->tasks[1].cancel(); });
    return [s] {
        require(s->value.get() == s->entered, "two held a mutex at once");
        require(s->mutex.try_lock(), "a mutex is left locked");
        require_answer(s->told, s->tasks[1]);
        s->pool.require_empty();
    };
}

// A task that was notified wants the mutex again, whether it is cancelled or not.
check condition(explorer& e) {
    struct waiting : locking {
        aya::condition_variable changed{mutex};
        var<int> ready{0};
    };
    auto const s = std::make_shared<waiting>();
    s->tasks[0] = s->pool.start(0, [](waiting* w) -> aya::task<> {
        auto const held = co_await w->mutex.lock();
        while (w->ready.get() == 0)
            co_await w->changed.wait(held);
    }(s.get()));
    s->tasks[1] = s->pool.start(1, [](waiting* w) -> aya::task<> {
        auto const held = co_await w->mutex.lock();
        w->ready.set(1);
        w->changed.notify();
    }(s.get()));
    spawn_workers(e, s, 2);
    e.spawn([s] { s->told = s->tasks[0].cancel(); });
    return [s] {
        require(s->mutex.try_lock(), "a mutex is left locked");
        require_answer(s->told, s->tasks[0]);
        s->pool.require_empty();
    };
}

// --- timeout ---------------------------------------------------------------------------------------------------------------------------------

struct timing {
    machine pool{1};
    aya::semaphore free{0};
    bool told = false, timed_out = false, got = false;
    aya::task_handle<int> timed;
};
aya::task<int> take(timing* s) {
    (co_await s->free.acquire()).forget();
    s->got = true;
    co_return 1;
}
aya::task<int> take_in_time(timing* s) {
    int value = 0;
    try {
        value = co_await aya::timeout_at(aya::time_point(1s), take, s);
    } catch (aya::timeout_error const&) {
        s->timed_out = true;
    }
    co_await aya::yield(); // a request that was left behind would be delivered here
    co_return value;
}

check timeout(explorer& e) {
    auto const s = std::make_shared<timing>();
    s->timed = s->pool.start(0, take_in_time(s.get()));
    spawn_workers(e, s, 1);
    e.spawn([s] { s->pool.pass_time(); });
    e.spawn([s] { s->free.release(); });
    return [s] {
        require(!s->timed.cancelled(), "a scope's request goes on behind it");
        require(s->timed_out || s->got, "neither in time nor too late");
        require(s->free.try_acquire() != s->got, s->got ? "a permit was made" : "a permit is lost");
        require(s->timed.cancelling() == 0, "a scope's request is still counted");
        s->pool.require_empty();
    };
}

check timeout_cancelled(explorer& e) {
    auto const s = std::make_shared<timing>();
    s->timed = s->pool.start(0, take_in_time(s.get()));
    spawn_workers(e, s, 1);
    e.spawn([s] { s->pool.pass_time(); });
    e.spawn([s] { s->told = s->timed.cancel(); });
    return [s] {
        require_answer(s->told, s->timed);
        s->pool.require_empty();
    };
}

// --- groups ------------------------------------------------------------------------------------------------------------------------------------

struct grouping {
    machine pool{2};
    aya::semaphore never{0};
    var<int> last{0};
    bool told = false, thrown = false;
    aya::task_handle<void> parent;
};
aya::task<> fail_soon(grouping*) {
    throw std::runtime_error("planned");
    co_return;
}
aya::task<> wait_long(grouping* s) {
    struct leaving {
        ~leaving() { of->last.set(1); }
        grouping* of;
    } const at_the_end{s};
    (co_await s->never.acquire()).forget();
}
aya::task<> two_children(aya::task_group& g, grouping* s) {
    g.create_task(wait_long(s));
    g.create_task(fail_soon(s));
    co_return;
}
aya::task<> one_child(aya::task_group& g, grouping* s) {
    g.create_task(wait_long(s));
    co_return;
}

check group_fails(explorer& e) {
    auto const s = std::make_shared<grouping>();
    s->parent = s->pool.start(0, [](grouping* g) -> aya::task<> {
        try {
            co_await aya::with_task_group(two_children, g);
        } catch (aya::exception_group const& all) {
            g->thrown = all.exceptions().size() == 1;
        }
        require(g->last.get() == 0 || g->last.get() == 1, "");
        co_await aya::yield();
    }(s.get()));
    spawn_workers(e, s, 2);
    return [s] {
        require(s->parent.done() && !s->parent.cancelled(), "a group's own request goes on behind it");
        require(s->thrown, "a failure is lost");
        s->pool.require_empty();
    };
}

check group_cancelled(explorer& e) {
    auto const s = std::make_shared<grouping>();
    s->parent = s->pool.start(0, [](grouping* g) -> aya::task<> {
        struct leaving {
            ~leaving() { static_cast<void>(of->last.get()); } // a race unless the child is over
            grouping* of;
        } const at_the_end{g};
        co_await aya::with_task_group(one_child, g);
    }(s.get()));
    spawn_workers(e, s, 2);
    e.spawn([s] {
        s->told = s->parent.cancel();
        s->never.release(); // where the request came first, for nobody
    });
    return [s] {
        require_answer(s->told, s->parent);
        s->pool.require_empty();
    };
}

// --- the end of a runtime, while a task comes in -------------------------------------------------------------------------------------------

check shutdown(explorer& e) {
    struct ending {
        machine pool{1};
        std::atomic<bool> closing{false};
        var<int> steps{0};
        aya::task_handle<void> late;
    };
    auto const s = std::make_shared<ending>();
    s->pool.expect_one();
    spawn_workers(e, s, 1);
    e.spawn([s, &e] {
        auto const body = [](ending* of) -> aya::task<> {
            of->steps.set(1);
            co_return;
        };
        s->late = s->pool.admit(body(s.get()), [&] { return !e.planted("start.no-look-at-the-end") && s->closing.load(); });
    });
    e.spawn([s, &e] {
        if (e.planted("end.cancels-before-it-closes"))
            s->pool.cancel_all();
        s->closing.store(true);
        if (!e.planted("end.cancels-before-it-closes"))
            s->pool.cancel_all();
        static_cast<void>(s->steps.get()); // a race unless what came in has run before, or never does
    });
    return [s] {
        require(s->late.done(), "a task has not ended");
        s->pool.require_empty();
    };
}

// As many steps as these take allow no search of all schedules; most of it is random.
constexpr model::limits bounds{3, 2, 10'000, 10'000};
constexpr model::limits mostly_random{3, 2, 2'000, 15'000};

std::vector<model::scenario> const scenarios = {
    {"task: awaited, and cancelled", join,
     {{"lock relaxed", "task_state::lock()", "cas"},
      {"unlock relaxed", "task_state::unlock(", "store"},
      {"lock split", "task_state::lock()", "cas", change::split},
      {"publish_wait split", "task_state::publish_wait(", "cas", change::split},
      {"end_wait split", "task_state::end_wait(", "cas", change::split},
      {"done relaxed", "task_state::done(", "load"}},
     bounds},
    {"task: its handles go", drop,
     {{"last look relaxed", "task_state::release(", "load"},
      {"decrement relaxed", "task_state::release(", "fetch_sub"},
      {"decrement split", "task_state::release(", "fetch_sub", change::split}},
     bounds},
    {"task: shielded, and cancelled", shielded,
     {{"target's claim split", "join_awaiter::notified(", "cas", change::split},
      {"canceller's claim split", "join_awaiter::request_cancel(", "cas", change::split},
      {"target does not tell", "join_awaiter::notified(", "store", change::drop},
      {"target tells relaxed", "join_awaiter::notified(", "store"}},
     bounds},
    {"future: set, and cancelled", future,
     {{"lock split", "task_state::lock()", "cas", change::split}, {"unlock relaxed", "task_state::unlock(", "store"}}, bounds},
    {"semaphore: released, and cancelled", semaphore,
     {{"waker's claim split", "wait_list::take_first_of_some(", "cas", change::split},
      {"canceller's claim split", "waiter::claim_for_cancel(", "cas", change::split},
      {"publish_wait relaxed", "task_state::publish_wait(", "cas"}},
     bounds},
    {"mutex: handed over, and cancelled", mutex,
     {{"waker's claim split", "wait_list::take_first_of_some(", "cas", change::split},
      {"spin lock's unlock relaxed", "spin_lock::unlock(", "store"},
      {"spin lock's lock relaxed", "spin_lock::lock(", "exchange"},
      {"spin lock's lock split", "spin_lock::lock(", "exchange", change::split}},
     bounds},
    {"condition: notified, and cancelled", condition,
     {{"canceller's claim split", "waiter::claim_for_cancel(", "cas", change::split},
      {"adopted without a claim", "wait_list::adopt(", "store", change::drop}},
     bounds},
    {"timeout: in time, or not", timeout,
     {{"callback's end relaxed", "timeout_scope::fired(", "store"},
      {"callback does not tell", "timeout_scope::fired(", "store", change::drop},
      {"look at the callback relaxed", "timeout_scope::disarm(", "load"}},
     bounds},
    {"timeout: and cancelled", timeout_cancelled, {{"scope's request split", "task_state::lock()", "cas", change::split}}, bounds},
    {"group: a child fails", group_fails, {{"spin lock's unlock relaxed", "spin_lock::unlock(", "store"}}, bounds},
    {"group: cancelled", group_cancelled,
     {{"spin lock's unlock relaxed", "spin_lock::unlock(", "store"}}, bounds},
    {"shutdown: a task comes in", shutdown,
     {{"start.no-look-at-the-end"}, {"end.cancels-before-it-closes"}, {"registry unlocked early", "spin_lock::unlock(", "store"}}, bounds},
    {"gather of handles", gather_handles, {{"count relaxed", "fan_in::count_end(", "fetch_sub"}}, {1, 1, 50'000, 10'000}},
    {"gather of handles, cancelled", gather_handles_cancelled,
     {{"count split", "fan_in::count_end(", "fetch_sub", change::split},
      {"references relaxed", "fan_in::release(", "fetch_sub"}},
     bounds},
    {"gather of handles, looked at", gather_looked_at,
     {{"lock split", "task_state::lock()", "cas", change::split}}, bounds},
    {"gather of forks, stolen", gather_forks,
     {{"count relaxed", "fork_node::", "fetch_sub"},
      {"count split", "fork_node::", "fetch_sub", change::split},
      {"push relaxed", "fork_deque::push", "store"},
      {"taken back without a look", "fork_deque::take_newest(", "cas", change::split}},
     bounds},
    {"gather of forks, cancelled", gather_forks_cancelled, {}, bounds},
    {"gather of forks, one fails", gather_forks_fail, {{"count split", "fork_node::", "fetch_sub", change::split}}, mostly_random},
    {"gather of gathers, cancelled", gather_gathers_cancelled, {{"count relaxed", "fork_node::", "fetch_sub"}}, mostly_random},
};

} // namespace

std::vector<model::scenario> model::task_scenarios() {
    // Statics of the library are made here, outside the model.
    machine first(1);
    auto const h = first.start(0, []() -> aya::task<int> { co_return 1; }());
    first.work_alone();
    return scenarios;
}

void model::prepare_tasks(explorer& e) {
    e.keep_per_thread(reinterpret_cast<void**>(&aya::detail::current_thread));
    e.at_each_start([] { aya::detail::memory.used = 0; });
}
