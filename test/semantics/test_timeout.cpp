// SPDX-License-Identifier: Apache-2.0
// The contract's section 8: one timeout scope. Nested ones are in test_timeout_nested.cpp.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

using test::everywhere;
using test::in_order;
using namespace std::chrono_literals;

namespace {

template <class E, class F>
aya::task<bool> times_out(std::chrono::milliseconds d, F body) {
    return test::throws<E>(aya::timeout(d, std::move(body)));
}

// Leaves the task with one request counted and delivered.
aya::task<> cancelled_once() {
    aya::current_task().cancel();
    bool const delivered = co_await test::throws<aya::cancelled_error>(test::forever());
    CHECK(delivered);
    CHECK(aya::current_task().cancelling() == 1);
}

aya::task<> nothing() { co_return; }

aya::task<bool> next_yield_throws() {
    try {
        co_await aya::yield();
    } catch (aya::cancelled_error const&) {
        co_return true;
    }
    co_return false;
}

} // namespace

TEST_CASE("TO1: expired() is false while active and after a timely end, true from the expiry on") {
    everywhere([]() -> aya::task<> {
        auto in_time = [](aya::timeout_scope& scope) -> aya::task<bool> {
            co_await aya::sleep(1ms);
            co_return scope.expired();
        };
        bool const expired = co_await aya::timeout(5ms, in_time);
        CHECK_FALSE(expired);
        bool inside = false;
        auto late = [&](aya::timeout_scope& scope) -> aya::task<> {
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            inside = scope.expired();
            co_await aya::sleep(1ms);
            inside = inside && scope.expired();
        };
        co_await aya::timeout(5ms, late);
        CHECK(inside);
    });
}

TEST_CASE("TO2: outside a task a scope is refused") {
    auto body = []() -> aya::task<> { co_return; };
    CHECK_THROWS_AS((void)aya::create_task(aya::timeout(1s, body)), aya::invalid_state_error);
}

TEST_CASE("TO3: expiry cancels the task once") {
    everywhere([]() -> aya::task<> {
        int delivered = 0;
        auto body = [&]() -> aya::task<> {
            for (int i = 0; i < 3; ++i) {
                bool c = false;
                try {
                    co_await aya::sleep(10ms);
                } catch (aya::cancelled_error const&) {
                    c = true;
                }
                delivered += c ? 1 : 0;
            }
            CHECK(aya::current_task().cancelling() == 1);
        };
        co_await aya::timeout(5ms, body);
        CHECK(delivered == 1);
        CHECK(aya::current_task().cancelling() == 0);
    });
}

TEST_CASE("TO4: the scope's own cancellation becomes timeout_error, and leaves no trace") {
    everywhere([]() -> aya::task<> {
        bool const late = co_await times_out<aya::timeout_error>(5ms, &test::forever);
        CHECK(late);
        CHECK(aya::current_task().cancelling() == 0);
        co_await aya::sleep(1ms); // normal again
        CHECK(aya::now() == aya::time_point(6ms));
    });
}

TEST_CASE("TO5: expired and cancelled by somebody else as well: cancelled_error, and that request stays counted") {
    in_order([]() -> aya::task<> {
        for (bool const external_first : {false, true}) {
            aya::timeout_scope* scope = nullptr;
            auto scoped = [&](aya::timeout_scope& s) -> aya::task<> {
                scope = &s;
                co_await test::forever();
            };
            auto body = [&]() -> aya::task<> { co_await aya::timeout(1h, scoped); };
            auto const h = aya::create_task(body);
            co_await test::settle();
            if (external_first)
                h.cancel();
            scope->reschedule(aya::time_point(0s)); // expires now
            if (!external_first)
                h.cancel();
            co_await test::settle();
            CHECK(h.cancelled());
            CHECK(h.cancelling() == 1);
        }
    });
}

TEST_CASE("TO6: expired, and the body ends with another exception: that one, unchanged") {
    everywhere([]() -> aya::task<> {
        bool expired = false;
        auto body = [&](aya::timeout_scope& scope) -> aya::task<> {
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            expired = scope.expired();
            throw std::out_of_range("own");
        };
        bool const threw = co_await times_out<std::out_of_range>(5ms, body);
        CHECK(threw);
        CHECK(expired);
        CHECK(aya::current_task().cancelling() == 0);
    });
}

TEST_CASE("TO7: expired, the body swallows it and ends normally: no exception, the count is as before") {
    everywhere([]() -> aya::task<> {
        auto body = []() -> aya::task<int> {
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            co_return 8;
        };
        int const value = co_await aya::timeout(5ms, body);
        CHECK(value == 8);
        CHECK(aya::current_task().cancelling() == 0);
        co_await aya::yield();
    });
}

