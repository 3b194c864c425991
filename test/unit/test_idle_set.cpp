// SPDX-License-Identifier: Apache-2.0
#include "scheduler/idle_set.hpp"

#include "support/harness.hpp"

#include <doctest/doctest.h>

using aya::detail::idle_set;

TEST_CASE("idle_set: the first to fall asleep watches, the others sleep") {
    idle_set idle(3);
    CHECK(idle.hint().sleeping == 0);
    CHECK(idle.begin_sleep(0) == idle_set::role::watcher);
    CHECK(idle.hint().watched);
    CHECK(idle.begin_sleep(1) == idle_set::role::sleeper);
    CHECK(idle.begin_sleep(2) == idle_set::role::sleeper);
    CHECK(idle.hint().sleeping == 3);
}

TEST_CASE("idle_set: the only worker, or the last one awake without a watcher, waits for timers only") {
    idle_set alone(1);
    CHECK(alone.begin_sleep(0) == idle_set::role::last_watcher);
    CHECK_FALSE(alone.hint().watched); // it will not look for work by itself

    idle_set idle(2);
    CHECK(idle.begin_sleep(0) == idle_set::role::watcher);
    CHECK(idle.begin_sleep(1) == idle_set::role::sleeper);
    CHECK_FALSE(idle.end_sleep(0));
    CHECK(idle.begin_sleep(0) == idle_set::role::last_watcher);
}

TEST_CASE("idle_set: a chosen sleeper counts as searching, once, until it says otherwise") {
    idle_set idle(4);
    for (std::uint32_t w = 0; w < 3; ++w)
        (void)idle.begin_sleep(w);
    std::uint32_t const chosen = idle.take_sleeper(false);
    CHECK(chosen != 0); // the watcher is left to watch
    CHECK(idle.exact().sleeping == 2);
    CHECK(idle.exact().searching == 1);
    CHECK(idle.end_sleep(chosen)); // counted by who woke it
    CHECK(idle.end_search());
    CHECK(idle.exact().searching == 0);
}

TEST_CASE("idle_set: the watcher is chosen when asked for, and the next sleeper watches") {
    idle_set idle(4);
    (void)idle.begin_sleep(2);
    (void)idle.begin_sleep(3);
    CHECK(idle.take_sleeper(true) == 2);
    CHECK_FALSE(idle.hint().watched);
    CHECK(idle.end_sleep(2));
    idle.end_search();
    CHECK(idle.begin_sleep(0) == idle_set::role::watcher);
    CHECK(idle.hint().watched);
}

TEST_CASE("idle_set: a guard wakes soon beside a watcher that does not; there is one, of those who may") {
    idle_set idle(4);
    CHECK(idle.begin_sleep(0, true) == idle_set::role::watcher); // who may guard watches first
    CHECK(idle.begin_sleep(1) == idle_set::role::sleeper);
    CHECK_FALSE(idle.hint().guarded);
    CHECK(idle.begin_sleep(2, true) == idle_set::role::guard);
    CHECK(idle.hint().guarded);
    CHECK(idle.begin_sleep(3, true) == idle_set::role::sleeper);
    CHECK_FALSE(idle.end_sleep(0));
    CHECK(idle.hint().watched);
    CHECK_FALSE(idle.hint().attended);
    CHECK(idle.begin_sleep(0, true) == idle_set::role::last_watcher);
    CHECK(idle.hint().watched);
    CHECK(idle.hint().attended);
    CHECK_FALSE(idle.end_sleep(2));
    CHECK_FALSE(idle.hint().watched);
    CHECK(idle.begin_sleep(2, true) == idle_set::role::guard);
    CHECK(idle.hint().watched);
}

TEST_CASE("idle_set: a guard is called when there is no other, and the watcher stays while there is a guard") {
    idle_set idle(4);
    (void)idle.begin_sleep(0);
    (void)idle.begin_sleep(1);
    (void)idle.begin_sleep(2, true);
    (void)idle.end_sleep(0);
    (void)idle.begin_sleep(0); // the last one to fall asleep, as it does with I/O
    CHECK(idle.take_sleeper(false) == 1);
    CHECK(idle.take_sleeper(false) == 2);
    CHECK(idle.hint().watched); // by the watcher
    CHECK(idle.take_sleeper(true) == 0);
    CHECK_FALSE(idle.hint().watched);
    CHECK(idle.exact().searching == 3);
}

TEST_CASE("idle_set: a worker without a thread is called before the watcher, and after all others") {
    idle_set idle(4);
    idle.add_unstarted(3);
    (void)idle.begin_sleep(0);
    (void)idle.begin_sleep(1);
    (void)idle.begin_sleep(2, true);
    CHECK(idle.take_sleeper(false) == 1);
    CHECK(idle.take_sleeper(false) == 2);
    CHECK(idle.take_sleeper(false) == 3);
    (void)idle.begin_sleep(1);
    CHECK(idle.take_sleeper(false) == 1); // 3 has a thread by now
    idle.add_unstarted(3);
    CHECK(idle.take_sleeper(false) == 3);
    CHECK(idle.take_sleeper(false) == 0);
}

TEST_CASE("idle_set: everybody can be taken, and then nobody") {
    idle_set idle(3);
    for (std::uint32_t w = 0; w < 3; ++w)
        (void)idle.begin_sleep(w);
    std::uint32_t mask = 0;
    for (int i = 0; i < 3; ++i)
        mask |= 1U << idle.take_sleeper(false);
    CHECK(mask == 7);
    CHECK(idle.take_sleeper(false) == idle_set::nobody);
    CHECK(idle.take_sleeper(true) == idle_set::nobody);
    CHECK(idle.exact().sleeping == 0);
    CHECK(idle.exact().searching == 3);
    CHECK_FALSE(idle.hint().watched);
}

TEST_CASE("idle_set: no more than half of the workers begin a search by themselves") {
    idle_set idle(4);
    CHECK(idle.begin_search());
    CHECK(idle.begin_search());
    CHECK_FALSE(idle.begin_search());
    CHECK_FALSE(idle.end_search()); // not the last one
    CHECK(idle.begin_search());
    CHECK_FALSE(idle.end_search());
    CHECK(idle.end_search());
}

TEST_CASE("idle_set: counts are exact after many sleeps and wakes from several threads") {
    constexpr std::uint32_t workers = 4;
    idle_set idle(workers);
    std::atomic<bool> over{false};
    std::atomic<long> woken_by_others{0};
    test::thread_crew crew;
    for (std::uint32_t w = 0; w < workers; ++w)
        crew.add([&, w] {
            for (int i = 0; i < 5000; ++i) {
                (void)idle.begin_sleep(w, i % 2 == 0);
                if (i % 3 == 0)
                    std::this_thread::yield();
                if (idle.end_sleep(w)) {
                    woken_by_others.fetch_add(1);
                    idle.end_search();
                }
            }
        });
    long taken = 0;
    test::thread_crew waker;
    waker.add([&] {
        while (!over.load()) {
            if (idle.take_sleeper(taken % 2 == 0) != idle_set::nobody)
                ++taken;
            else
                std::this_thread::yield(); // or it keeps the lock from the others for most of the time
        }
    });
    crew.join();
    over.store(true);
    waker.join();
    CHECK(idle.exact().sleeping == 0);
    CHECK(idle.exact().searching == 0);
    CHECK_FALSE(idle.exact().watched);
    CHECK(taken == woken_by_others.load());
}
