// SPDX-License-Identifier: Apache-2.0
// Locks, permits and events under random cancels.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <vector>

namespace {

template <class Body>
aya::task<> with_random_cancels(std::size_t count, std::uint64_t stream, Body body) {
    std::vector<aya::task_handle<>> tasks;
    for (std::size_t i = 0; i < count; ++i)
        tasks.push_back(aya::create_task(body, stream * 100 + i));
    auto canceller = [&](std::uint64_t s) -> aya::task<> {
        test::random_source random(s);
        for (std::size_t i = 0; i < count / 2; ++i) {
            for (std::size_t turns = random.below(6); turns != 0; --turns)
                co_await aya::yield();
            tasks[random.below(count)].cancel();
        }
    };
    co_await aya::gather(aya::create_task(canceller, stream * 7 + 1), aya::create_task(canceller, stream * 7 + 2));
    (void)co_await aya::gather(aya::return_exceptions, tasks);
}

template <class Round>
void for_a_while(aya::runtime& rt, std::uint64_t stream, Round round) {
    test::stress_clock const clock;
    auto main = [&]() -> aya::task<> {
        do
            co_await round(++stream);
        while (clock.running());
    };
    rt.block_on(main);
}

} // namespace

TEST_CASE("stress: a mutex excludes and is never lost, under random cancels") {
    test::on_every_runtime([](aya::runtime& rt) {
        auto round = [](std::uint64_t stream) -> aya::task<> {
            aya::mutex m;
            int inside = 0; // not atomic: the mutex orders it
            std::atomic<int> overlaps{0};
            auto body = [&](std::uint64_t s) -> aya::task<> {
                test::random_source random(s);
                for (int i = 0; i < 20; ++i) {
                    auto const guard = co_await m.lock();
                    if (++inside != 1)
                        overlaps.fetch_add(1);
                    struct leave {
                        int& inside;
                        ~leave() { --inside; }
                    } const at_end{inside};
                    if (random.one_in(2))
                        co_await aya::yield();
                }
            };
            co_await with_random_cancels(20, stream, body);
            CHECK(overlaps.load() == 0);
            CHECK(inside == 0);
            CHECK_FALSE(m.locked());
            CHECK(m.try_lock());
            m.unlock();
        };
        for_a_while(rt, 1000, round);
    });
}

TEST_CASE("stress: a semaphore keeps its number of permits, under random cancels") {
    test::on_every_runtime([](aya::runtime& rt) {
        auto round = [](std::uint64_t stream) -> aya::task<> {
            constexpr int permits = 3;
            aya::semaphore s(permits);
            std::atomic<int> inside{0};
            std::atomic<int> overruns{0};
            auto body = [&](std::uint64_t own) -> aya::task<> {
                test::random_source random(own);
                for (int i = 0; i < 20; ++i) {
                    auto const permit = co_await s.acquire();
                    if (inside.fetch_add(1) >= permits)
                        overruns.fetch_add(1);
                    struct leave {
                        std::atomic<int>& inside;
                        ~leave() { inside.fetch_sub(1); }
                    } const at_end{inside};
                    if (random.one_in(2))
                        co_await aya::yield();
                }
            };
            co_await with_random_cancels(20, stream, body);
            CHECK(overruns.load() == 0);
            int left = 0;
            while (s.try_acquire())
                ++left;
            CHECK(left == permits);
        };
        for_a_while(rt, 2000, round);
    });
}

TEST_CASE("stress: an event that is set wakes everybody who was not cancelled, and the waiters' memory is left alone") {
    test::on_every_runtime([](aya::runtime& rt) {
        auto round = [](std::uint64_t stream) -> aya::task<> {
            test::census census;
            std::vector<aya::task_handle<>> waiters;
            {
                auto const e = std::make_unique<aya::event>();
                auto waiter = [&](test::census::resident) -> aya::task<> { co_await e->wait(); };
                for (int i = 0; i < 16; ++i)
                    waiters.push_back(aya::create_task(waiter, census.make()));
                auto setter = [&]() -> aya::task<> {
                    co_await aya::yield();
                    e->set();
                };
                auto canceller = [&]() -> aya::task<> {
                    test::random_source random(stream);
                    for (int i = 0; i < 8; ++i) {
                        waiters[random.below(16)].cancel();
                        if (random.one_in(4))
                            co_await aya::yield();
                    }
                };
                co_await aya::gather(aya::create_task(setter), aya::create_task(canceller));
                (void)co_await aya::gather(aya::return_exceptions, waiters);
            }
            CHECK(census.live() == 0);
        };
        for_a_while(rt, 3000, round);
    });
}
