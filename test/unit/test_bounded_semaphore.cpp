// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <string>
#include <stdexcept>
#include <utility>

using test::everywhere;

TEST_CASE("bounded_semaphore: counts, and refuses a release too many") {
    std::string const refusal = test::refusal<std::invalid_argument>([] { aya::bounded_semaphore const negative(-1); });
    CHECK(refusal == "aya::bounded_semaphore: the number of permits must not be negative");
    aya::bounded_semaphore s(2);
    CHECK_THROWS_AS(s.release(), aya::invalid_state_error);
    CHECK(s.try_acquire());
    CHECK(s.try_acquire());
    CHECK(s.locked());
    CHECK_FALSE(s.try_acquire());
    s.release();
    s.release();
    CHECK_THROWS_AS(s.release(), aya::invalid_state_error);
    CHECK_FALSE(s.locked());
}

TEST_CASE("bounded_semaphore: the permit moves, is released once, and can be left to somebody else") {
    everywhere([]() -> aya::task<> {
        aya::bounded_semaphore s;
        {
            auto permit = co_await s.acquire();
            auto other = std::move(permit);
            CHECK_THROWS_AS(permit.release(), aya::invalid_state_error);
            CHECK(s.locked());
            other.release();
            CHECK_FALSE(s.locked());
            other = co_await s.acquire();
            other.forget();
        }
        CHECK(s.locked());
        s.release();
        CHECK_FALSE(s.locked());
    });
}

TEST_CASE("bounded_semaphore: a permit goes to the longest waiter, and past a cancelled one") {
    everywhere([]() -> aya::task<> {
        aya::bounded_semaphore s(1);
        CHECK(s.try_acquire());
        auto take = [](aya::bounded_semaphore& from) -> aya::task<> { auto const permit = co_await from.acquire(); };
        auto const first = aya::create_task(take(s));
        co_await test::settle();
        auto const second = aya::create_task(take(s));
        co_await test::settle();
        s.release();
        first.cancel(); // may have the permit already
        co_await second;
        co_await test::settle();
        CHECK(first.done());
        CHECK_FALSE(s.locked());
        CHECK_THROWS_AS(s.release(), aya::invalid_state_error);
    });
}
