// SPDX-License-Identifier: Apache-2.0
// The contract's section 13: mutex, event and semaphore. A lock or permit is handed to the longest waiter.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <vector>

using test::everywhere;
using test::in_order;
using namespace std::chrono_literals;

namespace {

/// Locks, says so, and holds the mutex until the event is set.
aya::task<> hold(aya::mutex& m, aya::event& leave, std::string& log, char name) {
    auto const guard = co_await m.lock();
    log += name;
    co_await leave.wait();
}

aya::task<> take(aya::semaphore& s, aya::event& leave, std::string& log, char name) {
    auto const permit = co_await s.acquire();
    log += name;
    co_await leave.wait();
}

} // namespace

TEST_CASE("L1: a free mutex is taken without suspending") {
    in_order([]() -> aya::task<> {
        bool other_ran = false;
        auto other_body = [&]() -> aya::task<> {
            other_ran = true;
            co_return;
        };
        auto const other = aya::create_task(other_body);
        aya::mutex m;
        for (int i = 0; i < 3; ++i)
            auto const guard = co_await m.lock();
        CHECK_FALSE(other_ran);
        co_await other;
    });
}

TEST_CASE("L2: unlocking what is not locked is refused; any task may unlock") {
    everywhere([]() -> aya::task<> {
        aya::mutex m;
        CHECK_THROWS_AS(m.unlock(), aya::invalid_state_error);
        CHECK(m.try_lock());
        auto other_body = [&]() -> aya::task<> {
            m.unlock();
            co_return;
        };
        auto const other = aya::create_task(other_body);
        co_await other;
        CHECK_FALSE(m.locked());
    });
}

TEST_CASE("L3: first come, first served; a newcomer does not overtake a waiter that was woken") {
    in_order([]() -> aya::task<> {
        aya::mutex m;
        aya::event leave;
        leave.set();
        std::string log;
        CHECK(m.try_lock());
        std::vector<aya::task_handle<>> waiters;
        for (char const name : {'a', 'b', 'c'})
            waiters.push_back(aya::create_task(hold(m, leave, log, name)));
        co_await test::settle();
        m.unlock(); // handed to a
        CHECK_FALSE(m.try_lock());
        waiters.push_back(aya::create_task(hold(m, leave, log, 'd')));
        co_await aya::gather(waiters);
        CHECK(log == "abcd");
        CHECK_FALSE(m.locked());
    });
}

TEST_CASE("L4: between unlock and the woken waiter's step the mutex is locked") {
    in_order([]() -> aya::task<> {
        aya::mutex m;
        aya::event leave;
        std::string log;
        CHECK(m.try_lock());
        auto const h = aya::create_task(hold(m, leave, log, 'a'));
        co_await test::settle();
        m.unlock();
        CHECK(m.locked());
        CHECK(log.empty());
        leave.set();
        co_await h;
        CHECK_FALSE(m.locked());
    });
}

TEST_CASE("L5: a waiter that is cancelled before it was woken is skipped") {
    everywhere([]() -> aya::task<> {
        aya::mutex m;
        aya::event leave;
        leave.set();
        std::string log;
        CHECK(m.try_lock());
        auto const a = aya::create_task(hold(m, leave, log, 'a'));
        co_await test::settle();
        auto const b = aya::create_task(hold(m, leave, log, 'b'));
        co_await test::settle();
        a.cancel();
        co_await test::settle();
        CHECK(a.cancelled());
        CHECK(m.locked());
        m.unlock();
        co_await b;
        CHECK(log == "b");
        CHECK_FALSE(m.locked());
    });
}

TEST_CASE("L5: a waiter that is cancelled after it was woken passes the mutex on: to the next one, or it is free") {
    in_order([]() -> aya::task<> {
        aya::mutex m;
        aya::event leave;
        leave.set();
        std::string log;
        CHECK(m.try_lock());
        auto const a = aya::create_task(hold(m, leave, log, 'a'));
        auto const b = aya::create_task(hold(m, leave, log, 'b'));
        co_await test::settle();
        m.unlock();
        a.cancel();
        co_await test::settle();
        CHECK(a.cancelled());
        CHECK(b.done());
        CHECK_FALSE(b.cancelled());
        CHECK(log == "b");
        CHECK_FALSE(m.locked());

        CHECK(m.try_lock());
        auto const alone = aya::create_task(hold(m, leave, log, 'c'));
        co_await test::settle();
        m.unlock();
        alone.cancel();
        co_await test::settle();
        CHECK(alone.cancelled());
        CHECK(log == "b");
        CHECK(m.try_lock());
        m.unlock();
    });
}

TEST_CASE("L6: the guard unlocks on every way out, cancellation too") {
    everywhere([]() -> aya::task<> {
        aya::mutex m;
        aya::event never;
        std::string log;
        auto const h = aya::create_task(hold(m, never, log, 'a'));
        co_await test::settle();
        CHECK(m.locked());
        h.cancel();
        co_await test::settle();
        CHECK(h.cancelled());
        CHECK_FALSE(m.locked());
        auto fail = [&]() -> aya::task<> {
            auto const guard = co_await m.lock();
            throw std::out_of_range("no");
        };
        bool const threw = co_await test::throws<std::out_of_range>(fail());
        CHECK(threw);
        CHECK_FALSE(m.locked());
    });
}

TEST_CASE("L7: not recursive: locking twice in one task waits, and can be cancelled") {
    everywhere([]() -> aya::task<> {
        aya::mutex m;
        auto body = [&]() -> aya::task<> {
            auto const guard = co_await m.lock();
            auto const again = co_await m.lock();
        };
        auto const h = aya::create_task(body);
        co_await test::settle();
        CHECK_FALSE(h.done());
        h.cancel();
        co_await test::settle();
        CHECK(h.cancelled());
        CHECK_FALSE(m.locked());
    });
}

