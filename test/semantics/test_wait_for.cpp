// SPDX-License-Identifier: Apache-2.0
// The contract's section 7.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <exception>
#include <stdexcept>
#include <utility>
#include <vector>

using test::everywhere;
using test::in_order;
using namespace std::chrono_literals;

namespace {

aya::task<int> after(std::chrono::milliseconds d, int value) {
    co_await aya::sleep(d);
    co_return value;
}
aya::task<int> endless() {
    co_await test::forever();
    co_return 0;
}
aya::task<int> fail_after(std::chrono::milliseconds d) {
    co_await aya::sleep(d);
    throw std::out_of_range("own");
}

// Leaves the task with one request counted and delivered.
aya::task<> cancelled_once() {
    aya::current_task().cancel();
    bool const delivered = co_await test::throws<aya::cancelled_error>(test::forever());
    CHECK(delivered);
    CHECK(aya::current_task().cancelling() == 1);
}

aya::task<> nothing() { co_return; }

aya::task<bool> next_yield_throws() {
    try {
        co_await aya::yield();
    } catch (aya::cancelled_error const&) {
        co_return true;
    }
    co_return false;
}

} // namespace

TEST_CASE("WF1: in time, the value or the exception is passed through") {
    everywhere([]() -> aya::task<> {
        int const value = co_await aya::wait_for(after(1ms, 3), 5ms);
        CHECK(value == 3);
        bool const threw = co_await test::throws<std::out_of_range>(aya::wait_for(fail_after(1ms), 5ms));
        CHECK(threw);
        auto const h = aya::create_task(after(1ms, 4));
        int const of_handle = co_await aya::wait_for(h, 5ms);
        CHECK(of_handle == 4);
        CHECK(h.result() == 4);
    });
}

TEST_CASE("WF2: on timeout the task is cancelled and awaited to its end, then timeout_error is thrown") {
    everywhere([]() -> aya::task<> {
        bool cleaned = false;
        auto slow_cleanup = [&]() -> aya::task<int> {
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            co_await aya::sleep(50ms);
            cleaned = true;
            throw aya::cancelled_error();
        };
        auto const h = aya::create_task(slow_cleanup);
        bool late = co_await test::throws<aya::timeout_error>(aya::wait_for(h, 10ms));
        CHECK(late);
        CHECK(cleaned);
        CHECK(h.cancelled());
        CHECK(aya::now() == aya::time_point(60ms));
        cleaned = false;
        late = co_await test::throws<aya::timeout_error>(aya::wait_for(slow_cleanup(), 10ms));
        CHECK(late);
        CHECK(cleaned);
        CHECK(aya::now() == aya::time_point(120ms));
        CHECK(aya::current_task().cancelling() == 0);
    });
}

TEST_CASE("WF3: the task swallows the cancellation and returns: that value, no timeout_error") {
    everywhere([]() -> aya::task<> {
        auto stubborn = []() -> aya::task<int> {
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            co_return 7;
        };
        int const as_task = co_await aya::wait_for(stubborn(), 1ms);
        auto const h = aya::create_task(stubborn);
        int const as_handle = co_await aya::wait_for(h, 1ms);
        CHECK(as_task + as_handle == 14);
        CHECK(aya::current_task().cancelling() == 0);
    });
}

TEST_CASE("WF4: the task ends with another exception while being cancelled: that one") {
    everywhere([]() -> aya::task<> {
        auto failing = []() -> aya::task<int> {
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            throw std::out_of_range("while cleaning up");
        };
        bool const threw = co_await test::throws<std::out_of_range>(aya::wait_for(failing(), 1ms));
        CHECK(threw);
        CHECK(aya::current_task().cancelling() == 0);
    });
}

TEST_CASE("WF5: without a limit; cancelling the caller cancels the task and waits for it") {
    everywhere([]() -> aya::task<> {
        auto const h = aya::create_task(endless());
        auto body = [&]() -> aya::task<> { (void)co_await aya::wait_for(h, std::chrono::hours::max()); };
        auto const caller = aya::create_task(body);
        co_await test::settle();
        caller.cancel();
        co_await test::settle();
        CHECK(h.cancelled());
        CHECK(caller.cancelled());
    });
}

TEST_CASE("WF6: with no time left, a task that is done gives its result") {
    everywhere([]() -> aya::task<> {
        auto const h = aya::create_task(after(1ms, 3));
        co_await h;
        int const now = co_await aya::wait_for(h, 0s);
        int const earlier = co_await aya::wait_for(h, -1h);
        CHECK(now + earlier == 6);
        co_await aya::yield(); // nothing is left pending
        CHECK(aya::current_task().cancelling() == 0);
    });
}

