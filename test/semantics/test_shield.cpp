// SPDX-License-Identifier: Apache-2.0
// The contract's section 10.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <stdexcept>

using test::everywhere;
using test::in_order;
using namespace std::chrono_literals;

namespace {

aya::task<int> after(std::chrono::milliseconds d, int value) {
    co_await aya::sleep(d);
    co_return value;
}
aya::task<> shielded(aya::task_handle<int> h) { (void)co_await aya::shield(h); }

} // namespace

TEST_CASE("SH1: cancelling the task that awaits a shield cancels it there; the inner task goes on") {
    everywhere([]() -> aya::task<> {
        auto const inner = aya::create_task(after(10ms, 1));
        auto const outer = aya::create_task(shielded(inner));
        co_await test::settle();
        CHECK(outer.cancel());
        co_await test::settle();
        CHECK(outer.cancelled());
        CHECK_FALSE(inner.done());
        CHECK(inner.cancelling() == 0);
        int const value = co_await inner;
        CHECK(value == 1);
    });
}

TEST_CASE("SH2: if the inner task is cancelled, so is the shield, with no request counted on the awaiting task") {
    everywhere([]() -> aya::task<> {
        auto const inner = aya::create_task(after(1h, 1));
        auto const outer = aya::create_task(shielded(inner));
        co_await test::settle();
        inner.cancel();
        co_await test::settle();
        CHECK(outer.cancelled());
        CHECK(outer.cancelling() == 0);
    });
}

TEST_CASE("SH3: a shield of a task that is done does not suspend") {
    in_order([]() -> aya::task<> {
        auto const inner = aya::create_task(after(1ms, 1));
        co_await inner;
        bool other_ran = false;
        auto other_body = [&]() -> aya::task<> {
            other_ran = true;
            co_return;
        };
        auto const other = aya::create_task(other_body);
        int const value = co_await aya::shield(inner);
        CHECK(value == 1);
        CHECK_FALSE(other_ran);
        co_await other;
    });
}

TEST_CASE("SH4, SH5: after the waiter was cancelled, a later exception is reported once, a later result dropped") {
    test::report_log log;
    aya::runtime_options options;
    options.virtual_time = true;
    options.exception_handler = log.handler();
    test::on_every_runtime(
        [&](aya::runtime& rt) {
            std::size_t const before = log.count();
            auto body = [&]() -> aya::task<> {
                auto fail = []() -> aya::task<int> {
                    co_await aya::sleep(10ms);
                    throw std::runtime_error("late");
                };
                auto wait_for_failure = [&]() -> aya::task<> { (void)co_await aya::shield(fail()); };
                auto wait_for_result = [&]() -> aya::task<> { (void)co_await aya::shield(after(10ms, 1)); };
                auto const a = aya::create_task(wait_for_failure);
                auto const b = aya::create_task(wait_for_result);
                co_await test::settle();
                a.cancel();
                b.cancel();
                co_await aya::sleep(20ms);
                CHECK(a.cancelled());
                CHECK(b.cancelled());
            };
            rt.block_on(body);
            CHECK(log.count() == before + 1);
        },
        options);
}

TEST_CASE("SH6: a gather over shields leaves the inner tasks; a shield over a gather leaves its tasks") {
    everywhere([]() -> aya::task<> {
        auto const a = aya::create_task(after(10ms, 1));
        auto const b = aya::create_task(after(10ms, 2));
        auto const over_shields = aya::create_task(aya::gather(shielded(a), shielded(b)));
        auto shield_gather = [&]() -> aya::task<> { co_await aya::shield(aya::gather(a, b)); };
        auto const over_gather = aya::create_task(shield_gather);
        co_await test::settle();
        over_shields.cancel();
        over_gather.cancel();
        co_await test::settle();
        CHECK(over_shields.cancelled());
        CHECK(over_gather.cancelled());
        CHECK_FALSE(a.done());
        CHECK(a.cancelling() + b.cancelling() == 0);
        co_await aya::gather(a, b);
        CHECK(a.result() + b.result() == 3);
    });
}

TEST_CASE("SH7: the end of the runtime cancels a shielded task like any other") {
    for (std::size_t const workers : test::every_kind) {
        bool cancelled = false;
        {
            auto inner = [&]() -> aya::task<> {
                try {
                    co_await aya::sleep(10h);
                } catch (aya::cancelled_error const&) {
                    cancelled = true;
                    throw;
                }
            };
            auto outer = [&]() -> aya::task<> { co_await aya::shield(inner()); };
            auto main = [&]() -> aya::task<> {
                (void)aya::create_task(outer);
                co_await aya::sleep(1ms);
            };
            aya::runtime_options options = test::kind{workers}.options();
            options.virtual_time = true; // a sleep ends when all others wait
            aya::runtime rt(options); // its end still runs the tasks
            rt.block_on(main);
        }
        CHECK(cancelled);
    }
}