TEST_CASE("E1: set wakes every waiter, even if clear follows at once") {
    everywhere([]() -> aya::task<> {
        aya::event e;
        auto waiter = [&]() -> aya::task<> { co_await e.wait(); };
        std::vector<aya::task_handle<>> waiters;
        for (int i = 0; i < 5; ++i)
            waiters.push_back(aya::create_task(waiter));
        co_await test::settle();
        e.set();
        e.clear();
        co_await test::settle();
        for (auto const& w : waiters)
            CHECK(w.done());
        CHECK_FALSE(e.is_set());
        auto const later = aya::create_task(waiter);
        co_await test::settle();
        CHECK_FALSE(later.done());
        later.cancel();
        co_await test::settle();
    });
}

TEST_CASE("E2, E3: waiting for a set event does not suspend; set and clear may be repeated") {
    in_order([]() -> aya::task<> {
        bool other_ran = false;
        auto other_body = [&]() -> aya::task<> {
            other_ran = true;
            co_return;
        };
        auto const other = aya::create_task(other_body);
        aya::event e;
        e.clear();
        e.set();
        e.set();
        co_await e.wait();
        co_await e.wait();
        CHECK_FALSE(other_ran);
        CHECK(e.is_set());
        co_await other;
    });
}

TEST_CASE("E4: set and cancel in the same turn: the waiter is cancelled, the event stays set") {
    in_order([]() -> aya::task<> {
        for (bool const cancel_first : {true, false}) {
            aya::event e;
            bool woken = false;
            auto waiter = [&]() -> aya::task<> {
                co_await e.wait();
                woken = true;
            };
            auto const h = aya::create_task(waiter);
            co_await test::settle();
            if (cancel_first)
                h.cancel();
            e.set();
            if (!cancel_first)
                h.cancel();
            co_await test::settle();
            CHECK(h.cancelled());
            CHECK_FALSE(woken);
            CHECK(e.is_set());
        }
    });
}

TEST_CASE("SE1: a negative number of permits is refused; with none it is locked") {
    CHECK_THROWS_AS(aya::semaphore(-1), std::invalid_argument);
    CHECK(aya::semaphore(0).locked());
}

TEST_CASE("SE2, SE3: a permit goes straight to the longest waiter; nobody overtakes, and the value does not rise") {
    in_order([]() -> aya::task<> {
        aya::semaphore s(1);
        aya::event leave;
        leave.set();
        std::string log;
        CHECK(s.try_acquire());
        CHECK(s.locked());
        std::vector<aya::task_handle<>> waiters;
        for (char const name : {'a', 'b'})
            waiters.push_back(aya::create_task(take(s, leave, log, name)));
        co_await test::settle();
        s.release();
        CHECK(s.locked());
        CHECK_FALSE(s.try_acquire());
        waiters.push_back(aya::create_task(take(s, leave, log, 'c')));
        co_await aya::gather(waiters);
        CHECK(log == "abc");
        CHECK_FALSE(s.locked());
    });
}

TEST_CASE("SE4: a waiter that got the permit and is cancelled before it runs gives it to the next one, or back") {
    in_order([]() -> aya::task<> {
        aya::semaphore s(0);
        aya::event leave;
        leave.set();
        std::string log;
        auto const a = aya::create_task(take(s, leave, log, 'a'));
        auto const b = aya::create_task(take(s, leave, log, 'b'));
        co_await test::settle();
        s.release();
        a.cancel();
        co_await test::settle();
        CHECK(a.cancelled());
        CHECK(log == "b");
        CHECK(s.try_acquire()); // b released it
        auto const c = aya::create_task(take(s, leave, log, 'c'));
        co_await test::settle();
        s.release();
        c.cancel();
        co_await test::settle();
        CHECK(c.cancelled());
        CHECK(log == "b");
        CHECK(s.try_acquire());
        CHECK_FALSE(s.try_acquire());
        co_await b;
    });
}

TEST_CASE("SE5: a waiter that is cancelled before it got one is skipped") {
    everywhere([]() -> aya::task<> {
        aya::semaphore s(0);
        aya::event leave;
        leave.set();
        std::string log;
        auto const a = aya::create_task(take(s, leave, log, 'a'));
        co_await test::settle();
        auto const b = aya::create_task(take(s, leave, log, 'b'));
        co_await test::settle();
        a.cancel();
        co_await test::settle();
        s.release();
        co_await b;
        CHECK(log == "b");
        CHECK(s.try_acquire());
        CHECK_FALSE(s.try_acquire());
    });
}

TEST_CASE("SE6: several releases wake that many waiters, in order") {
    in_order([]() -> aya::task<> {
        aya::semaphore s(0);
        aya::event leave;
        std::string log;
        std::vector<aya::task_handle<>> waiters;
        for (char const name : {'a', 'b', 'c', 'd'})
            waiters.push_back(aya::create_task(take(s, leave, log, name)));
        co_await test::settle();
        s.release();
        s.release();
        s.release();
        co_await test::settle();
        CHECK(log == "abc");
        leave.set();
        co_await aya::gather(waiters);
        CHECK(log == "abcd");
        for (int i = 0; i < 3; ++i)
            CHECK(s.try_acquire());
        CHECK_FALSE(s.try_acquire());
    });
}

TEST_CASE("SE7: released beyond the initial value, it has that many permits") {
    everywhere([]() -> aya::task<> {
        aya::semaphore s(1);
        s.release();
        auto const a = co_await s.acquire();
        auto const b = co_await s.acquire();
        CHECK(s.locked());
    });
}
