// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <vector>

using test::everywhere;
using namespace std::chrono_literals;

TEST_CASE("queue: sizes, limits and the calls that do not wait, outside a runtime") {
    aya::queue<int> q(2);
    CHECK(q.capacity() == 2);
    CHECK(q.empty());
    CHECK_FALSE(q.full());
    CHECK_THROWS_AS((void)q.get_nowait(), aya::queue_empty);
    q.put_nowait(1);
    q.put_nowait(2);
    CHECK(q.full());
    CHECK(q.size() == 2);
    CHECK_THROWS_AS(q.put_nowait(3), aya::queue_full);
    CHECK(q.get_nowait() == 1);
    CHECK(q.get_nowait() == 2);
    CHECK(q.empty());
}

TEST_CASE("queue: items that only move, destroyed with the queue") {
    test::census census;
    {
        struct item {
            std::unique_ptr<int> number;
            test::census::resident resident;
        };
        aya::queue<item> q;
        for (int i = 0; i < 20; ++i)
            q.put_nowait({std::make_unique<int>(i), census.make()});
        item const first = q.get_nowait();
        CHECK(*first.number == 0);
        CHECK(census.live() == 20);
    }
    CHECK(census.live() == 0);
}

TEST_CASE("queue: a pipeline of two stages carries everything in order through small queues") {
    everywhere([]() -> aya::task<> {
        aya::queue<int> first(2);
        aya::queue<int> second(1);
        std::vector<int> seen;
        auto source = [&]() -> aya::task<> {
            for (int i = 0; i < 1000; ++i)
                co_await first.put(i);
            first.shutdown();
        };
        auto middle = [&]() -> aya::task<> {
            try {
                for (;;) {
                    int const i = co_await first.get();
                    co_await second.put(2 * i);
                }
            } catch (aya::queue_shut_down const&) {
                second.shutdown();
            }
        };
        auto sink = [&]() -> aya::task<> {
            try {
                for (;;) {
                    int const i = co_await second.get();
                    seen.push_back(i);
                }
            } catch (aya::queue_shut_down const&) {
            }
        };
        co_await aya::gather(source(), middle(), sink());
        REQUIRE(seen.size() == 1000);
        for (int i = 0; i < 1000; ++i)
            REQUIRE(seen[static_cast<std::size_t>(i)] == 2 * i);
    });
}

TEST_CASE("queue: a waiting getter is served by put_nowait from a foreign thread") {
    test::on_every_runtime([](aya::runtime& rt) {
        aya::queue<int> q;
        auto getter = [&]() -> aya::task<int> {
            int sum = 0;
            for (int i = 0; i < 1000; ++i) {
                int const got = co_await q.get();
                sum += got;
            }
            co_return sum;
        };
        test::thread_crew crew;
        crew.add([&] {
            for (int i = 0; i < 1000; ++i)
                q.put_nowait(i);
        });
        int const sum = rt.block_on(getter);
        CHECK(sum == 499'500);
    });
}

TEST_CASE("queue: join waits for task_done, not for get") {
    everywhere([]() -> aya::task<> {
        aya::queue<int> q;
        bool joined = false;
        auto joiner = [&]() -> aya::task<> {
            co_await q.join();
            joined = true;
        };
        q.put_nowait(1);
        q.put_nowait(2);
        auto const h = aya::create_task(joiner);
        (void)q.get_nowait();
        (void)q.get_nowait();
        co_await test::settle();
        CHECK_FALSE(joined);
        q.task_done();
        co_await test::settle();
        CHECK_FALSE(joined);
        q.task_done();
        co_await h;
        CHECK(joined);
        CHECK_THROWS_AS(q.task_done(), aya::invalid_state_error);
    });
}