TEST_CASE("TO8: a body that ends without suspending is in time, though the deadline has passed; nothing comes late") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        bool expired = false;
        auto body = [&](aya::timeout_scope& scope) -> aya::task<> {
            while (aya::now() <= *scope.when()) {
            }
            expired = scope.expired();
            co_return;
        };
        co_await aya::timeout(2ms, body);
        // With other workers the timer may fire in the meantime; then the request was taken back.
        CHECK(aya::current_task().cancelling() == 0);
        co_await aya::yield();
        co_await aya::sleep(1ms);
        (void)expired;
    });
    in_order([]() -> aya::task<> {
        bool expired = true;
        auto body = [&](aya::timeout_scope& scope) -> aya::task<> {
            expired = scope.expired();
            co_return;
        };
        co_await aya::timeout(2ms, body);
        CHECK_FALSE(expired);
        co_await aya::sleep(10ms);
        CHECK(aya::current_task().cancelling() == 0);
    });
}

TEST_CASE("TO9: not expired and cancelled from outside: cancelled_error, not expired") {
    everywhere([]() -> aya::task<> {
        bool expired = true;
        auto scoped = [&](aya::timeout_scope& scope) -> aya::task<> {
            try {
                co_await test::forever();
            } catch (aya::cancelled_error const&) {
                expired = scope.expired();
                throw;
            }
        };
        auto body = [&]() -> aya::task<> { co_await aya::timeout(1h, scoped); };
        auto const h = aya::create_task(body);
        co_await test::settle();
        h.cancel();
        co_await test::settle();
        CHECK(h.cancelled());
        CHECK(h.cancelling() == 1);
        CHECK_FALSE(expired);
    });
}

TEST_CASE("TO10: without a deadline it never expires, and can be given one later") {
    everywhere([]() -> aya::task<> {
        auto body = [](aya::timeout_scope& scope) -> aya::task<> {
            CHECK_FALSE(scope.when().has_value());
            co_await aya::sleep(100h);
            CHECK_FALSE(scope.expired());
            scope.reschedule(aya::now() + 5ms);
            CHECK(scope.when() == aya::now() + 5ms);
            co_await test::forever();
        };
        bool late = false;
        try {
            co_await aya::timeout_at(std::nullopt, body);
        } catch (aya::timeout_error const&) {
            late = true;
        }
        CHECK(late);
        CHECK(aya::now() == aya::time_point(100h + 5ms));
    });
}

TEST_CASE("TO11: zero or a past deadline expires at the first suspension, a yield too; the body runs up to there") {
    everywhere([]() -> aya::task<> {
        co_await aya::sleep(10ms);
        int stage = 0;
        auto body = [&]() -> aya::task<> {
            stage = 1;
            co_await aya::yield();
            stage = 2;
        };
        bool late = co_await times_out<aya::timeout_error>(0ms, body);
        CHECK(late);
        CHECK(stage == 1);
        stage = 0;
        late = co_await test::throws<aya::timeout_error>(aya::timeout_at(aya::time_point(1ms), body));
        CHECK(late);
        CHECK(stage == 1);
        auto without = []() -> aya::task<int> { co_return 4; };
        int const value = co_await aya::timeout(0s, without);
        CHECK(value == 4);
        co_await aya::yield();
        CHECK(aya::current_task().cancelling() == 0);
    });
}

TEST_CASE("TO12: reschedule moves the deadline, into the past too, and disarms with none") {
    everywhere([]() -> aya::task<> {
        auto later = [](aya::timeout_scope& scope) -> aya::task<> {
            scope.reschedule(aya::now() + 20ms);
            co_await test::forever();
        };
        bool late = co_await times_out<aya::timeout_error>(5ms, later);
        CHECK(late);
        CHECK(aya::now() == aya::time_point(20ms));

        int stage = 0;
        auto past = [&](aya::timeout_scope& scope) -> aya::task<> {
            scope.reschedule(aya::time_point(1ms));
            CHECK(scope.expired());
            stage = 1;
            co_await aya::yield();
            stage = 2;
        };
        late = co_await times_out<aya::timeout_error>(5ms, past);
        CHECK(late);
        CHECK(stage == 1);

        auto never = [](aya::timeout_scope& scope) -> aya::task<> {
            scope.reschedule(std::nullopt);
            co_await aya::sleep(1h);
        };
        co_await aya::timeout(5ms, never);
        CHECK(aya::now() == aya::time_point(1h + 20ms));
    });
}

TEST_CASE("TO12: another task may reschedule") {
    everywhere([]() -> aya::task<> {
        auto body = [](aya::timeout_scope& scope) -> aya::task<> {
            auto helper = [&]() -> aya::task<> {
                scope.reschedule(aya::time_point(3ms));
                co_return;
            };
            auto const h = aya::create_task(helper);
            co_await test::forever();
        };
        bool const late = co_await test::throws<aya::timeout_error>(aya::timeout(1h, body));
        CHECK(late);
        CHECK(aya::now() == aya::time_point(3ms));
    });
}

