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
    test::random_source random(12);
    std::uint64_t rounds = 0;
    bool lost = false;
    do {
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
        // A long way, so that the thread that walks it is now and then interrupted while several tasks end.
        std::size_t const length = 1 + random.below(AYA_SANITIZED ? 200 : 3000);
        auto build = [&]() -> aya::task<aya::task_handle<>> {
            auto last = aya::create_task(leaf);
            for (std::size_t i = 1; i < length; ++i)
                last = aya::create_task(link, last);
            co_return aya::create_task(top, last);
        };
        aya::task_handle<> const whole = rt.block_on(build);
        while (begun.load() <= length)
            std::this_thread::yield();
        std::size_t spin = random.below(500 * length);
        go.store(true);
        for (; spin != 0; --spin)
            std::atomic_signal_fence(std::memory_order_seq_cst);
        CHECK(whole.cancel());
        lost = !test::eventually_outside([&] { return whole.done(); }, std::chrono::seconds(20));
        CHECK_FALSE(lost);
        never.set();
        rt.wait(whole);
        CHECK(whole.cancelled());
        ++rounds;
    } while ((clock.running() || rounds < 100) && !lost); // a hundred rounds are enough for most such losses
    MESSAGE(rounds, " rounds");
}
