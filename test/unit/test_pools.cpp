// SPDX-License-Identifier: Apache-2.0
// Pools of one's own, map_in_executor() on them, and calls that are told to stop.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <latch>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace {

/// Calls that go on until they are told to stop.
struct endless_calls {
    std::atomic<int> begun = 0;
    std::atomic<int> ended = 0;

    auto polite() {
        return [this](aya::stop_token token, int step) {
            begun += step;
            while (!token.stop_requested())
                std::this_thread::yield();
            ended += step;
        };
    }
    auto throwing() {
        return [this](aya::stop_token token) {
            ++begun;
            try {
                for (;;)
                    token.throw_if_stop_requested();
            } catch (aya::cancelled_error const&) {
                ++ended;
                throw; // dropped, like any result
            }
        };
    }
};

/// Until a call has begun: one whose time is over before never runs. Then it has to end.
template <class Attempt>
aya::task<> stop_one(endless_calls* calls, Attempt attempt) {
    int const before = calls->begun;
    while (calls->begun == before) {
        bool const late = co_await test::throws<aya::timeout_error>(attempt());
        CHECK(late);
    }
    bool const told = co_await test::eventually([=] { return calls->ended == calls->begun; });
    CHECK(told);
}

} // namespace

TEST_CASE("cpu_pool: of each priority") {
    for (auto const priority : {aya::cpu_priority::low, aya::cpu_priority::normal, aya::cpu_priority::high}) {
        aya::cpu_pool const pool({.threads = 1, .priority = priority});
        aya::runtime rt({.workers = 1});
        auto call = [](aya::any_executor on) -> aya::task<int> { co_return co_await aya::run_in_executor(on, [] { return 42; }); };
        CHECK(rt.block_on(call, aya::any_executor(pool)) == 42);
    }
}

TEST_CASE("stop token: a call whose awaiter is cancelled or times out is told") {
    endless_calls calls; // a call that has been given up may not have got to its first line yet, so they outlive the runtimes
    test::on_every_runtime([&calls](aya::runtime& rt) {
        auto stop_each = [&calls]() -> aya::task<> {
            co_await stop_one(&calls, [&] { return aya::timeout(2ms, aya::to_cpu(calls.polite(), 1)); });
            co_await stop_one(&calls, [&] { return aya::wait_for(aya::to_thread(calls.polite(), 1), 2ms); });
            co_await stop_one(&calls, [&] { return aya::timeout(2ms, aya::to_cpu(calls.throwing())); });
            int const value = co_await aya::to_cpu([](aya::stop_token token) { return token.stop_requested() ? 0 : 7; });
            CHECK(value == 7);
        };
        rt.block_on(stop_each);
    });
}

// A sanitizer sees it if one is used after its end; with delays (test/delays) it did within four seeds.
TEST_CASE("pools: one may go as soon as the task that called it is cancelled and over, wherever the call is on its way to it") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        for (int round = 0; round < 300; ++round) {
            auto on_a_pool = [](auto pool) -> aya::task<> {
                auto const h = aya::create_task(aya::run_in_executor(pool->executor(), [] {}));
                for (int i = 0; i < 3; ++i)
                    co_await aya::yield();
                h.cancel();
                co_await aya::wait(std::vector(1, h));
                pool.reset();
            };
            co_await on_a_pool(std::make_unique<aya::blocking_pool>(aya::blocking_pool_options{.max_threads = 1}));
            co_await on_a_pool(std::make_unique<aya::cpu_pool>(aya::cpu_pool_options{.threads = 1}));
        }
    });
}

TEST_CASE("map_in_executor: in order, in chunks, a few ahead; the first exception ends it; what is dropped is cancelled") {
    test::on_every_runtime([](aya::runtime& rt) {
        auto all = []() -> aya::task<> {
            aya::cpu_pool const pool({.threads = 2});
            for (std::size_t const chunk : {1U, 7U, 1000U}) {
                auto squares = aya::map_in_executor(pool, std::views::iota(0, 100), [](int i) { return i * i; }, {.chunk = chunk});
                int expected = 0;
                while (auto s = co_await squares.next()) {
                    CHECK(*s == expected * expected);
                    ++expected;
                }
                CHECK(expected == 100);
            }
            // What a std::vector<bool> gives is no bool, and would point into it.
            auto bits = aya::map_in_executor(pool, std::vector<bool>{true, false, true}, [](bool b) { return b ? 1 : 0; }, {.chunk = 2});
            int set = 0;
            while (auto b = co_await bits.next())
                set += *b;
            CHECK(set == 2);
            // A range that never ends is taken as far as is needed, and a little further.
            std::atomic<int> most = 0;
            {
                auto endless = aya::map_in_executor(
                    pool, std::views::iota(0),
                    [&most](int i) {
                        most = std::max(most.load(), i);
                        return i;
                    },
                    {.in_flight = 4});
                for (int i = 0; i < 10; ++i) {
                    auto const n = co_await endless.next();
                    CHECK(n == i);
                }
            }
            CHECK(most <= 14);
            auto failing = aya::map_in_executor(pool, std::vector{1, 2, 3, 0, 4}, [](int i) {
                return i == 0 ? throw std::domain_error("expected") : i;
            });
            int good = 0;
            bool threw = false;
            try {
                while (co_await failing.next())
                    ++good;
            } catch (std::domain_error const&) {
                threw = true;
            }
            CHECK(threw);
            CHECK(good == 3);
            auto refused = aya::map_in_executor(pool, std::vector{1}, [](int i) { return i; }, {.chunk = 0});
            bool const invalid = co_await test::throws<std::invalid_argument>(aya::create_task(
                [](auto* g) -> aya::task<> { (void)co_await g->next(); }, &refused));
            CHECK(invalid);
        };
        rt.block_on(all);
    });
}

