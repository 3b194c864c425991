// SPDX-License-Identifier: Apache-2.0
// The contract's section 15.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <stdexcept>
#include <thread>

using test::everywhere;
using namespace std::chrono_literals;

namespace {

/// A call that says when it runs, and stays until it is let go.
struct gate {
    std::atomic<bool> entered{false};
    std::atomic<bool> open{false};
    std::atomic<bool> left{false};

    void pass() {
        entered.store(true);
        test::eventually_outside([&] { return open.load(); });
        left.store(true);
    }
};

aya::task<> through(gate& g) {
    auto call = [&g] { g.pass(); };
    co_await aya::to_thread(call);
}

aya::runtime_options one_blocking_thread() {
    aya::runtime_options options;
    options.blocking_threads = 1;
    return options;
}

} // namespace

TEST_CASE("X1: to_thread runs the call on another thread than the task's") {
    everywhere([]() -> aya::task<> {
        auto id = [] { return std::this_thread::get_id(); };
        auto const there = co_await aya::to_thread(id);
        CHECK(there != std::this_thread::get_id());
    });
}

TEST_CASE("X2: its exception is thrown at the await, and the pool survives") {
    everywhere([]() -> aya::task<> {
        auto fail = []() -> int { throw std::out_of_range("no"); };
        auto caller = [&]() -> aya::task<int> { co_return co_await aya::to_thread(fail); };
        for (int i = 0; i < 3; ++i) {
            bool const threw = co_await test::throws<std::out_of_range>(caller());
            CHECK(threw);
        }
        auto good = [] { return 3; };
        int const value = co_await aya::to_thread(good);
        CHECK(value == 3);
    });
}

TEST_CASE("X3: cancelling the caller: at once; a call that runs goes on, one that is queued never runs") {
    test::on_every_runtime(
        [](aya::runtime& rt) {
            auto body = []() -> aya::task<> {
                gate running;
                gate queued;
                auto const a = aya::create_task(through(running));
                bool ok = co_await test::eventually([&] { return running.entered.load(); });
                CHECK(ok);
                auto const b = aya::create_task(through(queued));
                for (int i = 0; i < 10; ++i)
                    co_await aya::yield();
                a.cancel();
                b.cancel();
                bool const a_cancelled = co_await test::throws<aya::cancelled_error>(a);
                bool const b_cancelled = co_await test::throws<aya::cancelled_error>(b);
                CHECK(a_cancelled);
                CHECK(b_cancelled);
                CHECK_FALSE(running.left.load());
                running.open.store(true);
                ok = co_await test::eventually([&] { return running.left.load(); });
                CHECK(ok);
                // The only thread takes the next job; the queued one has been passed over by then.
                auto nothing = [] {};
                co_await aya::to_thread(nothing);
                CHECK_FALSE(queued.entered.load());
            };
            rt.block_on(body);
        },
        one_blocking_thread());
}

TEST_CASE("X4: a late result or exception of a cancelled call is dropped without a report") {
    test::report_log log;
    aya::runtime_options options;
    options.exception_handler = log.handler();
    test::on_every_runtime(
        [&](aya::runtime& rt) {
            auto body = []() -> aya::task<> {
                gate g;
                auto fail_late = [&g] {
                    g.pass();
                    throw std::out_of_range("late");
                };
                auto caller = [&]() -> aya::task<> { co_await aya::to_thread(fail_late); };
                auto const h = aya::create_task(caller);
                bool ok = co_await test::eventually([&] { return g.entered.load(); });
                CHECK(ok);
                h.cancel();
                bool const cancelled = co_await test::throws<aya::cancelled_error>(h);
                CHECK(cancelled);
                g.open.store(true);
                ok = co_await test::eventually([&] { return g.left.load(); });
                CHECK(ok);
            };
            rt.block_on(body);
        },
        options);
    CHECK(log.count() == 0);
}

