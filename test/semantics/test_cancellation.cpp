// SPDX-License-Identifier: Apache-2.0
// The contract's section 2: the cancellation of one task. Chains of tasks are in test_cancellation_chain.cpp.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <exception>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

using test::everywhere;
using test::in_order;
using namespace std::chrono_literals;

namespace {

aya::task<int> answer() { co_return 42; }

} // namespace

TEST_CASE("C1: cancel() on a done task returns false and changes nothing") {
    everywhere([]() -> aya::task<> {
        auto const h = aya::create_task(answer());
        co_await h;
        CHECK_FALSE(h.cancel());
        CHECK_FALSE(h.cancel("again"));
        CHECK(h.cancelling() == 0);
        CHECK_FALSE(h.cancelled());
        CHECK(h.result() == 42);
    });
}

TEST_CASE("C2: cancel() on a task that is not done returns true and counts, each time") {
    everywhere([]() -> aya::task<> {
        aya::event release;
        auto body = [&]() -> aya::task<> {
            for (;;) {
                try {
                    co_await release.wait();
                    co_return;
                } catch (aya::cancelled_error const&) {
                }
            }
        };
        auto const h = aya::create_task(body);
        co_await test::settle();
        for (std::uint32_t n = 1; n <= 5; ++n) {
            CHECK(h.cancel());
            CHECK(h.cancelling() == n);
            if (n % 2 == 0)
                co_await test::settle(); // waiting, woken, and waiting again
        }
        co_await test::settle();
        CHECK_FALSE(h.done());
        release.set();
        co_await test::settle();
        CHECK(h.done());
        CHECK(h.cancelling() == 5);
    });
}

TEST_CASE("C3: cancel() only requests: cancelled() is false until the body has ended by it") {
    everywhere([]() -> aya::task<> {
        aya::event leave;
        auto body = [&]() -> aya::task<> {
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            co_await leave.wait();
            throw aya::cancelled_error();
        };
        auto const h = aya::create_task(body);
        co_await test::settle();
        CHECK(h.cancel());
        CHECK_FALSE(h.cancelled());
        co_await test::settle();
        CHECK_FALSE(h.cancelled());
        leave.set();
        co_await test::settle();
        CHECK(h.cancelled());
    });
}

TEST_CASE("C4: cancel before the first step: the body never runs") {
    in_order([]() -> aya::task<> {
        bool ran = false;
        test::census census;
        auto body = [&](test::census::resident) -> aya::task<> {
            ran = true;
            co_return;
        };
        auto const h = aya::create_task(body, census.make());
        CHECK(h.cancel("too early"));
        CHECK_FALSE(h.done());
        std::string message;
        try {
            co_await h;
        } catch (aya::cancelled_error const& e) {
            message = e.message();
        }
        CHECK_FALSE(ran);
        CHECK(h.cancelled());
        CHECK(message == "too early");
        CHECK(census.live() == 0);
    });
}

TEST_CASE("C9: a task that is runnable already gets the cancellation instead of the ready value") {
    in_order([]() -> aya::task<> {
        aya::event e;
        bool woken = false;
        auto body = [&]() -> aya::task<> {
            co_await e.wait();
            woken = true;
        };
        auto const h = aya::create_task(body);
        co_await test::settle();
        e.set();
        CHECK(h.cancel());
        co_await test::settle();
        CHECK_FALSE(woken);
        CHECK(h.cancelled());
        CHECK(e.is_set());
    });
}

TEST_CASE("C9: ... and the awaited task itself stays as it ended") {
    in_order([]() -> aya::task<> {
        aya::event go;
        aya::task_handle<int> inner;
        aya::task_handle<int> outer;
        auto inner_body = [&]() -> aya::task<int> {
            co_await go.wait();
            co_return 1;
        };
        auto outer_body = [&]() -> aya::task<int> {
            int const value = co_await inner;
            co_return value;
        };
        bool inner_was_done = false;
        auto canceller_body = [&]() -> aya::task<> {
            co_await go.wait();
            inner_was_done = inner.done() && !outer.done();
            outer.cancel();
        };
        inner = aya::create_task(inner_body);
        outer = aya::create_task(outer_body);
        auto const canceller = aya::create_task(canceller_body);
        co_await test::settle();
        go.set(); // wakes the inner task, then the canceller; the outer one comes behind both
        co_await test::settle();
        CHECK(inner_was_done);
        CHECK(outer.cancelled());
        CHECK_FALSE(inner.cancelled());
        CHECK(inner.cancelling() == 0);
        CHECK(inner.result() == 1);
    });
}

TEST_CASE("C10: a task that cancels itself gets it at its next suspension, not at the call") {
    everywhere([]() -> aya::task<> {
        int stage = 0;
        auto body = [&]() -> aya::task<> {
            CHECK(aya::current_task().cancel());
            stage = 1;
            co_await aya::sleep(1h);
            stage = 2;
        };
        auto const h = aya::create_task(body);
        co_await test::settle();
        CHECK(stage == 1);
        CHECK(h.cancelled());
    });
}

