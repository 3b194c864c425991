// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

using test::everywhere;
using namespace std::chrono_literals;

TEST_CASE("sleep: virtual time jumps exactly to each deadline") {
    everywhere([]() -> aya::task<> {
        CHECK(aya::now() == aya::time_point(0s));
        co_await aya::sleep(3h);
        CHECK(aya::now() == aya::time_point(3h));
        co_await aya::sleep_until(aya::time_point(4h));
        CHECK(aya::now() == aya::time_point(4h));
        co_await aya::sleep_until(aya::time_point(1h)); // long past
        CHECK(aya::now() == aya::time_point(4h));
        co_await aya::sleep(-5s);
        CHECK(aya::now() == aya::time_point(4h));
    });
}

TEST_CASE("sleep: many sleepers end at their own deadlines, in order") {
    everywhere([]() -> aya::task<> {
        std::atomic<int> wrong{0};
        std::atomic<long> last{0};
        auto sleeper = [&](int ms) -> aya::task<> {
            co_await aya::sleep(std::chrono::milliseconds(ms));
            if (aya::now() != aya::time_point(std::chrono::milliseconds(ms)) || last.exchange(ms) > ms)
                wrong.fetch_add(1);
        };
        std::vector<aya::task<>> all;
        for (int i = 0; i < 500; ++i)
            all.push_back(sleeper(1 + i * 37 % 500));
        co_await aya::gather(std::move(all));
        CHECK(wrong.load() == 0);
        CHECK(aya::now() == aya::time_point(500ms));
    });
}

TEST_CASE("sleep: in real time never wakes early, on any kind of runtime") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        std::atomic<int> early{0};
        auto sleeper = [&](std::chrono::microseconds d) -> aya::task<> {
            auto const start = std::chrono::steady_clock::now();
            co_await aya::sleep(d);
            if (std::chrono::steady_clock::now() - start < d)
                early.fetch_add(1);
        };
        std::vector<aya::task<>> all;
        for (int i = 0; i < 200; ++i)
            all.push_back(sleeper(std::chrono::microseconds(i * 50)));
        co_await aya::gather(std::move(all));
        CHECK(early.load() == 0);
    });
}

TEST_CASE("sleep: a far deadline does not keep nearer ones from firing") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto long_sleeper = []() -> aya::task<> { co_await aya::sleep(std::chrono::hours::max()); };
        auto const far = aya::create_task(long_sleeper);
        co_await aya::sleep(1ms);
        for (int i = 0; i < 20; ++i)
            co_await aya::sleep(100us);
        far.cancel();
        bool const cancelled = co_await test::throws<aya::cancelled_error>(far);
        CHECK(cancelled);
    });
}

TEST_CASE("sleep: timers fire though every worker is kept busy") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        std::atomic<bool> over{false};
        auto spinner = [&]() -> aya::task<> {
            while (!over.load())
                co_await aya::yield();
        };
        std::vector<aya::task_handle<>> spinners;
        for (int i = 0; i < 20; ++i)
            spinners.push_back(aya::create_task(spinner));
        for (int i = 0; i < 10; ++i)
            co_await aya::sleep(1ms);
        over.store(true);
        co_await aya::gather(spinners);
    });
}
