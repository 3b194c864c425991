// SPDX-License-Identifier: Apache-2.0
// Queues, parking, idle workers and the spin lock: the headers of production on model-checked atomics.
#include "scenarios.hpp"

#include "platform/futex.hpp"
#include "scheduler/fork_deque.cpp"
#include "scheduler/idle_set.hpp"
#include "scheduler/injection_queue.hpp"
#include "scheduler/ready_queue.hpp"

#include <array>
#include <memory>
#include <string>

namespace aya::inline v1::detail {

void relax(unsigned) noexcept { model::world->relax(); }
void spin_lock::lock_slowly() noexcept {
    do
        relax(0);
    while (locked_.exchange(true, std::memory_order_acquire)); // as in production
}
void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected, time_point) noexcept {
    model::world->futex_wait(word.id(), expected);
}
void futex_wake_one(std::atomic<std::uint32_t>& word) noexcept { model::world->futex_wake(word.id()); }

} // namespace aya::inline v1::detail

namespace {

using namespace aya::detail;
using model::explorer;
using model::var;
using mo = std::memory_order;
using model::check;

struct item final : ready {
    item() : ready(nullptr) {}
    var<int> payload;
    int taken = 0;
    void take() {
        payload.set(payload.get() + 1); // a race unless what the pusher wrote is visible, and taken once
        ++taken;
    }
};
void take(ready* r) {
    if (r == nullptr)
        model::world->fail("a slot was read before it was written");
    else
        static_cast<item*>(r)->take();
}

template <std::size_t N>
check all_taken(std::shared_ptr<std::array<item, N>> items) {
    return [items] {
        for (item const& i : *items)
            if (i.taken != 1)
                model::world->fail("an item was taken " + std::to_string(i.taken) + " times");
    };
}

check deque(explorer& e) {
    auto const d = std::make_shared<fork_deque>(true, 1);
    auto const items = std::make_shared<std::array<item, 2>>();
    e.spawn([=] {
        for (item& i : *items) {
            i.payload.set(0);
            if (!d->push(i))
                model::world->fail("push");
        }
        for (int i = 0; i < 2; ++i)
            if (ready* const r = d->pop())
                take(r);
    });
    e.spawn([=] {
        for (int i = 0; i < 2; ++i)
            if (ready* const r = d->steal())
                take(r);
    });
    return [=] {
        while (ready* const r = d->pop())
            static_cast<item*>(r)->take();
        all_taken(items)();
    };
}

// As a gather's children take the rest back.
check deque_taken_back(explorer& e) {
    auto const d = std::make_shared<fork_deque>(true, 2);
    auto const items = std::make_shared<std::array<item, 2>>();
    e.spawn([=] {
        for (item& i : *items) {
            i.payload.set(0);
            if (!d->push_at_once(i))
                model::world->fail("push");
        }
        for (std::size_t i = 2; i-- != 0;)
            if (d->looks_newest((*items)[i]) && d->take_newest())
                take(&(*items)[i]);
    });
    e.spawn([=] {
        for (int i = 0; i < 2; ++i)
            if (ready* const r = d->steal())
                take(r);
    });
    return [=] {
        while (ready* const r = d->pop())
            static_cast<item*>(r)->take();
        all_taken(items)();
    };
}

check woken(explorer& e) {
    auto const q = std::make_shared<ready_queue>(true, 1);
    auto const items = std::make_shared<std::array<item, 3>>();
    e.spawn([=] {
        for (item& i : *items) {
            i.payload.set(0);
            static_cast<void>(q->push(i));
        }
        while (ready* const r = q->pop())
            take(r);
    });
    e.spawn([=] {
        ready* taken[2];
        for (int round = 0; round < 2; ++round) {
            std::size_t const n = q->steal(taken, 2);
            for (std::size_t i = 0; i < n; ++i)
                take(taken[i]);
        }
    });
    return all_taken(items);
}

check park(explorer& e) {
    auto const p = std::make_shared<parker>();
    auto const data = std::make_shared<var<int>>();
    e.spawn([=] {
        p->park(aya::time_point::max());
        data->set(data->get() + 1);
    });
    e.spawn([=] {
        data->set(1);
        p->unpark();
    });
    return [=] {
        if (data->get() != 2)
            model::world->fail("parked too short");
    };
}

// One worker in the loop of thread_pool::search() and sleep(), and a producer who ends it once its item has run: idle_set, injection_queue and parker are production.
check inject(explorer& e) {
    struct pool {
        idle_set idle{1};
        injection_queue injected;
        std::atomic<bool> stopping{false}, ran{false};
        parker sleep;
        std::array<item, 1> items;
    };
    auto const p = std::make_shared<pool>();
    e.spawn([=, &e] {
        for (;;) {
            ready* r = p->injected.pop_all();
            if (r != nullptr) {
                for (; r != nullptr; r = r->next)
                    take(r);
                p->ran.store(true);
                continue;
            }
            if (p->stopping.load()) {
                if (p->injected.empty())
                    return;
                continue;
            }
            static_cast<void>(p->idle.begin_sleep(0));
            bool const stay = (!e.planted("sleep.no-look-at-injected") && !p->injected.empty()) || p->stopping.load();
            if (!stay)
                (void)p->sleep.park(aya::time_point::max());
            if (p->idle.end_sleep(0))
                p->idle.end_search();
        }
    });
    e.spawn([=, &e] {
        p->items[0].payload.set(0);
        bool const early = e.planted("inject.look-before-push");
        bool sleeping = early && p->idle.exact().sleeping != 0;
        p->injected.push(p->items[0]);
        if (!early)
            sleeping = e.planted("inject.hint-for-exact") ? p->idle.hint().sleeping != 0 : p->idle.exact().sleeping != 0;
        if (sleeping && p->idle.take_sleeper(true) != idle_set::nobody)
            p->sleep.unpark();
        while (!p->ran.load())
            model::world->relax();
        if (e.planted("shutdown.unpark-before-flag")) {
            p->sleep.unpark();
            p->stopping.store(true);
        } else {
            p->stopping.store(true);
            p->sleep.unpark();
        }
    });
    return [p] {
        if (p->items[0].taken != 1)
            model::world->fail("injected item lost");
    };
}

// Three workers in the loop of thread_pool::search() and sleep(), one of which was the last to fall asleep, so that it waits for timers and sockets only. One has been called,
// and makes two tasks ready in a step; that, and the step of the task that runs first, end only once both have run. The third one sleeps, has been called, too, or is a guard.
struct long_steps {
    enum class helper_is { asleep, called, guard, guard_again };
    struct worker {
        ready_queue queue{true, 2};
        parker sleep;
    };

