// SPDX-License-Identifier: Apache-2.0
// The contract's section 4, as far as it concerns tasks.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using test::everywhere;
using test::in_order;
using namespace std::chrono_literals;

TEST_CASE("S1: a sleep of zero or less suspends once and lets everything ready run first") {
    in_order([]() -> aya::task<> {
        for (int variant = 0; variant < 3; ++variant) {
            std::vector<int> order;
            auto other = [&](int i) -> aya::task<> {
                order.push_back(i);
                co_return;
            };
            auto const a = aya::create_task(other, 1);
            auto const b = aya::create_task(other, 2);
            if (variant == 0)
                co_await aya::sleep(0s);
            else if (variant == 1)
                co_await aya::sleep(-1h);
            else
                co_await aya::yield();
            order.push_back(3);
            co_await aya::gather(a, b);
            CHECK(order == std::vector<int>{1, 2, 3});
            CHECK(aya::now() == aya::time_point(0s));
        }
    });
}

TEST_CASE("S1: two tasks that yield take turns") {
    in_order([]() -> aya::task<> {
        std::string turns;
        auto body = [&](char name) -> aya::task<> {
            for (int i = 0; i < 4; ++i) {
                turns += name;
                co_await aya::yield();
            }
        };
        auto const a = aya::create_task(body, 'a');
        auto const b = aya::create_task(body, 'b');
        co_await test::settle();
        CHECK(turns == "abababab");
        co_await aya::gather(a, b);
    });
}

TEST_CASE("S3: NaN is refused") {
    everywhere([]() -> aya::task<> {
        std::chrono::duration<double> const nan(std::numeric_limits<double>::quiet_NaN());
        CHECK_THROWS_AS((void)aya::sleep(nan), std::invalid_argument);
        co_return;
    });
}

TEST_CASE("S4: cancelling a sleeper removes its timer") {
    everywhere([]() -> aya::task<> {
        auto sleeper = []() -> aya::task<> { co_await aya::sleep(10h); };
        auto const h = aya::create_task(sleeper);
        co_await test::settle();
        h.cancel();
        bool const cancelled = co_await test::throws<aya::cancelled_error>(h);
        CHECK(cancelled);
        co_await aya::sleep(1h);
        CHECK(aya::now() < aya::time_point(2h));
        co_await aya::sleep(20h); // past the old deadline: nothing fires into a frame that is gone
    });
}

TEST_CASE("S5: a sleep is never shorter than asked for") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        for (auto const d : {1us, 50us, 1000us, 3000us}) {
            auto const start = std::chrono::steady_clock::now();
            co_await aya::sleep(d);
            CHECK(std::chrono::steady_clock::now() - start >= d);
        }
    });
}

TEST_CASE("S8: sleepers wake in the order of their deadlines, equal ones in the order they fell asleep") {
    in_order([]() -> aya::task<> {
        std::vector<int> order;
        auto sleeper = [&](int ms, int name) -> aya::task<> {
            co_await aya::sleep(std::chrono::milliseconds(ms));
            order.push_back(name);
        };
        std::vector<aya::task_handle<>> all;
        int const delays[] = {5, 1, 5, 3, 1, 5, 3, 1};
        for (int i = 0; i < 8; ++i)
            all.push_back(aya::create_task(sleeper, delays[i], i));
        co_await aya::gather(all);
        CHECK(order == std::vector<int>{1, 4, 7, 3, 6, 0, 2, 5});
    });
}

TEST_CASE("S2: sleep(d, value) gives the value") {
    everywhere([]() -> aya::task<> {
        int const number = co_await aya::sleep(1ms, 42);
        CHECK(number == 42);
        auto owner = co_await aya::sleep(0ms, std::make_unique<int>(7)); // moved through
        CHECK(*owner == 7);
        auto const [a, b] = co_await aya::gather(aya::sleep(2ms, std::string("a")), aya::sleep(1ms, std::string("b")));
        CHECK(a + b == "ab");
        auto const h = aya::create_task(aya::sleep(1h, 1));
        co_await test::settle();
        h.cancel();
        bool const cancelled = co_await test::throws<aya::cancelled_error>(h);
        CHECK(cancelled);
    });
}
