// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

using test::everywhere;
using namespace std::chrono_literals;

TEST_CASE("timeout: a body in time gives its result, one that is late throws timeout_error at the deadline") {
    everywhere([]() -> aya::task<> {
        auto body = [](std::chrono::milliseconds d) -> aya::task<int> {
            co_await aya::sleep(d);
            co_return 5;
        };
        int const in_time = co_await aya::timeout(10ms, body, 5ms);
        CHECK(in_time == 5);
        auto const start = aya::now();
        bool const late = co_await test::throws<aya::timeout_error>(aya::timeout(10ms, body, 20ms));
        CHECK(late);
        CHECK(aya::now() - start == 10ms);
    });
}

TEST_CASE("timeout: the timeout_error carries the cancellation as its cause") {
    everywhere([]() -> aya::task<> {
        bool nested = false;
        try {
            co_await aya::timeout(1ms, test::forever);
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

TEST_CASE("timeout: the body may take the scope, and sees its deadline") {
    everywhere([]() -> aya::task<> {
        auto body = [](aya::timeout_scope& scope, int x) -> aya::task<int> {
            CHECK(scope.when() == aya::now() + 10ms);
            CHECK_FALSE(scope.expired());
            co_return x;
        };
        int const result = co_await aya::timeout(10ms, body, 3);
        CHECK(result == 3);
        auto unlimited = [](aya::timeout_scope& scope) -> aya::task<> {
            CHECK_FALSE(scope.when().has_value());
            co_await aya::sleep(100h);
        };
        co_await aya::timeout_at(std::nullopt, unlimited);
    });
}

TEST_CASE("timeout: wait_for takes a task, a handle or a gather") {
    everywhere([]() -> aya::task<> {
        auto after = [](std::chrono::milliseconds d, int v) -> aya::task<int> {
            co_await aya::sleep(d);
            co_return v;
        };
        int const a = co_await aya::wait_for(after(1ms, 1), 5ms);
        auto const handle = aya::create_task(after(1ms, 2));
        int const b = co_await aya::wait_for(handle, 5ms);
        auto const [c, d] = co_await aya::wait_for(aya::gather(after(1ms, 3), after(2ms, 4)), 5ms);
        CHECK(a + b + c + d == 10);
        bool const late = co_await test::throws<aya::timeout_error>(aya::wait_for(aya::gather(after(1ms, 3), after(9ms, 4)), 5ms));
        CHECK(late);
    });
}

TEST_CASE("timeout: a scope that ended in time leaves no timer behind") {
    everywhere([]() -> aya::task<> {
        auto body = []() -> aya::task<> { co_await aya::sleep(1ms); };
        for (int i = 0; i < 100; ++i)
            co_await aya::timeout(10h, body);
        co_await aya::sleep(1s);
        CHECK(aya::now() < aya::time_point(2s));
    });
}

TEST_CASE("timeout: a duration that overflows is no limit, NaN is refused") {
    everywhere([]() -> aya::task<> {
        auto body = []() -> aya::task<> { co_await aya::sleep(1h); };
        co_await aya::timeout(std::chrono::hours::max(), body);
        co_await aya::timeout(std::chrono::duration<double>(1e300), body);
        CHECK_THROWS_AS((void)aya::timeout(std::chrono::duration<double>(0.0 / 0.0), body), std::invalid_argument);
    });
}

TEST_CASE("timeout: is scheduled, driven and grouped like a task; awaited once") {
    test::on_every_runtime([](aya::runtime& rt) {
        auto five = []() -> aya::task<int> { co_return 5; };
        CHECK(rt.block_on(aya::timeout(1s, five)) == 5);
        CHECK(rt.block_on(aya::wait_for(five(), 1s)) == 5);
        auto const spawned = rt.spawn(aya::timeout(1s, five));
        rt.wait(spawned);
        CHECK(spawned.result() == 5);
        rt.block_on([five]() -> aya::task<> {
            auto body = [five](aya::task_group& group) -> aya::task<int> {
                auto const child = group.create_task(aya::timeout(1s, five));
                co_return co_await child;
            };
            int const grouped = co_await aya::with_task_group(body);
            CHECK(grouped == 5);
            auto once = aya::timeout(1s, five);
            int const first = co_await std::move(once);
            CHECK(first == 5);
            bool const refused = co_await test::throws<aya::invalid_state_error>([&]() -> aya::task<> { (void)co_await std::move(once); }());
            CHECK(refused);
        });
    });
    CHECK(aya::run(aya::timeout(1s, []() -> aya::task<int> { co_return 6; })) == 6);
}