    idle_set idle{3};
    std::array<worker, 3> workers;
    std::array<item, 2> made;
    std::atomic<int> ran{0};
    std::uint32_t maker, helper, last;

    explicit long_steps(helper_is third) {
        for (std::uint32_t i = 0; i < 3; ++i)
            if (idle.begin_sleep(i, i == 1 && third >= helper_is::guard) == idle_set::role::guard && i != 1)
                model::world->fail("one guards that may not");
        last = 0;
        static_cast<void>(idle.end_sleep(last));
        if (idle.begin_sleep(last) != idle_set::role::last_watcher)
            model::world->fail("the last one awake does not wait for timers");
        maker = idle.take_sleeper(false);
        if (third >= helper_is::guard && maker == 1)
            model::world->fail("the guard is called before another");
        helper = third == helper_is::called ? idle.take_sleeper(false) : 3 - maker - last;
    }

    void wake_one() {
        if (std::uint32_t const chosen = idle.take_sleeper(true); chosen != idle_set::nobody)
            workers[chosen].sleep.unpark();
    }
    void watched_over() {
        auto const state = idle.hint();
        if (state.sleeping != 0 && state.searching == 0 && !state.watched)
            wake_one();
    }
    void keep_watched() {
        auto const state = idle.hint();
        if (state.sleeping != 0 && state.searching == 0 && !state.watched && state.sleeping + 1 < workers.size())
            wake_one();
    }
    void run(ready* r) {
        take(r);
        ran.fetch_add(1);
        wait_for_all();
    }
    void wait_for_all() {
        while (ran.load() != 2)
            model::world->relax();
        for (worker& w : workers)
            w.sleep.unpark();
    }