TEST_CASE("cpu_pool: a small one takes no threads from another") {
    aya::runtime rt({.workers = 1});
    aya::cpu_pool const large({.threads = 4});
    aya::cpu_pool const small({.threads = 1});
    auto meet = [](aya::any_executor four, aya::any_executor one) -> aya::task<int> {
        co_await aya::run_in_executor(one, [] {});
        std::latch all(4);
        auto job = [](std::latch* l) { l->arrive_and_wait(); }; // all at once, or never
        auto there = [](aya::any_executor e, auto f, std::latch* l) -> aya::task<> { co_await aya::run_in_executor(e, f, l); };
        co_await aya::gather(there(four, job, &all), there(four, job, &all), there(four, job, &all), there(four, job, &all));
        co_return 4;
    };
    CHECK(rt.block_on(meet, large.executor(), small.executor()) == 4);
}

TEST_CASE("pools: they say what they chose, refuse after shut_down(), and end with their work done") {
    aya::runtime rt({.workers = 2});
    aya::cpu_pool cpu({.threads = 3, .priority = aya::cpu_priority::low});
    CHECK(cpu.thread_count() == 3);
    CHECK(aya::cpu_pool().thread_count() >= 1);
    aya::blocking_pool blocking({.max_threads = 2, .idle_time = 1ms});
    CHECK(blocking.max_threads() == 2);
    CHECK(blocking.thread_count() == 0);
    CHECK(aya::blocking_pool().max_threads() >= 5);
    CHECK_THROWS_AS(aya::cpu_pool({.threads = 5000}), std::invalid_argument);
    CHECK_THROWS_AS(aya::blocking_pool({.max_threads = 5000}), std::invalid_argument);
    CHECK_THROWS_AS(aya::blocking_pool({.idle_time = -1s}), std::invalid_argument);

    std::atomic<int> at_once = 0, most = 0;
    auto many = [](aya::any_executor e, std::atomic<int>* now, std::atomic<int>* top) -> aya::task<> {
        auto job = [](std::atomic<int>* n, std::atomic<int>* m) {
            int const mine = ++*n;
            int seen = m->load();
            while (seen < mine && !m->compare_exchange_weak(seen, mine)) {
            }
            std::this_thread::yield();
            --*n;
        };
        std::vector<aya::task<>> all;
        for (int i = 0; i < 50; ++i)
            all.push_back([](aya::any_executor on, auto f, std::atomic<int>* n, std::atomic<int>* m) -> aya::task<> {
                co_await aya::run_in_executor(on, f, n, m);
            }(e, job, now, top));
        co_await aya::gather(std::move(all));
    };
    rt.block_on(many, blocking.executor(), &at_once, &most);
    CHECK(most >= 1);
    CHECK(most <= 2);
    CHECK(test::eventually_outside([&] { return blocking.thread_count() == 0; })); // shrinks after idling

    auto refused = [](aya::any_executor e) -> aya::task<bool> {
        co_return co_await test::throws<aya::broken_executor>(aya::run_in_executor(e, [] {}));
    };
    cpu.shut_down();
    blocking.shut_down();
    CHECK(rt.block_on(refused, cpu.executor()));
    CHECK(rt.block_on(refused, blocking.executor()));
}

TEST_CASE("blocking_pool: calls that come just when threads stop idling are each run once") {
    aya::runtime rt({.workers = 2});
    constexpr int calls = 2'000;
    std::atomic<int> run = 0;
    for (auto const idle_time : {0ns, 1ns, 20'000ns, std::chrono::nanoseconds::max()}) {
        run = 0;
        aya::blocking_pool pool({.max_threads = 3, .idle_time = idle_time});
        auto caller = [](aya::any_executor e, std::atomic<int>* n) -> aya::task<> {
            for (int i = 0; i < calls; ++i)
                co_await aya::run_in_executor(e, [n] { ++*n; });
        };
        auto both = [](auto f, aya::any_executor e, std::atomic<int>* n) -> aya::task<> { co_await aya::gather(f(e, n), f(e, n)); };
        rt.block_on(both, caller, pool.executor(), &run);
        CHECK(run == 2 * calls);
    }
}

TEST_CASE("blocking_pool: a call that blocks holds up no other, however many threads just became idle") {
    aya::runtime rt({.workers = 1});
    aya::blocking_pool pool({.max_threads = 4});
    auto body = [](aya::any_executor e) -> aya::task<> {
        for (int round = 0; round < 200; ++round) {
            std::latch all(4); // all at once, or never
            auto meet = [](aya::any_executor on, std::latch* l) -> aya::task<> {
                co_await aya::run_in_executor(on, [l] { l->arrive_and_wait(); });
            };
            co_await aya::gather(meet(e, &all), meet(e, &all), meet(e, &all), meet(e, &all));
        }
    };
    rt.block_on(body, pool.executor());
    CHECK(pool.thread_count() == 4);
}
