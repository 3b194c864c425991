// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <vector>

using test::everywhere;
using namespace std::chrono_literals;

TEST_CASE("semaphore: permits are counted, without and beyond the initial number") {
    aya::semaphore none(0);
    CHECK(none.locked());
    CHECK_FALSE(none.try_acquire());
    none.release();
    CHECK_FALSE(none.locked());
    CHECK(none.try_acquire());
    CHECK(none.locked());

    aya::semaphore two(2);
    CHECK(two.try_acquire());
    CHECK_FALSE(two.locked());
    CHECK(two.try_acquire());
    CHECK_FALSE(two.try_acquire());
    for (int i = 0; i < 5; ++i)
        two.release();
    for (int i = 0; i < 5; ++i)
        CHECK(two.try_acquire());
    CHECK_FALSE(two.try_acquire());
}

TEST_CASE("semaphore: the permit moves, is released once, and can be left to somebody else") {
    everywhere([]() -> aya::task<> {
        aya::semaphore s(1);
        {
            auto permit = co_await s.acquire();
            CHECK(s.locked());
            auto other = std::move(permit);
            CHECK_THROWS_AS(permit.release(), aya::invalid_state_error);
            CHECK(s.locked());
            other.release();
            CHECK_FALSE(s.locked());
            CHECK_THROWS_AS(other.release(), aya::invalid_state_error);
            other = co_await s.acquire();
            other.forget();
        }
        CHECK(s.locked());
        s.release();
        CHECK_FALSE(s.locked());
    });
}

TEST_CASE("semaphore: never more tasks inside than permits, and that many do get in") {
    everywhere([]() -> aya::task<> {
        aya::semaphore s(3);
        std::atomic<int> inside{0};
        std::atomic<int> most{0};
        auto worker = [&]() -> aya::task<> {
            for (int i = 0; i < 20; ++i) {
                auto const permit = co_await s.acquire();
                int const now = inside.fetch_add(1) + 1;
                int seen = most.load();
                while (seen < now && !most.compare_exchange_weak(seen, now)) {
                }
                co_await aya::sleep(1ms);
                inside.fetch_sub(1);
            }
        };
        std::vector<aya::task<>> workers;
        for (int i = 0; i < 10; ++i)
            workers.push_back(worker());
        co_await aya::gather(std::move(workers));
        CHECK(most.load() == 3);
        CHECK(inside.load() == 0);
        for (int i = 0; i < 3; ++i)
            CHECK(s.try_acquire());
        CHECK_FALSE(s.try_acquire());
    });
}