    void make(explorer const& e) {
        idle.end_search();
        for (item& i : made) {
            i.payload.set(0);
            static_cast<void>(workers[maker].queue.push(i));
            if (!e.planted("push.calls-nobody"))
                watched_over();
        }
        wait_for_all();
    }
    void help(explorer const& e, std::uint32_t mine, helper_is who) {
        if (who == helper_is::asleep || e.planted("guard.sleeps-on"))
            (void)workers[mine].sleep.park(aya::time_point::max());
        bool const was_called = who == helper_is::called || idle.end_sleep(mine);
        if (was_called)
            idle.end_search();
        bool watched_long = who >= helper_is::guard && !was_called;
        while (ran.load() != 2) {
            std::uint32_t const seen = model::world->writes_of_others();
            if (idle.begin_search()) {
                ready* r = nullptr;
                std::size_t const found = workers[maker].queue.steal(&r, 1, watched_long);
                idle.end_search();
                if (found != 0) {
                    if (!e.planted("finder.calls-nobody"))
                        keep_watched();
                    run(r);
                    continue;
                }
            }
            auto const role = idle.begin_sleep(mine, who == helper_is::guard_again); // some worker has taken a step, or none
            if (role == idle_set::role::sleeper && !e.planted("sleeper.calls-nobody"))
                if (auto const state = idle.hint(); !state.watched && state.sleeping < workers.size())
                    wake_one();
            bool const soon = role == idle_set::role::watcher || role == idle_set::role::guard;
            if (!soon || (role == idle_set::role::guard && e.planted("guard.sleeps-on")))
                (void)workers[mine].sleep.park(aya::time_point::max());
            else if (watched_long && model::world->writes_of_others() == seen)
                model::world->relax(); // its period passes, but another look would show what this one has
            bool const called = idle.end_sleep(mine);
            if (called)
                idle.end_search();
            watched_long = soon && !called;
        }
    }
};

template <long_steps::helper_is State>
check long_step(explorer& e) {
    auto const p = std::make_shared<long_steps>(State);
    e.spawn([=, &e] { p->make(e); });
    e.spawn([=, &e] { p->help(e, p->helper, State); });
    e.spawn([=, &e] { p->help(e, p->last, long_steps::helper_is::asleep); });
    return [p] {
        for (item const& i : p->made)
            if (i.taken != 1)
                model::world->fail("what a step made ready was not run once");
    };
}

check lock(explorer& e) {
    struct shared {
        spin_lock mutex;
        var<int> value;
    };
    auto const s = std::make_shared<shared>();
    for (int t = 0; t < 2; ++t)
        e.spawn([=] {
            s->mutex.lock();
            s->value.set(s->value.get() + 1);
            s->mutex.unlock();
        });
    return [s] {
        if (s->value.get() != 2)
            model::world->fail("a lost update");
    };
}

std::vector<model::scenario> const scenarios = {
    {"deque", deque,
     {{"D1 push publishes relaxed", "fork_deque::push", "store"},
      {"D1/D2 thief looks relaxed", "fork_deque::steal", "load"},
      {"D4 grow publishes relaxed", "fork_deque::adopt", "store"},
      {"D2 owner's look relaxed", "fork_deque::pop", "load"},
      {"D2 owner's move is no seq_cst", "fork_deque::pop", "exchange"}}},
    {"deque, taken back", deque_taken_back,
     {{"D1 push publishes relaxed", "fork_deque::push_at_once", "store"},
      {"D2 owner's look relaxed", "fork_deque::take_newest", "load"},
      {"D2 owner's move is no seq_cst", "fork_deque::take_newest", "exchange"}}},
    {"ready queue", woken,
     {{"R3 grow publishes relaxed", "ready_queue::adopt", "store"},
      {"R1 push publishes relaxed", "ready_queue::push", "store"},
      {"R1/R3 thief looks relaxed", "ready_queue::steal", "load"}}},
    {"park and wake", park,
     {{"unpark relaxed", "parker::unpark", "exchange"}, {"park relaxed", "parker::park", "exchange"}}},
    {"injection, idle workers, shutdown", inject,
     {{"sleep.no-look-at-injected"},
      {"inject.look-before-push"},
      {"inject.hint-for-exact"},
      {"shutdown.unpark-before-flag"},
      {"push relaxed", "injection_queue::push", "cas"},
      {"pop_all relaxed", "injection_queue::pop_all", "exchange"}}},
    {"long steps among sleepers", long_step<long_steps::helper_is::asleep>, {{"push.calls-nobody"}, {"finder.calls-nobody"}}},
    {"long steps beside a searcher", long_step<long_steps::helper_is::called>, {{"finder.calls-nobody"}, {"sleeper.calls-nobody"}}},
    {"long steps beside a guard", long_step<long_steps::helper_is::guard>,
     {{"guard.sleeps-on"}, {"finder.calls-nobody"}, {"sleeper.calls-nobody"}}},
    {"long steps beside a guard that guards again", long_step<long_steps::helper_is::guard_again>,
     {{"guard.sleeps-on"}, {"finder.calls-nobody"}}},
    {"spin lock", lock,
     {{"unlock relaxed", "spin_lock::unlock", "store"}, {"lock relaxed", "spin_lock::lock", "exchange"}}},
};

} // namespace

std::vector<model::scenario> model::production_scenarios() { return scenarios; }
