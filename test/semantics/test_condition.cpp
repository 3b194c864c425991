// SPDX-License-Identifier: Apache-2.0
// The contract's section 13: conditions, the bounded semaphore, and a mutex that is on its way to a task.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

using test::everywhere;
using test::in_order;
using namespace std::chrono_literals;

namespace {

struct shared_state {
    aya::mutex m;
    aya::condition_variable changed{m};
    std::string log;
};

/// Waits once, says so, and says as well if it was cancelled while it had the mutex.
aya::task<> wait_once(shared_state& s, char name) {
    auto const guard = co_await s.m.lock();
    try {
        co_await s.changed.wait(guard);
    } catch (aya::cancelled_error const& e) {
        s.log += s.m.locked() ? 'x' : '?';
        s.log += e.message();
        throw;
    }
    s.log += name;
}

aya::task<> notify(shared_state& s, std::ptrdiff_t n) {
    auto const guard = co_await s.m.lock();
    s.changed.notify(n);
}

} // namespace

TEST_CASE("L4: a second unlock before the task that the mutex was handed to has run is refused") {
    in_order([]() -> aya::task<> {
        aya::mutex m;
        CHECK(m.try_lock());
        auto take = [](aya::mutex& from) -> aya::task<> { auto const guard = co_await from.lock(); };
        auto const first = aya::create_task(take(m));
        auto const second = aya::create_task(take(m));
        co_await test::settle();
        m.unlock();
        CHECK_THROWS_AS(m.unlock(), aya::invalid_state_error);
        co_await first;
        co_await second;
        CHECK_FALSE(m.locked());
    });
}

TEST_CASE("CV1: wait and notify without the mutex are refused") {
    everywhere([]() -> aya::task<> {
        shared_state s;
        aya::mutex::guard const nothing;
        CHECK_THROWS_AS((void)s.changed.wait(nothing), aya::invalid_state_error);
        CHECK_THROWS_AS(s.changed.notify(), aya::invalid_state_error);
        CHECK_THROWS_AS(s.changed.notify_all(), aya::invalid_state_error);
        co_return;
    });
}

TEST_CASE("CV2: wait frees the mutex and has it again when it returns") {
    everywhere([]() -> aya::task<> {
        shared_state s;
        auto const waiter = aya::create_task(wait_once(s, 'a'));
        co_await test::settle();
        CHECK_FALSE(s.m.locked());
        co_await notify(s, 1);
        co_await waiter;
        CHECK(s.log == "a");
        CHECK_FALSE(s.m.locked());
    });
}

TEST_CASE("CV2: a cancelled wait throws with the mutex held, even if that takes a while") {
    everywhere([]() -> aya::task<> {
        shared_state s;
        auto const waiter = aya::create_task(wait_once(s, 'a'));
        co_await test::settle();
        {
            auto const guard = co_await s.m.lock();
            waiter.cancel("stop");
            co_await test::settle();
            CHECK_FALSE(waiter.done());
            CHECK(s.log.empty());
        }
        co_await test::settle();
        CHECK(waiter.cancelled());
        CHECK(s.log == "xstop");
        CHECK_FALSE(s.m.locked());
        // And at once when the mutex is free.
        auto const other = aya::create_task(wait_once(s, 'b'));
        co_await test::settle();
        other.cancel();
        co_await test::settle();
        CHECK(other.cancelled());
        CHECK(s.log == "xstopx");
        CHECK_FALSE(s.m.locked());
    });
}

TEST_CASE("CV2: a cancellation that was pending before the wait") {
    everywhere([]() -> aya::task<> {
        shared_state s;
        auto self_cancel = [&]() -> aya::task<> {
            auto const guard = co_await s.m.lock();
            aya::current_task().cancel();
            try {
                co_await s.changed.wait(guard);
            } catch (aya::cancelled_error const&) {
                s.log += s.m.locked() ? 'x' : '?';
                throw;
            }
        };
        auto const h = aya::create_task(self_cancel);
        co_await test::settle();
        CHECK(h.cancelled());
        CHECK(s.log == "x");
        CHECK_FALSE(s.m.locked());
    });
}

TEST_CASE("CV2: a cancellation that is taken back while the task queues for the mutex is thrown all the same") {
    everywhere([]() -> aya::task<> {
        shared_state s;
        auto const waiter = aya::create_task(wait_once(s, 'a'));
        co_await test::settle();
        {
            auto const guard = co_await s.m.lock();
            waiter.cancel();
            CHECK(waiter.uncancel() == 0);
            co_await test::settle();
        }
        co_await test::settle();
        CHECK(waiter.cancelled());
        CHECK(s.log == "x");
    });
}