TEST_CASE("C11: awaits that do not suspend deliver no cancellation; a yield does") {
    everywhere([]() -> aya::task<> {
        aya::event set;
        set.set();
        aya::mutex free;
        aya::semaphore permits(1);
        aya::queue<int> queue;
        queue.put_nowait(1);
        auto const done = aya::create_task(answer());
        co_await test::settle();
        int stage = 0;
        auto body = [&]() -> aya::task<> {
            aya::current_task().cancel();
            co_await set.wait();
            {
                auto const guard = co_await free.lock();
                auto const permit = co_await permits.acquire();
            }
            (void)co_await queue.get();
            co_await queue.put(2);
            (void)co_await done;
            std::vector<aya::task<>> none;
            co_await aya::gather(std::move(none));
            co_await aya::gather(done);
            int const inlined = co_await answer(); // a coroutine inside this task
            stage = inlined;
            co_await aya::yield();
            stage = -1;
        };
        auto const h = aya::create_task(body);
        co_await test::settle();
        CHECK(stage == 42);
        CHECK(h.cancelled());
    });
}

TEST_CASE("C11: every other suspension delivers a cancellation that is pending already") {
    everywhere([]() -> aya::task<> {
        aya::event never;
        aya::queue<int> empty;
        aya::queue<int> full(1);
        full.put_nowait(0);
        aya::mutex held;
        CHECK(held.try_lock());
        aya::semaphore none(0);
        auto const waiting = aya::create_task(test::forever());
        std::vector<aya::task_handle<>> handles(1, waiting);
        auto deliver = [](auto suspend) -> aya::task<bool> {
            aya::current_task().cancel();
            bool delivered = false;
            try {
                (void)co_await suspend();
            } catch (aya::cancelled_error const&) {
                delivered = true;
            }
            aya::current_task().uncancel();
            co_return delivered;
        };
        auto check = [&](auto suspend) -> aya::task<> {
            bool const delivered = co_await deliver(suspend);
            CHECK(delivered);
        };
        co_await check([] { return aya::sleep(1h); });
        co_await check([] { return aya::sleep(0s); });
        co_await check([] { return aya::yield(); });
        co_await check([&] { return never.wait(); });
        co_await check([&] { return empty.get(); });
        co_await check([&] { return full.put(1); });
        co_await check([&] { return full.join(); });
        co_await check([&] { return held.lock(); });
        co_await check([&] { return none.acquire(); });
        co_await check([&] { return aya::shield(waiting); });
        co_await check([&] { return aya::wait(handles); });
        co_await check([] { return aya::to_thread([] {}); });
        co_await check([] { return aya::to_cpu([] {}); });
        CHECK_FALSE(waiting.done());
        co_await check([&] { return aya::gather(waiting); });
        CHECK(waiting.cancelled()); // that one went on to the task
        held.unlock();
        CHECK(held.try_lock());
        held.unlock();
        CHECK(full.size() == 1);
        CHECK(aya::now() < aya::time_point(1s));
    });
}

TEST_CASE("C12: self-cancel, then return without a suspension: cancelled, the value is lost") {
    everywhere([]() -> aya::task<> {
        auto body = []() -> aya::task<int> {
            aya::current_task().cancel("late");
            co_return 1;
        };
        auto const h = aya::create_task(body);
        std::string message;
        try {
            (void)co_await h;
        } catch (aya::cancelled_error const& e) {
            message = e.message();
        }
        CHECK(h.cancelled());
        CHECK(message == "late");
    });
}

TEST_CASE("C13: self-cancel, then an exception without a suspension: failed, not cancelled") {
    everywhere([]() -> aya::task<> {
        auto body = []() -> aya::task<> {
            aya::current_task().cancel();
            throw std::runtime_error("stronger");
            co_return;
        };
        auto const h = aya::create_task(body);
        bool const threw = co_await test::throws<std::runtime_error>(h);
        CHECK(threw);
        CHECK_FALSE(h.cancelled());
    });
}

TEST_CASE("C14: two cancels before the task resumes deliver one cancellation and count two") {
    everywhere([]() -> aya::task<> {
        int delivered = 0;
        auto body = [&]() -> aya::task<> {
            for (int i = 0; i < 3; ++i) {
                try {
                    co_await aya::sleep(1h);
                } catch (aya::cancelled_error const&) {
                    ++delivered;
                }
            }
        };
        auto const h = aya::create_task(body);
        co_await test::settle();
        auto twice = [&]() -> aya::task<> {
            h.cancel();
            h.cancel();
            co_return;
        };
        co_await twice();
        co_await h;
        CHECK(h.cancelling() == 2);
        // With several workers the task may have resumed between the two.
        CHECK(delivered >= 1);
        CHECK(delivered <= 2);
    });
    in_order([]() -> aya::task<> {
        int delivered = 0;
        auto body = [&]() -> aya::task<> {
            for (int i = 0; i < 3; ++i) {
                try {
                    co_await aya::sleep(1h);
                } catch (aya::cancelled_error const&) {
                    ++delivered;
                }
            }
        };
        auto const h = aya::create_task(body);
        co_await test::settle();
        h.cancel();
        h.cancel();
        co_await h;
        CHECK(delivered == 1);
        CHECK(h.cancelling() == 2);
    });
}

