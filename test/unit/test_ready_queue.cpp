// SPDX-License-Identifier: Apache-2.0
#include "scheduler/ready_queue.hpp"

#include "support/harness.hpp"
#include "support/ready_items.hpp"

#include <doctest/doctest.h>

#include <array>

using aya::detail::ready;
using aya::detail::ready_queue;
using test::as_item;

TEST_CASE("ready_queue: first in, first out, with and without thieves") {
    for (bool const shared : {false, true}) {
        CAPTURE(shared);
        test::item_set items(5);
        ready_queue q(shared, 8);
        CHECK(q.pop() == nullptr);
        for (std::size_t i = 0; i < 5; ++i)
            REQUIRE(q.push(items[i]));
        CHECK(q.size() == 5);
        for (std::size_t i = 0; i < 5; ++i)
            CHECK(q.pop() == &items[i]);
        CHECK(q.pop() == nullptr);
        CHECK(q.size() == 0);
    }
}

TEST_CASE("ready_queue: grows without losing an item or the order, wherever the ring begins") {
    for (std::size_t shift = 0; shift < 9; ++shift) {
        CAPTURE(shift);
        test::item_set items(200);
        ready_queue q(true, 8);
        for (std::size_t i = 0; i < shift; ++i) {
            REQUIRE(q.push(items[i]));
            CHECK(q.pop() == &items[i]);
        }
        for (std::size_t i = 0; i < 200; ++i)
            REQUIRE(q.push(items[i]));
        CHECK(q.size() == 200);
        for (std::size_t i = 0; i < 200; ++i)
            REQUIRE(q.pop() == &items[i]);
    }
}

TEST_CASE("ready_queue: a thief takes the oldest half, rounded up, and no more than the limit") {
    test::item_set items(10);
    ready_queue q(true, 16);
    std::array<ready*, 64> taken{};
    CHECK(q.steal(taken.data(), taken.size()) == 0);
    for (std::size_t i = 0; i < 10; ++i)
        REQUIRE(q.push(items[i]));
    REQUIRE(q.steal(taken.data(), taken.size()) == 5);
    for (std::size_t i = 0; i < 5; ++i)
        CHECK(taken[i] == &items[i]);
    CHECK(q.steal(taken.data(), 2) == 2);
    CHECK(taken[1] == &items[6]);
    CHECK(q.size() == 3);
    CHECK(q.steal(taken.data(), taken.size()) == 2);
    CHECK(q.steal(taken.data(), taken.size()) == 1); // a single one too: its worker may be busy
    CHECK(q.pop() == nullptr);
}

TEST_CASE("ready_queue: an owner and three thieves take every item exactly once, while the ring grows") {
    constexpr std::size_t count = 200'000;
    test::item_set items(count);
    ready_queue q(true, 8);
    std::atomic<bool> over{false};
    std::atomic<int> started{0};
    std::atomic<std::size_t> stolen{0};
    test::thread_crew thieves;
    for (int t = 0; t < 3; ++t)
        thieves.add([&] {
            started.fetch_add(1);
            std::array<ready*, 64> taken{};
            for (bool last = false;; last = over.load()) {
                std::size_t const n = q.steal(taken.data(), taken.size());
                for (std::size_t i = 0; i < n; ++i)
                    as_item(taken[i]).taken.fetch_add(1);
                stolen.fetch_add(n);
                if (n == 0 && last)
                    return;
            }
        });
    while (started.load() != 3)
        std::this_thread::yield();
    test::random_source random(1);
    for (std::size_t pushed = 0; pushed < count;) {
        if (random.one_in(200))
            std::this_thread::yield(); // on few CPUs the thieves would hardly run
        for (std::size_t burst = 1 + random.below(40); burst != 0 && pushed < count; --burst)
            REQUIRE(q.push(items[pushed++]));
        for (std::size_t pops = random.below(20); pops != 0; --pops)
            if (ready* const r = q.pop())
                as_item(r).taken.fetch_add(1);
    }
    while (ready* const r = q.pop())
        as_item(r).taken.fetch_add(1);
    over.store(true);
    thieves.join();
    CHECK(items.wrong() == 0);
    CHECK(stolen.load() > 0);
}