TEST_CASE("WF6, SH3, G3: with no time left, a shield and a gather of what is done give their results") {
    everywhere([]() -> aya::task<> {
        auto const h = aya::create_task(after(1ms, 3));
        co_await h;
        int const shielded = co_await aya::wait_for(aya::shield(h), 0s);
        CHECK(shielded == 3);
        auto const [gathered] = co_await aya::wait_for(aya::gather(h), 0s);
        CHECK(gathered == 3);
        auto const all = co_await aya::wait_for(aya::gather(std::vector(2, h)), 0s);
        CHECK(all == std::vector(2, 3));
        auto const [kept] = co_await aya::wait_for(aya::gather(aya::return_exceptions, h), -1s);
        CHECK(kept.value() == 3);
        CHECK(aya::current_task().cancelling() == 0);
        co_await aya::yield();
    });
}

TEST_CASE("WF7: with no time left, a task that was not started never runs") {
    everywhere([]() -> aya::task<> {
        bool ran = false;
        test::census census;
        auto body = [&](test::census::resident) -> aya::task<int> {
            ran = true;
            co_return 1;
        };
        bool late = co_await test::throws<aya::timeout_error>(aya::wait_for(body(census.make()), 0s));
        CHECK(late);
        late = co_await test::throws<aya::timeout_error>(aya::wait_for(body(census.make()), -1s));
        CHECK(late);
        CHECK_FALSE(ran);
        CHECK(census.live() == 0);
        auto void_body = [&]() -> aya::task<> {
            ran = true;
            co_return;
        };
        late = co_await test::throws<aya::timeout_error>(aya::wait_for(void_body(), 0s));
        CHECK(late);
        late = co_await test::throws<aya::timeout_error>(aya::wait_for(aya::gather(void_body(), void_body()), 0s));
        CHECK(late);
        co_await test::settle();
        CHECK_FALSE(ran);
        co_await aya::yield();
        CHECK(aya::current_task().cancelling() == 0);
    });
}

TEST_CASE("WF8: with no time left, a running task is cancelled and awaited") {
    everywhere([]() -> aya::task<> {
        auto const h = aya::create_task(endless());
        co_await test::settle();
        bool const late = co_await test::throws<aya::timeout_error>(aya::wait_for(h, 0s));
        CHECK(late);
        CHECK(h.cancelled());
    });
}

TEST_CASE("WF8: with no time left, the children of a gather are cancelled and awaited, and what is shielded goes on") {
    everywhere([]() -> aya::task<> {
        auto const a = aya::create_task(endless());
        auto const b = aya::create_task(endless());
        bool const over = co_await test::throws<aya::timeout_error>(aya::wait_for(aya::gather(a, b), 0s));
        CHECK(over);
        std::vector<aya::task_handle<int>> both{a, b};
        (void)co_await aya::wait(std::move(both)); // the first one to end has ended the gather
        CHECK(a.cancelled());
        CHECK(b.cancelled());
        auto const c = aya::create_task(endless());
        bool const range_over = co_await test::throws<aya::timeout_error>(aya::wait_for(aya::gather(std::vector(1, c)), 0s));
        CHECK(range_over);
        CHECK(c.cancelled());
        auto const inner = aya::create_task(after(1ms, 5));
        bool const shield_over = co_await test::throws<aya::timeout_error>(aya::wait_for(aya::shield(inner), 0s));
        CHECK(shield_over);
        int const value = co_await inner;
        CHECK(value == 5);
        CHECK(aya::current_task().cancelling() == 0);
    });
}

TEST_CASE("WF9: a coroutine runs in the calling task") {
    everywhere([]() -> aya::task<> {
        auto who = []() -> aya::task<aya::any_task_handle> {
            co_await aya::yield();
            co_return aya::current_task();
        };
        auto const inside = co_await aya::wait_for(who(), 1s);
        CHECK(inside == aya::current_task());
    });
}

