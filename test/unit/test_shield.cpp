// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>

using test::everywhere;
using namespace std::chrono_literals;

TEST_CASE("shield: of a task, a handle, and results that only move") {
    everywhere([]() -> aya::task<> {
        auto owned = [](int v) -> aya::task<std::unique_ptr<int>> {
            co_await aya::sleep(1ms);
            co_return std::make_unique<int>(v);
        };
        std::unique_ptr<int> const p = co_await aya::shield(owned(1));
        CHECK(*p == 1);
        auto number = []() -> aya::task<int> { co_return 2; };
        auto const h = aya::create_task(number);
        int const a = co_await aya::shield(h);
        int const b = co_await aya::shield(h); // done by now
        CHECK(a + b == 4);
        auto fail = []() -> aya::task<> {
            throw std::runtime_error("no");
            co_return;
        };
        bool const threw = co_await test::throws<std::runtime_error>(aya::shield(fail()));
        CHECK(threw);
    });
}

TEST_CASE("shield: the inner task outlives a cancelled waiter that held the only handle") {
    everywhere([]() -> aya::task<> {
        bool finished = false;
        auto inner = [&]() -> aya::task<> {
            co_await aya::sleep(10ms);
            finished = true;
        };
        auto waiter = [&]() -> aya::task<> { co_await aya::shield(inner()); };
        auto const h = aya::create_task(waiter);
        co_await test::settle();
        h.cancel();
        bool const cancelled = co_await test::throws<aya::cancelled_error>(h);
        CHECK(cancelled);
        CHECK_FALSE(finished);
        co_await aya::sleep(20ms);
        CHECK(finished);
    });
}

TEST_CASE("shield: outside a runtime is refused") {
    auto number = []() -> aya::task<int> { co_return 2; };
    CHECK_THROWS_AS((void)aya::shield(number()), aya::invalid_state_error);
}