TEST_CASE("C15, C16: a caught cancellation leaves the count; uncancel() lowers it, never below zero") {
    everywhere([]() -> aya::task<> {
        aya::event leave;
        auto body = [&]() -> aya::task<> {
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            CHECK(aya::current_task().cancelling() == 1);
            CHECK(aya::current_task().uncancel() == 0);
            CHECK(aya::current_task().uncancel() == 0);
            CHECK(aya::current_task().cancelling() == 0);
            co_await leave.wait();
        };
        auto const h = aya::create_task(body);
        co_await test::settle();
        h.cancel();
        co_await test::settle();
        leave.set();
        co_await h;
        CHECK_FALSE(h.cancelled());
    });
}

TEST_CASE("C17: uncancel() to zero withdraws what was not delivered yet; above zero it does not") {
    everywhere([]() -> aya::task<> {
        int stage = 0;
        auto body = [&](int cancels) -> aya::task<> {
            for (int i = 0; i < cancels; ++i)
                aya::current_task().cancel();
            aya::current_task().uncancel();
            co_await aya::yield();
            ++stage;
        };
        auto const withdrawn = aya::create_task(body, 1);
        co_await test::settle();
        CHECK(stage == 1);
        CHECK(withdrawn.done());
        CHECK_FALSE(withdrawn.cancelled());
        auto const kept = aya::create_task(body, 2);
        co_await test::settle();
        CHECK(stage == 1);
        CHECK(kept.cancelled());
        CHECK(kept.cancelling() == 1);
    });
}

TEST_CASE("C19: a swallowed cancellation does not stick, and a later cancel() delivers again") {
    everywhere([]() -> aya::task<> {
        int delivered = 0;
        bool slept = false;
        auto body = [&]() -> aya::task<> {
            for (int i = 0; i < 2; ++i) {
                bool const c = co_await test::throws<aya::cancelled_error>(test::forever());
                delivered += c ? 1 : 0;
                co_await aya::sleep(1ms); // works normally in between
                slept = true;
            }
        };
        auto const h = aya::create_task(body);
        co_await test::settle();
        h.cancel();
        co_await aya::sleep(10ms);
        CHECK(slept);
        CHECK(delivered == 1);
        h.cancel();
        co_await h;
        CHECK(delivered == 2);
    });
}

TEST_CASE("C20: the message arrives; of two requests to a waiting task the first one's is seen") {
    in_order([]() -> aya::task<> {
        std::string seen;
        auto body = [&]() -> aya::task<> {
            try {
                co_await aya::sleep(1h);
            } catch (aya::cancelled_error const& e) {
                seen = e.message();
                throw;
            }
        };
        auto const h = aya::create_task(body);
        co_await test::settle();
        h.cancel("m1");
        h.cancel("m2");
        std::string outside;
        try {
            co_await h;
        } catch (aya::cancelled_error const& e) {
            outside = e.message();
        }
        CHECK(seen == "m1");
        CHECK(outside == "m1");
    });
    everywhere([]() -> aya::task<> {
        auto const h = aya::create_task(test::forever());
        co_await test::settle();
        h.cancel("why");
        std::string message;
        try {
            co_await h;
        } catch (aya::cancelled_error const& e) {
            message = e.message();
            CHECK(std::string(e.what()) == "why");
        }
        CHECK(message == "why");
    });
}

TEST_CASE("C21: a handler of std::exception does not catch it") {
    static_assert(!std::is_base_of_v<std::exception, aya::cancelled_error>);
    everywhere([]() -> aya::task<> {
        bool swallowed = false;
        auto body = [&]() -> aya::task<> {
            try {
                co_await aya::sleep(1h);
            } catch (std::exception const&) {
                swallowed = true;
            }
        };
        auto const h = aya::create_task(body);
        co_await test::settle();
        h.cancel();
        co_await test::settle();
        CHECK_FALSE(swallowed);
        CHECK(h.cancelled());
    });
}

TEST_CASE("C23: cancelling a task that yields makes the cancellation the next thing it sees") {
    in_order([]() -> aya::task<> {
        int steps = 0;
        auto body = [&]() -> aya::task<> {
            for (;;) {
                co_await aya::yield();
                ++steps;
            }
        };
        auto const h = aya::create_task(body);
        for (int i = 0; i < 10; ++i)
            co_await aya::yield();
        int const before = steps;
        CHECK(before > 0);
        h.cancel();
        (void)co_await test::throws<aya::cancelled_error>(h);
        CHECK(steps == before);
        CHECK(h.cancelled());
    });
}
