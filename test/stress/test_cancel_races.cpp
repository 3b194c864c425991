// SPDX-License-Identifier: Apache-2.0
// Cancellers that meet each other: on a circle of shields, and on a request that is taken back while it is delivered.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

TEST_CASE("stress: two threads cancel two tasks that await each other through shields: nobody waits for ever") {
    test::stress_clock const clock;
    aya::runtime rt(test::kind{2}.options());
    std::uint64_t rounds = 0;
    do {
        // Both tasks must exist before either awaits the other.
        struct pair {
            aya::task_handle<> a, b;
            aya::event known;
        } both;
        auto await_other = [&both](bool first) -> aya::task<> {
            co_await both.known.wait();
            co_await aya::shield(first ? both.b : both.a);
        };
        both.a = rt.spawn(await_other, true);
        both.b = rt.spawn(await_other, false);
        both.known.set();
        {
            std::atomic<int> ready{0};
            test::thread_crew crew;
            for (auto const* h : {&both.a, &both.b})
                crew.add([&ready, h] {
                    ready.fetch_add(1);
                    while (ready.load() < 2) {
                    }
                    while (!h->done())
                        h->cancel();
                });
        }
        rt.wait(both.a);
        rt.wait(both.b);
        CHECK(both.a.cancelled());
        CHECK(both.b.cancelled());
        ++rounds;
    } while (clock.running());
    MESSAGE(rounds, " rounds");
}

TEST_CASE("stress: a request that is pending when a call goes to a thread, and is taken back, loses neither the call nor the task") {
    test::stress_clock const clock;
    aya::runtime rt(test::kind{1}.options());
    std::atomic<bool> stop{false};
    std::uint64_t calls = 0;
    auto offload = [&]() -> aya::task<> {
        while (!stop.load()) {
            aya::current_task().cancel();
            try {
                co_await aya::to_thread([] {});
            } catch (aya::cancelled_error const&) {
            }
            while (aya::current_task().cancelling() != 0)
                aya::current_task().uncancel();
            ++calls;
        }
    };
    auto const h = rt.spawn(offload);
    while (clock.running())
        h.uncancel();
    stop.store(true);
    rt.wait(h);
    CHECK(h.exception() == nullptr);
    MESSAGE(calls, " calls");
}

TEST_CASE("stress: a request that goes down a chain of tasks while their ends come up is not lost where they meet") {
    test::stress_clock const clock;
    aya::runtime rt(test::kind{2}.options());
    auto body = [&]() -> aya::task<std::uint64_t> {
        test::random_source random(12);
        for (std::uint64_t rounds = 1;; ++rounds) {
            std::atomic<bool> go{false};
            std::atomic<std::size_t> begun{0};
            aya::event never;
            auto leaf = [&]() -> aya::task<> {
                begun.fetch_add(1);
                while (!go.load())
                    co_await aya::yield();
            };
            auto link = [&](aya::task_handle<> below) -> aya::task<> {
                begun.fetch_add(1);
                co_await below;
            };
            auto top = [&](aya::task_handle<> below) -> aya::task<> {
                begun.fetch_add(1);
                co_await below;
                co_await never.wait(); // where a request that came too late for the chain has to be found
            };
            std::size_t const length = 1 + random.below(60);
            auto last = aya::create_task(leaf);
            for (std::size_t i = 1; i < length; ++i)
                last = aya::create_task(link, last);
            auto const whole = aya::create_task(top, last);
            while (begun.load() <= length)
                co_await aya::yield();
            std::size_t spin = random.below(500 * length);
            go.store(true);
            for (; spin != 0; --spin)
                std::atomic_signal_fence(std::memory_order_seq_cst);
            CHECK(whole.cancel());
            auto const until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
            while (!whole.done() && std::chrono::steady_clock::now() < until)
                co_await aya::yield();
            bool const lost = !whole.done();
            CHECK_FALSE(lost);
            never.set();
            try {
                co_await whole;
            } catch (aya::cancelled_error const&) {
            }
            CHECK(whole.cancelled());
            if (lost || !clock.running())
                co_return rounds;
        }
    };
    std::uint64_t const rounds = rt.block_on(body);
    MESSAGE(rounds, " rounds");
}
