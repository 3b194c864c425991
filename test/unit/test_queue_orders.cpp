// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using test::everywhere;

TEST_CASE("lifo_queue: the youngest item first, within its limit") {
    aya::lifo_queue<int> q(3);
    for (int i = 0; i < 3; ++i)
        q.put_nowait(i);
    CHECK(q.full());
    CHECK_THROWS_AS(q.put_nowait(3), aya::queue_full);
    CHECK(q.get_nowait() == 2);
    q.put_nowait(4);
    CHECK(q.get_nowait() == 4);
    CHECK(q.get_nowait() == 1);
    CHECK(q.get_nowait() == 0);
    CHECK_THROWS_AS((void)q.get_nowait(), aya::queue_empty);
}

TEST_CASE("priority_queue: the smallest first, whatever the order of puts") {
    test::random_source random(1);
    for (std::size_t size = 0; size < 70; ++size) {
        aya::priority_queue<std::size_t> q;
        std::vector<std::size_t> expected;
        auto put = [&] {
            expected.push_back(random.below(40));
            q.put_nowait(expected.back());
        };
        auto get = [&] {
            auto const smallest = std::min_element(expected.begin(), expected.end());
            REQUIRE(q.get_nowait() == *smallest);
            expected.erase(smallest);
        };
        for (std::size_t i = 0; i < size; ++i) {
            put();
            if (random.one_in(3))
                get();
        }
        while (!expected.empty())
            get();
        CHECK(q.empty());
    }
}

TEST_CASE("priority_queue: items that only move, with a comparison of one's own, destroyed with the queue") {
    test::census census;
    struct job {
        std::unique_ptr<int> urgency;
        test::census::resident resident;
    };
    {
        auto more_urgent = [](job const& a, job const& b) { return *a.urgency > *b.urgency; };
        aya::priority_queue<job, decltype(more_urgent)> q(0, more_urgent);
        for (int const i : {2, 7, 1, 8, 2, 8})
            q.put_nowait({std::make_unique<int>(i), census.make()});
        CHECK(census.live() == 6);
        for (int const i : {8, 8, 7}) {
            job const next = q.get_nowait();
            CHECK(*next.urgency == i);
        }
        CHECK(census.live() == 3);
    }
    CHECK(census.live() == 0);
}

TEST_CASE("priority_queue, lifo_queue: a waiting getter is served at once, a waiting putter when there is room") {
    everywhere([]() -> aya::task<> {
        aya::priority_queue<std::string> by_name(1);
        aya::lifo_queue<std::string> pile(1);
        auto get = [](auto& q) -> aya::task<std::string> { co_return co_await q.get(); };
        auto put = [](auto& q, std::string s) -> aya::task<> { co_await q.put(std::move(s)); };
        auto const a = aya::create_task(get(by_name));
        auto const b = aya::create_task(get(pile));
        co_await test::settle();
        co_await by_name.put("x");
        co_await pile.put("y");
        CHECK(co_await a == "x");
        CHECK(co_await b == "y");
        by_name.put_nowait("m");
        pile.put_nowait("m");
        auto const c = aya::create_task(put(by_name, "a"));
        auto const d = aya::create_task(put(pile, "a"));
        co_await test::settle();
        CHECK_FALSE(c.done());
        CHECK_FALSE(d.done());
        CHECK(by_name.get_nowait() == "m");
        CHECK(pile.get_nowait() == "m");
        co_await c;
        co_await d;
        CHECK(by_name.get_nowait() == "a");
        CHECK(pile.get_nowait() == "a");
    });
}