TEST_CASE("X5: blocking calls occupy no worker") {
    test::on_every_runtime([](aya::runtime& rt) {
        auto body = []() -> aya::task<> {
            gate g;
            std::vector<aya::task_handle<>> blocked;
            for (int i = 0; i < 4; ++i)
                blocked.push_back(aya::create_task(through(g)));
            bool const ok = co_await test::eventually([&] { return g.entered.load(); });
            CHECK(ok);
            for (int i = 0; i < 100; ++i)
                co_await aya::yield();
            co_await aya::sleep(1ms);
            CHECK_FALSE(g.left.load());
            g.open.store(true);
            co_await aya::gather(blocked);
        };
        rt.block_on(body);
    });
}

TEST_CASE("X10: spawn from a foreign thread wakes a runtime that sleeps") {
    test::on_every_runtime([](aya::runtime& rt) {
        aya::event over;
        auto main = [&]() -> aya::task<> { co_await over.wait(); };
        test::thread_crew crew;
        crew.add([&] {
            std::atomic<int> ran{0};
            auto body = [&]() -> aya::task<> {
                ran.fetch_add(1);
                co_return;
            };
            bool all = true;
            for (int i = 1; i <= 200 && all; ++i) {
                (void)rt.spawn(body);
                all = test::eventually_outside([&] { return ran.load() == i; });
            }
            CHECK(all);
            over.set();
        });
        rt.block_on(main);
        crew.join();
    });
}

TEST_CASE("X11: a handle of a spawned task cancels it, tells of its end, and waits outside only") {
    test::on_every_runtime([](aya::runtime& rt) {
        auto const waiting = rt.spawn(test::forever());
        CHECK(waiting.cancel());
        rt.wait(waiting);
        CHECK(waiting.cancelled());
        auto fail = []() -> aya::task<> {
            throw std::out_of_range("no");
            co_return;
        };
        auto const failing = rt.spawn(fail);
        rt.wait(failing);
        CHECK_THROWS_AS(failing.result(), std::out_of_range);
        auto inside = [&]() -> aya::task<> {
            CHECK_THROWS_AS(rt.wait(failing), aya::invalid_state_error);
            co_return;
        };
        rt.block_on(inside);
    });
}

TEST_CASE("X6: once the pools are shut down, to_thread and to_cpu refuse, and a pool that was not there yet is not made any more") {
    for (std::size_t const workers : {std::size_t{1}, std::size_t{2}, std::size_t{8}}) {
        CAPTURE(workers);
        std::atomic<int> refused{0};
        std::atomic<int> not_made{0};
        {
            aya::runtime rt(test::kind{workers}.options());
            std::atomic<bool> running{false};
            // A job that goes on while the runtime ends, and starts tasks that want the pools.
            auto job = [&] {
                running = true;
                auto ask = [](std::atomic<int>* count) -> aya::task<> {
                    try {
                        co_await aya::to_thread([] {});
                    } catch (aya::broken_executor const&) {
                        ++*count;
                    }
                };
                auto ask_the_other = [](std::atomic<int>* count) -> aya::task<> {
                    try {
                        co_await aya::to_cpu([] {});
                    } catch (aya::broken_executor const&) {
                        ++*count;
                    }
                };
                // One at a time, with pauses that grow: the runtime waits for the tasks that are left before it shuts the pools down.
                for (int i = 0; i < 5000 && refused.load() == 0; ++i) {
                    auto const h = rt.spawn(ask, &refused);
                    (void)test::eventually_outside([&] { return h.done(); });
                    for (int pause = 0; pause < i; ++pause)
                        std::this_thread::yield();
                }
                auto const h = rt.spawn(ask_the_other, &not_made);
                (void)test::eventually_outside([&] { return h.done(); });
            };
            auto start = [](std::function<void()> f) -> aya::task<> { co_await aya::to_thread(std::move(f)); };
            (void)rt.spawn(start, std::function<void()>(job));
            CHECK(test::eventually_outside([&] { return running.load(); }));
        }
        CHECK(refused.load() == 1);
        CHECK(not_made.load() == 1);
    }
}