TEST_CASE("WF10: the caller is cancelled when the task has just completed: it is cancelled, and does not go on") {
    in_order([]() -> aya::task<> {
        aya::event go;
        bool went_on = false;
        auto inner_body = [&]() -> aya::task<int> {
            co_await go.wait();
            co_return 1;
        };
        auto const inner = aya::create_task(inner_body);
        auto caller_body = [&]() -> aya::task<> {
            (void)co_await aya::wait_for(inner, 1h);
            went_on = true;
        };
        auto const caller = aya::create_task(caller_body);
        auto canceller_body = [&]() -> aya::task<> {
            co_await go.wait();
            CHECK(inner.done());
            caller.cancel();
        };
        auto const canceller = aya::create_task(canceller_body);
        co_await test::settle();
        go.set();
        co_await test::settle();
        CHECK(caller.cancelled());
        CHECK_FALSE(went_on);
        CHECK(inner.result() == 1);
        co_await canceller;
    });
}

TEST_CASE("WF11: the value is ready and the time is over before the caller resumes: timeout_error; an item is not lost") {
    in_order([]() -> aya::task<> {
        aya::queue<int> queue;
        bool late = false;
        auto caller_body = [&]() -> aya::task<> {
            auto get = [&]() -> aya::task<int> { co_return co_await queue.get(); };
            late = co_await test::throws<aya::timeout_error>(aya::wait_for(get(), 10ms));
        };
        auto const caller = aya::create_task(caller_body);
        co_await test::settle();
        // The item comes at the deadline, from a timer that was armed before the scope's.
        auto putter_body = [&]() -> aya::task<> {
            co_await aya::sleep_until(aya::time_point(10ms));
            queue.put_nowait(5);
        };
        auto const putter = aya::create_task(putter_body);
        co_await aya::sleep(20ms);
        // Whichever came first, the item is in exactly one place.
        CHECK(caller.done());
        CHECK(late == (queue.size() == 1));
        co_await putter;
    });
    in_order([]() -> aya::task<> {
        aya::queue<int> queue;
        aya::task_handle<> caller;
        bool late = false;
        bool expired_while_queued = false;
        auto body = [&](aya::timeout_scope& scope) -> aya::task<> {
            auto helper = [&]() -> aya::task<> {
                queue.put_nowait(5);                 // handed over: the caller is runnable
                scope.reschedule(aya::time_point(0s)); // and now its time is over
                expired_while_queued = scope.expired();
                co_return;
            };
            auto const h = aya::create_task(helper);
            (void)co_await queue.get();
        };
        co_await aya::sleep(1ms);
        late = co_await test::throws<aya::timeout_error>(aya::timeout(1h, body));
        CHECK(expired_while_queued);
        CHECK(late);
        CHECK(queue.size() == 1);
        CHECK(queue.get_nowait() == 5);
    });
}

TEST_CASE("WF12: the task is cancelled by a third party: cancelled_error, and no request is counted on the caller") {
    everywhere([]() -> aya::task<> {
        auto const h = aya::create_task(endless());
        auto body = [&]() -> aya::task<> { (void)co_await aya::wait_for(h, 1h); };
        auto const caller = aya::create_task(body);
        co_await test::settle();
        h.cancel();
        co_await test::settle();
        CHECK(caller.cancelled());
        CHECK(caller.cancelling() == 0);
    });
}

TEST_CASE("WF13: around a shield only the shield is cancelled; the task goes on") {
    everywhere([]() -> aya::task<> {
        auto const h = aya::create_task(after(20ms, 3));
        auto shielded = [&]() -> aya::task<int> { co_return co_await aya::shield(h); };
        bool const late = co_await test::throws<aya::timeout_error>(aya::wait_for(shielded(), 10ms));
        CHECK(late);
        CHECK_FALSE(h.done());
        CHECK(h.cancelling() == 0);
        int const value = co_await h;
        CHECK(value == 3);
    });
}

TEST_CASE("WF14: timeout_error has the cancellation as its cause") {
    everywhere([]() -> aya::task<> {
        bool nested = false;
        try {
            (void)co_await aya::wait_for(endless(), 1ms);
        } catch (aya::timeout_error const& e) {
            try {
                std::rethrow_if_nested(e);
            } catch (aya::cancelled_error const&) {
                nested = true;
            }
        }
        CHECK(nested);
    });
}

TEST_CASE("WF7: wait_for() with no time left leaves no request behind after an earlier cancellation") {
    everywhere([]() -> aya::task<> {
        co_await cancelled_once();
        bool const over = co_await test::throws<aya::timeout_error>(aya::wait_for(nothing(), 0ms));
        CHECK(over);
        bool const late = co_await next_yield_throws();
        CHECK_FALSE(late);
    });
}
