// SPDX-License-Identifier: Apache-2.0
#include <aya/detail/fork_deque.hpp>

#include "support/harness.hpp"
#include "support/ready_items.hpp"

#include <doctest/doctest.h>

using aya::detail::fork_deque;
using aya::detail::ready;
using test::as_item;

TEST_CASE("fork_deque: the owner takes the newest, a thief the oldest") {
    test::item_set items(4);
    fork_deque d(8);
    CHECK(d.empty());
    CHECK(d.pop() == nullptr);
    CHECK(d.steal() == nullptr);
    for (std::size_t i = 0; i < 4; ++i)
        REQUIRE(d.push(items[i]));
    CHECK_FALSE(d.empty());
    CHECK(d.pop() == &items[3]);
    CHECK(d.steal() == &items[0]);
    CHECK(d.steal() == &items[1]);
    CHECK(d.pop() == &items[2]);
    CHECK(d.pop() == nullptr);
    CHECK(d.steal() == nullptr);
    CHECK(d.empty());
    REQUIRE(d.push(items[0])); // usable after it ran empty at both ends
    CHECK(d.pop() == &items[0]);
}

TEST_CASE("fork_deque: the owner takes back what it pushed last, unless somebody was faster") {
    for (bool const shared : {true, false}) {
        CAPTURE(shared);
        test::item_set items(3);
        fork_deque d(shared, 2);
        CHECK_FALSE(d.take_newest());
        REQUIRE(d.push_at_once(items[0]));
        REQUIRE(d.push_at_once(items[1]));
        CHECK_FALSE(d.push_at_once(items[2])); // full
        CHECK_FALSE(d.looks_newest(items[0]));
        REQUIRE(d.looks_newest(items[1]));
        CHECK(d.take_newest());
        CHECK(d.steal() == &items[0]);
        CHECK_FALSE((d.looks_newest(items[0]) && d.take_newest())); // still in its slot, but taken
        CHECK(d.empty());
        CHECK(d.pop() == nullptr);
        REQUIRE(d.push(items[2])); // usable after that
        REQUIRE(d.looks_newest(items[2]));
        CHECK(d.take_newest());
        CHECK(d.empty());
    }
}

TEST_CASE("fork_deque: grows without losing an item, wherever the ring begins") {
    for (std::size_t shift = 0; shift < 9; ++shift) {
        CAPTURE(shift);
        test::item_set items(100);
        fork_deque d(8);
        for (std::size_t i = 0; i < shift; ++i) {
            REQUIRE(d.push(items[i]));
            CHECK(d.steal() == &items[i]);
        }
        for (std::size_t i = 0; i < 100; ++i)
            REQUIRE(d.push(items[i]));
        for (std::size_t i = 0; i < 50; ++i)
            REQUIRE(d.steal() == &items[i]);
        for (std::size_t i = 100; i-- > 50;)
            REQUIRE(d.pop() == &items[i]);
        CHECK(d.empty());
    }
}

TEST_CASE("fork_deque: an owner and three thieves take every item exactly once, the last ones included") {
    constexpr std::size_t count = 200'000;
    test::item_set items(count);
    fork_deque d(8);
    std::atomic<bool> over{false};
    std::atomic<int> started{0};
    test::thread_crew thieves;
    for (int t = 0; t < 3; ++t)
        thieves.add([&] {
            started.fetch_add(1);
            for (bool last = false;; last = over.load()) {
                ready* const r = d.steal();
                if (r != nullptr)
                    as_item(r).taken.fetch_add(1);
                else if (last && d.empty())
                    return;
            }
        });
    while (started.load() != 3)
        std::this_thread::yield();
    test::random_source random(2);
    for (std::size_t pushed = 0; pushed < count;) {
        if (random.one_in(200))
            std::this_thread::yield(); // on few CPUs the thieves would hardly run
        // Mostly nearly empty: there the owner and the thieves fight for one item.
        for (std::size_t burst = 1 + random.below(random.one_in(100) ? 60 : 3); burst != 0 && pushed < count; --burst)
            REQUIRE(d.push(items[pushed++]));
        for (std::size_t pops = 1 + random.below(3); pops != 0; --pops)
            if (ready* const r = d.pop())
                as_item(r).taken.fetch_add(1);
    }
    while (ready* const r = d.pop())
        as_item(r).taken.fetch_add(1);
    over.store(true);
    thieves.join();
    CHECK(items.wrong() == 0);
}
