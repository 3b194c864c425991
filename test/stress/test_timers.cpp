// SPDX-License-Identifier: Apache-2.0
// Sleeps and scopes that end by themselves, or are cancelled at that very moment.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace std::chrono_literals;

TEST_CASE("stress: random sleeps with random cancels: each ends once, in time or cancelled, and never early") {
    test::on_every_runtime([](aya::runtime& rt) {
        test::stress_clock const clock;
        auto main = [&]() -> aya::task<> {
            std::uint64_t stream = 4000;
            do {
                test::census census;
                std::atomic<int> slept{0};
                std::atomic<int> cancelled{0};
                std::atomic<int> early{0};
                auto sleeper = [&](std::chrono::microseconds d, test::census::resident) -> aya::task<> {
                    auto const start = std::chrono::steady_clock::now();
                    try {
                        co_await aya::sleep(d);
                    } catch (aya::cancelled_error const&) {
                        cancelled.fetch_add(1);
                        throw;
                    }
                    if (std::chrono::steady_clock::now() - start < d)
                        early.fetch_add(1);
                    slept.fetch_add(1);
                };
                test::random_source random(++stream);
                std::vector<aya::task_handle<>> all;
                for (int i = 0; i < 100; ++i)
                    all.push_back(
                        aya::create_task(sleeper, std::chrono::microseconds(random.below(2000)), census.make()));
                co_await aya::yield();
                for (int i = 0; i < 50; ++i) {
                    all[random.below(100)].cancel();
                    if (random.one_in(3))
                        co_await aya::sleep(std::chrono::microseconds(random.below(100)));
                }
                (void)co_await aya::gather(aya::return_exceptions, all);
                int never_ran = 0;
                for (auto const& h : all)
                    never_ran += h.done() ? 0 : 1;
                CHECK(never_ran == 0);
                CHECK(slept.load() + cancelled.load() <= 100);
                CHECK(early.load() == 0);
                CHECK(census.live() == 0);
            } while (clock.running());
        };
        rt.block_on(main);
    });
}

TEST_CASE("stress: a scope's deadline races with the end of its body: the count of requests is always right afterwards") {
    test::on_every_runtime([](aya::runtime& rt) {
        test::stress_clock const clock;
        std::atomic<long> late{0};
        std::atomic<long> in_time{0};
        auto one = [&](std::uint64_t stream) -> aya::task<> {
            test::random_source random(stream);
            auto body = [](std::chrono::microseconds d) -> aya::task<> { co_await aya::sleep(d); };
            for (int i = 0; i < 20; ++i) {
                auto const d = std::chrono::microseconds(50 + random.below(100));
                bool const timed_out = co_await test::throws<aya::timeout_error>(aya::timeout(100us, body, d));
                (timed_out ? late : in_time).fetch_add(1);
                CHECK(aya::current_task().cancelling() == 0);
                co_await aya::yield(); // a cancellation that came too late would strike here
            }
        };
        auto main = [&]() -> aya::task<> {
            std::uint64_t stream = 5000;
            do {
                std::vector<aya::task<>> all;
                for (int i = 0; i < 8; ++i)
                    all.push_back(one(++stream));
                co_await aya::gather(std::move(all));
            } while (clock.running());
        };
        rt.block_on(main);
        MESSAGE("late " << late.load() << ", in time " << in_time.load());
    });
}

TEST_CASE("stress: under virtual time thousands of sleepers on every worker wake at their own times") {
    aya::runtime_options options;
    options.virtual_time = true;
    test::on_every_runtime(
        [](aya::runtime& rt) {
            auto main = []() -> aya::task<> {
                std::atomic<int> wrong{0};
                auto sleeper = [&](std::uint64_t stream) -> aya::task<> {
                    test::random_source random(stream);
                    for (int i = 0; i < 10; ++i) {
                        auto const until = aya::now() + std::chrono::nanoseconds(1 + random.below(1'000'000));
                        co_await aya::sleep_until(until);
                        if (aya::now() != until)
                            wrong.fetch_add(1);
                    }
                };
                std::vector<aya::task<>> all;
                for (std::uint64_t i = 0; i < 500; ++i)
                    all.push_back(sleeper(6000 + i));
                co_await aya::gather(std::move(all));
                CHECK(wrong.load() == 0);
            };
            rt.block_on(main);
        },
        options);
}
