// SPDX-License-Identifier: Apache-2.0
#include "scheduler/timer_queue.hpp"

#include "support/harness.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>
#include <vector>

using aya::time_point;
using aya::detail::timer;
using aya::detail::timer_queue;

namespace {

struct test_timer : timer {
    test_timer() : timer(&fire) {}
    static void fire(timer&) noexcept {}
    std::int64_t deadline = 0;
    bool armed = false;
};

time_point at(std::int64_t ns) { return time_point(aya::duration(ns)); }

void arm(timer_queue& q, test_timer& t, std::int64_t deadline) {
    std::lock_guard const guard(q.mutex());
    t.deadline = deadline;
    t.armed = true;
    if (q.arm(t, at(deadline)))
        q.raise_alarm();
}

bool disarm(timer_queue& q, test_timer& t) {
    std::lock_guard const guard(q.mutex());
    t.armed = false;
    return q.disarm(t);
}

} // namespace

TEST_CASE("timer_queue: the earliest deadline first, and only what is due") {
    int alarms = 0;
    timer_queue q([](void* n) noexcept { ++*static_cast<int*>(n); }, &alarms);
    test_timer a, b, c;
    CHECK(q.earliest() == time_point::max());
    CHECK(q.pop_due(time_point::max()) == nullptr);
    arm(q, a, 30);
    CHECK(alarms == 1);
    arm(q, b, 10); // the new earliest
    CHECK(alarms == 2);
    arm(q, c, 20);
    CHECK(alarms == 2);
    CHECK(q.earliest() == at(10));
    CHECK(q.pop_due(at(9)) == nullptr);
    CHECK(q.pop_due(at(20)) == &b);
    CHECK(q.pop_due(at(20)) == &c);
    CHECK(q.pop_due(at(20)) == nullptr);
    CHECK(q.earliest() == at(30));
    CHECK(q.pop_due(at(30)) == &a); // at the deadline itself
    CHECK(q.earliest() == time_point::max());
}

TEST_CASE("timer_queue: equal deadlines fire in the order of arming") {
    timer_queue q;
    std::deque<test_timer> timers(100);
    for (auto& t : timers)
        arm(q, t, 5);
    for (auto& t : timers)
        REQUIRE(q.pop_due(at(5)) == &t);
}

TEST_CASE("timer_queue: a disarmed timer never fires; disarming twice, or after firing, says so") {
    timer_queue q;
    test_timer a, b;
    arm(q, a, 1);
    arm(q, b, 2);
    CHECK(disarm(q, a));
    CHECK_FALSE(disarm(q, a));
    CHECK(q.earliest() == at(2));
    CHECK(q.pop_due(at(10)) == &b);
    CHECK_FALSE(disarm(q, b));
    CHECK(q.pop_due(at(10)) == nullptr);
    arm(q, a, 3); // and it can be armed again
    CHECK(q.pop_due(at(3)) == &a);
}

TEST_CASE("timer_queue: what is disarmed leaves a bound that is never too late") {
    int alarms = 0;
    timer_queue q([](void* n) noexcept { ++*static_cast<int*>(n); }, &alarms);
    test_timer a, b;
    arm(q, a, 10);
    CHECK(disarm(q, a));
    CHECK(q.next() == at(10)); // nobody has asked
    arm(q, b, 30);
    CHECK(q.next() <= at(30));
    CHECK(alarms == 1); // who waits until 10 looks again in time
    CHECK(q.pop_due(at(20)) == nullptr);
    CHECK(q.next() == at(30)); // pop_due() has looked
    CHECK(disarm(q, b));
    CHECK(q.earliest() == time_point::max());
    CHECK(q.next() == time_point::max());
    arm(q, a, 40);
    CHECK(alarms == 2);
    CHECK(q.next() == at(40));
    CHECK(disarm(q, a));
}

TEST_CASE("timer_queue: random arming, disarming and firing agrees with a sorted list") {
    test::random_source random(3);
    timer_queue q;
    std::deque<test_timer> timers(300);
    std::vector<test_timer*> armed; // by deadline, then by arming
    std::int64_t now = 0;
    for (int step = 0; step < 50'000; ++step) {
        test_timer& t = timers[random.below(timers.size())];
        if (t.armed) {
            REQUIRE(disarm(q, t));
            std::erase(armed, &t);
        } else if (random.below(3) != 0) {
            std::int64_t const deadline = now + static_cast<std::int64_t>(random.below(50));
            arm(q, t, deadline);
            auto const place = std::find_if(armed.begin(), armed.end(),
                                            [&](test_timer const* other) { return other->deadline > deadline; });
            armed.insert(place, &t);
        } else {
            now += static_cast<std::int64_t>(random.below(10));
            while (timer* const fired = q.pop_due(at(now))) {
                REQUIRE_FALSE(armed.empty());
                REQUIRE(fired == armed.front());
                REQUIRE(armed.front()->deadline <= now);
                armed.front()->armed = false;
                armed.erase(armed.begin());
            }
            REQUIRE((armed.empty() || armed.front()->deadline > now));
        }
        REQUIRE(q.next() <= (armed.empty() ? time_point::max() : at(armed.front()->deadline)));
        if (step % 3 == 0)
            REQUIRE(q.earliest() == (armed.empty() ? time_point::max() : at(armed.front()->deadline)));
    }
    for (test_timer* const t : armed)
        REQUIRE(disarm(q, *t));
}

TEST_CASE("timer_queue: a timer is either disarmed or fired, never both, when two threads race for it") {
    timer_queue q;
    std::deque<test_timer> timers(20'000);
    for (auto& t : timers)
        arm(q, t, 1);
    std::atomic<std::size_t> disarmed{0};
    std::atomic<std::size_t> fired{0};
    test::thread_crew crew;
    crew.add([&] {
        for (auto& t : timers) {
            std::lock_guard const guard(q.mutex());
            if (q.disarm(t))
                disarmed.fetch_add(1);
        }
    });
    crew.add([&] {
        while (q.pop_due(at(1)) != nullptr)
            fired.fetch_add(1);
    });
    crew.join();
    CHECK(disarmed.load() + fired.load() == timers.size());
    CHECK(q.earliest() == time_point::max());
}

TEST_CASE("timer_queue: ordered timers are claimed by deadline, then by arming, whichever threads take them") {
    struct entry final : aya::detail::ordered_timer {
        explicit entry(std::vector<int>& o, int n) : ordered_timer(&claimed, &fired), order(&o), number(n) {}
        static void claimed(timer& t) noexcept {
            auto& self = static_cast<entry&>(t);
            self.order->push_back(self.number); // with the queue's lock held
        }
        static void fired(timer&) noexcept {}
        std::vector<int>* order;
        int number;
    };
    constexpr int count = 20'000;
    std::vector<int> order;
    order.reserve(count);
    timer_queue q;
    std::deque<entry> timers;
    for (int i = 0; i < count; ++i) {
        std::lock_guard const guard(q.mutex());
        CHECK_FALSE(q.arm(timers.emplace_back(order, i), at(i / 10))); // nobody waits
    }
    std::atomic<int> taken{0};
    test::thread_crew crew;
    for (int thread = 0; thread < 3; ++thread)
        crew.add([&] {
            while (timer* const due = q.pop_due(at(count))) {
                due->expire(*due);
                ++taken;
            }
        });
    crew.join();
    CHECK(taken == count);
    CHECK(order.size() == count);
    CHECK(std::is_sorted(order.begin(), order.end()));
}
