// SPDX-License-Identifier: Apache-2.0
#include "scheduler/injection_queue.hpp"

#include "support/harness.hpp"
#include "support/ready_items.hpp"

#include <doctest/doctest.h>

#include <array>

using aya::detail::injection_queue;
using aya::detail::ready;
using test::as_item;

TEST_CASE("injection_queue: what is there comes out at once, in order") {
    test::item_set items(5);
    injection_queue q;
    CHECK(q.empty());
    CHECK(q.pop_all() == nullptr);
    for (std::size_t i = 0; i < 5; ++i)
        CHECK(q.push(items[i]) == (i == 0)); // says whether it was empty
    CHECK_FALSE(q.empty());
    ready* r = q.pop_all();
    CHECK(q.empty());
    for (std::size_t i = 0; i < 5; ++i) {
        REQUIRE(r == &items[i]);
        r = r->next;
    }
    CHECK(r == nullptr);
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
                (void)q.push(items[p * each + i]);
        });
    for (int c = 0; c < 2; ++c)
        crew.add([&] {
            std::array<std::size_t, 2> next{};
            while (taken.load() != 2 * each) {
                for (ready* r = q.pop_all(); r != nullptr; r = r->next) {
                    test::item& it = as_item(r);
                    it.taken.fetch_add(1);
                    std::size_t& expected = next[it.number / each];
                    if (it.number % each + 1 <= expected) // a consumer sees a producer's items in rising order
                        in_order.store(false);
                    expected = it.number % each + 1;
                    taken.fetch_add(1);
                }
            }
        });
    crew.join();
    CHECK(items.wrong() == 0);
    CHECK(in_order.load());
    CHECK(q.empty());
}
