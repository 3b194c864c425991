// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <vector>

using test::everywhere;
using namespace std::chrono_literals;

TEST_CASE("mutex: try_lock, unlock, and the refusal to unlock what is not locked") {
    aya::mutex m;
    CHECK_FALSE(m.locked());
    CHECK_THROWS_AS(m.unlock(), aya::invalid_state_error);
    CHECK(m.try_lock());
    CHECK(m.locked());
    CHECK_FALSE(m.try_lock());
    m.unlock();
    CHECK_FALSE(m.locked());
    CHECK_THROWS_AS(m.unlock(), aya::invalid_state_error);
}

TEST_CASE("mutex: the guard moves, unlocks once, and says when it holds nothing") {
    everywhere([]() -> aya::task<> {
        aya::mutex m;
        {
            auto guard = co_await m.lock();
            CHECK(guard.owns_lock());
            aya::mutex::guard other = std::move(guard);
            CHECK_FALSE(guard.owns_lock());
            CHECK(m.locked());
            CHECK_THROWS_AS(guard.unlock(), aya::invalid_state_error);
            other.unlock();
            CHECK_FALSE(m.locked());
            CHECK_THROWS_AS(other.unlock(), aya::invalid_state_error);
            other = co_await m.lock();
            CHECK(m.locked());
        }
        CHECK_FALSE(m.locked());
    });
}

TEST_CASE("mutex: excludes, across suspensions and workers") {
    everywhere([]() -> aya::task<> {
        aya::mutex m;
        long counter = 0; // not atomic: the mutex orders it
        bool inside = false;
        bool overlapped = false;
        auto worker = [&]() -> aya::task<> {
            for (int i = 0; i < 200; ++i) {
                auto const guard = co_await m.lock();
                overlapped = overlapped || inside;
                inside = true;
                if (i % 10 == 0)
                    co_await aya::yield();
                ++counter;
                inside = false;
            }
        };
        std::vector<aya::task<>> workers;
        for (int i = 0; i < 16; ++i)
            workers.push_back(worker());
        co_await aya::gather(std::move(workers));
        CHECK(counter == 3200);
        CHECK_FALSE(overlapped);
        CHECK_FALSE(m.locked());
    });
}

TEST_CASE("mutex: unlocked by a thread that is no worker") {
    test::on_every_runtime([](aya::runtime& rt) {
        aya::mutex m;
        REQUIRE(m.try_lock());
        std::atomic<bool> started{false};
        auto waiter = [&]() -> aya::task<bool> {
            started.store(true);
            auto const guard = co_await m.lock();
            co_return guard.owns_lock();
        };
        test::thread_crew crew;
        crew.add([&] {
            test::eventually_outside([&] { return started.load(); });
            m.unlock();
        });
        bool const locked = rt.block_on(waiter);
        CHECK(locked);
        crew.join();
        CHECK_FALSE(m.locked());
    });
}
