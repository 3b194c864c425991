// SPDX-License-Identifier: Apache-2.0
#include "scheduler/injection_queue.hpp"

#include "support/harness.hpp"
#include "support/ready_items.hpp"

#include <doctest/doctest.h>

#include <array>

using aya::detail::injection_queue;
using aya::detail::ready;
using test::as_item;

TEST_CASE("injection_queue: one thread's items come out in order, at most `limit` at once") {
    test::item_set items(5);
    injection_queue q;
    std::array<ready*, 8> taken{};
    CHECK(q.empty());
    CHECK(q.pop(taken.data(), taken.size()) == 0);
    for (std::size_t i = 0; i < 5; ++i)
        q.push(items[i]);
    CHECK_FALSE(q.empty());
    REQUIRE(q.pop(taken.data(), 2) == 2);
    CHECK(taken[0] == &items[0]);
    CHECK(taken[1] == &items[1]);
    REQUIRE(q.pop(taken.data(), taken.size()) == 3);
    CHECK(taken[2] == &items[4]);
    CHECK(q.empty());
}

TEST_CASE("injection_queue: two producers and two consumers, every item exactly once, each producer's in order") {
    constexpr std::size_t each = 50'000;
    test::item_set items(2 * each);
    injection_queue q;
    std::atomic<std::size_t> taken{0};
    std::atomic<bool> in_order{true};
    test::thread_crew crew;
    for (std::size_t p = 0; p < 2; ++p)
        crew.add([&, p] {
            for (std::size_t i = 0; i < each; ++i)
                q.push(items[p * each + i]);
        });
    for (int c = 0; c < 2; ++c)
        crew.add([&] {
            std::array<ready*, 16> some{};
            std::array<std::size_t, 2> next{};
            while (taken.load() != 2 * each) {
                std::size_t const n = q.pop(some.data(), some.size());
                for (std::size_t i = 0; i < n; ++i) {
                    test::item& it = as_item(some[i]);
                    it.taken.fetch_add(1);
                    std::size_t& expected = next[it.number / each];
                    if (it.number % each + 1 <= expected) // a consumer sees a producer's items in rising order
                        in_order.store(false);
                    expected = it.number % each + 1;
                }
                taken.fetch_add(n);
            }
        });
    crew.join();
    CHECK(items.wrong() == 0);
    CHECK(in_order.load());
    CHECK(q.empty());
}
