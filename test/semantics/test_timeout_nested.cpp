// SPDX-License-Identifier: Apache-2.0
// The contract's section 8: timeout scopes inside each other.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <chrono>

using test::everywhere;
using test::in_order;
using namespace std::chrono_literals;

namespace {

// What the two scopes saw.
struct seen {
    bool inner_timeout = false;
    bool inner_cancelled = false;
    bool outer_timeout = false;
    bool inner_expired = false;
    bool outer_expired = false;
    bool too_late = false; // a scope had expired before its body began
};

aya::task<seen> nest(std::chrono::milliseconds outer, std::chrono::milliseconds inner, void (*block)()) {
    seen s;
    auto innermost = [&](aya::timeout_scope& scope) -> aya::task<> {
        s.too_late |= scope.expired();
        block();
        try {
            co_await test::forever();
        } catch (aya::cancelled_error const&) {
            s.inner_expired = scope.expired();
            throw;
        }
    };
    auto middle = [&](aya::timeout_scope& scope) -> aya::task<> {
        s.too_late |= scope.expired();
        try {
            co_await aya::timeout(inner, innermost);
        } catch (aya::timeout_error const&) {
            s.inner_timeout = true;
            s.outer_expired = scope.expired();
            throw;
        } catch (aya::cancelled_error const&) {
            s.inner_cancelled = true;
            s.outer_expired = scope.expired();
            throw;
        }
    };
    try {
        co_await aya::timeout(outer, middle);
    } catch (aya::timeout_error const&) {
        s.outer_timeout = true;
    }
    co_return s;
}

void at_once() {}

} // namespace

TEST_CASE("TO14: the same deadline: the inner scope lets the cancellation through, the outer one times out") {
    in_order([]() -> aya::task<> {
        seen const s = co_await nest(10ms, 10ms, &at_once);
        CHECK(s.inner_cancelled);
        CHECK_FALSE(s.inner_timeout);
        CHECK(s.outer_timeout);
        CHECK(s.inner_expired);
        CHECK(s.outer_expired);
        CHECK(aya::current_task().cancelling() == 0);
        co_await aya::yield();
    });
    everywhere([]() -> aya::task<> {
        for (int i = 0; i < 50; ++i) {
            // With several workers the inner scope may have gone before the outer one's timer fires; the count is right in any case.
            seen const s = co_await nest(10ms, 10ms, &at_once);
            CHECK(s.outer_timeout);
            CHECK(s.inner_cancelled != s.inner_timeout);
            CHECK(aya::current_task().cancelling() == 0);
            co_await aya::yield();
        }
    });
}

TEST_CASE("TO15: the inner one is earlier: timeout_error there; the outer one goes on and can still fire") {
    everywhere([]() -> aya::task<> {
        bool inner_late = false;
        auto outer = [&]() -> aya::task<> {
            inner_late = co_await test::throws<aya::timeout_error>(aya::timeout(5ms, test::forever));
            CHECK(aya::now() == aya::time_point(5ms));
            co_await test::forever();
        };
        bool const outer_late = co_await test::throws<aya::timeout_error>(aya::timeout(10ms, outer));
        CHECK(inner_late);
        CHECK(outer_late);
        CHECK(aya::now() == aya::time_point(10ms));
        CHECK(aya::current_task().cancelling() == 0);
    });
}

TEST_CASE("TO16: the outer one is earlier: cancelled_error through the inner one, which has not expired") {
    everywhere([]() -> aya::task<> {
        seen const s = co_await nest(5ms, 10ms, &at_once);
        CHECK(s.inner_cancelled);
        CHECK_FALSE(s.inner_expired);
        CHECK(s.outer_timeout);
        CHECK(aya::now() == aya::time_point(5ms));
        CHECK(aya::current_task().cancelling() == 0);
    });
}

TEST_CASE("TO17: the worker is blocked past both deadlines: as with the same deadline, though the inner one was earlier") {
    test::on_ordered_runtimes([](aya::runtime& rt) {
        auto body = []() -> aya::task<> {
            auto block = [] {
                auto const end = std::chrono::steady_clock::now() + 6ms;
                while (std::chrono::steady_clock::now() < end) {
                }
            };
            seen s = co_await nest(4ms, 2ms, block);
            for (int again = 0; s.too_late && again < 100; ++again) // the machine had stood still
                s = co_await nest(4ms, 2ms, block);
            CHECK_FALSE(s.too_late);
            CHECK(s.inner_cancelled);
            CHECK(s.inner_expired);
            CHECK(s.outer_timeout);
            CHECK(aya::current_task().cancelling() == 0);
        };
        rt.block_on(body);
    });
}

TEST_CASE("TO14: three scopes and a task group between them unwind to the right one") {
    everywhere([]() -> aya::task<> {
        auto child = []() -> aya::task<> { co_await test::forever(); };
        auto grouped = [&](aya::task_group& group) -> aya::task<> {
            (void)group.create_task(child);
            co_await aya::timeout(20ms, test::forever);
        };
        auto with_group = [&]() -> aya::task<> { co_await aya::with_task_group(grouped); };
        auto outer = [&]() -> aya::task<> { co_await aya::timeout(10ms, with_group); };
        bool const late = co_await test::throws<aya::timeout_error>(aya::timeout(30ms, outer));
        CHECK(late);
        CHECK(aya::now() == aya::time_point(10ms));
        CHECK(aya::current_task().cancelling() == 0);
    });
}
