// SPDX-License-Identifier: Apache-2.0
// The contract's section 6.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <vector>

using test::everywhere;
using test::in_order;
using namespace std::chrono_literals;

namespace {

using handles = std::vector<aya::task_handle<>>;

aya::task<> after(std::chrono::milliseconds d) { co_await aya::sleep(d); }
aya::task<> fail_after(std::chrono::milliseconds d) {
    co_await aya::sleep(d);
    throw std::runtime_error("no");
}

} // namespace

TEST_CASE("W1: an empty set and an empty handle are refused") {
    everywhere([]() -> aya::task<> {
        CHECK_THROWS_AS((void)aya::wait(handles()), std::invalid_argument);
        CHECK_THROWS_AS((void)aya::wait(handles(1)), aya::invalid_state_error);
        co_return;
    });
}

TEST_CASE("W2: done and pending are disjoint, and together hold the distinct tasks") {
    everywhere([]() -> aya::task<> {
        auto const a = aya::create_task(after(1ms));
        auto const b = aya::create_task(after(10ms));
        handles given;
        for (auto const& h : {a, b, a, a, b})
            given.push_back(h);
        auto const result = co_await aya::wait(given, {.timeout = 5ms});
        REQUIRE(result.done.size() == 1);
        REQUIRE(result.pending.size() == 1);
        CHECK(result.done[0] == a);
        CHECK(result.pending[0] == b);
    });
}

TEST_CASE("W3: first_completed returns when at least one is done, cancelled or failed") {
    everywhere([]() -> aya::task<> {
        auto const slow = aya::create_task(after(1h));
        for (int variant = 0; variant < 3; ++variant) {
            auto const start = aya::now();
            aya::task_handle<> quick;
            if (variant == 1)
                quick = aya::create_task(fail_after(2ms));
            else
                quick = aya::create_task(after(variant == 0 ? 2ms : 10ms));
            handles given{slow, quick};
            auto const waiting = aya::create_task([&]() -> aya::task<aya::wait_result<void>> {
                co_return co_await aya::wait(given, {.return_when = aya::first_completed});
            });
            co_await aya::sleep(1ms);
            if (variant == 2)
                quick.cancel();
            auto const& result = co_await waiting;
            CHECK(aya::now() - start == (variant == 2 ? 1ms : 2ms));
            REQUIRE(result.done.size() == 1);
            CHECK(result.done[0] == quick);
            CHECK(result.pending.size() == 1);
            if (variant == 1)
                CHECK(quick.exception() != nullptr);
        }
    });
}

TEST_CASE("W4: first_exception returns at the first exception; a cancelled task is none") {
    everywhere([]() -> aya::task<> {
        auto const victim = aya::create_task(after(1h));
        auto const failing = aya::create_task(fail_after(5ms));
        auto const slow = aya::create_task(after(10ms));
        handles given{victim, failing, slow};
        auto canceller = [&]() -> aya::task<> {
            co_await aya::sleep(1ms);
            victim.cancel();
        };
        auto const c = aya::create_task(canceller);
        auto const result = co_await aya::wait(given, {.return_when = aya::first_exception});
        CHECK(aya::now() == aya::time_point(5ms));
        CHECK(result.done.size() == 2);
        CHECK(result.pending.size() == 1);
        CHECK(failing.exception() != nullptr);
        // Without an exception it waits for all.
        handles rest{victim, slow};
        auto const all = co_await aya::wait(rest, {.return_when = aya::first_exception});
        CHECK(all.pending.empty());
        CHECK(aya::now() == aya::time_point(10ms));
    });
}

TEST_CASE("W5: a timeout neither throws nor cancels") {
    everywhere([]() -> aya::task<> {
        auto const slow = aya::create_task(after(10ms));
        auto const result = co_await aya::wait(handles(1, slow), {.timeout = 3ms});
        CHECK(aya::now() == aya::time_point(3ms));
        CHECK(result.done.empty());
        REQUIRE(result.pending.size() == 1);
        CHECK(slow.cancelling() == 0);
        co_await slow;
        CHECK(aya::now() == aya::time_point(10ms));
    });
}

TEST_CASE("W6: a timeout of zero still gives ready tasks one chance") {
    in_order([]() -> aya::task<> {
        bool ran = false;
        auto body = [&]() -> aya::task<> {
            ran = true;
            co_return;
        };
        auto const trivial = aya::create_task(body);
        auto const slow = aya::create_task(after(1h));
        handles given{trivial, slow};
        auto const result = co_await aya::wait(given, {.timeout = 0s});
        CHECK(ran);
        REQUIRE(result.done.size() == 1);
        CHECK(result.done[0] == trivial);
    });
    everywhere([]() -> aya::task<> {
        auto const slow = aya::create_task(after(1h));
        auto const result = co_await aya::wait(handles(1, slow), {.timeout = 0s});
        CHECK(result.pending.size() == 1);
        CHECK(aya::now() == aya::time_point(0s));
    });
}

TEST_CASE("W8: cancelling the wait leaves the tasks alone, and they may end later without harm") {
    everywhere([]() -> aya::task<> {
        auto const a = aya::create_task(after(10ms));
        auto const b = aya::create_task(after(20ms));
        handles const both{a, b};
        auto body = [&]() -> aya::task<> { (void)co_await aya::wait(both, {.timeout = 15ms}); };
        auto const waiting = aya::create_task(body);
        co_await aya::sleep(1ms);
        CHECK(waiting.cancel());
        bool const cancelled = co_await test::throws<aya::cancelled_error>(waiting);
        CHECK(cancelled);
        CHECK(aya::now() == aya::time_point(1ms));
        CHECK(a.cancelling() == 0);
        CHECK_FALSE(a.done());
        co_await aya::gather(a, b);
        CHECK(aya::now() == aya::time_point(20ms));
    });
}

TEST_CASE("W9: a task's exception is not thrown by wait, and stays unretrieved until asked for") {
    test::report_log log;
    aya::runtime_options options;
    options.virtual_time = true;
    options.exception_handler = log.handler();
    test::on_every_runtime(
        [&](aya::runtime& rt) {
            std::size_t const before = log.count();
            auto body = [&]() -> aya::task<> {
                {
                    auto const failing = aya::create_task(fail_after(1ms));
                    auto const result = co_await aya::wait(handles(1, failing));
                    CHECK(result.done.size() == 1);
                    co_await test::settle();
                    CHECK(log.count() == before);
                }
                co_await test::settle();
                CHECK(log.count() == before + 1);
            };
            rt.block_on(body);
        },
        options);
}

TEST_CASE("W7: tasks that are done already: the wait gives them at once") {
    everywhere([]() -> aya::task<> {
        auto nothing = []() -> aya::task<> { co_return; };
        auto const h = aya::create_task(nothing);
        co_await h;
        auto const [done, pending] = co_await aya::wait(std::vector<aya::task_handle<>>(1, h));
        CHECK(done.size() == 1);
        CHECK(pending.empty());
    });
}