TEST_CASE("CV3: cancelled while it queues for the mutex after a notification: it gets the mutex, then throws") {
    everywhere([]() -> aya::task<> {
        shared_state s;
        auto const waiter = aya::create_task(wait_once(s, 'a'));
        co_await test::settle();
        {
            auto const guard = co_await s.m.lock();
            s.changed.notify();
            co_await test::settle();
            waiter.cancel("first");
            co_await test::settle();
            waiter.cancel("second");
            co_await test::settle();
            CHECK_FALSE(waiter.done());
        }
        co_await test::settle();
        CHECK(waiter.cancelled());
        CHECK(s.log == "xsecond");
        CHECK_FALSE(s.m.locked());
    });
}

TEST_CASE("CV4: notify wakes at most n, the longest waiting first, and keeps no surplus") {
    in_order([]() -> aya::task<> {
        shared_state s;
        co_await notify(s, 5); // nobody waits: nothing is stored
        std::vector<aya::task_handle<>> waiters;
        for (char const name : {'a', 'b', 'c', 'd'})
            waiters.push_back(aya::create_task(wait_once(s, name)));
        co_await test::settle();
        CHECK(s.log.empty());
        co_await notify(s, 1);
        co_await test::settle();
        CHECK(s.log == "a");
        co_await notify(s, 2);
        co_await test::settle();
        CHECK(s.log == "abc");
        co_await notify(s, 100);
        co_await test::settle();
        CHECK(s.log == "abcd");
        co_await aya::gather(waiters);
    });
}

TEST_CASE("CV5: a waiter that was cancelled before is not counted by notify") {
    everywhere([]() -> aya::task<> {
        shared_state s;
        auto const a = aya::create_task(wait_once(s, 'a'));
        co_await test::settle();
        auto const b = aya::create_task(wait_once(s, 'b'));
        co_await test::settle();
        {
            auto const guard = co_await s.m.lock();
            a.cancel();
            s.changed.notify();
        }
        co_await test::settle();
        CHECK(a.cancelled());
        CHECK(b.done());
        CHECK(s.log == "xb");
    });
}

TEST_CASE("CV6: a notified waiter that is cancelled notifies another one in its place") {
    everywhere([]() -> aya::task<> {
        shared_state s;
        auto const a = aya::create_task(wait_once(s, 'a'));
        co_await test::settle();
        auto const b = aya::create_task(wait_once(s, 'b'));
        co_await test::settle();
        {
            auto const guard = co_await s.m.lock();
            s.changed.notify();
            a.cancel();
        }
        co_await test::settle();
        CHECK(a.cancelled());
        CHECK(b.done());
        CHECK(s.log == "xb");
        CHECK_FALSE(s.m.locked());
    });
}

TEST_CASE("CV7: the wait with a predicate tests with the mutex held, and gives the last value") {
    everywhere([]() -> aya::task<> {
        shared_state s;
        int value = 0;
        bool always_locked = true;
        auto wait_for_three = [&]() -> aya::task<int> {
            auto const guard = co_await s.m.lock();
            co_return co_await s.changed.wait(guard, [&] {
                always_locked = always_locked && s.m.locked();
                return value < 3 ? 0 : value;
            });
        };
        auto const waiter = aya::create_task(wait_for_three);
        for (int i = 0; i < 5; ++i) {
            co_await test::settle();
            auto const guard = co_await s.m.lock();
            ++value;
            s.changed.notify_all();
        }
        int const got = co_await waiter;
        CHECK(got == 3);
        CHECK(always_locked);
    });
}

TEST_CASE("CV8: woken waiters return one by one, as they get the mutex") {
    in_order([]() -> aya::task<> {
        shared_state s;
        aya::event leave;
        auto hold = [&](char name) -> aya::task<> {
            auto const guard = co_await s.m.lock();
            co_await s.changed.wait(guard);
            s.log += name;
            co_await aya::sleep(1ms);
            s.log += name;
        };
        std::vector<aya::task_handle<>> waiters;
        for (char const name : {'a', 'b', 'c'})
            waiters.push_back(aya::create_task(hold(name)));
        co_await test::settle();
        {
            auto const guard = co_await s.m.lock();
            s.changed.notify_all();
            co_await test::settle();
            CHECK(s.log.empty());
        }
        co_await aya::gather(waiters);
        CHECK(s.log == "aabbcc");
    });
}

TEST_CASE("CV2: a timeout around a wait leaves the mutex held inside and free outside") {
    everywhere([]() -> aya::task<> {
        shared_state s;
        bool const timed_out = co_await test::throws<aya::timeout_error>(
            aya::timeout(5ms, [](shared_state& state) { return wait_once(state, 'a'); }, std::ref(s)));
        CHECK(timed_out);
        CHECK(s.log == "x");
        CHECK_FALSE(s.m.locked());
    });
}

TEST_CASE("SE7: a bounded semaphore refuses a release beyond the initial value") {
    aya::bounded_semaphore two(2);
    CHECK_THROWS_AS(two.release(), aya::invalid_state_error);
    CHECK(two.try_acquire());
    two.release();
    CHECK_THROWS_AS(two.release(), aya::invalid_state_error);
    aya::bounded_semaphore none(0);
    CHECK(none.locked());
    CHECK_THROWS_AS(none.release(), aya::invalid_state_error);
}
