// SPDX-License-Identifier: Apache-2.0
// Section 3 of the contract: futures.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

using test::everywhere;
using test::in_order;
using namespace std::chrono_literals;

namespace {

aya::task<int> take_from(aya::future<int> f) { co_return co_await f; }

} // namespace

TEST_CASE("F1: a done future is set no second time, and cannot be cancelled") {
    everywhere([]() -> aya::task<> {
        auto const error = std::make_exception_ptr(std::runtime_error("late"));
        aya::promise<int> const p;
        p.set_value(1);
        CHECK_THROWS_AS(p.set_value(2), aya::invalid_state_error);
        CHECK_THROWS_AS(p.set_exception(error), aya::invalid_state_error);
        CHECK_FALSE(p.try_set_value(2));
        CHECK_FALSE(p.try_set_exception(error));
        CHECK_FALSE(p.cancel());
        CHECK_FALSE(p.get_future().cancel());
        int const value = co_await p.get_future();
        CHECK(value == 1);
        aya::promise<int> const c;
        CHECK(c.cancel());
        CHECK_THROWS_AS(c.set_value(2), aya::invalid_state_error);
        CHECK_FALSE(c.cancel());
    });
}

TEST_CASE("F2: cancel() ends a pending future at once, and those who await it") {
    everywhere([]() -> aya::task<> {
        aya::promise<int> const p;
        auto const a = aya::create_task(take_from, p.get_future());
        auto const b = aya::create_task(take_from, p.get_future());
        co_await test::settle();
        CHECK(p.get_future().cancel("enough"));
        CHECK(p.done());
        CHECK(p.cancelled());
        std::string message;
        try {
            (void)co_await a;
        } catch (aya::cancelled_error const& e) {
            message = e.message();
        }
        CHECK(message == "enough");
        bool const other = co_await test::throws<aya::cancelled_error>(b);
        CHECK(other);
        CHECK(a.cancelled());
        CHECK(a.cancelling() == 0); // nobody asked the task itself
        CHECK_THROWS_AS((void)p.get_future().exception(), aya::cancelled_error);
    });
}

TEST_CASE("T8: awaiting a done future does not suspend and delivers no cancellation") {
    everywhere([]() -> aya::task<> {
        aya::promise<int> const p;
        p.set_value(5);
        aya::future<int> const f = p.get_future();
        auto body = [&]() -> aya::task<int> {
            aya::current_task().cancel();
            int const value = co_await f;
            aya::current_task().uncancel();
            co_return value;
        };
        int const value = co_await aya::create_task(body);
        CHECK(value == 5);
    });
}

TEST_CASE("C5, T11: cancelling a task cancels the future that it awaits, and so all who await it") {
    everywhere([]() -> aya::task<> {
        aya::promise<int> const p;
        auto const a = aya::create_task(take_from, p.get_future());
        auto const b = aya::create_task(take_from, p.get_future());
        co_await test::settle();
        CHECK(a.cancel());
        CHECK(p.cancelled());
        bool const first = co_await test::throws<aya::cancelled_error>(a);
        bool const second = co_await test::throws<aya::cancelled_error>(b);
        CHECK(first);
        CHECK(second);
        CHECK(a.cancelling() == 1);
        CHECK(b.cancelling() == 0);
    });
}

TEST_CASE("C9: a task cancelled after its future was set is cancelled all the same, the future is not") {
    in_order([]() -> aya::task<> {
        aya::promise<int> const p;
        auto const t = aya::create_task(take_from, p.get_future());
        co_await test::settle();
        p.set_value(1);
        CHECK(t.cancel());
        bool const cancelled = co_await test::throws<aya::cancelled_error>(t);
        CHECK(cancelled);
        CHECK_FALSE(p.cancelled());
        CHECK(p.get_future().result() == 1);
    });
}

TEST_CASE("T10: all who await a failed future get the same exception object") {
    everywhere([]() -> aya::task<> {
        aya::promise<int> const p;
        auto const a = aya::create_task(take_from, p.get_future());
        auto const b = aya::create_task(take_from, p.get_future());
        co_await test::settle();
        auto const error = std::make_exception_ptr(std::runtime_error("bad"));
        p.set_exception(error);
        co_await test::settle();
        CHECK(a.exception() == error);
        CHECK(b.exception() == error);
    });
}

TEST_CASE("F11: a failed future that nobody asked is reported when it goes; one that was asked or cancelled is not") {
    test::report_log log;
    aya::runtime_options options;
    options.exception_handler = log.handler();
    auto const error = std::make_exception_ptr(std::runtime_error("bad"));
    test::on_every_runtime(
        [&](aya::runtime& rt) {
            std::size_t const before = log.count();
            {
                aya::promise<int> const p(rt);
                p.set_exception(error);
                CHECK(log.count() == before);
            }
            CHECK(log.count() == before + 1);
            {
                aya::promise<int> const asked(rt);
                asked.set_exception(error);
                CHECK(asked.get_future().exception() == error);
                aya::promise<int> const cancelled(rt);
                cancelled.cancel();
                aya::promise<int> const silenced(rt);
                silenced.set_exception(error);
                CHECK_FALSE(silenced.cancel());
                aya::promise<int> const dropped(rt);
                (void)dropped.get_future();
            }
            CHECK(log.count() == before + 1);
            CHECK(log.messages().back() == "Future exception was never retrieved");
        },
        options);
}

TEST_CASE("F9: no type of exception is special, but there has to be one") {
    everywhere([]() -> aya::task<> {
        aya::promise<int> const p;
        CHECK_THROWS_AS(p.set_exception(std::exception_ptr()), std::invalid_argument);
        CHECK_FALSE(p.get_future().done());
        p.set_exception(std::make_exception_ptr(42)); // not even a std::exception
        bool const thrown = co_await test::throws<int>(p.get_future());
        CHECK(thrown);
    });
}

TEST_CASE("T10: a result that was moved out is not given to anybody else as if nothing had happened") {
    everywhere([]() -> aya::task<> {
        std::string const text(100, 'x');
        aya::promise<std::string> p;
        auto const named = p.get_future();
        p.set_value(text);
        CHECK(co_await named == text);
        CHECK(co_await named == text);
        std::string const moved = co_await p.get_future();
        CHECK(moved == text);
        CHECK_THROWS_AS((void)named.result(), aya::invalid_state_error);
        CHECK(co_await test::throws<aya::invalid_state_error>(p.get_future()));

        aya::promise<int> number; // nothing to see of a move
        number.set_value(100);
        int sum = 0;
        for (int i = 0; i < 3; ++i)
            sum += co_await number.get_future();
        CHECK(sum == 300);

        auto make = [](std::string s) -> aya::task<std::unique_ptr<std::string>> { co_return std::make_unique<std::string>(std::move(s)); };
        auto const h = aya::create_task(make(text));
        auto copy = h;
        CHECK(*co_await std::move(copy) == text);
        CHECK_THROWS_AS((void)h.result(), aya::invalid_state_error);
    });
}