TEST_CASE("TO13: reschedule of an expired scope is refused") {
    everywhere([]() -> aya::task<> {
        auto body = [](aya::timeout_scope& scope) -> aya::task<> {
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            CHECK_THROWS_AS(scope.reschedule(aya::now() + 1h), aya::invalid_state_error);
            CHECK_THROWS_AS(scope.reschedule(std::nullopt), aya::invalid_state_error);
        };
        co_await aya::timeout(1ms, body);
    });
}

TEST_CASE("TO18: in the cleanup of a cancelled task a scope works normally") {
    everywhere([]() -> aya::task<> {
        bool late = false;
        auto body = [&]() -> aya::task<> {
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            late = co_await test::throws<aya::timeout_error>(aya::timeout(5ms, test::forever));
            CHECK(aya::current_task().cancelling() == 1);
        };
        auto const h = aya::create_task(body);
        co_await test::settle();
        h.cancel();
        co_await h;
        CHECK(late);
    });
}

TEST_CASE("TO19: a cancellation that was pending when the scope began is not the scope's") {
    everywhere([]() -> aya::task<> {
        for (auto const limit : {0ms, 5ms}) {
            bool late = false;
            bool cancelled = false;
            auto body = [&]() -> aya::task<> {
                aya::current_task().cancel();
                try {
                    co_await aya::timeout(limit, test::forever);
                } catch (aya::timeout_error const&) {
                    late = true;
                } catch (aya::cancelled_error const&) {
                    cancelled = true;
                }
            };
            auto const h = aya::create_task(body);
            co_await h;
            CHECK(cancelled);
            CHECK_FALSE(late);
            CHECK(h.cancelling() == 1);
        }
    });
}

TEST_CASE("TO20: only cancelled_error is converted") {
    everywhere([]() -> aya::task<> {
        auto body = []() -> aya::task<> {
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            throw aya::timeout_error("inner");
        };
        std::string text;
        try {
            co_await aya::timeout(1ms, body);
        } catch (aya::timeout_error const& e) {
            text = e.what();
        }
        CHECK(text == "inner");
    });
}

TEST_CASE("TO21: the deadline counts from the call, not from the await; when() is a point in time") {
    everywhere([]() -> aya::task<> {
        auto body = [](aya::timeout_scope& scope) -> aya::task<> {
            CHECK(scope.when() == aya::time_point(10ms));
            co_await test::forever();
        };
        auto scoped = aya::timeout(10ms, body);
        co_await aya::sleep(4ms);
        bool const late = co_await test::throws<aya::timeout_error>(std::move(scoped));
        CHECK(late);
        CHECK(aya::now() == aya::time_point(10ms));
    });
}

TEST_CASE("TO21: entered after its deadline it expires at the first suspension; a body without one ends normally") {
    everywhere([]() -> aya::task<> {
        bool started = false;
        auto body = [&](aya::timeout_scope& scope) -> aya::task<> {
            started = true;
            CHECK(scope.when() == aya::time_point(10ms));
            co_await aya::sleep(1h);
        };
        auto without = []() -> aya::task<int> { co_return 4; };
        auto scoped = aya::timeout(10ms, body);
        auto quick = aya::timeout(10ms, without);
        co_await aya::sleep(20ms);
        int const value = co_await std::move(quick);
        CHECK(value == 4);
        bool const late = co_await test::throws<aya::timeout_error>(std::move(scoped));
        CHECK(late);
        CHECK(started);
        CHECK(aya::now() == aya::time_point(20ms));
        co_await aya::yield();
        CHECK(aya::current_task().cancelling() == 0);
    });
}

TEST_CASE("TO21: ... at the first suspension, even if that is a turn") {
    everywhere([]() -> aya::task<> {
        auto scoped = aya::timeout(10ms, []() -> aya::task<> { co_await aya::yield(); });
        co_await aya::sleep(20ms);
        bool const late = co_await test::throws<aya::timeout_error>(std::move(scoped));
        CHECK(late);
    });
}

TEST_CASE("TO19: a cancellation that was pending at entry and is taken back inside leaves the timeout its own") {
    everywhere([]() -> aya::task<> {
        auto body = []() -> aya::task<> {
            try {
                co_await aya::yield();
            } catch (aya::cancelled_error const&) {
                aya::current_task().uncancel();
            }
            co_await test::forever();
        };
        aya::current_task().cancel();
        bool timed_out = false;
        try {
            co_await aya::timeout(1ms, body);
        } catch (aya::timeout_error const&) {
            timed_out = true;
        }
        CHECK(timed_out);
        CHECK(aya::current_task().cancelling() == 0);
    });
}

TEST_CASE("TO8: a scope that was over at entry leaves no request behind after an earlier cancellation") {
    everywhere([]() -> aya::task<> {
        co_await cancelled_once();
        co_await aya::timeout(0ms, nothing);
        CHECK(aya::current_task().cancelling() == 1);
        bool const late = co_await next_yield_throws();
        CHECK_FALSE(late);
    });
}
